//! `merge`: the runs of segments are one run again.

use std::fs;

use serde_json::Value;

use super::{
    QUICK,
    program::{Desk, Output},
};

/// The folders of a simulation's segments: `one`, `two`, …
const FOLDERS: [&str; 3] = ["one", "two", "three"];

/// What is simulated, whole and in segments.
const SMOKE: [&str; 8] = ["run", "smoke", "--sim", "--quiet", "--seed", "3", "--rooms", "5"];

fn play(desk: &Desk, what: &[&str], more: &[&str]) -> Output {
    desk.run(&[what, more].concat())
}

fn in_segments(desk: &Desk, what: &[&str], count: usize) {
    for (index, folder) in FOLDERS.iter().enumerate().take(count) {
        let segment = format!("{}/{count}", index + 1);
        play(desk, what, &["--segment", &segment, "--out", folder]).assert_code(0);
    }
}

/// All that a report says of the scenario and the server, not of processes.
fn figures(summary: &Value) -> [&Value; 9] {
    [
        "metrics",
        "counters",
        "outages",
        "thresholds",
        "failures",
        "verdict",
        "virtual_ms",
        "scenario",
        "repeat",
    ]
    .map(|field| &summary[field])
}

/// Everything in a folder.
fn contents(desk: &Desk, folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(desk.path(folder)).expect("it is there");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("it is there").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("it can be read"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_merged_run_of_a_simulation_is_the_whole_one() {
    let desk = Desk::new("merged");
    play(&desk, &SMOKE, &["--out", "whole"]).assert_code(0);
    in_segments(&desk, &SMOKE, 3);
    // In whatever order they are named.
    let output = desk.run(&["merge", "three", "one", "two", "--out", "all"]);
    output.assert_code(0).assert_sane();
    assert!(output.stdout.starts_with("PASS  smoke, seed 3"), "{output:#?}");
    let (whole, all) = (desk.json("whole/summary.json"), desk.json("all/summary.json"));
    assert_eq!(figures(&all), figures(&whole));
    // Each process is asked whether it holds anything in the end.
    let cases = |summary: &Value| -> Vec<u64> {
        let invariants = summary["invariants"].as_array().expect("a list");
        let cases = invariants.iter().map(|invariant| invariant["cases"].as_u64());
        cases.map(|cases| cases.expect("a number")).collect()
    };
    let mut expected = cases(&whole);
    expected[1] += 2;
    assert_eq!(cases(&all), expected);
    let notes = all["invariants"].as_array().into_iter().flatten();
    assert!(
        notes.clone().all(|invariant| invariant["note"].is_null()),
        "{all:#}"
    );
    // Every event of every peer is there, in the order of time, in the numbers of the whole.
    let of_peers = |folder: &str| -> Vec<String> {
        let events = desk.events(folder).into_iter();
        let events = events.filter(|event| !event["peer"].is_null()).map(|mut event| {
            let fields = event.as_object_mut().expect("an event");
            for unlike in ["segment", "fingerprint", "answers"] {
                fields.remove(unlike);
            }
            event.to_string()
        });
        let mut events: Vec<String> = events.collect();
        events.sort();
        events
    };
    assert_eq!(of_peers("all"), of_peers("whole"));
    let times: Vec<f64> = desk
        .events("all")
        .iter()
        .filter_map(|event| event["ms"].as_f64())
        .collect();
    assert!(times.is_sorted());
    let machine = desk.json("all/machine.json");
    let played: Vec<&Value> = machine["segments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| &s["folder"])
        .collect();
    assert_eq!(played, ["one", "two", "three"]);
}

#[test]
fn what_is_merged_is_read_again_like_any_run_and_can_be_merged_further() {
    let desk = Desk::new("merged-again");
    in_segments(&desk, &SMOKE, 3);
    let all = desk.run(&["merge", "one", "two", "three", "--out", "all", "--json"]);
    all.assert_code(0);
    let report = desk.run(&["report", "all", "--format", "json"]);
    assert_eq!(report.assert_code(0).stdout, desk.read("all/summary.json"));
    assert_eq!(all.stdout, report.stdout);

    let refused = desk.run(&["merge", "three", "one", "--out", "part"]);
    refused
        .assert_code(104)
        .assert_no_data()
        .assert_says("of the 3 segments, 2/3 is missing");
    assert!(!desk.path("part").exists());
    let part = desk.run(&[
        "merge",
        "three",
        "one",
        "--partial",
        "--out",
        "part",
        "--report",
        "json",
    ]);
    part.assert_code(98).assert_sane();
    assert!(part.stdout.starts_with("INCOMPLETE  smoke"), "{part:#?}");
    assert!(part.stdout.contains("segments are missing: 2/3"), "{part:#?}");
    assert_eq!(desk.read("part/report.json"), desk.read("part/summary.json"));
    desk.run(&["merge", "part", "two", "--out", "rest"])
        .assert_code(0);
    assert_eq!(desk.read("rest/summary.json"), desk.read("all/summary.json"));
    assert_eq!(desk.read("rest/events.ndjson"), desk.read("all/events.ndjson"));
}

#[test]
fn runs_that_do_not_belong_together_are_refused_by_name_and_nothing_is_touched() {
    let desk = Desk::new("alien-segments");
    in_segments(&desk, &SMOKE, 2);
    let other = |seed: &str, rooms: &str, more: &[&str]| {
        let what = [
            "run", "smoke", "--sim", "--quiet", "--seed", seed, "--rooms", rooms,
        ];
        play(&desk, &what, more).assert_code(0);
    };
    other("3", "5", &["--out", "whole"]);
    other("3", "5", &["--out", "third", "--segment", "2/3"]);
    other("4", "5", &["--out", "seed", "--segment", "2/2"]);
    other("3", "6", &["--out", "larger", "--segment", "2/2"]);
    other(
        "3",
        "5",
        &["--out", "unjudged", "--segment", "2/2", "--no-thresholds"],
    );
    desk.run(&[
        "run",
        "smoke",
        "--seed",
        "3",
        "--rooms",
        "5",
        "--segment",
        "2/2",
        "--out",
        "local",
        "--quiet",
    ])
    .assert_code(0);
    fs::create_dir(desk.path("old")).expect("it can be made");
    for (name, bytes) in contents(&desk, "two") {
        let text = String::from_utf8(bytes).expect("text").replace(
            &format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION")),
            "\"version\": \"0.0.9\"",
        );
        fs::write(desk.path("old").join(name), text).expect("it can be written");
    }
    desk.run(&["merge", "one", "two", "--out", "all"]).assert_code(0);
    let before = contents(&desk, "all");
    for (runs, told) in [
        (["one", "whole"], "whole has played the whole plan"),
        (["one", "third"], "third is segment 2/3, and one is segment 1/2"),
        (
            ["one", "seed"],
            "seed is no segment of the same run as one: they differ in the seed (4, not 3)",
        ),
        (
            ["one", "larger"],
            "larger is no segment of the same run as one: they differ in the scenario",
        ),
        (
            ["one", "unjudged"],
            "unjudged is no segment of the same run as one: they differ in whether thresholds are judged",
        ),
        (
            ["one", "local"],
            "local is no segment of the same run as one: they differ in the world (local, not sim)",
        ),
        (
            ["one", "old"],
            "old is no segment of the same run as one: they differ in the version of rtcstorm (0.0.9",
        ),
        (["one", "one"], "one and one are both segment 1/2"),
        (["two", "all"], "are both segment 2/2"),
        (["one", "nowhere"], "nowhere"),
    ] {
        let output = desk.run(&["merge", runs[0], runs[1], "--out", "all"]);
        output.assert_code(104).assert_no_data().assert_sane();
        if runs[1] != "all" {
            output.assert_says(told).assert_says("error: ");
        }
        assert_eq!(contents(&desk, "all"), before, "{runs:?}");
    }
    desk.run(&["merge", "one", "two", "--out", "./one"])
        .assert_code(104)
        .assert_says("one is one of the runs that are merged");
    // A log that can't be used is found out before anything is replaced.
    let log = desk.path("two/events.ndjson");
    let broken = desk
        .read("two/events.ndjson")
        .replacen("\"peer\":1,", "\"peer\":99,", 1);
    fs::write(log, broken).expect("it can be written");
    let output = desk.run(&["merge", "one", "two", "--out", "all"]);
    output
        .assert_code(104)
        .assert_says("events.ndjson can't be used: line ")
        .assert_says("there is no peer-99 in the segment");
    assert_eq!(contents(&desk, "all"), before);
}

#[test]
fn what_spoiled_one_segment_spoils_the_whole_and_is_told_with_its_folder() {
    let desk = Desk::new("spoiled");
    in_segments(&desk, &SMOKE, 2);
    let summary = desk.read("two/summary.json");
    let invalid = summary
        .replace("\"verdict\": \"pass\"", "\"verdict\": \"invalid\"")
        .replace("\"reasons\": []", "\"reasons\": [\"its machine was asleep\"]");
    desk.write("two/summary.json", &invalid);
    let output = desk.run(&["merge", "one", "two", "--out", "all"]);
    output.assert_code(98);
    assert!(output.stdout.starts_with("INVALID  smoke"), "{output:#?}");
    let told = "segment 2/2 (two) was INVALID: its machine was asleep";
    assert!(output.stdout.contains(told), "{output:#?}");

    // Killed: what it has measured until then counts.
    fs::remove_file(desk.path("two/summary.json")).expect("it is there");
    let log = desk.read("two/events.ndjson");
    let half = log[..log.len() / 2].rfind('\n').expect("there are lines");
    desk.write("two/events.ndjson", &log[..half + 20]);
    let output = desk.run(&["merge", "one", "two", "--out", "all"]);
    output.assert_code(98).assert_sane();
    assert!(output.stdout.starts_with("INCOMPLETE  smoke"), "{output:#?}");
    assert!(
        output.stdout.contains("segment 2/2 (two) was INCOMPLETE"),
        "{output:#?}"
    );
    assert!(
        output.stdout.contains("the log of segment 2/2 ends after"),
        "{output:#?}"
    );
    assert!(desk.json("all/summary.json")["metrics"]["connect_ms"]["count"].as_u64() >= Some(9));
}

#[test]
fn segments_of_real_time_add_up() {
    let desk = Desk::new("merged-local");
    desk.write(
        "quick.yaml",
        &QUICK
            .replace("peers: 2", "count: 2, peers: 2")
            .replace("count==2", "count==4"),
    );
    // By itself each has half of the joins that the threshold wants.
    for (folder, segment) in [("one", "1/2"), ("two", "2/2")] {
        desk.run(&[
            "run",
            "quick.yaml",
            "--segment",
            segment,
            "--out",
            folder,
            "--quiet",
        ])
        .assert_code(99);
    }
    let output = desk.run(&["merge", "one", "two", "--out", "all"]);
    output.assert_code(0).assert_sane();
    let summary = desk.json("all/summary.json");
    assert_eq!(summary["metrics"]["connect_ms"]["count"], 2, "{summary:#}");
    assert_eq!(
        desk.run(&["report", "all", "--format", "json"]).stdout,
        desk.read("all/summary.json")
    );
}
