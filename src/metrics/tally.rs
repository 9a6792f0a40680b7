use std::{collections::BTreeMap, time::Duration};

use super::{
    MetricKey, Outage, OutageKey, OutageLength, Rate, Snapshot, Trend,
    watched::{Sample, SampleValue, Watched},
};
use crate::base::Instant;

/// Most tags a metric has.
const TAGS: usize = 3;
/// Rows of outages; what is of one more length goes into a row without.
const MAX_OUTAGES: usize = 256;

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

    /// Whether it counts for this key.
    pub(super) fn belongs_to(self, key: &MetricKey) -> bool {
        let has = |tag: &str, value: &str| self.tags.iter().flatten().any(|own| *own == (tag, value));
        self.name == key.name && key.tags.iter().all(|(tag, value)| has(tag, value))
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
///
/// Whatever is counted has an instant at which it began ([`Tally::at`]). What began in the warm-up is left out.
#[derive(Debug, Default)]
pub(super) struct Tally {
    warm_until: Instant,
    watched: Watched,
    /// First links and how many of them failed, those of the warm-up with them.
    links: Rate,
    trends: BTreeMap<Series, Trend>,
    rates: BTreeMap<Series, Rate>,
    counters: BTreeMap<Series, u64>,
    outages: BTreeMap<OutageKey, Outage>,
}

/// Takes what began at one instant.
pub(super) struct Began<'a> {
    tally: &'a mut Tally,
    at: Instant,
    /// It is none of the warm-up.
    counts: bool,
}

impl Began<'_> {
    pub(super) fn count(&mut self, series: impl Into<Series>) {
        self.add(series, 1);
    }

    pub(super) fn add(&mut self, series: impl Into<Series>, more: u64) {
        if self.counts {
            let series = series.into();
            self.see(series, SampleValue::Count(more));
            *self.tally.counters.entry(series).or_default() += more;
        }
    }

    pub(super) fn took(&mut self, series: impl Into<Series>, took: Duration) {
        self.took_each(series, took, 1);
    }

    /// Adds so many that took so long each.
    pub(super) fn took_each(&mut self, series: impl Into<Series>, took: Duration, count: u64) {
        if self.counts {
            let series = series.into();
            self.see(series, SampleValue::Took(took, count));
            let trend = self.tally.trends.entry(series).or_default();
            trend.record_each(took, count);
        }
    }

    /// Adds a failure, which is infinitely long.
    pub(super) fn failed(&mut self, series: impl Into<Series>) {
        if self.counts {
            let series = series.into();
            self.see(series, SampleValue::Failed);
            self.tally.trends.entry(series).or_default().record_failure();
        }
    }

    /// Adds a case to a rate.
    pub(super) fn case(&mut self, series: impl Into<Series>, hit: bool) {
        let series = series.into();
        if series.name == "connect_failed" {
            self.tally.links.add(hit);
        }
        if self.counts {
            self.see(series, SampleValue::Case(hit));
            self.tally.rates.entry(series).or_default().add(hit);
        }
    }

    /// Changes the figures of the outages of that cause and length.
    pub(super) fn outage(&mut self, key: OutageKey, change: impl FnOnce(&mut Outage)) {
        if self.counts {
            change(self.tally.outage(key));
        }
    }

    fn see(&mut self, series: Series, value: SampleValue) {
        self.tally.watched.see(series, self.at, value);
    }
}

impl Tally {
    /// Nothing yet; what begins before `warm_until` will not count.
    pub(super) fn new(warm_until: Instant) -> Self {
        Self {
            warm_until,
            ..Self::default()
        }
    }

    /// For what began then.
    pub(super) fn at(&mut self, began: Instant) -> Began<'_> {
        Began {
            counts: began >= self.warm_until,
            at: began,
            tally: self,
        }
    }

    /// For what is about the run itself: it counts in the warm-up, too.
    pub(super) fn of_the_run(&mut self, at: Instant) -> Began<'_> {
        Began {
            counts: true,
            at,
            tally: self,
        }
    }

    /// Gathers the samples of these one by one from here on, for [`Tally::samples`].
    pub(super) fn watch(&mut self, keys: Vec<MetricKey>) {
        self.watched = Watched::new(keys);
    }

    /// The samples of what is watched since this was last asked.
    pub(super) fn samples(&mut self) -> Vec<Sample> {
        self.watched.take()
    }

    /// First links and how many of them failed, those of the warm-up with them.
    pub(super) fn links(&self) -> Rate {
        self.links
    }

    /// The count of one series.
    pub(super) fn counted(&self, series: impl Into<Series>) -> u64 {
        self.counters.get(&series.into()).copied().unwrap_or_default()
    }

    /// The figures of the outages of that cause and length.
    fn outage(&mut self, key: OutageKey) -> &mut Outage {
        let has_row = self.outages.len() < MAX_OUTAGES || self.outages.contains_key(&key);
        let length = if has_row { key.length } else { OutageLength::Other };
        self.outages.entry(OutageKey { length, ..key }).or_default()
    }

    /// The hits of all rates together; what fails in an outage is among those of `message_failed`.
    pub(super) fn hits(&self) -> u64 {
        let apart = |series: &Series| series.name != "outage_message_failed";
        let rates = self.rates.iter().filter(|(series, _)| apart(series));
        rates.map(|(_, rate)| rate.hits).sum()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot {
            outages: self.outages.clone(),
            ..Snapshot::default()
        };
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
        let mut now = tally.at(Instant::START);
        now.took(series("yes", "host"), Duration::from_millis(1));
        now.took(series("no", "host"), Duration::from_millis(2));
        now.failed(series("no", "relay"));

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

    #[test]
    fn what_began_in_the_warm_up_leaves_nothing_and_its_end_belongs_to_what_follows() {
        let end = Instant::from_millis(1_000);
        let mut tally = Tally::new(end);
        tally.watch(vec![MetricKey::new("connect_ms").with("glare", "yes")]);
        let key = OutageKey {
            cause: crate::metrics::FaultCause::Roam,
            length: crate::metrics::OutageLength::Without,
        };
        for began in [Instant::START, Instant::from_millis(999), end] {
            let mut now = tally.at(began);
            for glare in ["yes", "no"] {
                let series = Series::tagged("connect_ms", [("glare", glare)]);
                now.took(series, Duration::from_millis(1));
                now.failed(series);
            }
            now.case("connect_failed", began < end);
            now.count("glare");
            now.outage(key, |outage| outage.failed += 1);
        }
        let seen = tally.snapshot();
        let trend = &seen.trends[&MetricKey::new("connect_ms")];
        assert_eq!((trend.count(), trend.failed()), (4, 2));
        assert_eq!(seen.rates[&MetricKey::new("connect_failed")].total, 1);
        assert_eq!(seen.counters[&MetricKey::new("glare")], 1);
        assert_eq!(seen.outages[&key].failed, 1);
        let links = tally.links();
        assert_eq!(
            (links.hits, links.total),
            (2, 3),
            "whether any link is there is always known"
        );
        let samples: Vec<_> = tally
            .samples()
            .iter()
            .map(|sample| (sample.of, sample.began))
            .collect();
        assert_eq!(
            samples,
            [(0, end); 2],
            "only those that are watched, and none of the warm-up"
        );
        assert!(tally.samples().is_empty(), "they are told once");
        tally.of_the_run(Instant::START).count("limits_hit");
        assert_eq!(
            tally.counted("limits_hit"),
            1,
            "what is about the run counts always"
        );
    }
}
