use std::{collections::BTreeMap, fmt};

use super::{Outage, OutageKey, Trend};

/// What a set of samples belongs to: a metric's name, and the tags that narrow it down (none for the
/// whole metric). Shown as `reconnect_ms{cause:rejoin,path:rejoin}`; tags are in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricKey {
    /// The metric's name, unit last.
    pub name: String,
    /// Tag name → value.
    pub tags: BTreeMap<String, String>,
}

impl MetricKey {
    /// The whole metric.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tags: BTreeMap::new(),
        }
    }

    /// The same narrowed by one more tag.
    pub fn with(mut self, tag: &str, value: &str) -> Self {
        self.tags.insert(tag.to_owned(), value.to_owned());
        self
    }
}

impl fmt::Display for MetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.tags.is_empty() {
            return Ok(());
        }
        let tags: Vec<_> = self.tags.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        write!(f, "{{{}}}", tags.join(","))
    }
}

/// How often something that could fail did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Cases in which it happened (for `connect_failed`: failures).
    pub hits: u64,
    /// All cases.
    pub total: u64,
}

impl Rate {
    /// Adds a case.
    pub fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.total += 1;
    }

    /// `hits / total`; `None` over no case.
    pub fn value(self) -> Option<f64> {
        (self.total > 0).then(|| self.hits as f64 / self.total as f64)
    }
}

/// All figures of a run, or of a part of it: snapshots of parts add up to the snapshot of the whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Durations (`connect_ms`, …), whole and by tag. A metric without samples is absent.
    pub trends: BTreeMap<MetricKey, Trend>,
    /// Rates (`connect_failed`, …), whole and by tag. A rate over no case is absent.
    pub rates: BTreeMap<MetricKey, Rate>,
    /// Plain counts (`messages_sent`, …).
    pub counters: BTreeMap<MetricKey, u64>,
    /// What faults came to, by their cause and planned length.
    pub outages: BTreeMap<OutageKey, Outage>,
}

impl Snapshot {
    /// Adds all of `other`. Associative and commutative.
    pub fn merge(&mut self, other: &Self) {
        for (key, trend) in &other.trends {
            self.trends.entry(key.clone()).or_default().merge(trend);
        }
        for (key, rate) in &other.rates {
            let sum = self.rates.entry(key.clone()).or_default();
            sum.hits += rate.hits;
            sum.total += rate.total;
        }
        for (key, count) in &other.counters {
            *self.counters.entry(key.clone()).or_default() += count;
        }
        for (key, outage) in &other.outages {
            self.outages.entry(*key).or_default().merge(outage);
        }
    }
}
