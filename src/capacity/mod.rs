//! Which load comes next while a knee is looked for, and where it lies in the end.
//!
//! Pure. Knows loads and what became of them; knows nothing of scenarios, runs or servers.

mod knee;
mod search;

pub use knee::{Knee, Limit, Outcome, Tried};
pub use search::{Mistake, Range, Search};
