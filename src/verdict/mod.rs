//! PASS, FAIL or INVALID, with reasons: thresholds and invariants.
//!
//! Pure. Knows metrics; knows nothing of who ran what.

mod threshold;
mod threshold_error;
mod threshold_text;

pub use threshold::{Aggregation, Comparison, Outcome, Threshold, ThresholdResult, ThresholdStatus};
pub use threshold_error::{ThresholdError, ThresholdPart, ThresholdProblem};
