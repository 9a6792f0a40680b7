use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    base::PeerId,
    scenario::{IceAccount, IceServer},
};

/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";
/// A shorter one is a part of words: hiding it would hide everything.
pub(super) const LEAST: usize = 4;
/// A shorter word of a text in a scenario is the name of a scheme, not a secret.
const LEAST_WORD: usize = 8;
/// Of credentials that were fetched, the latest so many of a peer's are known: the earlier ones have ended.
const MAX_LENT: usize = 32;
/// How the text of a JSON Web Token begins: `{"` in base64.
const JWT_BEGIN: &str = "eyJ";

/// Columns of a row, by name.
pub(super) type Row = BTreeMap<String, String>;

/// What was read from variables and files, or is written in a scenario: servers may say it again in what they answer.
#[derive(Clone, Default)]
pub struct Secrets {
    known: Vec<String>,
    /// Each peer's own.
    rows: Arc<Vec<Row>>,
    /// What each peer was given while the run went on.
    lent: Arc<Mutex<BTreeMap<PeerId, VecDeque<String>>>>,
}

impl Secrets {
    /// One more, and what it looks like in a URL and in `Authorization: Basic`.
    pub(super) fn add(&mut self, secret: &str) {
        for form in forms(secret) {
            if form.len() >= LEAST && !self.known.contains(&form) {
                self.known.push(form);
            }
        }
        // Of two that begin in the same way, the longer is hidden as a whole.
        self.known.sort_by_key(|known| std::cmp::Reverse(known.len()));
    }

    /// The words of a text that look like secrets.
    pub(super) fn add_words(&mut self, text: &str) {
        for word in text.split_whitespace().filter(|word| word.len() >= LEAST_WORD) {
            self.add(word);
        }
    }

    pub(super) fn with_rows(mut self, rows: Arc<Vec<Row>>) -> Self {
        self.rows = rows;
        self
    }

    /// That peer was given credentials of these servers. A user name that is a word is none.
    pub(in crate::net) fn lend(&self, peer: PeerId, servers: &[IceServer]) {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let own = lent.entry(peer).or_default();
        for server in servers {
            let IceAccount::LongTerm { username, credential } = &server.account else {
                continue;
            };
            let name = Some(username).filter(|name| name.len() >= LEAST_WORD);
            for form in forms(credential)
                .into_iter()
                .chain(name.into_iter().flat_map(|name| forms(name)))
            {
                if form.len() >= LEAST && !own.contains(&form) {
                    own.push_back(form);
                }
            }
        }
        own.drain(..own.len().saturating_sub(MAX_LENT));
    }

    /// That peer's row of credentials.
    pub(super) fn row(&self, peer: PeerId) -> Option<&Row> {
        self.rows.get(peer.index())
    }

    /// The text without any of them, nor those of that peer, nor any JSON Web Token.
    pub fn hide<'t>(&self, peer: Option<PeerId>, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        let row = peer.and_then(|peer| self.rows.get(peer.index()));
        let lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = peer
            .and_then(|peer| lent.get(&peer))
            .into_iter()
            .flatten()
            .cloned();
        let own: Vec<String> = row
            .into_iter()
            .flat_map(|row| row.values().flat_map(|value| forms(value)))
            .filter(|form| form.len() >= LEAST)
            .chain(lent)
            .collect();
        for secret in self.known.iter().chain(&own) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret, HIDDEN).into();
            }
        }
        // A text that was cut off may end in the middle of one.
        let begun = |secret: &String| {
            let ends = secret.char_indices().map(|(at, _)| at).filter(|at| *at >= LEAST);
            ends.filter(|end| text.ends_with(&secret[..*end])).max()
        };
        if let Some(cut) = self.known.iter().chain(&own).filter_map(begun).max() {
            text = format!("{}{HIDDEN}", &text[..text.len() - cut]).into();
        }
        match text.contains(JWT_BEGIN) {
            true => without_tokens(&text).into(),
            false => text,
        }
    }
}

fn forms(secret: &str) -> [String; 3] {
    [
        secret.to_owned(),
        super::handshake::encoded(secret),
        STANDARD.encode(secret),
    ]
}

fn without_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(JWT_BEGIN) {
        clean += &rest[..at];
        clean += HIDDEN;
        let in_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let token = &rest[at..];
        rest = &token[token.find(|c| !in_token(c)).unwrap_or(token.len())..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms_and_words_stay() {
        let mut secrets = Secrets::default();
        secrets.add("to ken");
        secrets.add("to ken and more");
        secrets.add("a");
        secrets.add_words("Bearer abcdefgh");
        let said = "a bad one: to ken and more, to ken, to%20ken, dG8ga2Vu, Bearer abcdefgh";
        assert_eq!(
            secrets.hide(None, said),
            "a bad one: [hidden], [hidden], [hidden], [hidden], Bearer [hidden]"
        );
        assert_eq!(Secrets::default().hide(None, said), said);
    }

    #[test]
    fn a_row_is_its_peers_secret_and_a_token_is_everybodys() {
        let row = |token: &str| Row::from([("token".to_owned(), token.to_owned())]);
        let secrets = Secrets::default().with_rows(Arc::new(vec![row("alpha"), row("beta1")]));
        let said = "alpha beta1 eyJhbGciOi.e30.x-_y, eyJ";
        assert_eq!(
            secrets.hide(Some(PeerId(1)), said),
            "alpha [hidden] [hidden], [hidden]"
        );
        secrets.lend(
            PeerId(1),
            &[IceServer {
                urls: Vec::new(),
                account: IceAccount::LongTerm {
                    username: "1795473642:ann".to_owned(),
                    credential: "rhW49yt2+/".to_owned(),
                },
            }],
        );
        let said = "no 1795473642%3Aann with rhW49yt2+/";
        assert_eq!(secrets.hide(Some(PeerId(1)), said), "no [hidden] with [hidden]");
        assert_eq!(secrets.hide(Some(PeerId(0)), said), said);
        assert_eq!(
            secrets.hide(Some(PeerId(1)), "cut off: beta"),
            "cut off: [hidden]"
        );
    }
}
