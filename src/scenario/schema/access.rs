//! The keys of `target` that say how it is reached.

use serde_json::{Value, json};

use super::{
    missing, object,
    values::{defined, flag, one_of, text},
};
use crate::scenario::{
    access::{MAX_ENTRIES, MAX_PATH, MAX_WORD, TLS_KEYS},
    credentials::{JWT_ALGORITHMS, JWT_KEYS},
    ice_fetch::{FETCH_METHODS, ICE_FETCH_KEYS},
    secret::{MAX_SECRET, SECRET_KEYS},
    target::MAX_URL,
};

pub(super) fn access(key: &str) -> Value {
    match key {
        "tls" => object(&TLS_KEYS, &[], |key| match key {
            "ca" | "certificate" | "key" => text(MAX_PATH),
            "insecure" => flag(),
            other => missing(other),
        }),
        "origin" => json!({ "type": "string", "maxLength": MAX_WORD, "pattern": "^(null|[^/]+://[^/]+)$" }),
        "headers" | "cookies" | "query" => secrets_by_name(),
        "subprotocols" => one_or_more(secret()),
        "proxy" => secret(),
        "resolve" => {
            one_or_more(json!({ "type": "string", "pattern": r"^[^:]+:[0-9]+:\[?[0-9a-fA-F:.]+\]?$" }))
        }
        "contact" => text(MAX_WORD),
        "credentials" => {
            json!({ "type": "string", "maxLength": MAX_PATH, "pattern": r"\.(csv|jsonl|ndjson)$" })
        }
        "jwt" => object(&JWT_KEYS, &["algorithm", "key"], |key| match key {
            "algorithm" => one_of(JWT_ALGORITHMS.map(|(word, _)| word)),
            "key" => secret(),
            "key_id" => text(MAX_SECRET),
            "claims" => json!({ "type": "object" }),
            "ttl" => defined("positiveDuration"),
            other => missing(other),
        }),
        other => missing(other),
    }
}

/// Whom an ICE server's credentials are asked of.
pub(super) fn fetch() -> Value {
    let url = json!({ "type": "string", "maxLength": MAX_URL, "pattern": "^https?://[^/]" });
    let long = object(&ICE_FETCH_KEYS, &["url"], |key| match key {
        "url" => url.clone(),
        "method" => one_of(FETCH_METHODS.map(|(word, _)| word)),
        "headers" | "query" => secrets_by_name(),
        "body" => secret(),
        "within" => defined("positiveDuration"),
        other => missing(other),
    });
    json!({ "anyOf": [url, long] })
}

fn secrets_by_name() -> Value {
    json!({ "type": "object", "maxProperties": MAX_ENTRIES, "additionalProperties": secret() })
}

/// A text with variables in it, or where it is kept.
fn secret() -> Value {
    let outside = object(&SECRET_KEYS, &[], |_| text(MAX_SECRET));
    let outside = super::with(outside, json!({ "minProperties": 1, "maxProperties": 1 }));
    json!({ "anyOf": [text(MAX_SECRET), outside] })
}

fn one_or_more(item: Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "minItems": 1, "maxItems": MAX_ENTRIES, "items": item }] })
}
