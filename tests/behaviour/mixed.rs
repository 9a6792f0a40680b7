//! Rooms with members who are not in the plan: here those of another plan, on one server.

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::{EventKind, MetricKey, Snapshot},
    peer::{ConnectionCommand, ConnectionEvent, Peer, PeerInput, PeerOutput},
    plan::{self, Plan, expand},
    scenario::parse,
    signaling::{ChannelData, ChannelMessage},
};
use serde_json::{Value, json};

use crate::local::{Played, Unjudged, play_together, runtime};

fn planned(text: &str) -> Plan {
    let scenario = parse("scenario", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing()));
    expand(&scenario, 1, &plan::Options::default())
}

/// Who has come in by one frame, with what there is to see of it.
struct Native {
    peer: Peer,
    now: Instant,
    socket: u32,
    frames: Vec<String>,
    events: Vec<EventKind>,
    /// The connections that it has made.
    made: Vec<PeerId>,
}

impl Native {
    /// One that has asked to be let in.
    fn joining(text: &str) -> Self {
        let mut native = Self {
            peer: Peer::new(&planned(text), PeerId(0), 0),
            now: Instant::START,
            socket: 0,
            frames: Vec::new(),
            events: Vec::new(),
            made: Vec::new(),
        };
        native.handle(PeerInput::Arrive);
        native.handle(PeerInput::SignalingOpened(native.socket));
        native
    }

    /// Since when the peer counts the time that it takes to connect, of each external that it was told of.
    fn since(&self) -> Vec<Instant> {
        let planned = |event: &EventKind| match event {
            EventKind::ExternalJoined { planned, .. } => Some(*planned),
            _ => None,
        };
        self.events.iter().filter_map(planned).collect()
    }

    fn handle(&mut self, input: PeerInput) {
        self.peer.handle(input, self.now);
        while let Some(output) = self.peer.poll_output() {
            match output {
                PeerOutput::OpenSignaling(number) => self.socket = number,
                PeerOutput::SendFrame(frame) => self.frames.push(frame),
                PeerOutput::Event { kind, .. } => self.events.push(kind),
                PeerOutput::Connection {
                    remote,
                    command: ConnectionCommand::Create { .. },
                    ..
                } => self.made.push(remote),
                _ => {}
            }
        }
    }

    fn hears(&mut self, kind: &str, mut data: Value) {
        data["roomId"] = "room-0000".into();
        let frame =
            json!({"type": kind, "channel": "webrtc-dashboard-rooms", "sender": "server", "data": data});
        self.handle(PeerInput::Frame(self.socket, frame.to_string()));
    }
}

const WAITING: &str =
    "{ name: x, rooms: { peers: 1 }, steps: [join, { wait: { for: external, count: 1 } }] }";

/// The stack may hand on what came in a datagram with the word that the channel is open ahead of that word.
#[test]
fn what_an_external_says_before_its_channel_is_known_to_be_open_counts() {
    let mut native = Native::joining(WAITING);
    native.hears("existing-participants", json!({"participants": []}));
    native.hears("user-joined-room", json!({"userId": "user-z", "userName": "Zoe"}));
    let [zoe] = native.made[..] else {
        panic!("{:?}", native.made)
    };
    let said = ChannelMessage::encode_participant("user-z", "Zoe");
    let waits = |native: &Native| {
        let satisfied = |event: &EventKind| matches!(event, EventKind::WaitSatisfied { .. });
        !native.events.iter().any(satisfied)
    };
    for event in [
        ConnectionEvent::Received(ChannelData::Text(said)),
        ConnectionEvent::ChannelOpened {
            pair: rtcstorm::metrics::CandidateKind::Host,
        },
    ] {
        assert!(waits(&native), "before {event:?}");
        native.handle(PeerInput::Connection {
            remote: zoe,
            generation: rtcstorm::base::Generation(1),
            event,
        });
    }
    assert!(!waits(&native));
}

#[test]
fn connecting_counts_from_the_later_join_as_far_as_that_is_known() {
    let mut native = Native::joining(WAITING);
    native.now = Instant::from_millis(400);
    let there = json!([{"id": "user-y", "name": "Yan"}]);
    native.hears("existing-participants", json!({"participants": there}));
    native.now = Instant::from_millis(700);
    native.hears("user-joined-room", json!({"userId": "user-z", "userName": "Zoe"}));
    assert_eq!(
        native.since(),
        [Instant::START, native.now],
        "its own planned join, and when it was told"
    );
}

/// There an offer says that somebody is in the room: somebody who has acted on the join, and later somebody who was
/// never heard of.
#[test]
fn where_joins_are_not_confirmed_an_offer_says_who_was_there_before() {
    let text = "{ name: x, target: { relay_mode: deployed }, rooms: { peers: 1 }, \
                steps: [join, { wait: { for: external, count: 1 } }] }";
    let mut native = Native::joining(text);
    let me = planned(text).peers[0].user_id.clone();
    let offers = |native: &mut Native, from: &str| {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=fingerprint:sha-256 {from}\r\n");
        let offer = json!({"type": "offer", "sdp": sdp});
        native.hears(
            "webrtc-offer",
            json!({"fromUserId": from, "toUserId": me, "offer": offer}),
        );
    };
    native.now = Instant::from_millis(400);
    for _ in 0..2 {
        native.hears("pong", json!({}));
    }
    native.now = Instant::from_millis(500);
    offers(&mut native, "user-y");
    native.now = Instant::from_millis(900);
    offers(&mut native, "user-z");
    assert_eq!(native.since(), [Instant::START, native.now]);
}

// ---- two plans on one server: each one's peers are strangers to the other's

const MODES: [&str; 2] = ["rooms", "deployed"];

fn count(figures: &Snapshot, name: &str) -> u64 {
    figures.counters.get(&MetricKey::new(name)).copied().unwrap_or(0)
}

/// How many of `external_connect_ms` opened, and how many failed.
fn connects(figures: &Snapshot) -> (u64, u64) {
    let trend = figures.trends.get(&MetricKey::new("external_connect_ms"));
    trend.map_or((0, 0), |trend| (trend.count() - trend.failed(), trend.failed()))
}

fn run_together(texts: [String; 2]) -> [Played; 2] {
    runtime().block_on(play_together(texts.each_ref().map(String::as_str)))
}

/// One peer in one room, that is called so and does this.
fn alone(mode: &str, name: &str, steps: &str) -> String {
    format!(
        "{{ name: x, target: {{ relay_mode: {mode} }}, connect_timeout: 3s, rooms: {{ peers: 1 }}, \
         steps: [{{ rename: {name} }}, {steps}] }}"
    )
}

#[test]
fn members_from_outside_are_met_in_both_orders_and_after_a_rejoin() {
    let talk =
        "{ wait: { for: external, count: 1, within: 30s } }, { chat: { every: 20ms, count: 5, size: 32 } }";
    let gone = "{ wait: { for: external, count: 0, within: 30s } }";
    for mode in MODES {
        let staying = format!("join, {talk}, {gone}, {talk}, {gone}");
        let coming = format!(
            "{{ pause: 300ms }}, join, {talk}, {{ pause: 300ms }}, leave, {{ pause: 1s }}, join, {talk}, {{ pause: 300ms }}"
        );
        for played in run_together([alone(mode, "Ann", &staying), alone(mode, "Zoe", &coming)]) {
            let of = |name| count(&played.snapshot, name);
            assert_eq!(of("wait_expired"), 0, "{mode}");
            assert_eq!(
                (of("externals_joined"), of("externals_ignored")),
                (2, 0),
                "{mode}"
            );
            assert_eq!(connects(&played.snapshot), (2, 0), "{mode}");
            assert_eq!(
                (of("external_messages_sent"), of("external_messages_received")),
                (10, 10),
                "{mode}"
            );
        }
    }
}

#[test]
fn a_member_from_outside_that_never_connects_is_infinite() {
    for mode in MODES {
        let waiting = "join, { wait: { for: external, count: 1, within: 5s } }";
        let deaf = "{ pause: 300ms }, join, { pause: 6s }";
        let [ours, theirs] = run_together([alone(mode, "Ann", waiting), alone(mode, "Zoe", deaf)]);
        assert_eq!(connects(&ours.snapshot), (0, 1), "{mode}");
        assert_eq!(count(&ours.snapshot, "wait_expired"), 1, "{mode}");
        assert_eq!(connects(&theirs.snapshot), (0, 0), "{mode}");
        assert_eq!(count(&theirs.snapshot, "externals_ignored"), 1, "{mode}");
    }
}

#[test]
fn where_no_step_waits_for_members_from_outside_they_are_ignored_and_counted() {
    for mode in MODES {
        let text = |name: &str| {
            format!(
                "{{ name: x, target: {{ relay_mode: {mode} }}, groups: [ \
                 {{ name: one, peers: 1, steps: [{{ rename: {name}1 }}, join, {{ wait: connected }}, {{ pause: 2s }}] }}, \
                 {{ name: two, peers: 1, steps: [{{ rename: {name}2 }}, {{ pause: 300ms }}, join, {{ wait: connected }}, {{ pause: 2s }}] }} ] }}"
            )
        };
        for played in run_together([text("Ann"), text("Zoe")]) {
            let of = |name| count(&played.snapshot, name);
            // Where nobody lists who is there, only those are heard of who come later.
            let known = if mode == "rooms" { 2..=2 } else { 1..=2 };
            assert!(known.contains(&of("externals_ignored")), "{mode}");
            assert_eq!(of("externals_joined"), 0, "{mode}");
            assert_eq!((of("wait_expired"), of("connections_created")), (0, 2), "{mode}");
        }
    }
}
