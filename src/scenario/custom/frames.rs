//! Frames that are sent, and the texts in them.

use super::{
    super::{
        diagnostic::did_you_mean,
        fields::Reader,
        tree::{Entry, Node, Value},
    },
    MAX_TEXT, is_quoted,
};
use crate::signaling::custom::{Frame, Json, Text, TextError, VARIABLES, Variable, When};

/// The keys of a frame with text around its JSON.
const AROUND_KEYS: [&str; 2] = ["$prefix", "$json"];
/// The key of what is said of each member whom a client is connected to.
const EACH_PRESENT: &str = "$each_present";
/// The most frames that are sent at once.
const MAX_FRAMES: usize = 32;

/// Where a text stands: what has a value there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Connect,
    Send(When),
    Keepalive,
    Reply,
    Condition,
    Field,
}

impl Place {
    fn knows(self, variable: &Variable) -> bool {
        use Variable as V;
        match self {
            Self::Send(when) => when.knows(variable),
            Self::Connect => matches!(variable, V::Room | V::User),
            Self::Keepalive => matches!(variable, V::Room | V::User | V::Name | V::Saved(_)),
            Self::Reply => matches!(
                variable,
                V::Room | V::User | V::Name | V::N | V::Saved(_) | V::Frame(_)
            ),
            Self::Condition => matches!(variable, V::Room | V::User | V::Name | V::Saved(_)),
            Self::Field => matches!(variable, V::Room | V::User | V::Saved(_)),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Send(when) => {
                let word = When::ALL.iter().find(|(_, other)| *other == when);
                word.map_or("send", |(word, _)| word)
            }
            Self::Keepalive => "keepalive",
            Self::Reply => "reply",
            Self::Condition => "when",
            Self::Field => "a field",
        }
    }
}

/// One frame, or a list of them.
pub(super) fn read_frames(
    reader: &mut Reader<'_>,
    node: &Node,
    key: &str,
    place: Place,
) -> Option<Vec<Frame>> {
    let Value::Seq(items) = &node.value else {
        return Some(vec![read_frame(reader, node, key, place)?]);
    };
    if items.is_empty() || items.len() > MAX_FRAMES {
        let message = format!("`{key}` has {} frames", items.len());
        let help = format!("1 to {MAX_FRAMES}; a frame that is itself a list is written `{{$json: [...]}}`");
        reader.mistake_help(node.span, message, help);
        return None;
    }
    let frames: Vec<_> = items
        .iter()
        .map(|item| read_frame(reader, item, key, place))
        .collect();
    frames.into_iter().collect()
}

/// A map is JSON, and a single value a text.
pub(super) fn read_frame(reader: &mut Reader<'_>, node: &Node, key: &str, place: Place) -> Option<Frame> {
    match &node.value {
        Value::Map(entries)
            if entries
                .iter()
                .any(|entry| AROUND_KEYS.contains(&entry.key.as_str())) =>
        {
            let mut fields = reader.map(node, "a frame", "a map")?;
            let prefix = fields.take("$prefix").map_or(Some(Text::default()), |entry| {
                read_text(reader, &entry.value, "`$prefix`", place)
            });
            let json = fields.need(
                reader,
                "$json",
                node.span,
                "{$prefix: '42', $json: [message, {}]}",
            );
            let json = json.and_then(|entry| read_json(reader, &entry.value, place));
            fields.finish(reader, &AROUND_KEYS);
            Some(Frame::Json {
                prefix: prefix?,
                json: json?,
            })
        }
        Value::Map(_) => Some(Frame::Json {
            prefix: Text::default(),
            json: read_json(reader, node, place)?,
        }),
        Value::Scalar(_) => read_text(reader, node, &format!("`{key}`"), place).map(Frame::Text),
        _ => {
            let wants = "a map (JSON), a text, or `{$prefix: '42', $json: [...]}`";
            reader.wrong_kind(node, &format!("a frame of `{key}`"), wants);
            None
        }
    }
}

fn read_json(reader: &mut Reader<'_>, node: &Node, place: Place) -> Option<Json> {
    match &node.value {
        Value::Null => Some(Json::Null),
        Value::Broken => None,
        Value::Scalar(text) => {
            if !is_quoted(reader, node) {
                match text.as_str() {
                    "true" => return Some(Json::Bool(true)),
                    "false" => return Some(Json::Bool(false)),
                    _ => {}
                }
                if let Ok(number) = serde_json::from_str(text) {
                    return Some(Json::Number(number));
                }
            }
            read_text(reader, node, "a text", place).map(Json::Text)
        }
        Value::Seq(items) => {
            let items: Vec<_> = items.iter().map(|item| read_json(reader, item, place)).collect();
            items.into_iter().collect::<Option<_>>().map(Json::List)
        }
        Value::Map(entries) => match entries.as_slice() {
            [one] if one.key == EACH_PRESENT => {
                let item = read_json(reader, &one.value, place)?;
                Some(Json::EachPresent(Box::new(item)))
            }
            entries => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        let key = read_key(reader, entry);
                        Some((key?, read_json(reader, &entry.value, place)?))
                    })
                    .collect();
                entries.into_iter().collect::<Option<_>>().map(Json::Map)
            }
        },
    }
}

/// What begins with `$` is the language's own.
fn read_key(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let Some(rest) = entry.key.strip_prefix('$') else {
        return Some(entry.key.clone());
    };
    if rest.starts_with('$') {
        return Some(rest.to_owned());
    }
    let known = ["$prefix", "$json", EACH_PRESENT];
    let help = match known.contains(&entry.key.as_str()) {
        true => {
            "`$prefix` and `$json` are a whole frame's, and `$each_present` is alone in its map".to_owned()
        }
        false => format!(
            "{}; a key that begins with `$` is written `$${rest}`",
            did_you_mean(&entry.key, &known)
        ),
    };
    reader.mistake_help(entry.key_span, format!("`{}` is no key here", entry.key), help);
    None
}

/// A text with variables.
pub(super) fn read_text(reader: &mut Reader<'_>, node: &Node, what: &str, place: Place) -> Option<Text> {
    let text = reader.scalar(node, what, "a text")?;
    if text.chars().count() > MAX_TEXT {
        reader.mistake(node.span, format!("{what} is longer than {MAX_TEXT} characters"));
        return None;
    }
    let text = match Text::parse(text) {
        Ok(text) => text,
        Err(error) => {
            reader.mistake_help(node.span, error.to_string(), help(&error, place));
            return None;
        }
    };
    let strange = text.variables().find(|variable| !place.knows(variable));
    if let Some(variable) = strange {
        let message = format!("`${{{variable}}}` has no value in `{}`", place.word());
        reader.mistake_help(
            node.span,
            message,
            format!("known here: {}", known(place).join(", ")),
        );
        return None;
    }
    Some(text)
}

fn known(place: Place) -> Vec<&'static str> {
    let words = VARIABLES.iter().filter(|(_, variable)| place.knows(variable));
    words.map(|(word, _)| *word).collect()
}

fn help(error: &TextError, place: Place) -> String {
    match error {
        TextError::Open => "a `$` of its own is written `$$`".to_owned(),
        TextError::Unknown(name) => format!(
            "{}; also `saved.NAME`, and in `reply` a JSON pointer like `/id`",
            did_you_mean(name, &known(place))
        ),
        TextError::Optional(_) => {
            "`?` leaves out a value that is one variable and nothing else; without `?` it is an empty text here"
                .to_owned()
        }
    }
}
