//! PASS, FAIL or INVALID, with reasons: thresholds and invariants.
//!
//! Pure. Knows metrics; knows nothing of who ran what.

mod exit_code;
pub mod invariants;
mod saturation;
mod threshold;
mod threshold_error;
mod threshold_text;
#[expect(clippy::module_inception, reason = "the noun is the folder's name")]
mod verdict;

pub use exit_code::ExitCode;
pub use saturation::{LAG_LIMIT, Saturation};
pub use threshold::{Aggregation, Comparison, Outcome, Threshold, ThresholdResult, ThresholdStatus};
pub use threshold_error::{ThresholdError, ThresholdPart, ThresholdProblem};
pub use verdict::{Decision, Judged, Reason, Verdict, judge};
