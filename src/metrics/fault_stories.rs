//! What becomes of faults on links: [`Faults`](super::faults::Faults), through the recorder.

use FaultCause::{Crash, CutSignaling, DropNetwork};
use RecoveryPath::{IceRestart, Rejoin, Replace, Resume};

use super::{
    FaultCause, OutageKey, OutageLength, RecoveryPath,
    story::{A, B, C, Figures, Story},
};

/// The network of B is away from 1 s to 4 s.
fn dropped() -> Story {
    Story::connected_pair().fault(1_000, (B, A), DropNetwork, 4_000)
}

fn figures(run: &Figures) -> [String; 3] {
    ["reconnect_ms", "outage_ms", "detect_ms"].map(|name| run.trend(name))
}

fn failed_or_abandoned(run: &Figures) -> (String, u64) {
    (run.rate("reconnect_failed"), run.count("reconnect_abandoned"))
}

#[test]
fn a_link_recovers_from_a_faults_end_and_is_out_from_its_start() {
    let run = dropped()
        .detect(2_500, (A, B), 1)
        .detect(2_600, (B, A), 1)
        .recovering(4_100, (A, B), IceRestart)
        .recovered(4_250, (B, A), 1, IceRestart)
        .end(9_000);
    assert_eq!(figures(&run), ["1 ok 250 ms", "1 ok 3250 ms", "1 ok 1500 ms"]);
    let tagged = "reconnect_ms{cause:drop_network,path:ice_restart}";
    assert_eq!(run.trend(tagged), "1 ok 250 ms");
    for tags in ["{cause:drop_network}", "{cause:drop_network,path:ice_restart}"] {
        assert_eq!(run.trend(&format!("outage_ms{tags}")), "1 ok 3250 ms", "{tags}");
        assert_eq!(run.trend(&format!("detect_ms{tags}")), "1 ok 1500 ms", "{tags}");
    }
    assert_eq!(failed_or_abandoned(&run), ("0/1".to_owned(), 0));
    assert_eq!(run.count("faults_started{cause:drop_network}"), 1);
    assert_eq!(run.count("faults_detected"), 2);
    assert_eq!(run.count("recoveries_started{path:ice_restart}"), 1);
}

#[test]
fn a_fault_that_tears_nothing_is_recovered_from_in_no_time_and_need_not_be_noticed() {
    let run = dropped().recovered(1_020, (B, A), 1, Resume).end(9_000);
    assert_eq!(figures(&run), ["1 ok 0 ms", "1 ok 20 ms", ""]);
}

#[test]
fn only_the_end_that_the_fault_began_at_tells_of_its_recovery() {
    let run = dropped()
        .recovered(4_200, (A, B), 1, Resume)
        .recovered(4_300, (B, A), 1, Resume)
        .end(9_000);
    assert_eq!(run.trend("reconnect_ms"), "1 ok 300 ms");
}

#[test]
fn a_fault_at_both_ends_is_one_and_over_at_the_later() {
    let run = Story::connected_pair()
        .fault(1_000, (A, B), FaultCause::IceRestart, 1_000)
        .fault(1_000, (B, A), FaultCause::IceRestart, 1_000)
        .recovered(1_030, (A, B), 1, IceRestart)
        .recovered(1_050, (B, A), 1, IceRestart)
        .end(9_000);
    assert_eq!(run.trend("reconnect_ms{cause:ice_restart}"), "1 ok 50 ms");
    assert_eq!(run.count("faults_merged{cause:ice_restart}"), 1);
    let one = Story::connected_pair()
        .fault(1_000, (A, B), DropNetwork, 1_000)
        .fault(1_000, (B, A), DropNetwork, 1_000)
        .recovered(1_030, (A, B), 1, Resume)
        .end(90_000);
    assert_eq!(one.trend("reconnect_ms"), "0 ok, 1 failed", "both must tell");
}

#[test]
fn the_same_fault_may_be_told_by_the_other_end_after_the_first_has_recovered() {
    let run = Story::connected_pair()
        .fault(1_000, (A, B), DropNetwork, 1_000)
        .recovered(1_030, (A, B), 1, Resume)
        .fault_late(1_010, 1_040, (B, A), DropNetwork, 1_010)
        .recovered(1_090, (B, A), 1, Resume)
        .end(9_000);
    assert_eq!(run.trend("reconnect_ms"), "1 ok 80 ms");
    let next = Story::connected_pair()
        .fault(1_000, (A, B), DropNetwork, 1_000)
        .recovered(1_030, (A, B), 1, Resume)
        .fault(1_031, (B, A), DropNetwork, 1_031)
        .recovered(1_090, (B, A), 1, Resume)
        .end(9_000);
    assert_eq!(next.trend("reconnect_ms"), "2 ok 30..59 ms");
    let at_once = Story::connected_pair()
        .fault(1_000, (A, B), DropNetwork, 1_000)
        .recovered(1_030, (A, B), 1, Resume)
        .fault(1_030, (A, B), DropNetwork, 1_030)
        .recovered(1_090, (A, B), 1, Resume)
        .end(9_000);
    assert_eq!(at_once.trend("reconnect_ms"), "2 ok 30..60 ms");
    assert_eq!(at_once.count("faults_merged"), 0);
}

#[test]
fn faults_that_overlap_are_one_from_the_first_start_to_the_last_end() {
    let run = dropped()
        .fault(2_000, (B, A), CutSignaling, 2_000)
        .fault(3_000, (B, A), DropNetwork, 6_000)
        .detect(5_000, (B, A), 1)
        .recovered(6_100, (B, A), 2, Replace)
        .end(9_000);
    assert_eq!(figures(&run), ["1 ok 100 ms", "1 ok 5100 ms", "1 ok 4000 ms"]);
    assert_eq!(
        run.trend("reconnect_ms{cause:drop_network,path:replace}"),
        "1 ok 100 ms"
    );
    assert_eq!(run.count("faults_started"), 3);
    assert_eq!(run.count("faults_merged{cause:cut_signaling}"), 1);
    assert_eq!(run.count("faults_merged"), 2);
}

#[test]
fn a_link_that_is_given_up_has_failed() {
    let run = dropped()
        .recovering(4_100, (A, B), IceRestart)
        .detect(4_050, (A, B), 1)
        .given_up(20_000, (A, B), Replace)
        .recovered(21_000, (B, A), 1, Replace)
        .end(90_000);
    assert_eq!(
        figures(&run),
        ["0 ok, 1 failed", "0 ok, 1 failed", "1 ok 3050 ms"]
    );
    assert_eq!(
        run.rate("reconnect_failed{cause:drop_network,path:replace}"),
        "1/1"
    );
}

#[test]
fn a_link_that_does_not_recover_in_time_has_failed_by_the_last_path_that_was_tried() {
    let just = dropped().recovered(34_000, (B, A), 1, Resume).end(90_000);
    assert_eq!(just.trend("reconnect_ms"), "1 ok 30000 ms");
    let late = dropped().recovered(34_001, (B, A), 1, Resume).end(90_000);
    assert_eq!(late.trend("reconnect_ms"), "0 ok, 1 failed");
    let never = dropped()
        .recovering(5_000, (A, B), Replace)
        .recovering(6_000, (B, A), IceRestart)
        .end(34_001);
    assert_eq!(never.rate("reconnect_failed{path:replace}"), "1/1");
    assert_eq!(never.trend("outage_ms"), "0 ok, 1 failed");
}

#[test]
fn a_leave_a_crash_or_the_runs_end_abandons_what_is_not_overdue() {
    let left = dropped().detect(2_000, (A, B), 1).leave(5_000, A, 1).end(90_000);
    assert_eq!(failed_or_abandoned(&left), (String::new(), 1));
    assert_eq!(left.trend("detect_ms"), "1 ok 1000 ms");
    assert_eq!(
        left.count("reconnect_abandoned{cause:drop_network,path:resume}"),
        1
    );
    let crashed = dropped().crash(5_000, B, 1).end(90_000);
    assert_eq!(failed_or_abandoned(&crashed), (String::new(), 1));
    let ended = dropped().end(34_000);
    assert_eq!(failed_or_abandoned(&ended), (String::new(), 1));
    let overdue = dropped().leave(34_001, A, 1).end(34_001);
    assert_eq!(failed_or_abandoned(&overdue), ("1/1".to_owned(), 0));
    let recovered = dropped()
        .recovered(4_100, (B, A), 1, Resume)
        .leave(4_101, B, 1)
        .end(4_200);
    assert_eq!(failed_or_abandoned(&recovered), ("0/1".to_owned(), 0));
}

#[test]
fn a_fault_on_no_open_link_is_not_measured() {
    let closed = Story::of(3)
        .join(0, A, 1)
        .join(0, B, 1)
        .open(10, (A, B), 1, 1)
        .fault(20, (B, A), DropNetwork, 100)
        .fault(20, (A, C), DropNetwork, 100)
        .recovered(200, (B, A), 1, Resume)
        .end(90_000);
    assert_eq!(failed_or_abandoned(&closed), (String::new(), 0));
    assert_eq!(closed.count("faults_unmeasured{cause:drop_network}"), 2);
    let open_here = Story::of(2)
        .join(0, A, 1)
        .join(0, B, 1)
        .open(10, (A, B), 1, 1)
        .fault(20, (A, B), DropNetwork, 100)
        .recovered(200, (A, B), 1, Resume)
        .end(9_000);
    assert_eq!(open_here.trend("reconnect_ms"), "1 ok 100 ms");
    let elsewhere = dropped().fault(1_000, (B, A), Crash, 1_000).end(1_000);
    assert_eq!(elsewhere.count("faults_unmeasured{cause:crash}"), 1);
}

#[test]
fn what_a_replaced_connection_tells_is_not_believed() {
    let run = dropped()
        .detect(2_000, (A, B), 1)
        .created(4_100, (A, B), 2)
        .created(4_100, (B, A), 2)
        .detect(900, (A, B), 2)
        .recovered(4_200, (B, A), 1, Replace)
        .recovered(4_300, (B, A), 2, Replace)
        .end(9_000);
    assert_eq!(figures(&run), ["1 ok 300 ms", "1 ok 3300 ms", "1 ok 1000 ms"]);
}

/// The network of B is away so long that its membership is lost.
fn lost() -> Story {
    dropped().signaling_lost(2_000, B).lose_membership(12_000, B, 1)
}

#[test]
fn a_fault_goes_on_through_a_lost_membership_until_data_flows_in_the_next() {
    let run = lost()
        .join(12_000, B, 2)
        .join_failed(13_000, B, 2)
        .join(13_500, B, 3)
        .open(13_600, (A, B), 2, 1)
        .open(13_600, (B, A), 2, 3)
        .probe(13_700, (A, B), 2)
        .probe(13_900, (B, A), 2)
        .end(90_000);
    assert_eq!(
        run.trend("reconnect_ms{cause:drop_network,path:rejoin}"),
        "1 ok 9900 ms"
    );
    assert_eq!(run.trend("outage_ms"), "1 ok 12900 ms");
    assert_eq!(run.rate("reconnect_failed"), "0/1", "and no other case");

    let told = lost()
        .join(12_000, B, 2)
        .created(12_500, (B, A), 2)
        .recovered(12_900, (B, A), 2, Rejoin)
        .end(90_000);
    assert_eq!(told.trend("reconnect_ms"), "1 ok 8900 ms");
}

#[test]
fn a_membership_that_is_lost_for_good_fails_the_link_unless_its_end_was_planned() {
    let gone = lost().end(90_000);
    assert_eq!(failed_or_abandoned(&gone), ("1/1".to_owned(), 0));
    let other_left = lost().leave(20_000, A, 1).end(90_000);
    assert_eq!(failed_or_abandoned(&other_left), (String::new(), 1));
    let again = lost().join(12_000, B, 2).leave(20_000, B, 2).end(90_000);
    assert_eq!(failed_or_abandoned(&again), (String::new(), 1));
    let no_fault = Story::connected_pair()
        .signaling_lost(2_000, B)
        .lose_membership(12_000, B, 1)
        .join(12_000, B, 2)
        .end(90_000);
    assert_eq!(no_fault.rate("reconnect_failed{cause:rejoin}"), "1/1");
}

/// `cause length: paths, failed, cut; lost of due` of every row.
fn rows(run: &Figures) -> Vec<String> {
    let told = |(key, outage): (&OutageKey, &crate::metrics::Outage)| {
        let paths: Vec<_> = outage
            .recovered
            .iter()
            .map(|(path, count)| format!("{} {count}", path.name()))
            .collect();
        let length = match key.length {
            OutageLength::Planned(length) => crate::base::show_duration(length),
            length => format!("{length:?}"),
        };
        format!(
            "{} {length}: {}, failed {}, cut {}; lost {} of {}",
            key.cause.name(),
            paths.join(" "),
            outage.failed,
            outage.abandoned,
            outage.messages.hits,
            outage.messages.total
        )
    };
    run.outages().map(told).collect()
}

#[test]
fn outages_of_one_planned_length_make_a_row() {
    let run = dropped()
        .recovered(4_100, (B, A), 1, IceRestart)
        .fault(10_000, (B, A), DropNetwork, 13_000)
        .recovered(13_100, (B, A), 1, Resume)
        .fault(20_000, (B, A), DropNetwork, 20_000)
        .recovered(20_001, (B, A), 1, Resume)
        .fault(30_000, (A, B), FaultCause::IceRestart, 30_000)
        .end(31_000);
    assert_eq!(
        rows(&run),
        [
            "drop_network 0s: resume 1, failed 0, cut 0; lost 0 of 0",
            "drop_network 3s: resume 1 ice_restart 1, failed 0, cut 0; lost 0 of 0",
            "ice_restart Without: , failed 0, cut 1; lost 0 of 0",
        ]
    );
    assert_eq!(run.count("recovered_by{cause:drop_network,path:resume}"), 2);
}

#[test]
fn a_message_planned_in_an_outage_is_one_of_it_when_it_is_lost_or_not() {
    let run = dropped()
        .send(1_000, (A, B), 1)
        .send(1_001, (A, B), 2)
        .send(4_101, (B, A), 1)
        .recovered(4_100, (B, A), 1, Resume)
        .send(4_102, (B, A), 2)
        .receive(4_150, (A, B), 1, 1)
        .fault(50_000, (B, A), DropNetwork, 50_100)
        .recovered(50_200, (B, A), 1, Resume)
        .end(90_000);
    // Planned are those a ms before they are sent: the first before the outage, the last after it.
    assert_eq!(run.rate("message_failed"), "3/4");
    assert_eq!(run.rate("outage_message_failed{cause:drop_network}"), "1/2");
    assert_eq!(
        rows(&run)[1],
        "drop_network 3s: resume 1, failed 0, cut 0; lost 1 of 2"
    );
}

#[test]
fn a_link_that_is_made_while_a_fault_is_on_is_degraded() {
    let joins = |at| {
        Story::of(3)
            .join(0, A, 1)
            .join(0, B, 1)
            .open(10, (A, B), 1, 1)
            .open(10, (B, A), 1, 1)
            .fault(1_000, (B, A), DropNetwork, 4_000)
            .join(at, C, 1)
            .open(at + 5_000, (C, B), 1, 1)
            .open(at + 5_000, (B, C), 1, 1)
            .open(at + 10, (C, A), 1, 1)
            .open(at + 10, (A, C), 1, 1)
            .end(20_000)
    };
    let during = joins(3_000);
    assert_eq!(during.trend("connect_ms{degraded:yes}"), "1 ok 5000 ms");
    assert_eq!(during.trend("connect_ms{degraded:no}"), "2 ok 10 ms");
    let after = joins(4_000);
    assert_eq!(after.trend("connect_ms{degraded:yes}"), "", "the fault is over");
}
