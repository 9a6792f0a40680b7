//! `compare`, `calibrate` and baselines.

use std::fs;

use serde_json::Value;

use super::program::{Desk, Output, json};

/// Two peers, who talk: 40 messages.
const TALK: &str = "
name: talk
rooms: { peers: 2 }
steps: [join, { wait: connected }, { chat: { every: 100ms, size: 64, count: 20 } }]
thresholds: { connect_failed: ['rate<0.01'] }
";
const FIGURES: &[&str] = &["--metric", "connect_ms", "--metric", "message_ms"];

/// Plays it in virtual time into `out`, `runs` seeds from `seed` on; on links of that delay.
fn play(desk: &Desk, out: &str, seed: u64, runs: u32, delay: &str) {
    desk.write("talk.yaml", TALK);
    let (seed, runs) = (seed.to_string(), runs.to_string());
    let network = format!("network={{delay: {delay}}}");
    let args = [
        "run",
        "talk.yaml",
        "--sim",
        "--schedule",
        "random",
        "--seed",
        &seed,
        "--runs",
        &runs,
        "--out",
        out,
        "--quiet",
        "--set",
        &network,
    ];
    desk.run(&args).assert_code(0).assert_sane();
}

fn compare(desk: &Desk, args: &[&str]) -> Output {
    let output = desk.run(&[&["compare"], args].concat());
    output.assert_sane();
    output
}

fn compared(desk: &Desk, args: &[&str]) -> Value {
    json(&compare(desk, &[args, FIGURES, &["--json"]].concat()).stdout)
}

#[test]
fn what_got_worse_is_a_regression_and_what_did_not_is_none() {
    let desk = Desk::new("compare");
    play(&desk, "base", 1, 6, "20ms");
    play(&desk, "same", 101, 6, "20ms");
    play(&desk, "worse", 201, 6, "26ms");

    let same = compare(
        &desk,
        &[
            "base",
            "same",
            "--metric",
            "message_ms",
            "--margin",
            "trend=10%,5ms",
        ],
    );
    same.assert_code(0);
    assert!(same.stdout.starts_with("NO REGRESSION  talk"), "{same:#?}");
    assert!(same.stdout.contains("✓ message_ms p50"), "{same:#?}");
    assert!(
        same.stdout.contains("a side has 240 of the 1,000 samples"),
        "p99: {same:#?}"
    );

    // Another delay is another scenario.
    let refused = compare(&desk, &["base", "worse"]);
    refused.assert_code(104).assert_no_data();
    refused.assert_says("not the same scenario: base talk (hash ");
    refused.assert_says("--force");

    let worse = compare(&desk, &["base", "worse", "--force", "--metric", "message_ms"]);
    worse.assert_code(97);
    assert!(worse.stdout.starts_with("REGRESSION  talk"), "{worse:#?}");
    assert!(
        worse.stdout.contains("! forced: not the same scenario"),
        "{worse:#?}"
    );
    let told = compared(&desk, &["base", "worse", "--force"]);
    let median = told["figures"]
        .as_array()
        .and_then(|figures| {
            figures
                .iter()
                .find(|f| f["metric"] == "message_ms" && f["figure"] == "p50")
        })
        .expect("it is compared");
    let change = median["change"]["value"].as_f64().expect("a number");
    // Two access links a message: 40 ms and 52 ms.
    assert!((change - 0.3).abs() < 0.05, "{median:#}");
    assert_eq!(median["outcome"], "regression");

    let markdown = compare(&desk, &["base", "worse", "--force", "--format", "markdown"]);
    markdown.assert_code(97);
    assert!(
        markdown.stdout.starts_with("### ❌ REGRESSION: talk\n"),
        "{markdown:#?}"
    );
    // The other way round it got better, which is no regression.
    compare(&desk, &["worse", "base", "--force", "--metric", "message_ms"]).assert_code(0);
    // A margin that wide lets it pass.
    compare(
        &desk,
        &[
            "base",
            "worse",
            "--force",
            "--metric",
            "message_ms",
            "--margin",
            "trend=60%",
        ],
    )
    .assert_code(0);
}

#[test]
fn fewer_than_five_runs_a_side_prove_nothing() {
    let desk = Desk::new("compare-few");
    play(&desk, "base", 1, 5, "20ms");
    play(&desk, "new", 101, 2, "20ms");
    let few = compare(&desk, &["base", "new"]);
    few.assert_code(98);
    assert!(few.stdout.starts_with("INCONCLUSIVE  talk"), "{few:#?}");
    assert!(few.stdout.contains("new has 2 runs and needs 3 more"), "{few:#?}");
    // Runs of several jobs, folder by folder.
    play(&desk, "more", 201, 3, "20ms");
    let told = compared(&desk, &["--base", "base", "--new", "new", "--new", "more"]);
    assert_eq!(told["new"]["runs"], 5, "{told:#}");
}

#[test]
fn what_is_no_evidence_is_refused_with_what_is_wrong() {
    let desk = Desk::new("compare-wrong");
    play(&desk, "base", 1, 2, "20ms");
    play(&desk, "new", 101, 2, "20ms");
    let first = fs::read_dir(desk.path("new"))
        .expect("it is there")
        .next()
        .expect("a run");
    let run = format!("new/{}", first.expect("a run").file_name().to_string_lossy());
    let summary = desk.read(&format!("{run}/summary.json"));

    let wrong = |args: &[&str], says: &str| {
        let output = compare(&desk, args);
        output
            .assert_code(104)
            .assert_no_data()
            .assert_says(says)
            .assert_says("help: ");
    };
    wrong(&[], "BASE is missing");
    wrong(
        &["base", "nowhere"],
        "nowhere: there is neither a folder nor a baseline",
    );
    wrong(&["base", "talk.yaml"], "talk.yaml is a file");
    wrong(&["base", "base"], "is on both sides");
    wrong(
        &["--base", "base", "--base", "base", "--new", "new"],
        "is named twice",
    );
    wrong(&["base", "new", "--metric", "conect_ms"], "conect_ms");
    wrong(&["base", "new", "--margin", "trend=much"], "`much` is no margin");
    fs::create_dir(desk.path("empty")).expect("it can be made");
    wrong(&["base", "empty"], "there is no run in it");

    desk.write(&format!("{run}/summary.json"), &summary[..summary.len() / 2]);
    wrong(&["base", "new"], "summary.json is no JSON: EOF");
    wrong(&["base", "new", "--force"], "summary.json is no JSON: EOF");
    desk.write(&format!("{run}/summary.json"), "{\"schema\": \"k6/1\"}");
    wrong(&["base", "new"], "has the schema k6/1, not rtcstorm.summary/1");
    desk.write(
        &format!("{run}/summary.json"),
        &summary.replace("\"pass\"", "\"invalid\""),
    );
    wrong(&["base", "new"], "its verdict is INVALID");
    let forced = compare(&desk, &["base", "new", "--force"]);
    forced.assert_code(98);
    assert!(forced.stdout.contains("! forced: "), "{forced:#?}");

    // What a run that was killed leaves.
    fs::remove_file(desk.path(&run).join("summary.json")).expect("it is there");
    wrong(&["base", "new"], "it did not come to its end");
    desk.write(&format!("{run}/summary.json"), &summary);
    fs::remove_file(desk.path(&run).join("histograms.hlog")).expect("it is there");
    wrong(&["base", "new"], "there is no histograms.hlog");
}

#[test]
fn baselines_grow_and_are_compared_with() {
    let desk = Desk::new("baseline");
    desk.write("talk.yaml", TALK);
    let run = |args: &[&str]| {
        let sim = [
            "run",
            "talk.yaml",
            "--sim",
            "--schedule",
            "random",
            "--quiet",
            "--metric",
            "message_ms",
        ];
        let output = desk.run(&[&sim, args].concat());
        output.assert_sane();
        output
    };
    run(&["--baseline", "main"])
        .assert_code(104)
        .assert_says("baseline `main` has no run of talk");
    run(&["--save-baseline", "main"])
        .assert_code(0)
        .assert_says("baseline main: 1 run of talk in reports/baselines/main/talk");
    run(&["--save-baseline", "main"])
        .assert_code(0)
        .assert_says("not saved again as main: ");
    run(&["--save-baseline", "main", "--seed", "2", "--runs", "5"])
        .assert_code(0)
        .assert_says("baseline main: 6 runs of talk");

    let one = run(&["--baseline", "main", "--seed", "50"]);
    one.assert_code(98);
    assert!(
        one.stdout
            .contains("1 of the 5 runs that it takes: `--runs 5` plays them"),
        "{one:#?}"
    );
    let five = run(&[
        "--baseline",
        "main",
        "--seed",
        "50",
        "--runs",
        "5",
        "--margin",
        "trend=50%",
    ]);
    five.assert_code(0);
    assert!(five.stdout.contains("NO REGRESSION  talk"), "{five:#?}");
    // By its name, from `compare`, too.
    run(&["--seed", "60", "--runs", "5", "--out", "new"]).assert_code(0);
    compare(
        &desk,
        &["main", "new", "--metric", "message_ms", "--margin", "trend=50%"],
    )
    .assert_code(0);

    let other = ["--save-baseline", "main", "--set", "rooms.count=2"];
    run(&other)
        .assert_code(104)
        .assert_says("`--replace-baseline` begins it anew");
    run(&[&other[..], &["--replace-baseline"]].concat())
        .assert_code(0)
        .assert_says("baseline main: 1 run of talk");
    run(&["--save-baseline", "../main"])
        .assert_code(2)
        .assert_says("no name of a baseline");
    // With --json stdout has the summary alone.
    let told = run(&[
        "--baseline",
        "main",
        "--seed",
        "70",
        "--set",
        "rooms.count=2",
        "--json",
    ]);
    told.assert_code(98).assert_says("INCONCLUSIVE  talk");
    assert_eq!(json(&told.stdout)["schema"], "rtcstorm.summary/1");
}

#[test]
fn two_commands_are_played_by_turns() {
    let desk = Desk::new("ab");
    desk.write("talk.yaml", TALK);
    let base = "rtcstorm run talk.yaml --sim --schedule random --set 'network={delay: 20ms}'";
    let new = "rtcstorm run talk.yaml --sim --schedule random --set 'network={delay: 30ms}'";
    let output = compare(
        &desk,
        &[
            "--ab",
            base,
            new,
            "--pairs",
            "5",
            "--out",
            "ab",
            "--force",
            "--metric",
            "message_ms",
        ],
    );
    output.assert_code(97).assert_says("pair 5 of 5: base took ");
    for path in ["ab/base/005/summary.json", "ab/new/005/summary.json"] {
        assert!(desk.path(path).is_file(), "{path}");
    }
    assert_eq!(desk.json("ab/comparison.json")["verdict"], "regression");
    // ABBA: the second pair's new run began before its base.
    let began = |run: &str| {
        fs::metadata(desk.path(run).join("summary.json"))
            .and_then(|m| m.modified())
            .expect("it is there")
    };
    assert!(began("ab/base/001") < began("ab/new/001"));
    assert!(began("ab/new/002") < began("ab/base/002"));
    // What was played is not played over.
    let again = compare(&desk, &["--ab", base, new, "--out", "ab"]);
    again.assert_code(104).assert_says("ab/base has runs already");

    for (command, says) in [
        (
            "rtcstorm run nothing.yaml",
            "ended with exit status: 104; it said:\n    error: nothing.yaml",
        ),
        ("rtcstorm scenarios", "has left no summary.json"),
        ("no-such-program", "cannot be started"),
        ("'open", "is no command"),
    ] {
        let broken = compare(&desk, &["--ab", base, command, "--pairs", "1"]);
        broken.assert_code(104).assert_says(says);
    }
}

#[cfg(unix)]
#[test]
fn what_was_played_before_ctrl_c_is_kept_and_compared() {
    let desk = Desk::new("ab-interrupted");
    desk.write("talk.yaml", TALK);
    desk.write("long.yaml", super::LONG);
    let base = "rtcstorm run talk.yaml --sim";
    let program = desk.start(&[
        "compare",
        "--ab",
        base,
        "rtcstorm run long.yaml",
        "--out",
        "ab",
        "--force",
    ]);
    super::program::wait_until("the long run is under way", || {
        let events = desk.events("ab/new/001");
        events.iter().filter(|e| e["kind"] == "wait_satisfied").count() == 2
    });
    program.interrupt();
    let output = program.wait();
    output.assert_code(105).assert_sane();
    output.assert_says("interrupted: the run under way ends");
    output.assert_says("nothing to compare: a side has no run that came to its end");
    assert!(desk.path("ab/base/001/summary.json").is_file());
    assert_eq!(desk.json("ab/new/001/summary.json")["verdict"], "interrupted");
}

#[test]
fn a_calibration_tells_false_alarms_and_the_smallest_effects() {
    let desk = Desk::new("calibrate");
    desk.write("talk.yaml", TALK);
    let output = desk.run(&[
        "calibrate",
        "talk.yaml",
        "--runs",
        "10",
        "--out",
        "calibrated",
        "--metric",
        "message_ms",
        "--",
        "--sim",
        "--schedule",
        "random",
    ]);
    output.assert_code(0).assert_sane();
    assert!(
        output.stdout.starts_with("CALIBRATION  talk, 10 runs\n"),
        "{output:#?}"
    );
    assert!(output.stdout.contains("false alarms (REGRESSION)"), "{output:#?}");
    // From runs that are there: the same figures.
    let again = desk.run(&["calibrate", "--from", "calibrated/runs", "--metric", "message_ms"]);
    assert_eq!(again.stdout, output.stdout);
    let told = desk.run(&["calibrate", "--from", "calibrated/runs", "--json"]);
    assert_eq!(json(&told.stdout)["splits"], 2_000);

    play(&desk, "few", 1, 3, "20ms");
    desk.run(&["calibrate", "--from", "few"])
        .assert_code(104)
        .assert_says("3 runs are too few to be split in two: it takes 10");
}
