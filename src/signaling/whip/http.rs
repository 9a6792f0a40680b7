//! Messages of HTTP/1.1 (RFC 9112) as text: what a frame is where HTTP carries a protocol.

use std::fmt::Write;

/// The header that names a request, and is in the response to it again.
const EXCHANGE: &str = "Exchange";
/// Between the head of a message and its body.
const BLANK_LINE: &str = "\r\n\r\n";
/// Of a body that says why, so many characters are told.
const MAX_TOLD: usize = 200;

/// A request. Whoever carries it adds what is not the protocol's: `Host`, `Content-Length`, credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub method: &'static str,
    /// A reference to its URL (RFC 3986, 4.1), relative to the target's; empty: the target's own.
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Request {
    /// As a frame of the exchange of that number.
    pub fn text(&self, number: u64) -> String {
        let mut text = format!(
            "{} {} HTTP/1.1\r\n{EXCHANGE}: {number}\r\n",
            self.method, self.url
        );
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n" + &self.body
    }
}

/// The method, the URL, the number and the body of a request that somebody has written.
pub(super) fn request_parts(frame: &str) -> Option<(&str, &str, u64, &str)> {
    let (head, body) = frame.split_once(BLANK_LINE)?;
    let mut lines = head.split("\r\n");
    let (method, rest) = lines.next()?.split_once(' ')?;
    let (url, _) = rest.rsplit_once(' ')?;
    let number = lines.find_map(|line| line.strip_prefix(EXCHANGE)?.strip_prefix(": ")?.parse().ok());
    Some((method, url, number.unwrap_or(0), body))
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub status: u16,
    /// The reason phrase, which may be empty.
    phrase: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    pub body: &'a str,
}

impl<'a> Response<'a> {
    /// `None`: it is none.
    pub fn read(frame: &'a str) -> Option<Self> {
        let (head, body) = frame.split_once(BLANK_LINE)?;
        let mut lines = head.split("\r\n");
        let (version, rest) = lines.next()?.split_once(' ')?;
        let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_status = status.len() == 3 && status.bytes().all(|digit| digit.is_ascii_digit());
        if !version.starts_with("HTTP/") || !is_status {
            return None;
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            status: status.parse().ok()?,
            phrase: phrase.trim(),
            headers: headers.map(|(name, value)| (name, value.trim())).collect(),
            body,
        })
    }

    /// The values of the header fields of that name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let of = self.headers.iter();
        of.filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The first of them that says anything.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).find(|value| !value.is_empty())
    }

    /// Which request it answers, if that is known.
    pub fn number(&self) -> Option<u64> {
        self.header(EXCHANGE)?.parse().ok()
    }

    /// What it says of itself: the first line of its body, or the phrase, and when to come again.
    pub fn why(&self) -> String {
        let line = self.body.lines().map(str::trim).find(|line| !line.is_empty());
        let mut why: String = line.unwrap_or(self.phrase).chars().take(MAX_TOLD).collect();
        if let Some(after) = self.header("retry-after") {
            let _ = write!(why, " (Retry-After: {after})");
        }
        why
    }
}

/// `reference` as it stands in an answer from `base`, itself a URL or a reference to one: what that is relative to,
/// the result is (RFC 3986, 5.2, but for the dots in paths).
pub(super) fn resolve(base: &str, reference: &str) -> String {
    let base = base.split('#').next().unwrap_or_default();
    if reference.is_empty() {
        return base.to_owned();
    }
    if scheme_length(reference).is_some() {
        return reference.to_owned();
    }
    let scheme = scheme_length(base).unwrap_or(0);
    if reference.starts_with("//") {
        return format!("{}{reference}", &base[..scheme]);
    }
    let authority = match base[scheme..].strip_prefix("//") {
        Some(rest) => scheme + 2 + rest.find(['/', '?']).unwrap_or(rest.len()),
        None => scheme,
    };
    let path = authority + base[authority..].find('?').unwrap_or(base.len() - authority);
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..authority]);
    }
    if reference.starts_with(['?', '#']) {
        return format!("{}{reference}", &base[..path]);
    }
    match base[authority..path].rfind('/') {
        Some(slash) => format!("{}{reference}", &base[..authority + slash + 1]),
        None if authority > 0 => format!("{}/{reference}", &base[..authority]),
        None => reference.to_owned(),
    }
}

/// Of a URL: its scheme with the colon.
fn scheme_length(url: &str) -> Option<usize> {
    let colon = url.find([':', '/', '?', '#'])?;
    let scheme = &url.as_bytes()[..colon];
    let is_scheme = url[colon..].starts_with(':')
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    is_scheme.then_some(colon + 1)
}

/// One value of a `Link` header field (RFC 8288): where it leads, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub target: String,
    parameters: Vec<(String, String)>,
}

impl Link {
    /// All of one field; what is behind the first that is none is left out.
    pub fn read_all(field: &str) -> Vec<Self> {
        let mut links = Vec::new();
        let mut rest = field;
        while let Some((link, after)) = Self::read(rest) {
            links.push(link);
            rest = after;
        }
        links
    }

    fn read(text: &str) -> Option<(Self, &str)> {
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let (target, mut rest) = text.strip_prefix('<')?.split_once('>')?;
        let mut parameters = Vec::new();
        while let Some(parameter) = rest.trim_start().strip_prefix(';') {
            let end = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
            let name = parameter[..end].trim().to_ascii_lowercase();
            rest = &parameter[end..];
            let mut value = String::new();
            if let Some(after) = rest.strip_prefix('=') {
                (value, rest) = parameter_value(after.trim_start());
            }
            parameters.push((name, value));
        }
        let target = target.trim().to_owned();
        Some((Self { target, parameters }, rest))
    }

    /// The value of a parameter; of several the first holds.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it has that relation.
    pub fn is_a(&self, relation: &str) -> bool {
        let relations = self.parameter("rel").unwrap_or_default();
        relations
            .split_whitespace()
            .any(|one| one.eq_ignore_ascii_case(relation))
    }
}

/// A token or a quoted string (RFC 9110, 5.6.4), and what is behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            c if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_and_says_why() {
        let text = "HTTP/1.1 409 Conflict\r\nretry-after: 5\r\nEmpty:\r\n\r\n\n not live \nmore";
        let response = Response::read(text).expect("it is one");
        assert_eq!(
            (response.status, response.why().as_str()),
            (409, "not live (Retry-After: 5)")
        );
        assert_eq!(response.header("Retry-After"), Some("5"));
        assert_eq!(response.header("empty"), None);
        let bare = Response::read("HTTP/1.1 503\r\n\r\n").expect("without a phrase");
        assert_eq!((bare.status, bare.why().as_str()), (503, ""));
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "200 OK\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(Response::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_location_is_relative_to_where_it_comes_from() {
        for (base, reference, expected) in [
            ("", "resource/7", "resource/7"),
            ("", "/resource/7", "/resource/7"),
            ("endpoint/7", "", "endpoint/7"),
            ("endpoint/7", "8", "endpoint/8"),
            ("endpoint/7?a=/b", "8", "endpoint/8"),
            ("endpoint/7?a", "?b", "endpoint/7?b"),
            ("endpoint", "8:9", "8:9"),
            ("/whip/7", "8", "/whip/8"),
            ("https://a.org/whip/7?x", "8", "https://a.org/whip/8"),
            ("https://a.org/whip/7", "/r/8", "https://a.org/r/8"),
            ("https://a.org", "r/8", "https://a.org/r/8"),
            ("https://a.org?x", "r/8", "https://a.org/r/8"),
            ("https://a.org/whip", "//b.org/8", "https://b.org/8"),
            ("https://a.org/whip", "http://b.org/8", "http://b.org/8"),
            ("whip", "//b.org/8", "//b.org/8"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} {reference}");
        }
    }

    #[test]
    fn links_are_taken_apart_by_their_quotes() {
        let field = r#"<turn:a:3478?transport=udp>; rel="x ice-server"; username="u,;\"1"; credential=p , <b>;flag;rel=next"#;
        let links = Link::read_all(field);
        assert_eq!(links.len(), 2);
        assert_eq!(links[0].target, "turn:a:3478?transport=udp");
        assert!(links[0].is_a("ice-server") && !links[1].is_a("ice-server"));
        assert_eq!(links[0].parameter("username"), Some("u,;\"1"));
        assert_eq!(links[0].parameter("credential"), Some("p"));
        assert_eq!(links[1].parameter("flag"), Some(""));
        for broken in ["", "<", "<a", "a>", "<a>;rel=\"x", "<a>;;;=", ","] {
            assert!(Link::read_all(broken).iter().all(|link| !link.is_a("ice-server")));
        }
    }
}
