//! A calibration, as text and as JSON (schema `rtcstorm.calibration/1`).

use serde::Serialize;

use super::{
    super::{
        json::Exact,
        paper::{Ink, Paper, clean, left, right, width},
        terminal::Look,
        units,
    },
    words,
};
use crate::compare::{Calibration, Figure, SmallestEffect, TAIL};

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.calibration/1";

/// Of what it is.
pub struct About<'a> {
    pub scenario: &'a str,
    pub runs: usize,
    /// What stood against the runs.
    pub forced: &'a [String],
}

/// As text; every line fits the width, if that is 60 or more.
pub fn terminal(about: &About<'_>, of: &Calibration, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    let title = format!(
        "CALIBRATION  {}, {}",
        clean(about.scenario),
        words::runs(about.runs as u64)
    );
    let title = paper.paint(Ink::Bold, &title);
    paper.line(title);
    for forced in about.forced {
        paper.wrapped(Ink::Bad, "  ! forced: ", forced);
    }
    let splits = words::grouped(u64::from(of.splits));
    paper.wrapped(
        Ink::Plain,
        "  ",
        &format!(
            "Split in two at random {splits} times, {} a side, and compared with itself:",
            words::runs(of.per_side as u64)
        ),
    );
    let share = |count: u32| units::percent(Some(f64::from(count) / f64::from(of.splits.max(1))));
    let open = of.splits - of.false_alarms - of.all_clear;
    for (what, count) in [
        ("false alarms (REGRESSION)", of.false_alarms),
        ("NO REGRESSION, as it is", of.all_clear),
        ("INCONCLUSIVE", open),
    ] {
        paper.line(format!("    {} {}", left(what, 26), right(&share(count), 6)));
    }
    paper.wrapped(
        Ink::Plain,
        "  ",
        &format!(
            "At most {:.0} % false alarms are promised. The splits share their runs, so this share is itself uncertain; docs/STATISTICS.md has it from runs of their own.",
            TAIL * 100.0
        ),
    );
    effects(&mut paper, of);
    paper.into_text()
}

fn effects(paper: &mut Paper, of: &Calibration) {
    if of.effects.is_empty() {
        return;
    }
    let head: Vec<String> = ["now".to_owned(), "runs differ".to_owned()]
        .into_iter()
        .chain(of.runs.iter().map(|runs| format!("{runs} runs")))
        .collect();
    let rows: Vec<(String, Vec<String>)> = of
        .effects
        .iter()
        .map(|effect| (clean(&effect.gate.to_string()), cells(effect)))
        .collect();
    let mut columns: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for (_, cells) in &rows {
        for (column, cell) in columns.iter_mut().zip(cells) {
            *column = width(cell).max(*column);
        }
    }
    let row = |cells: &[String]| -> String {
        let padded = cells.iter().zip(&columns);
        padded.map(|(cell, column)| right(cell, column + 2)).collect()
    };
    let longest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let figures: usize = columns.iter().map(|column| column + 2).sum();
    let on_one_line = 2 + longest + figures <= paper.width;
    paper.heading("Smallest change for the worse that nine comparisons in ten find, by runs a side");
    let indent = if on_one_line { 2 + longest } else { 2 };
    paper.line(format!("{}{}", " ".repeat(indent), row(&head)));
    for (name, cells) in &rows {
        if on_one_line {
            paper.line(format!("  {}{}", left(name, longest), row(cells)));
        } else {
            paper.line(format!("  {name}"));
            paper.line(format!("  {}", row(cells)));
        }
    }
    paper.line("");
    paper.wrapped(
        Ink::Plain,
        "  ",
        "`-`: too few samples for that figure, or runs in which it is 0 or infinite. Runs differ by the standard deviation of one run.",
    );
}

fn cells(effect: &SmallestEffect) -> Vec<String> {
    let is_rate = effect.gate.figure == Figure::Rate;
    let found = effect.found.iter().map(|found| match found {
        None => "-".to_owned(),
        Some(change) if is_rate => format!("+{:.1}pp", change * 100.0),
        Some(change) if *change >= words::MANY_TIMES => format!("×{:.0}", 1.0 + change),
        Some(change) => format!("+{:.0}%", change * 100.0),
    });
    let now = match is_rate {
        true => units::percent(Some(effect.figure)),
        false => units::duration(Some(effect.figure)),
    };
    let spread = effect
        .spread
        .map_or_else(|| "-".to_owned(), |spread| format!("{:.1}%", spread * 100.0));
    [now, spread].into_iter().chain(found).collect()
}

#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    scenario: &'a str,
    runs: usize,
    forced: &'a [String],
    per_side: usize,
    splits: u32,
    false_alarms: u32,
    all_clear: u32,
    effects: Vec<EffectTold>,
}

#[derive(Serialize)]
struct EffectTold {
    metric: String,
    figure: &'static str,
    /// In ms, or a share.
    value: Exact,
    spread: Option<f64>,
    smallest: Vec<Smallest>,
}

#[derive(Serialize)]
struct Smallest {
    runs: u32,
    change: Option<f64>,
}

/// As JSON, indented, with a line feed at its end.
pub fn json(about: &About<'_>, of: &Calibration) -> Vec<u8> {
    let effect = |effect: &SmallestEffect| EffectTold {
        metric: effect.gate.key.to_string(),
        figure: effect.gate.figure.name(),
        value: Exact(Some(effect.figure)),
        spread: effect.spread,
        smallest: of
            .runs
            .iter()
            .zip(&effect.found)
            .map(|(runs, change)| Smallest {
                runs: *runs,
                change: *change,
            })
            .collect(),
    };
    let told = Told {
        schema: SCHEMA,
        scenario: about.scenario,
        runs: about.runs,
        forced: about.forced,
        per_side: of.per_side,
        splits: of.splits,
        false_alarms: of.false_alarms,
        all_clear: of.all_clear,
        effects: of.effects.iter().map(effect).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&told).expect("its fields are all JSON");
    bytes.push(b'\n');
    bytes
}
