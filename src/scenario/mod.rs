//! YAML text → [`Scenario`] and every diagnostic at once.
//!
//! Pure: text in, values and mistakes out. Knows nothing of plans, peers or files.

mod client;

pub use client::ClientRules;
