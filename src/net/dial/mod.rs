//! The way to a signaling server: addresses, TCP, proxy, TLS and the opening handshake.
//!
//! Each step that can fail has a name for how it fails (`SignalingFailure`). Knows nothing of peers' scripts.

mod credentials;
mod dialer;
mod handshake;
mod jwt;
mod proxy;
mod secrets;
mod tcp;
mod texts;
mod tls;
mod transport;

pub use dialer::{Dialer, Guest, Guests};
pub(super) use tls::failure_of_io;
pub(super) use transport::Transport;
