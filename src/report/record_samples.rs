//! Records of runs for the tests of formats that are made from events.

use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent, SignalingState},
    plan::{self, expand},
    scenario::{ThresholdCheck, ThresholdMistake, parse},
};

use super::{Launch, RunRecord, samples};

struct Unjudged;

impl ThresholdCheck for Unjudged {
    fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
        Ok(())
    }
}

/// A run of two peers in one room, in which this happened.
pub fn record(events: Vec<RunEvent>) -> RunRecord {
    let text = "name: by-hand\nrooms: { peers: 2 }\nsteps: [join]\n";
    let scenario = parse("by-hand", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing()));
    let of = samples::recorded(samples::empty_run());
    RunRecord {
        launch: Launch {
            world: "live".to_owned(),
            target: "wss://rtc.example.org/ws/".to_owned(),
            own_server: false,
            repeat: "rtcstorm run by-hand.yaml".to_owned(),
            ..of.launch
        },
        scenario: text.to_owned(),
        plan: expand(&scenario, 7, &plan::Options::default()),
        report: of.report,
        events,
    }
}

/// Something at a peer.
pub fn at(ms: u64, peer: u32, kind: EventKind) -> RunEvent {
    RunEvent {
        at: Instant::from_millis(ms),
        peer: Some(PeerId(peer)),
        remote: None,
        kind,
    }
}

/// Something on the link of the two, at one of them.
pub fn link(ms: u64, peer: u32, kind: EventKind) -> RunEvent {
    RunEvent {
        remote: Some(PeerId(1 - peer)),
        ..at(ms, peer, kind)
    }
}

pub fn created(generation: u32, offerer: bool) -> EventKind {
    EventKind::ConnectionCreated {
        generation: Generation(generation),
        incarnation: Incarnation(1),
        offerer,
    }
}

pub fn closed(generation: u32) -> EventKind {
    EventKind::ConnectionClosed {
        generation: Generation(generation),
        cause: "replaced".to_owned(),
    }
}

pub fn signaling(generation: u32, state: SignalingState) -> EventKind {
    EventKind::SignalingStateChanged {
        generation: Generation(generation),
        state,
    }
}

pub fn sent(generation: u32, description: DescriptionKind, number: u64, answers: Option<u64>) -> EventKind {
    EventKind::DescriptionSent {
        generation: Generation(generation),
        description,
        fingerprint: number,
        answers,
    }
}

pub fn received(description: DescriptionKind, number: u64) -> EventKind {
    EventKind::DescriptionReceived {
        description,
        fingerprint: number,
    }
}

pub fn message(seq: u32) -> EventKind {
    EventKind::MessageSent {
        planned: Instant::START,
        incarnation: Incarnation(1),
        seq,
        bytes: 10,
    }
}

pub fn came(generation: u32, seq: u32) -> EventKind {
    EventKind::MessageReceived {
        generation: Generation(generation),
        incarnation: Incarnation(1),
        seq,
        bytes: 10,
    }
}
