//! The way to a signaling server, and to whoever gives ICE servers out: addresses, TCP, proxy, TLS and the opening handshake.
//!
//! Each step that can fail has a name for how it fails (`SignalingFailure`). Knows nothing of peers' scripts.

mod credentials;
mod dialer;
mod exchange;
mod fetch;
mod handshake;
mod ice_answer;
mod jwt;
mod proxy;
mod secrets;
mod tcp;
mod texts;
mod tls;
mod transport;
mod visitors;
mod way;

pub use dialer::{Dialer, Fetches};
pub use exchange::Elsewhere;
pub(super) use exchange::HttpConnection;
pub(super) use ice_answer::FetchedServers;
pub(super) use tls::failure_of_io;
pub(super) use transport::Transport;
pub use visitors::{Guest, Guests};
