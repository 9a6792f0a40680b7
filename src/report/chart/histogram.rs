use maud::html;

use super::{
    axis::{Scale, axis_titles, count_label, duration_label, num, pct, rulers, tick_below},
    figure::{Figure, Table},
};
use crate::{
    metrics::Trend,
    report::{
        buckets::{Bucket, buckets_up_to, counts_in},
        units,
    },
};

/// The plot's height, and where it begins.
const HEIGHT: f64 = 168.0;
const TOP: f64 = 26.0;
/// The gap before the bar of failures, in bars.
const GAP: f64 = 0.6;
/// Bars that there is room for, and for how many at least room is left: a single bar is no wall.
const MAX_BARS: usize = 32;
const MIN_BARS: f64 = 8.0;
/// More bars than this have no room for their counts.
const MAX_COUNTED: f64 = 14.0;
/// Labels that fit beside each other on a phone.
const MAX_LABELS: usize = 6;

/// How many samples took how long. Failures have a bar of their own at the right. `whole` is what the buckets and
/// the scale are made for: several parts of it can be compared.
pub(in crate::report) fn histogram(title: &str, part: &Trend, whole: &Trend) -> Figure {
    let buckets = buckets_up_to(MAX_BARS, whole.successes());
    let counts = counts_in(part.successes(), &buckets);
    let failed = part.failed();
    let has_failed = whole.failed() > 0;
    let bars = buckets.len() as f64 + if has_failed { GAP + 1.0 } else { 0.0 };
    let columns = bars.max(MIN_BARS);
    let most = counts.iter().copied().chain([failed]).max().unwrap_or(0);
    let scale = Scale::counts(most);
    let bottom = TOP + HEIGHT;
    let bar = |class: &'static str, column: f64, count: u64| {
        let tall = match count {
            0 => 0.0,
            // Something is never drawn as nothing, even between bars' outlines.
            count => (scale.share(count as f64) * HEIGHT).max(4.0),
        };
        html! {
            @if count > 0 {
                rect class=(class) x=(pct(column / columns)) y=(num(bottom - tall)) width=(pct(1.0 / columns)) height=(num(tall)) {}
                @if columns <= MAX_COUNTED || count == most || class == "bar failed" {
                    text class="value" x=(pct((column + 0.5) / columns)) y=(num(bottom - tall - 4.0)) text-anchor="middle" {
                        (count_label(count as f64))
                    }
                }
            }
        }
    };
    let edges: Vec<u64> = buckets
        .iter()
        .map(|bucket| bucket.from)
        .chain(buckets.last().map(|bucket| bucket.below))
        .collect();
    let drawing = html! {
        (rulers(scale, TOP, HEIGHT, count_label))
        @for (nth, count) in counts.iter().enumerate() { (bar("bar s1", nth as f64, *count)) }
        @for nth in labelled(&edges) {
            @let x = pct(nth as f64 / columns);
            line class="base" x1=(x) x2=(x) y1=(num(bottom)) y2=(num(bottom + 4.0)) {}
            (tick_below(nth as f64 / columns, bottom + 17.0, &edge_label(edges[nth]), false))
        }
        @if has_failed {
            @let column = buckets.len() as f64 + GAP;
            (bar("bar failed", column, failed))
            text class="tick bad" x=(pct((column + 0.5) / columns)) y=(num(bottom + 17.0)) text-anchor="middle" { "failed" }
        }
        (axis_titles("samples", "time taken", TOP - 4.0, bottom))
    };
    let all = part.count();
    let mut table = Table::of(&["time taken", "samples", "share"]);
    let share = |count: u64| units::percent((all > 0).then(|| count as f64 / all as f64));
    for (bucket, count) in buckets.iter().zip(&counts) {
        table
            .rows
            .push(vec![range(bucket), count.to_string(), share(*count)]);
    }
    table
        .rows
        .push(vec!["failed".to_owned(), failed.to_string(), share(failed)]);
    Figure {
        title: title.to_owned(),
        about: about(part),
        height: bottom + 40.0,
        drawing,
        legend: Vec::new(),
        table,
    }
}

/// Which edges have a label: powers of ten if there are enough of them, else every so many.
fn labelled(edges: &[u64]) -> Vec<usize> {
    let is_decade = |edge: u64| edge > 0 && 10u64.pow(edge.ilog10()) == edge;
    let decades: Vec<usize> = (0..edges.len()).filter(|nth| is_decade(edges[*nth])).collect();
    if decades.len() > 2 {
        let step = decades.len().div_ceil(MAX_LABELS);
        return decades.into_iter().step_by(step).collect();
    }
    (0..edges.len())
        .step_by(edges.len().div_ceil(MAX_LABELS).max(1))
        .collect()
}

fn about(trend: &Trend) -> String {
    let mut about = format!("{} samples", trend.count());
    if let Some(median) = trend.ok_quantile_ms(0.5) {
        about += &format!(
            ", half of those that succeeded within {}",
            units::duration(Some(median))
        );
    }
    match trend.failed() {
        0 => about + "; none failed.",
        failed => about + &format!("; failed: {failed}, which count as infinitely long."),
    }
}

fn edge_label(micros: u64) -> String {
    duration_label(micros as f64 / 1_000.0)
}

fn range(bucket: &Bucket) -> String {
    match bucket.below {
        1 => "0".to_owned(),
        below => format!("{} – {}", edge_label(bucket.from), edge_label(below)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failures_are_a_bar_of_their_own_and_named() {
        let mut trend = Trend::default();
        (0..5).for_each(|nth| trend.record(Duration::from_millis(10 + nth)));
        let whole = histogram("t", &trend, &trend).markup().into_string();
        assert!(!whole.contains("bar failed") && whole.contains("none failed"));
        (0..3).for_each(|_| trend.record_failure());
        let torn = histogram("t", &trend, &trend).markup().into_string();
        assert!(torn.contains("bar failed") && torn.contains("failed: 3"));
    }

    #[test]
    fn labels_are_few_and_powers_of_ten_where_there_are_some() {
        assert_eq!(
            labelled(&[500, 1_000, 5_000, 10_000, 50_000, 100_000, 200_000]),
            [1, 3, 5]
        );
        assert_eq!(labelled(&[1, 2, 3, 4, 5, 6, 7]), [0, 2, 4, 6]);
        assert!(labelled(&[]).is_empty());
    }

    #[test]
    fn nothing_but_failures_is_drawn_too() {
        let mut trend = Trend::default();
        trend.record_failure();
        let drawn = histogram("t", &trend, &trend).markup().into_string();
        assert!(drawn.contains("bar failed") && !drawn.contains("NaN"), "{drawn}");
    }
}
