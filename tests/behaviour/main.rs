//! Whole behaviours through the public API and the command line, in one binary.

mod cli;
mod docs;
mod impair;
mod impair_pair;
mod layout;
mod negotiation;
mod planned_faults;
mod plans;
mod races;
mod runs;
mod scenario_language;
mod schema;
mod stage;
