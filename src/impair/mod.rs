//! What a peer's access link does to what crosses it: delay, jitter, loss, rate, outages.
//!
//! Pure: packet and time in, fate out. The same seed and the same packet times give the same fates in every
//! world. Knows no socket, no task and no clock; what carries the fates out stands in [`crate::world`].

mod nat;
mod outage;
mod profile;
#[cfg(test)]
mod properties;
mod shaper;
mod stream;

pub use nat::{DEFAULT_MAPPING_LIFETIME, Dependence, Nat, NatKind, can_connect};
pub use outage::{MAX_OUTAGES, Outages, Remotes, Scope, SignalingPath, TooManyOutages};
pub use profile::{DEFAULT_QUEUE, Profile};
pub use shaper::{DropReason, Fate, Shaper};
pub use stream::{MAX_RETRANSMISSIONS, RTO_MAX, RTO_MIN, SEGMENT_BYTES, SEGMENT_OVERHEAD_BYTES, Stream};
