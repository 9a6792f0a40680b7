//! The keys of a scenario.

use serde_json::{Map, Value, json};

use super::{
    access::{access, fetch},
    custom::custom,
    missing, object,
    steps::{step, steps},
    values::{count, defined, definitions, flag, one_of, parties, text},
    with,
};
use crate::{
    impair::{AccessLink, Distribution, GilbertElliott},
    scenario::{
        ClientRules,
        arrive::{ARRIVE_KEYS, STAGE_KEYS},
        control::{CONTROL_KEYS, MAX_COMMAND, MAX_WORDS},
        ice::{
            ICE_KEYS, ICE_POLICIES, ICE_SERVER_KEYS, ICE_SERVERS, MAX_ICE_SERVERS, MAX_ICE_TEXT,
            TURN_CREDENTIALS, TURN_TRANSPORTS,
        },
        nat::{NAT_KEYS, NAT_PORTS, nat_words},
        network::{JITTER_KEYS, LOSS_KEYS, NETWORK_KEYS, TO_KEYS, WAY_KEYS},
        profiles::{PROFILES, client_keys},
        protocol::{CUSTOM, MAX_KEY, PEERJS_KEYS, PROTOCOLS, SERIALIZATIONS},
        read::{KEYS, MAX_ABOUT, MAX_NAME},
        rooms::{GROUP_KEYS, ROOM_KEYS},
        target::{MAX_URL, RELAY_MODES, target_keys},
        thresholds::THRESHOLD_KEYS,
        types::MAX_PEERS,
    },
};

/// What the schema says about a metric, for the language itself knows none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricWords {
    /// `connect_ms`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// What kind of metric it is; all of a kind take the same conditions.
    pub kind: String,
    /// The conditions that can be set on it: a regular expression (ECMA-262) for a whole text.
    pub conditions: String,
}

/// The language as a JSON Schema (draft 2020-12). It accepts every sound scenario, and refuses what has the
/// wrong shape: unknown or missing keys and values of the wrong kind. What keys mean together over more than
/// one map (a `leave` outside of the room, groups that don't add up) only [`parse`](crate::scenario::parse)
/// tells.
pub fn schema(metrics: &[MetricWords]) -> Value {
    let mut definitions: Map<String, Value> = definitions()
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    definitions.insert("step".to_owned(), step());
    definitions.insert("steps".to_owned(), steps());
    definitions.insert("client".to_owned(), client());
    definitions.insert("custom".to_owned(), custom());
    definitions.insert("network".to_owned(), network());
    definitions.insert("way".to_owned(), way());
    definitions.insert("nat".to_owned(), nat());
    definitions.insert("ice".to_owned(), ice());
    for metric in metrics {
        let conditions = || conditions(&metric.conditions);
        definitions
            .entry(conditions_of(metric))
            .or_insert_with(conditions);
    }
    let keys = object(&KEYS, &["name"], |key| {
        with(of_key(key, metrics), json!({ "description": about(key) }))
    });
    let parts = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of rtcstorm",
        "$defs": definitions,
        "oneOf": [
            { "required": ["steps", "rooms"], "properties": { "rooms": { "required": ["peers"] }, "groups": false } },
            { "required": ["groups"], "properties": { "steps": false } },
        ],
    });
    with(keys, parts)
}

/// A line for the shell, or words.
fn command() -> Value {
    let word = json!({ "type": ["string", "number", "boolean"], "maxLength": MAX_COMMAND });
    json!({ "anyOf": [
        text(MAX_COMMAND),
        { "type": "array", "minItems": 1, "maxItems": MAX_WORDS, "items": word },
    ] })
}

fn about(key: &str) -> &'static str {
    match key {
        "name" => "Letters, digits, `-`, `_` and `.`: it becomes part of a folder's name",
        "about" => "One line for people",
        "seed" => "The root of everything that is drawn",
        "target" => "Whom it is played against; without `url`, the bundled server",
        "rooms" => "How many rooms, and how many peers in each",
        "arrive" => "When peers arrive; all at once if nothing is said",
        "client" => "How peers negotiate",
        "mutants" => "Clients that are known to break in it: what they change in every peer's",
        "nat" => "What every peer is behind; in simulations alone",
        "network" => "What every peer's access link does to what crosses it; nothing if it is not said",
        "ice" => "How connections find a path: which candidates, and what STUN and TURN servers",
        "groups" => "The parts that a room's peers play, each with steps of its own",
        "steps" => "What every peer does",
        "thresholds" => "What has to be true at the end",
        "connect_timeout" => "When a link that has not opened counts as failed",
        "message_timeout" => "When a message that has not arrived counts as lost",
        "duration" => "A deadline: whoever is still at it then leaves",
        "warm_up" => "What begins before this, from the run's start, leaves no sample",
        other => missing(other),
    }
}

fn of_key(key: &str, metrics: &[MetricWords]) -> Value {
    match key {
        "name" => with(
            text(MAX_NAME),
            json!({ "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "minimum": 0 }),
        ),
        "about" => text(MAX_ABOUT),
        "seed" => json!({
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": u64::MAX,
            "pattern": r"^\+?[0-9]+$",
        }),
        "target" => object(&target_keys(), &[], |key| match key {
            "protocol" => protocol(),
            "url" => json!({ "type": "string", "maxLength": MAX_URL, "pattern": "^(wss?|https?)://." }),
            "metrics" => {
                json!({ "type": "string", "maxLength": MAX_URL, "pattern": r#"^http://[!"$-.0->A-~]+([/?][!"$-~]*)?$"# })
            }
            "relay_mode" => one_of(RELAY_MODES.map(|(word, _)| word)),
            "control" => object(&CONTROL_KEYS, &[], |key| match key {
                "within" => defined("positiveDuration"),
                "start" | "stop" | "pause" | "resume" | "slow" | "restore" => command(),
                other => missing(other),
            }),
            other => access(other),
        }),
        "rooms" => object(&ROOM_KEYS, &[], |key| match key {
            "count" | "peers" => count(MAX_PEERS),
            other => missing(other),
        }),
        "arrive" => arrive(),
        "client" => defined("client"),
        "mutants" => json!({ "type": "array", "minItems": 1, "items": mutant() }),
        "network" => defined("network"),
        "nat" => defined("nat"),
        "ice" => defined("ice"),
        "groups" => json!({ "type": "array", "minItems": 1, "items": group() }),
        "steps" => defined("steps"),
        "thresholds" => thresholds(metrics),
        "connect_timeout" | "message_timeout" | "duration" => defined("positiveDuration"),
        "warm_up" => defined("duration"),
        other => missing(other),
    }
}

/// A name, or a map of one to what is chosen of it.
fn protocol() -> Value {
    let peerjs = object(&PEERJS_KEYS, &[], |key| match key {
        "key" => text(MAX_KEY),
        "serialization" => one_of(SERIALIZATIONS.map(|(word, _)| word)),
        other => missing(other),
    });
    let chosen = object(&["peerjs"], &["peerjs"], |_| peerjs.clone());
    let described = object(&[CUSTOM], &[CUSTOM], |_| defined(CUSTOM));
    json!({ "anyOf": [one_of(PROTOCOLS), chosen, described] })
}

fn arrive() -> Value {
    let stage = object(&STAGE_KEYS, &STAGE_KEYS, |key| match key {
        "over" => defined("duration"),
        "to" => count(MAX_PEERS),
        other => missing(other),
    });
    let keys = object(&ARRIVE_KEYS, &[], |key| match key {
        "over" => defined("duration"),
        "rate" => defined("rate"),
        "stages" => json!({ "type": "array", "minItems": 1, "items": stage }),
        other => missing(other),
    });
    with(keys, json!({ "minProperties": 1, "maxProperties": 1 }))
}

fn client() -> Value {
    let profile = || one_of(PROFILES.iter().copied());
    let reference = ClientRules::default();
    let rules = object(&client_keys(), &[], |key| match reference.rule(key) {
        Some(rule) => with(rule.schema(), json!({ "description": ClientRules::about(key) })),
        None => profile(),
    });
    json!({ "anyOf": [profile(), rules] })
}

fn mutant() -> Value {
    with(defined("client"), json!({ "minProperties": 1 }))
}

fn network() -> Value {
    let link = |key: &str| match key {
        "profile" => one_of(AccessLink::NAMES),
        "up" | "down" => defined("way"),
        "with" => parties(),
        other => way_value(other),
    };
    let values = object(&NETWORK_KEYS, &[], |key| match key {
        "to" => json!({ "type": "array", "minItems": 1, "items": object(&TO_KEYS, &["with"], link) }),
        other => link(other),
    });
    json!({ "anyOf": [one_of(AccessLink::NAMES), values] })
}

/// One direction of a link.
fn way() -> Value {
    let values = object(&WAY_KEYS, &[], |key| match key {
        "profile" => one_of(AccessLink::NAMES),
        other => way_value(other),
    });
    json!({ "anyOf": [one_of(AccessLink::NAMES), values] })
}

fn way_value(key: &str) -> Value {
    match key {
        "delay" | "queue" => defined("duration"),
        "jitter" => {
            let long = object(&JITTER_KEYS, &["spread"], |key| match key {
                "spread" => defined("duration"),
                "distribution" => one_of(Distribution::WORDS.map(|(word, _)| word)),
                other => missing(other),
            });
            json!({ "anyOf": [defined("duration"), long] })
        }
        "loss" => {
            let long = object(&LOSS_KEYS, &LOSS_KEYS[..2], |key| match key {
                "good_to_bad" | "bad_to_good" | "in_good" | "in_bad" => defined("share"),
                other => missing(other),
            });
            json!({ "anyOf": [defined("share"), one_of(GilbertElliott::NAMES), long] })
        }
        "duplicate" | "reorder" | "corrupt" => defined("share"),
        "rate" => defined("bitRate"),
        other => missing(other),
    }
}

fn nat() -> Value {
    let values = object(&NAT_KEYS, &["type"], |key| match key {
        "type" => one_of(nat_words()),
        "lifetime" => defined("positiveDuration"),
        "hairpinning" | "shared" => flag(),
        "ports" => one_of(NAT_PORTS.map(|(word, _)| word)),
        other => missing(other),
    });
    // Of none, nothing more can be said.
    let alone = json!({
        "if": { "properties": { "type": { "const": "none" } } },
        "then": { "maxProperties": 1 },
    });
    json!({ "anyOf": [one_of(nat_words()), with(values, alone)] })
}

fn ice() -> Value {
    let url = json!({ "type": "string", "maxLength": MAX_ICE_TEXT, "pattern": "^(stun|turns?):[^/]" });
    let urls = json!({
        "anyOf": [url, { "type": "array", "minItems": 1, "maxItems": MAX_ICE_SERVERS, "items": url }],
    });
    let server = object(&ICE_SERVER_KEYS, &[], |key| match key {
        "urls" => urls.clone(),
        "username" | "credential" | "secret" => text(MAX_ICE_TEXT),
        "fetch" => fetch(),
        other => missing(other),
    });
    let credentials_are_whole = json!({
        "dependentRequired": { "username": ["credential"], "credential": ["username"] },
        "anyOf": [{ "required": ["urls"] }, { "required": ["fetch"] }],
        "not": { "anyOf": [
            { "required": ["username", "secret"] },
            { "required": ["username", "fetch"] },
            { "required": ["secret", "fetch"] },
        ] },
    });
    let server = with(server, credentials_are_whole);
    let servers = json!({ "type": "array", "minItems": 1, "maxItems": MAX_ICE_SERVERS, "items": server });
    let keys = object(&ICE_KEYS, &[], |key| match key {
        "policy" => one_of(ICE_POLICIES.map(|(word, _)| word)),
        "servers" => json!({ "anyOf": [one_of(ICE_SERVERS.map(|(word, _)| word)), servers] }),
        "transport" => one_of(TURN_TRANSPORTS.map(|(word, _)| word)),
        "credentials" => one_of(TURN_CREDENTIALS.map(|(word, _)| word)),
        "ttl" => defined("positiveDuration"),
        other => missing(other),
    });
    json!({ "anyOf": [one_of(ICE_POLICIES.map(|(word, _)| word)), keys] })
}

fn group() -> Value {
    object(&GROUP_KEYS, &["name", "peers", "steps"], |key| match key {
        "name" => text(MAX_NAME),
        "peers" => count(MAX_PEERS),
        "steps" => defined("steps"),
        "client" => defined("client"),
        "network" => defined("network"),
        "nat" => defined("nat"),
        "ice" => defined("ice"),
        other => missing(other),
    })
}

fn thresholds(metrics: &[MetricWords]) -> Value {
    let mut plain = Map::new();
    let mut tagged = Map::new();
    for metric in metrics {
        let (name, conditions) = (metric.name, defined(&conditions_of(metric)));
        let described = with(conditions.clone(), json!({ "description": metric.about }));
        plain.insert(name.to_owned(), described);
        tagged.insert(format!(r"^\s*{name}\s*(\{{.*\}}\s*)?$"), conditions);
    }
    json!({
        "type": "object",
        "properties": plain,
        "patternProperties": tagged,
        "additionalProperties": false,
    })
}

/// The name of the definition for a metric's kind.
fn conditions_of(metric: &MetricWords) -> String {
    format!("{}Conditions", metric.kind)
}

/// One condition, or a list of them; each a text, or a map that says more.
fn conditions(pattern: &str) -> Value {
    let condition = json!({ "type": "string", "pattern": pattern });
    let long = object(&THRESHOLD_KEYS, &["threshold"], |key| match key {
        "threshold" => condition.clone(),
        "abortOnFail" => with(
            flag(),
            json!({ "description": "End the run as soon as it fails" }),
        ),
        "delayAbortEval" => with(
            defined("positiveDuration"),
            json!({ "description": "Not before this is over, from the run's start" }),
        ),
        "window" => with(
            defined("positiveDuration"),
            json!({ "description": "It has to hold in each stretch of that length, 1s or more; the worst one counts" }),
        ),
        other => missing(other),
    });
    let needs_abort = json!({ "dependentRequired": { "delayAbortEval": ["abortOnFail"] } });
    let one = json!({ "anyOf": [condition, with(long, needs_abort)] });
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}
