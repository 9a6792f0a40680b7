//! The wire: text frames ↔ typed frames. Pure, and knows neither rooms nor sockets.
//!
//! Wire types are not domain types: what the rooms keep is in [`room`](crate::room).

mod client;
mod envelope;
pub mod limits;
mod server;
mod text;

pub use client::{ClientFrame, CreateRoom, InvalidFrame, Join, Leave, Relay, RemoveRoom, Signal};
pub use envelope::{Envelope, NotAFrame};
pub use server::{Notice, Participant, Reason, RoomInfo, ServerFrame, iso_timestamp};
pub use text::{Channel, Name, RoomId, TextError, UserId};

/// The channel of room frames.
pub const ROOMS_CHANNEL: &str = "webrtc-dashboard-rooms";
/// The channel of offers, answers and candidates.
pub const SIGNALING_CHANNEL: &str = "webrtc-signaling";
/// The channel of chat notices.
pub const CHAT_CHANNEL: &str = "webrtc-dashboard-chat";
/// The channel of requests to be let in.
pub const ACCESS_CHANNEL: &str = "webrtc-dashboard-access";
