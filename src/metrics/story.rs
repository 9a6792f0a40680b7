//! Runs told as stories, for the tests of this folder.

use std::time::Duration;

use crate::{
    base::{Generation, Incarnation, Instant, PeerId, PeerNumber, RoomId, SignalingFailure},
    plan::{Action, JoinOutcome, PeerPlan, Plan, PlannedStep, RoomPlan},
    scenario::ClientRules,
    signaling::{JanusOptions, JanusPlugin, Protocol},
};

use super::{
    CandidateKind, EventKind, FaultCause, Live, MetricKey, Outage, OutageKey, Recorder, RecoveryPath,
    RunEvent, SignalingState, Snapshot, Trend,
};

/// The peers of the first room.
pub(super) const A: PeerId = PeerId(0);
pub(super) const B: PeerId = PeerId(1);
pub(super) const C: PeerId = PeerId(2);

/// A plan in which everybody means to join; time-outs are 30 s.
pub(super) fn plan(rooms: u32, peers: u32) -> Plan {
    let room = |id: u32| RoomPlan {
        id: RoomId(id),
        wire_id: format!("room-{id}"),
        peers: (id * peers..(id + 1) * peers).map(PeerId).collect(),
    };
    let peer = |id: u32| PeerPlan {
        id: PeerId(id),
        number: PeerNumber(id),
        room: RoomId(id / peers),
        group: None,
        user_id: format!("{id:04}"),
        arrive_at: Instant::START,
        rules: ClientRules::default(),
        network: Default::default(),
        nat: None,
        ice: crate::scenario::Ice::default(),
        script: vec![PlannedStep {
            after: Duration::ZERO,
            action: Action::Join {
                name: format!("user {id}"),
                expect: JoinOutcome::Accepted,
                again: false,
            },
        }],
        ends_after: Duration::ZERO,
    };
    Plan {
        scenario: "story".to_owned(),
        seed: 1,
        rooms: (0..rooms).map(room).collect(),
        peers: (0..rooms * peers).map(peer).collect(),
        barriers: Vec::new(),
        duration: None,
        warm_up: Duration::ZERO,
        burst: None,
        connect_timeout: Duration::from_secs(30),
        relay_mode: Default::default(),
        protocol: Default::default(),
        message_timeout: Duration::from_secs(30),
    }
}

/// The same behind an SFU.
pub(super) fn sfu(rooms: u32, peers: u32) -> Plan {
    let protocol = Protocol::Janus(JanusOptions::default());
    Plan {
        protocol,
        ..plan(rooms, peers)
    }
}

/// The same with a hub.
pub(super) fn hub(rooms: u32, peers: u32) -> Plan {
    let protocol = Protocol::Janus(JanusOptions {
        plugin: JanusPlugin::TextRoom,
    });
    Plan {
        protocol,
        ..plan(rooms, peers)
    }
}

/// The same, each peer with the server alone.
pub(super) fn ingest(rooms: u32, peers: u32) -> Plan {
    let protocol = Protocol::Whip(Default::default());
    Plan {
        protocol,
        ..plan(rooms, peers)
    }
}

pub(super) const fn ms(at: u64) -> Instant {
    Instant::from_millis(at)
}

/// A recorder and what it is told. Instants are in ms.
pub(super) struct Story(Recorder);

impl Story {
    /// One room of so many.
    pub(super) fn of(peers: u32) -> Self {
        Self::with(&plan(1, peers))
    }

    pub(super) fn with(plan: &Plan) -> Self {
        Self(Recorder::new(plan))
    }

    pub(super) fn peer(mut self, at: u64, peer: PeerId, kind: EventKind) -> Self {
        self.0.record(&RunEvent {
            at: ms(at),
            peer: Some(peer),
            remote: None,
            kind,
        });
        self
    }

    pub(super) fn link(mut self, at: u64, peer: PeerId, remote: PeerId, kind: EventKind) -> Self {
        self.0.record(&RunEvent {
            at: ms(at),
            peer: Some(peer),
            remote: Some(remote),
            kind,
        });
        self
    }

    pub(super) fn run(mut self, at: u64, kind: EventKind) -> Self {
        self.0.record(&RunEvent {
            at: ms(at),
            peer: None,
            remote: None,
            kind,
        });
        self
    }

    /// A join that began as planned.
    pub(super) fn join(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        self.join_late(at, at, peer, incarnation)
    }

    pub(super) fn join_late(self, planned: u64, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let kind = EventKind::JoinStarted {
            planned: ms(planned),
            incarnation: Incarnation(incarnation),
            name: String::new(),
            expect_rejected: false,
        };
        self.peer(at, peer, kind)
    }

    pub(super) fn joined(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let incarnation = Incarnation(incarnation);
        self.peer(at, peer, EventKind::Joined { incarnation })
    }

    pub(super) fn join_failed(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let kind = EventKind::JoinFailed {
            incarnation: Incarnation(incarnation),
            reason: String::new(),
        };
        self.peer(at, peer, kind)
    }

    pub(super) fn leave(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let kind = EventKind::LeaveStarted {
            planned: ms(at),
            incarnation: Incarnation(incarnation),
            scripted: true,
        };
        self.peer(at, peer, kind)
    }

    pub(super) fn created(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let kind = EventKind::ConnectionCreated {
            generation: Generation(generation),
            incarnation: Incarnation(1),
            offerer: peer < remote,
        };
        self.link(at, peer, remote, kind)
    }

    /// The channel opens at `peer`'s end.
    pub(super) fn open(
        self,
        at: u64,
        (peer, remote): (PeerId, PeerId),
        generation: u32,
        incarnation: u32,
    ) -> Self {
        let kind = EventKind::ChannelOpened {
            generation: Generation(generation),
            incarnation: Incarnation(incarnation),
            pair: CandidateKind::Host,
        };
        self.link(at, peer, remote, kind)
    }

    pub(super) fn stable(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let kind = EventKind::SignalingStateChanged {
            generation: Generation(generation),
            state: SignalingState::Stable,
        };
        self.link(at, peer, remote, kind)
    }

    pub(super) fn ice(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let kind = EventKind::IceStateChanged {
            generation: Generation(generation),
            state: "connected".to_owned(),
        };
        self.link(at, peer, remote, kind)
    }

    pub(super) fn connected(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let kind = EventKind::ConnectionStateChanged {
            generation: Generation(generation),
            state: "connected".to_owned(),
        };
        self.link(at, peer, remote, kind)
    }

    /// A probe comes in at `peer`.
    pub(super) fn probe(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let kind = EventKind::ProbeReceived {
            generation: Generation(generation),
            incarnation: Incarnation(1),
        };
        self.link(at, peer, remote, kind)
    }

    /// A and B join at 0 and 100 and are connected at 150.
    pub(super) fn connected_pair() -> Self {
        Self::of(2)
            .join(0, A, 1)
            .joined(5, A, 1)
            .join(100, B, 1)
            .joined(105, B, 1)
            .open(140, (A, B), 1, 1)
            .open(150, (B, A), 1, 1)
    }

    pub(super) fn send(self, at: u64, (peer, remote): (PeerId, PeerId), seq: u32) -> Self {
        let kind = EventKind::MessageSent {
            planned: ms(at - 1),
            incarnation: Incarnation(1),
            seq,
            bytes: 256,
        };
        self.link(at, peer, remote, kind)
    }

    pub(super) fn receive(
        self,
        at: u64,
        (peer, remote): (PeerId, PeerId),
        generation: u32,
        seq: u32,
    ) -> Self {
        let kind = EventKind::MessageReceived {
            generation: Generation(generation),
            incarnation: Incarnation(1),
            seq,
            bytes: 256,
        };
        self.link(at, peer, remote, kind)
    }

    /// A fault that begins as planned on `peer`'s link to `remote`, and is to end at `ends`.
    pub(super) fn fault(
        self,
        at: u64,
        (peer, remote): (PeerId, PeerId),
        cause: FaultCause,
        ends: u64,
    ) -> Self {
        self.fault_late(at, at, (peer, remote), cause, ends)
    }

    pub(super) fn fault_late(
        self,
        planned: u64,
        at: u64,
        (peer, remote): (PeerId, PeerId),
        cause: FaultCause,
        ends: u64,
    ) -> Self {
        let kind = EventKind::FaultStarted {
            cause,
            planned: ms(planned),
            ends: ms(ends),
        };
        self.link(at, peer, remote, kind)
    }

    /// `peer` notices on its connection to `remote`.
    pub(super) fn detect(self, at: u64, (peer, remote): (PeerId, PeerId), generation: u32) -> Self {
        let generation = Generation(generation);
        self.link(at, peer, remote, EventKind::FaultDetected { generation })
    }

    pub(super) fn recovering(self, at: u64, (peer, remote): (PeerId, PeerId), path: RecoveryPath) -> Self {
        let generation = Generation(1);
        self.link(at, peer, remote, EventKind::RecoveryStarted { generation, path })
    }

    /// Data has flowed, says `peer`, on this connection.
    pub(super) fn recovered(
        self,
        at: u64,
        (peer, remote): (PeerId, PeerId),
        generation: u32,
        path: RecoveryPath,
    ) -> Self {
        let generation = Generation(generation);
        self.link(at, peer, remote, EventKind::LinkRecovered { generation, path })
    }

    pub(super) fn given_up(self, at: u64, (peer, remote): (PeerId, PeerId), path: RecoveryPath) -> Self {
        self.link(at, peer, remote, EventKind::RecoveryFailed { path })
    }

    pub(super) fn crash(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let kind = EventKind::Crashed {
            planned: ms(at),
            incarnation: Incarnation(incarnation),
        };
        self.peer(at, peer, kind)
    }

    /// The server tells `peer` that `remote` has left.
    pub(super) fn told_of_leave(self, at: u64, (peer, remote): (PeerId, PeerId)) -> Self {
        let reason = "closed".to_owned();
        self.link(at, peer, remote, EventKind::MemberLeft { reason })
    }

    pub(super) fn signaling_lost(self, at: u64, peer: PeerId) -> Self {
        let reason = String::new();
        self.peer(
            at,
            peer,
            EventKind::SignalingLost {
                failure: SignalingFailure::Closed,
                reason,
            },
        )
    }

    pub(super) fn resumed(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let incarnation = Incarnation(incarnation);
        self.peer(at, peer, EventKind::MembershipResumed { incarnation })
    }

    /// The membership ends although the script does not say so.
    pub(super) fn lose_membership(self, at: u64, peer: PeerId, incarnation: u32) -> Self {
        let kind = EventKind::LeaveStarted {
            planned: ms(at),
            incarnation: Incarnation(incarnation),
            scripted: false,
        };
        self.peer(at, peer, kind)
    }

    /// The run ends.
    pub(super) fn end(mut self, at: u64) -> Figures {
        self.0.finish(ms(at));
        Figures(self.0.snapshot())
    }

    pub(super) fn live(&self) -> Live {
        self.0.live()
    }

    pub(super) fn nothing_connected(&self) -> bool {
        self.0.nothing_connected()
    }

    pub(super) fn recorder(self) -> Recorder {
        self.0
    }

    pub(super) fn offered_load_reached(&self) -> bool {
        self.0.offered_load_reached()
    }
}

/// What a story adds up to.
pub(super) struct Figures(Snapshot);

impl Figures {
    /// `3 ok 50..70 ms, 1 failed` of a trend, `""` if it is absent. Metrics are named as they are shown.
    pub(super) fn trend(&self, key: &str) -> String {
        let Some(trend) = find(&self.0.trends, key) else {
            return String::new();
        };
        let ok = trend.count() - trend.failed();
        // A histogram keeps three digits, and so do the expected texts.
        let ms = |micros: u64| {
            let ms = micros as f64 / 1_000.0;
            let unit = 10_f64.powi(ms.max(1.0).log10() as i32 - 2);
            ((ms / unit).round() * unit) as u64
        };
        let mut text = format!("{ok} ok");
        if ok > 0 {
            let range = (ms(trend.successes().min()), ms(trend.successes().max()));
            text += &match range {
                (min, max) if min == max => format!(" {min} ms"),
                (min, max) => format!(" {min}..{max} ms"),
            };
        }
        if trend.failed() > 0 {
            text += &format!(", {} failed", trend.failed());
        }
        text
    }

    /// `hits/total`, `""` if it is absent.
    pub(super) fn rate(&self, key: &str) -> String {
        find(&self.0.rates, key).map_or(String::new(), |rate| format!("{}/{}", rate.hits, rate.total))
    }

    pub(super) fn count(&self, key: &str) -> u64 {
        find(&self.0.counters, key).copied().unwrap_or_default()
    }

    pub(super) fn outages(&self) -> impl Iterator<Item = (&OutageKey, &Outage)> {
        self.0.outages.iter()
    }

    pub(super) fn whole(&self, name: &str) -> Option<&Trend> {
        self.0.trends.get(&MetricKey::new(name))
    }
}

fn find<'a, T>(all: &'a std::collections::BTreeMap<MetricKey, T>, key: &str) -> Option<&'a T> {
    all.iter()
        .find_map(|(candidate, value)| (candidate.to_string() == key).then_some(value))
}
