//! A webrtc-internals dump, as Chrome downloads it, of the connections of runs.
//!
//! Knows events and the plan. What only the stack knows (addresses, bytes on the wire, round trips) is `null` in it, and
//! a description is told by its number: there is no SDP in events.

mod connection;
mod file;
mod series;
#[cfg(test)]
mod tests;
mod update;

pub use file::dump;
