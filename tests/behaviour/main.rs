//! Whole behaviours through the public API and the command line, in one binary.

mod negotiation;
mod races;
mod scenario_language;
mod stage;
