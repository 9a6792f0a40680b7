//! A description as the language writes it.

use serde_json::Value;

use super::{Condition, Custom, Field, Frame, Json, Literal, Matcher, Says, Source, When};
use crate::base::show_duration;

/// What is longer stands on lines of its own.
const MAX_LINE: usize = 90;

/// A value of YAML, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// A word of the language, a number, a duration.
    Word(String),
    /// Any text: quoted unless it can't be taken for something else.
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// On one line.
    pub fn line(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), value.line()))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// On lines of its own, each with how deep it stands.
    pub fn lines(&self, depth: usize) -> Vec<(usize, String)> {
        let put = |lines: &mut Vec<(usize, String)>, head: String, value: &Self| {
            let line = value.line();
            let is_short = depth + head.len() + line.len() < MAX_LINE;
            if is_short || matches!(value, Self::Word(_) | Self::Text(_)) {
                lines.push((depth, format!("{head} {line}")));
            } else {
                lines.push((depth, head));
                lines.extend(value.lines(depth + 1));
            }
        };
        let mut lines = Vec::new();
        match self {
            Self::List(items) if !items.is_empty() => {
                items
                    .iter()
                    .for_each(|item| put(&mut lines, "-".to_owned(), item));
            }
            Self::Map(entries) if !entries.is_empty() => entries
                .iter()
                .for_each(|(key, value)| put(&mut lines, format!("{}:", quoted(key)), value)),
            other => lines.push((depth, other.line())),
        }
        lines
    }
}

/// A text that nothing else can be meant by, or one in double quotes as JSON has it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    match is_plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

fn text(text: impl ToString) -> Tree {
    Tree::Text(text.to_string())
}

fn map<'k>(entries: impl IntoIterator<Item = Option<(&'k str, Tree)>>) -> Tree {
    let entries = entries.into_iter().flatten();
    Tree::Map(entries.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A list, or nothing where there is nothing in it.
fn some(key: &str, tree: Tree) -> Option<(&str, Tree)> {
    let is_empty = match &tree {
        Tree::List(items) => items.is_empty(),
        Tree::Map(entries) => entries.is_empty(),
        Tree::Word(_) | Tree::Text(_) => false,
    };
    (!is_empty).then_some((key, tree))
}

impl Custom {
    /// The description as it is written under `custom`.
    pub fn tree(&self) -> Tree {
        let connect = map([
            self.connect.path.as_ref().map(|path| ("path", text(path))),
            some(
                "query",
                Tree::Map(
                    self.connect
                        .query
                        .iter()
                        .map(|(name, value)| (name.clone(), text(value)))
                        .collect(),
                ),
            ),
            self.connect
                .subprotocol
                .as_ref()
                .map(|name| ("subprotocol", text(name))),
        ]);
        let send = When::ALL
            .iter()
            .map(|(key, when)| Some((*key, frames(self.send.get(*when)?))));
        map([
            self.name.as_ref().map(|name| ("name", text(name))),
            self.about.as_ref().map(|about| ("about", text(about))),
            some("connect", connect),
            some("send", map(send)),
            some(
                "receive",
                Tree::List(self.receive.iter().map(Matcher::tree).collect()),
            ),
            self.keepalive.as_ref().map(|(every, frame)| {
                let every = Tree::Word(show_duration(*every));
                (
                    "keepalive",
                    map([Some(("every", every)), Some(("send", frame.tree()))]),
                )
            }),
            self.settles_within
                .map(|within| ("settles_within", Tree::Word(show_duration(within)))),
        ])
    }
}

fn frames(frames: &[Frame]) -> Tree {
    match frames {
        [one] => one.tree(),
        all => Tree::List(all.iter().map(Frame::tree).collect()),
    }
}

impl Frame {
    fn tree(&self) -> Tree {
        match self {
            Self::Text(text) => self::text(text),
            Self::Json { prefix, json } if prefix.0.is_empty() && matches!(json, Json::Map(_)) => json.tree(),
            Self::Json { prefix, json } => map([
                (!prefix.0.is_empty()).then(|| ("$prefix", text(prefix))),
                Some(("$json", json.tree())),
            ]),
        }
    }
}

impl Json {
    fn tree(&self) -> Tree {
        match self {
            Self::Null => Tree::Word("null".to_owned()),
            Self::Bool(value) => Tree::Word(value.to_string()),
            Self::Number(number) => Tree::Word(number.to_string()),
            Self::Text(text) => self::text(text),
            Self::List(items) => Tree::List(items.iter().map(Self::tree).collect()),
            Self::Map(entries) => {
                let key = |key: &str| match key.starts_with('$') {
                    true => format!("${key}"),
                    false => key.to_owned(),
                };
                Tree::Map(
                    entries
                        .iter()
                        .map(|(name, value)| (key(name), value.tree()))
                        .collect(),
                )
            }
            Self::EachPresent(item) => map([Some(("$each_present", item.tree()))]),
        }
    }
}

impl Matcher {
    fn tree(&self) -> Tree {
        let when = self
            .when
            .iter()
            .map(|(place, condition)| (place.to_string(), condition.tree()));
        let fields = Field::ALL.iter().map(|(key, field)| {
            let tree = match self.source(*field)? {
                Source::At(place) => text(place),
                Source::Is(is) => text(is),
                Source::Members(of) => map([
                    Some(("list", text(&of.list))),
                    Some(("id", text(&of.id))),
                    of.name.as_ref().map(|name| ("name", text(name))),
                ]),
            };
            Some((*key, tree))
        });
        let save = self.save.iter().map(|(name, place)| (name.clone(), text(place)));
        let first = [
            Some(("as", Tree::Word(Says::kind(self.says).word.to_owned()))),
            (!self.prefix.is_empty()).then(|| ("prefix", text(&self.prefix))),
            self.text.as_ref().map(|whole| ("text", text(whole))),
            some("when", Tree::Map(when.collect())),
        ];
        let last = [
            some("save", Tree::Map(save.collect())),
            (!self.reply.is_empty()).then(|| ("reply", frames(&self.reply))),
        ];
        map(first.into_iter().chain(fields).chain(last))
    }
}

impl Condition {
    fn tree(&self) -> Tree {
        let list = |literals: &[Literal]| match literals {
            [one] => one.tree(),
            all => Tree::List(all.iter().map(Literal::tree).collect()),
        };
        if self.not.is_empty() && self.exists.is_none() {
            return list(&self.is);
        }
        map([
            (!self.is.is_empty()).then(|| ("is", list(&self.is))),
            (!self.not.is_empty()).then(|| ("not", list(&self.not))),
            self.exists
                .map(|exists| ("exists", Tree::Word(exists.to_string()))),
        ])
    }
}

impl Literal {
    fn tree(&self) -> Tree {
        match self {
            Self::Null => Tree::Word("null".to_owned()),
            Self::Bool(value) => Tree::Word(value.to_string()),
            Self::Number(number) => Tree::Word(number.to_string()),
            Self::Text(text) => self::text(text),
        }
    }
}
