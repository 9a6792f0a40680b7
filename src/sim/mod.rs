//! The simulated world: one thread, virtual time, a network in memory. `webrtc` itself is real.
//!
//! An edge, for `webrtc` wants sockets that are really bound. Knows the seam ([`crate::world`]) and the
//! reference server's room core; knows nothing of peers, plans or reports.

mod crypto;
mod executor;
mod internet;
mod nat;
mod network;
mod relay;
mod router;
mod runtime;
mod schedule;
mod server;
mod stun;
mod world;

pub use executor::{Stalled, virtual_now};
pub use schedule::Schedule;
pub use world::SimWorld;
