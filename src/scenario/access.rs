//! What somebody's deployment lets a peer in by: TLS, headers, proxies, tokens.

use core::net::IpAddr;

use super::{
    credentials::{Credentials, Jwt, read_credentials, read_jwt},
    fields::{Fields, Reader},
    secret::{Secret, read_secret},
    source::Span,
    template::{Part, PeerVariable, Template},
    tree::{Entry, Node, Value},
};

/// The keys of `target` that say how it is reached.
pub(super) const ACCESS_KEYS: [&str; 11] = [
    "tls",
    "origin",
    "headers",
    "cookies",
    "query",
    "subprotocols",
    "proxy",
    "resolve",
    "contact",
    "credentials",
    "jwt",
];
/// The keys of `tls`.
pub(super) const TLS_KEYS: [&str; 4] = ["ca", "certificate", "key", "insecure"];
/// The most headers, cookies, parameters, subprotocols or pinned names.
pub(super) const MAX_ENTRIES: usize = 64;
/// The longest name of a header, cookie or parameter, and the longest contact.
pub(super) const MAX_WORD: usize = 200;
/// The longest path of a file.
pub(super) const MAX_PATH: usize = 4_000;

/// Headers that something else says, and what does.
const OWN_HEADERS: [(&str, &str); 12] = [
    ("origin", "say it with `origin`"),
    ("cookie", "say them with `cookies`"),
    ("sec-websocket-protocol", "say them with `subprotocols`"),
    (
        "user-agent",
        "it says what we are: add whom to ask with `contact`",
    ),
    (
        "host",
        "it is the URL's: with `resolve` any address can stand for its name",
    ),
    ("connection", "it is the handshake's"),
    ("upgrade", "it is the handshake's"),
    ("sec-websocket-key", "it is the handshake's"),
    ("sec-websocket-version", "it is the handshake's"),
    ("sec-websocket-extensions", "it is the handshake's"),
    ("content-length", "there is no body"),
    ("transfer-encoding", "there is no body"),
];

/// How a server is reached that was not started for the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Whom `wss://` is trusted by, and as whom the peers come.
    pub tls: TargetTls,
    /// The page that they come from (RFC 6454).
    pub origin: Option<String>,
    /// Headers of the opening handshake, by name.
    pub headers: Vec<(String, Secret)>,
    /// Cookies, by name (RFC 6265).
    pub cookies: Vec<(String, Secret)>,
    /// Parameters behind those of the URL, by name.
    pub query: Vec<(String, Secret)>,
    /// What the server may choose from (RFC 6455, section 11.3.4).
    pub subprotocols: Vec<Secret>,
    /// `http://` or `socks5://`, with a user's name and password if it wants them.
    pub proxy: Option<Secret>,
    /// Names that are not looked up.
    pub resolve: Vec<HostPin>,
    /// Whom to ask to stop, in the User-Agent.
    pub contact: Option<String>,
    /// A row for each peer.
    pub credentials: Option<Credentials>,
    /// How a token for each peer is made.
    pub jwt: Option<Jwt>,
}

/// TLS to the server. All are paths of files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetTls {
    /// Authorities that are trusted beside the system's.
    pub ca: Option<String>,
    /// The client's certificate, its own first.
    pub certificate: Option<String>,
    /// Its private key.
    pub key: Option<String>,
    /// Whoever answers is taken for the server.
    pub insecure: bool,
}

/// Where a name is (`host:port:address`, as curl has it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPin {
    /// The name.
    pub host: String,
    /// The port that it is of.
    pub port: u16,
    /// Where that is.
    pub address: IpAddr,
}

impl std::str::FromStr for HostPin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, rest) = text.split_once(':').ok_or(())?;
        let (port, address) = rest.split_once(':').ok_or(())?;
        let port: u16 = port.parse().map_err(|_| ())?;
        let address = address
            .strip_prefix('[')
            .map_or(address, |v6| v6.trim_end_matches(']'));
        let address = address.parse().map_err(|_| ())?;
        let plain = |c: char| c.is_ascii_graphic() && !"/@?#".contains(c);
        match !host.is_empty() && host.chars().all(plain) && port > 0 {
            true => Ok(Self {
                host: host.to_owned(),
                port,
                address,
            }),
            false => Err(()),
        }
    }
}

/// Takes the keys that are its own; `None` in the second place: something is wrong with them. The first are those
/// that are there.
pub(super) fn read_access<'n>(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'n>,
) -> (Vec<&'n Entry>, Option<Access>) {
    let mut there = Vec::new();
    let [
        tls,
        origin,
        headers,
        cookies,
        query,
        subprotocols,
        proxy,
        resolve,
        contact,
        credentials,
        jwt,
    ] = ACCESS_KEYS.map(|key| {
        let entry = fields.take(key);
        there.extend(entry);
        entry
    });
    let tls = tls.map_or(Some(TargetTls::default()), |entry| read_tls(reader, entry));
    let origin = origin.map(|entry| read_origin(reader, entry));
    let headers = named(reader, headers, header_name, |text| bad_value(text, ""));
    let cookies = named(reader, cookies, token_name, |text| bad_value(text, ";, \""));
    let query = named(reader, query, any_name, |_| None);
    let subprotocols = subprotocols.map_or(Some(Vec::new()), |entry| read_subprotocols(reader, entry));
    let proxy = proxy.map(|entry| read_secret(reader, entry, bad_proxy));
    let resolve = resolve.map_or(Some(Vec::new()), |entry| read_resolve(reader, entry));
    let contact = contact.map(|entry| read_contact(reader, entry));
    let credentials = credentials.map(|entry| read_credentials(reader, entry));
    let jwt = jwt.map(|entry| read_jwt(reader, entry));
    let access = || {
        Some(Access {
            tls: tls?,
            origin: super::read::all(origin)?,
            headers: headers?,
            cookies: cookies?,
            query: query?,
            subprotocols: subprotocols?,
            proxy: super::read::all(proxy)?,
            resolve: resolve?,
            contact: super::read::all(contact)?,
            credentials: super::read::all(credentials)?,
            jwt: super::read::all(jwt)?,
        })
    };
    (there, access())
}

fn read_tls(reader: &mut Reader<'_>, entry: &Entry) -> Option<TargetTls> {
    let wants = "a map like `{ca: ca.pem, certificate: me.pem, key: me.key}`";
    let mut fields = reader.map(&entry.value, "`tls`", wants)?;
    let [ca, certificate, key] = ["ca", "certificate", "key"].map(|key| fields.take(key));
    let insecure = fields.take("insecure");
    let insecure = insecure.map_or(Some(false), |entry| reader.flag(entry));
    let mut path = |entry: Option<&Entry>| entry.map(|entry| reader.text(entry, MAX_PATH));
    let (ca, chain, private) = (path(ca), path(certificate), path(key));
    fields.finish(reader, &TLS_KEYS);
    if chain.is_some() != private.is_some() {
        let (there, missing) = match chain.is_some() {
            true => (certificate, "key"),
            false => (key, "certificate"),
        };
        let at = there.map_or(entry.key_span, |entry| entry.key_span);
        let message = format!("a client certificate without its `{missing}`");
        reader.mistake_help(at, message, "both are files in PEM");
        return None;
    }
    Some(TargetTls {
        ca: super::read::all(ca)?,
        certificate: super::read::all(chain)?,
        key: super::read::all(private)?,
        insecure: insecure?,
    })
}

fn read_origin(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let origin = reader.text(entry, MAX_WORD)?;
    let sound = match origin.split_once("://") {
        Some((scheme, host)) => {
            let plain = |c: char| c.is_ascii_graphic() && !"/?#@".contains(c);
            !scheme.is_empty() && !host.is_empty() && host.chars().all(plain)
        }
        None => origin == "null",
    };
    if !sound {
        let message = format!("`{origin}` is no origin");
        let help = "a scheme, a host and a port if it is unusual, like `https://app.example.org`";
        reader.mistake_help(entry.value.span, message, help);
    }
    sound.then_some(origin)
}

/// A map of names to values.
pub(super) fn named(
    reader: &mut Reader<'_>,
    entry: Option<&Entry>,
    name: fn(&str) -> Result<(), String>,
    value: impl Fn(&str) -> Option<&'static str>,
) -> Option<Vec<(String, Secret)>> {
    let Some(entry) = entry else {
        return Some(Vec::new());
    };
    let what = format!("`{}`", entry.key);
    let wants = "a map of names to values, like `{Authorization: 'Bearer ${env:TOKEN}'}`";
    let Value::Map(entries) = &entry.value.value else {
        reader.wrong_kind(&entry.value, &what, wants);
        return None;
    };
    if entries.len() > MAX_ENTRIES {
        let message = format!(
            "{what} has {} entries: {MAX_ENTRIES} are the limit",
            entries.len()
        );
        reader.mistake(entry.value.span, message);
        return None;
    }
    let read: Vec<Option<(String, Secret)>> = entries
        .iter()
        .map(|one| {
            if let Err(help) = name(&one.key) {
                let message = format!("`{}` can't stand in {what}", one.key);
                reader.mistake_help(one.key_span, message, help);
                return None;
            }
            Some((one.key.clone(), read_secret(reader, one, &value)?))
        })
        .collect();
    read.into_iter().collect()
}

pub(super) fn any_name(name: &str) -> Result<(), String> {
    match !name.is_empty() && name.chars().count() <= MAX_WORD {
        true => Ok(()),
        false => Err(format!("a name has 1 to {MAX_WORD} characters")),
    }
}

/// A token (RFC 9110, section 5.6.2).
pub(super) fn token_name(name: &str) -> Result<(), String> {
    any_name(name)?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match name.chars().all(is_token) {
        true => Ok(()),
        false => Err("it has letters, digits and `-`, no spaces".to_owned()),
    }
}

fn header_name(name: &str) -> Result<(), String> {
    token_name(name)?;
    let lower = name.to_ascii_lowercase();
    match OWN_HEADERS.iter().find(|(own, _)| *own == lower) {
        Some((_, help)) => Err((*help).to_owned()),
        None => Ok(()),
    }
}

/// Of a header or cookie: what can't be written into a request.
pub(super) fn bad_value(text: &str, never: &str) -> Option<&'static str> {
    let sound = |c: char| (c.is_ascii_graphic() || c == ' ') && !never.contains(c);
    // The names of variables are not sent.
    match text.contains("${") || text.chars().all(sound) {
        true => None,
        false => Some("holds a character that can't be sent in it"),
    }
}

fn bad_proxy(text: &str) -> Option<&'static str> {
    let known = ["http://", "socks5://", "socks5h://"];
    match text.contains("${") || known.iter().any(|scheme| text.starts_with(scheme)) {
        true => None,
        false => Some("is the URL of no proxy: expected `http://host:port` or `socks5://host:port`"),
    }
}

/// A text, or a list of items.
fn listed<'n>(reader: &mut Reader<'_>, entry: &'n Entry, wants: &str) -> Option<Vec<&'n Node>> {
    let nodes: Vec<&Node> = match &entry.value.value {
        Value::Seq(items) => items.iter().collect(),
        Value::Scalar(_) | Value::Map(_) => vec![&entry.value],
        _ => {
            reader.wrong_kind(&entry.value, &format!("`{}`", entry.key), wants);
            return None;
        }
    };
    if nodes.is_empty() || nodes.len() > MAX_ENTRIES {
        let message = format!("`{}` needs 1 to {MAX_ENTRIES} entries", entry.key);
        reader.mistake_help(entry.value.span, message, wants);
        return None;
    }
    Some(nodes)
}

fn read_subprotocols(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Secret>> {
    let wants = "a name, or a list of them like `[chat, superchat]`";
    let nodes = listed(reader, entry, wants)?;
    let refused = |text: &str| match text.contains("${") || token_name(text).is_ok() {
        true => None,
        false => Some("is the name of no subprotocol: letters, digits and `-._`"),
    };
    let read: Vec<Option<Secret>> = nodes
        .into_iter()
        .map(|node| {
            let one = Entry {
                key: entry.key.clone(),
                key_span: entry.key_span,
                value: node.clone(),
            };
            read_secret(reader, &one, refused)
        })
        .collect();
    read.into_iter().collect()
}

fn read_resolve(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<HostPin>> {
    let wants = "`host:port:address`, or a list of them like `['rtc.example.org:443:10.0.0.7']`";
    let nodes = listed(reader, entry, wants)?;
    let read: Vec<Option<HostPin>> = nodes
        .into_iter()
        .map(|node| {
            let text = reader.scalar(node, "`resolve`", wants)?;
            let pin = text.parse().ok();
            if pin.is_none() {
                let message = format!("`{text}` does not say where a name is");
                let help = "expected `host:port:address`, like `rtc.example.org:443:10.0.0.7`";
                reader.mistake_help(node.span, message, help);
            }
            pin
        })
        .collect();
    read.into_iter().collect()
}

fn read_contact(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let contact = reader.text(entry, MAX_WORD)?;
    let sound = contact
        .chars()
        .all(|c| (c.is_ascii_graphic() || c == ' ') && !"()\\;".contains(c));
    if !sound {
        let message = "`contact` holds a character that a User-Agent can't";
        reader.mistake_help(entry.value.span, message, "for example `load-test@example.org`");
    }
    sound.then_some(contact)
}

impl Access {
    /// The same without what nobody has to see.
    pub(super) fn without_secrets(&self) -> Self {
        let pairs = |pairs: &[(String, Secret)]| {
            let hidden = pairs.iter().map(|(name, secret)| (name.clone(), secret.hidden()));
            hidden.collect()
        };
        let mut jwt = self.jwt.clone();
        if let Some(jwt) = &mut jwt {
            jwt.key = jwt.key.hidden();
        }
        Self {
            headers: pairs(&self.headers),
            cookies: pairs(&self.cookies),
            query: pairs(&self.query),
            subprotocols: self.subprotocols.iter().map(Secret::hidden).collect(),
            // It has to be one still.
            proxy: self.proxy.as_ref().map(|proxy| match proxy {
                Secret::Literal(url) => Secret::Literal(super::url_without_secrets(url)),
                other => other.clone(),
            }),
            jwt,
            ..self.clone()
        }
    }

    /// Its keys and values as the language writes them, on a line each.
    pub(super) fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> Vec<String> {
        let mut rows = Vec::new();
        let tls = &self.tls;
        let mut parts: Vec<String> = [
            ("ca", &tls.ca),
            ("certificate", &tls.certificate),
            ("key", &tls.key),
        ]
        .into_iter()
        .filter_map(|(key, path)| Some(format!("{key}: {}", quoted(path.as_ref()?))))
        .collect();
        if tls.insecure {
            parts.push("insecure: true".to_owned());
        }
        if !parts.is_empty() {
            rows.push(format!("tls: {{ {} }}", parts.join(", ")));
        }
        let one = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{key}: {}", quoted(value)))
        };
        rows.extend(one("origin", &self.origin));
        for (key, pairs) in [
            ("headers", &self.headers),
            ("cookies", &self.cookies),
            ("query", &self.query),
        ] {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), value.to_yaml(quoted)))
                .collect();
            if !pairs.is_empty() {
                rows.push(format!("{key}: {{ {} }}", pairs.join(", ")));
            }
        }
        if !self.subprotocols.is_empty() {
            let all: Vec<String> = self.subprotocols.iter().map(|one| one.to_yaml(quoted)).collect();
            rows.push(format!("subprotocols: [{}]", all.join(", ")));
        }
        rows.extend(
            self.proxy
                .iter()
                .map(|proxy| format!("proxy: {}", proxy.to_yaml(quoted))),
        );
        if !self.resolve.is_empty() {
            let pins: Vec<String> = self
                .resolve
                .iter()
                .map(|pin| quoted(&format!("{}:{}:{}", pin.host, pin.port, pin.address)))
                .collect();
            rows.push(format!("resolve: [{}]", pins.join(", ")));
        }
        rows.extend(one("contact", &self.contact));
        rows.extend(
            self.credentials
                .iter()
                .map(|of| format!("credentials: {}", quoted(&of.file))),
        );
        rows.extend(self.jwt.iter().map(|jwt| format!("jwt: {}", jwt.to_yaml(quoted))));
        rows
    }

    /// Every text that is filled in for each peer.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Secret> {
        let pairs = [&self.headers, &self.cookies, &self.query].into_iter().flatten();
        pairs.map(|(_, secret)| secret).chain(&self.subprotocols)
    }
}

/// Reports keys that say how to reach a server, where it is the one that is started for the run.
pub(super) fn check_there(reader: &mut Reader<'_>, there: &[&Entry]) {
    for entry in there {
        let message = format!(
            "`{}` without `url`: the bundled server lets everybody in",
            entry.key
        );
        reader.mistake_help(
            entry.key_span,
            message,
            "leave it out, or name the server's `url`",
        );
    }
}

/// Reports variables that have no value: rows without `credentials`, a token without `jwt`. `target`: the entry of that
/// name; `more`: texts that stand elsewhere and are filled in by the same target; `at`: where they stand.
pub(super) fn check_variables(
    reader: &mut Reader<'_>,
    target: Option<&Entry>,
    access: &Access,
    more: impl Iterator<Item = Template>,
    at: Span,
) {
    let there = |key: &str| match target.map(|target| &target.value.value) {
        Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == key),
        _ => None,
    };
    let span_of = |key: &str| there(key).map(|entry| entry.value.span);
    let claims = access.jwt.iter().flat_map(Jwt::templates);
    let texts = access.texts().filter_map(|secret| match secret {
        Secret::Literal(text) => Template::parse(text).ok(),
        _ => None,
    });
    let parts: Vec<Part> = texts
        .chain(claims)
        .chain(more)
        .flat_map(|template| template.0)
        .collect();
    let at = ACCESS_KEYS.iter().find_map(|key| span_of(key)).unwrap_or(at);
    if access.credentials.is_none()
        && let Some(Part::Column(name)) = parts.iter().find(|part| matches!(part, Part::Column(_)))
    {
        let message = format!("`${{credentials.{name}}}` without `credentials`");
        reader.mistake_help(
            at,
            message,
            "name the file with a row for each peer: `credentials: peers.csv`",
        );
    }
    let minted = parts.contains(&Part::Peer(PeerVariable::Jwt));
    if access.jwt.is_none() && minted {
        let help =
            "say how it is made: `jwt: {algorithm: HS256, key: {env: JWT_KEY}, claims: {sub: '${user}'}}`";
        reader.mistake_help(at, "`${jwt}` without `jwt`", help);
    }
    if access.jwt.is_some() && !minted {
        let help = "for example `headers: {Authorization: 'Bearer ${jwt}'}`";
        reader.mistake_help(
            span_of("jwt").unwrap_or(at),
            "`jwt` makes a token that nothing sends",
            help,
        );
    }
}
