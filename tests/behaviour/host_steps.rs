//! What happens to the machine of a peer, or to the network that it is in, as it is seen from elsewhere: by data that
//! passes or does not, in the simulated world and over real sockets.

use std::{sync::Arc, time::Duration};

use rtcstorm::{
    base::{Instant, PeerId},
    hunt::judge,
    metrics::{EventKind, FaultCause, RecoveryPath, RunEvent},
    plan::{self, Plan, expand},
    scenario::{Scenario, parse},
    sim::Schedule,
};

use crate::{docs::Grammar, local, simulated};

fn read(text: &str) -> Scenario {
    parse("scenario", text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()))
}

fn planned(scenario: &Scenario) -> Arc<Plan> {
    Arc::new(expand(scenario, 7, &plan::Options::default()))
}

fn played(text: &str) -> Vec<RunEvent> {
    simulated::play(&planned(&read(text)), Schedule::Fifo).0
}

/// Two groups of two peers, who join and connect; then the first do `one`, the others `other`.
fn two_and_two(one: &str, other: &str) -> Vec<RunEvent> {
    let begin = "join, {wait: connected}, {barrier: begin}";
    played(&format!(
        "{{name: x, groups: [{{name: one, peers: 2, steps: [{begin}, {one}]}}, {{name: other, peers: 2, steps: [{begin}, {other}]}}]}}"
    ))
}

fn when(
    events: &[RunEvent],
    peer: u32,
    wanted: impl Fn(&EventKind) -> bool,
) -> Vec<(Instant, Option<PeerId>)> {
    let of_peer = events.iter().filter(|event| event.peer == Some(PeerId(peer)));
    of_peer
        .filter(|event| wanted(&event.kind))
        .map(|event| (event.at, event.remote))
        .collect()
}

/// When the fault of that cause begins and ends.
fn fault(events: &[RunEvent], wanted: FaultCause) -> (Instant, Instant) {
    let times = events.iter().find_map(|event| match event.kind {
        EventKind::FaultStarted { cause, planned, ends } if cause == wanted => Some((planned, ends)),
        _ => None,
    });
    times.expect("it begins")
}

fn is_message(kind: &EventKind) -> bool {
    matches!(kind, EventKind::MessageReceived { .. })
}

/// How many messages of `from` reach `to` in the middle of a time, well after what was on its way at its start.
fn reached(events: &[RunEvent], (from, to): (u32, u32), (start, end): (Instant, Instant)) -> usize {
    let messages = when(events, to, is_message).into_iter();
    messages
        .filter(|(at, remote)| {
            *remote == Some(PeerId(from)) && *at > start + Duration::from_millis(5) && *at < end
        })
        .count()
}

#[test]
fn between_the_halves_of_a_room_nothing_passes_and_within_them_everything_does() {
    let events = two_and_two(
        "{drop_network: {scope: media, for: 2s, with: other_half}}, {wait: recovered}",
        "{chat: {every: 20ms, size: 16, for: 2s}}, {pause: 3s}",
    );
    let time = fault(&events, FaultCause::DropNetwork);
    for (from, to) in [(2, 3), (3, 2)] {
        assert!(reached(&events, (from, to), time) > 95, "{from} to {to}");
    }
    for (from, to) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        assert_eq!(reached(&events, (from, to), time), 0, "{from} to {to}");
    }
    let torn = |peer| {
        when(&events, peer, |kind| {
            matches!(kind, EventKind::FaultStarted { .. })
        })
    };
    let remotes = |peer| -> Vec<_> { torn(peer).into_iter().filter_map(|(_, remote)| remote).collect() };
    assert_eq!(remotes(0), [PeerId(2), PeerId(3)]);
    assert_eq!(remotes(1), [PeerId(2), PeerId(3)]);
}

#[test]
fn who_is_cut_off_from_a_half_and_the_server_misses_both() {
    let lost = |kind: &EventKind| matches!(kind, EventKind::SignalingLost { .. });
    for (server, expected) in [("kept", 0), ("lost", 1)] {
        let events = two_and_two(
            &format!(
                "{{drop_network: {{for: 11s, with: other_half, server: {server}}}}}, {{wait: recovered}}"
            ),
            "{pause: 15s}",
        );
        assert_eq!(when(&events, 0, lost).len(), expected, "{server}");
        assert_eq!(when(&events, 2, lost).len(), 0, "{server}");
    }
}

#[test]
fn a_network_that_is_away_one_way_lets_data_pass_the_other_way() {
    for (direction, passes) in [("out", true), ("in", false)] {
        let events = two_and_two(
            &format!(
                "{{drop_network: {{scope: media, for: 2s, direction: {direction}}}}}, {{wait: recovered}}"
            ),
            "{chat: {every: 20ms, size: 16, for: 2s}}, {pause: 3s}",
        );
        let time = fault(&events, FaultCause::DropNetwork);
        assert_eq!(reached(&events, (2, 0), time) > 10, passes, "{direction}");
    }
}

#[test]
fn who_moves_is_away_until_ice_restarts_and_the_server_hears_nothing_of_it() {
    let events = two_and_two(
        "{pause: 0s..5ms}, roam, {wait: recovered}",
        "{chat: {every: 20ms, size: 16, for: 3s}}",
    );
    let recovered = |kind: &EventKind| match kind {
        EventKind::LinkRecovered { path, .. } => {
            assert_eq!(*path, RecoveryPath::IceRestart);
            true
        }
        _ => false,
    };
    for peer in [0, 1] {
        assert_eq!(when(&events, peer, recovered).len(), 3, "peer {peer}");
        let lost = |kind: &EventKind| matches!(kind, EventKind::SignalingLost { .. });
        assert_eq!(
            when(&events, peer, lost).len(),
            1,
            "its socket is of the old address"
        );
    }
    let left = |kind: &EventKind| matches!(kind, EventKind::MemberLeft { .. });
    for peer in 0..4 {
        let before_the_end = when(&events, peer, left).into_iter();
        let early = before_the_end.filter(|(at, _)| *at < Instant::from_millis(2_500));
        assert_eq!(early.count(), 0, "peer {peer} is told that somebody left");
    }
}

#[test]
fn who_does_not_look_where_it_is_notices_a_move_only_when_it_misses_the_others() {
    let rules = "client: {restart_on_roam: false}";
    let text = format!(
        "{{name: x, rooms: {{peers: 2}}, {rules}, groups: [{{name: one, peers: 1, steps: [join, {{wait: connected}}, {{roam: {{signaling: kept}}}}, {{wait: recovered}}]}}, {{name: other, peers: 1, steps: [join]}}]}}"
    );
    let events = played(&text);
    let (began, _) = fault(&events, FaultCause::Roam);
    let noticed = |kind: &EventKind| matches!(kind, EventKind::FaultDetected { .. });
    let first = when(&events, 0, noticed)[0].0;
    assert!(first.since(began) > Duration::from_secs(3), "{first:?}");
    let lost = |kind: &EventKind| matches!(kind, EventKind::SignalingLost { .. });
    assert_eq!(when(&events, 0, lost).len(), 0, "its socket is kept");
}

#[test]
fn whoever_sleeps_does_nothing_and_its_clock_decides_what_it_finds_when_it_wakes() {
    for (clock, noticed) in [("stops", 0), ("jumps", 3)] {
        let events = two_and_two(
            &format!("{{suspend: {{for: 8s, clock: {clock}}}}}, {{wait: recovered}}"),
            "{chat: {every: 20ms, size: 16, for: 2s}}, {pause: 12s}",
        );
        let (asleep, awake) = fault(&events, FaultCause::Suspend);
        for peer in [0, 1] {
            // Whatever it was to do in that very instant is done.
            let meanwhile = when(&events, peer, |_| true).into_iter();
            let meanwhile = meanwhile.filter(|(at, _)| *at > asleep && *at < awake);
            assert_eq!(meanwhile.count(), 0, "{clock}, peer {peer}");
            let at_once = |(at, _): &(Instant, Option<PeerId>)| at.since(awake) < Duration::from_millis(1);
            let detected = when(&events, peer, |kind| {
                matches!(kind, EventKind::FaultDetected { .. })
            });
            assert_eq!(
                detected.iter().filter(|d| at_once(d)).count(),
                noticed,
                "{clock}, peer {peer}"
            );
        }
        let next = when(
            &events,
            0,
            |kind| matches!(kind, EventKind::StepStarted { planned, step } if step == "wait" && *planned == awake),
        );
        assert_eq!(next.len(), 1, "the plan is of the run's time");
    }
}

#[test]
fn a_run_that_is_over_wakes_whoever_sleeps() {
    let events = played(
        "{name: x, rooms: {peers: 2}, duration: 3s, steps: [join, {wait: connected}, {suspend: {for: 1h}}]}",
    );
    let last = events.last().expect("there are events").at;
    assert!(last < Instant::from_millis(9_000), "{last:?}");
}

/// What a run is in both worlds: judged alike, with the same faults, recovered from in the same ways.
fn same_in_both_worlds(steps: &str) {
    let text = format!(
        "{{name: x, thresholds: {{reconnect_failed: 'rate==0', wait_expired: 'count==0'}}, groups: [{{name: one, peers: 1, steps: [join, {{wait: connected}}, {{barrier: begin}}, {steps}, {{wait: recovered}}, {{barrier: end}}]}}, {{name: other, peers: 2, steps: [join, {{wait: connected}}, {{barrier: begin}}, {{barrier: end}}]}}]}}"
    );
    let scenario = read(&text);
    let plan = planned(&scenario);
    let (simulated, took) = simulated::play(&plan, Schedule::Fifo);
    let real = local::runtime().block_on(local::play(&text));
    let told = |events: &[RunEvent]| {
        let mut told: Vec<String> = events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::FaultStarted { cause, .. } => Some(format!("{:?} {cause:?}", event.remote)),
                EventKind::LinkRecovered { path, .. } => Some(format!("{:?} {path:?}", event.remote)),
                _ => None,
            })
            .collect();
        told.sort_unstable();
        told
    };
    assert_eq!(told(&simulated), told(&real.events));
    assert!(!told(&simulated).is_empty());
    let verdict = |events: &[RunEvent], took: Duration| {
        judge(&scenario, &plan, events, Instant::START + took).map(|failure| failure.what.to_string())
    };
    assert_eq!(verdict(&simulated, took), None);
    assert_eq!(verdict(&real.events, real.summary.duration), None);
}

#[test]
fn a_move_ends_alike_in_both_worlds() {
    same_in_both_worlds("roam");
}

#[test]
fn a_nap_ends_alike_in_both_worlds() {
    same_in_both_worlds("{suspend: {for: 1s}}");
}

#[test]
fn half_a_network_ends_alike_in_both_worlds() {
    same_in_both_worlds(
        "{drop_network: {scope: media, for: 1s, direction: out}}, {wait: recovered}, {block_udp: {for: 1s}}",
    );
}
