//! PASS, FAIL or INVALID, with reasons: thresholds and invariants.
//!
//! Pure. Knows metrics; knows nothing of who ran what.

mod exit_code;
mod generator;
mod guard;
pub mod invariants;
mod saturation;
mod threshold;
mod threshold_error;
mod threshold_text;
mod thresholds;
#[expect(clippy::module_inception, reason = "the noun is the folder's name")]
mod verdict;
mod windows;

pub use exit_code::ExitCode;
pub use generator::{GeneratorUse, Grants};
pub use guard::{ERROR_CASES, ERROR_WINDOW, Guard, Guards, RATE_WINDOW, Tripped};
pub use saturation::{
    CPU_LIMIT_PERCENT, CPU_SUSTAINED, LAG_LIMIT, OPEN_FILES_LIMIT_PERCENT, Saturation, lag_p99_ms,
};
pub use threshold::{Aggregation, Comparison, Outcome, Threshold, ThresholdResult, ThresholdStatus};
pub use threshold_error::{ThresholdError, ThresholdPart, ThresholdProblem};
pub use thresholds::{Asked, Thresholds};
pub use verdict::{Decision, Judged, Reason, Verdict, judge};
pub use windows::{MAX_OPEN_WINDOWS, Window};
