//! Joins, leaves, and who else is a member.

use serde_json::Value;

use super::VideoRoom;
use crate::signaling::{
    LeaveReason, Member, Message,
    janus::{
        session::{Ask, HandleKey},
        wire::{Event, Refusal, id_text},
    },
};

/// "Room exists", "no such room".
const ROOM_EXISTS: &str = "427";
const NO_ROOM: &str = "426";
/// Events of the room that come before the answer to a join, at most. More members no room has.
const MAX_EARLY: usize = 1_024;

/// What is asked for by a join.
#[derive(Debug, Clone)]
pub(super) struct Join {
    name: String,
    capacity: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Membership {
    Out,
    Joining {
        handle: HandleKey,
        join: Join,
        /// Why the room was not created.
        refusal: Option<Refusal>,
        /// What the room has said already.
        early: Vec<Value>,
    },
    In {
        handle: HandleKey,
    },
    /// Janus has not said yet that it is over.
    Leaving {
        /// What was told to leave; none if it was detached.
        handle: Option<HandleKey>,
        next: Option<Join>,
    },
}

impl Membership {
    /// The handle of a membership that is confirmed.
    pub fn joined(&self) -> Option<HandleKey> {
        match self {
            Self::In { handle } => Some(*handle),
            _ => None,
        }
    }
}

impl VideoRoom {
    pub(super) fn join(&mut self, name: &str, capacity: u32) {
        let join = Join {
            name: name.to_owned(),
            capacity,
        };
        if let Membership::In { .. } = self.membership {
            self.leave();
        }
        match &mut self.membership {
            Membership::Joining { join: present, .. } => *present = join,
            Membership::Leaving { next, .. } => *next = Some(join),
            Membership::Out | Membership::In { .. } => self.begin(join),
        }
    }

    fn begin(&mut self, join: Join) {
        self.membership = Membership::Joining {
            handle: self.session.attach(Message::SERVER),
            join,
            refusal: None,
            early: Vec::new(),
        };
    }

    /// An answer to what a join has asked for.
    pub(super) fn join_goes_on(&mut self, ask: Ask, answer: Result<Event, Refusal>) {
        let Membership::Joining {
            handle,
            join,
            refusal,
            ..
        } = &mut self.membership
        else {
            return;
        };
        let (handle, join) = (*handle, join.clone());
        match (ask, answer) {
            (Ask::Attach, Ok(_)) => {
                let body = self.creation(&join);
                self.session.message(handle, body, None, Ask::CreateRoom);
            }
            (Ask::CreateRoom, answer) => {
                // Where one may not create rooms, there may still be this one.
                *refusal = answer.err().filter(|refusal| refusal.code != ROOM_EXISTS);
                let body = self.entry(&join);
                self.session.message(handle, body, None, Ask::Join);
            }
            (Ask::Join, Ok(event)) => self.joined(handle, &event.data),
            (Ask::Join, Err(no_room)) if no_room.code == NO_ROOM => {
                let refusal = refusal.take().unwrap_or(no_room);
                self.reject(refusal);
            }
            (_, Err(refusal)) => self.reject(refusal),
            _ => {}
        }
    }

    fn creation(&self, join: &Join) -> Value {
        let mut body = self.body("create");
        body["permanent"] = false.into();
        body["publishers"] = join.capacity.max(1).into();
        body["notify_joining"] = true.into();
        body["audiocodec"] = "opus".into();
        body
    }

    fn entry(&self, join: &Join) -> Value {
        let mut body = self.body("join");
        body["ptype"] = "publisher".into();
        body["id"] = self.id.into();
        body["display"] = join.name.as_str().into();
        body
    }

    fn joined(&mut self, handle: HandleKey, data: &Value) {
        let joining = std::mem::replace(&mut self.membership, Membership::In { handle });
        self.private_id = data["private_id"].as_u64();
        let (publishers, attendees) = (members(&data["publishers"]), members(&data["attendees"]));
        let published: Vec<String> = publishers.iter().map(|member| member.user_id.clone()).collect();
        let members: Vec<Member> = publishers.into_iter().chain(attendees).collect();
        self.members = members
            .iter()
            .map(|member| (member.user_id.clone(), published.contains(&member.user_id)))
            .collect();
        self.session.say(Message::Welcome {
            members,
            token: None,
            resumed: false,
            user_id: None,
        });
        for user_id in published {
            self.session.say(Message::Published { user_id });
        }
        if let Membership::Joining { early, .. } = joining {
            for event in early {
                self.room_event(event);
            }
        }
        self.settle_pings();
    }

    /// There is no membership, and the server has said why.
    pub(super) fn reject(&mut self, refusal: Refusal) {
        self.give_handles_up();
        self.session.say(Message::JoinRejected {
            reason: refusal.code,
            message: refusal.message,
        });
        self.settle_pings();
    }

    fn give_handles_up(&mut self) {
        for key in std::mem::take(&mut self.subscriptions).into_values() {
            self.session.detach(key, Ask::Detach);
        }
        if let Some(key) = self.room_handle() {
            self.session.detach(key, Ask::Detach);
        }
        self.forget_room();
        self.membership = Membership::Out;
    }

    pub(super) fn leave(&mut self) {
        match &mut self.membership {
            Membership::Out => {}
            Membership::Leaving { next, .. } => *next = None,
            Membership::Joining { handle, .. } => {
                let handle = *handle;
                self.membership = Membership::Out;
                // The join may have been read before: whose id it is shows when the handle is gone.
                if self.session.detach(handle, Ask::GiveUp) {
                    self.membership = Membership::Leaving {
                        handle: None,
                        next: None,
                    };
                } else {
                    self.settle_pings();
                }
            }
            Membership::In { handle } => {
                let handle = *handle;
                for key in std::mem::take(&mut self.subscriptions).into_values() {
                    self.session.detach(key, Ask::Detach);
                }
                self.forget_room();
                self.membership = Membership::Leaving {
                    handle: Some(handle),
                    next: None,
                };
                let body = serde_json::json!({ "request": "leave" });
                self.session.message(handle, body, None, Ask::Leave);
            }
        }
    }

    /// The room knows this user no more.
    pub(super) fn left(&mut self) {
        let Membership::Leaving { handle, next } = &mut self.membership else {
            return;
        };
        let (handle, next) = (handle.take(), next.take());
        self.membership = Membership::Out;
        if let Some(handle) = handle {
            self.session.detach(handle, Ask::Detach);
        }
        if let Some(join) = next {
            self.begin(join);
        } else {
            self.settle_pings();
        }
    }

    /// The membership is none any more, and nobody here has wanted that.
    pub(super) fn lost(&mut self, refusal: Refusal) {
        let (about_join, about_membership) = match &self.membership {
            Membership::Out => {
                self.pings = 0;
                return;
            }
            Membership::Leaving { .. } => return self.left(),
            Membership::Joining { .. } => (true, false),
            Membership::In { .. } => (false, true),
        };
        self.give_handles_up();
        self.session.say(Message::Error {
            reason: refusal.code,
            message: refusal.message,
            about_join,
            about_membership,
        });
        self.settle_pings();
    }

    /// What the room tells its members.
    pub(super) fn room_event(&mut self, data: Value) {
        match &mut self.membership {
            Membership::In { .. } => {}
            Membership::Joining { early, .. } => {
                if early.len() < MAX_EARLY {
                    early.push(data);
                }
                return;
            }
            Membership::Out | Membership::Leaving { .. } => return,
        }
        let kind = data["videoroom"].as_str().unwrap_or_default();
        if kind == "destroyed" {
            return self.lost(Refusal {
                code: "destroyed".to_owned(),
                message: "the room was destroyed".to_owned(),
            });
        }
        self.session.name(kind);
        if data["leaving"] == "ok" {
            let reason = data["reason"].as_str().unwrap_or("leaving");
            return self.lost(Refusal {
                code: reason.to_owned(),
                message: format!("Janus has removed this user from the room: {reason}"),
            });
        }
        if let Some(member) = member(&data["joining"]) {
            self.comes(member);
        }
        for publisher in members(&data["publishers"]) {
            self.publishes(publisher);
        }
        if let Some(user_id) = id_text(&data["unpublished"]) {
            self.unpublishes(user_id);
        }
        for (key, reason) in [("leaving", LeaveReason::Left), ("kicked", LeaveReason::Evicted)] {
            if let Some(user_id) = id_text(&data[key]) {
                self.goes(user_id, reason);
            }
        }
    }

    fn comes(&mut self, member: Member) {
        if self.members.contains_key(&member.user_id) {
            return;
        }
        self.members.insert(member.user_id.clone(), false);
        self.session.say(Message::MemberJoined {
            member,
            again: false,
            knows_me: false,
        });
    }

    fn publishes(&mut self, publisher: Member) {
        let user_id = publisher.user_id.clone();
        self.comes(publisher);
        // It is told again with each change of its streams.
        if self.members.insert(user_id.clone(), true) == Some(false) {
            self.session.say(Message::Published { user_id });
        }
    }

    fn unpublishes(&mut self, user_id: String) {
        self.unsubscribe(&user_id);
        // It is told once for each of its streams.
        if let Some(published) = self.members.get_mut(&user_id)
            && std::mem::take(published)
        {
            self.session.say(Message::Unpublished { user_id });
        }
    }

    fn goes(&mut self, user_id: String, reason: LeaveReason) {
        self.unsubscribe(&user_id);
        if self.members.remove(&user_id).is_some() {
            self.session.say(Message::MemberLeft { user_id, reason });
        }
    }
}

fn members(list: &Value) -> Vec<Member> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(member).collect()
}

fn member(value: &Value) -> Option<Member> {
    let user_id = id_text(&value["id"])?;
    let name = value["display"].as_str().unwrap_or(&user_id).to_owned();
    Some(Member { user_id, name })
}
