use super::{CapacityReport, StepLine};
use crate::report::{
    drawing::bar,
    paper::{Ink, Paper, left, right},
    terminal::Look,
    units,
};

/// The longest bar of a curve.
const MAX_BAR: usize = 16;
/// A shorter one says nothing.
const MIN_BAR: usize = 4;
/// Of one word for an outcome.
const WORD: usize = 9;
/// Each figure's width; a bar stands behind those that have a curve.
const HEAD: [(&str, usize, bool); 6] = [
    ("peers", 6, false),
    ("p95", 8, true),
    ("failed", 7, true),
    ("server CPU", 11, true),
    ("own CPU", 8, false),
    ("own lag", 8, false),
];

/// One run, while the search goes on.
pub fn step(step: &StepLine) -> String {
    let mut text = format!("{} peers: {}", step.peers, step.word());
    if let Some(ms) = step.connect_ms_p95 {
        text.push_str(&format!(", connect p95 {}", units::duration(Some(ms))));
    }
    if let Some(why) = step.reasons.first() {
        text.push_str(&format!(" ({why})"));
    }
    text
}

/// The whole: where the knee lies, and the curve, by load. Every line fits the width, if that is 60 or more.
pub fn summary(report: &CapacityReport, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    let title = format!("{}: {}", report.scenario, report.metrics.join(", "));
    paper.wrapped(Ink::Bold, "KNEE  ", &title);
    paper.wrapped(Ink::Plain, "  ", &report.found());
    if !report.steps.is_empty() {
        paper.wrapped(Ink::Plain, "  ", report.whose());
    }
    if report.interrupted {
        paper.wrapped(
            Ink::Odd,
            "  ! ",
            "It was interrupted: this is of what was measured until then.",
        );
    }
    paper.wrapped(Ink::Dim, "  target   ", &report.target);
    paper.wrapped(Ink::Dim, "  machine  ", &report.machine);
    if !report.steps.is_empty() {
        curves(&mut paper, report, look);
    }
    paper.line("");
    paper.wrapped(Ink::Dim, "  again  ", &report.repeat);
    paper.into_text()
}

/// Every run, by its load, with a bar for each of the figures that have a curve.
fn curves(paper: &mut Paper, report: &CapacityReport, look: Look) {
    paper.heading("Every run, by its load");
    let used: usize = HEAD.iter().map(|(_, width, _)| width).sum();
    let curves = HEAD.iter().filter(|(.., has_curve)| *has_curve).count();
    // Two blanks, the figures, a blank, the word; and a blank before each bar.
    let room = look.width.saturating_sub(2 + used + 1 + WORD) / curves;
    let room = room.saturating_sub(1).min(MAX_BAR);
    let room = if room < MIN_BAR { 0 } else { room };
    let heads = HEAD
        .iter()
        .map(|(name, width, has_curve)| cell(name, *width, has_curve.then_some(""), room));
    paper.line(format!("  {}", heads.collect::<String>()));
    let mut steps: Vec<&StepLine> = report.steps.iter().collect();
    steps.sort_by_key(|step| step.peers);
    let most = CURVES.map(|of| {
        let finite = steps
            .iter()
            .filter_map(|step| of(step))
            .filter(|value| value.is_finite());
        finite.fold(0.0_f64, f64::max)
    });
    for step in steps {
        let row = row(paper, step, most, room);
        paper.line(row);
    }
}

/// What has a bar, in the order of its columns.
const CURVES: [fn(&StepLine) -> Option<f64>; 3] = [
    |step| step.connect_ms_p95,
    |step| step.failed,
    |step| step.server_cpu_percent,
];

/// A figure, and behind it the bar of a curve.
fn cell(figure: &str, width: usize, curve: Option<&str>, room: usize) -> String {
    let figure = right(figure, width);
    match curve {
        Some(bar) if room > 0 => format!("{figure} {}", left(bar, room)),
        _ => figure,
    }
}

fn row(paper: &Paper, step: &StepLine, most: [f64; 3], room: usize) -> String {
    let cpu = |percent: Option<f64>| percent.map_or("-".to_owned(), |percent| format!("{percent:.0}%"));
    let figures = [
        step.peers.to_string(),
        units::duration(step.connect_ms_p95),
        units::percent(step.failed),
        cpu(step.server_cpu_percent),
        cpu(step.generator_cpu_percent),
        units::duration(step.generator_lag_ms_p99),
    ];
    let mut curves = CURVES.iter().zip(most).map(|(of, most)| match of(step) {
        Some(value) if value.is_infinite() => bar(1, 1, room, true),
        Some(value) if most > 0.0 => bar((value / most * 1e6) as u64, 1_000_000, room, false),
        _ => String::new(),
    });
    let cells = figures.iter().zip(HEAD).map(|(figure, (_, width, has_curve))| {
        let curve = if has_curve { curves.next() } else { None };
        cell(figure, width, curve.as_deref(), room)
    });
    let cells: String = cells.collect();
    let ink = match step.word() {
        "held" => Ink::Good,
        "broke" => Ink::Bad,
        _ => Ink::Odd,
    };
    format!("  {cells} {}", paper.paint(ink, step.word()))
}
