//! What monitoring is told of runs: families of figures, each with its name, unit and meaning. Prometheus and OTLP
//! are two spellings of them.

use std::collections::BTreeMap;

use super::RunReport;
use crate::metrics::{CATALOGUE, Kind, Metric, MetricKey, Trend};

/// The upper edges of the buckets that distributions are told in, in µs. 30 s is where most waits end.
pub(super) const EDGES_MICROS: [u64; 20] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    15_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

/// Figures of one name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    /// Without prefix, unit and suffix: `connect`, `messages_sent`.
    pub name: String,
    /// What it means, one sentence.
    pub help: String,
    pub unit: Unit,
    pub of: Shape,
    pub points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whole things.
    None,
    Seconds,
    Bytes,
    /// 1 is all of it, or one core.
    Ratio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Only grows.
    Counter,
    Gauge,
    Distribution,
}

/// A figure with its labels, which begin with `scenario` and `world`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub labels: Vec<(String, String)>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Count(u64),
    Gauge(f64),
    Distribution(Box<Distribution>),
}

/// Durations, of which the failed ones are infinite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    /// Samples up to each of [`EDGES_MICROS`], successes all.
    pub up_to: [u64; EDGES_MICROS.len()],
    /// Successes and failures.
    pub count: u64,
    pub failed: u64,
    /// Of the successes: with one failure it would be infinite for good.
    pub sum_seconds: f64,
    pub min_seconds: Option<f64>,
    /// `None` also if one failed.
    pub max_seconds: Option<f64>,
    pub exponential: Exponential,
}

/// A distribution in buckets that grow by a factor of 2^(1/8): bucket `i` ends at 2^(i/8) s, included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Exponential {
    pub zeros: u64,
    /// Counts by `i`; those that are empty are left out.
    pub buckets: BTreeMap<i32, u64>,
}

impl Exponential {
    /// As Prometheus counts them: 2^3 buckets for each doubling.
    pub const SCHEMA: i32 = 3;
    /// Where Prometheus counts what is infinite: above the largest number that there is.
    pub const INFINITE: i32 = (1024 << Self::SCHEMA) + 1;

    fn add(&mut self, micros: u64, count: u64) {
        if micros == 0 {
            self.zeros += count;
            return;
        }
        let seconds = micros as f64 / 1e6;
        let index = (seconds.log2() * f64::from(1 << Self::SCHEMA)).ceil() as i32;
        *self.buckets.entry(index).or_default() += count;
    }
}

impl Distribution {
    pub fn of(trend: &Trend) -> Self {
        let ok = trend.successes();
        let mut told = Self {
            up_to: [0; EDGES_MICROS.len()],
            count: trend.count(),
            failed: trend.failed(),
            sum_seconds: 0.0,
            min_seconds: trend.min_ms().map(|ms| ms / 1e3),
            max_seconds: trend.max_ms().filter(|ms| ms.is_finite()).map(|ms| ms / 1e3),
            exponential: Exponential::default(),
        };
        let mut sum_micros = 0;
        for step in ok.iter_recorded() {
            // A sample is kept to three digits: which side of an edge it is on is right to a thousandth of it.
            let (value, count) = (
                ok.lowest_equivalent(step.value_iterated_to()),
                step.count_at_value(),
            );
            if let Some(first) = told
                .up_to
                .get_mut(EDGES_MICROS.partition_point(|edge| *edge < value))
            {
                *first += count;
            }
            sum_micros += ok.median_equivalent(value).saturating_mul(count);
            told.exponential.add(value, count);
        }
        told.sum_seconds = sum_micros as f64 / 1e6;
        for edge in 1..told.up_to.len() {
            told.up_to[edge] += told.up_to[edge - 1];
        }
        told
    }
}

impl Unit {
    /// As names in Prometheus end.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "_seconds",
            Self::Bytes => "_bytes",
            Self::Ratio => "_ratio",
        }
    }

    /// As the Unified Code for Units of Measure has it, which OTLP wants.
    pub fn ucum(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "s",
            Self::Bytes => "By",
            Self::Ratio => "1",
        }
    }
}

impl Family {
    fn new(name: &str, unit: Unit, of: Shape, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            help: help.to_owned(),
            unit,
            of,
            points: Vec::new(),
        }
    }
}

/// All that is told of `runs`, which differ in scenario or world. Every family of the catalogue is there, what has no
/// tags also while it is zero.
pub(super) fn families(runs: &[&RunReport]) -> Vec<Family> {
    let mut all = state(runs);
    for metric in CATALOGUE {
        match metric.kind {
            Kind::Trend => all.extend(trend(metric, runs)),
            Kind::Rate => all.extend(rate(metric, runs)),
            Kind::Counter => all.push(counter(metric, runs)),
        }
    }
    all
}

fn trend(metric: &'static Metric, runs: &[&RunReport]) -> Vec<Family> {
    let stem = metric.name.trim_end_matches("_ms");
    let mut took = Family::new(stem, Unit::Seconds, Shape::Distribution, metric.definition);
    let failed = format!("{stem}_failed");
    let help = format!("Those of `{stem}` that failed, and are infinitely long there.");
    let mut failures = Family::new(&failed, Unit::None, Shape::Counter, &help);
    let nothing = Trend::default();
    for run in runs {
        for (labels, trend) in series(run, metric, &run.metrics.trends, &nothing) {
            failures.points.push(Point {
                labels: labels.clone(),
                value: Value::Count(trend.failed()),
            });
            took.points.push(Point {
                labels,
                value: Value::Distribution(Box::new(Distribution::of(trend))),
            });
        }
    }
    // A rate of that name counts the same failures; a step that is late is late, and does not fail.
    if Metric::named(&failed).is_some() || stem == "generator_lag" {
        return vec![took];
    }
    vec![took, failures]
}

fn rate(metric: &'static Metric, runs: &[&RunReport]) -> [Family; 2] {
    let stem = metric.name.trim_end_matches("_failed");
    let told = format!("Failures. {}", metric.definition);
    let mut hits = Family::new(metric.name, Unit::None, Shape::Counter, &told);
    let help = format!("All cases of which `{}` counts those that failed.", metric.name);
    let mut cases = Family::new(&format!("{stem}_cases"), Unit::None, Shape::Counter, &help);
    let nothing = crate::metrics::Rate::default();
    for run in runs {
        for (labels, rate) in series(run, metric, &run.metrics.rates, &nothing) {
            hits.points.push(Point {
                labels: labels.clone(),
                value: Value::Count(rate.hits),
            });
            cases.points.push(Point {
                labels,
                value: Value::Count(rate.total),
            });
        }
    }
    [hits, cases]
}

fn counter(metric: &'static Metric, runs: &[&RunReport]) -> Family {
    let mut family = Family::new(metric.name, Unit::None, Shape::Counter, metric.definition);
    for run in runs {
        let counts = series(run, metric, &run.metrics.counters, &0);
        family.points.extend(counts.map(|(labels, count)| Point {
            labels,
            value: Value::Count(*count),
        }));
    }
    family
}

/// The series of a metric at their finest grain, so that their sum is the whole; of one without tags its zero.
fn series<'a, T>(
    run: &'a RunReport,
    metric: &'static Metric,
    all: &'a BTreeMap<MetricKey, T>,
    zero: &'a T,
) -> impl Iterator<Item = (Vec<(String, String)>, &'a T)> {
    let from = MetricKey::new(metric.name);
    let untold = (metric.tags.is_empty() && !all.contains_key(&from)).then(|| (labels(run), zero));
    all.range(from..)
        .take_while(|(key, _)| key.name == metric.name)
        .filter(|(key, _)| key.tags.len() == metric.tags.len())
        .map(|(key, value)| {
            let mut labels = labels(run);
            labels.extend(key.tags.iter().map(|(tag, value)| (tag.clone(), value.clone())));
            (labels, value)
        })
        .chain(untold)
}

fn labels(run: &RunReport) -> Vec<(String, String)> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![label("scenario", &run.scenario.name), label("world", &run.world)]
}

/// How things stand.
fn state(runs: &[&RunReport]) -> Vec<Family> {
    let last = |run: &RunReport| run.timeline.slices.last().copied().unwrap_or_default();
    let newest = |run: &RunReport, of: fn(&crate::metrics::Slice) -> Option<f64>| {
        run.timeline.slices.iter().rev().find_map(of)
    };
    type Figure<'a> = &'a dyn Fn(&RunReport) -> Option<f64>;
    let gauges: [(&str, Unit, &str, Figure<'_>); 6] = [
        (
            "run_duration",
            Unit::Seconds,
            "How long the run has taken, by its own clock: virtual in a simulation.",
            &|run| Some(run.duration_ms / 1e3),
        ),
        (
            "peers_joined",
            Unit::None,
            "Peers that are confirmed members now.",
            &|run| Some(f64::from(last(run).peers_joined)),
        ),
        (
            "links_open",
            Unit::None,
            "Pairs of peers whose both ends have an open channel now.",
            &|run| Some(f64::from(last(run).links_open)),
        ),
        (
            "thresholds_failed",
            Unit::None,
            "Thresholds of the scenario that do not hold now; the verdict is by those that do not in the end.",
            &|run| {
                let failed = run.thresholds.iter();
                let failed = failed.filter(|line| line.status == super::ThresholdStatus::Failed);
                Some(failed.count() as f64)
            },
        ),
        (
            "generator_cpu",
            Unit::Ratio,
            "The generator's own use of processor time in the newest second that was looked at; 1 is one core.",
            &|run| newest(run, |slice| slice.cpu_percent).map(|percent| percent / 100.0),
        ),
        (
            "generator_resident_memory",
            Unit::Bytes,
            "The generator's resident memory.",
            &|run| newest(run, |slice| slice.rss_bytes.map(|bytes| bytes as f64)),
        ),
    ];
    let mut all: Vec<Family> = gauges
        .into_iter()
        .map(|(name, unit, help, figure)| {
            let mut family = Family::new(name, unit, Shape::Gauge, help);
            for run in runs {
                family.points.extend(figure(run).map(|value| Point {
                    labels: labels(run),
                    value: Value::Gauge(value),
                }));
            }
            family
        })
        .collect();
    let mut info = Family::new(
        "run_info",
        Unit::None,
        Shape::Gauge,
        "Always 1; its labels tell the version, the seed and the verdict, which is RUNNING until there is one.",
    );
    let mut failures = Family::new(
        "failures",
        Unit::None,
        Shape::Counter,
        "Failures that were told: joins, waits, links that did not recover, refused operations, …",
    );
    for run in runs {
        let mut told = labels(run);
        told.extend([
            ("version".to_owned(), run.version.clone()),
            ("seed".to_owned(), run.scenario.seed.to_string()),
            ("verdict".to_owned(), run.verdict.word.as_str().to_owned()),
        ]);
        info.points.push(Point {
            labels: told,
            value: Value::Gauge(1.0),
        });
        failures.points.push(Point {
            labels: labels(run),
            value: Value::Count(run.failures.len() as u64 + run.more_failures),
        });
    }
    all.extend([info, failures]);
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn trend(ok_micros: &[u64], failed: u64) -> Trend {
        let mut trend = Trend::default();
        for micros in ok_micros {
            trend.record(Duration::from_micros(*micros));
        }
        (0..failed).for_each(|_| trend.record_failure());
        trend
    }

    #[test]
    fn edges_count_what_is_exactly_as_long_and_failures_are_above_them_all() {
        let told = Distribution::of(&trend(&[0, 1_000, 1_001, 30_000_000, 400_000_000], 2));
        let at = |edge: u64| told.up_to[EDGES_MICROS.iter().position(|e| *e == edge).expect("an edge")];
        assert_eq!(
            (at(500), at(1_000), at(2_500), at(30_000_000), at(300_000_000)),
            (1, 2, 3, 4, 4)
        );
        assert_eq!((told.count, told.failed), (7, 2));
        assert_eq!(told.max_seconds, None);
        assert_eq!(told.exponential.zeros, 1);
        assert!((told.sum_seconds - 430.002).abs() < 0.5, "{}", told.sum_seconds);
    }

    #[test]
    fn an_exponential_bucket_holds_what_is_not_above_its_end() {
        // 1 s is the end of bucket 0, and two doublings are 16 buckets.
        let told = Distribution::of(&trend(&[1_000_000, 1_000_000, 3_900_000, 250_000], 1)).exponential;
        assert_eq!(told.buckets, BTreeMap::from([(-16, 1), (0, 2), (16, 1)]));
    }

    #[test]
    fn names_are_unique_and_the_finest_grain_adds_up_to_the_whole() {
        let run = super::super::samples::busy_run();
        let families = families(&[&run]);
        let mut names: Vec<_> = families.iter().map(|f| (&f.name, f.unit.suffix())).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        let told = families.iter().find(|family| family.name == "messages_sent");
        let told: Vec<_> = told.into_iter().flat_map(|family| &family.points).collect();
        let whole = run.metrics.counters[&MetricKey::new("messages_sent")];
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].value, Value::Count(whole));
        assert_eq!(
            told[0].labels[0],
            ("scenario".to_owned(), run.scenario.name.clone())
        );
    }
}
