use std::{collections::BTreeMap, time::Duration};

use super::{MetricKey, Rate, Snapshot, Trend};

/// Most tags a metric has.
const TAGS: usize = 3;

/// A metric with *all* its tags set: the finest grain that is recorded. Made of static text, so that
/// recording allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    name: &'static str,
    tags: [Option<(&'static str, &'static str)>; TAGS],
}

impl From<&'static str> for Series {
    fn from(name: &'static str) -> Self {
        Self {
            name,
            tags: [None; TAGS],
        }
    }
}

impl Series {
    pub(super) fn tagged<const N: usize>(
        name: &'static str,
        tags: [(&'static str, &'static str); N],
    ) -> Self {
        const { assert!(N <= TAGS, "no metric has more tags") };
        let mut series = Self::from(name);
        for (place, tag) in series.tags.iter_mut().zip(tags) {
            *place = Some(tag);
        }
        series
    }

    /// The keys this series counts for: the whole metric, and every selection of its tags.
    fn keys(self) -> impl Iterator<Item = MetricKey> {
        let tags: Vec<_> = self.tags.into_iter().flatten().collect();
        (0..1_u32 << tags.len()).map(move |chosen| {
            tags.iter()
                .enumerate()
                .filter(|(bit, _)| chosen & 1 << bit != 0)
                .fold(MetricKey::new(self.name), |key, (_, (tag, value))| {
                    key.with(tag, value)
                })
        })
    }
}

/// All that was counted so far, at the finest grain; sums are made when a snapshot is asked for. Its size
/// is bounded by the catalogue, not by the length of the run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    trends: BTreeMap<Series, Trend>,
    rates: BTreeMap<Series, Rate>,
    counters: BTreeMap<Series, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, series: impl Into<Series>) {
        self.add(series, 1);
    }

    pub(super) fn add(&mut self, series: impl Into<Series>, more: u64) {
        *self.counters.entry(series.into()).or_default() += more;
    }

    pub(super) fn took(&mut self, series: impl Into<Series>, took: Duration) {
        self.trends.entry(series.into()).or_default().record(took);
    }

    /// Adds a failure, which is infinitely long.
    pub(super) fn failed(&mut self, series: impl Into<Series>) {
        self.trends.entry(series.into()).or_default().record_failure();
    }

    /// Adds a case to a rate.
    pub(super) fn case(&mut self, series: impl Into<Series>, hit: bool) {
        let rate = self.rates.entry(series.into()).or_default();
        rate.hits += u64::from(hit);
        rate.total += 1;
    }

    /// The count of one series.
    pub(super) fn counted(&self, series: impl Into<Series>) -> u64 {
        self.counters.get(&series.into()).copied().unwrap_or_default()
    }

    /// The hits of all rates together.
    pub(super) fn hits(&self) -> u64 {
        self.rates.values().map(|rate| rate.hits).sum()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for (series, trend) in &self.trends {
            for key in series.keys() {
                sum.trends.entry(key).or_default().merge(trend);
            }
        }
        for (series, rate) in &self.rates {
            for key in series.keys() {
                let all = sum.rates.entry(key).or_default();
                all.hits += rate.hits;
                all.total += rate.total;
            }
        }
        for (series, count) in &self.counters {
            for key in series.keys() {
                *sum.counters.entry(key).or_default() += count;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_sample_counts_for_the_whole_metric_and_for_every_selection_of_tags() {
        let mut tally = Tally::default();
        let series = |glare, pair| Series::tagged("connect_ms", [("glare", glare), ("pair", pair)]);
        tally.took(series("yes", "host"), Duration::from_millis(1));
        tally.took(series("no", "host"), Duration::from_millis(2));
        tally.failed(series("no", "relay"));

        let seen: Vec<_> = tally
            .snapshot()
            .trends
            .iter()
            .map(|(key, trend)| format!("{key} {}", trend.count()))
            .collect();
        assert_eq!(
            seen,
            [
                "connect_ms 3",
                "connect_ms{glare:no} 2",
                "connect_ms{glare:no,pair:host} 1",
                "connect_ms{glare:no,pair:relay} 1",
                "connect_ms{glare:yes} 1",
                "connect_ms{glare:yes,pair:host} 1",
                "connect_ms{pair:host} 2",
                "connect_ms{pair:relay} 1",
            ]
        );
    }
}
