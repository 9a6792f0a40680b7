//! How connections find each other's address, and through what they go: `ice`, of the scenario and of a group.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    diagnostic::did_you_mean,
    fields::Reader,
    ice_fetch::{IceFetch, read_fetch},
    source::Span,
    tree::{Entry, Node, Value},
};
use crate::base::{IceScheme, IceUrl, show_duration};

/// The keys of `ice` written long.
pub(super) const ICE_KEYS: [&str; 5] = ["policy", "servers", "transport", "credentials", "ttl"];
/// The keys of a server that is named.
pub(super) const ICE_SERVER_KEYS: [&str; 5] = ["urls", "username", "credential", "secret", "fetch"];
/// What candidates are used.
pub(super) const ICE_POLICIES: [(&str, IcePolicy); 2] =
    [("all", IcePolicy::All), ("relay", IcePolicy::Relay)];
/// What servers there can be without naming any.
pub(super) const ICE_SERVERS: [(&str, IceServers); 3] = [
    ("none", IceServers::None),
    ("bundled", IceServers::Bundled),
    ("offered", IceServers::Offered),
];
/// How the bundled TURN server can be reached.
pub(super) const TURN_TRANSPORTS: [(&str, TurnTransport); 3] = [
    ("udp", TurnTransport::Udp),
    ("tcp", TurnTransport::Tcp),
    ("tls", TurnTransport::Tls),
];
/// What time-limited credentials are worth.
pub(super) const TURN_CREDENTIALS: [(&str, TurnCredentials); 2] = [
    ("valid", TurnCredentials::Valid),
    ("wrong", TurnCredentials::Wrong),
];
/// How many servers can be named, and how many URLs each can have.
pub(super) const MAX_ICE_SERVERS: usize = 16;
/// The longest user name, credential, secret's name and URL.
pub(super) const MAX_ICE_TEXT: usize = 500;
/// How long credentials hold if nothing is said: a day, as the draft recommends.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How a peer's connections find a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ice {
    /// Which candidates are used.
    pub policy: IcePolicy,
    /// Whom addresses and relays are asked of.
    pub servers: IceServers,
    /// How the bundled TURN server is reached.
    pub transport: TurnTransport,
    /// What credentials that are made for the run are worth.
    pub credentials: TurnCredentials,
    /// How long those hold: whole seconds, at least one. Each connection has its own, made when it begins.
    #[serde(rename = "ttl_ms", serialize_with = "millis")]
    pub ttl: Duration,
}

impl Default for Ice {
    /// Without any server.
    fn default() -> Self {
        Self {
            policy: IcePolicy::All,
            servers: IceServers::None,
            transport: TurnTransport::Udp,
            credentials: TurnCredentials::Valid,
            ttl: TTL,
        }
    }
}

/// Which candidates a connection uses (W3C's `RTCIceTransportPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IcePolicy {
    /// Every kind.
    All,
    /// Only those of a relay.
    Relay,
}

/// STUN and TURN servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IceServers {
    /// No one.
    None,
    /// The STUN and TURN server that is started for the run.
    Bundled,
    /// Those that the signaling server offers to each client.
    Offered,
    /// Somebody's.
    Named(Vec<IceServer>),
}

/// A STUN or TURN server (W3C's `RTCIceServer`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// Empty only where whoever gives credentials out says where the servers are.
    #[serde(serialize_with = "texts")]
    pub urls: Vec<IceUrl>,
    /// As whom it is asked.
    pub account: IceAccount,
}

/// What a TURN server knows its user by.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IceAccount {
    /// Nothing: STUN needs none.
    None,
    /// A user and a password. A plan does not show it.
    LongTerm {
        /// The user.
        username: String,
        /// The password.
        #[serde(skip)]
        credential: String,
    },
    /// Time-limited credentials (draft-uberti-behave-turn-rest-00), signed with the secret that this variable of
    /// the environment holds.
    Secret {
        /// The variable's name.
        variable: String,
    },
    /// What somebody gives each peer when it asks.
    Fetched(Box<IceFetch>),
}

impl fmt::Debug for IceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::LongTerm { username, .. } => write!(f, "LongTerm({username:?}, ..)"),
            Self::Secret { variable } => write!(f, "Secret({variable:?})"),
            Self::Fetched(fetch) => fetch.fmt(f),
        }
    }
}

/// How the bundled TURN server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnTransport {
    /// By datagrams.
    Udp,
    /// By a stream.
    Tcp,
    /// By a stream in TLS.
    Tls,
}

/// What time-limited credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnCredentials {
    /// The server takes them.
    Valid,
    /// They are signed with another secret than the server's.
    Wrong,
}

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1_000.0)
}

fn texts<S: Serializer>(urls: &[IceUrl], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(urls.iter().map(IceUrl::to_string))
}

/// A policy, or a map on top of `base`; without a word about servers they are the bundled ones.
pub(super) fn read_ice(reader: &mut Reader<'_>, entry: &Entry, base: &Ice) -> Option<Ice> {
    let mut ice = base.clone();
    if base.servers == IceServers::None {
        ice.servers = IceServers::Bundled;
    }
    if let Value::Scalar(_) = entry.value.value {
        ice.policy = reader.choice(entry, &ICE_POLICIES)?;
        return Some(ice);
    }
    let wants = "`relay`, or a map like `{policy: relay, servers: bundled}`";
    let mut fields = reader.map(&entry.value, "`ice`", wants)?;
    let policy = fields.take("policy");
    let policy_read = policy.map_or(Some(ice.policy), |entry| reader.choice(entry, &ICE_POLICIES));
    let servers = fields
        .take("servers")
        .map_or(Some(ice.servers.clone()), |entry| read_servers(reader, entry));
    let transport = fields.take("transport");
    let transport_read = transport.map_or(Some(ice.transport), |entry| {
        reader.choice(entry, &TURN_TRANSPORTS)
    });
    let credentials = fields.take("credentials");
    let credentials_read = credentials.map_or(Some(ice.credentials), |entry| {
        reader.choice(entry, &TURN_CREDENTIALS)
    });
    let ttl = fields.take("ttl");
    let ttl_read = ttl.map_or(Some(ice.ttl), |entry| read_ttl(reader, entry));
    fields.finish(reader, &ICE_KEYS);

    let mut ice = Ice {
        policy: policy_read?,
        servers: servers?,
        transport: transport_read?,
        credentials: credentials_read?,
        ttl: ttl_read?,
    };
    let relays = match &ice.servers {
        IceServers::None => false,
        // Whether there is a relay among those is known once they are offered.
        IceServers::Bundled | IceServers::Offered => true,
        IceServers::Named(servers) => servers.iter().any(|server| server.relays() != Some(false)),
    };
    if ice.policy == IcePolicy::Relay && !relays {
        let help = "name a `turn:` server, or say `servers: bundled`";
        let at = policy.map_or(entry.key_span, |entry| entry.value.span);
        reader.mistake_help(
            at,
            "`policy: relay` without a TURN server: nothing could connect",
            help,
        );
        return None;
    }
    let bundled = ice.servers == IceServers::Bundled;
    let signed = bundled
        || matches!(&ice.servers, IceServers::Named(servers)
            if servers.iter().any(|server| matches!(server.account, IceAccount::Secret { .. })));
    let mut sound = true;
    for (given, has_meaning, help) in [
        (
            transport,
            bundled,
            "it is the bundled server's: a URL says it itself (`?transport=tcp`, `turns:`)",
        ),
        (
            credentials,
            signed,
            "it is about credentials that are made for the run: the bundled server's, or `secret`",
        ),
        (
            ttl,
            signed,
            "it is about credentials that are made for the run: the bundled server's, or `secret`",
        ),
    ] {
        if let Some(given) = given.filter(|_| !has_meaning) {
            let message = format!("`{}` has no meaning with these servers", given.key);
            reader.mistake_help(given.key_span, message, help);
            sound = false;
        }
    }
    // What is inherited and has no meaning is as if it were not there.
    if !bundled {
        ice.transport = TurnTransport::Udp;
    }
    if !signed {
        ice.credentials = TurnCredentials::Valid;
        ice.ttl = TTL;
    }
    sound.then_some(ice)
}

fn read_ttl(reader: &mut Reader<'_>, entry: &Entry) -> Option<Duration> {
    let ttl = reader.positive_duration(entry)?;
    if ttl.subsec_nanos() != 0 {
        let message = "`ttl` must be whole seconds: a user name tells its end in them";
        reader.mistake(entry.value.span, message);
        return None;
    }
    Some(ttl)
}

fn read_servers(reader: &mut Reader<'_>, entry: &Entry) -> Option<IceServers> {
    if let Value::Scalar(_) = entry.value.value {
        return reader.choice(entry, &ICE_SERVERS);
    }
    let wants = "`bundled`, `offered`, `none`, or a list like `[{urls: 'stun:stun.example.org'}]`";
    let items = reader.list(&entry.value, "`servers`", wants)?;
    if items.is_empty() {
        reader.mistake_help(
            entry.value.span,
            "`servers` is empty",
            "say `none` if there is no one",
        );
        return None;
    }
    if items.len() > MAX_ICE_SERVERS {
        reader.mistake(
            entry.value.span,
            format!(
                "{} servers are more than {MAX_ICE_SERVERS}, the limit",
                items.len()
            ),
        );
        return None;
    }
    let servers: Vec<Option<IceServer>> = items.iter().map(|item| read_server(reader, item)).collect();
    Some(IceServers::Named(servers.into_iter().collect::<Option<_>>()?))
}

fn read_server(reader: &mut Reader<'_>, node: &Node) -> Option<IceServer> {
    let wants = "a map like `{urls: 'turn:turn.example.org', username: me, credential: word}`";
    let mut fields = reader.map(node, "an ICE server", wants)?;
    let at = fields.span;
    let urls_entry = fields.take("urls");
    let urls = urls_entry.map(|entry| read_urls(reader, entry));
    let [username, credential, secret, fetch] =
        ["username", "credential", "secret", "fetch"].map(|key| fields.take(key));
    let mut text = |entry: Option<&Entry>| entry.map(|entry| reader.text(entry, MAX_ICE_TEXT));
    let (user, word, variable) = (text(username), text(credential), text(secret));
    let fetched = fetch.map(|entry| read_fetch(reader, entry));
    let misspelt = fields.has_rest();
    fields.finish(reader, &ICE_SERVER_KEYS);
    if misspelt {
        return None;
    }
    if urls_entry.is_none() && fetch.is_none() {
        let help = "add `urls: 'turn:turn.example.org:3478'`, or `fetch` and the URL of whoever tells them";
        reader.mistake_help(at, "`urls` is missing", help);
        return None;
    }
    let urls = super::read::all(urls)?.unwrap_or_default();
    if let Some(fetched) = fetched {
        if let Some(other) = username.or(credential).or(secret) {
            let message = format!("`{}` beside `fetch`", other.key);
            reader.mistake_help(
                other.key_span,
                message,
                "credentials are fetched: leave out either",
            );
            return None;
        }
        return Some(IceServer {
            urls,
            account: IceAccount::Fetched(Box::new(fetched?)),
        });
    }
    let account = match (user, word, variable) {
        (None, None, None) => IceAccount::None,
        (Some(username), Some(credential), None) => IceAccount::LongTerm {
            username: username?,
            credential: credential?,
        },
        (None, None, Some(variable)) => secret_in(reader, secret, variable?)?,
        (_, _, Some(_)) => {
            let span = secret.map_or(at, |entry| entry.key_span);
            let message = "`secret` beside `username` or `credential`";
            reader.mistake_help(
                span,
                message,
                "credentials are made from a secret: leave out either",
            );
            return None;
        }
        (user, _, None) => {
            let (there, missing) = match user.is_some() {
                true => ("username", "credential"),
                false => ("credential", "username"),
            };
            reader.mistake(at, format!("`{there}` without `{missing}`"));
            return None;
        }
    };
    if account == IceAccount::None && urls.iter().any(|url| url.scheme == IceScheme::Turn) {
        let help = "write `username` and `credential`, the name of a variable with the `secret`, or the URL to `fetch` them from";
        reader.mistake_help(at, "a TURN server without credentials", help);
        return None;
    }
    Some(IceServer { urls, account })
}

/// The name of the variable that holds a secret.
fn secret_in(reader: &mut Reader<'_>, entry: Option<&Entry>, variable: String) -> Option<IceAccount> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !variable.starts_with(|c: char| c.is_ascii_digit()) && variable.chars().all(plain) {
        return Some(IceAccount::Secret { variable });
    }
    let help = "write the variable's name, never the secret itself: `secret: TURN_SECRET`";
    reader.mistake_help(
        entry?.value.span,
        "`secret` is no name of a variable of the environment",
        help,
    );
    None
}

/// One URL, or a list of them.
fn read_urls(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<IceUrl>> {
    if let Value::Scalar(_) = entry.value.value {
        return Some(vec![read_url(reader, &entry.value)?]);
    }
    let wants = "a URL like `turn:turn.example.org:3478`, or a list of them";
    let items = reader.list(&entry.value, "`urls`", wants)?;
    if items.is_empty() || items.len() > MAX_ICE_SERVERS {
        let message = format!(
            "`urls` holds {} URLs: 1 to {MAX_ICE_SERVERS} can stand there",
            items.len()
        );
        reader.mistake(entry.value.span, message);
        return None;
    }
    let urls: Vec<Option<IceUrl>> = items.iter().map(|item| read_url(reader, item)).collect();
    urls.into_iter().collect()
}

fn read_url(reader: &mut Reader<'_>, node: &Node) -> Option<IceUrl> {
    let text = reader.scalar(node, "a URL", "a text like `turn:turn.example.org:3478`")?;
    if text.len() > MAX_ICE_TEXT {
        reader.mistake(node.span, format!("this URL is longer than {MAX_ICE_TEXT} bytes"));
        return None;
    }
    match text.parse() {
        Ok(url) => Some(url),
        Err(error) => {
            let help = match text.split_once(':') {
                Some(("stuns", _)) => "`stun:` alone is asked over UDP; `turns:` speaks TLS".to_owned(),
                Some((scheme, _)) if text.contains("://") => {
                    let meant = did_you_mean(scheme, &["stun", "turn", "turns"]);
                    format!("there are no slashes in it: `turn:host:3478`; {meant}")
                }
                _ => "for example `stun:host:3478`, `turn:host:3478?transport=tcp`, `turns:host:5349`"
                    .to_owned(),
            };
            reader.mistake_help(node.span, format!("`{text}` is no ICE server: {error}"), help);
            None
        }
    }
}

/// Reports the bundled STUN and TURN server beside a target of somebody else's: it is on the loopback.
pub(super) fn check_bundled<'a>(reader: &mut Reader<'_>, at: Span, mut all: impl Iterator<Item = &'a Ice>) {
    if all.any(|ice| ice.servers == IceServers::Bundled) {
        let help = "name the deployment's: `servers: [{urls: 'turn:…', secret: TURN_SECRET}]`";
        reader.mistake_help(at, "the bundled TURN server beside `target: {url: …}`", help);
    }
}

impl Ice {
    /// Whom its peers ask for credentials.
    pub fn fetches(&self) -> impl Iterator<Item = &IceFetch> {
        let servers = match &self.servers {
            IceServers::Named(servers) => &servers[..],
            IceServers::None | IceServers::Bundled | IceServers::Offered => &[],
        };
        servers.iter().filter_map(|server| match &server.account {
            IceAccount::Fetched(fetch) => Some(&**fetch),
            _ => None,
        })
    }

    /// As the language writes it; `None` if that is what a scenario has that says nothing.
    pub(super) fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> Option<String> {
        let plain = Self::default();
        if *self == plain {
            return None;
        }
        let word = |relay: bool| if relay { "relay" } else { "all" };
        let mut parts = vec![format!("policy: {}", word(self.policy == IcePolicy::Relay))];
        match &self.servers {
            IceServers::None => parts.push("servers: none".to_owned()),
            IceServers::Bundled => parts.push("servers: bundled".to_owned()),
            IceServers::Offered => parts.push("servers: offered".to_owned()),
            IceServers::Named(servers) => {
                let servers: Vec<String> = servers.iter().map(|server| server.to_yaml(quoted)).collect();
                parts.push(format!("servers: [{}]", servers.join(", ")));
            }
        }
        match self.transport {
            TurnTransport::Udp => {}
            TurnTransport::Tcp => parts.push("transport: tcp".to_owned()),
            TurnTransport::Tls => parts.push("transport: tls".to_owned()),
        }
        if self.credentials == TurnCredentials::Wrong {
            parts.push("credentials: wrong".to_owned());
        }
        if self.ttl != plain.ttl {
            parts.push(format!("ttl: {}", show_duration(self.ttl)));
        }
        Some(format!("{{ {} }}", parts.join(", ")))
    }
}

impl IceServer {
    /// Whether it relays; `None`: nobody knows before it is fetched.
    pub fn relays(&self) -> Option<bool> {
        match self.urls.is_empty() {
            true => None,
            false => Some(self.urls.iter().any(|url| url.scheme == IceScheme::Turn)),
        }
    }

    fn to_yaml(&self, quoted: impl Fn(&str) -> String + Copy) -> String {
        let urls: Vec<String> = self.urls.iter().map(|url| quoted(&url.to_string())).collect();
        let account = match &self.account {
            IceAccount::None => String::new(),
            IceAccount::LongTerm { username, credential } => {
                format!(
                    ", username: {}, credential: {}",
                    quoted(username),
                    quoted(credential)
                )
            }
            IceAccount::Secret { variable } => format!(", secret: {}", quoted(variable)),
            IceAccount::Fetched(fetch) if urls.is_empty() => {
                return format!("{{ fetch: {} }}", fetch.to_yaml(quoted));
            }
            IceAccount::Fetched(fetch) => format!(", fetch: {}", fetch.to_yaml(quoted)),
        };
        format!("{{ urls: [{}]{account} }}", urls.join(", "))
    }
}
