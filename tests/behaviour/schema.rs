//! The JSON Schema against the reader: nothing that is sound is refused, nothing of a wrong shape is accepted.

use std::{fs, path::Path};

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use rtcstorm::{
    metrics::{CATALOGUE, Kind},
    scenario::{MetricWords, bundled, media, parse, races, schema},
    verdict::Threshold,
};
use serde_json::{Value, json};

use super::{docs::Grammar, scenario_language::FakeCheck};

/// Files of `tests/data/scenario` whose mistakes lie in what their parts mean together, not in their shape.
const ONLY_MEANT_WRONG: [&str; 47] = [
    "access-bundled",
    "access-variables",
    "arrive-total",
    "barrier-order",
    "barriers",
    "carried",
    "carried-deployed",
    "carried-egress",
    "carried-hub",
    "carried-ingest",
    "carried-sfu",
    "control-bundled",
    "control-lacking",
    "custom-bundled",
    "custom-lacking",
    "custom-unreachable",
    "deployed-rejected",
    "faults-alone",
    "faults-parties",
    "faults-peers",
    "faults-places",
    "faults-recovery",
    "groups-sum",
    "host-alone",
    "host-contradictions",
    "ice-target",
    "ice-unoffered",
    "janus-deployed",
    "membership",
    "nat-target",
    "network-jitter",
    "network-remotes",
    "overlaps",
    "peerjs-long",
    "room-of-one",
    "server-target",
    "signaling-alone",
    "signaling-places",
    "signaling-sense",
    "too-deep",
    "too-many-in-all",
    "too-many-peers",
    "too-many-steps",
    "turn-alone",
    "warm-up-too-long",
    "whip-mistakes",
    "whip-url",
];

/// What the reader says of such mistakes.
const MEANT_WRONG: [&str; 20] = [
    "the stages bring",
    "who has arrived can't un-arrive",
    "but the groups have",
    "reaches the barrier",
    "nobody in the room is called",
    "beside `target: {url: …}`",
    "while in the room",
    "before any",
    "`with` names nobody but the peer itself",
    "is greater than the delay",
    "after a join that is expected to be accepted",
    "in the instant of",
    "while UDP is blocked",
    "within the time of a",
    "for good: there is nothing",
    "in a room of one",
    "a group is called so",
    "a room of one has no other half",
    "nothing would be measured",
    "is shorter than 1s",
];

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn of(schema: Value) -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(boon::Draft::V2020_12);
        let mut schemas = Schemas::new();
        compiler.add_resource("schema.json", schema).expect("a resource");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// That of the language, with the metrics there are.
    fn of_the_language() -> Self {
        let metrics = CATALOGUE.iter().map(|metric| MetricWords {
            name: metric.name,
            about: metric.definition,
            kind: metric.kind.to_string(),
            conditions: Threshold::pattern(metric.kind),
        });
        Self::of(schema(&metrics.collect::<Vec<_>>()))
    }

    fn accepts(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas
            .validate(value, self.index)
            .map_err(|error| format!("{error:#}"))
    }
}

fn read(yaml: &str) -> Option<Value> {
    serde_saphyr::from_str(yaml).ok()
}

#[test]
fn every_bundled_scenario_is_valid() {
    let language = Validator::of_the_language();
    for (name, text) in bundled().iter().chain(media()).chain(races()) {
        let value = read(text).expect("YAML");
        language
            .check(&value)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_sound_snippet_is_valid_and_every_one_of_a_wrong_shape_is_not() {
    let language = Validator::of_the_language();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scenario");
    let (mut sound, mut refused, mut meant) = (0, 0, Vec::new());
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("plain");
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        let Some(value) = read(&text) else {
            assert!(parse(name, &text, &FakeCheck).is_err(), "{name} is no YAML");
            continue;
        };
        let (is_sound, valid) = (parse(name, &text, &Grammar).is_ok(), language.check(&value));
        match (is_sound, valid) {
            (true, Ok(())) => sound += 1,
            (true, Err(error)) => panic!("{name} is sound: {error}"),
            (false, Err(_)) => refused += 1,
            (false, Ok(())) => meant.push(name.to_owned()),
        }
    }
    meant.sort();
    assert_eq!(meant, ONLY_MEANT_WRONG);
    assert!(sound > 4 && refused > 8, "{sound} sound, {refused} refused");
}

/// Keys that stand beside each other in no sound scenario, each pair in an otherwise sound one.
#[test]
fn keys_that_exclude_or_need_each_other_are_refused_alike() {
    let language = Validator::of_the_language();
    for (rest, is_sound) in [
        ("rooms: {peers: 2}, steps: [join]", true),
        ("steps: [join]", false),
        ("rooms: {count: 2}, steps: [join]", false),
        ("rooms: {peers: 2}", false),
        ("groups: [{name: a, peers: 2, steps: [join]}]", true),
        (
            "rooms: {count: 2}, groups: [{name: a, peers: 2, steps: [join]}], steps: [join]",
            false,
        ),
        (
            "rooms: {peers: 2}, groups: [{name: a, peers: 2, steps: [join]}], steps: [join]",
            false,
        ),
        (
            "rooms: {peers: 2}, arrive: {over: 1s, rate: 1/s}, steps: [join]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {wait: {for: joined, to: present}}]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, scope: signaling}}]",
            true,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, scope: signaling, with: peer-2}}]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, server: lost, with: other_half}}]",
            true,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, server: lost}}]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, server: lost, with: peer-2, scope: media}}]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {chat: {every: 1s, size: 1}}]",
            false,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {repeat: 2, steps: [rejoin], pause: 1s}]",
            false,
        ),
        ("rooms: {peers: 2}, steps: [{join: , leave: }]", false),
        (
            "rooms: {peers: 2}, steps: [join], thresholds: {connect_ms: {threshold: max<1, delayAbortEval: 1s}}",
            false,
        ),
    ] {
        let text = format!("{{name: x, {rest}}}");
        assert_eq!(parse("x", &text, &Grammar).is_ok(), is_sound, "read: {text}");
        assert_eq!(
            language.accepts(&read(&text).expect("YAML")),
            is_sound,
            "valid: {text}"
        );
    }
}

/// Puts `odd` at every place of `value`, and takes every key away, one at a time.
fn bent(value: &Value, odd: &Value, then: &mut dyn FnMut(Value)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let put = |new: Value| {
                    let mut map = map.clone();
                    map.insert(key.clone(), new);
                    Value::Object(map)
                };
                bent(inner, odd, &mut |new| then(put(new)));
                then(put(odd.clone()));
                let mut without = map.clone();
                without.remove(key);
                then(Value::Object(without));
            }
            let mut more = map.clone();
            more.insert("surplus".to_owned(), odd.clone());
            then(Value::Object(more));
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                let put = |new: Value| {
                    let mut items = items.clone();
                    items[index] = new;
                    Value::Array(items)
                };
                bent(&items[index], odd, &mut |new| then(put(new)));
                then(put(odd.clone()));
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_the_reader_takes_is_valid_and_no_other_shape() {
    let language = Validator::of_the_language();
    let (mut sound, mut refused) = (0, 0);
    for text in [
        include_str!("../data/scenario/full.yaml"),
        include_str!("../data/scenario/faults.yaml"),
        include_str!("../data/scenario/network.yaml"),
        include_str!("../data/scenario/server.yaml"),
    ] {
        let whole = read(text).expect("YAML");
        for odd in [
            json!(null),
            json!({}),
            json!([]),
            json!([[]]),
            json!({ "x": "y" }),
            json!(""),
            json!("x"),
            json!("0"),
            json!("2"),
            json!("join"),
            json!("reference"),
            json!("1s"),
            json!("wifi"),
            json!("1%"),
            json!("1mbit"),
            json!("0mbit"),
            json!(0.5),
            json!("0s"),
            json!("0.0s"),
            json!("0s..1s"),
            json!("true"),
            json!(0),
            json!(1),
            json!(-1),
            json!(99_999_999_999_u64),
            json!(1.5),
            json!(true),
        ] {
            bent(&whole, &odd, &mut |value| {
                let is_sound = parse("bent", &value.to_string(), &Grammar).is_ok();
                match (is_sound, language.accepts(&value)) {
                    (true, false) => panic!("{value:#}\nis sound: {:?}", language.check(&value)),
                    (true, true) => sound += 1,
                    (false, false) => refused += 1,
                    (false, true) => {
                        let mistakes = parse("bent", &value.to_string(), &Grammar).expect_err("it was one");
                        for mistake in &mistakes {
                            let meant = MEANT_WRONG.iter().any(|meant| mistake.message().contains(meant));
                            assert!(meant, "{value:#}\nis valid: {mistake}");
                        }
                    }
                }
            });
        }
    }
    assert!(sound > 300 && refused > 1_500, "{sound} sound, {refused} refused");
}

/// Texts that are nearly conditions.
fn conditions() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "p(95)",
        "p( 0 )",
        "p(99.9e0)",
        "ok_p (50)",
        "p",
        "ok_p()",
        "min",
        "max",
        "avg",
        "med",
        "ok_max",
        "ok_avg",
        "ok_med",
        "ok_min",
        "rate",
        "count",
        "mean",
        "",
    ]);
    let comparison = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!=", "=", "=>", "<>", ""]);
    let number = prop::sample::select(vec![
        "1", "0.5", "1e3", "1.5e+2", "1e-3", "1.", ".5", "-1", "1e", "1 2", "1ms", "",
    ]);
    let space = || prop::sample::select(vec!["", " "]);
    (space(), word, space(), comparison, space(), number, space())
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat())
}

proptest! {
    #[test]
    fn a_condition_matches_as_it_is_read(condition in conditions()) {
        for kind in [Kind::Trend, Kind::Rate, Kind::Counter] {
            let metric = CATALOGUE.iter().find(|metric| metric.kind == kind).expect("there are some of each");
            let matches = Validator::of(json!({ "pattern": Threshold::pattern(kind) })).accepts(&json!(condition));
            let reads = Threshold::parse(metric.name, &condition).is_ok();
            prop_assert_eq!(matches, reads, "{}: {}", metric.name, condition);
        }
    }
}
