//! Whole behaviours through the public API and the command line, in one binary.

mod cli;
mod docs;
mod layout;
mod negotiation;
mod planned_faults;
mod runs;
mod scenario_language;
mod schema;
mod stage;
