//! Runs as OpenTelemetry has them: the messages of OTLP, ready to be sent.
//!
//! The messages are those of the OpenTelemetry project's own crate. Its SDK is not used: it aggregates what it
//! is told sample by sample, and ours is aggregated already.

mod attributes;
mod metrics;
mod traces;

pub use metrics::metrics;
pub use traces::{MAX_LINKS, Traced, traces};
