//! Janus's protocol over its WebSocket transport, with the plugins VideoRoom and TextRoom.

use super::{Codec, Message, Reading};

/// What a user can choose of Janus's protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

/// A client's end.
#[derive(Debug, Clone)]
pub struct Janus;

impl Janus {
    pub fn new(_options: &JanusOptions, _room_id: &str, _user_id: &str) -> Self {
        Self
    }
}

impl Codec for Janus {
    fn opened(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn encode(&mut self, _message: &Message, _unix_ms: u64) -> Vec<String> {
        Vec::new()
    }

    fn read(&mut self, _text: &str) -> Reading {
        Reading::default()
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}
