//! `report` and `run --report` in the formats of CI systems and programs, and what `run` tells GitHub Actions.

use std::fs;

#[cfg(unix)]
use super::{LONG, program::wait_until};
use super::{
    QUICK, junit,
    program::{Desk, json},
};

/// A client that never takes an offer of somebody whom it has not called: nothing connects.
const FAILING: [&str; 5] = ["run", "smoke", "--sim", "--set", "client=dashboard-4.0"];

fn outcome<'a>(cases: &'a [junit::Case], name: &str) -> &'a junit::Case {
    let found = cases.iter().find(|case| case.name.starts_with(name));
    found.unwrap_or_else(|| panic!("no case `{name}`: {cases:#?}"))
}

#[test]
fn a_failed_run_is_red_by_its_cases_and_each_tells_the_story_of_its_link() {
    let desk = Desk::new("junit");
    let more = ["--quiet", "--report", "junit,markdown,csv,json", "--out", "out"];
    let output = desk.run(&[&FAILING as &[&str], &more].concat());
    output.assert_code(99).assert_sane();
    for name in ["junit.xml", "report.md", "metrics.csv", "report.json"] {
        assert!(output.stdout.contains(name), "{name} is not named: {output:#?}");
    }
    let cases = junit::cases(&desk.read("out/junit.xml"));
    // The verdict, four thresholds, eight invariants.
    assert_eq!(cases.len(), 13);
    for name in [
        "verdict",
        "threshold connect_ms p(95)<2000",
        "invariant 1: one open link",
    ] {
        let case = outcome(&cases, name);
        assert_eq!(case.outcome, "failure", "{case:#?}");
        assert!(case.text.contains("ignored offer"), "{case:#?}");
        assert!(
            case.text.contains("Again: rtcstorm run smoke --seed 1 --sim"),
            "{case:#?}"
        );
    }
    assert_eq!(outcome(&cases, "invariant 8").outcome, "skipped");
    assert_eq!(outcome(&cases, "invariant 2").outcome, "");
    let page = desk.read("out/report.md");
    assert!(page.starts_with("## FAIL: smoke, seed 1\n") && page.contains("```mermaid\nsequenceDiagram"));
    assert_eq!(desk.read("out/report.json"), desk.read("out/summary.json"));
}

#[test]
fn a_folder_that_is_read_later_gives_the_same_files() {
    let desk = Desk::new("later");
    let more = ["--quiet", "--report", "junit,markdown,csv", "--out", "out"];
    desk.run(&[&FAILING as &[&str], &more].concat()).assert_code(99);
    desk.run(&[
        "report",
        "out",
        "--format",
        "junit,markdown,csv",
        "--out",
        "again",
    ])
    .assert_code(0)
    .assert_no_data();
    for name in ["junit.xml", "report.md", "metrics.csv"] {
        assert_eq!(
            desk.read(&format!("again/{name}")),
            desk.read(&format!("out/{name}")),
            "{name}"
        );
    }
    // One format goes to stdout, or into the file that is named.
    let printed = desk.run(&["report", "out", "--format", "csv"]);
    assert_eq!(printed.stdout, desk.read("out/metrics.csv"));
    desk.run(&["report", "out", "out", "--format", "junit", "--out", "two.xml"])
        .assert_code(0);
    assert_eq!(junit::cases(&desk.read("two.xml")).len(), 26);
}

#[test]
fn a_run_that_proves_nothing_is_an_error_in_ci() {
    let desk = Desk::new("ci-invalid");
    desk.write("quick.yaml", QUICK);
    let nothing = ["--set", "thresholds.message_ms=p(99)<50"];
    let run = [
        "run",
        "quick.yaml",
        "--sim",
        "--report",
        "junit,markdown",
        "--out",
        "out",
    ];
    desk.run(&[&run as &[&str], &nothing].concat()).assert_code(98);
    let cases = junit::cases(&desk.read("out/junit.xml"));
    assert_eq!(outcome(&cases, "verdict").outcome, "error");
    assert_eq!(outcome(&cases, "threshold message_ms").outcome, "error");
    assert_eq!(outcome(&cases, "threshold joins_started").outcome, "");
    assert!(
        desk.read("out/report.md")
            .contains("| **no samples** | `message_ms` | `p(99)<50` | - |")
    );
}

#[test]
fn what_a_killed_run_has_left_is_an_error_in_ci() {
    let desk = Desk::new("ci-incomplete");
    desk.write("quick.yaml", QUICK);
    desk.run(&["run", "quick.yaml", "--sim", "--quiet", "--out", "out"])
        .assert_code(0);
    fs::remove_file(desk.path("out/summary.json")).expect("it is there");
    let log = desk.read("out/events.ndjson");
    desk.write("out/events.ndjson", &log[..log.len() / 2]);
    desk.run(&[
        "report",
        "out",
        "--format",
        "junit,markdown,csv,json",
        "--out",
        "made",
    ])
    .assert_code(0);
    let cases = junit::cases(&desk.read("made/junit.xml"));
    let verdict = outcome(&cases, "verdict");
    assert_eq!(verdict.outcome, "error");
    assert!(verdict.text.contains("did not come to its end"), "{verdict:#?}");
    assert!(
        desk.read("made/report.md")
            .starts_with("## INCOMPLETE: quick, seed 0")
    );
    assert_eq!(desk.json("made/report.json")["verdict"], "incomplete");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_still_leaves_its_reports() {
    let desk = Desk::new("ci-interrupted");
    desk.write("long.yaml", LONG);
    let running = desk.start(&["run", "long.yaml", "--report", "junit,markdown", "--out", "out"]);
    wait_until("they are connected", || {
        desk.events("out")
            .iter()
            .any(|event| event["kind"] == "channel_opened")
    });
    running.interrupt();
    running.wait().assert_code(105);
    let cases = junit::cases(&desk.read("out/junit.xml"));
    assert_eq!(outcome(&cases, "verdict").outcome, "error");
    assert!(
        desk.read("out/report.md")
            .starts_with("## INTERRUPTED: long, seed 0")
    );
}

#[test]
fn in_github_actions_a_job_is_annotated_and_has_the_report_in_its_summary() {
    let desk = Desk::new("actions");
    desk.write("step.md", "what was there\n");
    desk.write("quick.yaml", QUICK);
    let env = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "step.md")];
    let args = ["--json", "--quiet", "--out", "out"];
    let output = desk.run_with(&env, &[&FAILING as &[&str], &args].concat());
    output.assert_code(99);
    assert_eq!(json(&output.stdout)["verdict"], "fail");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(lines[0].starts_with("::error title=FAIL%3A smoke%2C seed 1::not one link connected%0A"));
    assert!((2..=10).contains(&lines.len()), "{output:#?}");
    assert!(
        lines.iter().all(|line| line.starts_with("::error title=")),
        "{output:#?}"
    );
    let told = desk.read("step.md");
    assert!(
        told.starts_with("what was there\n## FAIL: smoke, seed 1\n"),
        "{told}"
    );

    // The next run of the step is told below; it passes, and annotates nothing.
    let output = desk.run_with(&env, &["run", "quick.yaml", "--sim", "--quiet", "--out", "out"]);
    output.assert_code(0);
    assert_eq!(output.stderr, "");
    assert!(desk.read("step.md").contains("\n## PASS: quick, seed 0\n"));
}

#[test]
fn of_many_runs_of_a_step_no_more_is_annotated_than_github_shows() {
    let desk = Desk::new("actions-many");
    let many = vec!["smoke"; 12];
    let args = [
        &["run"] as &[&str],
        &many,
        &FAILING[2..],
        &["--quiet", "--out", "out"],
    ]
    .concat();
    let output = desk.run_with(&[("GITHUB_ACTIONS", "true")], &args);
    output.assert_code(99);
    let errors: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(errors.len(), 10);
    assert!(
        errors
            .iter()
            .all(|line| line.starts_with("::error title=FAIL%3A smoke"))
    );
}

#[test]
fn github_is_told_nothing_outside_of_it_or_if_it_is_switched_off() {
    let desk = Desk::new("actions-off");
    let args = [&FAILING as &[&str], &["--quiet", "--out", "out"]].concat();
    for env in [
        &[("GITHUB_STEP_SUMMARY", "step.md")][..],
        &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_STEP_SUMMARY", "step.md"),
            ("RTCSTORM_NO_GITHUB", "1"),
        ],
    ] {
        let output = desk.run_with(env, &args);
        output.assert_code(99);
        assert_eq!(output.stderr, "", "{env:?}");
        assert!(!desk.path("step.md").exists(), "{env:?}");
    }
}

#[test]
fn a_summary_that_cant_be_written_is_a_warning_and_changes_no_exit_code() {
    let desk = Desk::new("actions-full");
    desk.write("quick.yaml", QUICK);
    desk.write("full.md", &"x".repeat(1 << 20));
    let args = ["run", "quick.yaml", "--sim", "--quiet", "--out", "out"];
    for (file, why) in [
        ("no/such/folder/step.md", "cannot write no/such/folder/step.md"),
        ("out", "cannot write out"),
        ("full.md", "full.md holds 1048576 bytes already"),
    ] {
        let output = desk.run_with(
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", file)],
            &args,
        );
        output.assert_code(0).assert_sane();
        output.assert_says(&format!("warning: the job's summary lacks this run: {why}"));
    }
    assert_eq!(desk.read("full.md").len(), 1 << 20);
}
