//! What happened ([`RunEvent`]) and what it adds up to ([`Snapshot`]).
//!
//! Pure. Knows ids and instants; knows nothing of where events come from or who reads the numbers.

mod event;
mod snapshot;
mod trend;

pub use event::*;
pub use snapshot::{MetricKey, Rate, Snapshot};
pub use trend::Trend;
