//! The published JSON Schemas against what runs write.

use std::{collections::BTreeSet, fs};

use super::{
    EARLY, QUICK,
    program::{Desk, json},
    published::{Published, everywhere, keys, properties},
};
use rtcstorm::scenario::{bundled, faults, media, races};

/// A run with outages, failures and findings.
const FAILING: [&str; 6] = [
    "run",
    "outage-matrix-short",
    "--sim",
    "--quiet",
    "--set",
    "client.resume_membership=false",
];

#[test]
fn what_every_bundled_scenario_writes_is_as_published_and_no_published_key_is_made_up() {
    let desk = Desk::new("schemas");
    let all: Vec<&str> = bundled()
        .iter()
        .chain(media())
        .chain(faults())
        .chain(races())
        .map(|(name, _)| *name)
        .collect();
    assert!(all.len() > 70, "{}", all.len());
    // What they come to with one room and in so short a time does not matter.
    let more = [
        "--sim",
        "--rooms",
        "1",
        "--duration",
        "90s",
        "--quiet",
        "--out",
        "out",
    ];
    let output = desk.run(&[&["run"] as &[&str], &all, &more].concat());
    output.assert_sane();
    desk.run(&[&FAILING as &[&str], &["--out", "out/failing"]].concat())
        .assert_code(99);
    desk.write("quick.yaml", QUICK);
    let real = desk.run(&["run", "quick.yaml", "--quiet", "--out", "out/real"]);
    real.assert_code(0);

    // One that ends early, with windows and a warm-up, and one that was merged.
    desk.write("early.yaml", EARLY);
    desk.run(&["run", "early.yaml", "--sim", "--quiet", "--out", "out/early"])
        .assert_code(108);
    for part in ["1/2", "2/2"] {
        let out = format!("parts/{}", &part[..1]);
        let part = [
            "run",
            "smoke",
            "--sim",
            "--quiet",
            "--segment",
            part,
            "--no-thresholds",
        ];
        desk.run(&[&part as &[&str], &["--lag-limit", "1s", "--out", &out]].concat())
            .assert_code(0);
    }
    desk.run(&["merge", "parts/1", "parts/2", "--out", "out/merged"])
        .assert_code(0);

    let files = [
        ("summary", "summary.json"),
        ("machine", "machine.json"),
        ("run", "run.json"),
    ];
    let event = Published::of("event");
    let mut kinds = BTreeSet::new();
    for (name, file) in files {
        let published = Published::of(name);
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for folder in fs::read_dir(desk.path("out")).expect("there are runs") {
            let folder = folder.expect("readable").path();
            let text = fs::read_to_string(folder.join(file)).expect(file);
            let value = json(&text);
            published.assert_takes(&format!("{} of {}", file, folder.display()), &value);
            keys(&value, &mut seen);
            count += 1;
            if name == "run" {
                for line in fs::read_to_string(folder.join("events.ndjson"))
                    .expect("a log")
                    .lines()
                {
                    let line = json(line);
                    // One of each kind of a run is enough, and checked in less time.
                    if kinds.insert((count, line["kind"].to_string())) {
                        event.assert_takes("a line", &line);
                    }
                }
            }
        }
        assert_eq!(count, all.len() + 4);
        let mut named = BTreeSet::new();
        properties(&published.schema, &mut named);
        // Of a server that is not the program's own, and of runs that are long enough to see memory grow.
        let elsewhere = ["run_id", "bytes_per_hour", "low", "high", "reasons", "warnings"];
        let made_up: Vec<_> = named
            .difference(&seen)
            .filter(|name| !elsewhere.contains(&name.as_str()))
            .collect();
        assert!(made_up.is_empty(), "{name}: {made_up:?}");
    }
}

#[test]
fn a_key_that_is_not_published_is_refused_wherever_it_is() {
    let desk = Desk::new("surplus");
    desk.run(&[&FAILING as &[&str], &["--out", "out"]].concat())
        .assert_code(99);
    let mut tried = 0;
    for (name, file) in [
        ("summary", "summary.json"),
        ("machine", "machine.json"),
        ("run", "run.json"),
    ] {
        let published = Published::of(name);
        let whole = desk.json(&format!("out/{file}"));
        published.assert_takes(file, &whole);
        everywhere(&whole, "", &mut |at, bent| {
            // An event has the fields of its kind.
            if !at.contains("/last_events/") {
                assert!(!published.takes(&bent), "{file}{at}");
                tried += 1;
            }
        });
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn the_program_prints_what_is_published_and_the_language_if_nothing_is_named() {
    let desk = Desk::new("schema-of");
    for name in ["summary", "machine", "run", "event", "comparison", "capacity"] {
        let output = desk.run(&["schema", name]);
        output.assert_code(0);
        let published = Published::of(name);
        assert_eq!(json(&output.stdout), published.schema);
        assert_eq!(
            published.schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
    assert_eq!(
        desk.run(&["schema"]).stdout,
        desk.run(&["schema", "scenario"]).stdout
    );
    desk.run(&["schema", "poem"])
        .assert_code(2)
        .assert_says("summary");
}
