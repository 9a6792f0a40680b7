use std::time::Duration;

use crate::base::Instant;

use super::{MetricKey, tally::Series};

/// One sample of a metric that is watched, see [`Recorder::watch`](super::Recorder::watch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Which of the watched ones, by its place in the list.
    pub of: usize,
    /// Where what was measured began: the instant that it counts at, see `docs/METRICS.md`.
    pub began: Instant,
    /// What it adds.
    pub value: SampleValue,
}

/// What a sample adds to its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleValue {
    /// To a trend: so many successes that took so long.
    Took(Duration, u64),
    /// To a trend: a failure.
    Failed,
    /// To a rate: a case, and whether it is a hit.
    Case(bool),
    /// To a counter.
    Count(u64),
}

/// What is asked for one by one, and what of it has not been fetched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    keys: Vec<MetricKey>,
    samples: Vec<Sample>,
}

impl Watched {
    pub(super) fn new(keys: Vec<MetricKey>) -> Self {
        Self {
            keys,
            samples: Vec::new(),
        }
    }

    pub(super) fn see(&mut self, series: Series, began: Instant, value: SampleValue) {
        for (of, key) in self.keys.iter().enumerate() {
            if series.belongs_to(key) {
                self.samples.push(Sample { of, began, value });
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }
}
