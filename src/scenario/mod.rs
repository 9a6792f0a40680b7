//! YAML text → [`Scenario`] and every diagnostic at once.
//!
//! Pure: text in, values and mistakes out. Knows nothing of plans, peers or files, and of metrics only what
//! a [`ThresholdCheck`] tells it.

mod arrive;
mod bundled;
mod chat;
mod check;
mod client;
mod diagnostic;
mod faults;
mod fields;
mod membership;
mod mutants;
mod network;
mod overrides;
mod parse;
mod parties;
mod print;
mod profiles;
mod read;
mod rooms;
mod rule;
mod schema;
mod server;
mod signaling;
mod source;
mod steps;
mod target;
mod thresholds;
mod tree;
mod types;
mod waits;

pub use bundled::{bundled, faults, races, shipped};
pub use client::ClientRules;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use mutants::Mutant;
pub use overrides::Override;
pub use parse::parse;
pub use profiles::profiles;
pub use rule::SignalingStates;
pub use schema::{MetricWords, schema};
pub use source::Span;
pub use types::*;
