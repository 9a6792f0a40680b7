//! Figures in columns: trends, rates, counters.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{MetricKey, Snapshot, Trend};

use super::{
    paper::{Ink, Paper, clean, left, right, width},
    units,
};

/// How many trends are shown, tags included; `summary.json` has all.
const MAX_TRENDS_SHOWN: usize = 60;
/// The same for rates.
const MAX_RATES_SHOWN: usize = 30;
/// The same for counters.
const MAX_COUNTERS_SHOWN: usize = 60;

/// The order of metrics as a run goes: in, connected, torn and mended, talking. Others come after.
pub(super) const ORDER: [&str; 16] = [
    "signaling_ms",
    "join_ms",
    "server_connect_ms",
    "connect_ms",
    "offer_answer_ms",
    "ice_ms",
    "dtls_ms",
    "channel_ms",
    "signaling_reconnect_ms",
    "detect_ms",
    "outage_ms",
    "reconnect_ms",
    "external_connect_ms",
    "message_ms",
    "message_round_trip_ms",
    "generator_lag_ms",
];

/// The headings of [`figures`].
pub(super) const HEAD: [&str; 9] = ["count", "min", "avg", "med", "p90", "p95", "p99", "max", "failed"];

/// The rows of a table: every whole metric, and its parts by one tag where that tag takes two values or more.
/// A part that says what the whole says is left out, and so are parts by several tags: `summary.json` has all.
/// A part whose whole is not there stands for it.
pub(super) fn rows<'a, T>(metrics: impl IntoIterator<Item = (&'a MetricKey, T)>) -> Vec<(&'a MetricKey, T)> {
    let all: Vec<_> = metrics.into_iter().collect();
    let mut wholes = BTreeSet::new();
    let mut values: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (key, _) in &all {
        match single_tag(key) {
            Some((tag, value)) => _ = values.entry((&*key.name, tag)).or_default().insert(value),
            None if key.tags.is_empty() => _ = wholes.insert(&*key.name),
            None => {}
        }
    }
    let is_shown = |key: &MetricKey| match single_tag(key) {
        Some((tag, _)) => !wholes.contains(&*key.name) || values[&(&*key.name, tag)].len() > 1,
        None => key.tags.is_empty(),
    };
    all.into_iter().filter(|(key, _)| is_shown(key)).collect()
}

fn single_tag(key: &MetricKey) -> Option<(&str, &str)> {
    let (tag, value) = key.tags.first_key_value()?;
    (key.tags.len() == 1).then_some((tag, value))
}

/// One line per trend; tagged ones under the whole, by their tags alone. A name that is longer than the
/// width leaves room for stands on a line of its own.
pub(super) fn trends(paper: &mut Paper, metrics: &Snapshot) {
    if metrics.trends.is_empty() {
        paper.heading("Metrics");
        paper.line("  no samples");
        return;
    }
    let mut ordered = rows(&metrics.trends);
    let all = ordered.len();
    ordered.sort_by_key(|(key, _)| {
        ORDER
            .iter()
            .position(|name| *name == key.name)
            .unwrap_or(ORDER.len())
    });
    let lines: Vec<(String, [String; 9], bool)> = ordered
        .into_iter()
        .take(MAX_TRENDS_SHOWN)
        .map(|(key, trend)| (label(key), figures(trend), trend.failed() > 0))
        .collect();
    let mut columns = HEAD.map(width);
    for (_, figures, _) in &lines {
        for (column, figure) in columns.iter_mut().zip(figures) {
            *column = width(figure).max(*column);
        }
    }
    let longest = lines.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
    let figures_wide = |gap: usize| columns.iter().map(|column| column + gap).sum::<usize>();
    let gap = if 2 + longest + figures_wide(2) <= paper.width {
        2
    } else {
        1
    };
    let room = paper
        .width
        .saturating_sub(2 + figures_wide(gap))
        .min(longest.max("Metrics".len()));

    let cells = |cells: &[String; 9]| -> String {
        let padded = cells.iter().zip(columns);
        padded.map(|(cell, column)| right(cell, column + gap)).collect()
    };
    let head = format!("{}{}", left("Metrics", room + 2), cells(&HEAD.map(str::to_owned)));
    paper.heading(&head);
    for (name, figures, failed) in &lines {
        let figures = cells(figures);
        let figures = match figures.rsplit_once(' ').filter(|_| *failed) {
            Some((others, count)) => format!("{others} {}", paper.paint(Ink::Bad, count)),
            None => figures,
        };
        if width(name) <= room {
            paper.line(format!("  {}{figures}", left(name, room)));
        } else {
            paper.line(format!("  {name}"));
            paper.line(format!("  {}{figures}", left("", room)));
        }
    }
    more(paper, all, MAX_TRENDS_SHOWN);
}

pub(super) fn figures(trend: &Trend) -> [String; 9] {
    [
        trend.count().to_string(),
        units::duration(trend.min_ms()),
        units::duration(trend.mean_ms()),
        units::duration(trend.quantile_ms(0.5)),
        units::duration(trend.quantile_ms(0.9)),
        units::duration(trend.quantile_ms(0.95)),
        units::duration(trend.quantile_ms(0.99)),
        units::duration(trend.max_ms()),
        trend.failed().to_string(),
    ]
}

/// One line per rate: the share, and what it is a share of.
pub(super) fn rates(paper: &mut Paper, metrics: &Snapshot) {
    if metrics.rates.is_empty() {
        return;
    }
    paper.heading("Rates");
    let all = rows(&metrics.rates);
    let shown: Vec<_> = all
        .iter()
        .take(MAX_RATES_SHOWN)
        .map(|(key, rate)| (label(key), rate))
        .collect();
    let columns = shown.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, rate) in &shown {
        let share = right(&units::percent(rate.value()), 7);
        paper.line(format!(
            "  {} {share}  {} of {}",
            left(name, columns),
            rate.hits,
            rate.total
        ));
    }
    more(paper, all.len(), MAX_RATES_SHOWN);
}

/// The counters that are not zero, in as many columns as fit.
pub(super) fn counters(paper: &mut Paper, metrics: &Snapshot) {
    let counted = rows(metrics.counters.iter().filter(|(_, count)| **count > 0));
    if counted.is_empty() {
        return;
    }
    paper.heading("Counters");
    let shown: Vec<_> = counted
        .iter()
        .take(MAX_COUNTERS_SHOWN)
        .map(|(key, count)| (clean(&key.to_string()), count.to_string()))
        .collect();
    let name = shown.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let count = shown.iter().map(|(_, count)| width(count)).max().unwrap_or(0);
    let cell = name + 1 + count;
    let across = ((paper.width.saturating_sub(2) + 4) / (cell + 4)).clamp(1, shown.len());
    let down = shown.len().div_ceil(across);
    for row in 0..down {
        // Down first, then across: names stay in their order.
        let cells: Vec<_> = shown
            .iter()
            .skip(row)
            .step_by(down)
            .map(|(key, value)| format!("{} {}", left(key, name), right(value, count)))
            .collect();
        paper.line(format!("  {}", cells.join("    ")));
    }
    more(paper, counted.len(), MAX_COUNTERS_SHOWN);
}

/// A whole metric by its name; a part of it, indented, by its tags.
fn label(key: &MetricKey) -> String {
    let full = clean(&key.to_string());
    match full.strip_prefix(&key.name) {
        Some(tags) if !tags.is_empty() => format!("  {tags}"),
        _ => full,
    }
}

fn more(paper: &mut Paper, all: usize, shown: usize) {
    if all > shown {
        paper.line(format!("  and {} more: see summary.json", all - shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::key;

    fn shown(keys: &[MetricKey]) -> Vec<String> {
        let rows = rows(keys.iter().map(|key| (key, ())));
        rows.into_iter().map(|(key, ())| key.to_string()).collect()
    }

    #[test]
    fn a_part_that_says_what_the_whole_says_is_no_row() {
        let all = [
            key("connect_ms", &[]),
            key("connect_ms", &[("glare", "no")]),
            key("connect_ms", &[("glare", "no"), ("pair", "host")]),
            key("connect_ms", &[("glare", "no"), ("pair", "relay")]),
            key("connect_ms", &[("pair", "host")]),
            key("connect_ms", &[("pair", "relay")]),
        ];
        assert_eq!(
            shown(&all),
            ["connect_ms", "connect_ms{pair:host}", "connect_ms{pair:relay}"]
        );
    }

    #[test]
    fn values_of_other_metrics_do_not_count() {
        let all = [
            key("join_ms", &[]),
            key("join_ms", &[("again", "no")]),
            key("joins_started", &[]),
            key("joins_started", &[("again", "yes")]),
        ];
        assert_eq!(shown(&all), ["join_ms", "joins_started"]);
    }

    #[test]
    fn a_part_without_its_whole_is_not_hidden() {
        let all = [key("descriptions_ignored", &[("reason", "duplicate")])];
        assert_eq!(shown(&all), ["descriptions_ignored{reason:duplicate}"]);
    }
}
