//! Single values. They are texts to the reader; to YAML and JSON some of them are numbers or switches.

use serde_json::{Value, json};

use super::with;
use crate::scenario::{steps::MAX_NAME, types::MAX_MESSAGE_BYTES};

/// A decimal number as units have it.
const DECIMAL: &str = r"[0-9]+(\.[0-9]+)?";
const DURATION_UNIT: &str = "(us|ms|s|m|h)";

pub(in crate::scenario) fn defined(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// What [`defined`] refers to.
pub(super) fn definitions() -> [(&'static str, Value); 7] {
    let one = format!("({DECIMAL}{DURATION_UNIT}|0+(\\.0+)?)");
    // A plain 0 is a number to YAML; every other number has no unit.
    let number = json!({ "type": ["string", "integer"], "minimum": 0, "maximum": 0 });
    [
        (
            "duration",
            with(
                number.clone(),
                json!({
                    "description": "A number and us, ms, s, m or h: 500ms, 1.5s, 2m; a plain 0 is zero",
                    "pattern": format!("^{one}$"),
                    "examples": ["500ms", "10s"],
                }),
            ),
        ),
        (
            "positiveDuration",
            json!({
                "description": "A number above zero and us, ms, s, m or h: 500ms, 1.5s, 2m",
                "type": "string",
                "pattern": format!("^{DECIMAL}{DURATION_UNIT}$"),
                "not": { "type": "string", "pattern": "^[0.]*[a-z]+$" },
                "examples": ["500ms", "10s"],
            }),
        ),
        (
            "durationRange",
            with(
                number,
                json!({
                    "description": "A duration, or two that something is drawn between: 0s..500ms",
                    "pattern": format!("^{one}(\\s*\\.\\.\\s*{one})?$"),
                    "examples": ["1s", "0s..500ms"],
                }),
            ),
        ),
        (
            "rate",
            json!({
                "description": "So many per second, minute or hour: 20/s",
                "type": "string",
                "pattern": format!("^{DECIMAL}/[smh]$"),
                "not": { "type": "string", "pattern": "^[0.]*/" },
                "examples": ["20/s"],
            }),
        ),
        (
            "size",
            json!({
                "description": "Bytes: 256, 16KiB",
                "type": ["integer", "string"],
                "minimum": 1,
                "maximum": MAX_MESSAGE_BYTES,
                "pattern": format!("^{DECIMAL}(B|kB|KiB|MB|MiB)?$"),
                "not": { "type": "string", "pattern": "^[0.]*[A-Za-z]*$" },
                "examples": [256, "1KiB"],
            }),
        ),
        (
            "share",
            json!({
                "description": "A percentage, or a number from 0 to 1: 1%, 0.01",
                "type": ["number", "string"],
                "minimum": 0,
                "maximum": 1,
                "pattern": r"^0*((100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%|1(\.0+)?|0(\.[0-9]+)?)$",
                "examples": ["1%", 0.01],
            }),
        ),
        (
            "bitRate",
            json!({
                "description": "Bits per second: 10mbit, 500kbit",
                "type": "string",
                "pattern": format!("^{DECIMAL}[kmg]?bit$"),
                "not": { "type": "string", "pattern": "^[0.]*[a-z]*$" },
                "examples": ["10mbit", "500kbit"],
            }),
        ),
    ]
}

/// A whole number from 1 to `most`.
pub(in crate::scenario) fn count(most: u32) -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": most,
        "pattern": r"^\+?0*[1-9][0-9]*$",
    })
}

/// A whole number from 0 to `most`.
pub(super) fn count_from_zero(most: u32) -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": most,
        "pattern": r"^(\+?[0-9]+|-0+)$",
    })
}

/// A text for people; what looks like a number is one, too.
pub(super) fn text(most: usize) -> Value {
    json!({ "type": ["string", "number", "boolean"], "maxLength": most, "pattern": r"\S" })
}

pub(in crate::scenario) fn flag() -> Value {
    json!({ "type": ["boolean", "string"], "pattern": "^(true|false)$" })
}

pub(in crate::scenario) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "enum": words })
}

/// Names of groups or of peers.
pub(super) fn parties() -> Value {
    let name = text(2 * MAX_NAME);
    json!({ "anyOf": [name, { "type": "array", "minItems": 1, "items": name }] })
}
