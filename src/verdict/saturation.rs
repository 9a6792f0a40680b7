use std::time::Duration;

use crate::metrics::{MetricKey, Snapshot};

/// How late the generator may be at the 99th percentile before its own lag spoils the figures.
pub const LAG_LIMIT: Duration = Duration::from_millis(100);

/// How late the generator was, outside the first 5 s of a declared burst.
///
/// Saturation only ever makes latencies longer: a threshold that fails under it says nothing of the
/// target, one that passes says all the more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saturation {
    /// The 99th percentile of `generator_lag_ms{burst:no}`.
    pub lag_p99_ms: f64,
    /// What it may be.
    pub limit_ms: f64,
}

impl Saturation {
    /// Measures a run against `limit` ([`LAG_LIMIT`] unless configured); `None` if no step outside a burst
    /// began.
    pub fn of(snapshot: &Snapshot, limit: Duration) -> Option<Self> {
        let lag = snapshot
            .trends
            .get(&MetricKey::new("generator_lag_ms").with("burst", "no"))?;
        Some(Self {
            lag_p99_ms: lag.quantile_ms(0.99)?,
            limit_ms: limit.as_secs_f64() * 1_000.0,
        })
    }

    /// Whether the lag is over the limit.
    pub fn is_reached(self) -> bool {
        self.lag_p99_ms > self.limit_ms
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Trend;

    use super::*;

    fn snapshot(burst: &str, lags_ms: impl IntoIterator<Item = u64>) -> Snapshot {
        let mut lag = Trend::default();
        for ms in lags_ms {
            lag.record(Duration::from_millis(ms));
        }
        let mut snapshot = Snapshot::default();
        let key = MetricKey::new("generator_lag_ms");
        snapshot.trends.insert(key.clone(), lag.clone());
        snapshot.trends.insert(key.with("burst", burst), lag);
        snapshot
    }

    #[test]
    fn one_late_step_in_a_hundred_is_borne_two_are_not() {
        let one = snapshot("no", (0..99).map(|_| 1).chain([5_000]));
        let measured = Saturation::of(&one, LAG_LIMIT).expect("there are samples");
        assert!(!measured.is_reached(), "{measured:?}");
        let two = snapshot("no", (0..98).map(|_| 1).chain([101, 101]));
        let measured = Saturation::of(&two, LAG_LIMIT).expect("there are samples");
        assert!(measured.is_reached(), "{measured:?}");
        let allowed = Saturation::of(&two, Duration::from_millis(150)).expect("there are samples");
        assert!(!allowed.is_reached(), "{allowed:?}");
    }

    #[test]
    fn lag_in_a_burst_is_no_saturation() {
        assert_eq!(Saturation::of(&snapshot("yes", [5_000]), LAG_LIMIT), None);
    }
}
