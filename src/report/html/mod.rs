//! The report as a page: one file that needs nothing else.
//!
//! Pure. Knows what a report tells and in which order a reader wants it; the charts themselves are `chart`'s. No
//! script, no address of anything: what is not in the file is not shown.

mod charts;
mod colophon;
mod failures;
mod figures;
mod outages;
mod page;
mod style;
#[cfg(test)]
mod tests;
mod verdict;

pub use charts::charts;
pub use page::page;
pub use style::style;
