//! A published JSON Schema, and what is held against it.

use std::{collections::BTreeSet, fs, path::Path};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::program::json;

pub struct Published {
    pub schema: Value,
    schemas: Schemas,
    index: SchemaIndex,
}

impl Published {
    pub fn of(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.schema.json"));
        let schema = json(&fs::read_to_string(path).expect("it is published"));
        let mut compiler = Compiler::new();
        let mut schemas = Schemas::new();
        compiler
            .add_resource("schema.json", schema.clone())
            .expect("a resource");
        let index = compiler.compile("schema.json", &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        Self {
            schema,
            schemas,
            index,
        }
    }

    #[track_caller]
    pub fn assert_takes(&self, what: &str, value: &Value) {
        if let Err(error) = self.schemas.validate(value, self.index) {
            panic!("{what}: {error:#}");
        }
    }

    pub fn takes(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }
}

/// Every name of a property in a schema.
pub fn properties(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            let named = map.get("properties").and_then(Value::as_object);
            into.extend(named.into_iter().flatten().map(|(name, _)| name.clone()));
            map.values().for_each(|inner| properties(inner, into));
        }
        Value::Array(all) => all.iter().for_each(|inner| properties(inner, into)),
        _ => {}
    }
}

/// Every key of a value.
pub fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            into.extend(map.keys().cloned());
            map.values().for_each(|inner| keys(inner, into));
        }
        Value::Array(all) => all.iter().for_each(|inner| keys(inner, into)),
        _ => {}
    }
}

/// `value` with a surplus key at each of its objects, one at a time, and where that is.
pub fn everywhere(value: &Value, at: &str, then: &mut dyn FnMut(&str, Value)) {
    if let Value::Object(map) = value {
        let mut more = map.clone();
        more.insert("surplus".to_owned(), "x".into());
        then(at, Value::Object(more));
        for (key, inner) in map {
            everywhere(inner, &format!("{at}/{key}"), &mut |at, new| {
                let mut map = map.clone();
                map.insert(key.clone(), new);
                then(at, Value::Object(map));
            });
        }
    }
    if let Value::Array(all) = value {
        for (index, inner) in all.iter().enumerate() {
            everywhere(inner, &format!("{at}/{index}"), &mut |at, new| {
                let mut all = all.clone();
                all[index] = new;
                then(at, Value::Array(all));
            });
        }
    }
}
