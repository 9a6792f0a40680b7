//! PeerJS's protocol: JSON over a WebSocket to a `PeerServer`, as the client `peerjs` 1.5 speaks it.
//!
//! The server knows ids and no rooms: it passes on what one id sends to another, keeps it for some seconds for an id
//! that is not there, and then says that it has expired.

mod binary_pack;
mod codec;
pub mod data;

use super::{Address, ChannelFormat};
use crate::base::Fnv1a;

pub use codec::PeerJs;
pub use data::Chunks;

/// The version of the client that it is said to be.
const VERSION: &str = "1.5.5";

/// What a user can choose of PeerJS's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerJsOptions {
    /// The key of the server, in every client of an application.
    pub key: String,
    /// How connections that peers offer carry data; others carry it as who offers them says.
    pub serialization: Serialization,
}

/// How a data connection carries values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Serialization {
    /// In BinaryPack; what is too long for one message in several.
    #[default]
    Binary,
    /// As JSON, up to 16,299 bytes.
    Json,
}

impl Default for PeerJsOptions {
    fn default() -> Self {
        Self {
            key: Self::DEFAULT_KEY.to_owned(),
            serialization: Serialization::default(),
        }
    }
}

impl PeerJsOptions {
    /// The key of a server that was not given one.
    pub const DEFAULT_KEY: &str = "peerjs";

    /// Where the socket of `user_id` is opened. The token is the same for each of its sockets, so that one may take
    /// the id over from another.
    pub(super) fn address(&self, room_id: &str, user_id: &str) -> Address {
        Address {
            path: Some("peerjs".into()),
            query: vec![
                ("key".into(), self.key.clone()),
                ("id".into(), user_id.to_owned()),
                ("token".into(), short_hash([room_id, user_id, "token"])),
                ("version".into(), VERSION.to_owned()),
            ],
            subprotocol: None,
        }
    }
}

impl Serialization {
    /// Its name, in a scenario and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }

    /// How such connections write.
    pub fn format(self) -> ChannelFormat {
        match self {
            Self::Binary => ChannelFormat::PeerJsBinary,
            Self::Json => ChannelFormat::PeerJsJson,
        }
    }
}

/// Letters and digits that stand for some texts, the same for the same ones.
fn short_hash<const N: usize>(parts: [&str; N]) -> String {
    let mut hash = Fnv1a::default();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let mut rest = hash.value();
    let mut text = String::new();
    while rest > 0 {
        text.extend(char::from_digit((rest % 36) as u32, 36));
        rest /= 36;
    }
    text
}
