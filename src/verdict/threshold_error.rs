use std::{fmt, ops::Range};

use thiserror::Error;

use crate::metrics::{CATALOGUE, Kind, Metric};

/// Longest name for which a similar one is looked up.
const SUGGEST_MAX: usize = 64;

/// Why a text is no threshold, and where.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{problem} (column {column} of the {part})")]
pub struct ThresholdError {
    /// Which of the two texts it is in.
    pub part: ThresholdPart,
    /// The bytes of that text that it is about; empty at the place where something is missing.
    pub span: Range<usize>,
    /// The character it begins with, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: ThresholdProblem,
}

impl ThresholdError {
    /// What would be right, if that can be told.
    pub fn help(&self) -> Option<String> {
        self.problem.help()
    }
}

/// The two texts of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdPart {
    /// `connect_ms{glare:yes}`.
    Selector,
    /// `p(95)<2000`.
    Expression,
}

impl fmt::Display for ThresholdPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Selector => "selector",
            Self::Expression => "expression",
        })
    }
}

/// What is wrong with the text of a threshold.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ThresholdProblem {
    #[error("unknown metric `{0}`")]
    UnknownMetric(String),
    #[error("`{}` has no tag `{tag}`", metric.name)]
    UnknownTag { metric: &'static Metric, tag: String },
    #[error("tag `{tag}` of `{}` is never `{value}`", metric.name)]
    UnknownValue {
        metric: &'static Metric,
        tag: String,
        value: String,
    },
    #[error("tag `{0}` is given twice")]
    RepeatedTag(String),
    #[error("unknown aggregation `{name}`")]
    UnknownAggregation { metric: &'static Metric, name: String },
    #[error("`{}` is a {} and has no `{aggregation}`", metric.name, metric.kind)]
    WrongAggregation {
        metric: &'static Metric,
        aggregation: String,
    },
    #[error("a percentile lies from 0 to 100")]
    PercentileOutOfRange,
    #[error("the number is too large")]
    NumberTooLarge,
    #[error("expected {expected}, found {found}")]
    Expected {
        expected: &'static str,
        /// A character in backticks, or `the end`.
        found: String,
    },
    #[error("`{0}` follows the end of the threshold")]
    Trailing(String),
}

impl ThresholdProblem {
    fn help(&self) -> Option<String> {
        match self {
            Self::UnknownMetric(name) => did_you_mean(name, CATALOGUE.iter().map(|metric| metric.name)),
            Self::UnknownTag { metric, .. } if metric.tags.is_empty() => {
                Some(format!("`{}` has no tags", metric.name))
            }
            Self::UnknownTag { metric, tag } => {
                let names = || metric.tags.iter().map(|tag| tag.name);
                did_you_mean(tag, names()).or_else(|| Some(format!("it has {}", list(names()))))
            }
            Self::UnknownValue { metric, tag, value } => {
                let values = || {
                    metric
                        .tag(tag)
                        .into_iter()
                        .flat_map(|tag| tag.values.iter().copied())
                };
                did_you_mean(value, values()).or_else(|| Some(format!("it is {}", list(values()))))
            }
            Self::UnknownAggregation { metric, name } => {
                let names = || aggregations(metric.kind).iter().copied();
                did_you_mean(name, names()).or_else(|| it_has(metric))
            }
            Self::WrongAggregation { metric, .. } => it_has(metric),
            Self::Trailing(text) => match text.as_str() {
                "ms" => Some("durations are in ms already; leave the unit out".to_owned()),
                "s" => Some("durations are in ms: 2s is 2000".to_owned()),
                "%" => Some("rates are shares from 0 to 1: 1% is 0.01".to_owned()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What can be asked of a metric of this kind; `95` stands for any percentile.
pub(super) fn aggregations(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Trend => &[
            "p(95)", "min", "max", "avg", "med", "ok_p(95)", "ok_max", "ok_avg", "ok_med",
        ],
        Kind::Rate => &["rate"],
        Kind::Counter => &["count"],
    }
}

fn it_has(metric: &Metric) -> Option<String> {
    let names = aggregations(metric.kind).iter().copied();
    Some(format!("`{}` has {}", metric.name, list(names)))
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn did_you_mean(name: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    if name.len() > SUGGEST_MAX {
        return None;
    }
    let near = known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()?;
    Some(format!("did you mean `{}`?", near.1))
}
