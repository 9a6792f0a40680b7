//! What a verdict may rest on: windows, warm-up, what ended the run, and evidence that is whole.

use super::{QUICK, program::Desk};

/// Two peers who talk for half a minute, and again from the 60th second on. Then their network is away for 3 s, and slow
/// for as long.
const TALK: &str = "
name: talk
rooms: { peers: 2 }
steps:
  - join
  - wait: connected
  - chat: { every: 100ms, size: 64, for: 30s }
  - pause: 30s
  - chat: { every: 100ms, size: 64, for: 1s }
  - drop_network: { for: 3s }
  - network: { delay: 400ms }
  - chat: { every: 100ms, size: 64, for: 3s }
  - network: none
  - chat: { every: 100ms, size: 64, for: 20s }
";

fn with_thresholds(thresholds: &str) -> String {
    format!("{TALK}thresholds:\n{thresholds}")
}

fn sim(desk: &Desk, more: &[&str]) -> super::program::Output {
    let args = [&["run", "talk.yaml", "--sim", "--out", "out", "--quiet"], more].concat();
    let output = desk.run(&args);
    output.assert_sane();
    output
}

#[test]
fn a_bad_stretch_fails_in_its_window_though_the_whole_run_passes() {
    let desk = Desk::new("window");
    desk.write(
        "talk.yaml",
        &with_thresholds("  message_ms: ['p(90)<500', {threshold: 'p(90)<500', window: 5s}]\n"),
    );
    let output = sim(&desk, &[]);
    output.assert_code(99);
    let summary = desk.json("out/summary.json");
    let [whole, windows] = summary["thresholds"].as_array().expect("a list").as_slice() else {
        panic!("{summary:#}");
    };
    assert_eq!(
        (&whole["status"], &whole["window"]),
        (&"passed".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&windows["status"], &windows["expression"]),
        (&"failed".into(), &"p(90)<500".into())
    );
    let window = &windows["window"];
    let from = window["from_ms"].as_f64().expect("a figure");
    assert_eq!(window["length_ms"], 5_000.0);
    assert_eq!(window["until_ms"], from + 5_000.0);
    assert!(
        (60_000.0..=65_000.0).contains(&from),
        "where the network was slow: {window}"
    );
    let reasons = summary["reasons"].to_string();
    let named = format!("from {}s to {}s", from / 1_000.0, from / 1_000.0 + 5.0);
    assert!(
        reasons.contains("p(90)<500 in every 5s failed") && reasons.contains(&named),
        "{reasons}"
    );
    assert!(output.stdout.contains("p(90)<500 in every 5s"), "{output:#?}");
}

#[test]
fn a_window_of_a_counter_is_what_it_counted_in_that_time() {
    let desk = Desk::new("counter");
    // 200 in 10 s while they talk; in the pause none.
    let least =
        |least: u32, window| format!("  messages_sent: {{threshold: 'count>={least}', window: {window}}}\n");
    desk.write("talk.yaml", &with_thresholds(&least(1, "40s")));
    sim(&desk, &[]).assert_code(0);
    desk.write("talk.yaml", &with_thresholds(&least(1, "10s")));
    sim(&desk, &[]).assert_code(99);
    let summary = desk.json("out/summary.json");
    let threshold = &summary["thresholds"][0];
    assert_eq!(threshold["actual"], 0.0, "{summary:#}");
    assert_eq!(threshold["window"]["from_ms"], 30_000.0, "{summary:#}");
}

#[test]
fn a_window_that_fails_ends_the_run_and_is_named_with_its_figure_and_instant() {
    let desk = Desk::new("window-abort");
    desk.write(
        "talk.yaml",
        &with_thresholds(
            "  message_ms: {threshold: 'max<500', window: 2s, abortOnFail: true, delayAbortEval: 5s}\n  joins_started: count==2\n",
        ),
    );
    let output = sim(&desk, &[]);
    output
        .assert_code(108)
        .assert_says("aborted: message_ms: max<500 in every 2s failed after 6");
    let summary = desk.json("out/summary.json");
    let aborted = &summary["aborted"];
    assert_eq!(aborted["selector"], "message_ms");
    let at = aborted["at_ms"].as_f64().expect("a figure");
    let until = aborted["window"]["until_ms"].as_f64().expect("a figure");
    assert!(
        until < at && at < until + 8_000.0,
        "soon after its end: {aborted:#}"
    );
    assert!(
        summary["virtual_ms"].as_f64().expect("a figure") < 80_000.0,
        "it ended early"
    );
    assert!(output.stdout.starts_with("ABORTED  talk"), "{output:#?}");
    // Lines are wrapped.
    let words = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("ended the run after 6") && words.contains("(abortOnFail): it was"),
        "{words}"
    );
    assert!(
        words.contains("All figures are of the time until then"),
        "{words}"
    );
}

#[test]
fn warm_up_leaves_no_sample_and_changes_nothing_else() {
    let desk = Desk::new("warm-up");
    desk.write("talk.yaml", TALK);
    sim(&desk, &[]).assert_code(0);
    let cold = desk.json("out/summary.json");
    assert_eq!(cold["metrics"]["connect_ms"]["count"], 1);
    assert_eq!(cold["warm_up_ms"], serde_json::Value::Null);
    let cold_log = desk.read("out/events.ndjson");

    let output = sim(&desk, &["--set", "warm_up=40s"]);
    output.assert_code(0);
    let warm = desk.json("out/summary.json");
    assert_eq!(desk.read("out/events.ndjson"), cold_log, "peers do what they did");
    assert_eq!(warm["warm_up_ms"], 40_000.0);
    assert!(
        output
            .stdout
            .contains("what began in the first 40s is in no figure"),
        "{output:#?}"
    );
    for gone in ["connect_ms", "connect_failed", "join_ms", "signaling_ms"] {
        assert_eq!(warm["metrics"][gone], serde_json::Value::Null, "{gone}");
    }
    assert_eq!(warm["counters"]["joins_started"], serde_json::Value::Null);
    // Those of the first chat, in both directions, are gone.
    let sent = |summary: &serde_json::Value| summary["counters"]["messages_sent"].as_u64().expect("a count");
    assert_eq!(sent(&cold) - sent(&warm), 600);
    assert_eq!(warm["metrics"]["reconnect_ms"], cold["metrics"]["reconnect_ms"]);
    assert_eq!(
        warm["invariants"], cold["invariants"],
        "they are judged from the start"
    );
}

#[test]
fn a_threshold_whose_samples_all_lie_in_the_warm_up_has_none() {
    let desk = Desk::new("warm-up-all");
    desk.write("talk.yaml", &with_thresholds("  connect_ms: max<9000\n"));
    sim(&desk, &["--set", "warm_up=40s"]).assert_code(98);
    let summary = desk.json("out/summary.json");
    assert!(
        summary["reasons"]
            .to_string()
            .contains("connect_ms: max<9000 had no samples")
    );
    // And a run without thresholds does not pass because nobody looked.
    let nobody = TALK.replace(
        "rooms: { peers: 2 }",
        "warm_up: 40s\nrooms: { peers: 2 }\nnat: symmetric",
    );
    let nobody = nobody.replace("wait: connected", "wait: { for: connected, within: 1s }");
    desk.write("talk.yaml", &nobody);
    let output = sim(&desk, &[]);
    assert_eq!(output.code, Some(99), "{output:#?}");
    assert!(output.stdout.contains("not one link connected"), "{output:#?}");
}

#[test]
fn the_generator_tells_how_it_fares_and_what_to_do_when_it_is_late() {
    let desk = Desk::new("late");
    let quick = QUICK.replace(
        "{ wait: connected }",
        "{ wait: connected }, { pause: 1500ms }, rejoin",
    );
    desk.write("quick.yaml", &quick.replace("count==2", "count==4"));
    desk.write("failing.yaml", &quick.replace("count==2", "count==5"));
    // No step and no timer is on the dot.
    let args = ["--lag-limit", "0s", "--set", "arrive={over: 10ms}", "--quiet"];
    let passing = desk.run(&[&["run", "quick.yaml", "--out", "passing"], &args[..]].concat());
    passing.assert_code(0).assert_sane();
    let summary = desk.json("passing/summary.json");
    let warnings = summary["warnings"].to_string();
    assert!(
        warnings.contains("the generator was saturated: its steps began"),
        "{warnings}"
    );
    assert!(
        warnings.contains("What helps: use fewer rooms or peers"),
        "{warnings}"
    );
    let failing = desk.run(&[&["run", "failing.yaml", "--out", "failing"], &args[..]].concat());
    failing.assert_code(98).assert_sane();
    let summary = desk.json("failing/summary.json");
    let reasons = summary["reasons"].to_string();
    assert!(
        reasons.contains("its steps began") && reasons.contains("joins_started"),
        "{reasons}"
    );

    assert!(
        summary["metrics"]["event_loop_lag_ms"]["count"].as_u64() > Some(50),
        "{summary:#}"
    );
    let generator = &summary["generator"];
    assert!(generator["event_loop_lag_ms_p99"].is_number(), "{generator:#}");
    if cfg!(target_os = "linux") {
        let [open, allowed] = ["open_files", "open_files_allowed"].map(|key| generator[key].as_u64());
        assert!(open > Some(3) && open < allowed, "{generator:#}");
    }
    assert!(failing.stdout.contains("event loops' lag p99"), "{failing:#?}");
}

#[test]
fn a_simulation_is_never_late() {
    let desk = Desk::new("never-late");
    desk.write("talk.yaml", TALK);
    sim(&desk, &["--lag-limit", "0s"]).assert_code(0);
    let summary = desk.json("out/summary.json");
    assert_eq!(summary["warnings"], serde_json::json!([]));
    assert_eq!(summary["metrics"]["event_loop_lag_ms"], serde_json::Value::Null);
    assert_eq!(
        summary["generator"]["open_files_allowed"],
        serde_json::Value::Null
    );
}

#[test]
fn a_hunt_judges_windows_too_and_names_the_one_that_broke() {
    let desk = Desk::new("hunt-window");
    desk.write(
        "talk.yaml",
        &with_thresholds("  message_ms: {threshold: 'p(90)<500', window: 5s}\n"),
    );
    let args = [
        "hunt",
        "talk.yaml",
        "--seeds",
        "1",
        "--no-shrink",
        "--out",
        "found",
        "--quiet",
    ];
    desk.run(&args).assert_code(0).assert_sane();
    let output = desk.run(&[&args[..], &["--thresholds"]].concat());
    output.assert_code(99).assert_sane();
    let words = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("message_ms: p(90)<500 in every 5s"), "{words}");
}
