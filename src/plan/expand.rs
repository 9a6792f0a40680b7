use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand_chacha::ChaCha8Rng;

use super::{
    Action, BarrierPlan, Burst, Condition, DropNetwork, JoinOutcome, Network, PathPlan, PeerPlan, Plan,
    PlannedStep, RoomPlan, Segment, arrivals::arrivals,
};
use crate::{
    base::{BarrierId, Instant, PeerId, PeerNumber, Purpose, RoomId, RootSeed},
    impair::FrameRule,
    scenario::{self, Arrival, Group, OTHER_HALF, Party, Scenario, SignalingFault, Step, StepKind, WaitFor},
};

/// How long after a declared burst began lag does not count.
const BURST: Duration = Duration::from_secs(5);
/// Ids have at least so many digits.
const ID_DIGITS: usize = 4;

/// What is decided outside the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Goes in front of every room and user id, so that two runs against one foreign server never meet.
    pub run_id: Option<String>,
    /// Which rooms are planned.
    pub segment: Segment,
}

/// Decides what every peer does and when. The same scenario, seed and options give the same plan; a room
/// or a peer more changes nobody else's draws.
///
/// A segment holds the rooms that fall to it as they are in the whole plan: the same ids on the wire, names,
/// instants and draws. Only the ids in the program count anew, for they are indices. Nothing that is planned
/// reaches over rooms, barriers neither, so every scenario can be cut so.
pub fn expand(scenario: &Scenario, seed: u64, options: &Options) -> Plan {
    expand_rooms(scenario, seed, options.run_id.as_deref(), |room| {
        options.segment.holds(room)
    })
}

/// The rooms of the whole plan, by their numbers from 0, that are wanted.
pub(super) fn expand_rooms(
    scenario: &Scenario,
    seed: u64,
    run_id: Option<&str>,
    wanted: impl Fn(u32) -> bool,
) -> Plan {
    let count = scenario.rooms * scenario.peers;
    let wire = WireIds {
        prefix: run_id.map(|id| format!("{id}-")).unwrap_or_default(),
        rooms: digits(scenario.rooms),
        peers: digits(count),
    };
    let lines = barrier_names(&scenario.groups);
    let mut plan = Plan {
        scenario: scenario.name.clone(),
        seed,
        rooms: Vec::new(),
        peers: Vec::new(),
        barriers: Vec::new(),
        duration: scenario.duration,
        warm_up: scenario.warm_up,
        burst: (scenario.arrive == Arrival::AtOnce).then_some(Burst {
            from: Instant::START,
            until: Instant::START + BURST,
        }),
        relay_mode: scenario.target.relay_mode,
        protocol: scenario.target.protocol.clone(),
        connect_timeout: scenario.connect_timeout,
        message_timeout: scenario.message_timeout,
    };
    let arrivals = arrivals(&scenario.arrive, count);
    for numbered in (0..scenario.rooms).filter(|room| wanted(*room)) {
        let room = RoomId(plan.rooms.len() as u32);
        let first = plan.peers.len() as u32;
        let members: Vec<PeerId> = (first..first + scenario.peers).map(PeerId).collect();
        let first_barrier = BarrierId(plan.barriers.len() as u32);
        plan.barriers.extend(
            std::iter::zip(first_barrier.0.., &lines).map(|(id, name)| BarrierPlan {
                id: BarrierId(id),
                room,
                name: name.clone(),
                parties: members.clone(),
            }),
        );
        let places = scenario
            .groups
            .iter()
            .flat_map(|group| (1..=group.peers).map(move |position| (group, position)));
        // What a peer is in the whole plan: its wire id, its draws and its arrival come from it.
        let numbers = (numbered * scenario.peers..).map(PeerNumber);
        for ((id, number), (group, position)) in members.iter().copied().zip(numbers).zip(places) {
            let mut script = Script {
                scenario,
                members: &members,
                id,
                rng: RootSeed(seed).peer(number, Purpose::Script),
                steps: Vec::new(),
                after: Duration::ZERO,
                name: group.display_name(position),
                was_member: false,
                barrier: first_barrier,
            };
            let network = script.network(&group.network);
            script.run(&group.steps);
            plan.peers.push(PeerPlan {
                id,
                number,
                room,
                group: group.name.clone(),
                user_id: wire.peer(number.0),
                arrive_at: arrivals[number.index()],
                rules: group.rules,
                network,
                nat: group.nat,
                ice: group.ice.clone(),
                script: script.steps,
                ends_after: script.after,
            });
        }
        plan.rooms.push(RoomPlan {
            id: room,
            wire_id: wire.room(numbered),
            peers: members,
        });
    }
    plan
}

/// Ids on the wire: padded, so that their order as text is the order of numbers.
struct WireIds {
    prefix: String,
    rooms: usize,
    peers: usize,
}

impl WireIds {
    fn room(&self, number: u32) -> String {
        format!("{}room-{number:0width$}", self.prefix, width = self.rooms)
    }

    fn peer(&self, number: u32) -> String {
        format!("{}p{number:0width$}", self.prefix, width = self.peers)
    }
}

fn digits(count: u32) -> usize {
    count.saturating_sub(1).to_string().len().max(ID_DIGITS)
}

/// The barriers of a room in the order in which every group passes them; `#n` where a name comes again.
fn barrier_names(groups: &[Group]) -> Vec<String> {
    fn collect<'a>(steps: &'a [Step], into: &mut Vec<&'a str>) {
        for step in steps {
            match &step.kind {
                StepKind::Barrier { name, .. } => into.push(name),
                StepKind::Repeat { times, steps } => (0..*times).for_each(|_| collect(steps, into)),
                _ => {}
            }
        }
    }
    let mut passed = Vec::new();
    if let Some(group) = groups.first() {
        collect(&group.steps, &mut passed);
    }
    let mut total = BTreeMap::new();
    for name in &passed {
        *total.entry(*name).or_insert(0) += 1;
    }
    let mut seen = BTreeMap::new();
    passed
        .into_iter()
        .map(|name| {
            let nth = seen.entry(name).or_insert(0);
            *nth += 1;
            match total[name] {
                1 => name.to_owned(),
                _ => format!("{name}#{nth}"),
            }
        })
        .collect()
}

/// One peer's steps being laid out.
struct Script<'a> {
    scenario: &'a Scenario,
    /// Who is in its room, in the order of the groups.
    members: &'a [PeerId],
    id: PeerId,
    rng: ChaCha8Rng,
    steps: Vec<PlannedStep>,
    /// The offset of the next step from the last anchor.
    after: Duration,
    name: String,
    /// It has left or crashed.
    was_member: bool,
    barrier: BarrierId,
}

impl Script<'_> {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(&step.kind);
        }
    }

    fn step(&mut self, step: &StepKind) {
        match step {
            StepKind::Join { expect_rejected } => self.join(*expect_rejected),
            StepKind::Leave => self.leave(),
            StepKind::Rejoin => {
                self.leave();
                self.join(false);
            }
            StepKind::Wait { target, within } => self.anchor(Action::Wait {
                condition: match target {
                    WaitFor::Connected => Condition::Connected,
                    WaitFor::ConnectedToPresent => Condition::ConnectedToPresent,
                    WaitFor::Joined => Condition::Joined,
                    WaitFor::Rejected => Condition::Rejected,
                    WaitFor::Recovered => Condition::Recovered,
                    WaitFor::External { count } => Condition::External { count: *count },
                },
                within: *within,
            }),
            StepKind::Barrier { within, .. } => {
                let barrier = self.barrier;
                self.barrier = BarrierId(barrier.0 + 1);
                self.anchor(Action::Barrier {
                    barrier,
                    within: *within,
                });
            }
            StepKind::Pause(range) => self.after += range.draw(&mut self.rng),
            StepKind::Chat {
                every,
                count,
                size,
                lasts,
            } => {
                self.push(Action::Chat {
                    every: *every,
                    count: *count,
                    size: *size,
                });
                self.after += *lasts;
            }
            StepKind::Repeat { times, steps } => (0..*times).for_each(|_| self.run(steps)),
            StepKind::Rename(name) => self.name.clone_from(name),
            StepKind::DuplicateOffer {
                copies,
                within,
                afresh,
            } => self.push(Action::DuplicateOffer {
                copies: *copies,
                within: *within,
                afresh: *afresh,
            }),
            StepKind::DuplicateAnswer {
                copies,
                within,
                lasting,
                afresh,
            } => self.push(Action::DuplicateAnswer {
                copies: *copies,
                within: *within,
                lasting: *lasting,
                afresh: *afresh,
            }),
            StepKind::Signaling(fault) => self.signaling(fault),
            StepKind::Glare { with } => {
                if let Some(with) = self.others(with) {
                    self.push(Action::Glare { with });
                }
            }
            StepKind::StaleOffer { with } => {
                if let Some(with) = self.others(with) {
                    self.push(Action::StaleOffer { with });
                }
            }
            StepKind::JoinTwice => self.push(Action::JoinTwice {
                name: self.name.clone(),
                again: self.was_member,
            }),
            StepKind::SendRaw(frames) => self.push(Action::SendRaw {
                frames: frames.clone(),
            }),
            StepKind::IceRestart { links, both } => self.push(Action::IceRestart {
                links: *links,
                both: *both,
            }),
            StepKind::DropNetwork(what) => self.drop_network(what),
            StepKind::BlockUdp { lasting } => {
                self.push(Action::BlockUdp { lasting: *lasting });
                self.after += lasting.unwrap_or_default();
            }
            StepKind::Roam { signaling } => self.push(Action::Roam {
                signaling: *signaling,
            }),
            StepKind::NatRebind => self.push(Action::NatRebind),
            StepKind::Suspend { lasting, clock } => {
                self.push(Action::Suspend {
                    lasting: *lasting,
                    clock: *clock,
                });
                self.after += *lasting;
            }
            StepKind::Network(network) => {
                let network = self.network(network);
                self.push(Action::Network { network });
            }
            StepKind::CutSignaling(how) => self.push(Action::CutSignaling { how: *how }),
            StepKind::Server(fault) => self.push(Action::Server(*fault)),
            StepKind::Turn(fault) => self.push(Action::Turn { fault: *fault }),
            StepKind::Crash => {
                self.push(Action::Crash);
                self.was_member = true;
            }
        }
    }

    fn push(&mut self, action: Action) {
        self.steps.push(PlannedStep {
            after: self.after,
            action,
        });
    }

    /// A step that the offsets of the following ones count from.
    fn anchor(&mut self, action: Action) {
        self.push(action);
        self.after = Duration::ZERO;
    }

    fn join(&mut self, expect_rejected: bool) {
        self.push(Action::Join {
            name: self.name.clone(),
            expect: match expect_rejected {
                true => JoinOutcome::Rejected,
                false => JoinOutcome::Accepted,
            },
            again: self.was_member,
        });
    }

    fn leave(&mut self) {
        self.push(Action::Leave);
        self.was_member = true;
    }

    fn signaling(&mut self, fault: &SignalingFault) {
        let Some(with) = self.others(&fault.with) else {
            return;
        };
        self.push(Action::Signaling {
            rule: FrameRule {
                treatment: fault.treatment,
                share: fault.share,
                of: fault.of.clone(),
                way: fault.way,
                with,
                count: fault.count,
            },
            lasting: fault.lasting,
        });
    }

    /// Who is named, without the peer itself. Nobody named is everybody; `None`: it alone was.
    fn others(&self, with: &[Party]) -> Option<Vec<PeerId>> {
        let named = self.named(with);
        (with.is_empty() || !named.is_empty()).then(|| named.into_iter().collect())
    }

    /// The others of its room that are meant, ascending.
    fn named(&self, with: &[Party]) -> BTreeSet<PeerId> {
        with.iter()
            .flat_map(|party| self.party(&party.name))
            .copied()
            .filter(|peer| *peer != self.id)
            .collect()
    }

    fn network(&self, network: &scenario::Network) -> Network {
        let paths = network.to.iter().map(|towards| PathPlan {
            with: self.named(&towards.with).into_iter().collect(),
            link: towards.link,
        });
        Network {
            link: network.link,
            to: paths.filter(|path| !path.with.is_empty()).collect(),
        }
    }

    fn drop_network(&mut self, what: &scenario::DropNetwork) {
        let named = self.named(&what.with);
        // To a plan, nobody named is everybody. To whom it alone was named, nothing happens meanwhile.
        if what.with.is_empty() || !named.is_empty() {
            self.push(Action::DropNetwork(DropNetwork {
                scope: what.scope,
                direction: what.direction,
                lasting: what.lasting,
                with: named.into_iter().collect(),
                server_lost: what.server_lost,
            }));
        }
        self.after += what.lasting;
    }

    /// Whom a name in `with` means.
    fn party(&self, name: &str) -> &[PeerId] {
        if name == OTHER_HALF {
            let (first, second) = self.members.split_at(self.members.len().div_ceil(2));
            return if first.contains(&self.id) { second } else { first };
        }
        match self.scenario.party(name) {
            Some(positions) => &self.members[positions.start as usize..positions.end as usize],
            None => &[],
        }
    }
}
