//! Workflow commands of GitHub Actions: what went wrong, beside the job.

use super::{
    escape::{command_message, command_property},
    evidence::Evidence,
    model::{RunReport, VerdictWord},
};

/// So many of a kind GitHub shows of one step; the others it drops without a word.
pub const MAX_SHOWN: usize = 10;
/// Findings and failures that an annotation names.
const MAX_PLACES: usize = 3;
/// Bytes of one message; GitHub cuts at 64 KB, and nobody reads so far.
const MAX_BYTES: usize = 4_096;

/// One line for each thing to be annotated, without a line feed: at most `most` errors and as many warnings, the most
/// important first.
pub fn annotations(report: &RunReport, most: usize) -> Vec<String> {
    let verdict = &report.verdict;
    let scenario = format!("{}, seed {}", report.scenario.name, report.scenario.seed);
    let mut errors = Vec::new();
    if verdict.word != VerdictWord::Pass {
        let title = format!("{}: {scenario}", verdict.word.as_str());
        let mut lines = verdict.reasons.clone();
        lines.push(format!("again: {}", report.repeat));
        errors.push(command("error", &title, &lines));
    }
    for result in report.invariants.iter().filter(|result| result.is_broken()) {
        let title = format!("invariant {} is broken: {scenario}", result.number);
        let places = Evidence::of_invariant(result)
            .take(MAX_PLACES)
            .map(|one| one.line());
        let lines: Vec<String> = std::iter::once(result.name.to_owned()).chain(places).collect();
        errors.push(command("error", &title, &lines));
    }
    let failed: Vec<String> = Evidence::of_failures(report)
        .take(MAX_PLACES)
        .map(|one| one.line())
        .collect();
    if !failed.is_empty() && verdict.word != VerdictWord::Pass {
        errors.push(command(
            "error",
            &format!("the first failures: {scenario}"),
            &failed,
        ));
    }
    let warnings = verdict
        .warnings
        .iter()
        .map(|warning| command("warning", &scenario, std::slice::from_ref(warning)));
    let warnings: Vec<String> = warnings.take(most).collect();
    errors.truncate(most);
    errors.extend(warnings);
    errors
}

fn command(kind: &str, title: &str, lines: &[String]) -> String {
    let text = lines.join("\n");
    let end = text.floor_char_boundary(MAX_BYTES);
    let cut = if end < text.len() { "…" } else { "" };
    format!(
        "::{kind} title={}::{}{cut}",
        command_property(title),
        command_message(&text[..end])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn the_verdict_comes_first_and_each_is_one_line() {
        let all = annotations(&samples::busy_run(), MAX_SHOWN);
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!("annotations-busy", all.join("\n")) });
    }

    #[test]
    fn a_run_that_passes_annotates_nothing_but_its_warnings() {
        let mut report = samples::busy_run();
        report.verdict.word = VerdictWord::Pass;
        report.verdict.reasons.clear();
        report.invariants.clear();
        let all = annotations(&report, MAX_SHOWN);
        assert_eq!(all.len(), 1);
        assert!(all[0].starts_with("::warning title=rejoin-storm%2C seed 7::generator lag"));
    }

    #[test]
    fn there_are_never_more_than_so_many_and_none_is_too_long() {
        let mut report = samples::busy_run();
        report.verdict.reasons = vec!["x\n::error::é".repeat(2_000)];
        report.verdict.warnings = vec!["w".to_owned(); 100];
        for most in [0, 1, 2, MAX_SHOWN] {
            let all = annotations(&report, most);
            for kind in ["::error ", "::warning "] {
                assert!(all.iter().filter(|line| line.starts_with(kind)).count() <= most);
            }
            assert!(
                all.iter()
                    .all(|line| !line.contains(['\n', '\r']) && line.len() < 3 * MAX_BYTES)
            );
        }
    }
}
