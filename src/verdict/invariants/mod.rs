//! The eight invariants of a run, checked from its event stream while it goes.
//!
//! Pure: events in, results out. Knows the plan and the events; knows nothing of worlds, connections or
//! reports. A checker accuses only on proof: what an event has not shown is not held against anyone.

mod answers;
mod checkers;
mod delivery;
mod flow;
mod generations;
mod given_up;
mod last_events;
mod losses;
mod membership;
mod nothing_grows;
mod nothing_left;
mod one_channel;
mod paths;
mod result;
mod rosters;
mod states;
#[cfg(test)]
mod story;

pub use checkers::Checkers;
pub use last_events::MAX_LAST_EVENTS;
pub use result::{Finding, InvariantResult, InvariantStatus, MAX_FINDINGS, Visibility};
