//! A trace in the Trace Event Format, which Perfetto and `chrome://tracing` open: a process for the run and for each peer,
//! a thread for what a peer does one after the other, spans for what lasts, flows for what goes from one to another.
//!
//! Knows events and the report. Spans of a thread nest because [`Track`](track::Track) lets nothing else happen: they are a
//! stack, and its clock never stands still. What can overlap is told by asynchronous spans.

mod file;
mod flows;
mod line;
mod link;
mod peer;
mod process;
#[cfg(test)]
mod tests;
mod track;

pub use file::trace;
