//! Quantities as people write them: durations, ranges, rates, fractions, sizes and bit rates. Exact: no float on the way.
//!
//! Knows nothing of where the text stands.

mod amount;
mod bit_rate;
mod duration;
mod error;
mod number;
#[cfg(test)]
mod tests;

pub use amount::{Fraction, Rate, Size};
pub use bit_rate::BitRate;
pub use duration::{DurationRange, MAX_DURATION, parse_duration, show_duration};
pub use error::{Quantity, UnitError};
