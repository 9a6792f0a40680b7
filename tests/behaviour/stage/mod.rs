//! Peers and the server's room core, stepped against each other on a clock of our own: no socket, no
//! task, no `webrtc`.

mod agenda;
mod connection;
mod far_ends;
mod far_play;
mod janus_server;
mod judge;
mod links;
mod peer_server;
mod plan;
mod play;
mod whip_server;

pub use agenda::{Latency, Way};
pub use connection::Connection;
pub use far_ends::{FarEnds, FarServer};
pub use janus_server::JanusServer;
pub use plan::{Script, script};
pub use play::{Fate, Stage};
pub use whip_server::WhipServer;
