//! The summary at the end of a run, as text for a terminal: the verdict first, then what it rests on.

use std::time::Duration;

use crate::{
    base::show_duration,
    verdict::invariants::{InvariantResult, InvariantStatus},
};

use super::{
    describe::{describe, place},
    drawing,
    externals::ignored_externals,
    fanout::fanout,
    model::{RunReport, ThresholdLine, ThresholdStatus, VerdictWord},
    outages::outages,
    paper::{Ink, Paper, clean, left, right, width},
    tables, units,
};

/// How many findings of an invariant are shown; `summary.json` has more.
const MAX_FINDINGS_SHOWN: usize = 3;
/// How many failures are shown; `summary.json` has more.
const MAX_FAILURES_SHOWN: usize = 10;

/// How the summary is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; at least 50 are used.
    pub width: usize,
    /// Whether to add ANSI colours. They add no meaning: marks and words say the same.
    pub colour: bool,
}

/// The whole summary. Every line but pasteable ones (paths, the command) fits the width.
pub fn summary(report: &RunReport, look: Look) -> String {
    let mut paper = Paper::new(look.width, look.colour);
    verdict(&mut paper, report);
    thresholds(&mut paper, &report.thresholds);
    tables::trends(&mut paper, &report.metrics);
    outages(&mut paper, &report.metrics);
    drawing::histograms(&mut paper, &report.metrics);
    tables::rates(&mut paper, &report.metrics);
    tables::counters(&mut paper, &report.metrics);
    if let Some(sentences) = fanout(&report.metrics) {
        paper.heading("Fan-out waste");
        for sentence in sentences {
            paper.wrapped(Ink::Plain, "  ", &sentence);
        }
    }
    if let Some(sentence) = ignored_externals(&report.metrics) {
        paper.heading("From outside");
        paper.wrapped(Ink::Plain, "  ", &sentence);
    }
    invariants(&mut paper, &report.invariants);
    failures(&mut paper, report);
    generator(&mut paper, report);
    files(&mut paper, report);
    paper.into_text()
}

fn verdict(paper: &mut Paper, report: &RunReport) {
    let verdict = &report.verdict;
    let word = verdict.word.as_str();
    let ink = match verdict.word {
        VerdictWord::Pass => Ink::Good,
        VerdictWord::Fail | VerdictWord::Error | VerdictWord::Incomplete => Ink::Bad,
        VerdictWord::Running => Ink::Plain,
        VerdictWord::Invalid | VerdictWord::Interrupted | VerdictWord::Aborted => Ink::Odd,
    };
    let exit = format!("exit {}", verdict.exit_code);
    let indent = width(word) + 2;
    let title = clean(&format!(
        "{}, seed {}",
        report.scenario.name, report.scenario.seed
    ));
    let title = left(&title, paper.width.saturating_sub(indent + width(&exit) + 1));
    let word = paper.paint(ink, word);
    paper.line(format!("{word}  {title} {exit}"));
    let blank = " ".repeat(indent);
    if let Some(about) = &report.scenario.about {
        paper.wrapped(Ink::Plain, &blank, about);
    }
    let took = units::duration(Some(report.duration_ms));
    let facts = format!(
        "{} world, {}, {took}, started {}",
        report.world, report.target, report.started_at.text
    );
    paper.wrapped(Ink::Plain, &blank, &facts);
    if let Some(warm_up) = report.warm_up_ms {
        let warm_up = stretch(warm_up);
        paper.wrapped(
            Ink::Plain,
            &blank,
            &format!("warm-up: what began in the first {warm_up} is in no figure"),
        );
    }
    if let Some(hash) = report.log_hash {
        paper.line(format!("{blank}log {hash:016x}"));
    }
    for reason in &verdict.reasons {
        paper.wrapped(ink, "  - ", reason);
    }
    for warning in &verdict.warnings {
        paper.wrapped(Ink::Odd, "  ! warning: ", warning);
    }
}

fn thresholds(paper: &mut Paper, lines: &[ThresholdLine]) {
    if lines.is_empty() {
        return;
    }
    paper.heading("Thresholds");
    let columns = |text: fn(&ThresholdLine) -> &str| lines.iter().map(|line| width(&clean(text(line)))).max();
    let selector = columns(|line| &line.selector).unwrap_or(0);
    let expressions: Vec<String> = lines.iter().map(|line| clean(&bound(line))).collect();
    let expression = expressions.iter().map(|text| width(text)).max().unwrap_or(0);
    for (line, bound) in lines.iter().zip(&expressions) {
        let (ink, mark, word) = match line.status {
            ThresholdStatus::Passed => (Ink::Good, "✓", ""),
            ThresholdStatus::Failed => (Ink::Bad, "✗", "  FAILED"),
            ThresholdStatus::NoSamples => (Ink::Odd, "?", ""),
        };
        let what = left(&clean(&line.selector), selector);
        let bound = left(bound, expression);
        let actual = actual(line);
        let row = format!("{what}  {bound}  {actual}{word}");
        if width(&row) + 4 <= paper.width {
            let word = paper.paint(ink, word);
            let mark = paper.paint(ink, mark);
            paper.line(format!("  {mark} {what}  {bound}  {actual}{word}"));
        } else {
            paper.wrapped(ink, &format!("  {mark} "), what.trim_end());
            paper.wrapped(
                Ink::Plain,
                "      ",
                &format!("{}  {actual}{word}", bound.trim_end()),
            );
        }
    }
}

/// The condition, and in what stretches of the run it has to hold.
pub(super) fn bound(line: &ThresholdLine) -> String {
    match line.window {
        Some(window) => {
            let length = stretch(window.length_ms);
            format!("{} in every {length}", line.expression)
        }
        None => line.expression.clone(),
    }
}

/// The figure, and the window that it is of.
pub(super) fn actual(line: &ThresholdLine) -> String {
    let figure = figure(line);
    match line.window.and_then(|window| window.worst_ms) {
        Some((from, until)) => {
            format!("{figure} ({} to {})", stretch(from), stretch(until))
        }
        None => figure,
    }
}

/// A time that was chosen and not measured, as scenarios write it: `10s`.
fn stretch(ms: f64) -> String {
    match Duration::try_from_secs_f64(ms / 1_000.0) {
        Ok(time) => show_duration(time),
        Err(_) => units::duration(Some(ms)),
    }
}

/// In the unit that the expression is in: durations in ms, shares and counts plain.
fn figure(line: &ThresholdLine) -> String {
    let Some(actual) = line.actual else {
        return "no samples".to_owned();
    };
    let name = line.selector.split('{').next().unwrap_or_default();
    let counts = ["count", "rate"]
        .iter()
        .any(|what| line.expression.trim_start().starts_with(what));
    if name.ends_with("_ms") && !counts {
        units::duration(Some(actual))
    } else {
        units::number(actual)
    }
}

fn invariants(paper: &mut Paper, results: &[InvariantResult]) {
    if results.is_empty() {
        return;
    }
    paper.heading("Invariants");
    for result in results {
        let cases = format!("{} {}", result.cases, result.cases_are);
        let (ink, mark, outcome) = match &result.status {
            InvariantStatus::Held => (Ink::Good, "✓", cases),
            InvariantStatus::Broken => (Ink::Bad, "✗", "BROKEN".to_owned()),
            InvariantStatus::NotApplicable { .. } => (Ink::Dim, "-", "not applicable".to_owned()),
        };
        let first = format!("  {mark} {} ", result.number);
        let (room, used) = (paper.width, width(&first) + width(result.name) + 2);
        if used + width(&outcome) <= room {
            let gap = right(&outcome, room - used + 2);
            let mark = paper.paint(ink, &first);
            paper.line(format!("{mark}{}{gap}", result.name));
        } else {
            paper.wrapped(ink, &first, &format!("{}: {outcome}", result.name));
        }
        if let InvariantStatus::NotApplicable { why } = &result.status {
            paper.wrapped(Ink::Plain, "      ", why);
        }
        if let Some(note) = &result.note {
            paper.wrapped(Ink::Plain, "      note: ", note);
        }
        findings(paper, result);
    }
}

fn findings(paper: &mut Paper, result: &InvariantResult) {
    for finding in result.findings.iter().take(MAX_FINDINGS_SHOWN) {
        let place = place(finding.peer, finding.remote, finding.at);
        paper.wrapped(Ink::Bad, "      - ", &format!("{place}: {}", finding.what));
        for event in &finding.last_events {
            paper.event("        ", &describe(event));
        }
    }
    let kept = result.findings.len().saturating_sub(MAX_FINDINGS_SHOWN) as u64;
    more(paper, "      ", kept.saturating_add(result.more_findings));
}

fn failures(paper: &mut Paper, report: &RunReport) {
    if report.failures.is_empty() {
        return;
    }
    paper.heading("Failures");
    for failure in report.failures.iter().take(MAX_FAILURES_SHOWN) {
        let place = place(failure.peer, failure.remote, failure.at);
        paper.wrapped(Ink::Bad, "  - ", &format!("{place}: {}", failure.what));
    }
    let kept = report.failures.len().saturating_sub(MAX_FAILURES_SHOWN) as u64;
    more(paper, "  ", kept.saturating_add(report.more_failures));
}

fn more(paper: &mut Paper, indent: &str, count: u64) {
    if count > 0 {
        paper.line(format!(
            "{indent}and {count} more: see summary.json and events.ndjson"
        ));
    }
}

fn generator(paper: &mut Paper, report: &RunReport) {
    let used = report.generator;
    let mut parts = Vec::new();
    parts.extend(
        used.cpu_percent
            .map(|cpu| format!("cpu {}%", units::number(cpu.round()))),
    );
    parts.extend(used.rss_bytes.map(|rss| format!("memory {}", units::bytes(rss))));
    parts.extend(used.rss_growth.map(|growth| {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let (low, high) = (mib(growth.low), mib(growth.high));
        format!(
            "memory grew by {:.1} MiB an hour ({low:.1} to {high:.1})",
            mib(growth.per_hour)
        )
    }));
    parts.extend(
        used.lag_ms_p99
            .map(|lag| format!("lag p99 {}", units::duration(Some(lag)))),
    );
    parts.extend(
        used.event_loop_lag_ms_p99
            .map(|lag| format!("event loops' lag p99 {}", units::duration(Some(lag)))),
    );
    parts.extend(used.open_files.map(|open| match used.open_files_allowed {
        Some(allowed) => format!("open files {open} of {allowed}"),
        None => format!("open files {open}"),
    }));
    if parts.is_empty() {
        return;
    }
    paper.heading("The generator itself");
    paper.wrapped(Ink::Plain, "  ", &parts.join(", "));
}

/// Paths and the command are not wrapped: they are to be pasted. Files of one folder name it once.
fn files(paper: &mut Paper, report: &RunReport) {
    let folders = report.files.iter().map(|file| folder_and_name(&file.path).0);
    let folder = folders
        .reduce(|one, other| if one == other { one } else { "" })
        .unwrap_or("");
    let in_folder = if folder.is_empty() { "" } else { " in " };
    if !report.files.is_empty() {
        paper.heading(&format!("Files{in_folder}{}", clean(folder)));
    }
    let name = |path: &str| match folder {
        "" => clean(path),
        _ => clean(folder_and_name(path).1),
    };
    let columns = report
        .files
        .iter()
        .map(|file| width(&name(&file.path)))
        .max()
        .unwrap_or(0);
    for file in &report.files {
        let first = format!("  {}  ", left(&name(&file.path), columns));
        if width(&first) + width(&file.what) <= paper.width {
            paper.line(format!("{first}{}", clean(&file.what)));
        } else {
            paper.line(first);
            paper.wrapped(Ink::Plain, "      ", &file.what);
        }
    }
    if !report.repeat.is_empty() {
        paper.heading("Again");
        paper.line(format!("  {}", clean(&report.repeat)));
    }
}

/// `a/b/c` is `c` in `a/b/`.
fn folder_and_name(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn at(report: &RunReport, width: usize) -> String {
        summary(report, Look { width, colour: false })
    }

    fn check(name: &str, text: &str) {
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, text) });
    }

    #[test]
    fn a_busy_run_reads_well_at_80_columns() {
        check("terminal-80", &at(&samples::busy_run(), 80));
    }

    #[test]
    fn a_busy_run_reads_well_at_120_columns() {
        check("terminal-120", &at(&samples::busy_run(), 120));
    }

    #[test]
    fn a_run_of_nothing_says_so() {
        check("terminal-empty", &at(&samples::empty_run(), 80));
    }

    #[test]
    fn a_run_of_failures_shows_infinity() {
        check("terminal-failed", &at(&samples::failed_run(), 80));
    }

    #[test]
    fn links_that_came_back_are_drawn_by_path_side_by_side_where_there_is_room() {
        check("terminal-faults-80", &at(&samples::faulty_run(), 80));
        check("terminal-faults-60", &at(&samples::faulty_run(), 60));
    }

    #[test]
    fn no_line_is_longer_than_the_width_but_those_to_paste() {
        let mut report = samples::busy_run();
        report.files.clear();
        for report in [report, samples::faulty_run()] {
            for columns in 50..140 {
                // The columns of figures need their room.
                let allowed = columns.max(80);
                for line in at(&report, columns).lines() {
                    assert!(width(line) <= allowed, "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        for report in [
            samples::busy_run(),
            samples::empty_run(),
            samples::failed_run(),
            samples::faulty_run(),
        ] {
            let coloured = summary(
                &report,
                Look {
                    width: 100,
                    colour: true,
                },
            );
            let mut plain = String::new();
            for (nth, part) in coloured.split('\u{1b}').enumerate() {
                let text = if nth == 0 {
                    part
                } else {
                    part.split_once('m').expect("an SGR escape").1
                };
                plain.push_str(text);
            }
            let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            assert_eq!(trimmed(&plain), trimmed(&at(&report, 100)));
        }
    }
}
