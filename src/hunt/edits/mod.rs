//! What can be taken away from a scenario, or made smaller in it.

mod network;
mod numbers;
mod parts;
mod rules;
mod scenario;
mod size;
mod steps;

pub(super) use parts::{merged, split};
pub use rules::with_reference;
pub(super) use rules::{changed_rules, more_like_reference};
pub(super) use scenario::smaller;
pub(super) use size::size;
