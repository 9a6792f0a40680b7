//! The description of a protocol.

use serde_json::{Map, Value, json};

use super::{
    missing, object,
    values::{defined, flag, one_of, text},
    with,
};
use crate::{
    scenario::{
        custom::{
            CONDITION_KEYS, CONNECT_KEYS, CUSTOM_KEYS, KEEPALIVE_KEYS, MATCHER_KEYS, MAX_MATCHERS, MAX_TEXT,
            MEMBERS_KEYS, send_keys,
        },
        read::{MAX_ABOUT, MAX_NAME},
    },
    signaling::custom::{Field, Kind, Says},
};

/// What stands under `custom`.
pub(super) fn custom() -> Value {
    let keys = object(&CUSTOM_KEYS, &["send", "receive"], |key| match key {
        "name" => text(MAX_NAME),
        "about" => text(MAX_ABOUT),
        "connect" => object(&CONNECT_KEYS, &[], |key| match key {
            "path" | "subprotocol" => text(MAX_TEXT),
            "query" => json!({ "type": "object", "additionalProperties": plain() }),
            other => missing(other),
        }),
        "send" => object(&send_keys(), &["offer", "answer"], |_| frames()),
        "receive" => json!({ "type": "array", "minItems": 1, "maxItems": MAX_MATCHERS, "items": matcher() }),
        "keepalive" => object(&KEEPALIVE_KEYS, &KEEPALIVE_KEYS, |key| match key {
            "every" => defined("positiveDuration"),
            "send" => frame(),
            other => missing(other),
        }),
        "settles_within" => defined("positiveDuration"),
        other => missing(other),
    });
    with(keys, json!({ "description": "docs/PROTOCOLS.md" }))
}

fn plain() -> Value {
    json!({ "type": ["string", "number", "boolean"], "maxLength": MAX_TEXT })
}

/// A map is JSON, a single value a text.
fn frame() -> Value {
    json!({ "type": ["object", "string", "number", "boolean"] })
}

fn frames() -> Value {
    json!({ "anyOf": [frame(), { "type": "array", "minItems": 1, "items": frame() }] })
}

fn pointer() -> Value {
    json!({ "type": "string", "pattern": "^(/.*)?$" })
}

fn matcher() -> Value {
    let kinds: Vec<Value> = Says::ALL.iter().map(of_kind).collect();
    json!({ "oneOf": kinds })
}

fn of_kind(kind: &Kind) -> Value {
    let fields: Vec<&str> = kind.fields().map(Field::word).collect();
    let keys: Vec<&str> = MATCHER_KEYS.into_iter().chain(fields).collect();
    let needs: Vec<&str> = ["as"]
        .into_iter()
        .chain(kind.needs.iter().map(|field| field.word()))
        .collect();
    let matcher = object(&keys, &needs, |key| match key {
        "as" => json!({ "const": kind.word, "description": kind.about }),
        "prefix" | "text" => json!({ "type": ["string", "number"], "maxLength": MAX_TEXT }),
        "when" => json!({ "type": "object", "additionalProperties": condition() }),
        "save" => json!({ "type": "object", "additionalProperties": pointer() }),
        "reply" => frames(),
        "members" | "present" => object(&MEMBERS_KEYS, &["list", "id"], |key| match key {
            "list" => pointer(),
            "id" | "name" => json!({ "type": "string", "pattern": r"^(/.*|\$key)?$" }),
            other => missing(other),
        }),
        "about" => one_of(["join", "membership"]),
        _ => plain(),
    });
    with(matcher, json!({ "not": { "required": ["text", "when"] } }))
}

fn condition() -> Value {
    let literal = json!({ "type": ["string", "number", "boolean", "null"] });
    let literals = || json!({ "anyOf": [literal, { "type": "array", "minItems": 1, "items": literal }] });
    let long = object(&CONDITION_KEYS, &[], |key| match key {
        "is" | "not" => literals(),
        "exists" => flag(),
        other => missing(other),
    });
    let mut either = Map::new();
    either.insert(
        "anyOf".to_owned(),
        json!([literals(), with(long, json!({ "minProperties": 1 }))]),
    );
    Value::Object(either)
}
