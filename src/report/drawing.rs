//! Histograms drawn with block characters.

use crate::metrics::{Metric, MetricKey, Snapshot, Trend};

use super::{
    buckets::{Bucket, buckets, counts_in},
    paper::{Ink, Paper, left, right, width},
    units,
};

/// Which metrics are drawn: time to connect, to reconnect, and of a message.
const DRAWN: [&str; 3] = ["connect_ms", "reconnect_ms", "message_ms"];
/// The longest bar, on paper of any width.
const MAX_BAR: usize = 60;
/// The shortest bar that still shows a shape, where several stand side by side.
const MIN_BAR: usize = 8;
/// A bar's last cell, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A histogram of each drawn metric that has samples, one beside the other for its paths if it came about on
/// several. A failure is infinitely long: failures are the last row, drawn in another shade, and percentages
/// are of all samples.
pub(super) fn histograms(paper: &mut Paper, metrics: &Snapshot) {
    for name in DRAWN {
        let whole = metrics.trends.get(&MetricKey::new(name));
        let Some(whole) = whole.filter(|trend| trend.count() > 0) else {
            continue;
        };
        let paths = by_path(metrics, name);
        match Grid::fit(paper.width, whole, &paths) {
            _ if paths.len() < 2 => draw(paper, name, whole),
            Some(grid) => grid.draw(paper, name, whole, &paths),
            None => {
                for (path, part) in paths {
                    draw(paper, &format!("{name}{{path:{path}}}"), part);
                }
            }
        }
    }
}

/// The parts of a metric by path, in the order of the ladder.
pub(super) fn by_path<'a>(metrics: &'a Snapshot, name: &str) -> Vec<(&'static str, &'a Trend)> {
    let paths = Metric::named(name).and_then(|metric| metric.tag("path"));
    let paths = paths.map_or(&[][..], |tag| tag.values);
    let part = |path: &'static str| {
        let part = metrics.trends.get(&MetricKey::new(name).with("path", path))?;
        (part.count() > 0).then_some((path, part))
    };
    paths.iter().copied().filter_map(part).collect()
}

fn heading(name: &str, trend: &Trend) -> String {
    let failed = match trend.failed() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!("{name}: {} samples{failed}", trend.count())
}

/// The rows of a histogram: their labels, and whether they are of failures.
fn labels(trend: &Trend, buckets: &[Bucket]) -> Vec<(String, bool)> {
    let failed = (trend.failed() > 0).then(|| ("failed".to_owned(), true));
    let buckets = buckets.iter().map(|bucket| (label(bucket), false));
    buckets.chain(failed).collect()
}

fn draw(paper: &mut Paper, name: &str, trend: &Trend) {
    paper.heading(&heading(name, trend));
    let buckets = buckets(trend.successes());
    let rows = labels(trend, &buckets);
    let counts: Vec<u64> = buckets
        .iter()
        .map(|bucket| bucket.count)
        .chain((trend.failed() > 0).then(|| trend.failed()))
        .collect();
    let labels = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(0);
    let digits = width(&most.to_string());
    // Two blanks, label, blank, bar, blank, count, two blanks, percentage.
    let room = paper
        .width
        .saturating_sub(2 + labels + 1 + 1 + digits + 2 + 6)
        .clamp(8, MAX_BAR);
    for ((label, failed), count) in rows.into_iter().zip(counts) {
        let bar = painted_bar(paper, count, most, room, failed);
        let share = match count {
            0 => String::new(),
            count => units::percent(Some(count as f64 / trend.count() as f64)),
        };
        paper.line(format!(
            "  {} {bar} {}  {}",
            right(&label, labels),
            right(&count.to_string(), digits),
            right(&share, 6)
        ));
    }
}

/// Histograms side by side: the same rows and the same scale for all.
struct Grid {
    labels: Vec<(String, bool)>,
    /// By path, then by row.
    counts: Vec<Vec<u64>>,
    /// Columns that the labels, each bar and each count take.
    label: usize,
    bar: usize,
    digits: usize,
}

impl Grid {
    /// `None` if there are so many paths that their bars would say nothing.
    fn fit(paper: usize, whole: &Trend, paths: &[(&str, &Trend)]) -> Option<Self> {
        let buckets = buckets(whole.successes());
        let labels = labels(whole, &buckets);
        let counts: Vec<Vec<u64>> = paths
            .iter()
            .map(|(_, part)| {
                let mut counts = counts_in(part.successes(), &buckets);
                counts.resize(labels.len(), part.failed());
                counts
            })
            .collect();
        let label = labels.iter().map(|(label, _)| width(label)).max()?;
        let digits = width(&counts.iter().flatten().max()?.to_string());
        let name = paths.iter().map(|(path, _)| width(path)).max()?;
        // Two blanks, label; for each path: two blanks, bar, blank, count.
        let room = paper.saturating_sub(2 + label) / paths.len();
        let bar = room.saturating_sub(2 + 1 + digits).min(MAX_BAR);
        (bar >= MIN_BAR.max(name)).then_some(Self {
            labels,
            counts,
            label,
            bar,
            digits,
        })
    }

    fn draw(&self, paper: &mut Paper, name: &str, whole: &Trend, paths: &[(&str, &Trend)]) {
        paper.heading(&format!("{}, by path", heading(name, whole)));
        let mut line = format!("  {}", left("", self.label));
        for (path, _) in paths {
            line += &format!("  {}", left(path, self.bar + 1 + self.digits));
        }
        paper.line(line);
        let most = self.counts.iter().flatten().copied().max().unwrap_or(0);
        for (row, (label, failed)) in self.labels.iter().enumerate() {
            let mut line = format!("  {}", right(label, self.label));
            for counts in &self.counts {
                let bar = painted_bar(paper, counts[row], most, self.bar, *failed);
                let count = Some(counts[row]).filter(|count| *count > 0);
                let count = count.map_or(String::new(), |count| count.to_string());
                line += &format!("  {bar} {}", right(&count, self.digits));
            }
            paper.line(line);
        }
    }
}

fn painted_bar(paper: &Paper, count: u64, most: u64, room: usize, failed: bool) -> String {
    let bar = left(&bar(count, most, room, failed), room);
    if failed { paper.paint(Ink::Bad, &bar) } else { bar }
}

fn label(bucket: &Bucket) -> String {
    if bucket.below == 1 {
        return "0ms".to_owned();
    }
    let edge = |micros: u64| units::edge(micros as f64 / 1_000.0);
    // Right-aligned upper edges keep the dashes in one column.
    format!("{} – {}", edge(bucket.from), right(&edge(bucket.below), 6))
}

/// A bar of `room` cells for `most`; something is never drawn as nothing.
pub(super) fn bar(count: u64, most: u64, room: usize, failed: bool) -> String {
    if count == 0 || most == 0 || room == 0 {
        return String::new();
    }
    let eighths = (count as f64 / most as f64 * room as f64 * 8.0).round() as usize;
    let eighths = eighths.clamp(1, room * 8);
    if failed {
        return "▒".repeat(eighths.div_ceil(8));
    }
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_empty_for_something() {
        assert_eq!(bar(0, 10, 10, false), "");
        assert_eq!(bar(1, 1_000_000, 10, false), "▏");
        assert_eq!(bar(5, 10, 10, false), "█████");
        assert_eq!(bar(10, 10, 3, true), "▒▒▒");
        assert_eq!(width(&bar(u64::MAX, u64::MAX, 10, false)), 10);
    }
}
