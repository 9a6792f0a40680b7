use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    charts::drawn,
    colophon::colophon,
    failures::failures,
    figures::tables,
    style::style,
    verdict::{banner, invariants, thresholds},
};
use crate::report::{RunRecord, RunReport, VerdictWord};

/// The whole page: each run in a section of its own, under an index if there are several.
///
/// # Errors
/// None as yet: whatever is known of a run can be shown.
pub fn page(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let title = match runs {
        [run] => format!(
            "{} {}, seed {}",
            run.report.verdict.word.as_str(),
            run.report.scenario.name,
            run.report.scenario.seed
        ),
        runs => format!("{} runs", runs.len()),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – rtcstorm" }
                style { (PreEscaped(style())) }
            }
            body {
                header.top { h1 { "rtcstorm " span { "report" } } @if runs.len() > 1 { (index(runs)) } }
                main {
                    @for (nth, run) in runs.iter().enumerate() { (section(run, &format!("run-{}", nth + 1))) }
                    @if runs.is_empty() { p.about { "No run." } }
                }
                footer { p { "Made by rtcstorm. Durations are in the run's own time; a failure counts as infinitely long." } }
            }
        }
    };
    Ok(page.into_string().into_bytes())
}

fn index(runs: &[RunRecord]) -> Markup {
    html! {
        nav aria-label="Runs" {
            ol.index {
                @for (nth, run) in runs.iter().enumerate() {
                    @let report = &run.report;
                    li {
                        a href={ "#run-" (nth + 1) } { (report.scenario.name) }
                        span.seed { "seed " (report.scenario.seed) }
                        strong class={ "mark " (mark(report)) } { (report.verdict.word.as_str()) }
                    }
                }
            }
        }
    }
}

fn mark(report: &RunReport) -> &'static str {
    match report.verdict.word {
        VerdictWord::Pass => "good",
        VerdictWord::Fail | VerdictWord::Error | VerdictWord::Incomplete => "bad",
        VerdictWord::Invalid | VerdictWord::Interrupted | VerdictWord::Aborted => "odd",
        VerdictWord::Running => "none",
    }
}

fn section(run: &RunRecord, prefix: &str) -> Markup {
    let report = &run.report;
    html! {
        article.run id=(prefix) {
            header {
                h2 { (report.scenario.name) " " span.seed { "seed " (report.scenario.seed) } }
                @if let Some(about) = &report.scenario.about { p.about { (about) } }
                p.facts-line {
                    (report.world) " world · " (report.target) " · started " (report.started_at.text)
                }
            }
            (banner(report))
            (thresholds(report, prefix))
            (invariants(&report.invariants, prefix))
            (failures(run, prefix))
            (drawn(report, prefix))
            (tables(report, prefix))
            (colophon(run, prefix))
        }
    }
}
