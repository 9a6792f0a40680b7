//! Who comes back to the server when, after a network that was away for longer than a socket lives: what the rules of
//! the client about its socket come to, seen in whole runs in virtual time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rtcstorm::{
    base::Instant,
    metrics::{EventKind, RunEvent},
    plan::{self, expand},
    scenario::{parse, shipped},
    sim::Schedule,
};

use crate::{docs::Grammar, simulated};

/// A whole room of six loses its network for 30 s at once, with these rules on top of the reference client's.
fn storm(rules: &str) -> Vec<RunEvent> {
    let found = shipped().find(|(name, _)| *name == "faults/reconnect-storm");
    let text = format!("{}\nclient: {{ {rules} }}\n", found.expect("it is shipped").1);
    let scenario = parse("scenario", &text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
    let plan = Arc::new(expand(&scenario, 6, &plan::Options::default()));
    simulated::play(&plan, Schedule::Fifo).0
}

fn instants(events: &[RunEvent], wanted: impl Fn(&EventKind) -> bool) -> Vec<Instant> {
    let wanted = events.iter().filter(|event| wanted(&event.kind));
    wanted.map(|event| event.at).collect()
}

/// When the network was planned to be back.
fn back(events: &[RunEvent]) -> Instant {
    let ends = events.iter().find_map(|event| match event.kind {
        EventKind::FaultStarted { ends, .. } => Some(ends),
        _ => None,
    });
    ends.expect("it goes away")
}

/// When each had a socket again.
fn returns(events: &[RunEvent]) -> Vec<Instant> {
    let back = back(events);
    let sockets = instants(events, |kind| *kind == EventKind::SignalingConnected);
    sockets.into_iter().filter(|at| *at >= back).collect()
}

fn lost(events: &[RunEvent]) -> usize {
    instants(events, |kind| matches!(kind, EventKind::SignalingLost { .. })).len()
}

#[test]
fn a_room_that_was_away_comes_back_one_by_one_by_chance() {
    let reference = storm("");
    let apart: BTreeSet<Instant> = returns(&reference).into_iter().collect();
    assert_eq!(apart.len(), 6, "each has an instant of its own: {apart:?}");
    assert_eq!(
        lost(&reference) % 6,
        0,
        "all lose as many: the socket, and two attempts"
    );
    let together = storm("reconnect_jitter: false");
    let returns: BTreeSet<Instant> = returns(&together).into_iter().collect();
    assert_eq!(returns.len(), 1, "without, they come in one instant: {returns:?}");
}

/// An attempt that meets no network takes `socket_within`, and then the next one is waited for.
#[test]
fn how_long_attempts_take_and_how_long_they_wait_decides_when_a_room_is_back() {
    let last = |rules: &str| {
        let events = storm(&format!("reconnect_jitter: false, {rules}"));
        let last = returns(&events).into_iter().max().expect("they come back");
        (last.since(back(&events)), lost(&events) / 6)
    };
    // Lost at the second heartbeat's end, and again with each attempt.
    let (soon, few) = last("reconnect_first: 250ms");
    let (late, fewer) = last("reconnect_first: 8s");
    assert!(soon < Duration::from_secs(2), "{soon:?}");
    assert!(late > soon && fewer < few, "{late:?} {fewer}, {soon:?} {few}");
    let (_, many) = last("socket_within: 2s");
    assert!(many > few, "{many}, {few}");
}

#[test]
fn who_makes_too_few_attempts_is_no_member_any_more() {
    for (attempts, outside) in [(1, true), (7, false)] {
        let events = storm(&format!("reconnect_attempts: {attempts}"));
        assert_eq!(returns(&events).is_empty(), outside, "{attempts} attempts");
        let expired = instants(&events, |kind| matches!(kind, EventKind::WaitExpired { .. }));
        assert_eq!(
            !expired.is_empty(),
            outside,
            "{attempts} attempts: nobody recovers"
        );
    }
}
