//! Rooms with members who are not in the plan: here those of another plan, on one server.

use std::sync::Arc;

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::{EventKind, MetricKey, RunEvent, Snapshot},
    peer::{ConnectionCommand, ConnectionEvent, Peer, PeerInput, PeerOutput},
    plan::{self, Plan, RelayMode, expand},
    scenario::parse,
    signaling::ChannelMessage,
};
use serde_json::json;

use crate::local::{self, Played, Unjudged};

fn planned(text: &str) -> Plan {
    let scenario = parse("scenario", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing()));
    expand(&scenario, 1, &plan::Options::default())
}

/// Who has come in by one frame, with what there is to see of it.
struct Native {
    peer: Peer,
    socket: u32,
    frames: Vec<String>,
    events: Vec<EventKind>,
    /// The connections that it has made.
    made: Vec<PeerId>,
}

impl Native {
    /// One that has joined a room with nobody in it.
    fn joined(text: &str) -> Self {
        let mut native = Self {
            peer: Peer::new(&planned(text), PeerId(0), 0),
            socket: 0,
            frames: Vec::new(),
            events: Vec::new(),
            made: Vec::new(),
        };
        native.handle(PeerInput::Arrive);
        native.handle(PeerInput::SignalingOpened(native.socket));
        native.hears("existing-participants", json!({"participants": []}));
        native
    }

    fn handle(&mut self, input: PeerInput) {
        self.peer.handle(input, Instant::START);
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

    fn hears(&mut self, kind: &str, mut data: serde_json::Value) {
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
    let mut native = Native::joined(WAITING);
    native.hears(
        "user-joined-room",
        json!({"userId": "user-z", "userName": "Zoe"}),
    );
    let [zoe] = native.made[..] else {
        panic!("{:?}", native.made)
    };
    let said = ChannelMessage::encode_participant("user-z", "Zoe");
    let waits = |native: &Native| {
        let satisfied = |event: &EventKind| matches!(event, EventKind::WaitSatisfied { .. });
        !native.events.iter().any(satisfied)
    };
    for event in [
        ConnectionEvent::Received(said),
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
