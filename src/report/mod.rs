//! One [`RunReport`] model → bytes, one file per format.
//!
//! Pure. Knows metrics and verdicts; never sees a live run, never writes a file.

pub mod annotations;
mod buckets;
pub mod capacity;
mod chart;
pub mod comparison;
mod csv;
mod describe;
mod drawing;
mod dump;
mod escape;
pub mod events;
mod evidence;
mod exposition;
mod externals;
#[cfg(test)]
mod extremes;
mod fanout;
mod format;
mod generation;
pub mod hlog;
pub mod html;
pub mod json;
mod junit;
mod launch;
pub mod machine;
pub mod markdown;
mod model;
mod normal;
pub mod otlp;
mod outages;
mod paper;
pub mod prometheus;
mod prometheus_wire;
mod record;
#[cfg(test)]
mod record_samples;
mod recorded;
mod redact;
#[cfg(test)]
mod samples;
pub mod schemas;
mod sequence;
mod signaling;
mod story;
mod tables;
pub mod terminal;
pub mod told;
mod trace;
mod units;
mod wall_clock;

pub(crate) use describe::{call, ignored, state_name};
pub use describe::{describe, what};
pub use format::Format;
pub use launch::{Launch, SCHEMA as LAUNCH_SCHEMA, SegmentLaunch};
pub use model::*;
pub use normal::Normaliser;
pub use record::{MAX_EVENTS, RunRecord, Wanted};
pub use recorded::{RecordedError, recorded};
pub use redact::redacted;
pub use story::Story;
