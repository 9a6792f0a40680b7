//! Membership where the server does not tell everybody who is there, or gives clients ids that nobody could plan:
//! the harness keeps what an application would, a list of who is in the room under which id.

use std::{collections::BTreeMap, time::Duration};

use super::{
    machine::{Peer, PeerOutput, PeerTimer},
    membership::Membership,
};
use crate::{
    base::{Instant, PeerId},
    signaling::{Member, Message, RosterBy},
};

/// How long it may take until somebody of the plan is known under the id that a server has given it. Who is not by
/// then is from outside.
const INTRODUCED_WITHIN: Duration = Duration::from_secs(1);
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

#[derive(Debug)]
struct Heard {
    since: Instant,
    /// The server has named it as a member.
    present: bool,
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
        self.output(PeerOutput::Introduce(introduction));
    }

    /// The list of who is there has taken this peer in; so far it holds these.
    pub(super) fn introduced(&mut self, there: Vec<(PeerId, Member)>, now: Instant) {
        for (remote, member) in &there {
            self.bind(*remote, &member.user_id);
        }
        for (_, member) in &there {
            self.meet_again(&member.user_id, now);
        }
        if self.abilities.roster_by != RosterBy::Harness {
            return;
        }
        let members: Vec<Member> = there.into_iter().map(|(_, member)| member).collect();
        match self.membership {
            Membership::Outside => {}
            Membership::Joining => {
                self.welcomed(&members, None, false, now);
                self.hear_early(now);
            }
            Membership::Member => self.announced_again(now),
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

    /// It has left: newcomers are not told of it any more.
    pub(super) fn withdraw(&mut self) {
        if self.abilities.is_introduced() {
            self.output(PeerOutput::Withdraw);
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
    pub(super) fn awaits_introduction(&mut self, member: &Member, now: Instant) -> bool {
        let unknown = self.abilities.ids_by_server && self.peer_of(&member.user_id).is_none();
        if unknown {
            self.stranger(member.user_id.clone(), now).present = true;
        }
        unknown
    }

    fn stranger(&mut self, user_id: String, now: Instant) -> &mut Heard {
        if !self.timers.is_set(PeerTimer::Strangers) {
            self.timers.set(PeerTimer::Strangers, now + INTRODUCED_WITHIN);
        }
        self.strangers.heard.entry(user_id).or_insert(Heard {
            since: now,
            present: false,
            messages: Vec::new(),
        })
    }

    /// Goes on with what was heard of somebody who is known now.
    fn meet_again(&mut self, user_id: &str, now: Instant) {
        let Some(heard) = self.strangers.heard.remove(user_id) else {
            return;
        };
        self.strangers.kept -= heard.messages.len();
        if heard.present
            && self.is_member()
            && let Some(remote) = self.peer_of(user_id)
        {
            self.is_there(remote, false, now);
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
