//! Janus's protocol over its WebSocket transport, with the plugins VideoRoom and TextRoom.
//!
//! A client has a session on its socket, and handles in it: one in the room, and in a VideoRoom one more for each member
//! whose media it has. Most requests are answered twice, by an `ack` and later, or before, by an event.

mod session;
mod textroom;
mod videoroom;
mod wire;

use std::time::Duration;

use serde_json::json;

use self::{textroom::TextRoom, videoroom::VideoRoom};
use super::{Codec, Keepalive, Message, Reading};
use crate::base::Fnv1a;

/// Less than half of the time after which Janus takes a session for dead, 60 s by default.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(25);
/// Janus counts in JSON, and browsers can't count farther.
const ID_BITS: u32 = 53;

/// What a user can choose of Janus's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JanusOptions {
    /// Whose rooms.
    pub plugin: JanusPlugin,
}

/// A plugin with rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JanusPlugin {
    /// An SFU: members publish media, and subscribe to one another's.
    #[default]
    VideoRoom,
    /// Messages over data channels, which the server passes on.
    TextRoom,
}

impl JanusPlugin {
    /// The label of a data channel to the server. On any other Janus opens one with this label itself, and answers there.
    pub const CHANNEL_LABEL: &'static str = "JanusDataChannel";

    /// The id of a user in frames: VideoRoom has numbers.
    pub(super) fn id_on_wire(self, user_id: &str) -> String {
        match self {
            Self::VideoRoom => number(user_id).to_string(),
            Self::TextRoom => user_id.to_owned(),
        }
    }
}

/// A client's end.
#[derive(Debug, Clone)]
pub struct Janus(Room);

#[derive(Debug, Clone)]
enum Room {
    Video(Box<VideoRoom>),
    Text(Box<TextRoom>),
}

impl Janus {
    /// For that user in that room.
    pub fn new(options: &JanusOptions, room_id: &str, user_id: &str) -> Self {
        let room = number(room_id);
        Self(match options.plugin {
            JanusPlugin::VideoRoom => Room::Video(Box::new(VideoRoom::new(room, number(user_id)))),
            JanusPlugin::TextRoom => Room::Text(Box::new(TextRoom::new(room, user_id))),
        })
    }
}

impl Codec for Janus {
    fn opened(&mut self) -> Vec<String> {
        match &mut self.0 {
            Room::Video(room) => room.opened(),
            Room::Text(room) => room.opened(),
        }
    }

    fn encode(&mut self, message: &Message, _unix_ms: u64) -> Vec<String> {
        match &mut self.0 {
            Room::Video(room) => room.encode(message),
            Room::Text(room) => room.encode(message),
        }
    }

    fn read(&mut self, text: &str) -> Reading {
        match &mut self.0 {
            Room::Video(room) => room.read(text),
            Room::Text(room) => room.read(text),
        }
    }

    fn keepalive(&self) -> Option<Keepalive> {
        let session = match &self.0 {
            Room::Video(room) => room.session_id(),
            Room::Text(room) => room.session_id(),
        };
        let frame = match session {
            Some(id) => json!({ "janus": "keepalive", "session_id": id, "transaction": "keepalive" }),
            // Until there is a session there is none to keep.
            None => json!({ "janus": "ping", "transaction": "keepalive" }),
        };
        Some(Keepalive {
            every: KEEPALIVE_EVERY,
            frame: frame.to_string(),
        })
    }

    fn channel_opened(&mut self) -> Vec<String> {
        match &mut self.0 {
            Room::Video(_) => Vec::new(),
            Room::Text(room) => room.channel_opened(),
        }
    }

    fn encode_on_channel(&mut self, message: &Message, _unix_ms: u64) -> Vec<String> {
        match &mut self.0 {
            Room::Video(_) => Vec::new(),
            Room::Text(room) => room.encode_on_channel(message),
        }
    }

    fn read_channel(&mut self, text: &str) -> Reading {
        match &mut self.0 {
            Room::Video(_) => Reading::default(),
            Room::Text(room) => room.read_channel(text),
        }
    }

    fn is_read_by_others(&self) -> bool {
        false
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

/// The number that stands for an id, never 0: the same in every run.
fn number(id: &str) -> u64 {
    let mut hash = Fnv1a::default();
    hash.update(id.as_bytes());
    let hash = hash.value();
    ((hash ^ (hash >> ID_BITS)) & ((1 << ID_BITS) - 1)).max(1)
}

#[cfg(test)]
mod tests;
