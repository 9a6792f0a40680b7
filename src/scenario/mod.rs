//! YAML text → [`Scenario`] and every diagnostic at once.
//!
//! Pure: text in, values and mistakes out. Knows nothing of plans, peers or files, and of metrics only what
//! a [`ThresholdCheck`] tells it.

mod access;
mod arrive;
mod bundled;
mod chat;
mod check;
mod client;
mod contradictions;
mod control;
mod credentials;
mod diagnostic;
mod faults;
mod fields;
mod host;
mod ice;
mod membership;
mod mutants;
mod nat;
mod network;
mod overlaps;
mod overrides;
mod parse;
mod parties;
mod print;
mod profiles;
mod read;
mod rooms;
mod rule;
mod schema;
mod secret;
mod secrets;
mod server;
mod signaling;
mod source;
mod steps;
mod target;
mod template;
mod thresholds;
mod tree;
mod turn;
mod types;
mod user_config;
mod waits;

pub use access::{Access, HostPin, TargetTls};
pub use bundled::{bundled, faults, races, shipped};
pub use client::ClientRules;
pub use credentials::{Claim, Credentials, Jwt, JwtAlgorithm};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use ice::{Ice, IceAccount, IcePolicy, IceServer, IceServers, TurnCredentials, TurnTransport};
pub use mutants::Mutant;
pub use network::{Network, Towards};
pub use overrides::Override;
pub use parse::parse;
pub use profiles::profiles;
pub use rule::SignalingStates;
pub use schema::{MetricWords, schema};
pub use secret::Secret;
pub use secrets::{set_without_secrets, url_without_secrets};
pub use source::Span;
pub use template::{Part, PeerVariable, Template};
pub use turn::TurnFault;
pub use types::*;
pub use user_config::{HostError, HostPattern, UserConfig};
pub use waits::EXTERNALS_MAX;
