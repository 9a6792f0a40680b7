//! The description of a protocol: what is sent and what comes in (docs/PROTOCOLS.md).

mod check;
mod frames;
mod matchers;

use std::time::Duration;

use self::{
    check::check_whole,
    frames::{Place, read_frame, read_frames, read_text},
    matchers::read_matchers,
};
use super::{
    fields::{Fields, Reader},
    read::{MAX_ABOUT, MAX_NAME, all},
    tree::{Entry, Node, Value},
};
use crate::signaling::custom::{Connect, Custom, Frame, Send, When};

pub(super) use self::matchers::{CONDITION_KEYS, MATCHER_KEYS, MAX_MATCHERS, MEMBERS_KEYS};

/// The keys of a description.
pub(super) const CUSTOM_KEYS: [&str; 7] = [
    "name",
    "about",
    "connect",
    "send",
    "receive",
    "keepalive",
    "settles_within",
];
/// The keys of `connect`.
pub(super) const CONNECT_KEYS: [&str; 3] = ["path", "query", "subprotocol"];
/// The keys of `keepalive`.
pub(super) const KEEPALIVE_KEYS: [&str; 2] = ["every", "send"];
/// The keys of `send`.
pub(super) fn send_keys() -> Vec<&'static str> {
    When::ALL.iter().map(|(key, _)| *key).collect()
}

/// The longest text in a description.
pub(super) const MAX_TEXT: usize = 1_000;
/// How long a frame may be taken for under way, at most.
const MAX_SETTLES: Duration = Duration::from_secs(10);

/// Reads what is under `custom`.
pub(super) fn read_custom(reader: &mut Reader<'_>, entry: &Entry) -> Option<Custom> {
    let wants = "a map with `send` and `receive`: see docs/PROTOCOLS.md";
    let mut fields = reader.map(&entry.value, "the description of a protocol", wants)?;
    let at = entry.key_span;
    let name = fields.take("name").map(|entry| reader.text(entry, MAX_NAME));
    let about = fields.take("about").map(|entry| reader.text(entry, MAX_ABOUT));
    let connect = fields
        .take("connect")
        .map_or(Some(Connect::default()), |entry| read_connect(reader, entry));
    let send_entry = fields.need(reader, "send", at, "send: {join: {type: join, room: '${room}'}}");
    let send = send_entry.and_then(|entry| read_send(reader, entry));
    let example = "receive: [{when: {/type: joined}, as: welcome}]";
    let receive_entry = fields.need(reader, "receive", at, example);
    let receive = receive_entry.and_then(|entry| read_matchers(reader, entry));
    let keepalive = fields
        .take("keepalive")
        .map(|entry| read_keepalive(reader, entry));
    let settles = fields.take("settles_within");
    let settles_within = settles.map(|entry| read_settles(reader, entry));
    fields.finish(reader, &CUSTOM_KEYS);
    let custom = Custom {
        name: all(name)?,
        about: all(about)?,
        connect: connect?,
        send: send?,
        receive: receive?,
        keepalive: all(keepalive)?,
        settles_within: all(settles_within)?,
    };
    check_whole(reader, &custom, entry, send_entry?, receive_entry?, settles).then_some(custom)
}

fn read_connect(reader: &mut Reader<'_>, entry: &Entry) -> Option<Connect> {
    let mut fields = reader.map(&entry.value, "`connect`", "a map like `{path: socket.io/}`")?;
    let mut plain = |key: &str| {
        fields.take(key).map(|entry| {
            let text = reader.text(entry, MAX_TEXT)?;
            let sound = text.chars().all(|c| c.is_ascii_graphic() && !"?#".contains(c));
            if !sound {
                let message = format!("`{key}` holds a character that it can't");
                reader.mistake_help(
                    entry.value.span,
                    message,
                    "letters, digits, `-._/`; parameters go into `query`",
                );
            }
            sound.then_some(text)
        })
    };
    let path = plain("path");
    let subprotocol = plain("subprotocol");
    let query = fields.take("query").map_or(Some(Vec::new()), |entry| {
        let wants = "a map like `{transport: websocket}`";
        let Value::Map(entries) = &entry.value.value else {
            reader.wrong_kind(&entry.value, "`query`", wants);
            return None;
        };
        let pairs: Vec<_> = entries
            .iter()
            .map(|one| {
                let text = read_text(reader, &one.value, &format!("`{}`", one.key), Place::Connect)?;
                Some((one.key.clone(), text))
            })
            .collect();
        pairs.into_iter().collect()
    });
    fields.finish(reader, &CONNECT_KEYS);
    Some(Connect {
        path: all(path)?.map(|path| path.trim_start_matches('/').to_owned()),
        query: query?,
        subprotocol: all(subprotocol)?,
    })
}

fn read_send(reader: &mut Reader<'_>, entry: &Entry) -> Option<Send> {
    let wants = "a map like `{join: {type: join, room: '${room}'}}`";
    let mut fields: Fields<'_> = reader.map(&entry.value, "`send`", wants)?;
    let sent: Vec<Option<(When, Vec<Frame>)>> = When::ALL
        .iter()
        .filter_map(|(key, when)| Some((*when, fields.take(key)?)))
        .map(|(when, entry)| {
            Some((
                when,
                read_frames(reader, &entry.value, &entry.key, Place::Send(when))?,
            ))
        })
        .collect();
    fields.finish(reader, &send_keys());
    sent.into_iter().collect::<Option<_>>().map(Send)
}

fn read_keepalive(reader: &mut Reader<'_>, entry: &Entry) -> Option<(Duration, Frame)> {
    let example = "keepalive: {every: 25s, send: '2'}";
    let mut fields = reader.map(
        &entry.value,
        "`keepalive`",
        "a map like `{every: 25s, send: '2'}`",
    )?;
    let every = fields.need(reader, "every", entry.key_span, example);
    let every = every.and_then(|entry| reader.positive_duration(entry));
    let send = fields.need(reader, "send", entry.key_span, example);
    let send = send.and_then(|entry| read_frame(reader, &entry.value, "keepalive", Place::Keepalive));
    fields.finish(reader, &KEEPALIVE_KEYS);
    Some((every?, send?))
}

fn read_settles(reader: &mut Reader<'_>, entry: &Entry) -> Option<Duration> {
    let within = reader.positive_duration(entry)?;
    if within > MAX_SETTLES {
        reader.mistake_help(
            entry.value.span,
            "`settles_within` is longer than 10s",
            "every script and room ends so much later: for example `500ms`",
        );
        return None;
    }
    Some(within)
}

/// Whether a single value stands in quotes (or as a block): it is a text then, whatever it looks like.
fn is_quoted(reader: &Reader<'_>, node: &Node) -> bool {
    let text: &str = reader.sources.get(node.span.source).inner();
    let mut rest = &text[text.floor_char_boundary(node.span.start.min(text.len()))..];
    // An anchor stands before its value.
    if rest.starts_with('&') {
        rest = rest
            .find(char::is_whitespace)
            .map_or("", |at| rest[at..].trim_start());
    }
    rest.starts_with(['"', '\'', '|', '>'])
}
