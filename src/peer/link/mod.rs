//! The link to one remote: negotiation, duplicates, early candidates, replacement of connections.
//!
//! [`Link`] is fed by its peer and drained by it; it never reads a clock.

mod connection;
mod exchange;
mod generations;
mod machine;
mod memory;
mod recovery;
#[cfg(test)]
mod tests;
mod unanswered;

pub use machine::{Link, LinkOutput};
pub use memory::Memory;
