//! `abortOnFail`.

use super::{QUICK, program::Desk};

/// Two peers who would stay for an hour, and a threshold that no connection holds.
const HOPELESS: &str = "
name: hopeless
rooms: { peers: 2 }
steps: [join, { wait: connected }, { pause: 1h }]
thresholds:
  connect_ms: [{ threshold: 'max<0', abortOnFail: true }]
  joins_started: ['count==2']
";

#[test]
fn a_threshold_that_cannot_hold_any_more_ends_the_run_and_not_the_next_one() {
    let desk = Desk::new("abort");
    desk.write("hopeless.yaml", HOPELESS);
    desk.write("quick.yaml", QUICK);
    let output = desk.run(&["run", "hopeless.yaml", "quick.yaml", "--out", "out"]);
    output
        .assert_code(108)
        .assert_says("aborted: connect_ms: max<0 failed after ")
        .assert_sane();
    assert!(output.stdout.starts_with("ABORTED  hopeless"), "{output:#?}");
    assert!(output.stdout.contains("PASS  quick"), "{output:#?}");

    let summary = desk.json("out/01-hopeless/summary.json");
    assert_eq!(
        (&summary["verdict"], &summary["exit_code"]),
        (&"aborted".into(), &108.into())
    );
    let reasons = summary["reasons"].to_string();
    assert!(
        reasons.contains("connect_ms: max<0 ended the run after ")
            && reasons.contains("(abortOnFail): it was "),
        "{summary:#}"
    );
    assert!(!reasons.contains("interrupted"), "{summary:#}");
    let thresholds = summary["thresholds"].as_array().expect("a list");
    assert_eq!(thresholds.len(), 2, "all are judged: {summary:#}");
    let left = desk.events("out/01-hopeless");
    assert_eq!(left.iter().filter(|event| event["kind"] == "left").count(), 2);
}

#[test]
fn without_thresholds_nothing_is_aborted() {
    let desk = Desk::new("no-abort");
    desk.write("short.yaml", &HOPELESS.replace("1h", "2s"));
    let output = desk.run(&["run", "short.yaml", "--no-thresholds", "--out", "out"]);
    output.assert_code(0).assert_sane();
}
