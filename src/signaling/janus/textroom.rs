//! The plugin TextRoom: members have a data channel to the server, on which all is said but how it comes to be.
//!
//! Who has no connection is no member: a new connection joins anew.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    session::{Ask, HandleKey, Heard, Session},
    wire::{Event, Refusal, id_text, refusal},
};
use crate::signaling::{Description, LeaveReason, Member, Message, Reading, SdpType};

/// "No such room", "room exists".
const NO_ROOM: &str = "417";
const ROOM_EXISTS: &str = "418";
/// What the channel says before the answer to a join, at most. More members no room has.
const MAX_EARLY: usize = 1_024;

/// Speaks for one user in one room.
#[derive(Debug, Clone)]
pub(super) struct TextRoom {
    room: u64,
    user_id: String,
    session: Session,
    handle: Option<HandleKey>,
    /// The name that the user is a member under, or is to be.
    name: Option<String>,
    /// Why the room was not created.
    refusal: Option<Refusal>,
    is_open: bool,
    is_member: bool,
    transactions: u64,
    /// The join that was said on the channel and is not answered: its transaction.
    asked: Option<u64>,
    /// What the channel has said before the answer to the join.
    early: Vec<Value>,
    others: BTreeSet<String>,
}

impl TextRoom {
    pub fn new(room: u64, user_id: &str) -> Self {
        Self {
            room,
            user_id: user_id.to_owned(),
            session: Session::new("janus.plugin.textroom"),
            handle: None,
            name: None,
            refusal: None,
            is_open: false,
            is_member: false,
            transactions: 0,
            asked: None,
            early: Vec::new(),
            others: BTreeSet::new(),
        }
    }

    pub fn session_id(&self) -> Option<u64> {
        self.session.id()
    }

    // ---- the socket

    pub fn opened(&mut self) -> Vec<String> {
        self.session.open();
        self.handle = None;
        self.name = None;
        self.channel_gone();
        self.session.take_frames()
    }

    pub fn encode(&mut self, message: &Message) -> Vec<String> {
        match message {
            Message::Join { name, .. } => {
                self.name = Some(name.clone());
                if self.handle.is_none() {
                    self.attach();
                }
            }
            Message::Leave => {
                self.name = None;
                self.detach();
            }
            // Whether the socket is alive is to be known, too.
            Message::Ping => self.session.ping(),
            Message::RequestOffer { remote, ice_restart } if remote == Message::SERVER => {
                self.request_offer(*ice_restart);
            }
            Message::Description { remote, description }
                if remote == Message::SERVER && description.sdp_type == SdpType::Answer =>
            {
                self.answer(description);
            }
            Message::Candidate { remote, candidate } if remote == Message::SERVER => {
                if let Some(key) = self.handle {
                    self.session.trickle(key, candidate);
                }
            }
            _ => {}
        }
        self.session.take_frames()
    }

    fn attach(&mut self) {
        self.channel_gone();
        self.refusal = None;
        self.handle = Some(self.session.attach(Message::SERVER));
    }

    /// Janus tells the others that the user has left.
    fn detach(&mut self) {
        self.channel_gone();
        if let Some(key) = self.handle.take() {
            self.session.detach(key, Ask::Detach);
        }
    }

    fn channel_gone(&mut self) {
        self.is_open = false;
        self.is_member = false;
        self.asked = None;
        self.early.clear();
        self.others.clear();
    }

    fn request_offer(&mut self, ice_restart: bool) {
        match self.handle {
            Some(key) if ice_restart => {
                self.session.expect(key);
                let body = json!({ "request": "restart" });
                self.session.message(key, body, None, Ask::Offer);
            }
            _ => {
                self.detach();
                self.attach();
            }
        }
    }

    fn answer(&mut self, answer: &Description) {
        if let Some(key) = self.handle
            && self.session.answers(key)
        {
            let body = json!({ "request": "ack" });
            self.session.message(key, body, Some(answer), Ask::Answer);
        }
    }

    pub fn read(&mut self, text: &str) -> Reading {
        match self.session.read(text) {
            Heard::Answer(Ask::Ping, ..) => self.session.say(Message::Pong),
            Heard::Answer(ask, Some(key), answer) if Some(key) == self.handle => {
                self.answered(ask, key, answer);
            }
            Heard::Event(key, event) if Some(key) == self.handle => {
                self.session
                    .name(event.data["textroom"].as_str().unwrap_or_default());
            }
            Heard::HungUp(key, reason) | Heard::Detached(key, reason) if Some(key) == self.handle => {
                self.ended(reason);
            }
            Heard::Gone(refusal) => {
                self.handle = None;
                self.lost(refusal);
            }
            Heard::Error(refusal) => {
                let error = error(refusal);
                self.session.say(error);
            }
            _ => {}
        }
        self.session.take_reading()
    }

    fn answered(&mut self, ask: Ask, key: HandleKey, answer: Result<Event, Refusal>) {
        match (ask, answer) {
            (Ask::Attach, Ok(_)) => {
                let body = self.creation();
                self.session.message(key, body, None, Ask::CreateRoom);
            }
            (Ask::Attach, Err(refusal)) if self.name.is_some() => {
                self.detach();
                let rejected = self.rejected(refusal);
                self.session.say(rejected);
            }
            (Ask::CreateRoom, answer) => {
                // Where one may not create rooms, there may still be this one.
                self.refusal = answer.err().filter(|refusal| refusal.code != ROOM_EXISTS);
                let body = json!({ "request": "setup" });
                self.session.message(key, body, None, Ask::Offer);
            }
            (
                Ask::Offer,
                Ok(Event {
                    jsep: Some(offer), ..
                }),
            ) => self.session.described(key, offer),
            (Ask::Attach | Ask::Offer | Ask::Answer, Err(refusal)) => self.ended(refusal.code),
            _ => {}
        }
    }

    fn creation(&self) -> Value {
        json!({ "request": "create", "room": self.room, "permanent": false })
    }

    /// The connection is none any more, or will not be.
    fn ended(&mut self, reason: String) {
        self.detach();
        self.session.say(Message::Ended {
            remote: Message::SERVER.to_owned(),
            reason,
        });
    }

    /// There is no membership any more, nor one under way.
    fn lost(&mut self, refusal: Refusal) {
        let was_member = self.is_member;
        self.is_member = false;
        if self.name.take().is_some() {
            self.session.say(Message::Error {
                reason: refusal.code,
                message: refusal.message,
                about_join: !was_member,
                about_membership: was_member,
            });
        }
    }

    fn rejected(&mut self, refusal: Refusal) -> Message {
        self.name = None;
        Message::JoinRejected {
            reason: refusal.code,
            message: refusal.message,
        }
    }

    // ---- the channel

    pub fn channel_opened(&mut self) -> Vec<String> {
        if self.handle.is_none() {
            return Vec::new();
        }
        self.is_open = true;
        self.join().into_iter().collect()
    }

    fn join(&mut self) -> Option<String> {
        if !self.is_open || self.is_member || self.asked.is_some() {
            return None;
        }
        let body = json!({ "textroom": "join", "username": self.user_id, "display": self.name.as_ref()? });
        let text = self.say(body);
        self.asked = Some(self.transactions);
        Some(text)
    }

    fn say(&mut self, mut body: Value) -> String {
        self.transactions += 1;
        body["transaction"] = self.transactions.to_string().into();
        body["room"] = self.room.into();
        body.to_string()
    }

    pub fn encode_on_channel(&mut self, message: &Message) -> Vec<String> {
        let text = match message {
            Message::Join { name, .. } => {
                self.name = Some(name.clone());
                self.join()
            }
            Message::Relayed { remote, text } if self.is_member => {
                let mut body = json!({ "textroom": "message", "text": text, "ack": false });
                if let Some(remote) = remote {
                    body["to"] = remote.as_str().into();
                }
                Some(self.say(body))
            }
            _ => None,
        };
        text.into_iter().collect()
    }

    pub fn read_channel(&mut self, text: &str) -> Reading {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let number = frame["transaction"].as_str().and_then(|text| text.parse().ok());
        if number.is_some() && self.asked == number {
            self.asked = None;
            self.join_answered(&frame);
        } else if !self.happened(frame) {
            return Reading::default();
        }
        // Nothing was to be sent on the socket.
        self.session.take_reading()
    }

    fn join_answered(&mut self, frame: &Value) {
        if frame["textroom"] == "error" {
            self.early.clear();
            let refused = refusal(&frame["error_code"], &frame["error"]);
            let created = match refused.code == NO_ROOM {
                true => self.refusal.take(),
                false => None,
            };
            let rejected = self.rejected(created.unwrap_or(refused));
            return self.session.say(rejected);
        }
        self.is_member = true;
        let list = frame["participants"].as_array();
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let members: Vec<Member> = list.iter().filter_map(member).collect();
        self.others = members.iter().map(|member| member.user_id.clone()).collect();
        self.session.say(Message::Welcome {
            members,
            token: None,
            resumed: false,
            user_id: None,
        });
        for frame in std::mem::take(&mut self.early) {
            self.happened(frame);
        }
    }

    /// The room says something by itself. Whether it is something, and not one's own.
    fn happened(&mut self, frame: Value) -> bool {
        let Some(kind) = frame["textroom"].as_str() else {
            return false;
        };
        let who = id_text(&frame["username"]).or_else(|| id_text(&frame["from"]));
        let is_own = who.as_ref() == Some(&self.user_id);
        if is_own && kind != "kicked" {
            return false;
        }
        self.session.name(kind);
        if kind == "error" {
            let error = error(refusal(&frame["error_code"], &frame["error"]));
            self.session.say(error);
            return true;
        }
        if !self.is_member {
            match self.asked {
                Some(_) if self.early.len() < MAX_EARLY => self.early.push(frame),
                Some(_) => {
                    let limit = format!("{MAX_EARLY} messages of a TextRoom before the answer to the join");
                    self.session.say(Message::LimitHit { limit });
                }
                None => {}
            }
            return true;
        }
        match (kind, who) {
            ("kicked", _) if is_own => self.lost(Refusal {
                code: "kicked".to_owned(),
                message: "Janus has removed this user from the room".to_owned(),
            }),
            ("destroyed", _) => self.lost(Refusal {
                code: "destroyed".to_owned(),
                message: "the room was destroyed".to_owned(),
            }),
            ("join", Some(_)) => self.comes(&frame),
            ("leave", Some(user_id)) => self.goes(user_id, LeaveReason::Left),
            ("kicked", Some(user_id)) => self.goes(user_id, LeaveReason::Evicted),
            ("message", remote @ Some(_)) => {
                if let Some(text) = frame["text"].as_str() {
                    let text = text.to_owned();
                    self.session.say(Message::Relayed { remote, text });
                }
            }
            _ => {}
        }
        true
    }

    fn comes(&mut self, frame: &Value) {
        if let Some(member) = member(frame)
            && self.others.insert(member.user_id.clone())
        {
            self.session.say(Message::MemberJoined {
                member,
                again: false,
                knows_me: false,
            });
        }
    }

    fn goes(&mut self, user_id: String, reason: LeaveReason) {
        if self.others.remove(&user_id) {
            self.session.say(Message::MemberLeft { user_id, reason });
        }
    }
}

fn member(value: &Value) -> Option<Member> {
    let user_id = id_text(&value["username"])?;
    let name = value["display"].as_str().unwrap_or(&user_id).to_owned();
    Some(Member { user_id, name })
}

fn error(refusal: Refusal) -> Message {
    Message::Error {
        reason: refusal.code,
        message: refusal.message,
        about_join: false,
        about_membership: false,
    }
}
