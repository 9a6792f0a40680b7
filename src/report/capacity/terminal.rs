use super::{CapacityReport, StepLine};
use crate::report::{
    paper::{Ink, Paper, right},
    terminal::Look,
    units,
};

/// The longest bar of the curve.
const MAX_BAR: usize = 30;
const HEAD: [(&str, usize); 6] = [
    ("peers", 7),
    ("p95", 8),
    ("failed", 7),
    ("server CPU", 11),
    ("own CPU", 8),
    ("own lag", 8),
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
    paper.wrapped(Ink::Plain, "  ", report.whose());
    if report.interrupted {
        paper.wrapped(
            Ink::Odd,
            "  ! ",
            "It was interrupted: this is of what was measured until then.",
        );
    }
    paper.wrapped(Ink::Dim, "  target   ", &report.target);
    paper.wrapped(Ink::Dim, "  machine  ", &report.machine);
    paper.heading("Every run, by its load");
    let heads: String = HEAD.iter().map(|(name, width)| right(name, *width)).collect();
    paper.line(format!("  {heads}"));
    let mut steps: Vec<&StepLine> = report.steps.iter().collect();
    steps.sort_by_key(|step| step.peers);
    let finite = |step: &&StepLine| step.connect_ms_p95.filter(|ms| ms.is_finite());
    let most = steps.iter().filter_map(finite).fold(0.0_f64, f64::max);
    let used: usize = HEAD.iter().map(|(_, width)| width).sum();
    let room = look.width.saturating_sub(used + 14).min(MAX_BAR);
    for step in steps {
        paper.line(row(&paper, step, most, room));
    }
    paper.line("");
    paper.wrapped(Ink::Dim, "  again  ", &report.repeat);
    paper.into_text()
}

fn row(paper: &Paper, step: &StepLine, most: f64, room: usize) -> String {
    let cpu = |percent: Option<f64>| percent.map_or("-".to_owned(), |percent| format!("{percent:.0}%"));
    let cells = [
        step.peers.to_string(),
        units::duration(step.connect_ms_p95),
        units::percent(step.failed),
        cpu(step.server_cpu_percent),
        cpu(step.generator_cpu_percent),
        units::duration(step.generator_lag_ms_p99),
    ];
    let cells = cells
        .iter()
        .zip(HEAD)
        .map(|(cell, (_, width))| right(cell, width));
    let share = match step.connect_ms_p95 {
        Some(ms) if ms.is_infinite() => 1.0,
        Some(ms) if most > 0.0 => ms / most,
        _ => 0.0,
    };
    let ink = match step.word() {
        "held" => Ink::Good,
        "broke" => Ink::Bad,
        _ => Ink::Odd,
    };
    let word = paper.paint(ink, &format!("{:9}", step.word()));
    let bar = "█".repeat((share * room as f64).round() as usize);
    format!("  {} {word} {bar}", cells.collect::<String>())
}
