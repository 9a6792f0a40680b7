use std::{fmt, time::Duration};

use crate::{
    base::show_duration,
    metrics::{Kind, Metric, MetricKey, Snapshot, Trend},
};

use super::{Window, threshold_error::ThresholdError, threshold_text};

/// A condition on one figure of a run, in k6's words.
///
/// ```text
/// selector    = metric [ "{" tag ":" value { "," tag ":" value } "}" ]
/// expression  = aggregation comparison number
/// aggregation = "p(" number ")" | "min" | "max" | "avg" | "med"              of a trend
///             | "ok_p(" number ")" | "ok_max" | "ok_avg" | "ok_med"          of a trend's successes
///             | "rate"                                                       of a rate
///             | "count"                                                      of a counter
/// comparison  = "<" | "<=" | ">" | ">=" | "==" | "!="
/// number      = digits [ "." digits ] [ "e" [ "+" | "-" ] digits ]
/// ```
///
/// Space is allowed between any two of these words. Trends are in ms, rates are shares from 0 to 1, and
/// a percentile lies from 0 to 100. Figures of trends are exact to three digits, as their histograms are.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    metric: &'static Metric,
    key: MetricKey,
    aggregation: Aggregation,
    comparison: Comparison,
    limit: f64,
    window: Option<Duration>,
}

/// Which figure of a metric is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// The percentile (0 to 100) of all samples, failures as infinity.
    Percentile(f64),
    /// The shortest success.
    Min,
    /// The longest sample, failures as infinity.
    Max,
    /// The mean of all samples, failures as infinity.
    Avg,
    /// The median of all samples, failures as infinity.
    Med,
    /// The percentile (0 to 100) of the successes.
    OkPercentile(f64),
    /// The longest success.
    OkMax,
    /// The mean of the successes.
    OkAvg,
    /// The median of the successes.
    OkMed,
    /// The share of hits, 0 to 1.
    Rate,
    /// The count; 0 if nothing was ever counted.
    Count,
}

/// How a figure is compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// What a run says to a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The figure, in the metric's unit; infinite where it falls on a failure; `None` without samples.
    pub actual: Option<f64>,
    /// What follows.
    pub status: ThresholdStatus,
    /// The window that has this figure, the worst one, where the threshold is judged by windows.
    pub window: Option<Window>,
}

/// Whether a threshold holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdStatus {
    Passed,
    Failed,
    /// There was nothing to measure, which is no success: the run is invalid.
    NoSamples,
}

/// A threshold and what a run said to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdResult {
    pub threshold: Threshold,
    pub outcome: Outcome,
}

impl Threshold {
    /// Reads `selector` (the key under `thresholds:`) and `expression` (one of its list).
    pub fn parse(selector: &str, expression: &str) -> Result<Self, ThresholdError> {
        let (metric, key) = threshold_text::selector(selector)?;
        let (aggregation, comparison, limit) = threshold_text::expression(expression, metric)?;
        Ok(Self {
            metric,
            key,
            aggregation,
            comparison,
            limit,
            window: None,
        })
    }

    /// The same condition, in each window of that length; `None`: over the whole run.
    pub fn in_windows(self, window: Option<Duration>) -> Self {
        Self { window, ..self }
    }

    /// The length of the windows that it has to hold in.
    pub fn window(&self) -> Option<Duration> {
        self.window
    }

    /// The expressions that there are for metrics of this kind, as a regular expression (ECMA-262) for a whole
    /// text. It knows words, not figures: a percentile over 100 matches.
    pub fn pattern(kind: Kind) -> String {
        threshold_text::pattern(kind)
    }

    /// The metric it is about.
    pub fn metric(&self) -> &'static Metric {
        self.metric
    }

    /// The metric with the tags that narrow it down.
    pub fn selector(&self) -> &MetricKey {
        &self.key
    }

    /// The condition alone, `p(95)<2000`.
    pub fn expression(&self) -> String {
        format!("{}{}{}", self.aggregation, self.comparison, self.limit)
    }

    /// Which figure is compared.
    pub(super) fn aggregation(&self) -> Aggregation {
        self.aggregation
    }

    /// How it is compared.
    pub(super) fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// What the figure is compared with, in the metric's unit.
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// Compares the figure of a whole run with the limit.
    pub fn evaluate(&self, snapshot: &Snapshot) -> Outcome {
        let actual = self.actual(snapshot);
        Outcome {
            actual,
            status: self.status(actual),
            window: None,
        }
    }

    /// What follows from a figure.
    pub(super) fn status(&self, actual: Option<f64>) -> ThresholdStatus {
        match actual.map(|actual| self.comparison.holds(actual, self.limit)) {
            Some(true) => ThresholdStatus::Passed,
            Some(false) => ThresholdStatus::Failed,
            None => ThresholdStatus::NoSamples,
        }
    }

    /// [`evaluate`](Self::evaluate), kept with the threshold.
    pub fn judge(self, snapshot: &Snapshot) -> ThresholdResult {
        ThresholdResult {
            outcome: self.evaluate(snapshot),
            threshold: self,
        }
    }

    fn actual(&self, snapshot: &Snapshot) -> Option<f64> {
        match self.metric.kind {
            Kind::Trend => self.aggregation.of(snapshot.trends.get(&self.key)?),
            Kind::Rate => snapshot.rates.get(&self.key)?.value(),
            Kind::Counter => Some(snapshot.counters.get(&self.key).copied().unwrap_or_default() as f64),
        }
    }
}

impl Aggregation {
    /// The kind of metric that has this figure.
    pub fn kind(self) -> Kind {
        match self {
            Self::Rate => Kind::Rate,
            Self::Count => Kind::Counter,
            _ => Kind::Trend,
        }
    }

    pub(super) fn of(self, trend: &Trend) -> Option<f64> {
        let ok = trend.successes();
        let over_ok = |micros: f64| (!ok.is_empty()).then_some(micros / 1_000.0);
        match self {
            Self::Percentile(percent) => trend.quantile_ms(percent / 100.0),
            Self::Min => trend.min_ms(),
            Self::Max => trend.max_ms(),
            Self::Avg => trend.mean_ms(),
            Self::Med => trend.quantile_ms(0.5),
            Self::OkPercentile(percent) => trend.ok_quantile_ms(percent / 100.0),
            Self::OkMax => over_ok(ok.max() as f64),
            Self::OkAvg => over_ok(ok.mean()),
            Self::OkMed => trend.ok_quantile_ms(0.5),
            Self::Rate | Self::Count => None,
        }
    }
}

impl Comparison {
    /// Whether `figure` is further from holding, or closer to failing, than `other`.
    pub(super) fn is_worse(self, figure: f64, other: f64, limit: f64) -> bool {
        let off = |figure: f64| (figure - limit).abs();
        match self {
            Self::Less | Self::LessOrEqual => figure > other,
            Self::Greater | Self::GreaterOrEqual => figure < other,
            Self::Equal => off(figure) > off(other),
            Self::NotEqual => off(figure) < off(other),
        }
    }

    fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Self::Less => actual < limit,
            Self::LessOrEqual => actual <= limit,
            Self::Greater => actual > limit,
            Self::GreaterOrEqual => actual >= limit,
            Self::Equal => actual == limit,
            Self::NotEqual => actual != limit,
        }
    }
}

impl fmt::Display for Threshold {
    /// `connect_ms{glare:yes}: p(95)<2000`, or `connect_ms: p(95)<2000 in every 10s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.expression())?;
        match self.window {
            Some(window) => write!(f, " in every {}", show_duration(window)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p({percent})"),
            Self::OkPercentile(percent) => write!(f, "ok_p({percent})"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Avg => f.write_str("avg"),
            Self::Med => f.write_str("med"),
            Self::OkMax => f.write_str("ok_max"),
            Self::OkAvg => f.write_str("ok_avg"),
            Self::OkMed => f.write_str("ok_med"),
            Self::Rate => f.write_str("rate"),
            Self::Count => f.write_str("count"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::metrics::Rate;

    use super::*;

    fn snapshot() -> Snapshot {
        let mut all = Trend::default();
        for ms in 1..=19 {
            all.record(Duration::from_millis(ms * 10));
        }
        all.record_failure();
        let mut failures = Trend::default();
        failures.record_failure();
        let mut snapshot = Snapshot::default();
        snapshot.trends.insert(MetricKey::new("connect_ms"), all);
        snapshot.trends.insert(
            MetricKey::new("connect_ms")
                .with("glare", "yes")
                .with("pair", "relay"),
            failures,
        );
        let rate = Rate { hits: 1, total: 20 };
        snapshot.rates.insert(MetricKey::new("connect_failed"), rate);
        snapshot.counters.insert(MetricKey::new("messages_sent"), 3);
        snapshot
    }

    #[track_caller]
    fn check(selector: &str, expression: &str, status: ThresholdStatus) {
        let threshold = Threshold::parse(selector, expression).expect("a threshold");
        let outcome = threshold.evaluate(&snapshot());
        assert_eq!(outcome.status, status, "{threshold} was {:?}", outcome.actual);
    }

    #[test]
    fn failures_are_over_every_limit_but_not_in_min_and_the_ok_twins() {
        use ThresholdStatus::{Failed, Passed};
        check("connect_ms", "p(95)<191", Passed);
        check("connect_ms", "p(95)<190", Failed);
        check("connect_ms", "p(96)<1e300", Failed);
        check("connect_ms", "max<1e300", Failed);
        check("connect_ms", "avg<1e300", Failed);
        check("connect_ms", "med<101", Passed);
        check("connect_ms", "min>=9.9", Passed);
        check("connect_ms", "ok_max<191", Passed);
        check("connect_ms", "ok_p(100)<191", Passed);
        check("connect_ms", "ok_p(100)<190", Failed);
        check("connect_ms", "ok_avg<101", Passed);
        check("connect_ms", "ok_avg<99", Failed);
        check("connect_ms", "ok_med<=101", Passed);
    }

    #[test]
    fn every_comparison_compares() {
        use ThresholdStatus::{Failed, Passed};
        for (expression, status) in [
            ("rate<0.05", Failed),
            ("rate<=0.05", Passed),
            ("rate>0.05", Failed),
            ("rate>=0.05", Passed),
            ("rate==0.05", Passed),
            ("rate!=0.05", Failed),
        ] {
            check("connect_failed", expression, status);
        }
    }

    #[test]
    fn of_two_figures_the_one_that_holds_less_is_worse() {
        for (comparison, worse, better) in [
            (Comparison::Less, 3.0, 2.0),
            (Comparison::LessOrEqual, f64::INFINITY, 2.0),
            (Comparison::Greater, 2.0, 3.0),
            (Comparison::GreaterOrEqual, 2.0, f64::INFINITY),
            (Comparison::Equal, 1.0, 6.0),
            (Comparison::NotEqual, 5.0, 4.0),
        ] {
            assert!(comparison.is_worse(worse, better, 5.0), "{comparison}");
            assert!(!comparison.is_worse(better, worse, 5.0), "{comparison}");
            assert!(
                !comparison.is_worse(worse, worse, 5.0),
                "{comparison}: the first one stays"
            );
        }
    }

    #[test]
    fn nothing_measured_is_no_pass_but_nothing_counted_is_zero() {
        use ThresholdStatus::{Failed, NoSamples, Passed};
        check("reconnect_ms", "p(95)<3000", NoSamples);
        check("reconnect_failed", "rate<0.01", NoSamples);
        check("connect_ms{glare:no}", "max<1", NoSamples);
        check("connect_ms{pair:relay,glare:yes}", "med>1e9", Passed);
        check("connect_ms{pair:relay,glare:yes}", "min<1", NoSamples);
        check("connect_ms{pair:relay,glare:yes}", "ok_med<1", NoSamples);
        check("messages_lost", "count==0", Passed);
        check("messages_sent", "count>=3", Passed);
        check("messages_sent", "count>3", Failed);
    }
}
