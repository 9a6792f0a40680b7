//! What a run came to, or the segments of one together: all that its verdict and its report are made of.

use std::time::Duration;

use super::readers::Gathered;
use crate::{
    base::Instant,
    metrics::{MAX_FAILURES, RunEvent, Slope, Snapshot, Timeline},
    verdict::{Reason, Saturation, invariants::InvariantResult},
};

pub(super) struct Measured {
    pub metrics: Snapshot,
    pub invariants: Vec<InvariantResult>,
    pub failures: Vec<RunEvent>,
    pub more_failures: u64,
    pub timeline: Timeline,
    /// The highest of any segment.
    pub cpu_percent: Option<f64>,
    pub rss_bytes: Option<u64>,
    pub rss_growth: Option<Slope>,
    /// Of every segment.
    pub offered_load_reached: bool,
    /// The worst of any segment: a process that is late is not made up for by others that are not.
    pub saturation: Option<Saturation>,
    /// Segments by their names, of a merged run: those that were saturated, and those that have not offered their load.
    saturated: Vec<String>,
    unplayed: Vec<String>,
}

impl Measured {
    /// Of a run that ended then.
    pub fn of(mut gathered: Gathered, ended: Instant, lag_limit: Duration) -> Self {
        gathered.recorder.finish(ended);
        let metrics = gathered.recorder.snapshot();
        Self {
            saturation: Saturation::of(&metrics, lag_limit),
            metrics,
            invariants: gathered.checkers.finish(ended),
            failures: gathered.failures.kept,
            more_failures: gathered.failures.more,
            timeline: gathered.timeline.timeline(),
            cpu_percent: gathered.cpu_percent,
            rss_bytes: gathered.rss_bytes,
            rss_growth: gathered.memory.slope(),
            offered_load_reached: gathered.recorder.offered_load_reached(),
            saturated: Vec::new(),
            unplayed: Vec::new(),
        }
    }

    /// All segments together; `timeline` is that of all. What is a process's own is the worst of any.
    pub fn merged(segments: Vec<(String, Self)>, timeline: Timeline) -> Self {
        let mut segments = segments.into_iter().map(|(name, mut segment)| {
            if segment.saturation.is_some_and(Saturation::is_reached) {
                segment.saturated.push(name.clone());
            }
            if !segment.offered_load_reached {
                segment.unplayed.push(name);
            }
            segment
        });
        let first = segments.next().expect("a merged run has segments");
        let mut all = segments.fold(first, Self::plus);
        // Stable: of those in one instant, the first segment's come first.
        all.failures.sort_by_key(|event| event.at);
        let over = all.failures.len().saturating_sub(MAX_FAILURES);
        all.failures.truncate(MAX_FAILURES);
        all.more_failures += over as u64;
        Self { timeline, ..all }
    }

    fn plus(mut self, other: Self) -> Self {
        self.metrics.merge(&other.metrics);
        for (mine, theirs) in self.invariants.iter_mut().zip(other.invariants) {
            mine.merge(theirs);
        }
        self.failures.extend(other.failures);
        self.more_failures += other.more_failures;
        self.cpu_percent = worse(self.cpu_percent, other.cpu_percent, f64::max);
        self.rss_bytes = self.rss_bytes.max(other.rss_bytes);
        let faster = |a: Slope, b: Slope| if b.low > a.low { b } else { a };
        self.rss_growth = worse(self.rss_growth, other.rss_growth, faster);
        self.offered_load_reached &= other.offered_load_reached;
        let later = |a: Saturation, b: Saturation| {
            let over = |s: Saturation| s.lag_p99_ms / s.limit_ms.max(f64::MIN_POSITIVE);
            if over(b) > over(a) { b } else { a }
        };
        self.saturation = worse(self.saturation, other.saturation, later);
        self.saturated.extend(other.saturated);
        self.unplayed.extend(other.unplayed);
        self
    }

    /// Of a reason that is a process's own: in which segments, to be put behind it.
    pub fn which(&self, reason: &Reason) -> String {
        let segments = match reason {
            Reason::Saturated(_) => &self.saturated,
            Reason::OfferedLoadNotReached => &self.unplayed,
            _ => return String::new(),
        };
        match segments.is_empty() {
            true => String::new(),
            false => format!(" (segment {})", segments.join(", ")),
        }
    }
}

fn worse<T>(a: Option<T>, b: Option<T>, worse: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(worse(a, b)),
        (a, b) => a.or(b),
    }
}
