//! What keeps a run from doing harm.

use super::{
    QUICK,
    program::{Desk, wait_until},
};

const FOREIGN: [&str; 4] = ["run", "smoke", "--url", "wss://rtc.example.org/ws/"];

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let desk = Desk::new("dry-run");
    desk.write(
        "chat.yaml",
        "
name: chat
rooms: { count: 2, peers: 3 }
arrive: { rate: 4/s }
duration: 1m
ice: { servers: [{ urls: 'turn:turn.example.org:3478', username: ann, credential: pst }] }
steps: [join, { wait: connected }, { chat: { every: 100ms, size: 50, for: 5s } }]
",
    );
    let args = [
        "run",
        "chat.yaml",
        "--dry-run",
        "--allow-target",
        "rtc.example.org",
        "--max-error-rate",
        "10%",
        "--out",
        "out",
        "--report",
        "html",
    ];
    let env = [("RTCSTORM_URL", "wss://rtc.example.org/ws/?token=secret")];
    let output = desk.run_with(&env, &args);
    output.assert_code(0);
    for told in [
        "nothing is done (--dry-run)",
        "(host rtc.example.org: allowed, and not this machine)",
        "2, with up to 3 peers each",
        "6, with 6 links at most at a time",
        "6, at most 4 within a second",
        "at most 120 a second",
        "1m at most: everybody leaves then",
        "turn:turn.example.org:3478",
        "20/s joins and sockets, the default against a target that is not this machine",
        "10% of joins and links may fail in 10s, of 20 or more",
        "in out: summary.json, ",
        "report.html",
    ] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
    for secret in ["secret", "ann", "pst"] {
        assert!(!output.stdout.contains(secret), "{}", output.stdout);
    }
    assert!(!desk.path("out").exists() && !desk.path("reports").exists());
    // It is refused as the run would be.
    desk.run(&[&FOREIGN[..], &["--dry-run"]].concat())
        .assert_code(104);
}

/// Two rooms of three: a mesh has links, and a server has one connection of each, or one for each other member, too.
#[test]
fn a_dry_run_tells_how_many_connections_there_will_be() {
    let desk = Desk::new("dry-run-connections");
    for (scenario, protocol, told) in [
        ("smoke", "dashboard", "6 links at most"),
        (
            "smoke",
            "{janus: {plugin: textroom}}",
            "6 connections to the server at most",
        ),
        ("media/smoke", "janus", "18 connections to the server at most"),
        ("media/smoke", "whip", "6 connections to the server at most"),
    ] {
        let protocol = format!("target.protocol={protocol}");
        let url = if protocol.ends_with("whip") {
            "http://127.0.0.1:9/"
        } else {
            "ws://127.0.0.1:9/"
        };
        let output = desk.run(&["run", scenario, "--dry-run", "--url", url, "--set", &protocol]);
        output.assert_code(0);
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
}

#[test]
fn the_users_configuration_allows_targets_and_its_mistakes_are_told() {
    let desk = Desk::new("config");
    let dry = [&FOREIGN[..], &["--dry-run"]].concat();
    let at = desk.path("mine.yaml").display().to_string();
    desk.write("mine.yaml", "allowed_targets: ['*.example.org']\n");
    desk.run_with(&[("RTCSTORM_CONFIG", &at)], &dry).assert_code(0);
    desk.run(&[&dry[..], &["--config", "mine.yaml"]].concat())
        .assert_code(0);

    let home = desk.path("home").display().to_string();
    std::fs::create_dir_all(desk.path("home/rtcstorm")).expect("a folder");
    std::fs::copy(desk.path("mine.yaml"), desk.path("home/rtcstorm/config.yaml")).expect("a copy");
    desk.run_with(&[("XDG_CONFIG_HOME", &home)], &dry).assert_code(0);

    desk.write("mine.yaml", "allowed_targets: [other.example.net]\n");
    desk.run_with(&[("RTCSTORM_CONFIG", &at)], &dry)
        .assert_code(104)
        .assert_says("allowed_targets");
    desk.write("mine.yaml", "allow_targets: [rtc.example.org]\n");
    desk.run_with(&[("RTCSTORM_CONFIG", &at)], &dry)
        .assert_code(104)
        .assert_says("mine.yaml:1:1: unknown key `allow_targets`")
        .assert_says("did you mean `allowed_targets`?");
    desk.run(&[&dry[..], &["--config", "nowhere.yaml"]].concat())
        .assert_code(104)
        .assert_says("nowhere.yaml cannot be read");
}

#[test]
fn a_plan_over_a_limit_is_not_begun() {
    let desk = Desk::new("limits");
    desk.write("quick.yaml", QUICK);
    desk.run(&["run", "quick.yaml", "--max-peers", "1"])
        .assert_code(104)
        .assert_no_data()
        .assert_says("the plan has 2 peers, more than 1 (`--max-peers`)");
    desk.run(&["run", "quick.yaml", "--max-rate", "1/s"])
        .assert_code(104)
        .assert_no_data()
        .assert_says("2 joins would begin within 1s, more than 1/s (`--max-rate`)");
    // Against somebody's server there is a limit that nobody has to ask for.
    let foreign = [
        &FOREIGN[..],
        &["--allow-target", "rtc.example.org", "--dry-run", "--rooms"],
    ]
    .concat();
    desk.run(&[&foreign[..], &["7"]].concat())
        .assert_code(104)
        .assert_says("21 joins would begin within 1s, more than 20/s (the limit against a target that is not this machine)");
    desk.run(&[&foreign[..], &["6"]].concat()).assert_code(0);
    desk.run(&[&foreign[..], &["7", "--max-rate", "30/s"]].concat())
        .assert_code(0);
    desk.run(&[&foreign[..], &["7", "--set", "arrive={rate: 5/s}"]].concat())
        .assert_code(0);
    assert!(!desk.path("reports").exists(), "nothing has run");
}

/// By the plan they come again as they came first, one a second. But each waits until the last one is there.
const HURRY: &str = "
name: hurry
rooms: { peers: 10 }
arrive: { rate: 1/s }
steps: [join, { wait: connected }, { pause: 20s }, rejoin, { wait: connected }, { pause: 1h }]
";

#[test]
fn more_joins_than_the_limit_end_a_run_that_is_under_way() {
    let desk = Desk::new("rate");
    desk.write("hurry.yaml", HURRY);
    let output = desk.run(&["run", "hurry.yaml", "--sim", "--max-rate", "1/s", "--out", "out"]);
    output
        .assert_code(108)
        .assert_says("aborted: joins began faster than 1/s (--max-rate): 1.4 a second over 5s after 29");
    assert!(output.stdout.starts_with("ABORTED  hurry"), "{output:#?}");
    let aborted = &desk.json("out/summary.json")["aborted"];
    assert_eq!(
        (&aborted["selector"], &aborted["expression"]),
        (&"--max-rate".into(), &"rate<=1/s".into())
    );
    let left = desk.events("out");
    let left = left.iter().filter(|event| event["kind"] == "left").count();
    assert!(left >= 10, "everybody has left: {left}");
    let short = HURRY.replace("1h", "1s");
    desk.write("hurry.yaml", &short);
    desk.run(&["run", "hurry.yaml", "--sim", "--max-rate", "2/s"])
        .assert_code(0);
}

#[test]
fn failures_over_the_share_end_a_run_and_everybody_leaves() {
    let desk = Desk::new("errors");
    // Whoever is second in its room has a name that is taken, time after time.
    desk.write(
        "refused.yaml",
        "
name: refused
rooms: { count: 4, peers: 2 }
groups:
  - { name: first, peers: 1, steps: [{ rename: ann }, join, { wait: joined }, { barrier: there }, { pause: 1h }] }
  - name: second
    peers: 1
    steps: [{ barrier: there }, { rename: ann }, join, { repeat: 50, steps: [{ pause: 100ms }, rejoin] }, { pause: 1h }]
thresholds: { joins_started: ['count>0'] }
",
    );
    let args = ["run", "refused.yaml", "--max-error-rate", "25%", "--out", "out"];
    let output = desk.run(&args);
    output
        .assert_code(108)
        .assert_says("aborted: more failed than 25% (--max-error-rate): ")
        .assert_says("everybody leaves");
    assert!(output.stdout.starts_with("ABORTED  refused"), "{output:#?}");
    let summary = desk.json("out/summary.json");
    let aborted = &summary["aborted"];
    assert_eq!(
        (&aborted["selector"], &aborted["expression"], &aborted["status"]),
        (&"--max-error-rate".into(), &"rate<=25%".into(), &"failed".into()),
        "{summary:#}"
    );
    assert!(
        summary["reasons"].to_string().contains("It ended the run after "),
        "{summary:#}"
    );
    let left = desk.events("out");
    let left = left.iter().filter(|event| event["kind"] == "left").count();
    assert!(left >= 4, "who was in a room has left it: {left}");
    let again = desk.run(&["report", "out", "--format", "markdown"]);
    again.assert_code(0);
    assert!(again.stdout.contains("--max-error-rate"), "{}", again.stdout);
}

#[cfg(unix)]
#[test]
fn whoever_is_asked_to_terminate_leaves_first() {
    let desk = Desk::new("terminated");
    desk.write("long.yaml", super::LONG);
    let program = desk.start(&["run", "long.yaml", "--out", "out"]);
    wait_until("both are connected", || {
        let events = desk.events("out");
        events.iter().filter(|e| e["kind"] == "wait_satisfied").count() == 2
    });
    program.terminate();
    let output = program.wait();
    output
        .assert_code(105)
        .assert_says("interrupted: everybody leaves");
    let left = desk.events("out");
    assert_eq!(left.iter().filter(|event| event["kind"] == "left").count(), 2);
}
