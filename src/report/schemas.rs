//! The JSON Schemas of what runs, comparisons and searches write, as they are published in `docs/schema/`.

/// Of `summary.json`.
pub const SUMMARY: &str = include_str!("../../docs/schema/summary.schema.json");
/// Of `machine.json`.
pub const MACHINE: &str = include_str!("../../docs/schema/machine.schema.json");
/// Of `run.json`.
pub const RUN: &str = include_str!("../../docs/schema/run.schema.json");
/// Of a line of `events.ndjson`.
pub const EVENT: &str = include_str!("../../docs/schema/event.schema.json");
/// Of a comparison of two sets of runs.
pub const COMPARISON: &str = include_str!("../../docs/schema/comparison.schema.json");
/// Of `capacity.json`.
pub const CAPACITY: &str = include_str!("../../docs/schema/capacity.schema.json");
