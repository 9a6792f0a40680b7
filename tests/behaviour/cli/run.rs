//! `run` and `serve`, over real connections.

use std::{collections::BTreeSet, net::TcpListener};

use serde_json::Value;

use super::{
    LONG, QUICK,
    program::{Desk, json, wait_until},
};

/// Puts latencies out of the verdict, which on a busy machine are what they are.
const ANY_SPEED: [&str; 6] = [
    "--set",
    "thresholds.connect_ms=p(95)<600000",
    "--set",
    "thresholds.reconnect_ms=p(95)<600000",
    "--set",
    "thresholds.message_ms=p(99)<600000",
];

const FIGURES: [&str; 11] = [
    "unit", "count", "failed", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max",
];

fn keys(of: &Value) -> BTreeSet<&str> {
    of.as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

/// A machine that is too busy may turn FAIL into INVALID, and then says so.
#[track_caller]
fn assert_failed(code: Option<i32>, summary: &Value) {
    let busy = summary["reasons"].to_string().contains("saturated");
    let expected = if busy { 98 } else { 99 };
    assert_eq!(code, Some(expected), "{summary:#}");
    assert_eq!(summary["exit_code"], expected, "{summary:#}");
}

#[test]
fn smoke_passes_with_one_json_document_on_stdout_and_its_files_in_its_folder() {
    let desk = Desk::new("smoke");
    let args = [
        "run", "smoke", "--rooms", "1", "--json", "--quiet", "--out", "deep/out",
    ];
    let output = desk.run(&[&args as &[&str], &ANY_SPEED].concat());
    output.assert_code(0);
    assert_eq!(output.stderr, "");

    let summary = json(&output.stdout);
    assert_eq!(output.stdout, desk.read("deep/out/summary.json"));
    assert_eq!(summary["schema"], "rtcstorm.summary/1");
    assert_eq!(
        keys(&summary["scenario"]),
        BTreeSet::from(["name", "seed", "hash"])
    );
    assert_eq!(summary["scenario"]["seed"], 1);
    assert_eq!(summary["world"], "local");
    assert!(summary["target"].is_string() && summary["started_at"].is_string());
    assert_eq!(
        (&summary["verdict"], &summary["exit_code"]),
        (&"pass".into(), &0.into())
    );
    assert!(summary["duration_ms"].is_number());
    for name in [
        "connect_ms",
        "reconnect_ms",
        "reconnect_ms{path:rejoin}",
        "message_ms",
    ] {
        let metric = &summary["metrics"][name];
        let missing: Vec<_> = FIGURES.iter().filter(|f| metric.get(f).is_none()).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}: {metric}");
        assert_eq!(
            (&metric["unit"], &metric["failed"]),
            (&"ms".into(), &0.into()),
            "{name}"
        );
    }
    // A room of three: three pairs, and 10 messages to two others from each.
    assert_eq!(summary["metrics"]["connect_ms"]["count"], 3);
    assert_eq!(summary["metrics"]["message_ms"]["count"], 60);
    assert_eq!(summary["counters"]["messages_received"], 60);
    assert_eq!(summary["thresholds"].as_array().map(Vec::len), Some(4));
    let invariants = summary["invariants"].as_array().expect("a list");
    let numbers: Vec<_> = invariants.iter().map(|i| i["number"].as_u64()).collect();
    assert_eq!(numbers, (1..=8).map(Some).collect::<Vec<_>>());
    assert!(
        // Whether anything grows is not to be seen in so short a run.
        invariants[..7].iter().all(|i| i["status"] == "held"),
        "{invariants:#?}"
    );
    assert_eq!(
        keys(&summary["generator"]),
        BTreeSet::from(["cpu_percent", "rss_bytes", "lag_ms_p99"])
    );

    let files: BTreeSet<_> = std::fs::read_dir(desk.path("deep/out"))
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("it can be listed")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    let files: BTreeSet<_> = files.iter().map(String::as_str).collect();
    assert_eq!(
        files,
        BTreeSet::from([
            "summary.json",
            "histograms.hlog",
            "events.ndjson",
            "machine.json",
            "run.json",
            "scenario.yaml"
        ])
    );

    let hlog = desk.read("deep/out/histograms.hlog");
    assert!(hlog.starts_with("#[Histogram log format version 1.3]"), "{hlog}");
    assert!(
        hlog.lines().any(|line| line.starts_with("Tag=connect_ms,")),
        "{hlog}"
    );

    let events = desk.events("deep/out");
    let text = desk.read("deep/out/events.ndjson");
    assert_eq!(events.len(), text.lines().count());
    assert!(
        events
            .iter()
            .all(|e| e["ms"].is_number() && e["kind"].is_string()),
        "{text}"
    );
    assert_eq!(events.first().map(|e| &e["kind"]), Some(&"run_started".into()));
    assert_eq!(events.last().map(|e| &e["kind"]), Some(&"run_ended".into()));
    let received = events.iter().filter(|e| e["kind"] == "message_received");
    assert_eq!(received.count(), 60);
    assert!(
        events
            .iter()
            .all(|e| e["kind"] != "message_received" || e["peer"].is_number() && e["remote"].is_number())
    );
}

#[test]
fn the_text_says_the_verdict_first_and_without_a_terminal_nothing_is_coloured() {
    let desk = Desk::new("text");
    desk.write("quick.yaml", QUICK);
    let output = desk.run(&["run", "quick.yaml", "-vv", "--out", "out"]);
    output.assert_code(0);
    assert!(output.stdout.starts_with("PASS  quick, seed 0"), "{output:#?}");
    for part in [
        "connect_failed",
        "✓",
        "Invariants",
        "Files in out/",
        "rtcstorm run quick.yaml --seed 0",
    ] {
        assert!(output.stdout.contains(part), "no `{part}`: {output:#?}");
    }
    assert!(!(output.stdout + &output.stderr).contains('\u{1b}'));
    let plain = desk.run_with(
        &[("NO_COLOR", "1")],
        &["run", "quick.yaml", "--quiet", "--out", "out"],
    );
    plain.assert_code(0);
    assert_eq!(plain.stderr, "");
    assert!(!plain.stdout.contains('\u{1b}'));
}

#[test]
fn a_failed_threshold_fails_the_run_unless_nothing_is_to_be_judged() {
    let desk = Desk::new("thresholds");
    desk.write("quick.yaml", QUICK);
    let broken = [
        "--set",
        "thresholds.joins_started=count>2",
        "--out",
        "out",
        "--json",
    ];
    let output = desk.run(&[&["run", "quick.yaml"] as &[&str], &broken].concat());
    let summary = json(&output.stdout);
    assert_failed(output.code, &summary);
    let status = |summary: &Value| -> Vec<(String, String)> {
        let lines = summary["thresholds"].as_array().expect("a list").iter();
        lines
            .map(|t| (t["selector"].to_string(), t["status"].to_string()))
            .collect()
    };
    let told = |name: &str, status: &str| (format!("{name:?}"), format!("{status:?}"));
    assert_eq!(
        status(&summary),
        [told("connect_failed", "passed"), told("joins_started", "failed")]
    );
    let unjudged = [&["run", "quick.yaml", "--no-thresholds"] as &[&str], &broken].concat();
    let output = desk.run(&unjudged);
    output.assert_code(0);
    assert_eq!(status(&json(&output.stdout)), []);
}

#[test]
fn a_threshold_without_samples_proves_nothing() {
    let desk = Desk::new("invalid");
    desk.write("quick.yaml", QUICK);
    let nothing = "thresholds.message_ms=p(99)<50";
    let output = desk.run(&["run", "quick.yaml", "--set", nothing, "--out", "out"]);
    output.assert_code(98);
    assert!(output.stdout.starts_with("INVALID"), "{output:#?}");
    assert!(
        output.stdout.contains("message_ms: p(99)<50 had no samples"),
        "{output:#?}"
    );
}

#[test]
fn each_of_several_scenarios_has_a_folder_of_its_own_and_the_worst_decides() {
    let desk = Desk::new("several");
    desk.write("quick.yaml", QUICK);
    let other = QUICK.replace("quick", "other").replace("count==2", "count>2");
    desk.write("other.yaml", &other);
    let output = desk.run(&["run", "other.yaml", "quick.yaml", "--out", "out"]);
    let [first, second] = ["out/01-other", "out/02-quick"].map(|folder| {
        assert!(
            desk.events(folder).iter().any(|e| e["kind"] == "run_ended"),
            "{folder}"
        );
        desk.json(&format!("{folder}/summary.json"))
    });
    assert_failed(output.code, &first);
    assert_eq!(second["verdict"], "pass");
}

#[test]
fn runs_write_below_reports_and_never_over_one_another() {
    let desk = Desk::new("folders");
    desk.write("quick.yaml", QUICK);
    desk.run(&["run", "quick.yaml", "quick.yaml", "quick.yaml", "--quiet"])
        .assert_code(0);
    let runs = std::fs::read_dir(desk.path("reports/runs")).expect("the folder is there");
    let names: Vec<String> = runs
        .map(|entry| {
            entry
                .expect("it can be listed")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        assert!(name.contains("-quick-0"), "{names:?}");
        assert!(
            desk.path("reports/runs")
                .join(name)
                .join("summary.json")
                .is_file(),
            "{names:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_leaves_its_events_and_no_other_runs_report() {
    let desk = Desk::new("killed");
    desk.write("quick.yaml", QUICK);
    desk.write("long.yaml", LONG);
    desk.run(&["run", "quick.yaml", "--out", "out"]).assert_code(0);
    assert_eq!(desk.json("out/summary.json")["verdict"], "pass");
    let running = desk.start(&["run", "long.yaml", "--out", "out"]);
    wait_until("some events are on the disk", || {
        let events = desk.events("out");
        events.iter().filter(|e| e["kind"] == "channel_opened").count() == 2
            && events.iter().all(|e| e["kind"] != "run_ended")
    });
    drop(running);
    assert!(!desk.path("out/summary.json").exists());
    assert!(!desk.path("out/histograms.hlog").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_with_advice_before_anything_runs() {
    let desk = Desk::new("unwritable");
    desk.write("file", "in the way");
    std::fs::create_dir_all(desk.path("taken/events.ndjson")).expect("a folder can be made");
    for out in ["file", "file/below", "taken"] {
        let output = desk.run(&["run", "smoke", "--out", out, "--quiet"]);
        output
            .assert_code(104)
            .assert_no_data()
            .assert_says(out)
            .assert_says("--out DIR");
    }
    assert_eq!(desk.read("file"), "in the way");
}

#[test]
fn where_nothing_listens_the_run_ends_by_itself_and_says_why() {
    let desk = Desk::new("nobody");
    let quick = QUICK.replace("wait: connected", "wait: { for: connected, within: 20s }");
    desk.write("quick.yaml", &quick);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let url = format!("ws://{}/ws/", free.expect("a free port"));
    let output = desk.run(&["run", "quick.yaml", "--url", &url, "--out", "out"]);
    output.assert_sane();
    let summary = desk.json("out/summary.json");
    // What was measured are failures, so this is a FAIL of the target, not a run that proves nothing.
    assert_failed(output.code, &summary);
    assert_eq!(summary["world"], "live");
    assert_eq!(summary["counters"]["joins_failed"], 2, "{summary:#}");
    assert_eq!(summary["metrics"]["connect_failed"]["hits"], 1, "{summary:#}");
    assert_eq!(summary["metrics"]["connect_ms"]["p95"], "inf", "{summary:#}");
    assert!(output.stdout.contains("did not get in"), "{output:#?}");
    assert!(output.stdout.contains("refused"), "{output:#?}");
    let broken = summary["invariants"].as_array().into_iter().flatten();
    assert_eq!(
        broken.filter(|i| i["status"] == "broken").count(),
        0,
        "{summary:#}"
    );
}

#[test]
fn a_deadline_ends_the_run_and_what_has_happened_is_judged() {
    let desk = Desk::new("deadline");
    desk.write("long.yaml", LONG);
    let output = desk.run(&["run", "long.yaml", "--duration", "1s", "--out", "out"]);
    output.assert_code(0);
    assert!(output.stdout.starts_with("PASS"), "{output:#?}");
    let kinds: Vec<Value> = desk.events("out").iter().map(|e| e["kind"].clone()).collect();
    assert!(kinds.contains(&"deadline_reached".into()), "{kinds:?}");
    let broken = ["--set", "thresholds.joins_started=count>2"];
    let args = ["run", "long.yaml", "--duration", "1s", "--out", "out"];
    let output = desk.run(&[&args as &[&str], &broken].concat());
    assert_failed(output.code, &desk.json("out/summary.json"));
}

#[cfg(unix)]
#[test]
fn a_server_of_ones_own_says_where_it_is_and_can_be_the_target() {
    let desk = Desk::new("serve");
    desk.write("quick.yaml", QUICK);
    let server = desk.start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut url = String::new();
    wait_until("the server says where it is", || {
        let stderr = server.stderr();
        let at = stderr.find("ws://").filter(|_| stderr.ends_with('\n'));
        url = at
            .map_or("", |at| &stderr[at..])
            .split(['"', ' ', '\n'])
            .next()
            .unwrap_or("")
            .to_owned();
        at.is_some()
    });
    let output = desk.run(&["run", "quick.yaml", "--url", &url, "--out", "out", "--json"]);
    output.assert_code(0);
    let summary = json(&output.stdout);
    assert_eq!(
        (&summary["world"], &summary["target"]),
        (&"live".into(), &url.as_str().into())
    );
    server.interrupt();
    server.wait().assert_code(0).assert_sane();
}
