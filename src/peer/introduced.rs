//! Membership where the server does not tell everybody who is there, or gives clients ids that nobody could plan:
//! the harness keeps what an application would, a list of who is in the room under which id.

use std::{collections::BTreeMap, time::Duration};

use super::{
    link::Link,
    machine::{Peer, PeerOutput, PeerTimer},
    membership::Membership,
};
use crate::{
    base::{Instant, PeerId},
    signaling::{LeaveReason, Member, Message, RosterBy},
};

/// How long it may take until somebody of the plan is known under the id that a server has given it. Who is not by
/// then is from outside.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(1);
/// What was sent to somebody who has got onto the list since has not expired earlier than that.
const EXPIRED_AFTER: Duration = Duration::from_secs(1);
/// Messages of such that are kept meanwhile.
const MAX_KEPT: usize = 1_024;

/// Who a peer is to its server, for the others of its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Its id on the wire, from now on.
    pub user_id: String,
    /// The name it has joined under.
    pub name: String,
    /// The membership goes on over another socket: these are the ones it is connected to.
    pub goes_on_with: Option<Vec<PeerId>>,
}

/// Ids that may yet turn out to be somebody's of the plan.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    heard: BTreeMap<String, Heard>,
    kept: usize,
}

/// The list of who is there, as far as this peer has to remember what it has heard of it.
#[derive(Debug, Default)]
pub(super) struct List {
    /// How often it was asked to take this peer in, and has not said that it has.
    awaited: u32,
    /// How often of that for memberships that are over.
    former: u32,
    /// When roommates were last said to have got onto it.
    met_at: BTreeMap<PeerId, Instant>,
}

#[derive(Debug)]
struct Heard {
    since: Instant,
    /// The server has named it as a member: when what is between it and this peer began.
    present: Option<Instant>,
    messages: Vec<Message>,
}

impl Peer {
    /// Whether a member shows itself by what it sends, so that nobody else has to have told of it.
    pub(super) fn learns_of_members(&self) -> bool {
        self.abilities.roster_by != RosterBy::Server
    }

    /// The server has let this peer in.
    pub(super) fn introduce(&mut self, user_id: Option<String>, goes_on: bool) {
        let connected = |peer: &Self| {
            let healthy = peer.connected_remotes();
            healthy.filter(|remote| !remote.is_external()).collect()
        };
        let introduction = Introduction {
            user_id: user_id.unwrap_or_else(|| self.plan.user_id.clone()),
            name: self.name().to_owned(),
            goes_on_with: goes_on.then(|| connected(self)),
        };
        self.list.awaited += 1;
        self.output(PeerOutput::Introduce(introduction));
    }

    /// A membership begins: what the list has yet to say is about an earlier one.
    pub(super) fn outdate_introductions(&mut self) {
        self.list.former = self.list.awaited;
    }

    /// The list of who is there has taken this peer in; so far it holds these.
    pub(super) fn introduced(&mut self, there: Vec<(PeerId, Member)>, now: Instant) {
        for (remote, member) in &there {
            self.bind(*remote, &member.user_id);
        }
        for (_, member) in &there {
            self.meet_again(&member.user_id, now);
        }
        self.list.awaited -= 1;
        let of_earlier = self.list.former > 0;
        self.list.former = self.list.former.saturating_sub(1);
        if self.abilities.roster_by != RosterBy::Harness || of_earlier {
            return;
        }
        let members: Vec<Member> = there.into_iter().map(|(_, member)| member).collect();
        match self.membership {
            Membership::Outside => {}
            Membership::Joining => {
                self.welcomed(&members, None, false, now);
                self.hear_early(now);
            }
            Membership::Member => {
                self.announced_again(now);
                self.check_wait(now);
            }
        }
    }

    /// Somebody else has got onto that list.
    pub(super) fn met(&mut self, remote: PeerId, introduction: Introduction, again: bool, now: Instant) {
        let Introduction {
            user_id,
            name,
            goes_on_with,
        } = introduction;
        self.bind(remote, &user_id);
        self.list.met_at.insert(remote, now);
        // Whoever is there already when this peer gets onto the list is told with that.
        if self.abilities.roster_by == RosterBy::Harness && !self.is_member() {
            return;
        }
        if self.abilities.roster_by == RosterBy::Harness || goes_on_with.is_some() {
            let message = Message::MemberJoined {
                member: Member {
                    user_id: user_id.clone(),
                    name,
                },
                again,
                knows_me: goes_on_with.is_some_and(|with| with.contains(&self.plan.id)),
            };
            self.handle_message(message, now);
        }
        self.meet_again(&user_id, now);
    }

    /// Somebody else is not on the list any more. Where the server tells of that too, it does so in the order of its own.
    pub(super) fn parted(&mut self, remote: PeerId, reason: LeaveReason, now: Instant) {
        if self.abilities.roster_by == RosterBy::Harness && self.is_member() && self.members.contains(&remote)
        {
            self.member_left(remote, reason, now);
        }
    }

    /// Whether what the server says of somebody's leave is not so. Where the list is the harness's, that tells who of the
    /// plan leaves, in one order for all; a server without rooms can only say that somebody was not there some time ago.
    /// And who is from outside is there as long as its channel is open.
    pub(super) fn list_knows_better(&self, remote: PeerId, reason: LeaveReason, now: Instant) -> bool {
        if self.abilities.roster_by != RosterBy::Harness {
            return false;
        }
        if !self.members.contains(&remote) {
            return true;
        }
        match (remote.is_external(), reason == LeaveReason::Closed) {
            (true, true) => self.links.get(&remote).is_some_and(Link::is_open),
            (true, false) => false,
            (false, true) => {
                let met = self.list.met_at.get(&remote);
                met.is_some_and(|met| now.since(*met) < EXPIRED_AFTER)
            }
            (false, false) => true,
        }
    }

    /// It has left, or is not there any more.
    pub(super) fn withdraw(&mut self, reason: LeaveReason) {
        if self.abilities.is_introduced() {
            self.output(PeerOutput::Withdraw(reason));
        }
    }

    /// Where a membership is a socket, it is over with it.
    pub(super) fn close_membership(&mut self) {
        if self.abilities.socket_is_membership {
            self.close_socket();
        }
    }

    fn bind(&mut self, remote: PeerId, user_id: &str) {
        if let Some(former) = self.roommates.insert(remote, user_id.to_owned()) {
            self.by_user_id.remove(&former);
        }
        self.by_user_id.insert(user_id.to_owned(), remote);
    }

    // ---- who is not on the list yet

    /// Keeps a message of somebody who may yet turn out to be of the plan; gives back all others.
    pub(super) fn keep_for_stranger(&mut self, message: Message, now: Instant) -> Option<Message> {
        let (Message::Description { remote, .. } | Message::Candidate { remote, .. }) = &message else {
            return Some(message);
        };
        if !self.abilities.ids_by_server || self.peer_of(remote).is_some() {
            return Some(message);
        }
        if self.strangers.kept < MAX_KEPT {
            self.strangers.kept += 1;
            let remote = remote.clone();
            self.stranger(remote, now).messages.push(message);
        }
        None
    }

    /// The server has named somebody as a member: whether that may yet turn out to be one of the plan.
    pub(super) fn awaits_introduction(&mut self, member: &Member, began: Instant, now: Instant) -> bool {
        let unknown = self.abilities.ids_by_server && self.peer_of(&member.user_id).is_none();
        if unknown {
            self.stranger(member.user_id.clone(), now).present = Some(began);
        }
        unknown
    }

    fn stranger(&mut self, user_id: String, now: Instant) -> &mut Heard {
        if !self.timers.is_set(PeerTimer::Strangers) {
            self.timers.set(PeerTimer::Strangers, now + INTRODUCED_WITHIN);
        }
        self.strangers.heard.entry(user_id).or_insert(Heard {
            since: now,
            present: None,
            messages: Vec::new(),
        })
    }

    /// Goes on with what was heard of somebody who is known now.
    fn meet_again(&mut self, user_id: &str, now: Instant) {
        let Some(heard) = self.strangers.heard.remove(user_id) else {
            return;
        };
        self.strangers.kept -= heard.messages.len();
        if let Some(began) = heard.present
            && self.is_member()
            && let Some(remote) = self.peer_of(user_id)
        {
            self.is_there(remote, false, began, now);
        }
        for message in heard.messages {
            self.handle_message(message, now);
        }
    }

    /// Whoever has not turned out to be of the plan by now is from outside.
    pub(super) fn strangers_due(&mut self, now: Instant) {
        let due = |heard: &Heard| now.since(heard.since) >= INTRODUCED_WITHIN;
        let due: Vec<String> = self
            .strangers
            .heard
            .iter()
            .filter(|(_, heard)| due(heard))
            .map(|(user_id, _)| user_id.clone())
            .collect();
        for user_id in due {
            let member = Member {
                user_id: user_id.clone(),
                name: user_id.clone(),
            };
            if self.meet(&member).is_some() {
                self.meet_again(&user_id, now);
            } else if let Some(ignored) = self.strangers.heard.remove(&user_id) {
                self.strangers.kept -= ignored.messages.len();
            }
        }
        if let Some(since) = self.strangers.heard.values().map(|heard| heard.since).min() {
            self.timers.set(PeerTimer::Strangers, since + INTRODUCED_WITHIN);
        }
    }
}
