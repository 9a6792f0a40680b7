//! What faults came to: a row for each cause and planned length.

use crate::{
    base::show_duration,
    metrics::{Outage, OutageKey, OutageLength, RecoveryPath, Snapshot},
};

use super::{
    paper::{Ink, Paper, left, right, width},
    units,
};

/// How many rows are shown; `summary.json` has all.
const MAX_ROWS_SHOWN: usize = 40;

/// The rungs of the ladder, each with its heading.
pub(super) const PATHS: [(&str, RecoveryPath); 4] = [
    ("resume", RecoveryPath::Resume),
    ("restart", RecoveryPath::IceRestart),
    ("replace", RecoveryPath::Replace),
    ("rejoin", RecoveryPath::Rejoin),
];
/// The other columns, before and after those.
pub(super) const FAULTS: &str = "faults";
pub(super) const REST: [&str; 5] = ["failed", "cut", "p50", "p95", "lost"];

/// One line for each length of outage, under its cause: which share of the links came back by which path, how
/// long that took from the fault's end, and which share of the messages due meanwhile was lost. Shown once there
/// was a fault.
pub(super) fn outages(paper: &mut Paper, metrics: &Snapshot) {
    if metrics.outages.is_empty() {
        return;
    }
    let rows: Vec<(&OutageKey, [String; 10])> = metrics
        .outages
        .iter()
        .take(MAX_ROWS_SHOWN)
        .map(|(key, outage)| (key, cells(outage)))
        .collect();
    let heads: Vec<&str> = heads().collect();
    let mut columns: Vec<usize> = heads.iter().map(|head| width(head)).collect();
    for (_, cells) in &rows {
        for (column, cell) in columns.iter_mut().zip(cells) {
            *column = width(cell).max(*column);
        }
    }
    let lengths = rows.iter().map(|(key, _)| width(&length(key)));
    let first = lengths.max().unwrap_or(0).max("Outages".len() - 2);
    let wide = |gap: usize| 4 + first + columns.iter().map(|column| column + gap).sum::<usize>();
    let gap = if wide(2) <= paper.width { 2 } else { 1 };
    let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        let padded = cells
            .zip(&columns)
            .map(|(cell, column)| right(cell, column + gap));
        format!("{}{}", left(name, first + 4), padded.collect::<String>())
    };
    paper.heading(&line("Outages", &mut heads.iter().copied()));
    let mut cause = None;
    for (key, cells) in &rows {
        if cause != Some(key.cause) {
            cause = Some(key.cause);
            paper.line(format!("  {}", key.cause.name()));
        }
        let row = line(
            &format!("    {}", right(&length(key), first)),
            &mut cells.iter().map(String::as_str),
        );
        let failed = metrics.outages[*key].failed > 0;
        paper.line(paper.paint(if failed { Ink::Bad } else { Ink::Plain }, &row));
    }
    let all = metrics.outages.len();
    if all > MAX_ROWS_SHOWN {
        paper.line(format!("  and {} more: see summary.json", all - MAX_ROWS_SHOWN));
    }
}

/// The headings of [`cells`].
pub(super) fn heads() -> impl Iterator<Item = &'static str> {
    let paths = PATHS.map(|(head, _)| head);
    [FAULTS].into_iter().chain(paths).chain(REST)
}

pub(super) fn length(key: &OutageKey) -> String {
    match key.length {
        OutageLength::Without => "-".to_owned(),
        OutageLength::Planned(length) => show_duration(length),
        OutageLength::Other => "other".to_owned(),
    }
}

pub(super) fn cells(outage: &Outage) -> [String; 10] {
    let faults = outage.faults();
    let share = |count: u64| match count {
        0 => "-".to_owned(),
        count => units::percent(Some(count as f64 / faults as f64)),
    };
    let [resume, restart, replace, rejoin] = PATHS.map(|(_, path)| share(outage.recovered_by(path)));
    let lost = match outage.messages.hits {
        0 if outage.messages.total > 0 => "0%".to_owned(),
        _ => units::percent(outage.messages.value()),
    };
    [
        faults.to_string(),
        resume,
        restart,
        replace,
        rejoin,
        share(outage.failed),
        share(outage.abandoned),
        units::duration(outage.reconnect.quantile_ms(0.5)),
        units::duration(outage.reconnect.quantile_ms(0.95)),
        lost,
    ]
}
