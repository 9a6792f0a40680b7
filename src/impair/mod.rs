//! What a peer's access link does to what crosses it: delay, jitter, loss, copies, flipped bits, rate, outages; and what
//! happens to single frames of its signaling.
//!
//! Pure: packet and time in, fate out. The same seed and the same packet times give the same fates in every
//! world. Knows no socket, no task and no clock; what carries the fates out stands in [`crate::world`].

mod frames;
mod jitter;
mod loss;
mod nat;
mod outage;
mod presets;
mod profile;
#[cfg(test)]
mod properties;
mod route;
mod shaper;
mod stream;

pub use frames::{
    Corruption, FrameKind, FrameRule, FrameWay, Frames, MAX_HELD_FRAMES, OVERTAKEN_WITHIN, Passed, Seen,
    Treated, Treatment,
};
pub use jitter::{Distribution, TAIL};
pub use loss::{GilbertElliott, Loss};
pub use nat::{DEFAULT_MAPPING_LIFETIME, Dependence, Nat, NatKind, can_connect};
pub use outage::{
    Carrier, Cutting, MAX_OUTAGES, Outages, Remotes, Scope, SignalingPath, TooManyOutages, Way,
};
pub use profile::{AccessLink, DEFAULT_QUEUE, Profile};
pub use route::{Route, Tally};
pub use shaper::{Crossing, Delivery, DropReason, Fate, Flip, Shaper};
pub use stream::{MAX_RETRANSMISSIONS, RTO_MAX, RTO_MIN, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, Stream};
