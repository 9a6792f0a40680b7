use std::time::Duration;

use hdrhistogram::Histogram;

/// Significant decimal digits that a recorded value keeps.
const DIGITS: u8 = 3;
/// The longest duration that is told apart: an hour. Fixes the memory of a histogram (about 180 KiB).
const MAX_MICROS: u64 = 3_600_000_000;

/// A distribution of durations in which failures count as infinitely long.
///
/// Percentiles, `max` and `mean` are over successes *and* failures, so a time-out can never make a
/// figure better; `min` and the `ok_*` twins are over successes alone. Two trends add up exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    micros: Histogram<u64>,
    failed: u64,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            micros: Histogram::new_with_bounds(1, MAX_MICROS, DIGITS)
                .expect("1 < MAX_MICROS and DIGITS <= 5"),
            failed: 0,
        }
    }
}

impl Trend {
    /// The trend of those successes, in µs, and so many failures. `None` if a success is longer than a trend tells
    /// apart.
    pub fn of(successes: &Histogram<u64>, failed: u64) -> Option<Self> {
        let mut trend = Self {
            failed,
            ..Self::default()
        };
        trend.micros.add(successes).ok()?;
        Some(trend)
    }

    /// Adds a success. Zero is kept as zero; more than an hour is kept as an hour.
    pub fn record(&mut self, took: Duration) {
        self.record_each(took, 1);
    }

    /// Adds so many successes that took so long each.
    pub fn record_each(&mut self, took: Duration, count: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_record_n(micros, count);
    }

    /// Adds a failure: an infinite duration.
    pub fn record_failure(&mut self) {
        self.failed += 1;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.micros
            .add(&other.micros)
            .expect("all trends have the same bounds");
        self.failed += other.failed;
    }

    /// Successes and failures.
    pub fn count(&self) -> u64 {
        self.micros.len() + self.failed
    }

    /// Failures.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The shortest success, in ms.
    pub fn min_ms(&self) -> Option<f64> {
        (!self.micros.is_empty()).then(|| self.micros.min() as f64 / 1_000.0)
    }

    /// The longest sample, in ms: infinite if one failed; `None` without samples.
    pub fn max_ms(&self) -> Option<f64> {
        self.over_all(|h| h.max() as f64 / 1_000.0)
    }

    /// The mean in ms: infinite if one failed; `None` without samples.
    pub fn mean_ms(&self) -> Option<f64> {
        self.over_all(|h| h.mean() / 1_000.0)
    }

    /// The `q`-quantile (`0.95` for p95) in ms, nearest rank (the smallest value that at least
    /// `q·count` samples do not exceed): infinite where the rank falls on a failure; `None` without samples.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        self.quantile_of(self.count(), q)
    }

    /// The `q`-quantile of the successes alone, in ms; `None` without one.
    pub fn ok_quantile_ms(&self, q: f64) -> Option<f64> {
        self.quantile_of(self.micros.len(), q)
    }

    /// The `q`-quantile of `count` samples, of which all that are no successes are infinite.
    fn quantile_of(&self, count: u64, q: f64) -> Option<f64> {
        if count == 0 {
            return None;
        }
        // 0.07 * 100 is a hair over 7 in floating point, and must not become rank 8.
        let exact = q.clamp(0.0, 1.0) * count as f64 * (1.0 - 1e-12);
        let rank = (exact.ceil() as u64).clamp(1, count);
        let ok = self.micros.len();
        if rank > ok {
            return Some(f64::INFINITY);
        }
        // The quantile of the successes alone whose rank is the same.
        let micros = self.micros.value_at_quantile((rank as f64 - 0.5) / ok as f64);
        Some(micros as f64 / 1_000.0)
    }

    /// The distribution of the successes, in µs.
    pub fn successes(&self) -> &Histogram<u64> {
        &self.micros
    }

    fn over_all(&self, of: impl Fn(&Histogram<u64>) -> f64) -> Option<f64> {
        match (self.count(), self.failed) {
            (0, _) => None,
            (_, 0) => Some(of(&self.micros)),
            _ => Some(f64::INFINITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(ok_ms: &[u64], failed: u64) -> Trend {
        let mut trend = Trend::default();
        for ms in ok_ms {
            trend.record(Duration::from_millis(*ms));
        }
        for _ in 0..failed {
            trend.record_failure();
        }
        trend
    }

    #[test]
    fn failures_are_infinite_in_every_figure_but_min() {
        let t = trend(&[1, 2, 3], 1);
        assert_eq!(t.count(), 4);
        assert_eq!(t.min_ms(), Some(1.0));
        assert_eq!(t.quantile_ms(0.75).map(f64::round), Some(3.0));
        assert_eq!(t.quantile_ms(0.76), Some(f64::INFINITY));
        assert_eq!(t.max_ms(), Some(f64::INFINITY));
        assert_eq!(t.mean_ms(), Some(f64::INFINITY));
    }

    #[test]
    fn ranks_are_not_pushed_up_by_floating_point() {
        let t = trend(&(1..=100).collect::<Vec<_>>(), 0);
        for percent in 1..=100 {
            let ms = t.quantile_ms(f64::from(percent) / 100.0);
            assert_eq!(ms.map(|ms| ms.floor() as i32), Some(percent));
        }
    }

    #[test]
    fn no_sample_is_no_figure() {
        let t = trend(&[], 0);
        assert_eq!(
            (t.min_ms(), t.max_ms(), t.mean_ms(), t.quantile_ms(0.5)),
            (None, None, None, None)
        );
    }

    #[test]
    fn merging_is_the_same_as_recording_all() {
        let mut a = trend(&[1, 5], 1);
        a.merge(&trend(&[3], 2));
        assert_eq!(a, trend(&[1, 5, 3], 3));
    }
}
