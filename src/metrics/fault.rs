use std::time::Duration;

use super::{
    FaultCause, OutageKey, OutageLength, RecoveryPath,
    outages::Window,
    tally::{Series, Tally},
};
use crate::base::Instant;

/// A fault on a link, or several that overlap.
#[derive(Debug)]
pub(super) struct Fault {
    /// The earliest planned beginning.
    pub(super) start: Instant,
    /// The first one's planned beginning: where all its figures count.
    pub(super) began: Instant,
    /// The latest planned end.
    pub(super) end: Instant,
    /// The first one's.
    pub(super) cause: FaultCause,
    /// How long the first one was planned to last.
    pub(super) length: OutageLength,
    /// The highest rung of the ladder that either end is known to have reached.
    pub(super) path: RecoveryPath,
    pub(super) ends: [AtEnd; 2],
    /// When either end first noticed.
    pub(super) detected: Option<Instant>,
}

/// What one end of the link has to say of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// It did not begin here.
    Elsewhere,
    /// It began here.
    Began,
    /// It began here, and data flows again since then.
    Recovered(Instant),
}

impl Fault {
    /// When every end that it began at had recovered.
    pub(super) fn recovered(&self) -> Option<Instant> {
        let mut last = None;
        for end in self.ends {
            match end {
                AtEnd::Elsewhere => {}
                AtEnd::Began => return None,
                AtEnd::Recovered(at) => last = last.max(Some(at)),
            }
        }
        last
    }

    /// When it is over, one way or the other; a fault that begins later is another one.
    pub(super) fn due(&self, timeout: Duration) -> Instant {
        self.recovered().unwrap_or(self.end + timeout)
    }

    pub(super) fn key(&self) -> OutageKey {
        OutageKey {
            cause: self.cause,
            length: self.length,
        }
    }

    pub(super) fn window(&self, until: Instant) -> Window {
        Window {
            key: self.key(),
            start: self.start,
            until,
        }
    }

    pub(super) fn settle(self, timeout: Duration, tally: &mut Tally) {
        match self.recovered().filter(|at| at.since(self.end) <= timeout) {
            Some(at) => {
                self.count_detected(tally);
                let mut tally = tally.at(self.began);
                tally.case(self.series("reconnect_failed"), false);
                tally.took(self.series("reconnect_ms"), at.since(self.end));
                tally.took(self.series("outage_ms"), at.since(self.start));
                tally.count(self.series("recovered_by"));
                tally.outage(self.key(), |outage| {
                    *outage.recovered.entry(self.path).or_default() += 1;
                    outage.reconnect.record(at.since(self.end));
                });
            }
            None => self.fail(tally),
        }
    }

    pub(super) fn settle_or_abandon(self, timeout: Duration, tally: &mut Tally) {
        if self.recovered().is_some() {
            return self.settle(timeout, tally);
        }
        self.count_detected(tally);
        let mut tally = tally.at(self.began);
        tally.count(self.series("reconnect_abandoned"));
        tally.outage(self.key(), |outage| outage.abandoned += 1);
    }

    pub(super) fn fail(self, tally: &mut Tally) {
        self.count_detected(tally);
        let mut tally = tally.at(self.began);
        tally.case(self.series("reconnect_failed"), true);
        tally.failed(self.series("reconnect_ms"));
        tally.failed(self.series("outage_ms"));
        tally.outage(self.key(), |outage| {
            outage.failed += 1;
            outage.reconnect.record_failure();
        });
    }

    fn count_detected(&self, tally: &mut Tally) {
        if let Some(at) = self.detected {
            tally
                .at(self.began)
                .took(self.series("detect_ms"), at.since(self.start));
        }
    }

    fn series(&self, name: &'static str) -> Series {
        Series::tagged(name, [("path", self.path.name()), ("cause", self.cause.name())])
    }
}
