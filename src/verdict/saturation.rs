use std::{fmt, time::Duration};

use crate::{
    base::show_duration,
    metrics::{MetricKey, Snapshot},
};

use super::GeneratorUse;

/// How late steps may begin and event loops turn at the 99th percentile before that spoils the figures.
pub const LAG_LIMIT: Duration = Duration::from_millis(100);
/// How much of all cores the generator may use, in percent.
pub const CPU_LIMIT_PERCENT: f64 = 90.0;
/// For how long it may use more.
pub const CPU_SUSTAINED: Duration = Duration::from_secs(10);
/// How much of the files that the process may have open it may have open, in percent.
pub const OPEN_FILES_LIMIT_PERCENT: f64 = 90.0;

/// One way in which the generator was at its end, outside the warm-up and the first 5 s of a declared burst.
///
/// Saturation only ever makes latencies longer and failures more: a threshold that fails under it says nothing of the
/// target, one that passes says all the more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Saturation {
    /// The 99th percentile of `generator_lag_ms{burst:no}`.
    StepLag { p99_ms: f64, limit_ms: f64 },
    /// The 99th percentile of `event_loop_lag_ms{burst:no}`.
    LoopLag { p99_ms: f64, limit_ms: f64 },
    /// It used nearly all cores for so long: on the average so much, 100 for one core.
    Cpu {
        percent: f64,
        cores: usize,
        lasted: Duration,
    },
    /// So many files were open, of so many.
    OpenFiles { most: u64, allowed: u64 },
    /// So many datagrams were dropped by the harness itself.
    Overflowed(u64),
    /// So many other limits of the harness were hit.
    LimitsHit(u64),
}

impl Saturation {
    /// Every way in which a run was over its limits; `lag_limit` is [`LAG_LIMIT`] unless configured.
    pub fn of(figures: &Snapshot, used: &GeneratorUse, lag_limit: Duration) -> Vec<Self> {
        let limit_ms = lag_limit.as_secs_f64() * 1_000.0;
        let late = |metric: &str| lag_p99_ms(figures, metric).filter(|p99_ms| *p99_ms > limit_ms);
        let counted = |key: MetricKey| figures.counters.get(&key).copied().filter(|count| *count > 0);
        let mut found = Vec::new();
        found.extend(late("generator_lag_ms").map(|p99_ms| Self::StepLag { p99_ms, limit_ms }));
        found.extend(late("event_loop_lag_ms").map(|p99_ms| Self::LoopLag { p99_ms, limit_ms }));
        found.extend(used.cpu_over());
        found.extend(used.open_files_over());
        found.extend(counted(MetricKey::new("datagrams_overflowed")).map(Self::Overflowed));
        found.extend(counted(MetricKey::new("limits_hit").with("of", "harness")).map(Self::LimitsHit));
        found
    }

    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::StepLag { .. } | Self::LoopLag { .. } | Self::Cpu { .. } => {
                "use fewer rooms or peers, let them arrive more slowly, or spread the rooms over machines with `--segment K/N`"
            }
            Self::OpenFiles { .. } => {
                "raise the hard limit (`ulimit -Hn`), use fewer rooms or peers, or spread the rooms over processes with `--segment K/N`"
            }
            Self::Overflowed(_) => {
                "send less over each link: fewer or smaller messages, or a shorter `delay`"
            }
            Self::LimitsHit(_) => {
                "`limit_hit` in events.ndjson names each and whose it was; ask for less of that in the scenario"
            }
        }
    }
}

/// The 99th percentile of such a metric outside a declared burst; `None` without samples.
pub fn lag_p99_ms(figures: &Snapshot, metric: &str) -> Option<f64> {
    let key = MetricKey::new(metric).with("burst", "no");
    figures.trends.get(&key)?.quantile_ms(0.99)
}

impl fmt::Display for Saturation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::StepLag { p99_ms, limit_ms } => {
                write!(
                    f,
                    "its steps began {p99_ms:.1} ms late at p99, over {limit_ms} ms"
                )
            }
            Self::LoopLag { p99_ms, limit_ms } => {
                write!(
                    f,
                    "its event loops were {p99_ms:.1} ms late at p99, over {limit_ms} ms"
                )
            }
            Self::Cpu {
                percent,
                cores,
                lasted,
            } => {
                let cores = match cores {
                    1 => "the only core".to_owned(),
                    cores => format!("all {cores} cores"),
                };
                let lasted = show_duration(Duration::from_secs(lasted.as_secs()));
                write!(f, "it used {percent:.0} % of {cores} for {lasted}")
            }
            Self::OpenFiles { most, allowed } => {
                write!(
                    f,
                    "it had {most} of the {allowed} files open that the process may have"
                )
            }
            Self::Overflowed(count) => write!(
                f,
                "it dropped {count} datagrams itself: more were on their way through one socket than it may hold"
            ),
            Self::LimitsHit(count) => write!(f, "{count} of the harness's own limits were hit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Trend;

    use super::*;

    fn late(metric: &str, burst: &str, lags_ms: impl IntoIterator<Item = u64>) -> Snapshot {
        let mut lag = Trend::default();
        for ms in lags_ms {
            lag.record(Duration::from_millis(ms));
        }
        let mut snapshot = Snapshot::default();
        let key = MetricKey::new(metric);
        snapshot.trends.insert(key.clone(), lag.clone());
        snapshot.trends.insert(key.with("burst", burst), lag);
        snapshot
    }

    fn found(figures: &Snapshot, lag: Duration) -> Vec<String> {
        let found = Saturation::of(figures, &GeneratorUse::default(), lag);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_late_step_or_timer_in_a_hundred_is_borne_two_are_not() {
        for (metric, told) in [
            (
                "generator_lag_ms",
                "its steps began 101.1 ms late at p99, over 100 ms",
            ),
            (
                "event_loop_lag_ms",
                "its event loops were 101.1 ms late at p99, over 100 ms",
            ),
        ] {
            let one = late(metric, "no", (0..99).map(|_| 1).chain([5_000]));
            assert!(found(&one, LAG_LIMIT).is_empty());
            let two = late(metric, "no", (0..98).map(|_| 1).chain([101, 101]));
            assert_eq!(found(&two, LAG_LIMIT), [told]);
            assert!(found(&two, Duration::from_millis(150)).is_empty());
        }
    }

    #[test]
    fn lag_in_a_burst_is_no_saturation() {
        for metric in ["generator_lag_ms", "event_loop_lag_ms"] {
            assert!(found(&late(metric, "yes", [5_000]), LAG_LIMIT).is_empty());
        }
    }

    #[test]
    fn what_the_harness_dropped_or_left_out_counts_and_a_clients_limit_does_not() {
        let mut figures = Snapshot::default();
        let limits = MetricKey::new("limits_hit");
        figures.counters.insert(limits.clone(), 7);
        figures.counters.insert(limits.clone().with("of", "client"), 7);
        assert!(found(&figures, LAG_LIMIT).is_empty());
        figures.counters.insert(limits.with("of", "harness"), 2);
        figures
            .counters
            .insert(MetricKey::new("datagrams_overflowed"), 30);
        assert_eq!(
            found(&figures, LAG_LIMIT),
            [
                "it dropped 30 datagrams itself: more were on their way through one socket than it may hold",
                "2 of the harness's own limits were hit",
            ]
        );
    }
}
