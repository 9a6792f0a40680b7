//! A comparison as text for a terminal: the verdict first, then each figure.

use super::{
    super::{
        paper::{Ink, Paper, clean, left, right, width},
        terminal::Look,
    },
    words,
};
use crate::compare::{Comparison, Line, Outcome, Side, Verdict};

const HEAD: [&str; 5] = ["base", "new", "change", "interval", "margin"];

/// The whole text. Every line fits the width, if that is 60 or more.
pub fn comparison(comparison: &Comparison, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    verdict(&mut paper, comparison);
    lines(&mut paper, &comparison.lines);
    paper.line("");
    for advice in words::advice(comparison) {
        paper.wrapped(Ink::Odd, "  ? ", &advice);
    }
    paper.wrapped(Ink::Plain, "  ", &words::method(comparison));
    paper.into_text()
}

fn verdict(paper: &mut Paper, comparison: &Comparison) {
    let ink = match comparison.verdict {
        Verdict::Regression => Ink::Bad,
        Verdict::NoRegression => Ink::Good,
        Verdict::Inconclusive => Ink::Odd,
    };
    let word = comparison.verdict.as_str();
    let exit = format!("exit {}", words::exit_code(comparison.verdict).number());
    let indent = width(word) + 2;
    let room = paper.width.saturating_sub(indent + width(&exit) + 1);
    let scenario = clean(&comparison.base.scenario);
    let title = left(&scenario, room);
    let painted = paper.paint(ink, word);
    paper.line(format!("{painted}  {title} {exit}"));
    let blank = "  ";
    for (name, side) in [("base", &comparison.base), ("new ", &comparison.new)] {
        paper.wrapped(Ink::Plain, &format!("{blank}{name}  "), &told(side));
    }
    for forced in &comparison.forced {
        paper.wrapped(Ink::Bad, "  ! forced: ", forced);
    }
    for note in &comparison.notes {
        paper.wrapped(Ink::Odd, "  ! ", note);
    }
}

fn told(side: &Side) -> String {
    let facts = [
        words::runs(side.runs as u64),
        format!("{} world", side.world),
        side.target.clone(),
        format!("rtcstorm {}", side.version),
        side.machine.clone(),
    ];
    let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    format!("{}: {}", side.name, facts.join(", "))
}

fn lines(paper: &mut Paper, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let rows: Vec<(String, [String; 5])> = lines
        .iter()
        .map(|line| (clean(&line.gate.to_string()), cells(line)))
        .collect();
    let mut columns = HEAD.map(width);
    for (_, cells) in &rows {
        for (column, cell) in columns.iter_mut().zip(cells) {
            *column = width(cell).max(*column);
        }
    }
    let longest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let word = lines
        .iter()
        .map(|line| width(words::outcome(&line.outcome)))
        .max()
        .unwrap_or(0);
    let figures: usize = columns.iter().map(|column| column + 2).sum();
    let on_one_line = 4 + longest + figures + 2 + word <= paper.width;
    let row = |cells: &[String; 5]| -> String {
        let padded = cells.iter().zip(columns);
        padded.map(|(cell, column)| right(cell, column + 2)).collect()
    };
    let head = row(&HEAD.map(str::to_owned));
    match on_one_line {
        true => paper.heading(&format!("{}{head}", left("Figures", 4 + longest))),
        false => paper.heading(&format!("Figures\n    {}", head.trim_end())),
    }
    for (line, (name, cells)) in lines.iter().zip(&rows) {
        let (ink, mark) = match line.outcome {
            Outcome::Regression => (Ink::Bad, "✗"),
            Outcome::NoRegression => (Ink::Good, "✓"),
            Outcome::Inconclusive(_) => (Ink::Odd, "?"),
            Outcome::Refused(_) => (Ink::Dim, "-"),
        };
        let mark = paper.paint(ink, mark);
        let word = paper.paint(ink, words::outcome(&line.outcome));
        let figures = row(cells);
        if on_one_line {
            paper.line(format!("  {mark} {}{figures}  {word}", left(name, longest)));
        } else {
            paper.line(format!("  {mark} {name}: {word}"));
            paper.line(format!("    {figures}"));
        }
        if let Some(why) = words::why(line) {
            paper.wrapped(Ink::Plain, "      ", &why);
        }
    }
}

fn cells(line: &Line) -> [String; 5] {
    let of_change =
        |of: fn(&crate::compare::Change) -> String| line.change.as_ref().map_or_else(|| "-".to_owned(), of);
    [
        words::figure(line, line.base),
        words::figure(line, line.new),
        of_change(words::change),
        of_change(words::interval),
        of_change(words::margin),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn check(name: &str, of: &Comparison, columns: usize) {
        let look = Look {
            width: columns,
            colour: false,
        };
        let text = comparison(of, look);
        for line in text.lines() {
            assert!(width(line) <= columns, "{columns} columns: {line}");
        }
        let coloured = comparison(of, Look { colour: true, ..look });
        assert_ne!(coloured, text);
        insta::with_settings!({
            snapshot_path => "../../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, text) });
    }

    #[test]
    fn a_regression_is_shown_in_two_widths() {
        check("comparison-120", &samples::regression(), 120);
        check("comparison-60", &samples::regression(), 60);
    }

    #[test]
    fn too_few_runs_are_told_with_how_many_are_missing() {
        check("comparison-few", &samples::few(), 100);
    }

    #[test]
    fn failures_and_forced_runs_are_told() {
        check("comparison-forced", &samples::failing_and_forced(), 100);
    }
}
