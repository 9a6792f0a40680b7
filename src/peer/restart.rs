//! The server has restarted: everybody is joined anew, and what is between peers may have lived on.

use super::{
    link::Link,
    machine::{Peer, PeerOutput, PeerTimer},
};
use crate::{
    base::{Instant, PeerId},
    metrics::{FaultCause, RecoveryPath},
    plan::ServerFault,
    signaling::LeaveReason,
};

impl Peer {
    /// The step. From here on this peer has something to prove; the others have once it is done.
    pub(super) fn harm_server(&mut self, fault: ServerFault, planned: Instant, now: Instant) {
        self.server_hit(fault, planned, now);
        self.output(PeerOutput::Server { fault, planned });
    }

    /// Somebody's step has done something to the server. A client has no way to know that; its script does: what
    /// has to be proven anew, and who has not left.
    pub(super) fn server_hit(&mut self, fault: ServerFault, planned: Instant, now: Instant) {
        if self.is_online() {
            self.pings.await_proof();
        }
        let (ended_by, lasting) = match fault {
            ServerFault::Restart { away } => (Some(FaultCause::ServerRestart), Some(away)),
            ServerFault::Crash { away } => (Some(FaultCause::ServerCrash), away),
            ServerFault::Pause { lasting } | ServerFault::Slow { lasting, .. } => (None, Some(lasting)),
        };
        let ends = lasting.map(|lasting| planned + lasting);
        if let Some(ends) = ends {
            self.timers.set(PeerTimer::SignalingFaultEnd, ends.max(now));
        }
        if let Some(cause) = ended_by {
            self.server_ended(cause, planned, ends, now);
        }
    }

    /// Without `ends` no other server comes: there is nothing to be proven then.
    fn server_ended(&mut self, cause: FaultCause, planned: Instant, ends: Option<Instant>, now: Instant) {
        if self.is_outside() {
            return;
        }
        self.restarted = Some(now);
        let Some(ends) = ends else { return };
        let has_pairs = self.abilities.topology.has_pairs();
        for remote in self.open_links(|remote| self.is_planned(*remote)) {
            let fault = self.owe_data(remote, cause, planned, ends, now);
            // Who has to do with the server alone is back as soon as data flows.
            fault.restarted = has_pairs.then_some(now);
        }
    }

    /// Whether the present socket is one of the server that has started since.
    fn is_of_new_server(&self, restarted: Instant) -> bool {
        self.is_online() && self.socket_opened_at >= restarted
    }

    /// Whether what data proves about the link counts: after a restart both have to be members again, for a
    /// client may tear the link down then.
    pub(super) fn is_reinstated(&self, remote: PeerId, restarted: Option<Instant>) -> bool {
        restarted.is_none_or(|at| {
            let member = self.is_member() && self.is_answered();
            member && self.is_of_new_server(at) && self.members.contains(&remote)
        })
    }

    /// The server did not know the membership that a new socket was to take over, and has made another one of
    /// it. `missing`: who was a member, and is none.
    pub(super) fn renew(&mut self, missing: Vec<PeerId>, now: Instant) {
        let forgotten = self.restarted.is_some_and(|at| self.is_of_new_server(at));
        for remote in missing {
            let healthy = self.links.get(&remote).is_some_and(Link::is_open);
            match forgotten {
                true => self.member_missing(remote, now),
                false => self.member_left(remote, LeaveReason::Closed, now),
            }
            if healthy && self.links.contains_key(&remote) {
                self.survivors.insert(remote);
            }
        }
        if forgotten {
            self.restarted = None;
        }
    }

    /// A server that knows nobody does not know `remote` yet: that is no leave.
    fn member_missing(&mut self, remote: PeerId, now: Instant) {
        self.members.remove(&remote);
        if self.rules().close_on_leave && !self.links.get(&remote).is_some_and(Link::is_open) {
            self.let_go(remote, "member_left", now);
        }
    }

    /// Whether the link to a member that has just joined is to live on: it is open, and it was so when the
    /// server turned out to have forgotten both.
    pub(super) fn survives(&mut self, remote: PeerId) -> bool {
        let open = self.links.get(&remote).is_some_and(Link::is_open);
        self.survivors.remove(&remote) && open && self.rules().survive_restart
    }

    /// The link lived on while the server did not: what was under way on it over the server is made up for.
    pub(super) fn member_is_back(&mut self, remote: PeerId, now: Instant) {
        if let Some(link) = self.links.get_mut(&remote) {
            link.signaling_renewed();
        }
        self.drain_link(remote, now);
        self.probe_reinstated(remote, now);
    }

    /// Closes a link, but goes on waiting for what a fault of it owes: the server has forgotten the remote, whose
    /// script may know nothing of that, and which then comes back.
    pub(super) fn let_go(&mut self, remote: PeerId, cause: &str, now: Instant) {
        match self.faults.contains_key(&remote) {
            true => {
                self.tell_fault(remote);
                self.end_link(remote, cause, now);
                self.acted(remote, RecoveryPath::Rejoin);
            }
            false => self.close_link(remote, cause, now),
        }
    }

    /// A probe that counts, if there was none that could.
    pub(super) fn probe_reinstated(&mut self, remote: PeerId, now: Instant) {
        let fault = self.faults.get(&remote).filter(|fault| fault.restarted.is_some());
        if fault.is_some_and(|fault| self.is_reinstated(remote, fault.restarted)) {
            self.probe(remote, now);
        }
    }
}
