//! One file per protocol: frames ↔ one neutral [`Message`].
//!
//! Pure. Knows nothing of sockets, peers or scenarios.

mod broken;
mod carried;
mod channel;
mod codec;
pub mod custom;
mod dashboard;
mod janus;
mod message;
mod peerjs;
mod protocol;
mod sdp;
mod simplewebrtc;
mod whip;

pub use broken::{broken_sdp, broken_text};
pub use carried::Capability;
pub use channel::{ChannelData, ChannelFormat, ChannelMessage, ChatId, Seq};
pub use codec::{Codec, Keepalive, Reading};
pub use custom::{Custom, Described};
pub use dashboard::Dashboard;
pub use janus::{Janus, JanusOptions, JanusPlugin};
pub use message::{
    Candidate, Description, LeaveReason, Member, Message, OfferedIceServer, Received, SdpType, Waste,
};
pub use peerjs::{Chunks, PeerJs, PeerJsOptions, Serialization};
pub use protocol::{Abilities, Address, Carrier, Client, OffersIce, Protocol, RosterBy, Topology};
pub use sdp::{SessionVersions, with_origin};
pub use simplewebrtc::SimpleWebRtc;
pub use whip::{Resource, Whep, Whip, WhipOptions};
