//! Who is in the room, as the server tells it.

use std::collections::BTreeSet;

use super::{
    link::Link,
    machine::{Peer, PeerTimer},
    membership::Membership,
};
use crate::{
    base::{Instant, PeerId},
    metrics::EventKind,
    signaling::{LeaveReason, Member, Message, RosterBy, Topology},
};

impl Peer {
    pub(super) fn handle_roster_message(&mut self, message: Message, now: Instant) {
        match message {
            Message::MemberJoined {
                member,
                again,
                knows_me,
            } => {
                if let Some(remote) = self.meet(&member) {
                    let stays = self.stays_connected(remote, knows_me);
                    self.member_joined(remote, again, stays, now);
                }
            }
            Message::MemberLeft { user_id, reason } => {
                if let Some(remote) = self.peer_of(&user_id)
                    && !self.list_knows_better(remote, reason, now)
                {
                    self.member_left(remote, reason, now);
                }
            }
            Message::Roster { members } => {
                self.server_roster = self.peers_of(&members);
                self.check_settled(now);
            }
            _ => {}
        }
    }

    pub(super) fn welcomed(
        &mut self,
        members: &[Member],
        token: Option<String>,
        resumed: bool,
        now: Instant,
    ) {
        self.token = token;
        self.was_welcomed = true;
        let goes_on = self.membership == Membership::Member;
        if self.membership == Membership::Joining {
            self.membership = Membership::Member;
            self.timers.stop(PeerTimer::JoinExpiry);
            self.event(EventKind::Joined {
                incarnation: self.incarnation,
            });
        }
        let mut present = self.peers_of(members);
        // Where nothing has changed for the others, no other roster follows.
        self.server_roster = present.clone();
        self.server_roster.insert(self.plan.id);
        // Over a new socket of a membership that goes on: whoever is from outside came meanwhile.
        let began = if goes_on { now } else { self.join_planned };
        for member in members {
            match self.awaits_introduction(member, began, now) {
                true => {}
                false => present.extend(self.meet(member)),
            }
        }
        // Where the membership goes on over another socket: nobody has told who left meanwhile.
        let missing = self.members.difference(&present).copied();
        // The server is never named, and never missing.
        let missing: Vec<PeerId> = missing.filter(|remote| *remote != PeerId::SERVER).collect();
        if goes_on && !resumed {
            self.renew(missing, now);
        } else {
            for remote in missing {
                self.member_left(remote, LeaveReason::Closed, now);
            }
        }
        self.meet_server(now);
        for remote in present {
            // A new client took over what a crashed one left: nobody is told that it joined.
            self.is_there(remote, resumed && !goes_on, began, now);
        }
        if goes_on {
            self.resume_signaling(resumed, now);
        }
        self.check_wait(now);
    }

    /// A member was in the room before this peer, or has come by `began`; this peer offers to it if nobody else is going to.
    pub(super) fn is_there(&mut self, remote: PeerId, untold: bool, began: Instant, now: Instant) {
        if remote == self.plan.id || !self.members.insert(remote) {
            return;
        }
        self.seen.left.remove(&remote);
        if remote.is_external() {
            self.external_joined(remote, began);
        }
        if self.abilities.topology != Topology::Mesh {
            self.link_through_server(remote, now);
            return;
        }
        if untold || self.abilities.roster_by == RosterBy::ServerOnce {
            self.link(remote).offer();
        } else {
            self.link(remote).expect_offer(now);
        }
        self.drain_link(remote, now);
    }

    /// `stays`: it has never been away.
    fn member_joined(&mut self, remote: PeerId, again: bool, stays: bool, now: Instant) {
        let known = !self.members.insert(remote);
        let again = again || self.announces() && known;
        if remote.is_external() {
            self.external_joined(remote, now);
        } else {
            self.event_of(Some(remote), EventKind::MemberJoined { again });
        }
        self.seen.left.remove(&remote);
        if self.survives(remote) || stays {
            return self.member_is_back(remote, now);
        }
        // Whatever is left of its earlier membership belongs to a client that is gone.
        if self.abilities.topology != Topology::Mesh {
            self.let_go(remote, "replaced", now);
            return self.link_through_server(remote, now);
        }
        if self.rules().close_on_leave && !self.rules().keep_living {
            self.let_go(remote, "replaced", now);
        }
        self.link(remote).offer();
        self.drain_link(remote, now);
    }

    pub(super) fn member_left(&mut self, remote: PeerId, reason: LeaveReason, now: Instant) {
        self.event_of(
            Some(remote),
            EventKind::MemberLeft {
                reason: reason.to_string(),
            },
        );
        self.members.remove(&remote);
        self.early_fins.remove(&remote);
        if reason != LeaveReason::Closed {
            self.outdate_offers(remote);
        }
        // A member whose socket closed may still be talking to us over its channel.
        let healthy = |link: &Link| link.is_open() && !link.is_unwell();
        let healthy = self.links.get(&remote).is_some_and(healthy);
        if reason != LeaveReason::Closed || !healthy {
            self.seen.left.insert(remote);
            if self.rules().close_on_leave {
                match reason {
                    LeaveReason::Left => self.close_link(remote, "member_left", now),
                    _ => self.let_go(remote, "member_left", now),
                }
            }
        }
        self.check_wait(now);
        self.check_settled(now);
    }

    /// The member of that user id; one from outside of the plan gets an id, if the room is open to such.
    pub(super) fn meet(&mut self, member: &Member) -> Option<PeerId> {
        match self.by_user_id.get(&member.user_id) {
            Some(planned) => Some(*planned),
            None => self.meet_external(member),
        }
    }

    pub(super) fn peer_of(&self, user_id: &str) -> Option<PeerId> {
        if user_id == Message::SERVER && self.abilities.topology.has_server_link() {
            return Some(PeerId::SERVER);
        }
        let planned = self.by_user_id.get(user_id).copied();
        planned.or_else(|| self.externals.peer_of(user_id))
    }

    /// Those of the plan.
    fn peers_of(&self, members: &[Member]) -> BTreeSet<PeerId> {
        let planned = members.iter().filter_map(|m| self.by_user_id.get(&m.user_id));
        planned.copied().collect()
    }
}
