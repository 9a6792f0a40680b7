//! Comparisons for tests, made by hand from runs that were made by hand.

use std::time::Duration;

use crate::{
    compare::{Comparison, Gates, Identity, Margins, Run, compare},
    metrics::{MetricKey, Rate, Snapshot, Trend},
};

/// A run of 60 links; each takes `ms` and a tenth of it for each place in the row, twenty places.
fn run(nth: u64, ms: u64, failed: u64) -> Run {
    let mut connect = Trend::default();
    // Runs differ by up to 4 %.
    let factor = 100 + (nth * 7) % 5;
    for link in 0..60 - failed {
        connect.record(Duration::from_micros(ms * factor * (10 + link % 20)));
    }
    for _ in 0..failed {
        connect.record_failure();
    }
    let mut metrics = Snapshot::default();
    metrics.trends.insert(MetricKey::new("connect_ms"), connect);
    let rate = Rate {
        hits: failed,
        total: 60,
    };
    metrics.rates.insert(MetricKey::new("connect_failed"), rate);
    Run {
        name: format!("runs/{nth}"),
        identity: Identity {
            scenario: "smoke".to_owned(),
            hash: "0123456789abcdef".to_owned(),
            seed: nth,
            version: "0.1.0".to_owned(),
            world: "local".to_owned(),
            target: "the bundled server".to_owned(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cores: Some(2),
            verdict: "pass".to_owned(),
            ..Identity::default()
        },
        metrics,
    }
}

fn side(runs: u64, ms: u64, failed: impl Fn(u64) -> u64) -> Vec<Run> {
    (0..runs).map(|nth| run(nth, ms, failed(nth))).collect()
}

fn compared(base: &[Run], new: &[Run]) -> Comparison {
    compare(
        ("main", base),
        ("this-branch", new),
        &Gates::default(),
        &Margins::default(),
    )
}

/// A fifth longer.
pub(super) fn regression() -> Comparison {
    compared(&side(10, 10, |_| 0), &side(10, 12, |nth| u64::from(nth == 3)))
}

/// One new run.
pub(super) fn few() -> Comparison {
    compared(&side(6, 10, |_| 0), &side(1, 10, |_| 0))
}

/// A percentile falls on failures, and two machines.
pub(super) fn failing_and_forced() -> Comparison {
    let mut new = side(8, 10, |nth| 2 + nth % 3);
    for run in &mut new {
        run.identity.cores = Some(8);
    }
    let mut comparison = compared(&side(8, 10, |_| 0), &new);
    comparison.forced = vec!["not the same machine: base 2 cores, new 8 cores".to_owned()];
    comparison
}
