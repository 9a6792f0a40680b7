use crate::{
    base::{Instant, PeerId},
    metrics::RunEvent,
    plan::Plan,
};

use super::{
    answers::Answers,
    delivery::Delivery,
    generations::Generations,
    given_up::GivenUp,
    last_events::LastEvents,
    losses::Losses,
    membership::Memberships,
    nothing_grows::NothingGrows,
    nothing_left::NothingLeft,
    one_channel::OneChannel,
    paths::Paths,
    result::{About, Findings, InvariantResult, Visibility},
    rosters::Rosters,
    states::States,
};

/// What all checkers share: the story of the run up to (and with) the event at hand.
#[derive(Debug)]
pub(super) struct Story {
    pub last: LastEvents,
    pub members: Memberships,
    pub losses: Losses,
    pub paths: Paths,
    pub given_up: GivenUp,
}

/// One invariant.
pub(super) trait Check: std::fmt::Debug + Send {
    fn about(&self) -> About;

    /// Why it cannot be judged with what the run sees, if it cannot.
    fn hidden(&self, _sees: Visibility) -> Option<&'static str> {
        None
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings);

    /// Judges what only the end of the run shows. `now` is the last instant that was looked at.
    fn finish(&mut self, _story: &Story, _now: Instant, _found: &mut Findings) {}
}

/// All eight invariants over one run: [`observe`](Self::observe) every event in the dispatcher's order,
/// then [`finish`](Self::finish) once.
#[derive(Debug)]
pub struct Checkers {
    story: Story,
    checks: Vec<(Box<dyn Check>, Judging)>,
}

#[derive(Debug)]
enum Judging {
    Hidden(&'static str),
    Open(Findings),
}

impl Checkers {
    /// Checkers for a run of `plan` that sees as much as `sees` says.
    pub fn new(plan: &Plan, sees: Visibility) -> Self {
        let checks: Vec<Box<dyn Check>> = vec![
            Box::new(OneChannel),
            Box::new(NothingLeft::new(sees)),
            Box::new(Delivery::new(plan, sees)),
            Box::new(Generations),
            Box::new(States),
            Box::new(Rosters::new(sees)),
            Box::new(Answers::default()),
            Box::new(NothingGrows::default()),
        ];
        Self {
            story: Story {
                last: LastEvents::default(),
                members: Memberships::new(plan),
                losses: Losses::new(plan),
                paths: Paths::new(plan),
                given_up: GivenUp::default(),
            },
            checks: checks
                .into_iter()
                .map(|check| {
                    let judging = match check.hidden(sees) {
                        Some(why) => Judging::Hidden(why),
                        None => Judging::Open(Findings::default()),
                    };
                    (check, judging)
                })
                .collect(),
        }
    }

    /// Takes the next event. Events of peers that are not in the plan are passed over.
    pub fn observe(&mut self, event: &RunEvent) {
        let known = |peer| self.story.members.knows(peer);
        let to_server = event.remote.filter(|remote| *remote == PeerId::SERVER);
        let remote = event.remote.filter(|_| to_server.is_none());
        if !event.peer.into_iter().chain(remote).all(known) {
            return;
        }
        self.story.last.observe(event);
        self.story.members.observe(event, &self.story.last);
        self.story.given_up.observe(event);
        self.story.paths.observe(event);
        for (check, judging) in &mut self.checks {
            if let Judging::Open(found) = judging {
                check.observe(event, &self.story, found);
            }
        }
    }

    /// The eight results, by number. `now`: when the run ended.
    pub fn finish(self, now: Instant) -> Vec<InvariantResult> {
        let story = self.story;
        self.checks
            .into_iter()
            .map(|(mut check, judging)| match judging {
                Judging::Hidden(why) => InvariantResult::not_applicable(check.about(), why.to_owned()),
                Judging::Open(mut found) => {
                    check.finish(&story, now, &mut found);
                    found.into_result(check.about())
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        base::{Generation, Incarnation, PeerId, SignalingFailure},
        metrics::{DescriptionKind, EventKind, FaultCause, Operation, RecoveryPath, SignalingState},
        plan::{Abilities, Topology},
        verdict::invariants::{InvariantStatus, story::*},
    };

    /// Two rooms; in the first, somebody leaves and comes back and everybody talks.
    fn good_run() -> Tale {
        let mut tale = Tale::of(&[3, 2]);
        tale.join(0).join(1).join(2);
        tale.connect(0, 1).connect(0, 2).connect(1, 2);
        tale.send(0, 1, 0).send(0, 2, 0).receive(0, 2, 0).receive(0, 1, 0);
        tale.leave(2).close(0, 2).close(1, 2);
        tale.join(2).connect(0, 2).connect(1, 2);
        tale.send(2, 0, 0).receive(2, 0, 0);
        tale.join(3).join(4).connect(3, 4);
        tale.settle(0, &[0, 1, 2]).settle(1, &[3, 4]);
        tale.end(0, &[0, 1, 2]).end(1, &[3, 4]);
        tale
    }

    #[test]
    fn a_good_run_holds_all_eight() {
        good_run().assert_all_hold();
    }

    #[test]
    fn a_run_whose_faults_are_all_recovered_from_holds_all_eight() {
        let mut tale = Tale::of(&[3]);
        tale.join(0).join(1).join(2);
        tale.connect(0, 1).connect(0, 2).connect(1, 2);
        tale.send(0, 1, 0).fault(1, 0, 500).fault(1, 2, 500).wait(500);
        tale.recover(1, 2, RecoveryPath::Resume);
        tale.close(0, 1)
            .connect(0, 1)
            .recover(1, 0, RecoveryPath::Replace);
        tale.send(0, 1, 1).receive(0, 1, 1);
        tale.send(0, 2, 0).send(2, 0, 0).crash(2).wait(500);
        tale.lose_signaling(1).wait(300).resume(1);
        tale.told_of_leave(0, 2)
            .close(0, 2)
            .told_of_leave(1, 2)
            .close(1, 2);
        tale.join(2).connect(0, 2).connect(1, 2);
        tale.send(2, 0, 0).receive(2, 0, 0);
        tale.wait(60_000).settle(0, &[0, 1, 2]).end(0, &[0, 1, 2]);
        tale.assert_all_hold();
    }

    #[test]
    fn a_run_without_events_judges_nothing() {
        for result in Tale::of(&[2]).results() {
            assert!(
                matches!(result.status, InvariantStatus::NotApplicable { .. }),
                "{result:?}"
            );
        }
    }

    #[test]
    fn what_is_judged_of_a_foreign_server_follows_from_how_ends_of_links_are_found() {
        for (topology, expected) in [
            (Topology::Mesh, [1, 2, 3, 4, 5, 7].as_slice()),
            (Topology::Hub, &[1, 2, 3, 4, 5, 7]),
            (Topology::Sfu, &[1, 2, 4, 5, 7]),
            (Topology::Ingest, &[2, 4, 5, 7]),
            (Topology::Egress, &[2, 4, 5, 7]),
        ] {
            let mut tale = good_run();
            tale.seen_as(Visibility {
                topology,
                ..Visibility::FOREIGN_SFU
            });
            let judged: Vec<_> = tale
                .results()
                .into_iter()
                .filter(|result| result.status == InvariantStatus::Held)
                .map(|result| result.number)
                .collect();
            assert_eq!(judged, expected, "{topology:?}");
        }
    }

    #[test]
    fn what_a_protocol_shows_follows_from_what_it_carries() {
        for (abilities, expected) in [
            (Abilities::DASHBOARD, Visibility::FOREIGN_MESH),
            (Abilities::DEPLOYED, Visibility::UNTOLD),
            (Abilities::PEERJS, Visibility::UNTOLD),
            (Abilities::JANUS_VIDEOROOM, Visibility::FOREIGN_SFU),
        ] {
            assert_eq!(Visibility::of(abilities, false), expected);
        }
        let through = |abilities| {
            let sees = Visibility::of(abilities, false);
            (sees.pairs(), sees.messages())
        };
        assert_eq!(through(Abilities::DASHBOARD), (true, true));
        assert_eq!(through(Abilities::JANUS_TEXTROOM), (true, true));
        assert_eq!(through(Abilities::JANUS_VIDEOROOM), (true, false));
        assert_eq!(through(Abilities::WHIP), (false, false));
        assert_eq!(through(Abilities::WHEP), (false, false));
    }

    #[test]
    fn links_to_the_server_are_judged_like_those_to_members() {
        let mut tale = Tale::of(&[1]);
        let server = PeerId::SERVER.0;
        tale.linked_by(Topology::Ingest).join(0).connect(0, server);
        let answered = EventKind::DescriptionSent {
            generation: Generation(1),
            description: DescriptionKind::Answer,
            fingerprint: 1,
            answers: Some(7),
        };
        tale.event(0, server, answered.clone()).assert_broken(&[]);
        assert_eq!(tale.result(4).cases, 1);
        tale.event(0, server, answered).assert_broken(&[7]);
        let (from, on) = (Generation(1), Generation(2));
        tale.event(0, server, EventKind::CrossedGeneration { from, on })
            .assert_broken(&[4, 7]);
    }

    #[test]
    fn a_finding_names_peer_remote_instant_and_last_events() {
        let mut tale = Tale::of_two();
        let (from, on) = (Generation(1), Generation(2));
        tale.event(1, 0, EventKind::CrossedGeneration { from, on });
        let finding = tale.result(4).findings.remove(0);
        assert_eq!((finding.peer, finding.remote), (Some(PeerId(1)), Some(PeerId(0))));
        let last = finding.last_events.last().expect("the breach itself");
        assert_eq!(
            (last.at, &last.kind),
            (finding.at, &tale.events.last().unwrap().kind)
        );
    }

    const TOPOLOGIES: [Topology; 5] = [
        Topology::Mesh,
        Topology::Sfu,
        Topology::Hub,
        Topology::Ingest,
        Topology::Egress,
    ];

    fn any_kind() -> impl Strategy<Value = EventKind> {
        let small = 0..4u32;
        let state = prop_oneof![Just(SignalingState::Stable), Just(SignalingState::Closed)];
        (0..26u8, small.clone(), small.clone(), small, state, any::<bool>()).prop_map(
            |(kind, a, b, c, state, yes)| {
                let (generation, incarnation) = (Generation(a), Incarnation(b));
                let planned = Instant::from_millis(u64::from(c));
                let members = vec![PeerId(a), PeerId(b), PeerId(7)];
                match kind {
                    0 => EventKind::JoinStarted {
                        planned,
                        incarnation,
                        name: String::new(),
                        expect_rejected: yes,
                    },
                    1 | 2 => EventKind::Joined { incarnation },
                    3 => EventKind::JoinFailed {
                        incarnation,
                        reason: String::new(),
                    },
                    4 => EventKind::LeaveStarted {
                        planned,
                        incarnation,
                        scripted: yes,
                    },
                    5 => EventKind::Left {
                        incarnation,
                        connections: a,
                        timers: c,
                    },
                    6 => EventKind::RosterSeen {
                        server: members.clone(),
                        believed: members,
                    },
                    7 => EventKind::ConnectionCreated {
                        generation,
                        incarnation,
                        offerer: yes,
                    },
                    8 => EventKind::ConnectionClosed {
                        generation,
                        cause: String::new(),
                    },
                    9 => EventKind::DescriptionSent {
                        generation,
                        description: DescriptionKind::Answer,
                        fingerprint: 1,
                        answers: yes.then_some(u64::from(c)),
                    },
                    10 => EventKind::ChannelOpened {
                        generation,
                        incarnation,
                        pair: crate::metrics::CandidateKind::Host,
                    },
                    11 => EventKind::ChannelClosed { generation },
                    12 => EventKind::OperationFailed {
                        generation,
                        operation: Operation::Send,
                        state,
                        allowed: yes,
                        error: String::new(),
                    },
                    13 => EventKind::LinkSettled {
                        generation,
                        open_channels: c,
                        signaling_state: state,
                    },
                    14 | 15 => EventKind::MessageSent {
                        planned,
                        incarnation,
                        seq: c,
                        bytes: 0,
                    },
                    16 | 17 => EventKind::MessageReceived {
                        generation,
                        incarnation,
                        seq: c,
                        bytes: 0,
                    },
                    18 => EventKind::ServerRoster {
                        room: format!("r{c}"),
                        members,
                        after_end: yes,
                    },
                    19 => EventKind::Crashed { planned, incarnation },
                    20 => EventKind::MembershipResumed { incarnation },
                    21 => EventKind::SignalingLost {
                        failure: SignalingFailure::Closed,
                        reason: String::new(),
                    },
                    22 => EventKind::MemberLeft {
                        reason: String::new(),
                    },
                    23 => EventKind::FaultStarted {
                        cause: FaultCause::DropNetwork,
                        planned,
                        ends: planned,
                    },
                    24 => EventKind::LinkGivenUp {
                        generation,
                        attempts: c,
                        why: String::new(),
                    },
                    _ if yes => EventKind::Interrupted,
                    _ => EventKind::RunEnded,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_makes_a_checker_panic(
            topology in prop::sample::select(TOPOLOGIES.as_slice()),
            events in prop::collection::vec((0..5u64, 0..6u32, 0..7u32, any_kind()), 0..200),
        ) {
            let mut tale = Tale::of(&[3, 2]);
            tale.linked_by(topology);
            for (ms, peer, remote, kind) in events {
                let one_in = |of: u32, value: u32| (value < of).then_some(value);
                let remote = one_in(5, remote).or((remote == 5).then_some(PeerId::SERVER.0));
                tale.wait(ms).same_instant(one_in(6, peer), remote, kind);
            }
            prop_assert_eq!(tale.results().len(), 8);
        }

        /// Time may jump to its end, and instants may run backwards.
        #[test]
        fn no_instant_makes_a_checker_panic(
            topology in prop::sample::select(TOPOLOGIES.as_slice()),
            events in prop::collection::vec((any::<u64>(), 0..3u32, any_kind()), 0..60),
        ) {
            let mut tale = Tale::of(&[3]);
            tale.linked_by(topology);
            for (micros, peer, kind) in events {
                tale.same_instant(peer, (peer + 1) % 3, kind);
                tale.events.last_mut().unwrap().at = Instant::from_micros(micros);
            }
            prop_assert_eq!(tale.results().len(), 8);
        }
    }
}
