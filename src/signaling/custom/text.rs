//! Texts with what differs from frame to frame in them: `tab-${user}`.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::Pointer;

/// What begins the name of something that was kept of an earlier frame.
const SAVED: &str = "saved.";

/// What differs, by its name in `${…}`.
pub const VARIABLES: [(&str, Variable); 15] = [
    ("room", Variable::Room),
    ("user", Variable::User),
    ("name", Variable::Name),
    ("remote", Variable::Remote),
    ("sdp", Variable::Sdp),
    ("candidate", Variable::Candidate),
    ("sdpMid", Variable::SdpMid),
    ("sdpMLineIndex", Variable::SdpMLineIndex),
    ("usernameFragment", Variable::UsernameFragment),
    ("token", Variable::Token),
    ("capacity", Variable::Capacity),
    ("memberId", Variable::MemberId),
    ("memberName", Variable::MemberName),
    ("unixMs", Variable::UnixMs),
    ("n", Variable::N),
];

/// What differs from frame to frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The room's id.
    Room,
    /// The client's own id: the one that it has chosen, or the one that the server has given it.
    User,
    /// The name that it joins under.
    Name,
    /// The id of the member that it is for.
    Remote,
    /// The description's SDP.
    Sdp,
    /// The candidate attribute.
    Candidate,
    /// The candidate's `sdpMid`, if it has one.
    SdpMid,
    /// Its `sdpMLineIndex`, if it has one: a number.
    SdpMLineIndex,
    /// Its `usernameFragment`, if it has one.
    UsernameFragment,
    /// What the server has given the membership that is to be taken over, if there is one.
    Token,
    /// How many members the room is for: a number.
    Capacity,
    /// The id of one of the members whom the client is connected to.
    MemberId,
    /// Its name.
    MemberName,
    /// Milliseconds since 1970-01-01 UTC: a number.
    UnixMs,
    /// A number that counts frames on a socket, from 1: the same in all of one frame.
    N,
    /// What was kept of an earlier frame under that name.
    Saved(String),
    /// A value of the frame that is answered.
    Frame(Pointer),
}

/// What a variable is at the moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Known<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A number.
    Number(u64),
    /// Any value of JSON.
    Json(Cow<'a, Value>),
    /// There is none.
    Nothing,
}

/// Looks variables up.
pub trait Lookup {
    /// What it is at the moment.
    fn get(&self, variable: &Variable) -> Known<'_>;
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Vec<Part>);

/// A part of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// `${room}`; `${token?}`: where it is all of the text and has no value, the text is left out.
    Variable {
        /// Which.
        variable: Variable,
        /// `?`.
        optional: bool,
    },
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// `${` without its end.
    #[error("`${{` without `}}`")]
    Open,
    /// No variable has that name.
    #[error("unknown variable `${{{0}}}`")]
    Unknown(String),
    /// `${token?}` beside something else.
    #[error("`${{{0}?}}` beside something else")]
    Optional(String),
}

impl Text {
    /// Reads `${…}`; `$$` is a `$`, and so is one before anything else.
    ///
    /// # Errors
    /// A variable has no end, nobody knows it, or it can't be left out.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain += &rest[..at];
            rest = &rest[at + 1..];
            let Some(inside) = rest.strip_prefix('{') else {
                plain.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
                continue;
            };
            let end = inside.find('}').ok_or(TextError::Open)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(variable(&inside[..end])?);
            rest = &inside[end + 1..];
        }
        plain += rest;
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        let optional = parts.iter().find_map(|part| match part {
            Part::Variable {
                variable,
                optional: true,
            } => Some(variable),
            _ => None,
        });
        match optional {
            Some(variable) if parts.len() > 1 => Err(TextError::Optional(variable.to_string())),
            _ => Ok(Self(parts)),
        }
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable { variable, .. } => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text, if nothing in it differs.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variable that is all of it, and whether it is left out where it has no value.
    pub fn single(&self) -> Option<(&Variable, bool)> {
        match self.0.as_slice() {
            [Part::Variable { variable, optional }] => Some((variable, *optional)),
            _ => None,
        }
    }

    /// Everything put in, as text. What has no value is nothing.
    pub fn fill(&self, values: &dyn Lookup) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Cow::Borrowed(text.as_str()),
            Part::Variable { variable, .. } => match values.get(variable) {
                Known::Text(text) => text,
                Known::Number(number) => number.to_string().into(),
                Known::Json(value) => match value.as_ref() {
                    Value::String(text) => text.clone().into(),
                    other => other.to_string().into(),
                },
                Known::Nothing => "".into(),
            },
        });
        parts.collect()
    }
}

/// As it is written.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('$', "$$")),
            Part::Variable { variable, optional } => {
                write!(f, "${{{variable}{}}}", if *optional { "?" } else { "" })
            }
        })
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saved(name) => write!(f, "{SAVED}{name}"),
            Self::Frame(pointer) => pointer.fmt(f),
            known => {
                let word = VARIABLES.iter().find(|(_, variable)| variable == known);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    }
}

fn variable(text: &str) -> Result<Part, TextError> {
    let (name, optional) = match text.strip_suffix('?') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let unknown = || TextError::Unknown(name.to_owned());
    let variable = match name {
        saved if saved.strip_prefix(SAVED).is_some_and(|name| !name.is_empty()) => {
            Variable::Saved(saved[SAVED.len()..].to_owned())
        }
        pointer if pointer.starts_with('/') => {
            Variable::Frame(Pointer::parse(pointer).map_err(|_| unknown())?)
        }
        name => {
            let known = VARIABLES.iter().find(|(word, _)| *word == name);
            known.ok_or_else(unknown)?.1.clone()
        }
    };
    Ok(Part::Variable { variable, optional })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_and_written_again() {
        for text in [
            "",
            "plain",
            "tab-${user}",
            "${token?}",
            "a$$b ${saved.sid} ${/transaction}",
            "${n}${unixMs}",
        ] {
            let read = Text::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.to_string(), text);
        }
        assert_eq!(
            Text::parse("a$b").map(|text| text.to_string()),
            Ok("a$$b".to_owned())
        );
    }

    #[test]
    fn what_is_no_variable_is_told() {
        for (text, error) in [
            ("${user", TextError::Open),
            ("${usr}", TextError::Unknown("usr".to_owned())),
            ("${saved.}", TextError::Unknown("saved.".to_owned())),
            ("${/a~2}", TextError::Unknown("/a~2".to_owned())),
            ("a ${token?}", TextError::Optional("token".to_owned())),
        ] {
            assert_eq!(Text::parse(text), Err(error), "{text}");
        }
    }
}
