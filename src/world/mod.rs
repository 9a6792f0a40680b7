//! The seam between a run and the world it plays in: clock, tasks, `webrtc` runtime, signaling transport.
//!
//! [`World`] is the only thing that differs between the local, live and simulated worlds; what has to be
//! done to `webrtc` in all of them ([`ConnectionRuntime`]) stands here too. Knows no peer and no plan.

mod census;
mod flight;
mod runtime;
mod seam;

pub use census::{Census, Counted, Holding};
pub use flight::FlightRepair;
pub use runtime::{ConnectionRuntime, DriverWaker, Tricks};
pub use seam::{BoxFuture, SignalingError, SignalingEvent, SignalingSocket, Usage, World};
