//! What happens to the machine that a peer runs on: it moves, its NAT forgets, it sleeps.

use std::time::Duration;

use super::{
    faults::NetworkCommand,
    machine::{Peer, PeerOutput, PeerTimer},
};
use crate::{
    base::Instant,
    metrics::FaultCause,
    plan::{SleepingClock, SocketOnRoam},
};

impl Peer {
    /// Another network: new address, new ports; what was bound in the old one is dead.
    pub(super) fn roam(&mut self, signaling: SocketOnRoam, planned: Instant, now: Instant) {
        match signaling {
            // Only another socket can make up for it.
            SocketOnRoam::Broken | SocketOnRoam::Silent if self.is_online() => self.pings.await_proof(),
            _ => {}
        }
        self.output(PeerOutput::Network(NetworkCommand::Roam { signaling }));
        self.start_faults(FaultCause::Roam, planned, planned, now);
        if !self.rules().restart_on_roam {
            return;
        }
        for remote in self.open_links(|_| true) {
            if let Some(link) = self.links.get_mut(&remote) {
                link.network_changed(now);
            }
            self.drain_link(remote, now);
        }
    }

    /// Nothing of it is to be seen from here.
    pub(super) fn remap_nat(&mut self, planned: Instant, now: Instant) {
        self.output(PeerOutput::Network(NetworkCommand::RemapNat));
        self.start_faults(FaultCause::NatRebind, planned, planned, now);
    }

    pub(super) fn block_udp(&mut self, lasting: Option<Duration>, planned: Instant, now: Instant) {
        let until = lasting.map(|lasting| planned + lasting);
        self.output(PeerOutput::Network(NetworkCommand::BlockUdp { until }));
        // Without an end, it is another carrier that makes up for it.
        self.start_faults(FaultCause::BlockUdp, planned, until.unwrap_or(planned), now);
    }

    pub(super) fn sleep(&mut self, lasting: Duration, clock: SleepingClock, planned: Instant, now: Instant) {
        let until = planned + lasting;
        self.output(PeerOutput::Network(NetworkCommand::Sleep { until, clock }));
        if self.is_online() {
            self.pings.await_proof();
            self.timers.set(PeerTimer::SignalingFaultEnd, until);
        }
        self.start_faults(FaultCause::Suspend, planned, until, now);
    }

    /// The machine is awake again. Where its clock has stood still, what the client has set timers for is as far
    /// away as it was; what the script has planned is not: a plan is made of the run's time.
    pub(super) fn woke(&mut self, slept: Duration, clock: SleepingClock) {
        if clock == SleepingClock::Jumps {
            return;
        }
        self.timers.put_off(slept, PeerTimer::is_of_the_client);
        for link in self.links.values_mut() {
            link.put_off(slept);
        }
    }
}

impl PeerTimer {
    /// Whether the client would have set it by itself: it runs by the clock of its machine.
    fn is_of_the_client(self) -> bool {
        match self {
            Self::JoinExpiry
            | Self::Unheard
            | Self::Reconnect
            | Self::Heartbeat
            | Self::HeartbeatExpiry
            | Self::Keepalive => true,
            Self::Step
            | Self::Chat
            | Self::WaitExpiry
            | Self::Fence
            | Self::Settle
            | Self::Exchange
            | Self::Gone
            | Self::AssumedPong
            | Self::Copies
            | Self::Strangers
            | Self::Frames
            | Self::SignalingFaultEnd
            | Self::FaultEnd(_)
            | Self::FaultExpiry(_) => false,
        }
    }
}
