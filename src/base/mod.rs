//! Words that every other room of the house uses: ids, instants, durations as text, seeded randomness.
//!
//! Pure, and knows nobody.

mod hash;
mod ice_url;
mod ids;
mod rng;
mod signaling_failure;
mod time;
mod units;

pub use hash::Fnv1a;
pub use ice_url::{IceScheme, IceTransport, IceUrl, IceUrlError};
pub use ids::{BarrierId, Generation, Incarnation, PeerId, PeerNumber, RoomId, Seat};
pub use rng::{Purpose, RootSeed};
pub use signaling_failure::{SignalingEnd, SignalingFailure};
pub use time::Instant;
pub use units::{
    BitRate, DurationRange, Fraction, MAX_DURATION, Quantity, Rate, Size, UnitError, parse_duration,
    show_duration,
};
