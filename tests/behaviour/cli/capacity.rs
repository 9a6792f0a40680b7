//! `capacity`.

use serde_json::Value;

use super::program::{Desk, wait_until};

/// A server that takes 20 ms over each frame of a client's: in virtual time what a link waits for grows by the others in
/// its room, and by nothing else.
const SLOW: &str = "
name: slow
rooms: { count: 1, peers: 3 }
arrive: { over: 1s }
steps: [{ server: { slow: { by: 20ms, for: 2m } } }, join, { wait: connected }]
thresholds: { connect_ms: ['max<0'] }
";

fn search(desk: &Desk, out: &str) -> Value {
    let args = [
        "capacity",
        "slow.yaml",
        "--metric",
        "connect_ms p(95)<250",
        "--raise",
        "peers",
        "--from",
        "2",
        "--to",
        "30",
        "--step",
        "1",
        "--tries",
        "2",
        "--out",
        out,
        "--",
        "--sim",
    ];
    let output = desk.run(&args);
    output
        .assert_code(0)
        .assert_says("peers: held")
        .assert_says("peers: broke");
    for told in ["Up to ", "It is the server's", "relay mode rooms"] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
    desk.json(&format!("{out}/capacity.json"))
}

#[test]
fn the_knee_of_a_slow_server_is_found_and_two_searches_agree() {
    let desk = Desk::new("capacity");
    desk.write("slow.yaml", SLOW);
    let found = search(&desk, "one");
    let (holds, breaks) = (&found["knee"]["holds_peers"], &found["knee"]["breaks_peers"]);
    let ends = holds.as_u64().zip(breaks.as_u64());
    assert!(
        ends.is_some_and(|(holds, breaks)| holds > 2 && breaks == holds + 1),
        "{found:#}"
    );
    assert_eq!(found["knee"]["limit"], "server");
    assert_eq!(found["schema"], "rtcstorm.capacity/1");
    for step in found["steps"].as_array().expect("a list") {
        let p95 = step["connect_ms_p95"].as_f64().expect("it is measured");
        assert_eq!(step["outcome"] == "held", p95 < 250.0, "{step:#}");
    }
    // Both ends were tried again.
    let steps = found["steps"].as_array().into_iter().flatten();
    assert_eq!(
        steps.filter(|step| step["peers"] == *holds).count(),
        2,
        "{found:#}"
    );
    assert_eq!(search(&desk, "two")["knee"], found["knee"]);

    let rows = desk.read("one/capacity.csv");
    assert!(rows.starts_with("peers,seed,outcome,"), "{rows}");
    assert!(desk.read("one/capacity.html").contains("peers (log)"));
}

#[test]
fn a_generator_at_its_end_is_told_as_that_and_a_server_of_its_own_tells_its_cpu() {
    let desk = Desk::new("capacity-generator");
    desk.write(
        "pairs.yaml",
        "
name: pairs
rooms: { peers: 2 }
arrive: { over: 100ms }
steps: [join, { wait: connected }, { pause: 4s }]
",
    );
    let args = [
        "capacity",
        "pairs.yaml",
        "--metric",
        "connect_ms max<0.001",
        "--from",
        "2",
        "--to",
        "4",
        "--tries",
        "1",
        "--out",
        "out",
        "--json",
        "--",
        "--lag-limit",
        "0s",
    ];
    let output = desk.run(&args);
    output.assert_code(0);
    let found: Value = super::program::json(&output.stdout);
    assert_eq!(found["knee"]["limit"], "generator", "{found:#}");
    assert_eq!(found["knee"]["holds_peers"], Value::Null);
    let step = &found["steps"][0];
    assert_eq!(step["outcome"], "saturated", "{found:#}");
    assert!(
        step["reasons"]
            .to_string()
            .contains("the generator was saturated"),
        "{step:#}"
    );
    if cfg!(target_os = "linux") {
        assert!(step["server_cpu_percent"].is_f64(), "{step:#}");
    }
    assert!(
        found["target"]
            .as_str()
            .is_some_and(|target| target.contains("a process of its own"))
    );
}

#[test]
fn what_makes_no_sense_is_told_and_nothing_is_played() {
    let desk = Desk::new("capacity-mistakes");
    desk.write("slow.yaml", SLOW);
    let run = |metric: &str, from: &str, to: &str, more: &[&str]| {
        let args = [
            "capacity",
            "slow.yaml",
            "--metric",
            metric,
            "--from",
            from,
            "--to",
            to,
            "--out",
            "out",
        ];
        desk.run(&[&args[..], more].concat())
    };
    let sound = "connect_ms p(95)<250";
    run("connect_ms", "2", "4", &[])
        .assert_code(2)
        .assert_says("connect_ms p(95)<2000");
    run("conect_ms p(95)<2", "2", "4", &[])
        .assert_code(2)
        .assert_says("connect_ms");
    run(sound, "9", "3", &[])
        .assert_code(104)
        .assert_says("the smallest load has to be at least 1 and below the largest");
    run(sound, "2", "9", &["--", "--runs", "3"])
        .assert_code(104)
        .assert_says("once each time");
    run(sound, "2", "9", &["--", "--nonsense"])
        .assert_code(104)
        .assert_says("--nonsense");
    assert!(!desk.path("out").exists());
    // A scenario that does not measure it can't be searched by it.
    run("reconnect_ms p(95)<250", "6", "9", &["--", "--sim"])
        .assert_code(104)
        .assert_says("reconnect_ms had no samples");
}

#[cfg(unix)]
#[test]
fn a_run_whose_evidence_was_lost_is_nobodys_end() {
    let desk = Desk::new("capacity-lost");
    desk.write(
        "talk.yaml",
        "
name: talk
rooms: { peers: 2 }
steps: [join, { wait: connected }, { chat: { every: 100ms, size: 64, count: 200 } }]
",
    );
    let args = [
        "capacity",
        "talk.yaml",
        "--metric",
        "connect_ms p(95)<2000",
        "--from",
        "2",
        "--to",
        "40",
        "--tries",
        "2",
        "--out",
        "out",
        "--",
        "--sim",
    ];
    // The log of two peers has room, that of four has not.
    let output = desk.run_with_files_up_to(150, &args);
    output
        .assert_code(98)
        .assert_says("2 peers: held")
        .assert_says("4 peers: unproven, connect p95 ")
        .assert_says("the event log is not whole");
    assert!(output.stdout.contains("can't be told"), "{output:#?}");
    assert!(!output.stdout.contains("generator's"), "{output:#?}");
    let found = desk.json("out/capacity.json");
    assert_eq!(found["knee"]["limit"], "unproven", "{found:#}");
    let outcomes = found["steps"].as_array().into_iter().flatten();
    let outcomes: Vec<_> = outcomes
        .map(|step| step["outcome"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        outcomes,
        ["held", "unproven", "unproven"],
        "tried again, and then left"
    );
    let summary = desk.json("out/runs/002-4/summary.json");
    assert_eq!(
        summary["invalid_by"].to_string(),
        r#"["evidence_lost"]"#,
        "{summary:#}"
    );
}

#[cfg(unix)]
#[test]
fn what_was_measured_until_an_interruption_is_written() {
    let desk = Desk::new("capacity-interrupted");
    desk.write(
        "long.yaml",
        "
name: long
rooms: { count: 2, peers: 2 }
steps: [join, { wait: connected }, { pause: 2s }]
",
    );
    let args = [
        "capacity",
        "long.yaml",
        "--metric",
        "connect_failed rate<=1",
        "--from",
        "2",
        "--to",
        "40",
        "--step",
        "2",
        "--settle",
        "10m",
        "--out",
        "out",
    ];
    let program = desk.start(&args);
    wait_until("the first run is over", || {
        program.stderr().contains("2 peers: held")
    });
    program.interrupt();
    let output = program.wait();
    output.assert_code(105);
    assert!(output.stdout.contains("It was interrupted"), "{output:#?}");
    let found = desk.json("out/capacity.json");
    assert_eq!(found["interrupted"], true);
    assert_eq!(found["steps"].as_array().map(Vec::len), Some(1), "{found:#}");
}

#[test]
fn the_peers_know_how_the_searchs_own_server_relays() {
    let desk = Desk::new("capacity-deployed");
    let args = [
        "capacity",
        "join-storm",
        "--metric",
        "connect_failed rate<0.5",
        "--from",
        "4",
        "--to",
        "8",
        "--tries",
        "1",
        "--settle",
        "100ms",
        "--relay-mode",
        "deployed",
        "--out",
        "out",
        "--",
        "--set",
        "arrive={over: 200ms}",
        "--set",
        "duration=20s",
    ];
    let output = desk.run(&args);
    output.assert_code(0);
    assert!(output.stdout.contains("relay mode deployed"), "{}", output.stdout);
    let found = desk.json("out/capacity.json");
    assert_eq!(found["knee"]["holds_peers"], 8, "{found:#}");
    let repeat = found["repeat"].as_str().unwrap_or_default();
    for said in ["--settle 100ms", "--relay-mode deployed", "--tries 1"] {
        assert!(repeat.contains(said), "{said}: {repeat}");
    }
}
