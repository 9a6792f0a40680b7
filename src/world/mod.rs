//! The seam between a run and the world it plays in: clock, tasks, `webrtc` runtime, signaling transport.
//!
//! [`World`] is the only thing that differs between the local, live and simulated worlds; what has to be
//! done to `webrtc` in all of them ([`ConnectionRuntime`]) stands here too, and so does a peer's access link
//! ([`PeerNetwork`]). Knows no peer and no plan.

mod census;
mod datagram;
mod flight;
mod gate;
mod host;
mod link;
mod moving;
mod network;
mod runtime;
mod seam;
mod socket;
mod turn_stream;

pub use census::{Census, Counted, Holding};
pub use datagram::{hand_up, read_from, segments};
pub use flight::{FlightRepair, Received};
pub use host::{Host, UdpAddr};
pub use network::{Altered, Direction, Dropped, PeerNetwork, RemotePath};
pub use runtime::{ConnectionRuntime, DriverWaker, Tricks};
pub use seam::{BoxFuture, Home, ServerAct, ServerLoad, SignalingSocket, SignalingTransport, Usage, World};
pub use turn_stream::{ByteStream, Dial, is_stream_address, stream_address};
