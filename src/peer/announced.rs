//! Membership where a relay passes everything on and answers no join: the others of the room are who confirms it.

use std::time::Duration;

use super::{
    link::Link,
    machine::{Peer, PeerTimer},
    membership::Membership,
};
use crate::{
    base::{Instant, PeerId},
    metrics::EventKind,
    signaling::{Member, Message, RosterBy, SdpType},
};

/// How long somebody of the room may take to act on a join that the relay has passed on. Whom nobody acts on within
/// that is taken for the first of its room.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

impl Peer {
    /// Whether a join is an announcement to the others, which no server answers.
    pub(super) fn announces(&self) -> bool {
        self.abilities.roster_by == RosterBy::Members
    }

    /// A member, and known to be one.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_member() && self.relayed_at.is_none()
    }

    /// The relay is about to read the announcement: what it has passed on before that is about an earlier
    /// membership, and who has joined before it hears of this join.
    pub(super) fn join_is_next(&mut self) {
        if self.rules().refuse_stale {
            self.early_messages.clear();
        }
    }

    /// The relay has passed the announcement on. From now on the client is there: what others say is for it.
    pub(super) fn join_relayed(&mut self, now: Instant) {
        self.unanswered_joins = 0;
        self.former_joins = 0;
        self.was_welcomed = true;
        match self.membership {
            Membership::Outside => {}
            Membership::Member => self.announced_again(now),
            Membership::Joining => {
                self.membership = Membership::Member;
                self.timers.stop(PeerTimer::JoinExpiry);
                self.relayed_at = Some(now);
                self.timers.set(PeerTimer::Unheard, now + HEARD_WITHIN);
                for message in std::mem::take(&mut self.early_messages) {
                    self.handle_message(message, now);
                }
            }
        }
        self.check_wait(now);
    }

    /// A new socket has taken the place of a lost one, and everybody of the room has been told who is behind it.
    pub(super) fn announced_again(&mut self, now: Instant) {
        self.restarted = None;
        self.event(EventKind::MembershipResumed {
            incarnation: self.incarnation,
        });
        for remote in self.members.clone() {
            if let Some(link) = self.links.get_mut(&remote) {
                link.signaling_renewed();
            }
            self.drain_link(remote, now);
            self.probe_reinstated(remote, now);
        }
    }

    /// Somebody of the room is heard.
    pub(super) fn hear(&mut self, message: &Message, now: Instant) {
        match message {
            Message::MemberJoined { member, .. } => match self.meet(member) {
                Some(_) => self.confirm_relayed(),
                None => return,
            },
            Message::Description { remote, description } if description.sdp_type == SdpType::Offer => {
                // Only who is there offers, and nobody has told who that is, nor its name.
                let unnamed = || Member {
                    user_id: remote.clone(),
                    name: remote.clone(),
                };
                let Some(remote) = self.peer_of(remote).or_else(|| self.meet(&unnamed())) else {
                    return;
                };
                if self.abilities.roster_by == RosterBy::Harness && !remote.is_external() {
                    // The list tells.
                    return;
                }
                if self.members.insert(remote) {
                    self.seen.left.remove(&remote);
                    if remote.is_external() {
                        // Who acts on a join was there before it.
                        let before = self.relayed_at.is_some();
                        self.external_joined(remote, if before { self.join_planned } else { now });
                    }
                }
                self.confirm_join();
            }
            _ => return,
        }
        self.check_wait(now);
    }

    /// Another member has acted on the join.
    fn confirm_join(&mut self) {
        if self.relayed_at.take().is_some() {
            self.timers.stop(PeerTimer::Unheard);
            self.event(EventKind::Joined {
                incarnation: self.incarnation,
            });
        }
    }

    /// Nobody has, and nothing that can come any more would be about it: somebody else has joined later, nobody seems to
    /// be there, or the membership or its socket is over.
    pub(super) fn confirm_relayed(&mut self) {
        if let Some(relayed) = self.relayed_at {
            self.event(EventKind::JoinRelayed {
                incarnation: self.incarnation,
                relayed,
            });
            self.confirm_join();
        }
    }

    /// The members with whom a new socket changes nothing.
    pub(super) fn connected_remotes(&self) -> impl Iterator<Item = PeerId> + '_ {
        let healthy = |remote: &PeerId| self.links.get(remote).is_some_and(is_healthy);
        self.members.iter().copied().filter(healthy)
    }

    /// The same, as they are named on the wire.
    pub(super) fn connected_members(&self) -> Vec<Member> {
        let member = |remote: PeerId| Member {
            user_id: self.user_id_of(remote),
            name: self.user_id_of(remote),
        };
        self.connected_remotes().map(member).collect()
    }

    /// Whether the link to a member that announces itself is to live on: it names this peer among those whom it is
    /// connected to, which nobody does who has left or crashed, and so it is from here.
    pub(super) fn stays_connected(&self, remote: PeerId, knows_me: bool) -> bool {
        let healthy = self.links.get(&remote).is_some_and(is_healthy);
        self.learns_of_members() && knows_me && healthy && self.rules().survive_restart
    }
}

fn is_healthy(link: &Link) -> bool {
    link.is_open() && !link.is_unwell()
}
