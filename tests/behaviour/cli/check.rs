//! Commands that run nothing, and what is refused before anything runs.

use serde_json::json;

use super::{QUICK, program::Desk};

const BUNDLED: [&str; 13] = [
    "smoke",
    "leave-rejoin",
    "join-storm",
    "chat-load",
    "username-taken",
    "duplicate-offers",
    "ice-restart",
    "network-drops",
    "crash-and-return",
    "outage-matrix",
    "outage-matrix-short",
    "dashboard-slo",
    "soak",
];

const MISTAKES: &str = "nam: x
name: x
rooms: { cont: 2, peers: 2 }
arrive: { over: 5parsecs }
steps:
  - join
  - wait: conected
  - jump
thresholds:
  connect_mss: ['p(95)<1']
  connect_ms: ['q(3)<2']
";

#[test]
fn every_scenario_of_the_project_is_sound() {
    let desk = Desk::new("sound");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files: Vec<String> = std::fs::read_dir(folder)
        .expect("there are scenarios")
        .map(|entry| {
            entry
                .expect("a folder can be listed")
                .path()
                .display()
                .to_string()
        })
        .filter(|path| path.ends_with(".yaml"))
        .collect();
    assert_eq!(files.len(), BUNDLED.len());
    let args: Vec<&str> = ["check"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let output = desk.run(&args);
    output.assert_code(0);
    for file in &files {
        assert!(output.stdout.contains(&format!("{file}: sound")), "{output:#?}");
    }
    assert_eq!(output.stderr, "");
}

#[test]
fn every_mistake_in_a_file_is_told_with_its_place_and_a_suggestion() {
    let desk = Desk::new("mistakes");
    desk.write("bad.yaml", MISTAKES);
    for command in ["check", "run", "plan"] {
        let output = desk.run(&[command, "bad.yaml"]);
        output.assert_code(104).assert_no_data();
        let told: Vec<&str> = output.stderr.lines().collect();
        for (place, help) in [
            ("bad.yaml:1:1: unknown key `nam`", "did you mean `name`?"),
            ("bad.yaml:3:10: unknown key `cont`", "did you mean `count`?"),
            ("bad.yaml:4:17: `5parsecs` has an unknown unit", "`500ms`"),
            (
                "bad.yaml:7:11: unknown wait `conected`",
                "did you mean `connected`?",
            ),
            ("bad.yaml:8:5: unknown step `jump`", "the steps are: join"),
            (
                "bad.yaml:10:3: unknown metric `connect_mss`",
                "did you mean `connect_ms`?",
            ),
            ("bad.yaml:11:16: unknown aggregation `q`", "`p(95)`"),
        ] {
            let at = told.iter().position(|line| line.starts_with(place));
            let at = at.unwrap_or_else(|| panic!("no `{place}` among {told:#?}"));
            let helps = told[at + 1..]
                .iter()
                .take(2)
                .any(|l| l.contains("help: ") && l.contains(help));
            assert!(helps, "no `{help}` after `{place}`: {told:#?}");
        }
        let places = told.iter().filter(|line| line.starts_with("bad.yaml:"));
        assert_eq!(places.count(), 7, "{told:#?}");
    }
}

#[test]
fn one_bad_scenario_among_good_ones_is_enough_and_keeps_all_from_running() {
    let desk = Desk::new("among");
    desk.write("bad.yaml", MISTAKES);
    desk.run(&["check", "smoke", "bad.yaml"])
        .assert_code(104)
        .assert_says("bad.yaml:1:1");
    desk.run(&["run", "smoke", "bad.yaml"])
        .assert_code(104)
        .assert_no_data();
    assert!(!desk.path("reports").exists());
}

#[test]
fn an_unknown_name_comes_with_a_hint() {
    let desk = Desk::new("unknown");
    let output = desk.run(&["run", "smoek"]);
    output.assert_code(104).assert_no_data();
    output.assert_says("smoek").assert_says("did you mean `smoke`?");
    let output = desk.run(&["check", "zzz.yaml"]);
    output
        .assert_code(104)
        .assert_says("the bundled ones are smoke, leave-rejoin");
    assert!(
        !output.stderr.contains("did you mean"),
        "nothing is near: {output:#?}"
    );
    let output = desk.run(&["check", "nope"]);
    assert!(
        !output.stderr.contains("did you mean"),
        "nothing is near: {output:#?}"
    );
    // A folder is no scenario either.
    desk.run(&["check", "."])
        .assert_code(104)
        .assert_says("error: .")
        .assert_sane();
}

#[test]
fn wrong_usage_is_told_apart_from_wrong_scenarios() {
    let desk = Desk::new("usage");
    for args in [
        &["run", "smoke", "--frobnicate"] as &[&str],
        &["run"],
        &["frobnicate"],
        &[],
    ] {
        desk.run(args)
            .assert_code(2)
            .assert_no_data()
            .assert_says("Usage: rtcstorm");
    }
    for args in [&["--help"] as &[&str], &["run", "--help"], &["--version"]] {
        let output = desk.run(args);
        output.assert_code(0);
        assert!(
            output.stdout.contains("rtcstorm") && output.stderr.is_empty(),
            "{output:#?}"
        );
    }
}

#[test]
fn a_value_that_does_not_fit_is_told_with_the_flag_it_came_by() {
    let desk = Desk::new("values");
    for (flag, value, told) in [
        ("--set", "nowhere.x=1", "--set:1:1: unknown key `nowhere`"),
        ("--set", "rooms.cuont=1", "did you mean `count`?"),
        ("--set", "rooms", "--set:1:1: `rooms` has no `=`"),
        ("--seed", "x", "--seed:1:1: `seed` can't be `x`"),
        ("--rooms", "two", "--rooms:1:1: "),
        ("--duration", "soon", "--duration:1:1: "),
        (
            "--url",
            "https://example.org",
            "did you mean `wss://example.org`?",
        ),
        ("--ice-server", "stun.example.org", "write `stun:host:port`"),
        ("--ice-server", "turn:a:1,user", "turn:host:port,USER,CREDENTIAL"),
        (
            "--ice-server",
            "turn:a:1?transport=tcp,user,${env:WORD}",
            "asked over UDP only",
        ),
        (
            "--ice-server",
            "turns:a:1,user,${env:WORD}",
            "name it in the scenario",
        ),
    ] {
        let output = desk.run(&["run", "smoke", flag, value]);
        output
            .assert_code(104)
            .assert_no_data()
            .assert_says(told)
            .assert_says("help: ");
    }
}

#[test]
fn a_target_that_is_not_this_machine_needs_permission() {
    let desk = Desk::new("foreign");
    let output = desk.run(&["run", "smoke", "--url", "wss://rtc.example.org/ws/"]);
    output.assert_code(104).assert_no_data();
    output
        .assert_says("rtc.example.org")
        .assert_says("--allow-target rtc.example.org");
    let other = [
        "run",
        "smoke",
        "--url",
        "wss://rtc.example.org/ws/",
        "--allow-target",
        "example.org",
    ];
    desk.run(&other)
        .assert_code(104)
        .assert_says("--allow-target rtc.example.org");
    // What only begins like this machine is not this machine.
    for host in [
        "127.0.0.1.example.org",
        "localhost.example.org",
        "10.0.0.1",
        "user@rtc.example.org",
    ] {
        let output = desk.run(&["run", "smoke", "--url", &format!("ws://{host}/")]);
        output.assert_code(104).assert_says("--allow-target ");
    }
    assert!(!desk.path("reports").exists(), "nothing has run");
}

#[test]
fn a_plan_is_shown_as_text_and_as_json() {
    let desk = Desk::new("plan");
    let output = desk.run(&["plan", "smoke", "--json", "--rooms", "3"]);
    output.assert_code(0);
    assert_eq!(output.stderr, "");
    let plan = super::program::json(&output.stdout);
    assert_eq!(plan["scenario"], "smoke");
    assert_eq!(plan["rooms"].as_array().map(Vec::len), Some(3));
    assert_eq!(plan["peers"].as_array().map(Vec::len), Some(9));
    let text = desk.run(&["plan", "smoke"]);
    text.assert_code(0);
    assert!(
        text.stdout.contains("join again") && text.stdout.contains("p0005 arrives at"),
        "{text:#?}"
    );
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let desk = Desk::new("precedence");
    let plan = |env: &[(&str, &str)], args: &[&str]| {
        let output = desk.run_with(env, &[&["plan", "smoke", "--json"], args].concat());
        output.assert_code(0);
        super::program::json(&output.stdout)
    };
    let seed = [("RTCSTORM_SEED", "5")];
    assert_eq!(plan(&[], &[])["seed"], json!(1));
    assert_eq!(plan(&seed, &[])["seed"], json!(5));
    assert_eq!(plan(&seed, &["--seed", "9"])["seed"], json!(9));
    let rooms = [("RTCSTORM_SET", "rooms.count=4"), ("RTCSTORM_PEERS", "2")];
    assert_eq!(plan(&rooms, &[])["peers"].as_array().map(Vec::len), Some(8));
    let args = ["--set", "rooms.count=1", "--peers", "5"];
    assert_eq!(plan(&rooms, &args)["peers"].as_array().map(Vec::len), Some(5));
    // Other scenarios may have no seed: it is 0 then, not drawn.
    desk.write("quick.yaml", QUICK);
    let output = desk.run(&["plan", "quick.yaml", "--json"]);
    assert_eq!(super::program::json(&output.stdout)["seed"], json!(0));
}

#[test]
fn bundled_scenarios_are_listed_with_what_they_are_about() {
    let desk = Desk::new("scenarios");
    let output = desk.run(&["scenarios"]);
    output.assert_code(0);
    assert_eq!(output.stderr, "");
    let names: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| {
            let heads = [
                "Without messages",
                "Faults,",
                "Known races",
                "Described protocols",
            ];
            !line.is_empty() && !heads.iter().any(|head| line.starts_with(head))
        })
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    let (protocols, names): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| name.starts_with("protocols/"));
    assert_eq!(protocols, ["protocols/dashboard", "protocols/signal-master"]);
    let (races, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with("races/"));
    let (faults, others): (Vec<&str>, Vec<&str>) =
        others.iter().partition(|name| name.starts_with("faults/"));
    let (media, others): (Vec<&str>, Vec<&str>) = others.iter().partition(|name| name.starts_with("media/"));
    assert_eq!(others, BUNDLED);
    assert_eq!(media.len(), 4, "{media:?}");
    assert!(!faults.is_empty(), "{names:?}");
    assert!(races.len() > 10 && names.ends_with(&races), "{names:?}");
    assert!(
        output
            .stdout
            .lines()
            .all(|line| line.is_empty() || line.split_whitespace().count() > 3)
    );
}

#[test]
fn a_reader_who_stops_reading_is_no_bug() {
    use std::process::{Command, Stdio};
    // Too much for the pipe's buffer, so that writing does fail.
    let mut child = Command::new(env!("CARGO_BIN_EXE_rtcstorm"))
        .args(["plan", "join-storm", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""));
}
