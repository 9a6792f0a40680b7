use std::{collections::BTreeMap, fs};

use super::secrets::{LEAST, Secrets};
use crate::scenario::{Part, PeerVariable, Secret, Template, is_scheme, is_secret_name};

/// A text as it is sent, but for what is each peer's own.
#[derive(Clone)]
pub(super) struct Text(Vec<Piece>);

#[derive(Clone)]
enum Piece {
    Plain(String),
    Peer(PeerVariable),
    Column(String),
}

/// What a peer's variables stand for.
#[derive(Default)]
pub(super) struct Values<'a> {
    pub peer: usize,
    pub user: &'a str,
    pub room: &'a str,
    pub run: &'a str,
    /// Its row of credentials.
    pub row: Option<&'a BTreeMap<String, String>>,
    /// The token that was made for it.
    pub jwt: &'a str,
}

impl Text {
    /// With what variables of the environment and files hold; each of these is a secret from here on.
    ///
    /// # Errors
    /// In words: one of them is not there.
    pub fn resolve(of: &Secret, secrets: &mut Secrets) -> Result<Self, String> {
        match of {
            Secret::Literal(text) => {
                let template = Template::parse(text).map_err(|error| error.to_string())?;
                for part in &template.0 {
                    if let Part::Text(text) = part {
                        secrets.add_words(text);
                    }
                }
                Self::of(&template, secrets)
            }
            outside => Ok(Self(vec![Piece::Plain(read(outside, secrets)?)])),
        }
    }

    /// The same of what has that name, and is a secret if that is a secret's.
    ///
    /// # Errors
    /// Also: it is too short to be hidden.
    pub fn resolve_named(name: &str, of: &Secret, secrets: &mut Secrets) -> Result<Self, String> {
        let text = Self::resolve(of, secrets)?;
        if is_secret_name(name) {
            text.be_secret(secrets);
            if let [Piece::Plain(plain)] | [Piece::Plain(_), Piece::Plain(plain)] = &text.0[..] {
                long_enough(&format!("`{name}`"), without_scheme(plain).len())?;
            }
        }
        Ok(text)
    }

    /// What of it is the same for every peer is a secret from here on, but for the name of a scheme.
    pub fn be_secret(&self, secrets: &mut Secrets) {
        for piece in &self.0 {
            if let Piece::Plain(text) = piece {
                let secret = without_scheme(text);
                secrets.add(&secret);
                secret.split(' ').for_each(|word| secrets.add(word));
            }
        }
    }

    pub fn of(template: &Template, secrets: &mut Secrets) -> Result<Self, String> {
        let pieces = template.0.iter().map(|part| {
            Ok(match part {
                Part::Text(text) => Piece::Plain(text.clone()),
                Part::Peer(variable) => Piece::Peer(*variable),
                Part::Column(name) => Piece::Column(name.clone()),
                Part::Environment(name) => Piece::Plain(read(&Secret::Variable(name.clone()), secrets)?),
                Part::File(path) => Piece::Plain(read(&Secret::File(path.clone()), secrets)?),
            })
        });
        pieces.collect::<Result<_, String>>().map(Self)
    }

    /// The columns that it needs.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// For one peer.
    pub fn fill(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(plain) => text += plain,
                Piece::Peer(PeerVariable::Peer) => text += &values.peer.to_string(),
                Piece::Peer(PeerVariable::User) => text += values.user,
                Piece::Peer(PeerVariable::Room) => text += values.room,
                Piece::Peer(PeerVariable::Run) => text += values.run,
                Piece::Peer(PeerVariable::Jwt) => text += values.jwt,
                Piece::Column(name) => {
                    text += values
                        .row
                        .and_then(|row| row.get(name))
                        .map_or("", String::as_str);
                }
            }
        }
        text
    }
}

/// The words but for the names of schemes.
fn without_scheme(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_scheme(word)).collect();
    words.join(" ")
}

/// Whether a secret of that length can be hidden in what a server says again.
///
/// # Errors
/// In words: it can't, for words would be.
pub(super) fn long_enough(what: &str, length: usize) -> Result<(), String> {
    if length >= LEAST {
        return Ok(());
    }
    Err(format!(
        "{what} is a secret of {length} characters, and so short a one cannot be hidden in what a server says again\n  help: use one of {LEAST} characters or more"
    ))
}

/// What is kept outside of the scenario.
pub(super) fn read(secret: &Secret, secrets: &mut Secrets) -> Result<String, String> {
    let text = match secret {
        Secret::Literal(text) => text.clone(),
        Secret::Variable(name) => std::env::var(name).map_err(|_| {
            format!("a secret is missing\n  help: put it into the variable {name} of the environment")
        })?,
        Secret::File(path) => {
            let text =
                fs::read_to_string(path).map_err(|error| format!("a secret is missing: {path}: {error}"))?;
            // Editors and `echo` end a file with a line's end that is no part of it.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            text.strip_suffix('\r').unwrap_or(text).to_owned()
        }
    };
    if text.is_empty() {
        return Err(format!("a secret is empty: {secret}"));
    }
    secrets.add(&text);
    Ok(text)
}
