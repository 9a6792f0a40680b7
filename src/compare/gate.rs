use std::{collections::BTreeSet, fmt};

use crate::{
    metrics::{Kind, Metric, MetricKey},
    verdict::{Threshold, ThresholdPart},
};

/// The metrics that are compared if nobody names others: what those who call one another feel. Every further
/// one makes it harder to be sure of any.
pub const DEFAULT_METRICS: [&str; 6] = [
    "connect_ms",
    "reconnect_ms",
    "message_ms",
    "connect_failed",
    "reconnect_failed",
    "message_failed",
];

/// One figure of a metric, by which two sides are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate {
    /// The metric, with its tags.
    pub key: MetricKey,
    /// Which figure of it.
    pub figure: Figure,
}

/// The figures that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Median.
    P50,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// The share of hits, which are failures in every rate there is.
    Rate,
}

impl Figure {
    /// The percentiles that are compared of every trend.
    pub const PERCENTILES: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// As it is printed: `p95`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Rate => "rate",
        }
    }

    /// 0.95 for p95; `None` for a rate.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::Rate => None,
        }
    }

    /// Samples that all runs of a side must have together: ten that lie beyond the percentile.
    pub fn samples_needed(self) -> u64 {
        match self {
            Self::P50 => 20,
            Self::P95 => 200,
            Self::P99 => 1_000,
            Self::Rate => 1,
        }
    }
}

impl Gate {
    /// Whether it is about a trend or a rate.
    pub fn kind(&self) -> Kind {
        match self.figure {
            Figure::Rate => Kind::Rate,
            _ => Kind::Trend,
        }
    }

    /// Reads `connect_ms` or `reconnect_ms{path:rejoin}`, of trends and rates.
    pub fn selector(text: &str) -> Result<MetricKey, String> {
        let mut outcome = Threshold::parse(text, "med<0");
        if outcome
            .as_ref()
            .is_err_and(|error| error.part != ThresholdPart::Selector)
        {
            outcome = Threshold::parse(text, "rate<0");
        }
        match outcome {
            Ok(threshold) => Ok(threshold.selector().clone()),
            Err(error) if error.part == ThresholdPart::Selector => {
                Err([Some(error.to_string()), error.help()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "))
            }
            Err(_) => Err(format!(
                "`{text}` is a counter: only durations and rates can be compared"
            )),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.figure.name())
    }
}

/// Which metrics are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates {
    keys: BTreeSet<MetricKey>,
    all: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            keys: DEFAULT_METRICS.into_iter().map(MetricKey::new).collect(),
            all: false,
        }
    }
}

impl Gates {
    /// Those that are named, and no others; `all` is every metric as a whole.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut gates = Self {
            keys: BTreeSet::new(),
            all: false,
        };
        for name in names {
            match name {
                "all" => gates.all = true,
                name => _ = gates.keys.insert(Gate::selector(name)?),
            }
        }
        Ok(gates)
    }

    /// That one, too.
    pub fn add(&mut self, key: MetricKey) {
        self.keys.insert(key);
    }

    /// Their figures, in the order of the metrics' names.
    pub fn gates(&self) -> Vec<Gate> {
        let mut keys = self.keys.clone();
        if self.all {
            let kept = |metric: &&Metric| metric.kind != Kind::Counter;
            let every = crate::metrics::CATALOGUE.iter().filter(kept);
            keys.extend(every.map(|metric| MetricKey::new(metric.name)));
        }
        keys.iter().flat_map(of).collect()
    }
}

fn of(key: &MetricKey) -> Vec<Gate> {
    let figures: &[Figure] = match Metric::named(&key.name).map(|metric| metric.kind) {
        Some(Kind::Trend) => &Figure::PERCENTILES,
        Some(Kind::Rate) => &[Figure::Rate],
        _ => &[],
    };
    let gate = |figure: &Figure| Gate {
        key: key.clone(),
        figure: *figure,
    };
    figures.iter().map(gate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_has_three_figures_and_a_rate_one() {
        let shown = |gates: &Gates| -> Vec<String> { gates.gates().iter().map(Gate::to_string).collect() };
        assert_eq!(shown(&Gates::default()).len(), 12);
        let named = Gates::named(["reconnect_ms{path:rejoin}", "connect_failed"]).expect("they are metrics");
        assert_eq!(
            shown(&named),
            [
                "connect_failed rate",
                "reconnect_ms{path:rejoin} p50",
                "reconnect_ms{path:rejoin} p95",
                "reconnect_ms{path:rejoin} p99",
            ]
        );
        let all = Gates::named(["all"]).expect("a word of ours");
        assert!(shown(&all).contains(&"generator_lag_ms p99".to_owned()));
        assert!(!shown(&all).iter().any(|gate| gate.starts_with("messages_sent")));
    }

    #[test]
    fn the_default_metrics_exist_and_what_is_none_is_told() {
        for name in DEFAULT_METRICS {
            assert!(Gate::selector(name).is_ok(), "{name}");
        }
        for name in ["conect_ms", "messages_sent", "connect_ms{colour:red}", ""] {
            assert!(Gates::named([name]).is_err(), "{name}");
        }
    }
}
