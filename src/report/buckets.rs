use hdrhistogram::Histogram;

/// The most rows a drawn histogram has, failures and zeros aside.
const MAX_BUCKETS: usize = 12;
/// Values of less than this factor between them are told apart by equal steps.
const LINEAR_UP_TO: u64 = 4;
/// The finest equal step is this part of the largest value: labels keep three digits.
const FINEST_PART: u64 = 40;

/// Edges of buckets inside one decade, times ten, finest first.
const SERIES: [&[u64]; 3] = [&[10, 15, 20, 30, 50, 70], &[10, 20, 50], &[10]];

/// A row of a drawn histogram: the samples of at least `from` and less than `below`, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub from: u64,
    pub below: u64,
    pub count: u64,
}

/// Buckets that show the shape of `micros`: equal steps where values lie close together, else steps that
/// grow with the values (1, 1.5, 2, 3, 5, 7; or 1, 2, 5; or decades), whichever is the finest that takes
/// at most [`MAX_BUCKETS`] rows. They are without gaps, and ascend; zero has a row of its own.
pub(super) fn buckets(micros: &Histogram<u64>) -> Vec<Bucket> {
    buckets_up_to(MAX_BUCKETS, micros)
}

/// The same for where there is room for `most` rows, ten or more.
pub(super) fn buckets_up_to(most: usize, micros: &Histogram<u64>) -> Vec<Bucket> {
    let counts = recorded(micros);
    let mut buckets = Vec::new();
    let mut positive = counts.iter().filter(|(value, _)| *value > 0);
    if let Some(&(lowest, _)) = positive.next() {
        let &(highest, _) = positive.next_back().unwrap_or(&(lowest, 0));
        let edges = edges(lowest, highest, most);
        buckets.extend(edges.windows(2).map(|edge| Bucket {
            from: edge[0],
            below: edge[1],
            count: 0,
        }));
    }
    if counts.first().is_some_and(|(value, _)| *value == 0) {
        let zeros = Bucket {
            from: 0,
            below: 1,
            count: 0,
        };
        buckets.insert(0, zeros);
    }
    let counts = counts_in(micros, &buckets);
    for (bucket, count) in buckets.iter_mut().zip(counts) {
        bucket.count = count;
    }
    buckets
}

/// How many samples of `micros` are in each of `buckets`, which are those of it or of a sum that it is in.
pub(super) fn counts_in(micros: &Histogram<u64>, buckets: &[Bucket]) -> Vec<u64> {
    let mut counts = vec![0; buckets.len()];
    for (value, count) in recorded(micros) {
        let index = buckets.partition_point(|bucket| bucket.below <= value);
        if let Some(sum) = counts.get_mut(index) {
            *sum += count;
        }
    }
    counts
}

/// The values that were recorded, ascending, each with its count.
fn recorded(micros: &Histogram<u64>) -> Vec<(u64, u64)> {
    micros
        .iter_recorded()
        .map(|value| {
            let at_least = micros.lowest_equivalent(value.value_iterated_to());
            (at_least, value.count_at_value())
        })
        .collect()
}

/// The edges of the buckets from the one that holds `lowest` to the one that holds `highest`.
fn edges(lowest: u64, highest: u64, most: usize) -> Vec<u64> {
    let linear = (lowest.saturating_mul(LINEAR_UP_TO) > highest).then(|| equal_steps(lowest, highest, most));
    let grown = SERIES.iter().map(|series| growing_steps(series, lowest, highest));
    linear
        .into_iter()
        .chain(grown)
        .find(|edges| edges.len() <= most + 1)
        .expect("an hour in µs has ten decades")
}

fn equal_steps(lowest: u64, highest: u64, most: usize) -> Vec<u64> {
    let fits = |step: &u64| highest / step - lowest / step < most as u64;
    let step = (0..=9)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)))
        .filter(|step| *step >= highest / FINEST_PART)
        .find(fits)
        .unwrap_or(u64::from(u32::MAX));
    (lowest / step..=highest / step + 1)
        .map(|nth| nth * step)
        .collect()
}

fn growing_steps(series: &[u64], lowest: u64, highest: u64) -> Vec<u64> {
    let mut edges: Vec<u64> = (0..=11)
        .flat_map(|power| series.iter().map(move |tenths| tenths * 10u64.pow(power) / 10))
        .collect();
    edges.dedup();
    let first = edges.partition_point(|edge| *edge <= lowest).saturating_sub(1);
    let last = edges
        .partition_point(|edge| *edge <= highest)
        .min(edges.len() - 1);
    edges[first..=last].to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Trend;

    fn of(micros: &[u64]) -> Vec<Bucket> {
        let mut trend = Trend::default();
        for micros in micros {
            trend.record(std::time::Duration::from_micros(*micros));
        }
        buckets(trend.successes())
    }

    fn edges_of(micros: &[u64]) -> Vec<u64> {
        of(micros).iter().map(|bucket| bucket.from).collect()
    }

    #[test]
    fn close_values_get_equal_steps_and_wide_ones_growing_steps() {
        assert_eq!(edges_of(&[2_050, 2_330]), [2_000, 2_100, 2_200, 2_300]);
        assert_eq!(edges_of(&[1_200, 6_500]), [1_000, 1_500, 2_000, 3_000, 5_000]);
        assert_eq!(edges_of(&[1_200, 900_000])[..3], [1_000, 2_000, 5_000]);
        assert_eq!(edges_of(&[3, 3_000_000_000]).len(), 10);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn zeros_have_a_row_of_their_own() {
        let rows = of(&[0, 0, 5_000]);
        assert_eq!((rows[0].from, rows[0].below, rows[0].count), (0, 1, 2));
        assert_eq!(rows.last().map(|row| row.count), Some(1));
        assert_eq!(of(&[0]).len(), 1);
    }

    proptest! {
        #[test]
        fn every_sample_is_in_one_row_and_rows_have_no_gap(
            micros in prop::collection::vec(prop_oneof![0..20u64, 0..100_000u64, any::<u64>()], 0..50),
        ) {
            let rows = of(&micros);
            prop_assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), micros.len() as u64);
            prop_assert!(rows.len() <= MAX_BUCKETS + 1, "{:?}", rows);
            let rows: Vec<_> = rows.iter().filter(|row| row.from > 0).collect();
            for pair in rows.windows(2) {
                prop_assert_eq!(pair[0].below, pair[1].from);
            }
        }
    }
}
