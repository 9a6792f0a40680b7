//! The report as a page: one file that needs nothing else.

use super::{RunRecord, RunReport};

/// The whole page.
pub fn page(_runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    Err("not there yet".to_owned())
}

/// The charts of one run as a piece of HTML, without the page around them: what the live page shows anew each second.
pub fn charts(_report: &RunReport) -> String {
    String::new()
}

/// What belongs into the head of a page with [`charts`]: its style.
pub fn style() -> &'static str {
    ""
}
