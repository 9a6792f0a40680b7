//! The published JSON Schemas against what comparisons and searches write.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    program::{Desk, json},
    published::{Published, everywhere, keys, properties},
};

/// Two peers, who talk.
const TALK: &str = "
name: talk
rooms: { peers: 2 }
steps: [join, { wait: connected }, { chat: { every: 100ms, size: 64, count: 5 } }]
";
/// Two peers whose later steps are late in real time, as all are.
const STAY: &str = "
name: stay
rooms: { peers: 2 }
arrive: { over: 100ms }
steps: [join, { wait: connected }, { pause: 4s }]
";
/// Not all of them meet.
const TORN: &str = "
name: torn
rooms: { count: 4, peers: 2 }
groups:
  - { name: all, peers: 2, steps: [join, { wait: { for: connected, within: 2s } }] }
network: { delay: 20ms, loss: 60% }
";

/// What was written is as published, wherever a key is added it is not, and all of it together names every key.
#[track_caller]
fn assert_published(name: &str, written: &[Value]) {
    let published = Published::of(name);
    let (mut seen, mut named) = (BTreeSet::new(), BTreeSet::new());
    for value in written {
        published.assert_takes(name, value);
        keys(value, &mut seen);
        everywhere(value, "", &mut |at, bent| {
            assert!(!published.takes(&bent), "{name}{at}")
        });
    }
    properties(&published.schema, &mut named);
    let made_up: Vec<_> = named.difference(&seen).collect();
    assert!(made_up.is_empty(), "{name}: {made_up:?}");
    // An object without one of its keys is none.
    for value in written {
        for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
            let mut less = value.clone();
            less.as_object_mut().and_then(|map| map.remove(key));
            assert!(!published.takes(&less), "{name} without {key}");
        }
    }
}

/// Every value that is found under that key.
fn under(key: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            into.extend(map.get(key).map(ToString::to_string));
            map.values().for_each(|inner| under(key, inner, into));
        }
        Value::Array(all) => all.iter().for_each(|inner| under(key, inner, into)),
        _ => {}
    }
}

#[test]
fn comparisons_are_as_published() {
    let desk = Desk::new("comparison-schema");
    desk.write("talk.yaml", TALK);
    desk.write("torn.yaml", TORN);
    let play = |scenario: &str, out: &str, seed: &str, runs: &str, network: &str| {
        let sim = [
            "run",
            scenario,
            "--sim",
            "--schedule",
            "random",
            "--quiet",
            "--no-thresholds",
        ];
        let more = ["--seed", seed, "--runs", runs, "--out", out, "--set", network];
        desk.run(&[&sim as &[&str], &more].concat()).assert_sane();
    };
    play("talk.yaml", "base", "1", "6", "network={delay: 20ms}");
    play("talk.yaml", "same", "101", "6", "network={delay: 20ms}");
    play("talk.yaml", "worse", "201", "6", "network={delay: 40ms}");
    play("talk.yaml", "few", "301", "2", "network={delay: 20ms}");
    play("torn.yaml", "torn", "1", "6", "network.loss=60%");
    play("torn.yaml", "lost", "101", "6", "network.loss=95%");
    let compared = |base: &str, new: &str| {
        let args = ["compare", base, new, "--force", "--metric", "all", "--json"];
        json(&desk.run(&args).assert_sane().stdout)
    };
    let written = [
        compared("base", "same"),
        compared("base", "worse"),
        compared("base", "few"),
        compared("torn", "lost"),
        compared("base", "lost"),
    ];
    assert_published("comparison", &written);
    let mut outcomes = BTreeSet::new();
    let mut methods = BTreeSet::new();
    for value in &written {
        under("outcome", value, &mut outcomes);
        under("method", value, &mut methods);
    }
    assert!(
        outcomes.len() >= 5 && methods.len() >= 2,
        "{outcomes:?}, {methods:?}"
    );
}

#[test]
fn searches_are_as_published() {
    let desk = Desk::new("capacity-schema");
    desk.write("talk.yaml", TALK);
    desk.write("stay.yaml", STAY);
    let search = |out: &str, scenario: &str, metric: &str, options: &[&str]| {
        let args = [
            "capacity",
            scenario,
            "--metric",
            metric,
            "--metric",
            "connect_failed rate<0.5",
        ];
        let range = [
            "--from", "2", "--to", "8", "--tries", "1", "--settle", "10ms", "--json", "--out", out, "--",
        ];
        json(
            &desk
                .run(&[&args as &[&str], &range, options].concat())
                .assert_sane()
                .stdout,
        )
    };
    let written = [
        search("held", "talk.yaml", "connect_ms p(95)<2000", &["--sim"]),
        search("broke", "talk.yaml", "connect_ms p(95)<0.001", &["--sim"]),
        search(
            "saturated",
            "stay.yaml",
            "connect_ms max<0.001",
            &["--lag-limit", "0s"],
        ),
        // Nobody connects: figures fall on failures.
        search(
            "inf",
            "talk.yaml",
            "connect_ms p(95)<2000",
            &["--sim", "--set", "network={loss: 100%}"],
        ),
    ];
    assert_published("capacity", &written);
    let mut limits = BTreeSet::new();
    for value in &written {
        under("limit", value, &mut limits);
    }
    assert_eq!(limits.len(), 3, "{limits:?}");
    assert!(written[3].to_string().contains(r#""inf""#), "{:#}", written[3]);
}
