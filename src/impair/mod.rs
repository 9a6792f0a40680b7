//! What a peer's access link does to what crosses it: delay, jitter, loss, rate, outages; and what happens to single
//! frames of its signaling.
//!
//! Pure: packet and time in, fate out. The same seed and the same packet times give the same fates in every
//! world. Knows no socket, no task and no clock; what carries the fates out stands in [`crate::world`].

mod frames;
mod outage;
mod profile;
#[cfg(test)]
mod properties;
mod shaper;
mod stream;

pub use frames::{
    Corruption, FrameKind, FrameRule, FrameWay, Frames, MAX_HELD_FRAMES, OVERTAKEN_WITHIN, Passed, Seen,
    Treated, Treatment,
};
pub use outage::{MAX_OUTAGES, Outages, Remotes, Scope, SignalingPath, TooManyOutages};
pub use profile::{DEFAULT_QUEUE, Profile};
pub use shaper::{DropReason, Fate, Shaper};
pub use stream::{MAX_RETRANSMISSIONS, RTO_MAX, RTO_MIN, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, Stream};
