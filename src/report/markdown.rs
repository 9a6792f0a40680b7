//! `report.md`: for a pull request, or the summary of a job on GitHub. Never more than [`MAX_BYTES`].
//!
//! It is made of blocks that stand by themselves. If there is no room for all, the least important are left out whole,
//! and a note says so.

use super::{
    RunRecord, RunReport,
    escape::{block, code, html, markdown},
    evidence::Evidence,
    externals::ignored_externals,
    fanout::fanout,
    model::{ThresholdLine, ThresholdStatus, VerdictWord},
    outages, tables, terminal, units,
};
use crate::verdict::invariants::{InvariantResult, InvariantStatus};

/// Under 64 KB, which is as much as a comment on GitHub holds.
pub const MAX_BYTES: usize = 64_000;

/// Runs in the table above several.
const MAX_RUNS: usize = 60;
/// Characters of a name and of a reason in it.
const MAX_SHORT: usize = 100;
/// Reasons of a verdict, and as many warnings. With these limits a verdict always has room.
const MAX_REASONS: usize = 20;
/// Rows of each table, and lines of each list.
const MAX_ROWS: usize = 40;
/// Links whose story is told.
const MAX_STORIES: usize = 3;
/// Events of a story.
const MAX_EVENTS: usize = 60;
/// Steps of its diagram.
const MAX_STEPS: usize = 50;
/// Bytes of a diagram. GitHub draws none of more than 50,000 characters, and nobody looks at one of so many.
const MAX_DIAGRAM: usize = 16_000;

/// How important a block is; those after the others go first when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Overview,
    Verdict,
    Thresholds,
    Invariants,
    FirstStory,
    Failures,
    Outages,
    Figures,
    MoreStories,
}

struct Block {
    rank: Rank,
    text: String,
}

/// The report of the runs.
///
/// # Errors
/// Never.
pub fn summary(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let mut blocks = Vec::new();
    if runs.len() > 1 {
        blocks.push(Block {
            rank: Rank::Overview,
            text: overview(runs),
        });
    }
    blocks.extend(runs.iter().flat_map(blocks_of));
    Ok(fitted(blocks, MAX_BYTES).into_bytes())
}

/// What fits, in its order.
fn fitted(blocks: Vec<Block>, room: usize) -> String {
    let note = |left_out: usize| {
        format!(
            "*{left_out} parts of this report are left out: it would be too long. The page (`report.html`) and `summary.json` have all.*\n"
        )
    };
    let room = room - note(usize::MAX).len();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|index| blocks[*index].rank);
    let mut used = 0;
    let mut fits = vec![false; blocks.len()];
    for index in order {
        let bytes = blocks[index].text.len() + 1;
        fits[index] = used + bytes <= room;
        used += if fits[index] { bytes } else { 0 };
    }
    let left_out = fits.iter().filter(|fits| !**fits).count();
    let kept = blocks.iter().zip(&fits).filter(|(_, fits)| **fits);
    let mut text = kept
        .map(|(block, _)| block.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    if left_out > 0 {
        text += &format!("\n{}", note(left_out));
    }
    text
}

fn overview(runs: &[RunRecord]) -> String {
    let mut rows = vec![];
    for run in runs.iter().take(MAX_RUNS) {
        let report = &run.report;
        let reasons = &report.verdict.reasons;
        let short = |text: &str| markdown(&text.chars().take(MAX_SHORT).collect::<String>());
        let first = reasons.first().map(|reason| short(reason)).unwrap_or_default();
        rows.push([
            report.verdict.word.as_str().to_owned(),
            short(&report.scenario.name),
            report.scenario.seed.to_string(),
            units::duration(Some(report.duration_ms)),
            match reasons.len() {
                0 | 1 => first,
                more => format!("{first}, and {} more", more - 1),
            },
        ]);
    }
    let mut text = format!("## {} runs\n\n", runs.len());
    text += &table(&["Verdict", "Scenario", "Seed", "Took", "Why"], "lllrl", &rows);
    text + &more(runs.len().saturating_sub(MAX_RUNS) as u64, "runs")
}

fn blocks_of(run: &RunRecord) -> Vec<Block> {
    let report = &run.report;
    let places = Evidence::by_place(report);
    let is_red = report.verdict.word != VerdictWord::Pass;
    let mut told = places
        .iter()
        .filter(|_| is_red)
        .filter_map(|place| story(run, place))
        .take(MAX_STORIES);
    let first = told
        .next()
        .unwrap_or_default()
        .replacen("<details>", "<details open>", 1);
    let further: Vec<String> = told.collect();
    [
        (Rank::Verdict, verdict(run)),
        (Rank::Thresholds, thresholds(&report.thresholds)),
        (Rank::Invariants, invariants(&report.invariants)),
        (Rank::FirstStory, first),
        (Rank::MoreStories, further.join("\n")),
        (Rank::Failures, failures(report)),
        (Rank::Outages, outages_of(report)),
        (Rank::Figures, figures(report)),
        (Rank::Figures, waste(report)),
        (Rank::Figures, outsiders(report)),
        (Rank::Verdict, again(report)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(rank, text)| Block { rank, text })
    .collect()
}

fn verdict(run: &RunRecord) -> String {
    let (launch, report) = (&run.launch, &run.report);
    let verdict = &report.verdict;
    let mut text = format!(
        "## {}: {}, seed {}\n\n",
        verdict.word.as_str(),
        markdown(&report.scenario.name),
        report.scenario.seed
    );
    if let Some(about) = &report.scenario.about {
        text += &format!("{}\n\n", markdown(about));
    }
    for reason in verdict.reasons.iter().take(MAX_REASONS) {
        text += &format!("- {}\n", markdown(reason));
    }
    text += &more(
        verdict.reasons.len().saturating_sub(MAX_REASONS) as u64,
        "reasons",
    );
    for warning in verdict.warnings.iter().take(MAX_REASONS / 2) {
        text += &format!("- warning: {}\n", markdown(warning));
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    let cores = launch
        .cores
        .map(|cores| format!(", {cores} cores"))
        .unwrap_or_default();
    let log = report
        .log_hash
        .map(|hash| format!(", log {}", code(&format!("{hash:016x}"))));
    text + &format!(
        "{} world, {}, {}, exit code {}, started {}; rtcstorm {} on {} {}{cores}{}\n",
        markdown(&report.world),
        markdown(&report.target),
        units::duration(Some(report.duration_ms)),
        verdict.exit_code,
        markdown(&report.started_at.text),
        markdown(&report.version),
        markdown(&launch.os),
        markdown(&launch.arch),
        log.unwrap_or_default(),
    )
}

fn thresholds(lines: &[ThresholdLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    // What is red stands above the fold of a long table.
    let mut ordered: Vec<&ThresholdLine> = lines.iter().collect();
    ordered.sort_by_key(|line| line.status == ThresholdStatus::Passed);
    let row = |line: &&ThresholdLine| {
        let word = match line.status {
            ThresholdStatus::Passed => "passed",
            ThresholdStatus::Failed => "**FAILED**",
            ThresholdStatus::NoSamples => "**no samples**",
        };
        let was = match line.status {
            ThresholdStatus::NoSamples => "-".to_owned(),
            _ => terminal::actual(line),
        };
        [
            word.to_owned(),
            code(&line.selector),
            code(&terminal::bound(line)),
            was,
        ]
    };
    let rows: Vec<_> = ordered.iter().take(MAX_ROWS).map(row).collect();
    let text = table(&["Threshold", "Metric", "Bound", "Was"], "lllr", &rows);
    text + &more(lines.len().saturating_sub(MAX_ROWS) as u64, "thresholds")
}

fn invariants(results: &[InvariantResult]) -> String {
    if results.is_empty() {
        return String::new();
    }
    let row = |result: &InvariantResult| {
        let (word, told) = match &result.status {
            InvariantStatus::Held => ("held", format!("{} {}", result.cases, result.cases_are)),
            InvariantStatus::Broken => {
                let count = result.findings.len() as u64 + result.more_findings;
                ("**BROKEN**", format!("in {count} places"))
            }
            InvariantStatus::NotApplicable { why } => ("not applicable", markdown(why)),
        };
        let note = result
            .note
            .as_ref()
            .map(|note| format!("; note: {}", markdown(note)));
        [
            word.to_owned(),
            result.number.to_string(),
            markdown(result.name),
            told + &note.unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = results.iter().map(row).collect();
    let text = table(&["Invariant", "", "What must hold", "Over"], "lrll", &rows);
    let broken = results.iter().filter(|result| result.is_broken()).count();
    if broken == 0 {
        let held = results
            .iter()
            .filter(|result| result.status == InvariantStatus::Held)
            .count();
        return folded(
            &format!("{held} of {} invariants held, none is broken", results.len()),
            &text,
        );
    }
    let places = results.iter().flat_map(Evidence::of_invariant);
    let listed: Vec<String> = places
        .map(|one| format!("- {}\n", markdown(&one.line())))
        .collect();
    let unlisted = results.iter().map(|result| result.more_findings).sum::<u64>()
        + listed.len().saturating_sub(MAX_ROWS) as u64;
    let list = listed.into_iter().take(MAX_ROWS).collect::<String>() + &more(unlisted, "findings");
    format!("{text}\n{}", folded("Where they are broken", &list))
}

/// How a link came to fail: as a diagram, which GitHub draws, and as text, which can be searched.
fn story(run: &RunRecord, place: &Evidence<'_>) -> Option<String> {
    let lines = place.lines(&run.events, MAX_EVENTS);
    if lines.is_empty() {
        return None;
    }
    let text = block("text", &lines.join("\n"));
    let inner = match place.diagram(&run.events, MAX_STEPS) {
        Some(diagram) if diagram.len() <= MAX_DIAGRAM => {
            let drawn = block("mermaid", &diagram.replace('`', "'"));
            format!("{drawn}\n{}", folded("The same as text", &text))
        }
        _ => text,
    };
    Some(folded(&place.line(), &inner))
}

fn failures(report: &RunReport) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let lines = Evidence::of_failures(report).map(|one| format!("- {}\n", markdown(&one.line())));
    let unlisted = report.more_failures + report.failures.len().saturating_sub(MAX_ROWS) as u64;
    let list = lines.take(MAX_ROWS).collect::<String>() + &more(unlisted, "failures");
    let count = report.failures.len() as u64 + report.more_failures;
    folded(&format!("{count} failures"), &list)
}

/// What came to peers that nobody of their room had sent.
fn waste(report: &RunReport) -> String {
    match fanout(&report.metrics) {
        Some(sentences) => format!("### Fan-out waste\n\n{}\n", sentences.join(" ")),
        None => String::new(),
    }
}

/// Who came from outside, and nobody wanted it.
fn outsiders(report: &RunReport) -> String {
    match ignored_externals(&report.metrics) {
        Some(sentence) => format!("### From outside\n\n{sentence}\n"),
        None => String::new(),
    }
}

fn outages_of(report: &RunReport) -> String {
    let all = &report.metrics.outages;
    if all.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .take(MAX_ROWS)
        .map(|(key, outage)| {
            let first = [code(key.cause.name()), outages::length(key)];
            first.into_iter().chain(outages::cells(outage)).collect()
        })
        .collect();
    let heads: Vec<&str> = ["Outages", "length"]
        .into_iter()
        .chain(outages::heads())
        .collect();
    let sides = format!("l{}", "r".repeat(heads.len() - 1));
    table(&heads, &sides, &rows) + &more(all.len().saturating_sub(MAX_ROWS) as u64, "lengths of outages")
}

fn figures(report: &RunReport) -> String {
    let metrics = &report.metrics;
    let mut parts = Vec::new();
    let trends = tables::rows(&metrics.trends);
    if !trends.is_empty() {
        let row = |(key, trend): &(&_, &crate::metrics::Trend)| {
            let key: &crate::metrics::MetricKey = key;
            let name = [code(&key.to_string())];
            name.into_iter().chain(tables::figures(trend)).collect()
        };
        let rows: Vec<Vec<String>> = trends.iter().take(MAX_ROWS).map(row).collect();
        let heads: Vec<&str> = ["Metric"].into_iter().chain(tables::HEAD).collect();
        let sides = format!("l{}", "r".repeat(tables::HEAD.len()));
        let left_out = more(trends.len().saturating_sub(MAX_ROWS) as u64, "metrics");
        parts.push(table(&heads, &sides, &rows) + &left_out);
    }
    let rates = tables::rows(&metrics.rates);
    if !rates.is_empty() {
        let rows: Vec<[String; 3]> = rates
            .iter()
            .take(MAX_ROWS)
            .map(|(key, rate)| {
                let of = format!("{} of {}", rate.hits, rate.total);
                [code(&key.to_string()), units::percent(rate.value()), of]
            })
            .collect();
        let left_out = more(rates.len().saturating_sub(MAX_ROWS) as u64, "rates");
        parts.push(table(&["Rate", "share", "cases"], "lrr", &rows) + &left_out);
    }
    let counters = tables::rows(metrics.counters.iter().filter(|(_, count)| **count > 0));
    if !counters.is_empty() {
        let rows: Vec<[String; 2]> = counters
            .iter()
            .take(MAX_ROWS)
            .map(|(key, count)| [code(&key.to_string()), count.to_string()])
            .collect();
        let left_out = more(counters.len().saturating_sub(MAX_ROWS) as u64, "counters");
        parts.push(table(&["Counter", "count"], "lr", &rows) + &left_out);
    }
    match parts.is_empty() {
        true => String::new(),
        false => folded("Figures", &parts.join("\n")),
    }
}

fn again(report: &RunReport) -> String {
    match report.repeat.is_empty() {
        true => String::new(),
        false => format!("Again:\n\n{}", block("sh", &report.repeat)),
    }
}

/// What the reader unfolds.
fn folded(summary: &str, inner: &str) -> String {
    // Markdown means something in there only behind an empty line.
    format!(
        "<details><summary>{}</summary>\n\n{}\n\n</details>\n",
        html(summary),
        inner.trim_end()
    )
}

/// A table of cells that are Markdown; `sides` has `l` or `r` for each column.
fn table<Row: AsRef<[String]>>(heads: &[&str], sides: &str, rows: &[Row]) -> String {
    let rule = sides.chars().map(|side| if side == 'r' { "---:" } else { "---" });
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<&str> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&mut heads.iter().copied());
    text += &line(&mut rule.collect::<Vec<_>>().into_iter());
    for row in rows {
        text += &line(&mut row.as_ref().iter().map(String::as_str));
    }
    text
}

fn more(count: u64, of: &str) -> String {
    match count {
        0 => String::new(),
        count => format!("\nand {count} more {of}: see `summary.json`\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn told(runs: &[RunRecord]) -> String {
        String::from_utf8(summary(runs).expect("it never fails")).expect("text")
    }

    fn check(name: &str, runs: &[RunRecord]) {
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, told(runs)) });
    }

    /// Everything that was opened is closed, so that what stands below is still read as Markdown.
    #[track_caller]
    fn assert_balanced(text: &str) {
        let count = |what: &str| text.lines().filter(|line| line.starts_with(what)).count();
        assert_eq!(count("<details"), count("</details>"), "{text}");
        assert_eq!(count("```") % 2, 0, "{text}");
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    }

    #[test]
    fn a_failed_run_is_told_with_the_link_that_failed() {
        check("markdown-busy", &[samples::recorded(samples::busy_run())]);
    }

    #[test]
    fn outages_have_their_table() {
        check("markdown-faults", &[samples::recorded(samples::faulty_run())]);
    }

    #[test]
    fn several_runs_have_a_table_above() {
        let runs = [samples::failed_run(), samples::empty_run()].map(samples::recorded);
        check("markdown-several", &runs);
    }

    #[test]
    fn however_much_there_is_it_stays_small_and_says_what_is_left_out() {
        let mut report = samples::busy_run();
        for count in [1, 3, 70] {
            let text = told(&vec![samples::recorded(report.clone()); count]);
            assert_balanced(&text);
            assert_eq!(text.contains("left out"), count > 3, "{count}");
            assert!(text.contains("## FAIL: rejoin-storm"), "{count}");
        }
        let long = "| ` é <b> @x ``` ~~~ \n".repeat(9_000);
        report.scenario.name = long.clone();
        report.scenario.about = Some(long.clone());
        report.repeat = long.clone();
        report.target = long.clone();
        report.verdict.reasons = vec![long.clone(); 1_000];
        report.verdict.warnings = vec![long.clone(); 1_000];
        report.thresholds = vec![
            ThresholdLine {
                selector: long.clone(),
                expression: long.clone(),
                actual: None,
                status: ThresholdStatus::NoSamples,
                window: None,
            };
            1_000
        ];
        for failure in &mut report.failures {
            failure.what.clone_from(&long);
        }
        let text = told(&[samples::recorded(report)]);
        assert_balanced(&text);
        assert!(text.starts_with("## FAIL: ") && text.contains("left out"));
    }

    #[test]
    fn other_peoples_text_is_neither_markup_nor_a_mention() {
        let mut report = samples::failed_run();
        let evil = "<script>x</script> [a](b) | @team ``` \n## c";
        report.scenario.name = evil.to_owned();
        report.verdict.reasons = vec![evil.to_owned()];
        let text = told(&[samples::recorded(report)]);
        let outside = text.split("Again:").next().expect("the first part");
        assert!(
            !outside.contains("<script") || outside.contains("\\<script"),
            "{outside}"
        );
        assert!(
            !outside.contains(" @team") && !outside.contains("\n## c"),
            "{outside}"
        );
        assert!(!outside.contains("```"), "{outside}");
    }
}
