use maud::{Markup, html};

use super::{charts::is_drawn, failures::story_id};
use crate::{
    metrics::{MetricKey, Rate},
    report::{
        RunReport, ThresholdLine, ThresholdStatus, VerdictWord,
        describe::place,
        terminal::{actual, bound},
        units,
    },
    verdict::invariants::{InvariantResult, InvariantStatus},
};

/// Findings of an invariant that are listed; their stories are below.
const MAX_FINDINGS: usize = 5;

/// The verdict in a word and a sign, why, and what should be known besides.
pub(super) fn banner(report: &RunReport) -> Markup {
    let verdict = &report.verdict;
    let (class, sign, sentence) = said(verdict.word);
    let took = units::duration(Some(report.duration_ms));
    html! {
        div class={ "verdict " (class) } {
            p.word {
                span.sign aria-hidden="true" { (sign) }
                strong { (verdict.word.as_str()) }
                span.exit { "exit " (verdict.exit_code) }
            }
            p.sentence { (sentence) }
            @if !verdict.reasons.is_empty() {
                ul.reasons { @for reason in &verdict.reasons { li { (reason) } } }
            }
        }
        @if !verdict.warnings.is_empty() {
            ul.warnings {
                @for warning in &verdict.warnings { li { strong { "! warning: " } (warning) } }
            }
        }
        @if report.is_virtual() {
            p.virtual {
                strong { "Virtual time. " }
                "This run was simulated: " (took) " of virtual time. All durations here are of that clock, and say nothing of how fast a machine is."
            }
        }
        (tiles(report))
    }
}

fn said(word: VerdictWord) -> (&'static str, &'static str, &'static str) {
    match word {
        VerdictWord::Pass => ("good", "✓", "Everything that was asked of it held."),
        VerdictWord::Fail => ("bad", "✗", "A threshold or an invariant did not hold."),
        VerdictWord::Invalid => ("odd", "?", "The run proves nothing, neither good nor bad."),
        VerdictWord::Interrupted => ("odd", "■", "The user stopped it; what ran is reported."),
        VerdictWord::Aborted => (
            "odd",
            "■",
            "A threshold with abortOnFail, or a limit of the command line, stopped it.",
        ),
        VerdictWord::Error => ("bad", "✗", "A bug of rtcstorm's own ended it."),
        VerdictWord::Incomplete => (
            "bad incomplete",
            "✂",
            "The run did not come to its end. What follows is what its log holds: figures are of a part, and nothing is proved.",
        ),
        VerdictWord::Running => (
            "plain",
            "▶",
            "It is under way; figures are of what has happened so far.",
        ),
    }
}

/// The figures that people ask for first.
fn tiles(report: &RunReport) -> Markup {
    let trend = |name: &str, label: &str, q: f64| {
        let trend = report
            .metrics
            .trends
            .get(&MetricKey::new(name))
            .filter(|trend| trend.count() > 0)?;
        let of = match trend.failed() {
            0 => format!("of {}", trend.count()),
            failed => format!("of {}, failed: {failed}", trend.count()),
        };
        Some((label.to_owned(), units::duration(trend.quantile_ms(q)), of))
    };
    let counter = |name: &str| report.metrics.counters.get(&MetricKey::new(name)).copied();
    let failures = report.failures.len() as u64 + report.more_failures;
    let lost = counter("messages_sent").filter(|sent| *sent > 0).map(|sent| {
        let lost = counter("messages_lost").unwrap_or(0);
        let share = Rate {
            hits: lost,
            total: sent,
        }
        .value();
        (
            "messages lost".to_owned(),
            units::percent(share),
            format!("{lost} of {sent}"),
        )
    });
    let tiles = [
        trend("connect_ms", "connect p95", 0.95),
        trend("reconnect_ms", "reconnect p95", 0.95),
        trend("message_ms", "message p99", 0.99),
        lost,
        Some((
            "failures".to_owned(),
            failures.to_string(),
            "told by the run".to_owned(),
        )),
    ];
    html! {
        dl.tiles {
            @for (label, figure, of) in tiles.into_iter().flatten() {
                div { dt { (label) } dd { strong { (figure) } span { (of) } } }
            }
        }
    }
}

/// Each threshold with what it was compared with.
pub(super) fn thresholds(report: &RunReport, prefix: &str) -> Markup {
    html! {
        @if !report.thresholds.is_empty() {
            section id={ (prefix) "-thresholds" } {
                h3 { "Thresholds" }
                div.scroll tabindex="0" role="region" aria-label="Thresholds" {
                    table.verdicts role="table" {
                        caption.unseen { "Thresholds" }
                        thead role="rowgroup" { tr role="row" { @for head in ["metric", "bound", "it was", "verdict"] { th scope="col" role="columnheader" { (head) } } } }
                        tbody role="rowgroup" { @for line in &report.thresholds { (threshold(report, prefix, line)) } }
                    }
                }
            }
        }
    }
}

fn threshold(report: &RunReport, prefix: &str, line: &ThresholdLine) -> Markup {
    let (class, word) = match line.status {
        ThresholdStatus::Passed => ("good", "✓ passed"),
        ThresholdStatus::Failed => ("bad", "✗ FAILED"),
        ThresholdStatus::NoSamples => ("odd", "? no samples"),
    };
    let name = line.selector.split('{').next().unwrap_or_default();
    let target = match is_drawn(report, name) {
        true => Some(format!("#{prefix}-{name}")),
        false => super::figures::row_id(report, prefix, name).map(|id| format!("#{id}")),
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                @match target {
                    Some(target) => a href=(target) { (line.selector) },
                    None => (line.selector),
                }
            }
            td role="cell" { code { (bound(line)) } }
            td role="cell" { (actual(line)) }
            td role="cell" class={ "mark " (class) } { (word) }
        }
    }
}

/// Each invariant with what was found against it.
pub(super) fn invariants(results: &[InvariantResult], prefix: &str) -> Markup {
    html! {
        @if !results.is_empty() {
            section id={ (prefix) "-invariants" } {
                h3 { "Invariants" }
                ul.invariants { @for result in results { (invariant(result, prefix)) } }
            }
        }
    }
}

fn invariant(result: &InvariantResult, prefix: &str) -> Markup {
    let cases = format!("{} {}", result.cases, result.cases_are);
    let (class, sign, outcome) = match &result.status {
        InvariantStatus::Held => ("good", "✓", format!("held in {cases}")),
        InvariantStatus::Broken => ("bad", "✗", format!("BROKEN, {cases}")),
        InvariantStatus::NotApplicable { .. } => ("none", "–", "not applicable".to_owned()),
    };
    let more = result.findings.len().saturating_sub(MAX_FINDINGS) as u64 + result.more_findings;
    html! {
        li {
            span class={ "mark " (class) } { (sign) " " (result.number) }
            div {
                span.name { (result.name) } " "
                span.outcome { (outcome) }
                @if let InvariantStatus::NotApplicable { why } = &result.status { p.note { (why) } }
                @if let Some(note) = &result.note { p.note { "note: " (note) } }
                @if !result.findings.is_empty() {
                    ul.findings {
                        @for finding in result.findings.iter().take(MAX_FINDINGS) {
                            li {
                                (place(finding.peer, finding.remote, finding.at)) ": " (finding.what) " "
                                @if let Some(peer) = finding.peer {
                                    a href={ "#" (story_id(prefix, peer, finding.remote)) } { "its story" }
                                }
                            }
                        }
                    }
                }
                @if more > 0 { p.more { "and " (more) " more: see summary.json and events.ndjson" } }
            }
        }
    }
}
