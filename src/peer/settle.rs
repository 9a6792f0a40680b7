use std::{collections::BTreeSet, time::Duration};

use super::machine::{Peer, PeerOutput, PeerTimer};
use crate::{
    base::{Instant, PeerId},
    metrics::EventKind,
    signaling::Seq,
};

/// How long a room that has otherwise settled waits for an answer: one that is lost for good must not be made up for
/// by what happens when ICE gives up.
const EXCHANGE: Duration = Duration::from_secs(5);

/// Where a peer is between its first step and being gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The script runs.
    Running,
    /// The script has ended; the server has still to confirm that it has processed all we sent.
    EndFence,
    /// Waiting for the other scripts of the room.
    Ended,
    /// Every script of the room has ended: waiting until nothing is on its way any more.
    Settling {
        pong: bool,
        /// Members whose last message on the channel has come in.
        fins: BTreeSet<PeerId>,
        /// Members to whom ours has gone out.
        fin_sent: BTreeSet<PeerId>,
    },
    /// Settled, and waiting for the others to.
    Settled,
    /// Leaving for good; `fenced` once the server has confirmed it.
    Leaving { fenced: bool },
    /// Nothing is left.
    Gone,
}

impl Peer {
    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    pub(super) fn end_script(&mut self, now: Instant) {
        self.event(EventKind::ScriptEnded);
        self.end_tampering(now);
        self.phase = Phase::EndFence;
        self.timers.set(PeerTimer::Fence, now + super::machine::FENCE);
        self.fence(now);
    }

    pub(super) fn report_ended(&mut self) {
        self.timers.stop(PeerTimer::Fence);
        self.phase = Phase::Ended;
        self.output(PeerOutput::ScriptEnded);
    }

    /// Every script of the room has ended.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.phase != Phase::Ended {
            return;
        }
        self.phase = Phase::Settling {
            pong: false,
            fins: BTreeSet::new(),
            fin_sent: BTreeSet::new(),
        };
        self.timers.set(PeerTimer::Settle, now + self.settle_within);
        self.fence(now);
        for remote in self.early_fins.clone() {
            self.fin_received(remote, now);
        }
        self.check_settled(now);
    }

    /// The last message of `remote` on its channel has come in. It may be ahead of the word that the
    /// room has ended.
    pub(super) fn fin_received(&mut self, remote: PeerId, now: Instant) {
        match &mut self.phase {
            Phase::Settling { fins, .. } => {
                fins.insert(remote);
                self.check_settled(now);
            }
            _ => {
                self.early_fins.insert(remote);
            }
        }
    }

    /// The server has processed all that was sent before the fence, or can't be asked any more.
    pub(super) fn fenced(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::EndFence => self.report_ended(),
            Phase::Settling { pong, .. } => {
                *pong = true;
                self.check_settled(now);
            }
            Phase::Leaving { fenced } => {
                *fenced = true;
                self.check_gone(now);
            }
            _ => {}
        }
    }

    /// Sends the last message on every channel that is open by now; settled once each member's has come
    /// back, the rosters have caught up and no exchange of descriptions is under way: the script may have ended
    /// with an offer.
    pub(super) fn check_settled(&mut self, now: Instant) {
        let Phase::Settling { fin_sent, .. } = &self.phase else {
            return;
        };
        let due: Vec<PeerId> = self
            .members
            .iter()
            .copied()
            .filter(|m| !m.is_external() && !fin_sent.contains(m) && self.exchanges_messages())
            .filter(|m| self.links.get(m).is_some_and(super::Link::is_open))
            .collect();
        for remote in due {
            self.send_fin(remote, now);
            if let Phase::Settling { fin_sent, .. } = &mut self.phase {
                fin_sent.insert(remote);
            }
        }
        if !self.has_otherwise_settled() {
            self.timers.stop(PeerTimer::Exchange);
        } else if !self.is_exchanging() {
            self.report_settled();
        } else if !self.timers.is_set(PeerTimer::Exchange) {
            self.timers.set(PeerTimer::Exchange, now + EXCHANGE);
        }
    }

    /// Whether descriptions are under way between peers of the plan. What comes from others is nobody's promise.
    fn is_exchanging(&self) -> bool {
        let mut planned = self.links.iter().filter(|(remote, _)| self.is_planned(**remote));
        planned.any(|(_, link)| link.is_exchanging())
    }

    /// The answer that all waits for has not come.
    pub(super) fn exchange_overdue(&mut self) {
        if self.has_otherwise_settled() {
            self.report_settled();
        }
    }

    /// Whether all has settled but for exchanges of descriptions.
    fn has_otherwise_settled(&self) -> bool {
        let Phase::Settling { pong, fins, fin_sent } = &self.phase else {
            return false;
        };
        // A connection that is being replaced has said its last, and the next one has still to open.
        let silent = !self.exchanges_messages();
        let has_ended = |m: &PeerId, link: &super::Link| {
            link.is_given_up() || link.is_open() && (silent || fins.contains(m) && fin_sent.contains(m))
        };
        let all_fins = self
            .members
            .iter()
            .filter(|m| !m.is_external())
            .all(|m| self.links.get(m).is_some_and(|link| has_ended(m, link)));
        // Where nobody tells the roster, there is none to wait for.
        let untold = !self.abilities.tells_rosters;
        let rosters_agree = untold || !self.is_member() || self.server_roster == self.believed();
        *pong && all_fins && rosters_agree && self.faults.is_empty()
    }

    /// A fresh channel is open: a last message that went out on the one before it may have been lost with that.
    pub(super) fn repeat_fin(&mut self, remote: PeerId, now: Instant) {
        if !self.is_planned(remote) || !self.exchanges_messages() {
            return;
        }
        match &mut self.phase {
            Phase::Settling { fin_sent, .. } => {
                fin_sent.remove(&remote);
            }
            Phase::Settled => self.send_fin(remote, now),
            _ => {}
        }
    }

    fn send_fin(&mut self, remote: PeerId, now: Instant) {
        let text = self.chat_text(Seq::Fin, 0, now);
        self.transmit(remote, &text);
        self.drain_link(remote, now);
    }

    /// Tells what the room looks like from here, settled or out of time.
    pub(super) fn report_settled(&mut self) {
        self.timers.stop(PeerTimer::Settle);
        self.timers.stop(PeerTimer::Exchange);
        self.phase = Phase::Settled;
        self.confirm_relayed();
        if self.is_member() {
            let kind = EventKind::RosterSeen {
                server: self.server_roster.iter().copied().collect(),
                believed: self.believed().into_iter().collect(),
            };
            self.event(kind);
            let links = self
                .links
                .iter()
                .filter(|(remote, _)| **remote != PeerId::SERVER || self.is_planned(**remote));
            let links: Vec<_> = links.map(|(r, link)| (*r, link.settled())).collect();
            for (remote, kind) in links {
                self.event_of(Some(remote), kind);
            }
        }
        self.output(PeerOutput::Settled);
    }

    /// Leaves whatever it is doing and ends.
    pub(super) fn leave_for_good(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Leaving { .. } | Phase::Gone) {
            return;
        }
        self.abandon_script();
        self.end_tampering(now);
        for timer in [
            PeerTimer::Fence,
            PeerTimer::Settle,
            PeerTimer::Exchange,
            PeerTimer::Reconnect,
        ] {
            self.timers.stop(timer);
        }
        self.phase = Phase::Leaving { fenced: false };
        self.leave(now, false, now);
        self.timers
            .set(PeerTimer::Gone, now + super::machine::LEAVE_WITHIN);
        if self.is_online() {
            self.fence(now);
        } else {
            // Nobody to tell: no socket is opened for it.
            self.close_socket();
            self.fenced(now);
        }
    }

    pub(super) fn check_gone(&mut self, now: Instant) {
        if self.phase == (Phase::Leaving { fenced: true }) && self.leaving.is_empty() && self.live.is_empty()
        {
            self.be_gone(now);
        }
    }

    /// The end: what has not closed by now is reported as left over.
    pub(super) fn be_gone(&mut self, _now: Instant) {
        for leaving in std::mem::take(&mut self.leaving) {
            self.event(EventKind::Left {
                incarnation: leaving.incarnation,
                connections: u32::try_from(leaving.connections.len()).unwrap_or(u32::MAX),
                timers: 0,
            });
        }
        self.timers.clear();
        self.phase = Phase::Gone;
        self.close_socket();
        self.tell_received();
        self.output(PeerOutput::Gone);
    }
}
