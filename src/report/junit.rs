//! `junit.xml`: a suite for each run, with a case for its verdict, each threshold and each invariant.
//!
//! Valid against `junit-10.xsd`, the schema of Jenkins's xUnit plugin and the strictest of those in use: suites alone
//! have properties, and nothing has attributes that it does not know.

use std::{collections::BTreeMap, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    RunRecord,
    evidence::Evidence,
    model::{RunReport, ThresholdLine, ThresholdStatus, VerdictWord},
    paper::clean,
    terminal,
};
use crate::verdict::invariants::{InvariantResult, InvariantStatus};

/// Bytes of the text of one case, of its output, and of the output of a suite: CI systems cut or refuse what is longer.
const MAX_TEXT: usize = 32 * 1024;
/// Findings and failures that one case names.
const MAX_PLACES: usize = 10;
/// Events of the story that a case tells.
const MAX_EVENTS: usize = 80;
/// Columns of the summary in a suite's output.
const WIDTH: usize = 100;

/// The suites of the runs.
///
/// # Errors
/// Never: it is written to memory.
pub fn suites(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let names = names(runs);
    let mut all = Report::new("rtcstorm");
    for (run, name) in runs.iter().zip(names) {
        all.add_test_suite(suite(run, &name));
    }
    all.set_time(runs.iter().map(|run| took(&run.report)).sum());
    let text = all.to_string().map_err(|error| error.to_string())?;
    // The schema knows this attribute for suites, not for all of them; the first is theirs.
    Ok(text
        .replacen(&format!(" skipped=\"{}\"", all.skipped), "", 1)
        .into_bytes())
}

/// The scenarios, with what tells those of one scenario apart.
fn names(runs: &[RunRecord]) -> Vec<String> {
    let name = |run: &RunRecord| clean(&run.report.scenario.name);
    let mut of_name = BTreeMap::<String, usize>::new();
    let mut of_seed = BTreeMap::<(String, u64), usize>::new();
    for run in runs {
        *of_name.entry(name(run)).or_default() += 1;
    }
    let tell_apart = |run: &RunRecord| {
        let (name, seed) = (name(run), run.report.scenario.seed);
        if of_name[&name] == 1 {
            return name;
        }
        let nth = of_seed.entry((name.clone(), seed)).or_default();
        *nth += 1;
        match nth {
            1 => format!("{name}, seed {seed}"),
            nth => format!("{name}, seed {seed}, run {nth}"),
        }
    };
    runs.iter().map(tell_apart).collect()
}

fn suite(run: &RunRecord, name: &str) -> TestSuite {
    let report = &run.report;
    let mut suite = TestSuite::new(valid(name));
    suite.set_time(took(report));
    suite
        .extra
        .insert("timestamp".into(), valid(&report.started_at.text).into());
    for (property, value) in properties(run) {
        suite.add_property((property.to_owned(), valid(&clean(&value))));
    }
    let class = format!("rtcstorm.{name}");
    let cases = std::iter::once(verdict(run))
        .chain(report.thresholds.iter().map(|line| threshold(run, line)))
        .chain(report.invariants.iter().map(|result| invariant(run, result)));
    for mut case in cases {
        case.set_classname(valid(&class));
        suite.add_test_case(case);
    }
    let look = terminal::Look {
        width: WIDTH,
        colour: false,
    };
    suite.set_system_out(bounded(terminal::summary(report, look)));
    suite
}

fn properties(run: &RunRecord) -> Vec<(&'static str, String)> {
    let (launch, report) = (&run.launch, &run.report);
    let mut all = vec![
        ("scenario", report.scenario.name.clone()),
        ("seed", report.scenario.seed.to_string()),
        ("scenario_hash", report.scenario.hash.clone()),
        ("verdict", report.verdict.word.as_str().to_owned()),
        ("exit_code", report.verdict.exit_code.to_string()),
        ("world", report.world.clone()),
        ("target", report.target.clone()),
        ("segment", launch.segment.clone()),
        ("rtcstorm", report.version.clone()),
        ("os", launch.os.clone()),
        ("arch", launch.arch.clone()),
    ];
    all.extend(launch.cores.map(|cores| ("cores", cores.to_string())));
    all.extend(report.log_hash.map(|hash| ("log_hash", format!("{hash:016x}"))));
    all.extend(
        report
            .verdict
            .warnings
            .iter()
            .map(|text| ("warning", text.clone())),
    );
    all.push(("repeat", report.repeat.clone()));
    all
}

/// The run itself: it is red even if no threshold and no invariant is.
fn verdict(run: &RunRecord) -> TestCase {
    let report = &run.report;
    let verdict = &report.verdict;
    let kind = match verdict.word {
        VerdictWord::Pass => None,
        VerdictWord::Fail | VerdictWord::Aborted => Some(NonSuccessKind::Failure),
        VerdictWord::Invalid
        | VerdictWord::Interrupted
        | VerdictWord::Error
        | VerdictWord::Incomplete
        | VerdictWord::Running => Some(NonSuccessKind::Error),
    };
    let Some(kind) = kind else {
        let mut case = case("verdict", TestCaseStatus::success());
        case.set_time(took(report));
        return case;
    };
    let mut message = format!("{}, exit code {}", verdict.word.as_str(), verdict.exit_code);
    if let Some(first) = verdict.reasons.first() {
        message += &format!(": {first}");
    }
    let mut text = verdict
        .reasons
        .iter()
        .map(|reason| format!("- {reason}\n"))
        .collect::<String>();
    text += &again(report);
    let first = Evidence::by_place(report).into_iter().next();
    let mut case = failed(run, "verdict", kind, verdict.word.as_str(), &message, text, first);
    case.set_time(took(report));
    case
}

fn threshold(run: &RunRecord, line: &ThresholdLine) -> TestCase {
    let name = format!("threshold {} {}", line.selector, terminal::bound(line));
    let actual = terminal::actual(line);
    let (kind, ty, message) = match line.status {
        ThresholdStatus::Passed => {
            let mut case = case(&name, TestCaseStatus::success());
            case.set_system_out(valid(&format!("it was {actual}\n")));
            return case;
        }
        ThresholdStatus::Failed => (
            NonSuccessKind::Failure,
            "threshold",
            format!(
                "{} {} failed: it was {actual}",
                line.selector,
                terminal::bound(line)
            ),
        ),
        ThresholdStatus::NoSamples => (
            NonSuccessKind::Error,
            "no samples",
            format!(
                "{} {} had no samples: the run proves nothing",
                line.selector,
                terminal::bound(line)
            ),
        ),
    };
    let all: Vec<_> = Evidence::of_failures(&run.report).collect();
    let mut text = places("What failed in the run:", &all, run.report.more_failures);
    text += &again(&run.report);
    let first = all.iter().find(|one| one.remote.is_some()).or(all.first());
    failed(run, &name, kind, ty, &message, text, first.copied())
}

fn invariant(run: &RunRecord, result: &InvariantResult) -> TestCase {
    let name = format!("invariant {}: {}", result.number, result.name);
    match &result.status {
        InvariantStatus::Held => {
            let mut case = case(&name, TestCaseStatus::success());
            let mut told = format!("held for {} {}\n", result.cases, result.cases_are);
            if let Some(note) = &result.note {
                told += &format!("note: {note}\n");
            }
            case.set_system_out(valid(&told));
            case
        }
        InvariantStatus::NotApplicable { why } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(valid(&clean(&format!("not applicable: {why}"))));
            case(&name, status)
        }
        InvariantStatus::Broken => {
            let all: Vec<_> = Evidence::of_invariant(result).collect();
            let count = all.len() as u64 + result.more_findings;
            let message = match all.first() {
                Some(first) => format!("broken in {count} places, first: {}", first.line()),
                None => "broken".to_owned(),
            };
            let mut text = places("Where it is broken:", &all, result.more_findings);
            text += &again(&run.report);
            failed(
                run,
                &name,
                NonSuccessKind::Failure,
                "invariant",
                &message,
                text,
                all.first().copied(),
            )
        }
    }
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(valid(&clean(name)), status);
    case.set_time(Duration::ZERO);
    case
}

/// A case with the story of the place in its text: of a case that is red GitLab shows nothing else.
fn failed(
    run: &RunRecord,
    name: &str,
    kind: NonSuccessKind,
    ty: &str,
    message: &str,
    mut text: String,
    place: Option<Evidence<'_>>,
) -> TestCase {
    if let Some(place) = place {
        let lines = place.lines(&run.events, MAX_EVENTS);
        if !lines.is_empty() {
            text += &format!("\nThe story of {}\n", place.line());
            text.extend(lines.iter().map(|line| format!("  {line}\n")));
        }
    }
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(ty)
        .set_message(valid(&clean(message)))
        .set_description(bounded(text));
    case(name, status)
}

fn places(heading: &str, all: &[Evidence<'_>], more: u64) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!("{heading}\n");
    text.extend(
        all.iter()
            .take(MAX_PLACES)
            .map(|one| format!("- {}\n", one.line())),
    );
    let more = more + all.len().saturating_sub(MAX_PLACES) as u64;
    if more > 0 {
        text += &format!("- and {more} more: see summary.json and events.ndjson\n");
    }
    text
}

fn again(report: &RunReport) -> String {
    match report.repeat.is_empty() {
        true => String::new(),
        false => format!("\nAgain: {}\n", report.repeat),
    }
}

fn took(report: &RunReport) -> Duration {
    Duration::try_from_secs_f64(report.duration_ms / 1_000.0).unwrap_or_default()
}

/// Cut at the end of a line if it is too long, and says so.
fn bounded(text: String) -> String {
    let text = valid(&text);
    if text.len() <= MAX_TEXT {
        return text;
    }
    let end = text.floor_char_boundary(MAX_TEXT);
    let end = text[..end].rfind('\n').map_or(end, |feed| feed + 1);
    format!("{}… cut: {} more bytes\n", &text[..end], text.len() - end)
}

/// Without the characters that XML 1.0 has no way to write.
fn valid(text: &str) -> String {
    let is_char =
        |c: char| !(c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().filter(|c| is_char(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn told(runs: &[RunRecord]) -> String {
        String::from_utf8(suites(runs).expect("it is written to memory")).expect("text")
    }

    fn check(name: &str, report: RunReport) {
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, told(&[samples::recorded(report)])) });
    }

    #[test]
    fn a_busy_run_has_a_case_for_all_that_is_judged() {
        check("junit-busy", samples::busy_run());
    }

    #[test]
    fn a_run_of_nothing_is_in_error() {
        check("junit-empty", samples::empty_run());
    }

    #[test]
    fn no_verdict_but_pass_is_green() {
        for word in VerdictWord::ALL {
            let mut report = samples::busy_run();
            report.verdict.word = word;
            report.thresholds.clear();
            report.invariants.clear();
            let text = told(&[samples::recorded(report)]);
            let is_red = !text.contains("errors=\"0\" failures=\"0\"");
            assert_eq!(is_red, word != VerdictWord::Pass, "{word:?}: {text}");
        }
    }

    #[test]
    fn runs_of_one_scenario_are_told_apart() {
        let mut other = samples::busy_run();
        other.scenario.seed = 8;
        let runs = [
            samples::busy_run(),
            samples::failed_run(),
            other,
            samples::busy_run(),
        ]
        .map(samples::recorded);
        assert_eq!(
            names(&runs),
            [
                "rejoin-storm, seed 7",
                "smoke",
                "rejoin-storm, seed 8",
                "rejoin-storm, seed 7, run 2"
            ]
        );
    }

    #[test]
    fn what_xml_has_no_way_to_write_is_left_out_and_the_rest_is_quoted() {
        let mut report = samples::failed_run();
        let evil = "a\u{0}b\u{7}\u{1b}[31mc\u{fffe}\u{ffff}d ]]> <e> & \"f\" \u{1f600}";
        report.scenario.name = evil.to_owned();
        report.verdict.reasons = vec![evil.to_owned()];
        let text = told(&[samples::recorded(report)]);
        let forbidden =
            |c: char| c < ' ' && !matches!(c, '\n' | '\t' | '\r') || c == '\u{fffe}' || c == '\u{ffff}';
        assert!(!text.contains(forbidden), "{text}");
        assert!(
            text.contains("]]&gt; &lt;e&gt; &amp; &quot;f&quot; \u{1f600}"),
            "{text}"
        );
    }

    #[test]
    fn however_much_there_is_to_tell_a_case_stays_readable() {
        let mut report = samples::busy_run();
        report.verdict.reasons = vec!["é".repeat(100); 9_000];
        let text = told(&[samples::recorded(report)]);
        assert!(text.contains("… cut: "), "{text}");
        assert!(text.len() < 40 * MAX_TEXT, "{} bytes", text.len());
    }
}
