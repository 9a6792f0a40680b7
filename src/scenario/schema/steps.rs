//! Steps and their arguments.

use serde_json::{Map, Value, json};

use super::{
    missing, object,
    values::{count, count_from_zero, defined, flag, one_of, parties, text},
    with,
};
use crate::impair::{FrameKind, FrameWay};
use crate::scenario::{
    chat::CHAT_KEYS,
    faults::{ANSWER_KEYS, COPIES, CUTS, DROP_KEYS, LINKS, OFFER_KEYS, RESTART_KEYS, SCOPES},
    host::{BLOCK_KEYS, CLOCKS, ROAM_KEYS, SERVER, SOCKETS_ON_ROAM, SUSPEND_KEYS, WAYS},
    server::{SERVER_FAULTS, SERVER_KEYS, SERVER_SLOW_KEYS, SERVER_WORDS},
    signaling::{
        CORRUPTIONS, LATE_KEYS, MAX_FRAMES, MAX_RAW, RAW_KEYS, RAW_SETS, SIGNALING_KEYS, TREATMENTS,
        WITH_KEYS,
    },
    steps::{JOIN_KEYS, JOIN_OUTCOMES, MAX_NAME, STEPS},
    turn::{MAX_QUOTA, TURN_FAULTS, TURN_STOP_KEYS},
    types::{MAX_CHAT_COUNT, MAX_COPIES},
    waits::{BARRIER_KEYS, EXTERNALS_MAX, WAIT_KEYS, WAIT_TO, WAITS},
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
        "block_udp" => (
            "Let no UDP pass but what is carried over TCP or TLS to a TURN server",
            object(&BLOCK_KEYS, &[], |_| defined("positiveDuration")),
        ),
        "roam" => (
            "Move to another network: a new address, the old one dead",
            object(&ROAM_KEYS, &[], |_| one_of(SOCKETS_ON_ROAM.map(|(word, _)| word))),
        ),
        "nat_rebind" => (
            "Have the NAT map the UDP sockets anew, under living connections",
            json!(false),
        ),
        "suspend" => ("Sleep, like a laptop whose lid is closed", suspend()),
        "turn" => (
            "Do something to the bundled STUN and TURN server, for everybody",
            turn(),
        ),
        "signaling" => (
            "Do something to frames of the peer's signaling from now on",
            signaling(),
        ),
        "late_answer" => (
            "Hold back the answers that this peer gives",
            object(&LATE_KEYS, &["by", "for"], |key| match key {
                "by" => defined("durationRange"),
                "for" => defined("positiveDuration"),
                "with" => parties(),
                other => missing(other),
            }),
        ),
        "glare" => (
            "Offer on links at the same time as their other ends",
            object(&WITH_KEYS, &[], |_| parties()),
        ),
        "stale_offer" => (
            "Send the last offers of the previous membership once more",
            object(&WITH_KEYS, &[], |_| parties()),
        ),
        "join_twice" => ("Join the room, and ask for it twice at once", json!(false)),
        "send_raw" => ("Send the server what no client would", raw()),
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
            | "suspend"
            | "turn"
            | "signaling"
            | "late_answer"
            | "send_raw"
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
        "count" => count_from_zero(EXTERNALS_MAX),
        "within" => defined("positiveDuration"),
        other => missing(other),
    });
    let only_with = |key: &str, target: &str| {
        json!({
            "if": { "required": [key] },
            "then": { "properties": { "for": { "const": target } } },
        })
    };
    let rules = json!({ "allOf": [only_with("to", "connected"), only_with("count", "external")] });
    json!({ "anyOf": [one_of(WAITS), with(long, rules)] })
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
        "as" => one_of(COPIES.map(|(word, _)| word)),
        "within" | "for" => defined("positiveDuration"),
        other => missing(other),
    }
}

fn server() -> Value {
    let lasting = |needed: &[&str], kind: &'static str| {
        object(&SERVER_KEYS, needed, move |key| match key {
            "for" => defined(kind),
            other => missing(other),
        })
    };
    let long = object(&SERVER_FAULTS, &[], |key| match key {
        "restart" => json!({ "anyOf": [{ "type": "null" }, lasting(&[], "duration")] }),
        "crash" => json!({ "anyOf": [{ "type": "null" }, lasting(&[], "positiveDuration")] }),
        "pause" => lasting(&["for"], "positiveDuration"),
        "slow" => object(&SERVER_SLOW_KEYS, &SERVER_SLOW_KEYS, |key| match key {
            "by" | "for" => defined("positiveDuration"),
            other => missing(other),
        }),
        other => missing(other),
    });
    let one = json!({ "minProperties": 1, "maxProperties": 1 });
    json!({ "anyOf": [one_of(SERVER_WORDS), with(long, one)] })
}

fn turn() -> Value {
    let stop = object(&TURN_STOP_KEYS, &[], |key| match key {
        "for" => defined("duration"),
        other => missing(other),
    });
    let long = object(&TURN_FAULTS, &[], |key| match key {
        "stop" => json!({ "anyOf": [{ "type": "null" }, stop.clone()] }),
        "quota" => json!({ "anyOf": [{ "enum": [0, "0"] }, count(MAX_QUOTA)] }),
        "lifetime" => defined("positiveDuration"),
        other => missing(other),
    });
    let one = json!({ "minProperties": 1, "maxProperties": 1 });
    json!({ "anyOf": [one_of(["stop"]), with(long, one)] })
}

fn drop_network() -> Value {
    let keys = object(&DROP_KEYS, &["for"], |key| match key {
        "scope" => one_of(SCOPES.map(|(word, _)| word)),
        "for" => defined("duration"),
        "direction" => one_of(WAYS.map(|(word, _)| word)),
        "server" => one_of(SERVER.map(|(word, _)| word)),
        "with" => parties(),
        other => missing(other),
    });
    let signaling_is_with_nobody = json!({
        "if": { "required": ["with"] },
        "then": { "properties": { "scope": { "not": { "const": "signaling" } } } },
    });
    let server_is_beside_others = json!({
        "if": { "required": ["server"] },
        "then": { "required": ["with"], "properties": { "scope": { "not": { "const": "media" } } } },
    });
    with(
        keys,
        json!({ "allOf": [signaling_is_with_nobody, server_is_beside_others] }),
    )
}

fn suspend() -> Value {
    object(&SUSPEND_KEYS, &["for"], |key| match key {
        "for" => defined("positiveDuration"),
        "clock" => one_of(CLOCKS.map(|(word, _)| word)),
        other => missing(other),
    })
}

fn signaling() -> Value {
    let keys = object(&SIGNALING_KEYS, &[], |key| match key {
        "delay" => defined("durationRange"),
        "drop" | "reorder" | "duplicate" | "corrupt" | "share" => defined("share"),
        "as" => one_of(CORRUPTIONS.map(|(word, _)| word)),
        "of" => {
            let kind = one_of(FrameKind::NAMES.map(|(word, _)| word));
            json!({ "anyOf": [kind, { "type": "array", "minItems": 1, "items": kind }] })
        }
        "way" => one_of(FrameWay::NAMES.map(|(word, _)| word)),
        "with" => parties(),
        "for" => defined("positiveDuration"),
        "count" => count(MAX_FRAMES),
        other => missing(other),
    });
    let one_thing = TREATMENTS.map(|key| json!({ "required": [key] }));
    let rules = json!({
        "oneOf": one_thing,
        "anyOf": [{ "required": ["for"] }, { "required": ["count"] }],
        "dependentRequired": { "share": ["delay"], "as": ["corrupt"] },
    });
    with(keys, rules)
}

fn raw() -> Value {
    let keys = object(&RAW_KEYS, &[], |key| match key {
        "text" => text(MAX_RAW),
        "set" => one_of(RAW_SETS.map(|(word, _)| word)),
        "times" => count(MAX_COPIES),
        other => missing(other),
    });
    let one = json!({
        "oneOf": [{ "required": ["text"] }, { "required": ["set"] }],
        "dependentRequired": { "times": ["text"] },
    });
    json!({ "anyOf": [text(MAX_RAW), with(keys, one)] })
}
