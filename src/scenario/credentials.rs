//! Tokens: a row of a file for each peer, and JSON Web Tokens that are made for it.

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    access::MAX_PATH,
    fields::Reader,
    secret::{Secret, read_secret},
    template::{Part, PeerVariable, Template},
    tree::{Entry, Node, Value},
};
use crate::base::show_duration;

/// The keys of `jwt`.
pub(super) const JWT_KEYS: [&str; 5] = ["algorithm", "key", "key_id", "claims", "ttl"];
/// How a token can be signed (RFC 7518, section 3.1).
pub(super) const JWT_ALGORITHMS: [(&str, JwtAlgorithm); 3] = [
    ("HS256", JwtAlgorithm::Hs256),
    ("RS256", JwtAlgorithm::Rs256),
    ("ES256", JwtAlgorithm::Es256),
];
/// How long a token is valid if nothing is said.
const TTL: Duration = Duration::from_secs(3_600);
/// The longest text of a claim.
const MAX_CLAIM: usize = 4_000;

/// A file with a row for each peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `.csv` with names in its first row, or `.jsonl` with an object a line.
    pub file: String,
}

/// How a JSON Web Token (RFC 7519) is made for each peer, when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// How it is signed.
    pub algorithm: JwtAlgorithm,
    /// HS256: the secret itself; RS256 and ES256: a private key in PEM (PKCS #8).
    pub key: Secret,
    /// `kid` of its header.
    pub key_id: Option<String>,
    /// What it says; `iat` and `exp` are added where they are not said.
    pub claims: Vec<(String, Claim)>,
    /// From `iat` to `exp`.
    pub ttl: Duration,
}

/// A JSON Web Algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

/// A value in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A text, filled in for each peer.
    Text(Template),
    /// A number, `true`, `false` or `null`.
    Plain(Json),
    /// A list.
    List(Vec<Claim>),
    /// An object.
    Map(Vec<(String, Claim)>),
}

pub(super) fn read_credentials(reader: &mut Reader<'_>, entry: &Entry) -> Option<Credentials> {
    let file = reader.text(entry, MAX_PATH)?;
    if [".csv", ".jsonl", ".ndjson"]
        .iter()
        .any(|end| file.ends_with(end))
    {
        return Some(Credentials { file });
    }
    let message = format!("`{file}` is no file of credentials");
    let help =
        "a `.csv` with names in its first row, or a `.jsonl` with an object a line: one row for each peer";
    reader.mistake_help(entry.value.span, message, help);
    None
}

pub(super) fn read_jwt(reader: &mut Reader<'_>, entry: &Entry) -> Option<Jwt> {
    let wants = "a map like `{algorithm: HS256, key: {env: JWT_KEY}, claims: {sub: '${user}'}}`";
    let mut fields = reader.map(&entry.value, "`jwt`", wants)?;
    let algorithm = fields.need(reader, "algorithm", entry.key_span, "algorithm: HS256");
    let algorithm = algorithm.and_then(|entry| reader.choice(entry, &JWT_ALGORITHMS));
    let key = fields.need(reader, "key", entry.key_span, "key: {env: JWT_KEY}");
    let key = key.and_then(|entry| read_secret(reader, entry, |_| None));
    let key_id = fields.take("key_id");
    let key_id = key_id.map(|entry| reader.text(entry, MAX_CLAIM));
    let claims = fields.take("claims");
    let claims = claims.map_or(Some(Vec::new()), |entry| match &entry.value.value {
        Value::Map(entries) => read_claims(reader, entries),
        _ => {
            reader.wrong_kind(
                &entry.value,
                "`claims`",
                "a map like `{sub: '${user}', room: '${room}'}`",
            );
            None
        }
    });
    let ttl = fields.take("ttl");
    let ttl = ttl.map_or(Some(TTL), |entry| reader.positive_duration(entry));
    fields.finish(reader, &JWT_KEYS);
    Some(Jwt {
        algorithm: algorithm?,
        key: key?,
        key_id: super::read::all(key_id)?,
        claims: claims?,
        ttl: ttl?,
    })
}

fn read_claims(reader: &mut Reader<'_>, entries: &[Entry]) -> Option<Vec<(String, Claim)>> {
    let read: Vec<Option<(String, Claim)>> = entries
        .iter()
        .map(|entry| Some((entry.key.clone(), read_claim(reader, &entry.value)?)))
        .collect();
    read.into_iter().collect()
}

fn read_claim(reader: &mut Reader<'_>, node: &Node) -> Option<Claim> {
    match &node.value {
        Value::Null => Some(Claim::Plain(Json::Null)),
        Value::Broken => None,
        Value::Seq(items) => {
            let items: Vec<Option<Claim>> = items.iter().map(|item| read_claim(reader, item)).collect();
            items.into_iter().collect::<Option<_>>().map(Claim::List)
        }
        Value::Map(entries) => read_claims(reader, entries).map(Claim::Map),
        Value::Scalar(text) if text.len() > MAX_CLAIM => {
            reader.mistake(node.span, format!("a claim is longer than {MAX_CLAIM} bytes"));
            None
        }
        Value::Scalar(text) => {
            if let Ok(plain @ (Json::Bool(_) | Json::Number(_))) = serde_json::from_str(text) {
                return Some(Claim::Plain(plain));
            }
            match Template::parse(text) {
                Ok(template) if template.0.contains(&Part::Peer(PeerVariable::Jwt)) => {
                    reader.mistake(node.span, "a token can't hold itself");
                    None
                }
                Ok(template) => Some(Claim::Text(template)),
                Err(error) => {
                    reader.mistake_help(node.span, error.to_string(), error.help());
                    None
                }
            }
        }
    }
}

impl Jwt {
    /// Every text in its claims.
    pub fn templates(&self) -> Vec<Template> {
        let mut all = Vec::new();
        self.claims.iter().for_each(|(_, claim)| claim.collect(&mut all));
        all
    }

    pub(super) fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> String {
        let word = JWT_ALGORITHMS
            .iter()
            .find(|(_, algorithm)| *algorithm == self.algorithm);
        let mut parts = vec![
            format!("algorithm: {}", word.map_or("", |(word, _)| word)),
            format!("key: {}", self.key.to_yaml(quoted)),
        ];
        parts.extend(self.key_id.iter().map(|id| format!("key_id: {}", quoted(id))));
        if !self.claims.is_empty() {
            parts.push(format!("claims: {}", map_to_yaml(&self.claims, quoted)));
        }
        if self.ttl != TTL {
            parts.push(format!("ttl: {}", show_duration(self.ttl)));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}

fn map_to_yaml(claims: &[(String, Claim)], quoted: impl Fn(&str) -> String + Copy) -> String {
    let all: Vec<String> = claims
        .iter()
        .map(|(name, claim)| format!("{}: {}", quoted(name), claim.to_yaml(quoted)))
        .collect();
    match all.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", all.join(", ")),
    }
}

impl Claim {
    fn collect(&self, into: &mut Vec<Template>) {
        match self {
            Self::Text(template) => into.push(template.clone()),
            Self::Plain(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect(into)),
            Self::Map(entries) => entries.iter().for_each(|(_, item)| item.collect(into)),
        }
    }

    fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> String {
        match self {
            Self::Text(template) => quoted(&template.to_string()),
            Self::Plain(plain) => plain.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.to_yaml(quoted)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => map_to_yaml(entries, quoted),
        }
    }
}
