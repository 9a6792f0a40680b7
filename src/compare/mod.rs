//! Two sets of runs → worse, not worse, or cannot tell, with a known rate of errors. docs/STATISTICS.md says why
//! so, and what it was measured to do.
//!
//! The unit is the run, not the sample: peers of one run share its machine, its server and its luck, so a thousand
//! samples of it say little more than one figure.
//!
//! Pure. Knows metrics; knows nothing of where runs come from, and nobody's folders. Randomness is passed in.

mod calibration;
mod comparison;
mod estimate;
mod gate;
mod holm;
mod identity;
mod judge;
mod margin;
#[cfg(test)]
mod properties;
mod quantile;
mod ranks;
mod shares;
mod welch;

pub use calibration::{Calibration, SmallestEffect, calibrate};
pub use comparison::{Change, Comparison, Line, Side, compare};
pub use estimate::{Estimate, Method};
pub use gate::{DEFAULT_METRICS, Figure, Gate, Gates};
pub use holm::{Step, holm};
pub use identity::{Identity, Run, differences, repeated, unfit};
pub use judge::{Judged, MIN_RUNS, Outcome, Reading, Readings, TAIL, Verdict, Why, judge};
pub use margin::{Margin, Margins};
pub use ranks::Ranks;
pub use shares::Shares;
pub use welch::Welch;
