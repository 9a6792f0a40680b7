//! Plays a [`Plan`](crate::plan::Plan) in a [`World`](crate::world::World): carries out what peers want on
//! `webrtc`, lines them up, and puts what happens in order.
//!
//! An edge. Knows everything but reports; takes clock, tasks, sockets and randomness from its world alone.

mod apart;
mod callbacks;
mod connection;
mod coordinator;
mod directory;
mod dispatcher;
mod execute;
mod hiding;
mod ice;
mod media;
mod network;
mod pace;
mod peer;
mod peer_network;
mod reports;
mod server;
mod signaling;
#[cfg(test)]
mod tests;

pub use coordinator::{Coordinator, Release};
pub use directory::Directory;
pub use dispatcher::{EventReader, EventSink};
pub use execute::{Options, RunSummary, execute};
