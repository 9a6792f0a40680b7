//! What a warm-up leaves out, and what is told of the run all the same.

use std::time::Duration;

use crate::plan::{Burst, Plan};

use super::{
    EventKind, FaultCause, LimitOf, RecoveryPath,
    story::{A, B, Story, ms, plan},
};

/// A plan with a warm-up of 1 s.
fn warm() -> Plan {
    Plan {
        warm_up: Duration::from_secs(1),
        ..plan(1, 2)
    }
}

#[test]
fn a_link_that_connects_in_the_warm_up_is_no_sample_and_what_befalls_it_later_is() {
    let run = Story::with(&warm())
        .join(0, A, 1)
        .joined(5, A, 1)
        .join(0, B, 1)
        .joined(5, B, 1)
        .open(990, (A, B), 1, 1)
        .open(1_200, (B, A), 1, 1)
        .send(999, (A, B), 1)
        .receive(1_300, (B, A), 1, 1)
        .send(1_001, (A, B), 2)
        .receive(1_301, (B, A), 1, 2)
        .fault(2_000, (A, B), FaultCause::DropNetwork, 3_000)
        .recovered(3_040, (A, B), 1, RecoveryPath::Resume)
        .end(9_000);
    assert_eq!(
        (run.trend("connect_ms"), run.rate("connect_failed")),
        Default::default()
    );
    assert_eq!(
        (run.trend("join_ms"), run.trend("signaling_ms")),
        Default::default()
    );
    assert_eq!((run.count("joins_started"), run.count("joins_confirmed")), (0, 0));
    assert_eq!(run.trend("message_ms"), "1 ok 301 ms");
    assert_eq!(
        (run.count("messages_sent"), run.count("messages_received")),
        (1, 1)
    );
    assert_eq!(run.trend("reconnect_ms"), "1 ok 40 ms");
    assert_eq!(run.count("faults_started"), 1);
}

#[test]
fn a_fault_that_begins_in_the_warm_up_leaves_nothing_whenever_it_ends() {
    let run = Story::with(&warm())
        .join(0, A, 1)
        .join(0, B, 1)
        .open(50, (A, B), 1, 1)
        .open(50, (B, A), 1, 1)
        .fault(900, (A, B), FaultCause::DropNetwork, 3_000)
        .recovered(3_040, (A, B), 1, RecoveryPath::Resume)
        .end(9_000);
    for nothing in ["reconnect_ms", "outage_ms", "detect_ms"] {
        assert_eq!(run.trend(nothing), "", "{nothing}");
    }
    assert_eq!(
        (run.rate("reconnect_failed"), run.count("faults_started")),
        (String::new(), 0)
    );
    assert_eq!(run.outages().count(), 0);
}

#[test]
fn a_dead_target_is_seen_though_every_link_failed_in_the_warm_up() {
    let joined = || Story::with(&warm()).join(0, A, 1).join(0, B, 1);
    let dead = joined().run(40_000, EventKind::DeadlineReached);
    assert!(dead.nothing_connected());
    let alive = joined()
        .open(50, (A, B), 1, 1)
        .open(50, (B, A), 1, 1)
        .run(40_000, EventKind::DeadlineReached);
    assert!(!alive.nothing_connected());
    assert!(!Story::with(&warm()).nothing_connected(), "nobody was to connect");
}

#[test]
fn limits_of_the_harness_count_in_the_warm_up_too() {
    let hit = |of| EventKind::LimitHit {
        limit: "so many".to_owned(),
        of,
    };
    let run = Story::with(&warm())
        .run(10, hit(LimitOf::Harness))
        .peer(20, A, hit(LimitOf::Client))
        .peer(
            30,
            A,
            EventKind::WaitExpired {
                condition: String::new(),
            },
        )
        .end(2_000);
    assert_eq!(run.count("limits_hit{of:harness}"), 1);
    assert_eq!(run.count("limits_hit"), 2);
    assert_eq!(run.count("wait_expired"), 0);
}

#[test]
fn what_is_known_reaches_to_what_is_pending() {
    let recorder = |story: Story| story.recorder();
    let sent = recorder(
        Story::connected_pair()
            .send(3_000, (A, B), 1)
            .run(9_000, EventKind::RunEnded),
    );
    assert_eq!(sent.known_until("message_ms"), ms(2_999), "where it was planned");
    assert_eq!(sent.known_until("connect_ms"), ms(8_000), "no link is pending");
    assert_eq!(sent.known_until("glare"), ms(8_000));
    let joining = recorder(
        Story::of(2)
            .join(500, A, 1)
            .join(700, B, 1)
            .run(9_000, EventKind::RunEnded),
    );
    assert_eq!(joining.known_until("join_ms"), ms(500));
    assert_eq!(joining.known_until("connect_failed"), ms(700));
    assert_eq!(joining.known_until("message_failed"), ms(8_000));
}

#[test]
fn timers_of_the_event_loops_are_samples_each() {
    let mut plan = plan(1, 2);
    plan.burst = Some(Burst {
        from: ms(0),
        until: ms(5_000),
    });
    let lag = |late_us| EventKind::EventLoopLag { late_us };
    let run = Story::with(&plan)
        .run(1_000, lag(vec![(0, 90), (50_000, 10)]))
        .run(6_000, lag(vec![(1_000, 3), (200_000, 2)]))
        .end(7_000);
    assert_eq!(run.trend("event_loop_lag_ms{burst:no}"), "5 ok 1..200 ms");
    assert_eq!(run.trend("event_loop_lag_ms"), "105 ok 0..200 ms");
}
