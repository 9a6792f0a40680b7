//! Quantities as people write them: durations, ranges, rates, fractions and sizes. Exact: no float on the way.
//!
//! Knows nothing of where the text stands.

mod amount;
mod duration;
mod error;
mod number;
#[cfg(test)]
mod tests;

pub use amount::{Fraction, Rate, Size};
pub use duration::{DurationRange, MAX_DURATION, parse_duration, show_duration};
pub use error::{Quantity, UnitError};
