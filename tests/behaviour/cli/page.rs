//! The page that is made of a run's folder.

use std::fs;

use super::program::Desk;

#[test]
fn a_page_leads_from_the_verdict_to_the_story_of_the_failing_link() {
    let desk = Desk::new("page");
    let run = [
        "run",
        "smoke",
        "--sim",
        "--quiet",
        "--set",
        "client=dashboard-4.0",
        "--out",
        "failed",
    ];
    desk.run(&run).assert_code(99);
    for page in ["one.html", "two.html"] {
        desk.run(&["report", "failed", "--format", "html", "--out", page])
            .assert_code(0);
    }
    let page = desk.read("one.html");
    assert_eq!(page, desk.read("two.html"));
    assert!(page.starts_with("<!DOCTYPE html>"));
    for what in [
        "<title>FAIL smoke",
        "virtual time",
        "id=\"run-1-link-0-1\"",
        "✗ HERE: ",
        "offer 1 for peer-1",
        "rtcstorm run smoke",
    ] {
        assert!(page.contains(what), "{what}");
    }
}

#[test]
fn what_a_killed_run_leaves_makes_a_page_that_says_so() {
    let desk = Desk::new("page-incomplete");
    desk.run(&["run", "smoke", "--sim", "--quiet", "--out", "killed"])
        .assert_code(0);
    for gone in ["summary.json", "machine.json", "histograms.hlog"] {
        fs::remove_file(desk.path(&format!("killed/{gone}"))).expect("it was there");
    }
    let log = desk.read("killed/events.ndjson");
    desk.write("killed/events.ndjson", &log[..log.len() / 2]);
    desk.run(&["report", "killed", "--format", "html", "--out", "page.html"])
        .assert_code(0);
    let page = desk.read("page.html");
    assert!(page.contains("<title>INCOMPLETE smoke") && page.contains("did not come to its end"));
    assert!(page.contains("The run over time"), "what was there is drawn");
}
