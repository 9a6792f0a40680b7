use std::time::Duration;

use crate::base::Instant;

use super::{members::Cut, tally::Tally};

/// A trend whose cases have so much time each: what takes longer has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    pub(super) metric: &'static str,
    /// Counts the cases that were cut short.
    pub(super) abandoned: &'static str,
    pub(super) timeout: Duration,
}

impl Timed {
    /// When a case that began then has failed.
    pub(super) fn deadline(&self, since: Instant) -> Instant {
        since + self.timeout
    }

    /// It has come about.
    pub(super) fn done(&self, since: Instant, at: Instant, tally: &mut Tally) {
        match at.since(since) {
            took if took > self.timeout => self.fail(since, tally),
            took => tally.at(since).took(self.metric, took),
        }
    }

    /// It will not: the membership that it belongs to is over.
    pub(super) fn cut(&self, since: Instant, at: Instant, cut: Cut, tally: &mut Tally) {
        match cut.is_failure() || at.since(since) > self.timeout {
            true => self.fail(since, tally),
            false => self.abandon(since, tally),
        }
    }

    /// It has not come about in time, or never will.
    pub(super) fn fail(&self, since: Instant, tally: &mut Tally) {
        tally.at(since).failed(self.metric);
    }

    /// Nothing is known of how it would have ended.
    pub(super) fn abandon(&self, since: Instant, tally: &mut Tally) {
        tally.at(since).count(self.abandoned);
    }
}
