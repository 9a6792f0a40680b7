//! Event stories for the tests of the checkers: a run told in a few calls, then broken in one place.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::{Generation, Incarnation, Instant, PeerId, PeerNumber, RoomId, SignalingFailure},
    metrics::{
        CandidateKind, DescriptionKind, EventKind, FaultCause, RecoveryPath, RunEvent, SignalingState,
    },
    plan::{Nat, PeerPlan, Plan, RoomPlan, Topology},
    scenario::ClientRules,
};

use super::{Checkers, InvariantResult, InvariantStatus, Visibility};

/// A plan without scripts: the checkers read rooms, peers and time-outs only.
pub fn plan_of(rooms: &[u32]) -> Plan {
    let mut plan = Plan {
        scenario: "story".to_owned(),
        seed: 1,
        rooms: Vec::new(),
        peers: Vec::new(),
        barriers: Vec::new(),
        duration: None,
        warm_up: Duration::ZERO,
        burst: None,
        connect_timeout: Duration::from_secs(30),
        relay_mode: Default::default(),
        protocol: Default::default(),
        message_timeout: Duration::from_secs(30),
    };
    for (room, size) in (0..).map(RoomId).zip(rooms) {
        let first = plan.peers.len() as u32;
        let peers: Vec<_> = (first..first + size).map(PeerId).collect();
        plan.peers.extend(peers.iter().map(|&id| PeerPlan {
            id,
            number: PeerNumber(id.0),
            room,
            group: None,
            user_id: format!("u{}", id.0),
            arrive_at: Instant::START,
            rules: ClientRules::default(),
            network: Default::default(),
            nat: None,
            ice: crate::scenario::Ice::default(),
            script: Vec::new(),
            ends_after: Duration::ZERO,
        }));
        plan.rooms.push(RoomPlan {
            id: room,
            wire_id: format!("r{}", room.0),
            peers,
        });
    }
    plan
}

/// A run being told. Every call takes one millisecond.
pub struct Tale {
    plan: Plan,
    sees: Visibility,
    now: Instant,
    pub events: Vec<RunEvent>,
    memberships: BTreeMap<u32, u32>,
    links: BTreeMap<(u32, u32), u32>,
}

impl Tale {
    pub fn of(rooms: &[u32]) -> Self {
        Self {
            plan: plan_of(rooms),
            sees: Visibility::BUNDLED,
            now: Instant::START,
            events: Vec::new(),
            memberships: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// One room of so many peers, behind these.
    pub fn behind(nats: &[Option<Nat>]) -> Self {
        let mut tale = Self::of(&[nats.len() as u32]);
        for (peer, nat) in tale.plan.peers.iter_mut().zip(nats) {
            peer.nat = *nat;
        }
        tale
    }

    /// One room of two peers, both joined and connected.
    pub fn of_two() -> Self {
        let mut tale = Self::of(&[2]);
        tale.join(0).join(1).connect(0, 1);
        tale
    }

    pub fn seen_as(&mut self, sees: Visibility) -> &mut Self {
        self.sees = sees;
        self
    }

    /// The bundled server's, if its links were of that kind.
    pub fn linked_by(&mut self, topology: Topology) -> &mut Self {
        self.seen_as(Visibility {
            topology,
            ..Visibility::BUNDLED
        })
    }

    /// What each peer's access link loses.
    pub fn losing(&mut self, share: &str) -> &mut Self {
        for peer in &mut self.plan.peers {
            let loss = share.parse().expect("a share");
            peer.network.link.up.loss = loss;
            peer.network.link.down.loss = loss;
        }
        self
    }

    pub fn wait(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self
    }

    /// Any event, a millisecond later.
    pub fn event(
        &mut self,
        peer: impl Into<Option<u32>>,
        remote: impl Into<Option<u32>>,
        kind: EventKind,
    ) -> &mut Self {
        self.wait(1).same_instant(peer, remote, kind)
    }

    /// Any event, in the same microsecond as the last one.
    pub fn same_instant(
        &mut self,
        peer: impl Into<Option<u32>>,
        remote: impl Into<Option<u32>>,
        kind: EventKind,
    ) -> &mut Self {
        self.events.push(RunEvent {
            at: self.now,
            peer: peer.into().map(PeerId),
            remote: remote.into().map(PeerId),
            kind,
        });
        self
    }

    pub fn incarnation(&self, peer: u32) -> Incarnation {
        Incarnation(self.memberships.get(&peer).copied().unwrap_or(0))
    }

    pub fn generation(&self, a: u32, b: u32) -> Generation {
        Generation(self.links.get(&(a.min(b), a.max(b))).copied().unwrap_or(0))
    }

    pub fn join(&mut self, peer: u32) -> &mut Self {
        *self.memberships.entry(peer).or_default() += 1;
        let incarnation = self.incarnation(peer);
        let started = EventKind::JoinStarted {
            planned: self.now,
            incarnation,
            name: format!("peer {peer}"),
            expect_rejected: false,
        };
        self.event(peer, None, started)
            .event(peer, None, EventKind::Joined { incarnation })
    }

    pub fn leave(&mut self, peer: u32) -> &mut Self {
        let incarnation = self.incarnation(peer);
        let planned = self.now;
        self.event(
            peer,
            None,
            EventKind::LeaveStarted {
                planned,
                incarnation,
                scripted: true,
            },
        )
        .left(peer, 0)
    }

    /// `peer` crashes, and what it held is closed on our side.
    pub fn crash(&mut self, peer: u32) -> &mut Self {
        let incarnation = self.incarnation(peer);
        let planned = self.now;
        self.event(peer, None, EventKind::Crashed { planned, incarnation })
            .left(peer, 0)
    }

    /// The end of `peer`'s membership is complete, with so many connections left over.
    pub fn left(&mut self, peer: u32, connections: u32) -> &mut Self {
        let left = EventKind::Left {
            incarnation: self.incarnation(peer),
            connections,
            timers: 0,
        };
        self.event(peer, None, left)
    }

    /// The server tells `peer` that `remote` has left.
    pub fn told_of_leave(&mut self, peer: u32, remote: u32) -> &mut Self {
        let reason = "closed".to_owned();
        self.event(peer, remote, EventKind::MemberLeft { reason })
    }

    pub fn lose_signaling(&mut self, peer: u32) -> &mut Self {
        let reason = String::new();
        self.event(
            peer,
            None,
            EventKind::SignalingLost {
                failure: SignalingFailure::Closed,
                reason,
            },
        )
    }

    pub fn resume(&mut self, peer: u32) -> &mut Self {
        let incarnation = self.incarnation(peer);
        self.event(peer, None, EventKind::MembershipResumed { incarnation })
    }

    /// A fault of so many ms begins on `peer`'s link to `remote`.
    pub fn fault(&mut self, peer: u32, remote: u32, ms: u64) -> &mut Self {
        let (cause, planned) = (FaultCause::DropNetwork, self.now);
        let ends = planned + Duration::from_millis(ms);
        self.event(peer, remote, EventKind::FaultStarted { cause, planned, ends })
    }

    pub fn recover(&mut self, peer: u32, remote: u32, path: RecoveryPath) -> &mut Self {
        let generation = self.generation(peer, remote);
        self.event(peer, remote, EventKind::LinkRecovered { generation, path })
    }

    /// `peer` does nothing more about its link to `remote`.
    pub fn give_up(&mut self, peer: u32, remote: u32) -> &mut Self {
        let kind = EventKind::LinkGivenUp {
            generation: self.generation(peer, remote),
            attempts: 5,
            why: String::new(),
        };
        self.event(peer, remote, kind)
    }

    /// A new connection between two peers: offered by the first, answered by the second, open at both.
    pub fn connect(&mut self, a: u32, b: u32) -> &mut Self {
        *self.links.entry((a.min(b), a.max(b))).or_default() += 1;
        let generation = self.generation(a, b);
        let offer = u64::from(generation.0) << 32 | u64::from(a) << 16 | u64::from(b);
        for (peer, remote, offerer) in [(a, b, true), (b, a, false)] {
            let incarnation = self.incarnation(peer);
            self.event(
                peer,
                remote,
                EventKind::ConnectionCreated {
                    generation,
                    incarnation,
                    offerer,
                },
            );
        }
        self.event(
            a,
            b,
            EventKind::DescriptionSent {
                generation,
                description: DescriptionKind::Offer,
                fingerprint: offer,
                answers: None,
            },
        );
        self.answer(b, a, offer).open(a, b).open(b, a)
    }

    pub fn answer(&mut self, peer: u32, remote: u32, offer: u64) -> &mut Self {
        let generation = self.generation(peer, remote);
        self.event(
            peer,
            remote,
            EventKind::DescriptionSent {
                generation,
                description: DescriptionKind::Answer,
                fingerprint: !offer,
                answers: Some(offer),
            },
        )
    }

    pub fn open(&mut self, peer: u32, remote: u32) -> &mut Self {
        let generation = self.generation(peer, remote);
        let incarnation = self.incarnation(peer);
        self.event(
            peer,
            remote,
            EventKind::ChannelOpened {
                generation,
                incarnation,
                pair: CandidateKind::Host,
            },
        )
    }

    pub fn close(&mut self, peer: u32, remote: u32) -> &mut Self {
        let generation = self.generation(peer, remote);
        self.event(peer, remote, EventKind::ChannelClosed { generation })
    }

    pub fn send(&mut self, from: u32, to: u32, seq: u32) -> &mut Self {
        let planned = self.now;
        let incarnation = self.incarnation(from);
        self.event(
            from,
            to,
            EventKind::MessageSent {
                planned,
                incarnation,
                seq,
                bytes: 16,
            },
        )
    }

    pub fn receive(&mut self, from: u32, to: u32, seq: u32) -> &mut Self {
        let generation = self.generation(from, to);
        let incarnation = self.incarnation(from);
        self.event(
            to,
            from,
            EventKind::MessageReceived {
                generation,
                incarnation,
                seq,
                bytes: 16,
            },
        )
    }

    pub fn link_settled(
        &mut self,
        peer: u32,
        remote: u32,
        channels: u32,
        state: SignalingState,
    ) -> &mut Self {
        let generation = self.generation(peer, remote);
        self.same_instant(
            peer,
            remote,
            EventKind::LinkSettled {
                generation,
                open_channels: channels,
                signaling_state: state,
            },
        )
    }

    pub fn roster_seen(&mut self, peer: u32, server: &[u32], believed: &[u32]) -> &mut Self {
        let ids = |peers: &[u32]| peers.iter().copied().map(PeerId).collect();
        self.same_instant(
            peer,
            None,
            EventKind::RosterSeen {
                server: ids(server),
                believed: ids(believed),
            },
        )
    }

    pub fn server_roster(&mut self, room: u32, members: &[u32], after_end: bool) -> &mut Self {
        self.same_instant(
            None,
            None,
            EventKind::ServerRoster {
                room: format!("r{room}"),
                members: members.iter().copied().map(PeerId).collect(),
                after_end,
            },
        )
    }

    /// A room settles as it should with these members, all in one microsecond.
    pub fn settle(&mut self, room: u32, members: &[u32]) -> &mut Self {
        self.wait(1);
        for &peer in members {
            for &remote in members.iter().filter(|remote| **remote != peer) {
                self.link_settled(peer, remote, 1, SignalingState::Stable);
            }
            self.roster_seen(peer, members, members);
        }
        self.server_roster(room, members, false)
    }

    /// Everybody still there leaves in the same microsecond, and the run ends with nothing left.
    pub fn end(&mut self, room: u32, members: &[u32]) -> &mut Self {
        let planned = self.now;
        for &peer in members {
            let incarnation = self.incarnation(peer);
            self.same_instant(
                peer,
                None,
                EventKind::LeaveStarted {
                    planned,
                    incarnation,
                    scripted: false,
                },
            );
        }
        for &peer in members {
            let incarnation = self.incarnation(peer);
            self.event(
                peer,
                None,
                EventKind::Left {
                    incarnation,
                    connections: 0,
                    timers: 0,
                },
            );
        }
        self.server_roster(room, &[], true)
            .leftovers(0)
            .event(None, None, EventKind::RunEnded)
    }

    pub fn leftovers(&mut self, tasks: u64) -> &mut Self {
        self.event(
            None,
            None,
            EventKind::Leftovers {
                connections: 0,
                tasks,
                timers: 0,
                sockets: 0,
            },
        )
    }

    pub fn results(&self) -> Vec<InvariantResult> {
        let mut checkers = Checkers::new(&self.plan, self.sees);
        self.events.iter().for_each(|event| checkers.observe(event));
        checkers.finish(self.now)
    }

    pub fn result(&self, number: u8) -> InvariantResult {
        self.results()
            .into_iter()
            .find(|result| result.number == number)
            .expect("all are always there")
    }

    /// What the findings of one invariant say; empty if it is not broken.
    pub fn breaches(&self, number: u8) -> Vec<String> {
        let found = self.result(number).findings;
        found.into_iter().map(|finding| finding.what).collect()
    }

    /// All hold, and each looked at something; but for the eighth, which takes longer than such a tale.
    pub fn assert_all_hold(&self) {
        for result in self.results().iter().filter(|result| result.number != 8) {
            assert_eq!(result.status, InvariantStatus::Held, "{result:#?}");
        }
    }

    /// Exactly these are broken.
    pub fn assert_broken(&self, numbers: &[u8]) {
        let results = self.results();
        let broken = results.iter().filter(|result| result.is_broken());
        let broken: Vec<_> = broken.map(|result| result.number).collect();
        assert_eq!(broken, numbers, "{results:#?}");
    }
}
