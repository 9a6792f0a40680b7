use maud::html;

use super::{
    axis::{Scale, duration_label, num, pct, tick_below},
    figure::{Figure, Table},
};
use crate::{
    metrics::{MetricKey, Snapshot, Trend},
    report::units,
};

const ROW: f64 = 24.0;
const GAP: f64 = 12.0;
const TOP: f64 = 8.0;
/// Segments that are narrower than this share of the plot carry no number.
const LEAST_NUMBERED: f64 = 0.05;

/// `connect_ms` cut into four, in their order.
const PHASES: [(&str, &str, &str); 4] = [
    ("offer_answer_ms", "offer and answer", "s1"),
    ("ice_ms", "ICE", "s2"),
    ("dtls_ms", "DTLS", "s3"),
    ("channel_ms", "channel, or first RTP", "s4"),
];
/// A figure of a trend, in ms.
type Aggregation = fn(&Trend) -> Option<f64>;
const ROWS: [(&str, Aggregation); 4] = [
    ("mean", Trend::mean_ms),
    ("p50", |trend| trend.quantile_ms(0.5)),
    ("p95", |trend| trend.quantile_ms(0.95)),
    ("p99", |trend| trend.quantile_ms(0.99)),
];

/// What connecting consists of: a bar for the mean and for each percentile, stacked by phase. `None` without samples.
pub(in crate::report) fn phases(metrics: &Snapshot) -> Option<Figure> {
    let trends = PHASES.map(|(name, ..)| metrics.trends.get(&MetricKey::new(name)));
    let count = trends
        .iter()
        .flatten()
        .map(|trend| trend.count())
        .max()
        .filter(|count| *count > 0)?;
    let rows = ROWS.map(|(name, of)| {
        let parts = trends.map(|trend| trend.and_then(of).filter(|ms| ms.is_finite()).unwrap_or(0.0));
        (name, parts)
    });
    let longest = rows
        .iter()
        .map(|(_, parts)| parts.iter().sum::<f64>())
        .fold(0.0, f64::max);
    let scale = Scale::linear(longest);
    let bottom = TOP + ROWS.len() as f64 * (ROW + GAP);
    let drawing = html! {
        @for tick in scale.ticks() {
            @let x = pct(scale.share(tick));
            line class=(if tick == 0.0 { "base" } else { "grid" }) x1=(x) x2=(x) y1=(num(TOP - 4.0)) y2=(num(bottom)) {}
            (tick_below(scale.share(tick), bottom + 16.0, &duration_label(tick), false))
        }
        @for (nth, (name, parts)) in rows.iter().enumerate() {
            @let y = TOP + nth as f64 * (ROW + GAP);
            text class="label" x="-7" y=(num(y + ROW / 2.0)) dy=".32em" text-anchor="end" { (name) }
            @for (phase, (_, _, class)) in PHASES.iter().enumerate() {
                @let from = scale.share(parts[..phase].iter().sum());
                @let wide = scale.share(parts[..=phase].iter().sum()) - from;
                @if wide > 0.0 {
                    rect class={ "bar " (class) } x=(pct(from)) y=(num(y)) width=(pct(wide)) height=(num(ROW)) {}
                }
                @if wide >= LEAST_NUMBERED {
                    text class="on-bar" x=(pct(from + wide / 2.0)) y=(num(y + ROW / 2.0)) dy=".34em" text-anchor="middle" { (phase + 1) }
                }
            }
        }
        text class="axis" x="100%" y=(num(bottom + 32.0)) text-anchor="end" { "time taken" }
    };
    let mut head = vec![""];
    head.extend(PHASES.map(|(_, name, _)| name));
    head.push("sum");
    let mut table = Table::of(&head);
    for (name, parts) in &rows {
        let mut row = vec![(*name).to_owned()];
        row.extend(parts.iter().map(|ms| units::duration(Some(*ms))));
        row.push(units::duration(Some(parts.iter().sum())));
        table.rows.push(row);
    }
    Some(Figure {
        title: "Phases of connecting".to_owned(),
        about: format!(
            "Where the time of {count} connections went. Each phase has its own percentiles: only the means add up to that of the whole."
        ),
        height: bottom + 40.0,
        drawing,
        legend: PHASES
            .iter()
            .enumerate()
            .map(|(nth, (_, name, class))| (*class, format!("{} {name}", nth + 1)))
            .collect(),
        table,
    })
}
