//! Credentials of STUN and TURN servers that somebody gives out: `fetch` of an ICE server.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    access::{any_name, bad_value, named, token_name},
    fields::Reader,
    secret::{Secret, read_secret},
    secrets::url_without_secrets,
    target::MAX_URL,
    template::Template,
    tree::{Entry, Value},
};
use crate::base::show_duration;

/// The keys of `fetch` written long.
pub(super) const ICE_FETCH_KEYS: [&str; 6] = ["url", "method", "headers", "query", "body", "within"];
/// How can be asked.
pub(super) const FETCH_METHODS: [(&str, FetchMethod); 2] =
    [("GET", FetchMethod::Get), ("POST", FetchMethod::Post)];
/// How long an answer may take if nothing is said.
const WITHIN: Duration = Duration::from_secs(5);

/// Headers that are the request's own.
const OWN_HEADERS: [&str; 6] = [
    "host",
    "connection",
    "upgrade",
    "user-agent",
    "content-length",
    "transfer-encoding",
];

/// Whom a peer asks for its STUN and TURN servers, or for credentials of those that are named.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IceFetch {
    /// `http://` or `https://`.
    #[serde(serialize_with = "shown")]
    pub url: String,
    /// How.
    #[serde(skip)]
    pub method: FetchMethod,
    /// Headers of the request, by name.
    #[serde(skip)]
    pub headers: Vec<(String, Secret)>,
    /// Parameters behind those of the URL, by name.
    #[serde(skip)]
    pub query: Vec<(String, Secret)>,
    /// What is posted.
    #[serde(skip)]
    pub body: Option<Secret>,
    /// How long the answer may take, the connection included.
    #[serde(skip)]
    pub within: Duration,
}

/// The method of a request (RFC 9110, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

/// A query may hold a secret.
impl fmt::Debug for IceFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceFetch({:?})", url_without_secrets(&self.url))
    }
}

fn shown<S: serde::Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&url_without_secrets(url))
}

/// A URL, or a map.
pub(super) fn read_fetch(reader: &mut Reader<'_>, entry: &Entry) -> Option<IceFetch> {
    if let Value::Scalar(_) = entry.value.value {
        return Some(IceFetch {
            url: read_url(reader, entry)?,
            method: FetchMethod::Get,
            headers: Vec::new(),
            query: Vec::new(),
            body: None,
            within: WITHIN,
        });
    }
    let wants = "a URL like `https://rtc.example.org/turn`, or a map like `{url: 'https://…', method: POST}`";
    let mut fields = reader.map(&entry.value, "`fetch`", wants)?;
    let url = fields.need(
        reader,
        "url",
        entry.key_span,
        "url: 'https://rtc.example.org/turn'",
    );
    let url = url.and_then(|entry| read_url(reader, entry));
    let method = fields.take("method");
    let method_read = method.map_or(Some(None), |entry| reader.choice(entry, &FETCH_METHODS).map(Some));
    let headers = named(reader, fields.take("headers"), header_name, |text| {
        bad_value(text, "")
    });
    let query = named(reader, fields.take("query"), any_name, |_| None);
    let body = fields.take("body");
    let body_read = body.map(|entry| read_secret(reader, entry, |_| None));
    let within = fields.take("within");
    let within = within.map_or(Some(WITHIN), |entry| reader.positive_duration(entry));
    fields.finish(reader, &ICE_FETCH_KEYS);
    let method_read = method_read?;
    if let Some(body) = body.filter(|_| method_read == Some(FetchMethod::Get)) {
        reader.mistake_help(
            body.key_span,
            "`body` beside `method: GET`",
            "leave out either: with a body the method is POST",
        );
        return None;
    }
    let implied = match body.is_some() {
        true => FetchMethod::Post,
        false => FetchMethod::Get,
    };
    Some(IceFetch {
        url: url?,
        method: method_read.unwrap_or(implied),
        headers: headers?,
        query: query?,
        body: super::read::all(body_read)?,
        within: within?,
    })
}

fn read_url(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let url = reader.text(entry, MAX_URL)?;
    if host_of(&url).is_some() && !url.contains('#') && url.chars().all(|c| c.is_ascii_graphic()) {
        return Some(url);
    }
    let shown = url_without_secrets(&url);
    let message = format!("`{shown}` is no URL that can be asked for ICE servers");
    let help = "`http://` or `https://`, like `https://rtc.example.org/turn`; what differs from peer to peer stands in `query`, `headers` or `body`";
    reader.mistake_help(entry.value.span, message, help);
    None
}

fn header_name(name: &str) -> Result<(), String> {
    token_name(name)?;
    match OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        true => Err("it is the request's own".to_owned()),
        false => Ok(()),
    }
}

/// The host of an `http://` or `https://` URL, without brackets.
fn host_of(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (matches!(scheme, "http" | "https") && !host.is_empty()).then_some(host)
}

impl IceFetch {
    /// Who is asked.
    pub fn host(&self) -> &str {
        host_of(&self.url).unwrap_or_default()
    }

    /// Every text that is filled in for each peer.
    pub(super) fn templates(&self) -> impl Iterator<Item = Template> {
        let pairs = [&self.headers, &self.query].into_iter().flatten();
        let texts = pairs.map(|(_, secret)| secret).chain(&self.body);
        texts.filter_map(|secret| match secret {
            Secret::Literal(text) => Template::parse(text).ok(),
            _ => None,
        })
    }

    /// The same without what nobody has to see.
    pub(super) fn without_secrets(&self) -> Self {
        let pairs = |pairs: &[(String, Secret)]| {
            let hidden = pairs.iter().map(|(name, secret)| (name.clone(), secret.hidden()));
            hidden.collect()
        };
        Self {
            url: url_without_secrets(&self.url),
            headers: pairs(&self.headers),
            query: pairs(&self.query),
            body: self.body.as_ref().map(Secret::hidden),
            ..self.clone()
        }
    }

    /// As the language writes it, long.
    pub(super) fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> String {
        let mut parts = vec![format!("url: {}", quoted(&self.url))];
        let word = FETCH_METHODS.iter().find(|(_, method)| *method == self.method);
        parts.push(format!("method: {}", word.map_or("", |(word, _)| word)));
        for (key, pairs) in [("headers", &self.headers), ("query", &self.query)] {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), value.to_yaml(quoted)))
                .collect();
            if !pairs.is_empty() {
                parts.push(format!("{key}: {{ {} }}", pairs.join(", ")));
            }
        }
        parts.extend(
            self.body
                .iter()
                .map(|body| format!("body: {}", body.to_yaml(quoted))),
        );
        if self.within != WITHIN {
            parts.push(format!("within: {}", show_duration(self.within)));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_is_asked_for_permission() {
        for (url, host) in [
            ("https://rtc.example.org/turn?key=a@b", Some("rtc.example.org")),
            ("http://me:word@10.0.0.7:80", Some("10.0.0.7")),
            ("https://[::1]:8443/", Some("::1")),
            ("ftp://rtc.example.org/", None),
            ("https:///turn", None),
            ("rtc.example.org/turn", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
