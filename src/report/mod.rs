//! One [`RunReport`] model → bytes, one file per format.
//!
//! Pure. Knows metrics and verdicts; never sees a live run, never writes a file.

pub mod annotations;
mod buckets;
mod csv;
mod describe;
mod drawing;
mod dump;
mod escape;
pub mod events;
mod evidence;
#[cfg(test)]
mod extremes;
mod format;
pub mod hlog;
pub mod html;
pub mod json;
mod junit;
mod launch;
pub mod machine;
pub mod markdown;
mod model;
mod normal;
mod outages;
mod paper;
mod record;
#[cfg(test)]
mod samples;
pub mod schemas;
mod signaling;
mod story;
mod tables;
pub mod terminal;
mod trace;
mod units;

pub(crate) use describe::{call, ignored, state_name};
pub use describe::{describe, what};
pub use format::Format;
pub use launch::{Launch, SCHEMA as LAUNCH_SCHEMA};
pub use model::*;
pub use normal::Normaliser;
pub use record::{RunRecord, Wanted};
pub use story::Story;
