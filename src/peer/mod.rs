//! One scripted peer as a machine: input and time in, commands out.
//!
//! Pure. Knows plans and signaling messages; knows nothing of `webrtc`, sockets or clocks.

mod announced;
mod connection;
mod externals;
mod faults;
mod host;
mod introduced;
mod link;
mod links;
mod machine;
mod membership;
mod received;
mod restart;
mod roster;
mod script;
mod server_link;
mod settle;
mod socket;
mod tampering;
mod timers;
mod turn;

pub use connection::{
    Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, TransportState,
};
pub use faults::NetworkCommand;
pub use introduced::Introduction;
pub use link::{Link, LinkOutput, Memory};
pub use machine::{Peer, PeerInput, PeerOutput};
