//! Scenario + seed → what every peer will do and when, decided before anything runs.
//!
//! Pure. Knows scenarios and ids; knows nothing of signaling, connections or worlds.

mod types;

pub use types::*;
