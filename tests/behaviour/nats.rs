//! NATs between peers, in virtual time: who can connect without a relay comes out as theory says.

use std::{collections::BTreeMap, sync::Arc};

use rtcstorm::{
    impair::{NatKind, can_connect},
    metrics::{CandidateKind, EventKind, RunEvent},
    plan::{self, expand},
    scenario::parse,
    sim::Schedule,
};

use crate::{docs::Grammar, simulated};

/// How long a pair that can't connect is watched, in virtual time: far more than hole punching takes.
const WATCHED: &str = "15s";

/// Plays a scenario of two groups of one peer each with these terms.
fn play(one: &str, other: &str, seed: u64) -> Vec<RunEvent> {
    let group = |name: &str, terms: &str| {
        format!(
            "{{ name: {name}, peers: 1, {terms}, steps: [join, {{ wait: {{ for: connected, within: {WATCHED} }} }}] }}"
        )
    };
    play_text(
        &format!("groups: [{}, {}]", group("one", one), group("other", other)),
        seed,
    )
}

fn play_text(parts: &str, seed: u64) -> Vec<RunEvent> {
    let text = format!("name: pair\n{parts}\n");
    let scenario = parse("pair", &text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
    let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
    simulated::play(&plan, Schedule::Fifo).0
}

/// The kinds of local candidates that channels opened over, by peer.
fn opened(events: &[RunEvent]) -> BTreeMap<u32, CandidateKind> {
    let opened = events.iter().filter_map(|event| match event.kind {
        EventKind::ChannelOpened { pair, .. } => Some((event.peer?.0, pair)),
        _ => None,
    });
    opened.collect()
}

fn all() -> impl Iterator<Item = (&'static str, Option<NatKind>)> {
    [("none", None)]
        .into_iter()
        .chain(NatKind::NAMES.map(|(name, kind)| (name, Some(kind))))
}

/// Rows and columns: none, full cone, address-restricted, port-restricted, symmetric. `+` connects.
const TABLE: [&str; 5] = ["+++++", "+++++", "+++++", "++++-", "+++--"];

#[test]
fn which_pairs_connect_without_a_relay_is_as_theory_says() {
    let mut found = Vec::new();
    for (one, first) in all() {
        let row = all().map(|(other, second)| {
            let events = play(&format!("nat: {one}"), &format!("nat: {other}"), 7);
            let connected = opened(&events).len() == 2;
            assert_eq!(connected, can_connect(first, second), "{one} and {other}");
            if connected { '+' } else { '-' }
        });
        found.push(row.collect::<String>());
    }
    assert_eq!(found, TABLE);
}

/// A room of so many, each behind a symmetric NAT, with these `ice` terms and steps.
fn by_relay(peers: u32, ice: &str, steps: &str, seed: u64) -> Vec<RunEvent> {
    play_text(
        &format!("rooms: {{ peers: {peers} }}\nnat: symmetric\nice: {ice}\nsteps: {steps}"),
        seed,
    )
}

#[test]
fn two_behind_symmetric_nats_connect_by_a_relay() {
    for ice in ["all", "relay", "{ policy: relay, transport: tcp }"] {
        let events = by_relay(
            2,
            ice,
            "[join, wait: connected, { chat: { every: 100ms, size: 64, for: 2s } }]",
            1,
        );
        let opened = opened(&events);
        assert_eq!(opened.len(), 2, "{ice}");
        assert!(
            opened.values().any(|kind| *kind == CandidateKind::Relay),
            "{ice}: {opened:?}"
        );
        let received = |event: &&RunEvent| matches!(event.kind, EventKind::MessageReceived { .. });
        assert_eq!(events.iter().filter(received).count(), 40, "{ice}");
    }
}

#[test]
fn whose_credentials_are_wrong_gets_no_relay() {
    let steps = "[join, { wait: { for: connected, within: 15s } }]";
    let events = by_relay(2, "{ policy: relay, credentials: wrong }", steps, 1);
    assert_eq!(opened(&events), BTreeMap::new());
}

/// Plays a scenario and says what is told of links without a path, what a hunt would call its failure, and which
/// invariants are broken.
fn judged(parts: &str) -> (Vec<String>, Option<String>) {
    let text = format!("name: pair\n{parts}\n");
    let scenario = parse("pair", &text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
    let plan = Arc::new(expand(&scenario, 1, &plan::Options::default()));
    let events = simulated::play(&plan, Schedule::Fifo).0;
    let told = events.iter().filter_map(|event| match &event.kind {
        EventKind::NoPath { reason } => Some(reason.clone()),
        _ => None,
    });
    let told = told.collect();
    let ended = events.last().expect("there are events").at;
    let failure = rtcstorm::hunt::judge(&scenario, &plan, &events, ended);
    (told, failure.map(|failure| failure.what))
}

#[test]
fn who_loses_the_last_path_for_good_is_told_so_and_not_accused() {
    for (parts, why) in [
        (
            "rooms: { peers: 2 }\nnat: symmetric\nice: all\nsteps: [join, { wait: connected }, { turn: stop }, { pause: 3m }]",
            "both are behind symmetric NATs, and the relay has been stopped for good",
        ),
        (
            "rooms: { peers: 2 }\nice: relay\nsteps: [join, { wait: connected }, { turn: stop }, { pause: 3m }]",
            "only a relay may be used, and it has been stopped for good",
        ),
        (
            "rooms: { peers: 2 }\nsteps: [join, { wait: connected }, block_udp, { pause: 5m }]",
            "is blocked for good, and it has no relay over TCP or TLS",
        ),
    ] {
        let (told, failure) = judged(parts);
        let [told] = &told[..] else {
            panic!("{parts}: told {told:?}")
        };
        assert!(told.contains(why), "{told}");
        assert_eq!(failure, None, "{parts}");
    }
    // Where a path is left, nothing is said.
    for parts in [
        "rooms: { peers: 2 }\nice: all\nsteps: [join, { wait: connected }, { turn: stop }, { pause: 10s }]",
        "rooms: { peers: 2 }\nice: { policy: all, transport: tcp }\nsteps: [join, { wait: connected }, block_udp, { pause: 1m }]",
        "rooms: { peers: 2 }\nsteps: [join, { wait: connected }, { block_udp: { for: 5s } }, { pause: 1m }]",
    ] {
        assert_eq!(judged(parts), (Vec::new(), None), "{parts}");
    }
}
