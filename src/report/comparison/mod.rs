//! A comparison of runs → bytes, one file per format.
//!
//! Knows no runs and no statistics: what is shown was judged in `compare`.

pub mod calibration;
pub mod json;
pub mod markdown;
#[cfg(test)]
mod samples;
pub mod terminal;
mod words;

pub(crate) use words::exit_code;
