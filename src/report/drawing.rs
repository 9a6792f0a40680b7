//! Histograms drawn with block characters.

use crate::metrics::{MetricKey, Snapshot, Trend};

use super::{
    buckets::{Bucket, buckets},
    paper::{Ink, Paper, left, right, width},
    units,
};

/// Which metrics are drawn: time to connect, to reconnect, and of a message.
const DRAWN: [&str; 3] = ["connect_ms", "reconnect_ms", "message_ms"];
/// The longest bar, on paper of any width.
const MAX_BAR: usize = 60;
/// A bar's last cell, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A histogram of each drawn metric that has samples. A failure is infinitely long: failures are the last
/// row, drawn in another shade, and percentages are of all samples.
pub(super) fn histograms(paper: &mut Paper, metrics: &Snapshot) {
    for name in DRAWN {
        if let Some(trend) = metrics
            .trends
            .get(&MetricKey::new(name))
            .filter(|trend| trend.count() > 0)
        {
            draw(paper, name, trend);
        }
    }
}

fn draw(paper: &mut Paper, name: &str, trend: &Trend) {
    let failed = match trend.failed() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    paper.heading(&format!("{name}: {} samples{failed}", trend.count()));

    let rows: Vec<(String, u64, bool)> = buckets(trend.successes())
        .iter()
        .map(|bucket| (label(bucket), bucket.count, false))
        .chain((trend.failed() > 0).then(|| ("failed".to_owned(), trend.failed(), true)))
        .collect();
    let labels = rows.iter().map(|(label, ..)| width(label)).max().unwrap_or(0);
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let counts = width(&most.to_string());
    // Two blanks, label, blank, bar, blank, count, two blanks, percentage.
    let room = paper
        .width
        .saturating_sub(2 + labels + 1 + 1 + counts + 2 + 6)
        .clamp(8, MAX_BAR);
    for (label, count, failed) in rows {
        let bar = left(&bar(count, most, room, failed), room);
        let bar = if failed { paper.paint(Ink::Bad, &bar) } else { bar };
        let share = match count {
            0 => String::new(),
            count => units::percent(Some(count as f64 / trend.count() as f64)),
        };
        paper.line(format!(
            "  {} {bar} {}  {}",
            right(&label, labels),
            right(&count.to_string(), counts),
            right(&share, 6)
        ));
    }
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
fn bar(count: u64, most: u64, room: usize, failed: bool) -> String {
    if count == 0 || most == 0 {
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
