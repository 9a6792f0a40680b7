use std::collections::BTreeSet;

use super::{
    link::{Link, Memory},
    machine::{Peer, PeerOutput, PeerTimer},
};
use crate::{
    base::{Generation, Incarnation, Instant, PeerId, Purpose},
    metrics::{DescriptionKind, EventKind, IgnoreReason, LimitOf},
    signaling::{Description, LeaveReason, Member, Message, RosterBy, SdpType},
};

/// Offers of a remote that are known to belong to earlier memberships of it, the latest.
const MAX_TAKEN_BEFORE: usize = 64;

/// Messages that are kept until the join is confirmed; more than a full room and its candidates send.
const MAX_EARLY: usize = 4_096;

/// Whether the peer is in its room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Membership {
    Outside,
    /// Asked for, not confirmed.
    Joining,
    Member,
}

/// What has been true since the last join; `wait: connected` reads it.
#[derive(Debug, Default)]
pub(super) struct SinceJoin {
    pub opened: BTreeSet<PeerId>,
    pub left: BTreeSet<PeerId>,
    pub rejected: bool,
}

/// A membership whose connections are being closed.
#[derive(Debug)]
pub(super) struct Leaving {
    pub incarnation: Incarnation,
    pub connections: BTreeSet<(PeerId, Generation)>,
}

impl Peer {
    pub(super) fn is_member(&self) -> bool {
        self.membership == Membership::Member
    }

    pub(super) fn is_outside(&self) -> bool {
        self.membership == Membership::Outside
    }

    pub(super) fn was_rejected(&self) -> bool {
        self.seen.rejected
    }

    /// Everybody whom this peer believes to be in the room, itself included.
    pub(super) fn believed(&self) -> BTreeSet<PeerId> {
        let mut believed = self.members.clone();
        believed.retain(|member| !member.is_external() && *member != PeerId::SERVER);
        believed.insert(self.plan.id);
        believed
    }

    // ---- joining and leaving

    pub(super) fn join(&mut self, name: String, expect_rejected: bool, planned: Instant, now: Instant) {
        self.incarnation = self.incarnation.next();
        self.join_planned = planned;
        self.next_seq = 0;
        self.seen = SinceJoin::default();
        self.server_roster.clear();
        self.early_messages.clear();
        self.survivors.clear();
        self.restarted = None;
        self.early_fins.clear();
        self.joining_as = Some(name.clone());
        self.join_is_sent = false;
        self.former_joins = self.unanswered_joins;
        self.pings.forget_join();
        self.outdate_introductions();
        self.membership = Membership::Joining;
        self.event(EventKind::JoinStarted {
            planned,
            incarnation: self.incarnation,
            name,
            expect_rejected,
        });
        self.timers.set(PeerTimer::JoinExpiry, now + self.join_within);
        self.open_socket();
        if self.is_online() {
            self.send_join(now);
        }
    }

    pub(super) fn send_join(&mut self, now: Instant) {
        self.begin_anew(now);
        let message = Message::Join {
            name: self.name().to_owned(),
            token: self.token.clone().filter(|_| self.rules().resume_membership),
            capacity: self.capacity(),
            present: match self.announces() {
                true => self.connected_members(),
                false => Vec::new(),
            },
        };
        self.unanswered_joins += 1;
        self.join_is_sent = true;
        if self.announces() {
            self.send_between_pings(&message, now);
        } else {
            self.send(&message, now);
        }
        self.offer_with_join(now);
        self.join_once_more(now);
    }

    /// The server has answered a join: whether it is one of this membership. It answers them in order, and what a
    /// membership given up in the meantime was told means nothing to the next. An answer to no join is about one that
    /// the client knows nothing of.
    fn is_own_answer(&mut self) -> bool {
        let asked = self.unanswered_joins > 0;
        self.unanswered_joins = self.unanswered_joins.saturating_sub(1);
        let own = asked && self.former_joins == 0;
        self.former_joins = self.former_joins.saturating_sub(1);
        own || !self.rules().count_answers
    }

    pub(super) fn join_expired(&mut self, now: Instant) {
        self.unanswered_joins = 0;
        self.former_joins = 0;
        // Should the server confirm it after all, it must not hold a member that nobody plays.
        self.send(&Message::Leave, now);
        let within = crate::base::show_duration(self.join_within);
        self.join_failed(format!("no answer within {within}"), now);
        self.give_mute_server_up(now);
        self.check_wait(now);
    }

    pub(super) fn join_failed(&mut self, reason: String, now: Instant) {
        if self.membership == Membership::Joining {
            self.membership = Membership::Outside;
            self.timers.stop(PeerTimer::JoinExpiry);
            self.event(EventKind::JoinFailed {
                incarnation: self.incarnation,
                reason,
            });
            self.withdraw(LeaveReason::Closed);
            self.give_server_up(now);
            self.close_membership();
        }
    }

    fn join_rejected(&mut self, reason: String, now: Instant) {
        let is_own = self.is_own_answer();
        if is_own && self.membership == Membership::Member {
            // The join of a new socket that was to take the membership over.
            self.lose_membership(now);
            self.close_membership();
            self.check_wait(now);
        }
        if is_own && self.membership == Membership::Joining {
            self.membership = Membership::Outside;
            self.timers.stop(PeerTimer::JoinExpiry);
            self.seen.rejected = true;
            self.token = None;
            self.event(EventKind::JoinRejected {
                incarnation: self.incarnation,
                reason,
            });
            self.give_server_up(now);
            self.close_membership();
            self.check_wait(now);
        }
    }

    /// Leaves the room, if it is in it or on its way in.
    pub(super) fn leave(&mut self, planned: Instant, scripted: bool, now: Instant) {
        if self.membership == Membership::Outside {
            return;
        }
        self.confirm_relayed();
        self.event(EventKind::LeaveStarted {
            planned,
            incarnation: self.incarnation,
            scripted,
        });
        self.send(&Message::Leave, now);
        self.forget_joins();
        self.token = None;
        self.withdraw(LeaveReason::Left);
        for remote in self.links.keys().copied().collect::<Vec<_>>() {
            self.outdate_offers(remote);
        }
        self.drop_membership(if scripted { "leave" } else { "end" }, now);
        self.give_mute_server_up(now);
        self.close_membership();
    }

    /// The membership is gone without a leave: the server can't be reached, or knows nothing of it.
    pub(super) fn lose_membership(&mut self, now: Instant) {
        self.confirm_relayed();
        self.event(EventKind::LeaveStarted {
            planned: now,
            incarnation: self.incarnation,
            scripted: false,
        });
        self.withdraw(LeaveReason::Closed);
        self.drop_membership("signaling_lost", now);
    }

    /// Closes everything that belongs to the membership.
    pub(super) fn drop_membership(&mut self, cause: &str, now: Instant) {
        self.membership = Membership::Outside;
        self.timers.stop(PeerTimer::JoinExpiry);
        self.timers.stop(PeerTimer::Unheard);
        self.members.clear();
        self.early_fins.clear();
        self.offered.leave();
        if self.rules().close_on_leave || !self.is_running() {
            for remote in self.links.keys().copied().collect::<Vec<_>>() {
                self.close_link(remote, cause, now);
            }
            self.leaving.push(Leaving {
                incarnation: self.incarnation,
                connections: self.live.clone(),
            });
            self.check_left(now);
        } else {
            let timers = self.links.values().map(Link::timers).sum::<usize>();
            self.event(EventKind::Left {
                incarnation: self.incarnation,
                connections: u32::try_from(self.live.len()).unwrap_or(u32::MAX),
                timers: u32::try_from(timers).unwrap_or(u32::MAX),
            });
            for (remote, link) in std::mem::take(&mut self.links) {
                self.remember(remote, link, now);
            }
            self.faults.clear();
        }
    }

    /// A connection is closed and nothing of it is left.
    pub(super) fn connection_gone(&mut self, remote: PeerId, generation: Generation, now: Instant) {
        self.live.remove(&(remote, generation));
        for leaving in &mut self.leaving {
            leaving.connections.remove(&(remote, generation));
        }
        self.check_left(now);
    }

    fn check_left(&mut self, now: Instant) {
        let (left, leaving) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition(|l| l.connections.is_empty());
        self.leaving = leaving;
        let left: Vec<Leaving> = left;
        for done in left {
            self.event(EventKind::Left {
                incarnation: done.incarnation,
                connections: 0,
                timers: 0,
            });
        }
        self.check_gone(now);
    }

    // ---- what the server says

    pub(super) fn handle_message(&mut self, message: Message, now: Instant) {
        let Some(message) = self.keep_for_stranger(message, now) else {
            return;
        };
        if self.learns_of_members() && self.is_member() {
            self.hear(&message, now);
        }
        match message {
            Message::Pong => self.pong(now),
            // They are a socket's, whatever becomes of the membership.
            Message::IceServers { servers } => self.output(PeerOutput::IceServersOffered(servers)),
            Message::JoinRejected { reason, .. } => self.join_rejected(reason, now),
            Message::Error {
                reason,
                message,
                about_join,
                about_membership,
            } => {
                self.event(EventKind::SignalingError {
                    reason: reason.clone(),
                    message,
                });
                let between_channels = about_join && self.is_between_channels();
                if about_join && !between_channels {
                    self.join_rejected(reason, now);
                } else if about_membership || between_channels {
                    self.ask_again(now);
                }
            }
            Message::LimitHit { limit } => self.limit_hit(limit),
            message if self.is_of_server_link(&message) => self.handle_link_message(message, now),
            message if self.keeps_early(&message) => match self.early_messages.len() < MAX_EARLY {
                true => self.early_messages.push(message),
                false => self.limit_hit(format!(
                    "{MAX_EARLY} messages of a server before its answer to a join"
                )),
            },
            message @ (Message::Description { .. } | Message::Candidate { .. }) => {
                self.handle_link_message(message, now);
            }
            Message::Welcome {
                members,
                token,
                resumed,
                user_id,
            } => {
                let is_own = self.is_own_answer();
                if is_own && !self.is_outside() {
                    self.let_in(&members, (token, user_id), resumed, now);
                }
            }
            // Before the join is confirmed they are about the membership before it.
            message
            @ (Message::MemberJoined { .. } | Message::MemberLeft { .. } | Message::Roster { .. })
                if self.is_member() =>
            {
                self.handle_roster_message(message, now);
            }
            message if self.is_member() => self.hear_server(message, now),
            _ => {}
        }
    }

    fn handle_link_message(&mut self, message: Message, now: Instant) {
        match message {
            Message::Description { remote, description } => {
                let Some(remote) = self.peer_of(&remote) else {
                    return;
                };
                let refused = match self.members.contains(&remote) || remote == PeerId::SERVER {
                    false => Some(IgnoreReason::NotAMember),
                    true if self.was_taken_before(remote, &description) => Some(IgnoreReason::Stale),
                    true => None,
                };
                if let Some(reason) = refused {
                    let kind = EventKind::DescriptionIgnored {
                        description: match description.sdp_type {
                            SdpType::Offer => DescriptionKind::Offer,
                            SdpType::Answer => DescriptionKind::Answer,
                        },
                        fingerprint: description.fingerprint(),
                        reason,
                    };
                    self.event_of(Some(remote), kind);
                } else {
                    self.link(remote).handle_description(description, now);
                    self.drain_link(remote, now);
                }
            }
            Message::Candidate { remote, candidate } => {
                if let Some(remote) = self.peer_of(&remote)
                    && (self.members.contains(&remote) || remote == PeerId::SERVER)
                {
                    self.link(remote).handle_candidate(candidate);
                    self.drain_link(remote, now);
                }
            }
            message => self.hear_server(message, now),
        }
    }

    /// The server has confirmed the join. Where it does not tell who is there, the harness's list does, and the
    /// membership waits for that.
    fn let_in(
        &mut self,
        members: &[Member],
        (token, user_id): (Option<String>, Option<String>),
        resumed: bool,
        now: Instant,
    ) {
        let joins = self.membership == Membership::Joining;
        if self.abilities.is_introduced() {
            self.introduce(user_id, !joins);
        }
        if self.abilities.roster_by == RosterBy::Harness {
            self.token = token;
            return;
        }
        self.welcomed(members, token, resumed, now);
        if joins {
            self.hear_early(now);
        }
    }

    /// What came in before the membership began.
    pub(super) fn hear_early(&mut self, now: Instant) {
        for message in std::mem::take(&mut self.early_messages) {
            self.handle_early(message, now);
        }
    }

    /// What came before the join was confirmed. Who is in the confirmation's roster needs not be told to have joined.
    fn handle_early(&mut self, message: Message, now: Instant) {
        if let Message::MemberJoined { member, .. } = &message
            && let Some(remote) = self.peer_of(&member.user_id)
            && self.members.contains(&remote)
        {
            return;
        }
        self.handle_message(message, now);
    }

    /// On a socket that has confirmed no join yet it can't be about an earlier membership: something held the confirmation
    /// up.
    fn keeps_early(&self, message: &Message) -> bool {
        self.membership == Membership::Joining
            && (!self.was_welcomed || self.announces())
            && !matches!(message, Message::Welcome { .. })
    }

    fn limit_hit(&mut self, limit: String) {
        let of = LimitOf::Harness;
        self.event(EventKind::LimitHit { of, limit });
    }

    /// The server says that this peer is no member: a leave has come late, or it has let a membership go. It is asked
    /// for anew; should the server know its token after all, it goes on.
    fn ask_again(&mut self, now: Instant) {
        let waits = self.unanswered_joins > 0;
        if self.is_member() && !waits && self.rules().resume_membership && self.is_running() {
            self.send_join(now);
        }
    }

    pub(super) fn close_link(&mut self, remote: PeerId, cause: &str, now: Instant) {
        self.end_link(remote, cause, now);
        self.forget_fault(remote);
    }

    /// The same, but what a fault of the link still owes is not forgotten.
    pub(super) fn end_link(&mut self, remote: PeerId, cause: &str, now: Instant) {
        if let Some(link) = self.links.get_mut(&remote) {
            link.close(cause);
            self.drain_link(remote, now);
            if let Some(link) = self.links.remove(&remote) {
                self.remember(remote, link, now);
            }
        }
    }

    /// Keeps what an ended link knew of its remote, in a client that doesn't forget it.
    fn remember(&mut self, remote: PeerId, link: Link, now: Instant) {
        if !self.rules().forget_on_leave {
            self.memories.insert(remote, link.into_memory(now));
        }
    }

    /// One of the two ends has left: the offers of before are never meant for a later link. Who has only lost its socket
    /// may be back with the same connections.
    pub(super) fn outdate_offers(&mut self, remote: PeerId) {
        if let Some(link) = self.links.get(&remote) {
            let taken = self.taken_before.entry(remote).or_default();
            taken.extend(link.offers_taken());
            while taken.len() > MAX_TAKEN_BEFORE {
                taken.pop_front();
            }
        }
    }

    fn was_taken_before(&self, remote: PeerId, description: &Description) -> bool {
        let taken = self.taken_before.get(&remote);
        let taken = taken.is_some_and(|taken| taken.contains(&description.fingerprint()));
        self.rules().refuse_stale && description.sdp_type == SdpType::Offer && taken
    }

    /// The link to `remote`, made if there is none.
    pub(super) fn link(&mut self, remote: PeerId) -> &mut Link {
        let last = self.generations.get(&remote).copied().unwrap_or(Generation(0));
        let carries = self.carries_to(remote);
        let (rules, me, incarnation) = (*self.rules(), self.plan.id, self.incarnation);
        let (links, memories, seed) = (&mut self.links, &mut self.memories, self.seed);
        let seat = self.plan.seat();
        let outsider = self.externals.user_id(remote);
        // Where every offer is of a connection of its own, one from outside takes none of its own back.
        let yields = self.abilities.roster_by == RosterBy::Harness;
        let polite = outsider.map(|user_id| yields || self.plan.user_id.as_str() < user_id);
        links.entry(remote).or_insert_with(|| {
            let memory: Memory = memories.remove(&remote).unwrap_or_default();
            Link::new(rules, me, remote, incarnation, last)
                .with_politeness(polite.unwrap_or(me < remote))
                .with_memory(memory)
                .carrying(carries)
                .with_jitter(seed.connection(seat.number, seat.number_of(remote), last, Purpose::Recovery))
        })
    }
}
