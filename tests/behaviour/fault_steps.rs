//! Every fault step does what it says: over real sockets, seen in what comes of it elsewhere. None of these
//! holds if the step does nothing.

use std::time::Duration;

use rtcstorm::{
    base::PeerId,
    metrics::{DescriptionKind, EventKind, IgnoreReason, RecoveryPath, RunEvent},
};

use crate::local::{Played, play, runtime};

/// The one with the lower id, which the steps are for, and the other.
const ONE: PeerId = PeerId(0);
const OTHER: PeerId = PeerId(1);

/// Two peers connect; then one does `steps`, while the other does `meanwhile`, and both stay until both are
/// done.
fn played(steps: &str, meanwhile: &str) -> Played {
    let meanwhile = if meanwhile.is_empty() {
        String::new()
    } else {
        format!("{meanwhile}, ")
    };
    runtime().block_on(play(&format!(
        "name: fault\nrooms: {{ count: 1 }}\ngroups:\n\
         - {{ name: one, peers: 1, steps: [join, {{ wait: connected }}, {{ barrier: begin }}, {steps}, {{ barrier: end }}] }}\n\
         - {{ name: other, peers: 1, steps: [join, {{ wait: connected }}, {{ barrier: begin }}, {meanwhile}{{ barrier: end }}] }}\n"
    )))
}

impl Played {
    fn count_of(&self, peer: PeerId, wanted: impl Fn(&EventKind) -> bool) -> usize {
        let of_peer = self.events.iter().filter(|event| event.peer == Some(peer));
        of_peer.filter(|event| wanted(&event.kind)).count()
    }

    fn first(&self, peer: PeerId, wanted: impl Fn(&EventKind) -> bool) -> Option<&RunEvent> {
        let mut of_peer = self.events.iter().filter(|event| event.peer == Some(peer));
        of_peer.find(|event| wanted(&event.kind))
    }

    /// Datagrams of a peer's that vanished in outages and crashes.
    fn blocked(&self, peer: PeerId) -> u64 {
        let dropped = self.first(peer, |kind| matches!(kind, EventKind::NetworkDropped { .. }));
        match dropped.map(|event| &event.kind) {
            Some(EventKind::NetworkDropped { blocked, .. }) => *blocked,
            _ => 0,
        }
    }

    fn recovered_by(&self, peer: PeerId) -> Vec<RecoveryPath> {
        let of_peer = self.events.iter().filter(|event| event.peer == Some(peer));
        let paths = of_peer.filter_map(|event| match &event.kind {
            EventKind::LinkRecovered { path, .. } => Some(*path),
            _ => None,
        });
        paths.collect()
    }
}

fn ignored(kind: DescriptionKind) -> impl Fn(&EventKind) -> bool {
    move |event| {
        matches!(event, EventKind::DescriptionIgnored { description, reason: IgnoreReason::Duplicate, .. }
            if *description == kind)
    }
}

#[test]
fn copies_of_an_offer_reach_the_other_end() {
    let played = played("{ duplicate_offer: { copies: 3 } }, { pause: 500ms }", "");
    assert_eq!(played.count_of(OTHER, ignored(DescriptionKind::Offer)), 3);
}

#[test]
fn copies_of_an_answer_reach_the_other_end() {
    let played = played(
        "{ duplicate_answer: { for: 2s, copies: 2 } }, { barrier: answering }, { pause: 500ms }",
        "{ barrier: answering }, duplicate_offer, { pause: 500ms }",
    );
    assert_eq!(played.count_of(OTHER, ignored(DescriptionKind::Answer)), 2);
}

#[test]
fn an_ice_restart_makes_a_new_generation_that_carries_data() {
    let played = played("ice_restart, { wait: recovered }", "");
    assert_eq!(played.recovered_by(ONE), [RecoveryPath::IceRestart]);
    let restarted = played.count_of(OTHER, |kind| {
        matches!(
            kind,
            EventKind::DescriptionReceived {
                description: DescriptionKind::Offer,
                ..
            }
        )
    });
    let answered = played.count_of(OTHER, |kind| {
        matches!(
            kind,
            EventKind::DescriptionReceived {
                description: DescriptionKind::Answer,
                ..
            }
        )
    });
    assert_eq!(
        restarted + answered,
        2,
        "the first exchange and that of the restart"
    );
}

#[test]
fn a_dropped_network_swallows_what_both_ends_send() {
    let played = played(
        "{ drop_network: { for: 500ms } }, { wait: recovered }",
        "{ chat: { every: 20ms, size: 64, for: 500ms } }",
    );
    assert!(played.blocked(ONE) > 10, "{}", played.blocked(ONE));
    assert_eq!(played.blocked(OTHER), 0, "it is the other one's network");
    assert_eq!(
        played.count_of(ONE, |kind| matches!(kind, EventKind::LinkRecovered { .. })),
        1
    );
}

#[test]
fn a_drop_of_signaling_alone_holds_frames_up_and_lets_media_pass() {
    let played = played(
        "{ drop_network: { scope: signaling, for: 1s } }, { wait: recovered }, { pause: 1s }",
        "{ chat: { every: 20ms, size: 64, for: 400ms } }, { ice_restart: { both: true } }",
    );
    assert_eq!(played.blocked(ONE), 0);
    let is_drop =
        |kind: &EventKind| matches!(kind, EventKind::StepStarted { step, .. } if step == "drop_network");
    let began = played.first(ONE, is_drop).expect("it is a step").at;
    let received = |kind: &EventKind| matches!(kind, EventKind::MessageReceived { .. });
    let message = played.first(ONE, received).expect("media flows");
    assert!(
        message.at.since(began) < Duration::from_secs(1),
        "a message during the drop"
    );
    let mut of_one = played
        .events
        .iter()
        .filter(|event| event.peer == Some(ONE) && event.at > began);
    let is_offer = |event: &&RunEvent| {
        matches!(
            event.kind,
            EventKind::DescriptionReceived {
                description: DescriptionKind::Offer,
                ..
            }
        )
    };
    let offer = of_one
        .find(is_offer)
        .expect("the restart gets through in the end");
    assert!(
        offer.at.since(began) >= Duration::from_secs(1),
        "no frame during the drop"
    );
}

#[test]
fn a_reset_and_a_closed_socket_are_lost_at_once_and_come_back() {
    for (how, reason) in [
        ("reset", "cut by the script: reset"),
        ("closed", "cut by the script: closed"),
    ] {
        let played = played(&format!("{{ cut_signaling: {how} }}, {{ wait: recovered }}"), "");
        let lost = played.count_of(
            ONE,
            |kind| matches!(kind, EventKind::SignalingLost { reason: r, .. } if r == reason),
        );
        let resumed = played.count_of(ONE, |kind| matches!(kind, EventKind::MembershipResumed { .. }));
        assert_eq!((lost, resumed), (1, 1), "{how}");
    }
}

/// Nothing tells of it but that no ping is answered.
#[test]
fn a_silent_socket_is_found_out_by_pings() {
    let played = played(
        "{ cut_signaling: silent }, { wait: { for: recovered, within: 30s } }",
        "",
    );
    let lost = played.first(ONE, |kind| matches!(kind, EventKind::SignalingLost { .. }));
    let Some(EventKind::SignalingLost { reason, .. }) = lost.map(|event| &event.kind) else {
        panic!("nobody noticed");
    };
    assert!(!reason.starts_with("cut"), "{reason}");
    assert_eq!(
        played.count_of(ONE, |kind| matches!(kind, EventKind::MembershipResumed { .. })),
        1
    );
}

/// Its datagrams vanish, so the other end finds out by itself; the server is told nothing, either.
#[test]
fn of_a_crash_the_other_end_is_told_nothing() {
    let played = played("crash, { pause: 12s }, join, { wait: connected }", "");
    let crashed = played
        .first(ONE, |kind| matches!(kind, EventKind::Crashed { .. }))
        .expect("it crashed");
    assert!(played.blocked(ONE) > 0, "what the other end still sends vanishes");
    let detected = played.first(OTHER, |kind| matches!(kind, EventKind::FaultDetected { .. }));
    let detected = detected.expect("ICE notices that nothing comes back");
    let took = detected.at.since(crashed.at);
    assert!(
        took > Duration::from_secs(2),
        "no closing word has reached it: {took:?}"
    );
}
