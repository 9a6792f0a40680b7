//! Whole behaviours through the public API and the command line, in one binary.

mod impair;
mod impair_pair;
mod negotiation;
mod scenario_language;
mod stage;
