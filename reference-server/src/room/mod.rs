//! The rooms: frames and the time in, frames for sockets out. Pure: no I/O, no clock, no randomness of the
//! OS, no order of a hash map. The simulated world runs this very code.
//!
//! # Invariant
//! Change, then drain: after every call on a [`Hub`] take [`Hub::poll_output`] until it is `None`, and call
//! [`Hub::handle_timeout`] when [`Hub::poll_timeout`] is due.

mod bucket;
mod config;
mod deployed;
mod hub;
mod joining;
mod members;
mod parting;
mod petitions;
mod refusal;
mod refusals;
mod relay;
mod roster;
mod scoped;
mod tell;
mod timers;
mod token;
mod wire;

pub use crate::limits::{RateLimit, RoomLimits};
pub use config::{HubConfig, RelayMode};
pub use hub::{Hub, HubStats, Now};
pub use refusals::{RefusalCause, Refusals, Violation};
pub use roster::{RoomRoster, RosterMember};
pub use token::TokenSeed;
pub use wire::{ClientId, Output, close_code};
