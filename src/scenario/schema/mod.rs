//! The language as a JSON Schema, for editors and other programs.
//!
//! Built from the tables that the reader reads by: a key or step that is in a table and not here is a panic,
//! which the tests see.

mod access;
mod custom;
mod keys;
mod steps;
pub(super) mod values;

pub use keys::{MetricWords, schema};

use serde_json::{Map, Value, json};

/// A map with these keys and no others.
fn object(keys: &[&str], needed: &[&str], mut of: impl FnMut(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), of(key))).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

/// `schema` with more said about it.
fn with(mut schema: Value, more: Value) -> Value {
    let (Value::Object(all), Value::Object(more)) = (&mut schema, more) else {
        unreachable!("schemas here are objects");
    };
    all.extend(more);
    schema
}

/// What the reader knows and the schema does not.
fn missing(key: &str) -> ! {
    unreachable!("`{key}` has no schema")
}
