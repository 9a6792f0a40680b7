//! What went through signaling, as text for people: who told whom what, by way of the server, and what became of it.
//!
//! Knows events and the plan. Which kind of frame it was, and which description; never what was in it.

mod row;
mod talk;
mod text;

pub use text::text;

#[cfg(test)]
mod tests;
