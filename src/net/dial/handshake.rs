use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_tungstenite::tungstenite::{
    self,
    client::IntoClientRequest,
    error::ProtocolError,
    handshake::client::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header},
};

use super::{
    secrets::Secrets,
    texts::{Text, Values},
    tls::failure_of_io,
};
use crate::{
    base::{SignalingEnd, SignalingFailure},
    scenario::{Access, Secret, is_secret_name, url_without_secrets},
    signaling::Address,
};

/// What stays as it is in a query: RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name or value as it stands in a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// Values by name, but for what is each peer's own.
pub(super) fn texts(
    pairs: &[(String, Secret)],
    secrets: &mut Secrets,
) -> Result<Vec<(String, Text)>, String> {
    let resolved = pairs
        .iter()
        .map(|(name, secret)| Ok((name.clone(), Text::resolve_named(name, secret, secrets)?)));
    resolved.collect()
}

/// The same of cookies: what they say is a secret, whatever they are called.
pub(super) fn cookies(
    pairs: &[(String, Secret)],
    secrets: &mut Secrets,
) -> Result<Vec<(String, Text)>, String> {
    let texts = texts(pairs, secrets)?;
    texts.iter().for_each(|(_, text)| text.be_secret(secrets));
    Ok(texts)
}

/// The same by headers.
pub(super) fn header_texts(texts: Vec<(String, Text)>) -> Result<Vec<(HeaderName, Text)>, String> {
    let headers = texts.into_iter().map(|(name, text)| {
        let parsed = HeaderName::try_from(&name);
        Ok((
            parsed.map_err(|error| format!("the header `{name}`: {error}"))?,
            text,
        ))
    });
    headers.collect()
}

/// The URL's user information, as `Authorization` has it. It and what looks like a secret in the query are secrets from
/// here on.
pub(super) fn account(url: &Uri, secrets: &mut Secrets) -> Option<String> {
    for pair in url.query().into_iter().flat_map(|query| query.split('&')) {
        match pair.split_once('=') {
            Some((name, value)) if is_secret_name(name) => secrets.add(value),
            Some((_, value)) => secrets.add_words(value),
            None => secrets.add_words(pair),
        }
    }
    let (account, _) = url.authority()?.as_str().rsplit_once('@')?;
    let account = percent_decode_str(account).decode_utf8_lossy();
    if let Some((_, password)) = account.split_once(':') {
        secrets.add(password);
    }
    secrets.add(&account);
    Some(format!("Basic {}", STANDARD.encode(account.as_bytes())))
}

/// The opening handshake (RFC 6455, section 4.1), but for what is each peer's own.
pub(super) struct Opening {
    url: Uri,
    user_agent: String,
    /// The URL's user information, as `Authorization` has it.
    account: Option<String>,
    origin: Option<String>,
    headers: Vec<(HeaderName, Text)>,
    cookies: Vec<(String, Text)>,
    query: Vec<(String, Text)>,
    subprotocols: Vec<Text>,
}

impl Opening {
    /// To that URL. Whatever is read from outside is a secret from here on.
    ///
    /// # Errors
    /// In words: the URL is none, or something is not there.
    pub fn new(
        url: &Uri,
        access: &Access,
        user_agent: String,
        secrets: &mut Secrets,
    ) -> Result<Self, String> {
        let headers = header_texts(texts(&access.headers, secrets)?)?;
        let subprotocols = access.subprotocols.iter().map(|one| Text::resolve(one, secrets));
        let subprotocols = subprotocols.collect::<Result<_, String>>()?;
        let account = account(url, secrets);
        Ok(Self {
            url: url.clone(),
            user_agent,
            account,
            origin: access.origin.clone(),
            headers,
            cookies: cookies(&access.cookies, secrets)?,
            query: texts(&access.query, secrets)?,
            subprotocols,
        })
    }

    /// The columns of credentials that it needs.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(_, text)| text);
        let others = [&self.cookies, &self.query].into_iter().flatten();
        headers
            .chain(others.map(|(_, text)| text))
            .chain(&self.subprotocols)
            .flat_map(Text::columns)
    }

    /// The request of one peer.
    ///
    /// # Errors
    /// In words, without the value: something can't be sent.
    pub fn request(&self, values: &Values<'_>, address: &Address) -> Result<Request, String> {
        let path = path_with(self.url.path(), address.path.as_deref());
        let mut query: Vec<String> = self.url.query().map(str::to_owned).into_iter().collect();
        let pair = |name: &str, value: &str| format!("{}={}", encoded(name), encoded(value));
        query.extend(address.query.iter().map(|(name, value)| pair(name, value)));
        query.extend(
            self.query
                .iter()
                .map(|(name, text)| pair(name, &text.fill(values))),
        );
        let target = match query.is_empty() {
            true => path,
            false => format!("{path}?{}", query.join("&")),
        };
        let scheme = self.url.scheme_str().unwrap_or("ws");
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let mut request = format!("{scheme}://{host}{target}")
            .into_client_request()
            .map_err(|error| format!("the URL of the request: {error}"))?;
        let headers = request.headers_mut();
        self.introduce(headers)?;
        self.let_in(values, headers)?;
        // A user's choice is in place of the protocol's own.
        let mut subprotocols: Vec<String> = self.subprotocols.iter().map(|text| text.fill(values)).collect();
        if subprotocols.is_empty() {
            subprotocols.extend(address.subprotocol.as_deref().map(str::to_owned));
        }
        if !subprotocols.is_empty() {
            put(headers, header::SEC_WEBSOCKET_PROTOCOL, subprotocols.join(", "))?;
        }
        Ok(request)
    }

    /// What every request says, whomever it goes to: who asks.
    ///
    /// # Errors
    /// In words, without the value: something can't be sent.
    pub fn introduce(&self, headers: &mut HeaderMap) -> Result<(), String> {
        put(headers, header::USER_AGENT, self.user_agent.clone())?;
        match &self.origin {
            Some(origin) => put(headers, header::ORIGIN, origin.clone()),
            None => Ok(()),
        }
    }

    /// What lets a peer in, and is the target's alone.
    ///
    /// # Errors
    /// In words, without the value: something can't be sent.
    pub fn let_in(&self, values: &Values<'_>, headers: &mut HeaderMap) -> Result<(), String> {
        if let Some(account) = &self.account {
            put(headers, header::AUTHORIZATION, account.clone())?;
        }
        for (name, text) in &self.headers {
            put(headers, name.clone(), text.fill(values))?;
        }
        if self.cookies.is_empty() {
            return Ok(());
        }
        let cookies = self.cookies.iter();
        let all: Vec<String> = cookies
            .map(|(name, text)| format!("{name}={}", text.fill(values)))
            .collect();
        put(headers, header::COOKIE, all.join("; "))
    }

    /// The query of a request to the target that has `own` already: with what else the target's URL and the user say.
    pub fn query(&self, values: &Values<'_>, own: Option<&str>) -> String {
        let mut pairs: Vec<String> = own.into_iter().map(str::to_owned).collect();
        let names: Vec<&str> = own
            .into_iter()
            .flat_map(|own| own.split('&'))
            .map(name_of)
            .collect();
        let of_url = self.url.query().into_iter().flat_map(|query| query.split('&'));
        let of_user = self
            .query
            .iter()
            .map(|(name, text)| format!("{}={}", encoded(name), encoded(&text.fill(values))));
        let more = of_url.map(str::to_owned).chain(of_user);
        pairs.extend(more.filter(|pair| !names.contains(&name_of(pair))));
        pairs.join("&")
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) -> Result<(), String> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| format!("the header `{name}` has a value that can't be sent"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Of a pair in a query.
fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or(pair)
}

/// The path of a URL with the segments behind it that a protocol's clients add by themselves.
fn path_with(path: &str, more: Option<&str>) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let base = path.trim_end_matches('/');
    match more {
        Some(more) if base.ends_with(&format!("/{}", more.trim_end_matches('/'))) => path.to_owned(),
        Some(more) => format!("{base}/{more}"),
        None => path.to_owned(),
    }
}

/// Why the server has not let the peer in.
pub(super) fn refusal(error: tungstenite::Error) -> SignalingEnd {
    use tungstenite::Error;
    let (failure, why) = match &error {
        Error::Http(response) => (
            SignalingFailure::of_status(response.status().as_u16()),
            status_line(response),
        ),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => (
            SignalingFailure::ClosedAtOnce,
            "closed before the opening handshake was answered".to_owned(),
        ),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            (SignalingFailure::SubprotocolRefused, error.to_string())
        }
        Error::Io(io) => {
            let failure = match failure_of_io(io) {
                SignalingFailure::ConnectionLost => SignalingFailure::ClosedAtOnce,
                other => other,
            };
            (failure, io.to_string())
        }
        _ => (SignalingFailure::NotWebSocket, error.to_string()),
    };
    SignalingEnd::new(failure, why)
}

/// `302 Found, to https://login.example.org/`.
pub(super) fn status_line<B>(response: &Response<B>) -> String {
    let status = response.status();
    let location = response.headers().get(header::LOCATION);
    match location.and_then(|location| location.to_str().ok()) {
        Some(location) if status.is_redirection() => {
            let shown = location.split(['?', '#']).next().unwrap_or_default();
            format!("{status}, to {}", url_without_secrets(shown))
        }
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_adds_its_own_segments_once() {
        for (path, more, joined) in [
            ("", None, "/"),
            ("/ws/", None, "/ws/"),
            ("", Some("peerjs"), "/peerjs"),
            ("/", Some("peerjs"), "/peerjs"),
            ("/app/", Some("peerjs"), "/app/peerjs"),
            ("/app/peerjs", Some("peerjs"), "/app/peerjs"),
            ("/notpeerjs", Some("peerjs"), "/notpeerjs/peerjs"),
            ("", Some("socket.io/"), "/socket.io/"),
            ("/socket.io/", Some("socket.io/"), "/socket.io/"),
        ] {
            assert_eq!(path_with(path, more), joined, "{path} {more:?}");
        }
    }
}
