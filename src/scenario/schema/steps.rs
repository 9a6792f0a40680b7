//! Steps and their arguments.

use serde_json::{Map, Value, json};

use super::{
    missing, object,
    values::{count, defined, flag, one_of, text},
    with,
};
use crate::scenario::{
    chat::CHAT_KEYS,
    faults::{ANSWER_KEYS, CUTS, DROP_KEYS, LINKS, OFFER_KEYS, RESTART_KEYS, SCOPES},
    server::{SERVER_FAULTS, SERVER_RESTART_KEYS},
    steps::{JOIN_KEYS, JOIN_OUTCOMES, MAX_NAME, STEPS},
    types::{MAX_CHAT_COUNT, MAX_COPIES},
    waits::{BARRIER_KEYS, WAIT_KEYS, WAIT_TO, WAITS},
};

/// A list of them.
pub(super) fn steps() -> Value {
    json!({ "type": "array", "minItems": 1, "items": defined("step") })
}

/// A word, or a map of one word and its argument; `repeat` has its steps beside it.
pub(super) fn step() -> Value {
    let mut bare = Vec::new();
    let mut maps = Map::new();
    for word in STEPS.into_iter().filter(|word| *word != "repeat") {
        let argument = argument(word);
        let mut schema = match argument.needed {
            true => argument.schema,
            false => {
                bare.push(word);
                json!({ "anyOf": [{ "type": "null" }, argument.schema] })
            }
        };
        schema = with(schema, json!({ "description": argument.about }));
        maps.insert(word.to_owned(), schema);
    }
    json!({
        "anyOf": [
            { "enum": bare },
            {
                "type": "object",
                "properties": maps,
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            },
            object(&["repeat", "steps"], &["repeat", "steps"], |key| match key {
                "repeat" => with(count(u32::MAX), json!({ "description": "How often the steps beside it are taken" })),
                _ => defined("steps"),
            }),
        ]
    })
}

struct Argument {
    about: &'static str,
    schema: Value,
    /// The word can't stand alone.
    needed: bool,
}

fn argument(word: &str) -> Argument {
    let (about, schema) = match word {
        "join" => (
            "Ask to join the room",
            object(&JOIN_KEYS, &[], |_| one_of(JOIN_OUTCOMES)),
        ),
        "leave" => ("Leave the room", json!(false)),
        "rejoin" => ("Leave and join again at once", json!(false)),
        "crash" => (
            "End like a process that is killed; a later join comes back as a new client",
            json!(false),
        ),
        "wait" => ("Go on once something holds", wait()),
        "pause" => (
            "Do nothing for a while; a range is drawn from",
            defined("durationRange"),
        ),
        "barrier" => ("Go on once all peers of the room are here", barrier()),
        "chat" => ("Post messages to everybody in the room", chat()),
        "rename" => ("The display name for the next joins", text(MAX_NAME)),
        "duplicate_offer" => (
            "Renegotiate on every open link, and send the frame of each offer again",
            object(&OFFER_KEYS, &[], copies),
        ),
        "duplicate_answer" => (
            "Send the frame of every answer of the next while again",
            object(&ANSWER_KEYS, &["for"], copies),
        ),
        "ice_restart" => (
            "Restart ICE",
            object(&RESTART_KEYS, &[], |key| match key {
                "links" => one_of(LINKS.map(|(word, _)| word)),
                "both" => flag(),
                other => missing(other),
            }),
        ),
        "network" => (
            "Change what the peer's access link does to what crosses it",
            defined("network"),
        ),
        "drop_network" => ("Take the network away for a while", drop_network()),
        "cut_signaling" => ("Cut the signaling socket", one_of(CUTS.map(|(word, _)| word))),
        "server" => ("Do something to the bundled server, for everybody", server()),
        other => missing(other),
    };
    let needed = matches!(
        word,
        "wait"
            | "pause"
            | "barrier"
            | "chat"
            | "rename"
            | "duplicate_answer"
            | "network"
            | "drop_network"
            | "server"
    );
    Argument {
        about,
        // What takes no argument still can have a colon behind it.
        schema: if schema == json!(false) {
            json!({ "type": "null" })
        } else {
            schema
        },
        needed,
    }
}

fn wait() -> Value {
    let long = object(&WAIT_KEYS, &["for"], |key| match key {
        "for" => one_of(WAITS),
        "to" => one_of(WAIT_TO),
        "within" => defined("positiveDuration"),
        other => missing(other),
    });
    let to_is_about_links = json!({
        "if": { "required": ["to"] },
        "then": { "properties": { "for": { "const": "connected" } } },
    });
    json!({ "anyOf": [one_of(WAITS), with(long, to_is_about_links)] })
}

fn barrier() -> Value {
    let long = object(&BARRIER_KEYS, &["name"], |key| match key {
        "name" => text(MAX_NAME),
        "within" => defined("positiveDuration"),
        other => missing(other),
    });
    json!({ "anyOf": [text(MAX_NAME), long] })
}

fn chat() -> Value {
    let keys = object(&CHAT_KEYS, &["every", "size"], |key| match key {
        "every" | "for" => defined("positiveDuration"),
        "size" => defined("size"),
        "count" => count(MAX_CHAT_COUNT),
        other => missing(other),
    });
    let ends = json!({ "oneOf": [{ "required": ["for"] }, { "required": ["count"] }] });
    with(keys, ends)
}

fn copies(key: &str) -> Value {
    match key {
        "copies" => count(MAX_COPIES),
        "within" | "for" => defined("positiveDuration"),
        other => missing(other),
    }
}

fn server() -> Value {
    let restart = object(&SERVER_RESTART_KEYS, &[], |key| match key {
        "for" => defined("duration"),
        other => missing(other),
    });
    let long = object(&SERVER_FAULTS, &[], |key| match key {
        "restart" => json!({ "anyOf": [{ "type": "null" }, restart.clone()] }),
        other => missing(other),
    });
    let one = json!({ "minProperties": 1, "maxProperties": 1 });
    json!({ "anyOf": [one_of(SERVER_FAULTS), with(long, one)] })
}

fn drop_network() -> Value {
    let keys = object(&DROP_KEYS, &["for"], |key| match key {
        "scope" => one_of(SCOPES.map(|(word, _)| word)),
        "for" => defined("duration"),
        "with" => {
            json!({ "anyOf": [text(2 * MAX_NAME), { "type": "array", "minItems": 1, "items": text(2 * MAX_NAME) }] })
        }
        other => missing(other),
    });
    let signaling_is_with_nobody = json!({
        "if": { "required": ["with"] },
        "then": { "properties": { "scope": { "not": { "const": "signaling" } } } },
    });
    with(keys, signaling_is_with_nobody)
}
