//! Records of runs for the tests of formats that are made from events.

use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent, SignalingState},
    plan::{self, expand},
    scenario::{ThresholdCheck, ThresholdMistake, parse},
};

use super::{LAUNCH_SCHEMA, Launch, RunRecord, samples};

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
    RunRecord {
        launch: Launch {
            schema: LAUNCH_SCHEMA.to_owned(),
            version: "0.1.0".to_owned(),
            scenario_hash: "ab".to_owned(),
            seed: 7,
            segment: "1/1".to_owned(),
            run_id: None,
            world: "live".to_owned(),
            target: "wss://rtc.example.org/ws/".to_owned(),
            own_server: false,
            started_at: "2026-05-04T10:00:00Z".to_owned(),
            started_at_unix_ms: 1_777_888_800_000,
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cores: Some(2),
            open_files: Some(1_024),
            judge_thresholds: true,
            lag_limit_ms: 100.0,
            cpu_limit_percent: 90.0,
            segments: Vec::new(),
            repeat: "rtcstorm run by-hand.yaml".to_owned(),
        },
        scenario: text.to_owned(),
        plan: expand(&scenario, 7, &plan::Options::default()),
        report: samples::empty_run(),
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
