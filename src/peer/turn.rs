//! The STUN and TURN server is hit: what goes through it is, too.

use super::machine::{Peer, PeerOutput};
use crate::{
    base::{Instant, PeerId},
    metrics::FaultCause,
    peer::link::Link,
    scenario::{IcePolicy, TurnFault},
};

impl Peer {
    /// The step: something happens to the TURN server.
    pub(super) fn turn(&mut self, fault: TurnFault, planned: Instant, now: Instant) {
        self.output(PeerOutput::Turn { fault, planned });
        if let TurnFault::Stop { away } = fault {
            self.turn_stopped(planned, planned + away.unwrap_or_default(), now);
        }
    }

    /// The TURN server has ended: allocations are gone, and with them the links that go through it. At `ends` there
    /// may be another one.
    pub(super) fn turn_stopped(&mut self, planned: Instant, ends: Instant, now: Instant) {
        let only_relays = self.plan.ice.policy == IcePolicy::Relay;
        let relayed = |peer: &Self, remote: &PeerId| peer.links.get(remote).is_some_and(Link::is_relayed);
        for remote in self.open_links(|_| true) {
            if only_relays || relayed(self, &remote) {
                self.start_fault(remote, FaultCause::Turn, planned, ends, now);
            }
        }
    }
}
