//! The real world: tokio's clock and tasks, UDP sockets, WebSockets.
//!
//! An edge. Knows the seam ([`crate::world`]) and the reference server; knows nothing of peers, plans or reports.

mod bundled;
mod commands;
mod lanes;
mod usage;
mod websocket;
mod world;

pub use bundled::Bundled;
pub use commands::{Command, Commands};
pub use usage::usage;
pub use world::{NetWorld, Target};
