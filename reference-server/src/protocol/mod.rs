//! The wire: text frames ↔ typed frames. Pure, and knows neither rooms nor sockets.
//!
//! Wire types are not domain types: what the rooms keep is in [`room`](crate::room).

mod channels;
mod client;
mod envelope;
pub mod limits;
mod server;
mod text;
mod turn;

pub use channels::{ACCESS_CHANNEL, CHAT_CHANNEL, ROOMS_CHANNEL, SIGNALING_CHANNEL};
pub use client::{ClientFrame, CreateRoom, InvalidFrame, Join, Leave, Relay, RemoveRoom, Signal};
pub use envelope::{Envelope, NotAFrame};
pub use server::{Notice, Participant, Reason, RoomInfo, ServerFrame, iso_timestamp};
pub use text::{Channel, Name, RoomId, TextError, UserId};
pub use turn::{TurnCredentials, TurnRequest};
