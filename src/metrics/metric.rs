use std::fmt;

use super::CATALOGUE;

/// A metric of the catalogue: what its figures mean, whoever prints them.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name; durations end in their unit.
    pub name: &'static str,
    /// What is kept of it, and so which aggregations it has.
    pub kind: Kind,
    /// What its figures are counted in.
    pub unit: Unit,
    /// Its one definition, one sentence.
    pub definition: &'static str,
    /// The tags that narrow it down, each with all its values.
    pub tags: &'static [Tag],
}

/// What is kept of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A distribution of durations, [`Trend`](super::Trend).
    Trend,
    /// A share of cases, [`Rate`](super::Rate).
    Rate,
    /// A plain count.
    Counter,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds, with fractions to the microsecond.
    Milliseconds,
    /// A share from 0 to 1.
    Share,
    /// Whole things.
    Count,
}

/// A tag and everything it can say.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: &'static str,
    /// All its values.
    pub values: &'static [&'static str],
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trend => "trend",
            Self::Rate => "rate",
            Self::Counter => "counter",
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::Share => "share",
            Self::Count => "count",
        })
    }
}

impl Metric {
    /// The metric of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|metric| metric.name == name)
    }

    /// This metric's tag of that name.
    pub fn tag(&self, name: &str) -> Option<&'static Tag> {
        self.tags.iter().find(|tag| tag.name == name)
    }
}

pub(super) const fn trend(name: &'static str, tags: &'static [Tag], definition: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Trend,
        unit: Unit::Milliseconds,
        definition,
        tags,
    }
}

pub(super) const fn rate(name: &'static str, tags: &'static [Tag], definition: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Rate,
        unit: Unit::Share,
        definition,
        tags,
    }
}

pub(super) const fn counter(name: &'static str, tags: &'static [Tag], definition: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit: Unit::Count,
        definition,
        tags,
    }
}

pub(super) const fn tag(name: &'static str, values: &'static [&'static str]) -> Tag {
    Tag { name, values }
}
