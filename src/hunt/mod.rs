//! What a sweep over seeds makes of its runs: what broke first in each, how often, and the smallest scenario
//! that still breaks so.
//!
//! Pure: it judges the events of runs and proposes scenarios; somebody else plays them.

mod edits;
mod failure;
mod findings;
mod phase;
mod shrink;
mod tally;

pub use edits::with_reference;
pub use failure::{Broken, Failure, Signature, judge};
pub use findings::{Case, Findings, Found};
pub use phase::LinkPhase;
pub use shrink::Shrinker;
pub use tally::{Group, Share, Tally};
