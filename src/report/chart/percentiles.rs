use std::fmt::Write;

use maud::html;

use super::{
    axis::{Scale, axis_titles, duration_label, num, pct, rulers, tick_below},
    figure::{Figure, Table},
};
use crate::{metrics::Trend, report::units};

const HEIGHT: f64 = 168.0;
const TOP: f64 = 26.0;
/// Nines of the last percentile: 99.99.
const NINES: f64 = 4.0;
/// Units that the plot is wide for its lines; they are stretched to its width.
const WIDE: f64 = 1_000.0;
/// The least that a line advances between two points, in these.
const LEAST_STEP: f64 = 2.0;
/// Lines that can be told apart.
const LINES: [&str; 4] = ["l1", "l2", "l3", "l4"];

const TICKS: [(f64, &str); 6] = [
    (0.0, "0"),
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
const COLUMNS: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// Up to which share of the samples how long was waited, on an axis that gives each nine as much room: a line for each
/// of `parts`, which have a name each. A line ends where its samples end, and goes up to the edge where they failed.
pub(in crate::report) fn percentiles(title: &str, parts: &[(&str, &Trend)]) -> Figure {
    let parts = &parts[..parts.len().min(LINES.len())];
    let range = parts.iter().filter_map(|(_, trend)| {
        let lowest = trend.min_ms()?;
        Some((lowest, trend.ok_quantile_ms(1.0)?))
    });
    let (min, max) = range.fold((f64::INFINITY, 0.0_f64), |(min, max), (low, high)| {
        (min.min(low), max.max(high))
    });
    let scale = Scale::durations(min, max);
    let any_failed = parts.iter().any(|(_, trend)| trend.failed() > 0);
    // Failures are above all that is on the scale.
    let plot_top = if any_failed { TOP + 22.0 } else { TOP };
    let tall = TOP + HEIGHT - plot_top;
    let bottom = TOP + HEIGHT;
    let told = parts
        .iter()
        .map(|(_, trend)| last_told(trend.count()))
        .fold(0.0, f64::max);
    let drawing = html! {
        (rulers(scale, plot_top, tall, duration_label))
        @if any_failed {
            line class="grid dashed" x1="0" x2="100%" y1=(num(TOP)) y2=(num(TOP)) {}
            text class="tick bad" x="-7" y=(num(TOP)) dy=".32em" text-anchor="end" { "failed" }
        }
        @if told < 1.0 {
            rect class="untold" x=(pct(told)) y=(num(TOP)) width=(pct(1.0 - told)) height=(num(HEIGHT)) {}
            @if told < 0.74 {
                text class="axis" x=(pct((told + 1.0) / 2.0)) y=(num(TOP + HEIGHT / 2.0)) text-anchor="middle" { "too few samples" }
            }
        }
        @for (q, label) in TICKS {
            @let share = along(q);
            line class="grid" x1=(pct(share)) x2=(pct(share)) y1=(num(bottom)) y2=(num(bottom + 4.0)) {}
            (tick_below(share, bottom + 16.0, label, false))
        }
        svg x="0" y=(num(TOP)) width="100%" height=(num(HEIGHT)) viewBox={ "0 0 " (WIDE) " " (HEIGHT) } preserveAspectRatio="none" {
            @for ((_, trend), class) in parts.iter().zip(LINES) {
                path class={ "line " (class) } d=(line(trend, scale, plot_top - TOP, tall)) {}
            }
        }
        (axis_titles(if scale.is_log() { "time taken (log)" } else { "time taken" }, "share of the samples (log)", TOP - 4.0, bottom))
    };
    let names = parts.iter().zip(LINES).map(|((name, trend), class)| {
        let failed = match trend.failed() {
            0 => String::new(),
            failed => format!(", failed: {failed}"),
        };
        (class, format!("{name} (n = {}{failed})", trend.count()))
    });
    let mut head = vec!["", "samples"];
    head.extend(COLUMNS.map(|(name, _)| name));
    head.extend(["max", "failed"]);
    let mut table = Table::of(&head);
    for (name, trend) in parts {
        let mut row = vec![(*name).to_owned(), trend.count().to_string()];
        row.extend(COLUMNS.map(|(_, q)| match is_told(trend.count(), q) {
            true => units::duration(trend.quantile_ms(q)),
            false => "too few".to_owned(),
        }));
        row.push(units::duration(trend.max_ms()));
        row.push(trend.failed().to_string());
        table.rows.push(row);
    }
    Figure {
        title: title.to_owned(),
        about: "How long the given share of the samples took at most. A line ends where its samples do."
            .to_owned(),
        height: bottom + 40.0,
        drawing,
        legend: names.collect(),
        table,
    }
}

/// Where a quantile is along the axis: the more nines, the farther.
fn along(q: f64) -> f64 {
    if q >= 1.0 {
        1.0
    } else {
        (-(1.0 - q).log10() / NINES).clamp(0.0, 1.0)
    }
}

/// Whether at least one of so many samples lies above that quantile.
fn is_told(count: u64, q: f64) -> bool {
    count as f64 * (1.0 - q) >= 1.0 - 1e-9
}

/// How far along the axis so many samples tell something.
fn last_told(count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        along(1.0 - 1.0 / count as f64)
    }
}

fn line(trend: &Trend, scale: Scale, top: f64, tall: f64) -> String {
    let count = trend.count();
    let end = last_told(count).max(0.01) * WIDE;
    let mut path = String::new();
    let (mut below, mut last_x) = (0_u64, f64::NEG_INFINITY);
    let mut y = 0.0;
    for value in trend.successes().iter_recorded() {
        let ms = value.value_iterated_to() as f64 / 1_000.0;
        let x = (along(below as f64 / count as f64) * WIDE).min(end);
        y = top + tall * (1.0 - scale.share(ms));
        if path.is_empty() {
            let _ = write!(path, "M0 {}", num(y));
        } else if x - last_x >= LEAST_STEP {
            let _ = write!(path, "H{}V{}", num(x), num(y));
            last_x = x;
        }
        below += value.count_at_value();
    }
    if trend.failed() > 0 {
        let x = (along(below as f64 / count as f64) * WIDE).min(end);
        let start = if path.is_empty() {
            "M0 0".to_owned()
        } else {
            format!("H{}V0", num(x))
        };
        let _ = write!(path, "{start}H{}", num(end));
    } else if !path.is_empty() {
        let _ = write!(path, "V{}H{}", num(y), num(end));
    }
    path
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn trend(ok: u64, failed: u64) -> Trend {
        let mut trend = Trend::default();
        (1..=ok).for_each(|ms| trend.record(Duration::from_millis(ms)));
        (0..failed).for_each(|_| trend.record_failure());
        trend
    }

    #[test]
    fn a_line_goes_only_as_far_as_its_samples() {
        assert!((last_told(100) - 0.5).abs() < 1e-9);
        assert_eq!(last_told(10_000), 1.0);
        assert!(line(&trend(100, 0), Scale::linear(100.0), 0.0, 100.0).ends_with("H500"));
        let table = percentiles("t", &[("all", &trend(100, 0))]).table;
        assert_eq!(table.rows[0][5], "99.0ms");
        assert_eq!(table.rows[0][6], "too few");
    }

    #[test]
    fn failures_lead_to_the_upper_edge() {
        let half = line(&trend(50, 50), Scale::linear(50.0), 20.0, 80.0);
        let at_half = num(along(0.5) * WIDE);
        assert!(half.contains(&format!("H{at_half}V0")), "{half}");
        assert_eq!(line(&trend(0, 4), Scale::linear(1.0), 20.0, 80.0), "M0 0H150.51");
        assert_eq!(line(&trend(0, 0), Scale::linear(1.0), 20.0, 80.0), "");
    }
}
