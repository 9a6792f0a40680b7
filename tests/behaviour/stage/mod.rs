//! Peers and the server's room core, stepped against each other on a clock of our own: no socket, no
//! task, no `webrtc`.

mod agenda;
mod connection;
mod judge;
mod links;
mod peer_server;
mod plan;
mod play;

pub use agenda::{Latency, Way};
pub use connection::Connection;
pub use plan::{Script, script};
pub use play::{Fate, Stage};
