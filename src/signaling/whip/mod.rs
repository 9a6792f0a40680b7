//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep).

use super::{Client, Codec, Message, Reading};

/// What a user can choose of WHIP and WHEP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WhipOptions {
    /// The endpoint of each peer, relative to the target's URL; `${room}`, `${user}` and `${peer}` stand for its own. Empty:
    /// the URL is everybody's.
    pub endpoint: String,
}

/// A client that publishes.
#[derive(Debug, Clone)]
pub struct Whip;

/// A client that has what is published.
#[derive(Debug, Clone)]
pub struct Whep;

impl Whip {
    pub fn new(_options: &WhipOptions, _client: Client<'_>) -> Self {
        Self
    }
}

impl Whep {
    pub fn new(_options: &WhipOptions, _client: Client<'_>) -> Self {
        Self
    }
}

impl Codec for Whip {
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

impl Codec for Whep {
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
