//! Whole behaviours through the public API and the command line, in one binary.

mod cli;
mod docs;
mod fault_steps;
mod hunting;
mod impair;
mod impair_pair;
mod known_faults;
mod known_races;
mod layout;
mod local;
mod negotiation;
mod planned_faults;
mod plans;
mod profiles;
mod race_findings;
mod races;
mod recovery;
mod rules;
mod runs;
mod scenario_language;
mod schema;
mod server_restart;
mod simulated;
mod simulation;
mod soak;
mod stage;
