//! What a run came to, or the segments of one together: all that its verdict and its report are made of.

use std::time::Duration;

use super::readers::Gathered;
use crate::{
    base::Instant,
    metrics::{MAX_FAILURES, RunEvent, Slope, Snapshot, Timeline},
    verdict::{Reason, Saturation, Thresholds, invariants::InvariantResult, lag_p99_ms},
};

pub(super) struct Measured {
    pub metrics: Snapshot,
    pub thresholds: Thresholds,
    pub invariants: Vec<InvariantResult>,
    pub failures: Vec<RunEvent>,
    pub more_failures: u64,
    pub timeline: Timeline,
    /// The highest of any segment, as is what follows.
    pub cpu_percent: Option<f64>,
    pub rss_bytes: Option<u64>,
    pub rss_growth: Option<Slope>,
    pub lag_ms_p99: Option<f64>,
    pub event_loop_lag_ms_p99: Option<f64>,
    /// The most that were open, and how many may be.
    pub open_files: Option<(u64, Option<u64>)>,
    /// Of every segment.
    pub offered_load_reached: bool,
    pub nothing_connected: bool,
    /// Each with its segment, of a merged run: a process that is late is not made up for by others that are not.
    saturation: Vec<(Saturation, Option<String>)>,
    /// Segments by their names, of a merged run, that have not offered their load.
    unplayed: Vec<String>,
}

impl Measured {
    /// Of a run that ended then.
    pub fn of(mut gathered: Gathered, ended: Instant, lag_limit: Duration) -> Self {
        gathered.recorder.finish(ended);
        gathered.thresholds.finish(ended, &mut gathered.recorder);
        let metrics = gathered.recorder.snapshot();
        let used = &gathered.used;
        let saturation = Saturation::of(&metrics, used, lag_limit).into_iter();
        Self {
            saturation: saturation.map(|saturation| (saturation, None)).collect(),
            lag_ms_p99: lag_p99_ms(&metrics, "generator_lag_ms"),
            event_loop_lag_ms_p99: lag_p99_ms(&metrics, "event_loop_lag_ms"),
            cpu_percent: used.cpu_percent(),
            rss_bytes: used.rss_bytes(),
            open_files: used.open_files().map(|most| (most, used.grants().open_files)),
            metrics,
            thresholds: gathered.thresholds,
            invariants: gathered.checkers.finish(ended),
            failures: gathered.failures.kept,
            more_failures: gathered.failures.more,
            timeline: gathered.timeline.timeline(),
            rss_growth: gathered.memory.slope(),
            offered_load_reached: gathered.recorder.offered_load_reached(),
            nothing_connected: gathered.recorder.nothing_connected(),
            unplayed: Vec::new(),
        }
    }

    /// All segments together; `timeline` and `thresholds` are those of all.
    pub fn merged(segments: Vec<(String, Self)>, timeline: Timeline, thresholds: Thresholds) -> Self {
        let mut segments = segments.into_iter().map(|(name, mut segment)| {
            for (_, whose) in &mut segment.saturation {
                *whose = Some(name.clone());
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
        Self {
            timeline,
            thresholds,
            ..all
        }
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
        self.lag_ms_p99 = worse(self.lag_ms_p99, other.lag_ms_p99, f64::max);
        self.event_loop_lag_ms_p99 = worse(self.event_loop_lag_ms_p99, other.event_loop_lag_ms_p99, f64::max);
        self.open_files = self.open_files.max(other.open_files);
        self.offered_load_reached &= other.offered_load_reached;
        self.nothing_connected &= other.nothing_connected;
        self.saturation.extend(other.saturation);
        self.unplayed.extend(other.unplayed);
        self
    }

    /// Every way in which the generator was over its limits.
    pub fn saturation(&self) -> Vec<Saturation> {
        self.saturation
            .iter()
            .map(|(saturation, _)| *saturation)
            .collect()
    }

    /// Of a reason that is a process's own: in which segments, to be put behind it.
    pub fn which(&self, reason: &Reason) -> String {
        let segments: Vec<&str> = match reason {
            Reason::Saturated(of) => {
                let found = self.saturation.iter().filter(|(saturation, _)| saturation == of);
                found.filter_map(|(_, segment)| segment.as_deref()).collect()
            }
            Reason::OfferedLoadNotReached => self.unplayed.iter().map(String::as_str).collect(),
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
