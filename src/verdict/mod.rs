//! PASS, FAIL or INVALID, with reasons: thresholds and invariants.
//!
//! Pure. Knows metrics; knows nothing of who ran what.

pub mod invariants;
