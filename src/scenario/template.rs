//! Texts with variables in them: `Bearer ${env:TOKEN}`, `${user}@example.org`.

use super::{diagnostic::did_you_mean, secret::is_variable};

/// What differs from peer to peer, by its name in `${…}`.
pub(super) const PEER_VARIABLES: [(&str, PeerVariable); 5] = [
    ("peer", PeerVariable::Peer),
    ("user", PeerVariable::User),
    ("room", PeerVariable::Room),
    ("run", PeerVariable::Run),
    ("jwt", PeerVariable::Jwt),
];
/// What begins the name of a column of `credentials`.
const COLUMN: &str = "credentials.";
const ENVIRONMENT: &str = "env:";
const FILE: &str = "file:";

/// What differs from peer to peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerVariable {
    /// The peer's number in the run, from 0.
    Peer,
    /// Its user id on the wire.
    User,
    /// Its room's id on the wire.
    Room,
    /// The run's id.
    Run,
    /// A token that is minted for it.
    Jwt,
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub Vec<Part>);

/// A part of a [`Template`].
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// Each peer's own.
    Peer(PeerVariable),
    /// That column of the peer's row of `credentials`.
    Column(String),
    /// What a variable of the environment holds.
    Environment(String),
    /// What is in a file.
    File(String),
}

/// As it is written in a scenario.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('$', "$$")),
            Part::Peer(variable) => {
                let word = PEER_VARIABLES.iter().find(|(_, other)| other == variable);
                write!(f, "${{{}}}", word.map_or("", |(word, _)| word))
            }
            Part::Column(name) => write!(f, "${{{COLUMN}{name}}}"),
            Part::Environment(name) => write!(f, "${{{ENVIRONMENT}{name}}}"),
            Part::File(path) => write!(f, "${{{FILE}{path}}}"),
        })
    }
}

/// A text may be a secret's.
impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("text"),
            Self::Peer(variable) => write!(f, "{variable:?}"),
            Self::Column(name) => write!(f, "column {name}"),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without its end.
    #[error("`${{` without `}}`")]
    Open,
    /// No variable has that name.
    #[error("unknown variable `${{{0}}}`")]
    Unknown(String),
}

impl TemplateError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Open => "a `$` of its own is written `$$`".to_owned(),
            Self::Unknown(name) => {
                let words = PEER_VARIABLES.map(|(word, _)| word);
                format!(
                    "{}; also `env:NAME`, `file:PATH`, `credentials.COLUMN`",
                    did_you_mean(name, &words)
                )
            }
        }
    }
}

impl Template {
    /// Reads `${…}`; `$$` is a `$`, and so is one before anything else.
    ///
    /// # Errors
    /// A variable has no end, or nobody knows it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
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
            let end = inside.find('}').ok_or(TemplateError::Open)?;
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
        Ok(Self(parts))
    }

    /// The same with that for all that is no variable.
    pub(super) fn with_texts(&self, text: &str) -> Self {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(_) => Part::Text(text.to_owned()),
            other => other.clone(),
        });
        Self(parts.collect())
    }
}

fn variable(name: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::Unknown(name.to_owned());
    if let Some(of) = name.strip_prefix(ENVIRONMENT) {
        return match is_variable(of) {
            true => Ok(Part::Environment(of.to_owned())),
            false => Err(unknown()),
        };
    }
    let named = |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    if let Some(path) = named(FILE) {
        return Ok(Part::File(path.to_owned()));
    }
    if let Some(column) = named(COLUMN) {
        return Ok(Part::Column(column.to_owned()));
    }
    let known = PEER_VARIABLES.iter().find(|(word, _)| *word == name);
    known
        .map(|(_, variable)| Part::Peer(*variable))
        .ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_and_dollars_stay() {
        let text = |text: &str| Part::Text(text.to_owned());
        for (given, expected) in [
            ("plain", vec![text("plain")]),
            ("a$b $$ $${x}", vec![text("a$b $ ${x}")]),
            (
                "Bearer ${env:TOKEN}!",
                vec![text("Bearer "), Part::Environment("TOKEN".to_owned()), text("!")],
            ),
            (
                "${user}${room}",
                vec![Part::Peer(PeerVariable::User), Part::Peer(PeerVariable::Room)],
            ),
            ("${credentials.token}", vec![Part::Column("token".to_owned())]),
            (
                "${file:/run/secrets/a}",
                vec![Part::File("/run/secrets/a".to_owned())],
            ),
            ("", vec![]),
        ] {
            assert_eq!(Template::parse(given), Ok(Template(expected)), "{given}");
        }
    }

    #[test]
    fn what_is_no_variable_is_told_with_what_was_meant() {
        assert_eq!(Template::parse("a ${user"), Err(TemplateError::Open));
        for name in ["usr", "env:1", "env:", "credentials.", ""] {
            let error = Template::parse(&format!("${{{name}}}")).expect_err("no variable");
            assert_eq!(error, TemplateError::Unknown(name.to_owned()));
        }
        let error = Template::parse("${usr}").expect_err("no variable");
        assert!(error.help().contains("did you mean `user`"), "{}", error.help());
    }
}
