//! A peer's network, as its script changes it.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    network::{become_of, cuttings},
    peer::{INPUTS, PeerTask, Shared},
};
use crate::{
    base::{Instant, PeerId, RootSeed},
    impair::{self, Cutting, Remotes},
    metrics::{EventKind, LimitOf},
    peer::{NetworkCommand, PeerInput},
    plan::{self, Cut, SleepingClock, SocketOnRoam},
    world::{Altered, Dropped, Host, PeerNetwork},
};

/// What a network has dropped and altered as well.
fn plus((dropped, altered): (Dropped, Altered), network: &Arc<PeerNetwork>) -> (Dropped, Altered) {
    (dropped + network.dropped(), altered + network.altered())
}

/// An access link of the peer's that is like that.
pub(super) fn network_of(shared: &Shared, id: PeerId, planned: &plan::Network) -> Arc<PeerNetwork> {
    let world = shared.stack.world.clone();
    let seed = RootSeed(shared.plan.seed);
    let network = PeerNetwork::new(seed, shared.plan.peers[id.index()].seat(), move || world.now());
    become_of(&network, planned);
    Arc::new(match shared.plan.peers[id.index()].is_restless() {
        true => network.on(Host::restless()),
        false => network,
    })
}

/// A sleep of a peer's machine.
pub(super) struct Nap {
    since: Instant,
    until: Instant,
    clock: SleepingClock,
}

/// No run gets there.
const NEVER: Instant = Instant::from_micros(u64::MAX);

impl PeerTask {
    pub(super) async fn change_network(&mut self, command: NetworkCommand) {
        match command {
            NetworkCommand::Drop { what, until } => {
                for cutting in cuttings(what) {
                    self.cut_network(cutting, until).await;
                }
            }
            NetworkCommand::BlockUdp { until } => {
                if until.is_none() {
                    let Shared {
                        apart, sink, plan, ..
                    } = &*self.shared;
                    let pairs = plan.pairs_without_udp(self.id).into_iter();
                    apart.tell(sink, pairs).await;
                }
                let until = until.unwrap_or(NEVER);
                self.cut_network(Cutting::both_ways(impair::Scope::Udp, Remotes::All), until)
                    .await;
            }
            NetworkCommand::Roam { signaling: how } => {
                self.network.host().roam();
                match (&mut self.signaling, how) {
                    (Some(signaling), SocketOnRoam::Broken) => signaling.leave_behind(),
                    (Some(signaling), SocketOnRoam::Silent) => signaling.cut(Cut::Silent),
                    (_, SocketOnRoam::Kept) | (None, _) => {}
                }
            }
            NetworkCommand::RemapNat => {
                // Where the world has a NAT in front of the peer, it is that which forgets.
                if !self.shared.stack.world.rebind_nat(self.id) {
                    self.network.host().remap();
                }
            }
            NetworkCommand::Sleep { until, clock } => {
                self.network.host().fall_asleep();
                self.nap = Some(Nap {
                    since: self.shared.stack.world.now(),
                    until,
                    clock,
                });
            }
            NetworkCommand::Become(network) => {
                become_of(&self.network, &network);
                self.planned = network;
            }
            NetworkCommand::Cut(how) => {
                if let Some(signaling) = &mut self.signaling {
                    signaling.cut(how);
                }
            }
            NetworkCommand::Mute => {
                self.network.mute();
                // What comes back is another machine on the same kind of link.
                let next = network_of(&self.shared, self.id, &self.planned);
                self.former_networks
                    .push(std::mem::replace(&mut self.network, next));
                self.forget_networks();
            }
        }
    }

    /// Of networks that nobody holds any more only the sum is kept: who crashes for hours keeps no more of them than
    /// who crashes once.
    pub(super) fn forget_networks(&mut self) {
        let (held, over): (Vec<_>, Vec<_>) = std::mem::take(&mut self.former_networks)
            .into_iter()
            .partition(|network| Arc::strong_count(network) > 1);
        self.former_networks = held;
        self.dropped = over.iter().fold(self.dropped, plus);
    }

    pub(super) async fn cut_network(&mut self, what: Cutting, until: Instant) {
        let now = self.shared.stack.world.now();
        if let Err(limit) = self.network.cut(what, now, until) {
            let kind = EventKind::LimitHit {
                of: LimitOf::Harness,
                limit: limit.to_string(),
            };
            self.shared
                .sink
                .tell_at(self.now, Some(self.id), None, kind)
                .await;
        }
    }

    /// Sleeps until the nap is over, or everybody has to leave. What is said to it meanwhile waits.
    pub(super) async fn sleep_through(&mut self, nap: Nap, inputs: &mut mpsc::Receiver<PeerInput>) {
        let world = self.shared.stack.world.clone();
        let mut over = world.sleep_until(nap.until);
        loop {
            let room = self.backlog.len() < INPUTS;
            tokio::select! {
                biased;
                () = &mut over => break,
                Some(input) = inputs.recv(), if room => {
                    let leave = input == PeerInput::Leave;
                    self.backlog.push_back(input);
                    if leave {
                        break;
                    }
                }
            }
        }
        let slept = world.now().since(nap.since);
        self.network.host().wake(match nap.clock {
            SleepingClock::Stops => slept,
            SleepingClock::Jumps => Duration::ZERO,
        });
        let clock = nap.clock;
        self.now = world.now();
        self.peer.handle(PeerInput::Woke { slept, clock }, self.now);
    }

    /// Tells what has not crossed the peer's links, or not as it was, if anything has not.
    pub(super) async fn tell_dropped(&mut self) {
        let networks = self.former_networks.iter().chain([&self.network]);
        let (dropped, altered) = networks.fold(self.dropped, plus);
        if dropped != Dropped::default() {
            let kind = EventKind::NetworkDropped {
                lost: dropped.lost,
                queue_full: dropped.queue_full,
                blocked: dropped.blocked,
                overflowed: dropped.overflowed,
            };
            self.shared.sink.tell(Some(self.id), None, kind).await;
        }
        if altered != Altered::default() {
            let kind = EventKind::NetworkAltered {
                duplicated: altered.duplicated,
                corrupted: altered.corrupted,
                reordered: altered.reordered,
            };
            self.shared.sink.tell(Some(self.id), None, kind).await;
        }
    }
}
