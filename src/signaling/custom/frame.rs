//! What is sent: JSON with variables in it, and text around it.

use std::fmt::Write;

use serde_json::{Number, Value};

use super::text::{Known, Lookup, Text, Variable};
use crate::signaling::Member;

/// A frame as it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A value of JSON behind a text: Socket.IO's `42["message", {}]`.
    Json {
        /// What stands before it.
        prefix: Text,
        /// The value.
        json: Json,
    },
    /// A text as it is: `2`.
    Text(Text),
}

/// A value of JSON with variables in it. The order of keys is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    /// A string; where all of it is one variable, whatever that is.
    Text(Text),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
    /// The same for each member whom the client is connected to.
    EachPresent(Box<Json>),
}

/// Fills frames in.
pub trait Filler: Lookup {
    /// The members whom the client is connected to.
    fn present(&self) -> &[Member];
}

/// One of these members, and all else.
struct OfMember<'a> {
    all: &'a dyn Filler,
    member: &'a Member,
}

impl Lookup for OfMember<'_> {
    fn get(&self, variable: &Variable) -> Known<'_> {
        match variable {
            Variable::MemberId => Known::Text(self.member.user_id.as_str().into()),
            Variable::MemberName => Known::Text(self.member.name.as_str().into()),
            other => self.all.get(other),
        }
    }
}

impl Filler for OfMember<'_> {
    fn present(&self) -> &[Member] {
        &[]
    }
}

impl Frame {
    /// The frame as it is sent.
    pub fn fill(&self, values: &dyn Filler) -> String {
        match self {
            Self::Json { prefix, json } => {
                let mut text = prefix.fill(values);
                if !json.write(values, &mut text) {
                    text.push_str("null");
                }
                text
            }
            Self::Text(text) => text.fill(values),
        }
    }

    /// Every text in it.
    pub fn texts(&self) -> Vec<&Text> {
        let mut all = Vec::new();
        match self {
            Self::Json { prefix, json } => {
                all.push(prefix);
                json.texts(&mut all);
            }
            Self::Text(text) => all.push(text),
        }
        all
    }
}

impl Json {
    /// `false`: it is left out.
    fn write(&self, values: &dyn Filler, into: &mut String) -> bool {
        match self {
            Self::Null => into.push_str("null"),
            Self::Bool(value) => into.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => {
                let _ = write!(into, "{number}");
            }
            Self::Text(text) => return write_text(text, values, into),
            Self::List(items) => write_list(items.iter().map(|item| (item, values)), into),
            Self::EachPresent(item) => {
                let members: Vec<OfMember<'_>> = values
                    .present()
                    .iter()
                    .map(|member| OfMember { all: values, member })
                    .collect();
                let each = members.iter().map(|of| (item.as_ref(), of as &dyn Filler));
                write_list(each, into);
            }
            Self::Map(entries) => {
                into.push('{');
                let empty = into.len();
                for (key, value) in entries {
                    let before = into.len();
                    if before > empty {
                        into.push(',');
                    }
                    push_string(key, into);
                    into.push(':');
                    if !value.write(values, into) {
                        into.truncate(before);
                    }
                }
                into.push('}');
            }
        }
        true
    }

    fn texts<'t>(&'t self, into: &mut Vec<&'t Text>) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::Text(text) => into.push(text),
            Self::List(items) => items.iter().for_each(|item| item.texts(into)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.texts(into)),
            Self::EachPresent(item) => item.texts(into),
        }
    }
}

fn write_list<'j>(items: impl Iterator<Item = (&'j Json, &'j dyn Filler)>, into: &mut String) {
    into.push('[');
    let empty = into.len();
    for (item, values) in items {
        let before = into.len();
        if before > empty {
            into.push(',');
        }
        if !item.write(values, into) {
            into.truncate(before);
        }
    }
    into.push(']');
}

fn write_text(text: &Text, values: &dyn Filler, into: &mut String) -> bool {
    let Some((variable, optional)) = text.single() else {
        push_string(&text.fill(values), into);
        return true;
    };
    match values.get(variable) {
        Known::Text(text) => push_string(&text, into),
        Known::Number(number) => {
            let _ = write!(into, "{number}");
        }
        Known::Json(value) => {
            let _ = write!(into, "{value}");
        }
        Known::Nothing if optional => return false,
        Known::Nothing => into.push_str("null"),
    }
    true
}

fn push_string(text: &str, into: &mut String) {
    let _ = write!(into, "{}", Value::from(text));
}
