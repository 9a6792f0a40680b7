//! Scenario + seed → what every peer will do and when, decided before anything runs.
//!
//! Pure. Knows scenarios and ids; knows nothing of signaling, connections or worlds.

mod arrivals;
mod expand;
mod limits;
mod show;
mod types;
mod wire;

pub use expand::{Options, expand};
pub use limits::{Limit, LimitMistake, Machine, check_limits};
pub use show::show;
pub use types::*;
