//! A search for a knee → bytes, one file per format.
//!
//! Knows no runs and no search: what is shown was found in `capacity`.

mod csv;
mod json;
mod model;
mod page;
mod terminal;
#[cfg(test)]
mod tests;

pub use csv::steps;
pub use json::{SCHEMA, capacity};
pub use model::{CapacityReport, StepLine};
pub use page::page;
pub use terminal::{step, summary};
