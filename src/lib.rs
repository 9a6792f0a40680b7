//! rtcstorm: a headless WebRTC test harness and load simulator. ARCHITECTURE.md is the map of this crate.

pub mod base;
pub mod capacity;
pub mod cli;
pub mod compare;
pub mod hunt;
pub mod impair;
pub mod metrics;
pub mod net;
pub mod peer;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod signaling;
pub mod sim;
pub mod turn;
pub mod verdict;
pub mod world;
