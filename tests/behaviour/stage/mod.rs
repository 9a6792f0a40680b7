//! Peers and the server's room core, stepped against each other on a clock of our own: no socket, no
//! task, no `webrtc`.

mod connection;
mod play;

pub use play::{Fate, Stage, script};
