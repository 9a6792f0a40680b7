//! The plugin VideoRoom: members publish to the server, and have from it what others publish.
//!
//! A handle that has left its room is spent: whoever joins again attaches anew. Nobody else may know the id that is left
//! before Janus has said so.

mod media;
mod membership;

use std::collections::BTreeMap;

use serde_json::Value;

use self::{media::Publication, membership::Membership};
use super::{
    session::{Ask, HandleKey, Heard, NO_HANDLE, Session},
    wire::{Event, Refusal},
};
use crate::signaling::{Candidate, Message, Reading, SdpType};

/// Of a handle that Janus has hung up because it was asked to.
const HUNG_UP_AS_ASKED: &str = "Janus API";

/// Speaks for one user in one room.
#[derive(Debug, Clone)]
pub(super) struct VideoRoom {
    room: u64,
    id: u64,
    session: Session,
    membership: Membership,
    publication: Publication,
    /// The other members, and whether what they publish can be had.
    members: BTreeMap<String, bool>,
    /// The handles of what is had, or is to be.
    subscriptions: BTreeMap<String, HandleKey>,
    /// What proves to a room that the owner of a subscription is a member.
    private_id: Option<u64>,
    /// Pings that wait until a join or leave that is under way is over.
    pings: u32,
}

impl VideoRoom {
    pub fn new(room: u64, id: u64) -> Self {
        Self {
            room,
            id,
            session: Session::new("janus.plugin.videoroom"),
            membership: Membership::Out,
            publication: Publication::None,
            members: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            private_id: None,
            pings: 0,
        }
    }

    pub fn session_id(&self) -> Option<u64> {
        self.session.id()
    }

    pub fn opened(&mut self) -> Vec<String> {
        self.session.open();
        self.membership = Membership::Out;
        self.pings = 0;
        self.forget_room();
        self.session.take_frames()
    }

    pub fn encode(&mut self, message: &Message) -> Vec<String> {
        match message {
            Message::Join { name, capacity, .. } => self.join(name, *capacity),
            Message::Leave => self.leave(),
            Message::Ping => self.ping(),
            Message::RequestOffer { remote, ice_restart } => self.request_offer(remote, *ice_restart),
            Message::Description { remote, description } => match description.sdp_type {
                SdpType::Offer if remote == Message::SERVER => self.publish(description.clone()),
                SdpType::Answer => self.answer(remote, description),
                SdpType::Offer => {}
            },
            Message::Candidate { remote, candidate } => self.trickle(remote, candidate),
            _ => {}
        }
        self.session.take_frames()
    }

    pub fn read(&mut self, text: &str) -> Reading {
        match self.session.read(text) {
            Heard::Answer(ask, key, answer) => self.answered(ask, key, answer),
            Heard::Event(key, event) => self.happened(key, event),
            Heard::HungUp(key, reason) if Some(key) == self.room_handle() => self.publication_hung_up(reason),
            Heard::HungUp(key, reason) => self.subscription_ended(key, reason),
            Heard::Detached(key, reason) if Some(key) == self.room_handle() => self.lost(Refusal {
                code: "detached".to_owned(),
                message: format!("Janus has taken the handle away: {reason}"),
            }),
            Heard::Detached(key, reason) => self.subscription_ended(key, reason),
            Heard::Gone(refusal) => self.lost(refusal),
            Heard::Error(refusal) => self.session.say(Message::Error {
                reason: refusal.code,
                message: refusal.message,
                about_join: false,
                about_membership: false,
            }),
            Heard::Other => {}
        }
        self.session.take_reading()
    }

    fn answered(&mut self, ask: Ask, key: Option<HandleKey>, answer: Result<Event, Refusal>) {
        let is_of_room = key.is_some() && key == self.room_handle();
        match (ask, key, answer) {
            (Ask::Ping, Some(_), Err(refusal)) if is_of_room && refusal.code == NO_HANDLE => {
                self.lost(refusal);
            }
            // Also a refused one was read, after all before it.
            (Ask::Ping, ..) => self.session.say(Message::Pong),
            (Ask::GiveUp, ..) => self.left(),
            (Ask::Leave, ..) if is_of_room => self.left(),
            (Ask::Attach | Ask::CreateRoom | Ask::Join, _, answer) if is_of_room => {
                self.join_goes_on(ask, answer);
            }
            (Ask::Publish | Ask::Unpublish | Ask::HangUp, _, answer) if is_of_room => {
                self.publication_goes_on(ask, answer);
            }
            (_, Some(key), answer) => self.subscription_goes_on(ask, key, answer),
            _ => {}
        }
    }

    /// A plugin says something by itself.
    fn happened(&mut self, key: HandleKey, event: Event) {
        if Some(key) == self.room_handle() {
            self.room_event(event.data);
        } else {
            self.subscription_event(key, event);
        }
    }

    fn trickle(&mut self, remote: &str, candidate: &Candidate) {
        let handle = match remote {
            Message::SERVER => self.membership.joined(),
            remote => self.subscriptions.get(remote).copied(),
        };
        if let Some(handle) = handle {
            self.session.trickle(handle, candidate);
        }
    }

    /// An empty `configure` changes nothing, and is answered after all that was asked for before on that handle.
    fn ping(&mut self) {
        match &self.membership {
            Membership::In { handle } => {
                let body = serde_json::json!({ "request": "configure" });
                self.session.message(*handle, body, None, Ask::Ping);
            }
            Membership::Out => self.session.ping(),
            Membership::Joining { .. } | Membership::Leaving { .. } => {
                self.pings = self.pings.saturating_add(1)
            }
        }
    }

    /// A join or leave is over.
    fn settle_pings(&mut self) {
        for _ in 0..std::mem::take(&mut self.pings) {
            self.ping();
        }
    }

    /// The handle that is in the room, will be or was.
    fn room_handle(&self) -> Option<HandleKey> {
        match &self.membership {
            Membership::Out => None,
            Membership::Joining { handle, .. } | Membership::In { handle } => Some(*handle),
            Membership::Leaving { handle, .. } => *handle,
        }
    }

    fn forget_room(&mut self) {
        self.publication = Publication::None;
        self.members.clear();
        self.subscriptions.clear();
        self.private_id = None;
    }

    /// A body for the room.
    fn body(&self, request: &str) -> Value {
        serde_json::json!({ "request": request, "room": self.room })
    }
}
