//! `run --sim`: one seed is one run, to the byte.

use rtcstorm::base::Fnv1a;

use super::{
    QUICK,
    program::{Desk, json},
};

/// A byte more or less is microseconds, and a datagram more or less is another loss.
const NARROW: &str = "network={delay: 20ms, jitter: 5ms, loss: 2%, rate: 1mbit}";

#[test]
fn a_simulation_is_the_same_command_with_virtual_durations() {
    let desk = Desk::new("sim");
    let run = |out: &str| {
        let args = ["run", "network-drops", "--sim", "--set", NARROW];
        desk.run(&[&args as &[&str], &["--json", "--quiet", "--out", out]].concat())
    };
    let output = run("out");
    let summary = json(&output.stdout);
    assert_eq!(summary["world"], "sim");
    let virtual_ms = summary["virtual_ms"].as_f64().expect("a number");
    assert!(
        virtual_ms > 26_000.0,
        "the network is away that long: {virtual_ms}"
    );
    assert!(summary.get("duration_ms").is_none() && summary.get("started_at").is_none());

    let again = run("again");
    assert_eq!(again.stdout, output.stdout);
    let log = desk.read("out/events.ndjson");
    assert_eq!(desk.read("again/events.ndjson"), log);
    let mut hash = Fnv1a::default();
    hash.update(log.as_bytes());
    assert_eq!(summary["log_hash"], format!("{:016x}", hash.value()));

    let machine = desk.json("again/machine.json");
    assert_eq!(machine["schema"], "rtcstorm.machine/1");
    assert_eq!(machine["virtual_ms"], summary["virtual_ms"]);
    assert!(machine["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(machine["started_at"].is_string() && machine["os"].is_string());
    assert_eq!(machine["folder"], "again");
}

/// Sockets that wait for their turn are part of what happens: whoever repeats the run repeats that.
#[test]
fn a_limit_of_sockets_is_in_the_line_that_repeats_a_run() {
    let desk = Desk::new("sim-max-rate");
    let args = [
        "run",
        "faults/server-restart",
        "--sim",
        "--max-rate",
        "8/s",
        "--json",
    ];
    let played = desk.run(&args);
    let summary = json(&played.stdout);
    assert!(
        summary["repeat"]
            .as_str()
            .is_some_and(|line| line.contains("--max-rate 8/s")),
        "{played:#?}"
    );
    let hash = summary["log_hash"].as_str().expect("it was simulated");
    let verified = desk.run(&[
        "run",
        "faults/server-restart",
        "--sim",
        "--max-rate",
        "8/s",
        "--verify",
    ]);
    assert!(verified.stdout.contains(hash), "{hash}: {verified:#?}");
    let without = json(
        &desk
            .run(&["run", "faults/server-restart", "--sim", "--json"])
            .stdout,
    );
    assert_ne!(
        without["log_hash"], summary["log_hash"],
        "some sockets have waited"
    );
}

#[test]
fn the_terminal_shows_the_hash_of_a_simulations_log() {
    let desk = Desk::new("sim-hash");
    desk.write("quick.yaml", QUICK);
    let output = desk.run(&["run", "quick.yaml", "--sim", "--out", "out"]);
    output.assert_code(0);
    let hash = desk.json("out/summary.json")["log_hash"].clone();
    let hash = hash.as_str().expect("text");
    assert!(output.stdout.contains(&format!("log {hash}")), "{output:#?}");
}

#[test]
fn verify_plays_each_scenario_four_times_and_leaves_nothing() {
    let desk = Desk::new("verify");
    desk.write("quick.yaml", QUICK);
    let args = ["run", "quick.yaml", "username-taken", "--sim", "--verify"];
    let changes = ["--seed", "7", "--schedule", "pct:3", "--set", NARROW];
    let output = desk.run(&[&args as &[&str], &changes].concat());
    output.assert_code(0);
    assert_eq!(output.stderr, "");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{output:#?}");
    for (line, name) in lines.iter().zip(["quick", "username-taken"]) {
        let said = line.strip_prefix(&format!("{name}, seed 7: same log four times: "));
        let hash = said.and_then(|said| said.split_once(" (")).map(|(hash, _)| hash);
        assert!(hash.is_some_and(|hash| hash.len() == 16), "{line}");
    }
    assert!(!desk.path("reports").exists());

    let hash = |line: &str| line.split(": ").nth(2).map(|said| said[..16].to_owned());
    let played = desk.run(&[
        "run",
        "quick.yaml",
        "--sim",
        "--json",
        "--seed",
        "7",
        "--schedule",
        "pct:3",
        "--set",
        NARROW,
    ]);
    let told = json(&played.stdout)["log_hash"].as_str().map(str::to_owned);
    assert_eq!(told, hash(lines[0]), "the same seed, run without --verify");
}

#[test]
fn only_a_simulation_is_verified_or_has_a_schedule() {
    let desk = Desk::new("sim-only");
    for flags in [&["--verify"][..], &["--schedule", "random"]] {
        let output = desk.run(&[&["run", "smoke"], flags].concat());
        output.assert_code(2).assert_says("--sim").assert_no_data();
    }
}

#[test]
fn a_schedule_that_is_none_is_refused_with_what_it_could_be() {
    let desk = Desk::new("schedule");
    let with = |schedule| desk.run(&["run", "smoke", "--sim", "--schedule", schedule]);
    with("lifo").assert_code(2).assert_says("`pct:DEPTH`");
    with("pct:11").assert_code(2).assert_says("from 1 to 10");
}

#[test]
fn the_schedule_is_part_of_the_command_that_repeats_a_run() {
    let desk = Desk::new("repeat-schedule");
    desk.write("quick.yaml", QUICK);
    let flags = ["--sim", "--json", "--schedule", "pct:4", "--seed", "9"];
    let output = desk.run(&[&["run", "quick.yaml"], &flags as &[&str]].concat());
    let repeat = json(&output.stdout)["repeat"].clone();
    assert_eq!(repeat, "rtcstorm run quick.yaml --seed 9 --sim --schedule pct:4");
}

#[test]
fn a_simulation_has_no_url() {
    let desk = Desk::new("sim-url");
    let output = desk.run(&["run", "smoke", "--sim", "--url", "ws://127.0.0.1:1/ws/"]);
    output.assert_code(2);
    assert!(output.stderr.contains("--url"), "{}", output.stderr);
}

#[test]
fn what_no_simulated_server_speaks_is_not_simulated() {
    let desk = Desk::new("sim-protocol");
    for (protocol, scheme) in [
        ("peerjs", "ws"),
        ("janus", "ws"),
        ("whip", "http"),
        ("whep", "http"),
    ] {
        desk.write(
            "foreign.yaml",
            &format!(
                "{{ name: x, target: {{ url: '{scheme}://127.0.0.1:1/', protocol: {protocol} }}, rooms: {{ peers: 2 }}, steps: [join] }}"
            ),
        );
        let capacity = [
            "capacity",
            "foreign.yaml",
            "--metric",
            "connect_ms p(95)<1000",
            "--from",
            "2",
            "--to",
            "4",
        ];
        for args in [
            &["run", "foreign.yaml", "--sim"] as &[&str],
            &["hunt", "foreign.yaml"],
            &capacity,
        ] {
            let output = desk.run(args);
            assert_eq!(output.code, Some(104), "{args:?}: {}", output.stderr);
            assert!(
                output
                    .stderr
                    .contains(&format!("does not speak `protocol: {protocol}`")),
                "{}",
                output.stderr
            );
        }
        assert_eq!(desk.run(&["check", "foreign.yaml"]).code, Some(0));
    }
}
