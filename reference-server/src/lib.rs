//! The dashboard's wire protocol as a small signaling server.
//!
//! Two ways to use it:
//! - [`room::Hub`]: the rooms without sockets. Pure: frames and the time in, frames out.
//! - [`Server`]: the same behind real WebSockets and a few HTTP routes.
//!
//! # What it promises, in [`RelayMode::Rooms`](room::RelayMode::Rooms)
//! Both forms of a message are understood ([`protocol::Envelope`]), and nothing leaves a room.
//!
//! | a client sends | the sender gets | the other members get |
//! | --- | --- | --- |
//! | (connects) | `client_count`, once; nobody else does, so N joins cost no N² frames | – |
//! | `create-room`, `room-created` | `existing-participants`, `room-status` | – |
//! | `user-joined-room` | `existing-participants`, `room-status` | `user-joined-room` or `user-rejoined-room`, `room-status` |
//! | … with the token of a membership | `existing-participants`, `room-status`, signaling that waited | `room-status`; the old socket is closed with 4001 |
//! | … again on the same socket | `existing-participants` | `room-status`, if the name is another |
//! | `user-left-room`, from the member's socket or with its token | – | `user-left-room` (`reason: left`), `room-status` |
//! | (closes; the grace time passes) | – | `user-left-room` (`reason: closed`), `room-status` |
//! | `room-removed`, by the host | – | `room-removed`, then to each its own `user-left-room` (`reason: evicted`) |
//! | `webrtc-offer`, `webrtc-answer`, `webrtc-ice` | – | the frame as it came, to `toUserId` alone |
//! | `room-list-request` | `server-room-list`; it is never sent unasked | – |
//! | any other type with a channel and a `roomId` | – | the frame as it came, to subscribers of the channel |
//!
//! A frame that is refused changes nothing and is answered with `join-rejected` (a name or a user id is
//! taken) or with `error` ([`protocol::Reason`]).
//!
//! A socket from which nothing has come for 60 s, not even a pong (it is pinged every 20 s), counts as closed.
//! One that sends what is no text frame is closed: 1002 for broken frames, 1007 for what is not UTF-8, 1009 for
//! what is too long. One that does not read is closed with 1013. [`RoomLimits`] and [`SocketLimits`] have every
//! limit that can be set.
//!
//! Additions of this server to the protocol: a join with `"create": true` opens the room if it is not there,
//! so that many may arrive at once (`maxParticipants` and `roomName` then count, and are ignored otherwise);
//! `existing-participants` says `resumed`; a room whose host leaves makes its eldest member host;
//! the reasons `limit-reached`, `not-host`, `recipient-away`, `room-exists` and `DUPLICATE_USER_ID`.
//! `requireApproval` is carried in lists, and enforced by clients among themselves, as in the deployment.

mod answer;
pub mod cli;
mod config;
mod flow;
mod gate;
mod http;
mod limits;
mod metrics;
mod origin;
mod page;
mod process;
pub mod protocol;
mod queue;
pub mod room;
mod server;
mod shared;
mod stats;
mod tls;
mod turn;
mod ws;

pub use config::Config;
pub use limits::{RateLimit, RoomLimits, SocketLimits};
pub use origin::{AllowOrigins, NotAnOrigin, Origin};
pub use server::{Handle, Server};
pub use stats::ServerStats;
pub use tls::{Tls, TlsError};
pub use turn::{TurnConfig, TurnSecret};
