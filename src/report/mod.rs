//! One [`RunReport`] model → bytes, one file per format.
//!
//! Pure. Knows metrics and verdicts; never sees a live run, never writes a file.

mod buckets;
pub mod comparison;
mod describe;
mod drawing;
pub mod events;
#[cfg(test)]
mod extremes;
pub mod hlog;
pub mod json;
pub mod machine;
mod model;
mod normal;
mod outages;
mod paper;
mod recorded;
#[cfg(test)]
mod samples;
mod story;
mod tables;
pub mod terminal;
mod units;

pub(crate) use describe::{call, ignored, state_name};
pub use describe::{describe, what};
pub use model::*;
pub use normal::Normaliser;
pub use recorded::{RecordedError, recorded};
pub use story::Story;
