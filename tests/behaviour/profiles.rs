//! The models of deployed clients, in the simulated world with the real WebRTC stack: what they are known for.

use std::sync::Arc;

use rtcstorm::{
    base::PeerId,
    metrics::{DescriptionKind, EventKind, IgnoreReason, RecoveryPath, RunEvent},
    plan::{self, expand},
    scenario::{Override, Scenario},
    sim::Schedule,
};

use crate::{local::Unjudged, simulated};

const JOIN: &str = "
name: join
rooms: {peers: 2}
steps: [join, {wait: {for: connected, within: 20s}}]
";

/// A guest goes, and is back `pause` later.
fn rejoin(pause: &str) -> String {
    format!(
        "
name: rejoin
groups:
  - {{name: host, peers: 1, steps: [join, {{wait: connected}}, {{barrier: in}}, {{pause: 15s}}]}}
  - name: guest
    peers: 1
    steps: [join, {{wait: connected}}, {{barrier: in}}, leave, {{pause: {pause}}}, join, {{wait: {{for: connected, within: 8s}}}}]
"
    )
}

/// The guest's media are away for so long that ICE is disconnected at both ends, and restarted.
const DROP: &str = "
name: drop
groups:
  - {name: host, peers: 1, steps: [join, {wait: connected}, {barrier: in}, {pause: 60s}]}
  - name: guest
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: in
      - pause: 12s                # longer than a fingerprint is remembered
      - drop_network: {scope: media, for: 12s}
      - wait: recovered
";

fn simulated(text: &str, client: &str, schedule: Schedule, seed: u64) -> Vec<RunEvent> {
    let sets = [Override::set("--set", format!("client={client}"))];
    let scenario = Scenario::with_overrides("x", text, &sets, &Unjudged)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
    let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
    simulated::play(&plan, schedule).0
}

fn count(events: &[RunEvent], is: impl Fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| is(&event.kind)).count()
}

fn expired(events: &[RunEvent]) -> usize {
    count(events, |kind| matches!(kind, EventKind::WaitExpired { .. }))
}

fn opened(events: &[RunEvent]) -> usize {
    count(events, |kind| matches!(kind, EventKind::ChannelOpened { .. }))
}

fn ignored(events: &[RunEvent], wanted: IgnoreReason) -> usize {
    count(events, |kind| {
        let offer = DescriptionKind::Offer;
        matches!(kind, EventKind::DescriptionIgnored { description, reason, .. }
            if *description == offer && *reason == wanted)
    })
}

#[test]
fn the_deployed_client_never_answers_a_plain_first_offer() {
    let events = simulated(JOIN, "dashboard-4.0", Schedule::Fifo, 1);
    let answers = |kind: &EventKind| matches!(kind, EventKind::DescriptionSent { description, .. } if *description == DescriptionKind::Answer);
    assert_eq!((opened(&events), expired(&events)), (0, 2));
    assert_eq!(
        (count(&events, answers), ignored(&events, IgnoreReason::State)),
        (0, 1)
    );
    // Its one rule mended: nothing else kept it from connecting.
    for client in ["dashboard-4.0-fixed", "reference"] {
        let events = simulated(JOIN, client, Schedule::Fifo, 1);
        assert_eq!((opened(&events), expired(&events)), (2, 0), "{client}");
    }
}

#[test]
fn the_mended_client_fails_a_rejoin_within_the_lock_of_the_last_offer() {
    let fixed = "dashboard-4.0-fixed";
    let events = simulated(&rejoin("1s"), fixed, Schedule::Fifo, 1);
    assert_eq!((opened(&events), expired(&events)), (2, 1));
    assert_eq!(ignored(&events, IgnoreReason::Locked), 1);
    for (pause, client) in [
        // The lock is over.
        ("2500ms", fixed),
        // It is forgotten with the membership.
        ("1s", "{extends: dashboard-4.0-fixed, forget_on_leave: true}"),
        ("1s", "{extends: dashboard-4.0-fixed, offer_lock: 500ms}"),
        ("1s", "reference"),
    ] {
        let events = simulated(&rejoin(pause), client, Schedule::Fifo, 1);
        assert_eq!((opened(&events), expired(&events)), (4, 0), "{pause}, {client}");
    }
}

/// The one whose ICE is disconnected first restarts it, and its offer comes while the other's connection is
/// disconnected, too: that one is not kept but replaced, and what answers has another certificate. Where both
/// restart within the time of a frame's way, the offers collide, and that goes well.
#[test]
fn the_ice_restart_of_the_mended_client_is_answered_by_another_connection() {
    let (mut died, mut collided) = (0, 0);
    for seed in 1..=6 {
        let events = simulated(DROP, "dashboard-4.0-fixed", Schedule::Random, seed);
        let restarted = |kind: &EventKind| matches!(kind, EventKind::RecoveryStarted { path, .. } if *path == RecoveryPath::IceRestart);
        let replaced = |kind: &EventKind| matches!(kind, EventKind::ConnectionClosed { cause, .. } if cause == "replaced");
        let glare = |kind: &EventKind| matches!(kind, EventKind::Glare { .. });
        let recovered = count(&events, |kind| matches!(kind, EventKind::LinkRecovered { .. }));
        assert!(count(&events, restarted) > 0, "seed {seed}");
        assert_eq!(expired(&events), 1 - recovered, "seed {seed}");
        if recovered == 0 {
            died += 1;
            assert_eq!(count(&events, replaced), 1, "seed {seed}");
            assert_eq!(count(&events, glare), 0, "seed {seed}");
        } else {
            collided += 1;
            assert_eq!(count(&events, replaced), 0, "seed {seed}");
            assert_eq!(count(&events, glare), 2, "seed {seed}");
        }
    }
    assert!(died > 0 && collided > 0, "{died} died, {collided} collided");
    // It is that rule: without it, every one of them recovers.
    for client in ["{extends: dashboard-4.0-fixed, keep_living: false}", "reference"] {
        for seed in 1..=6 {
            let events = simulated(DROP, client, Schedule::Random, seed);
            let recovered = count(&events, |kind| matches!(kind, EventKind::LinkRecovered { .. }));
            assert_eq!((recovered, expired(&events)), (1, 0), "{client}, seed {seed}");
        }
    }
}

/// A member whose socket was away for a moment believes that it is in the room, and the server has let it go.
#[test]
fn the_deployed_client_loses_its_membership_with_its_socket() {
    let text = "
name: cut
rooms: {peers: 2}
groups:
  - {name: host, peers: 1, steps: [join, {wait: connected}, {pause: 10s}]}
  - {name: guest, peers: 1, steps: [join, {wait: connected}, {pause: 1s}, {cut_signaling: reset}, {pause: 9s}]}
";
    let rosters = |client| {
        let events = simulated(text, client, Schedule::Fifo, 1);
        let back = |kind: &EventKind| matches!(kind, EventKind::SignalingConnected);
        assert_eq!(count(&events, back), 3, "{client}");
        let at_the_server = events.iter().find_map(|event| match &event.kind {
            EventKind::ServerRoster { members, .. } => Some(members.clone()),
            _ => None,
        });
        at_the_server.expect("the room has settled")
    };
    assert_eq!(rosters("reference"), [PeerId(0), PeerId(1)]);
    assert_eq!(rosters("dashboard-4.0-fixed"), [PeerId(0)]);
}
