use super::{
    ClientRules,
    diagnostic::did_you_mean,
    fields::Reader,
    read::all,
    tree::{Entry, Node, Value},
    types::{Protocol, Target},
};

/// What a scenario without `target:` is played against: the server that comes with the program.
pub(super) const BUNDLED: Target = Target {
    protocol: Protocol::Dashboard,
    url: None,
};

/// The keys of `target`.
pub(super) const TARGET_KEYS: [&str; 2] = ["protocol", "url"];
/// What can be spoken on the wire.
pub(super) const PROTOCOLS: [&str; 1] = ["dashboard"];
/// The named ways to negotiate.
pub(super) const PROFILES: [&str; 1] = ["reference"];
/// The longest URL.
pub(super) const MAX_URL: usize = 2_000;

pub(super) fn read_target(reader: &mut Reader<'_>, entry: &Entry) -> Option<Target> {
    let mut fields = reader.map(&entry.value, "`target`", "a map like `{protocol: dashboard}`")?;
    let protocol = fields
        .take("protocol")
        .map_or(Some(Protocol::Dashboard), |entry| {
            match reader.scalar(&entry.value, "`protocol`", "`dashboard`")? {
                "dashboard" => Some(Protocol::Dashboard),
                other => {
                    let message = format!("unknown protocol `{other}`");
                    reader.mistake_help(entry.value.span, message, did_you_mean(other, &PROTOCOLS));
                    None
                }
            }
        });
    let url = fields.take("url").map(|entry| read_url(reader, entry));
    fields.finish(reader, &TARGET_KEYS);
    Some(Target {
        protocol: protocol?,
        url: all(url)?,
    })
}

fn read_url(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let url = reader.text(entry, MAX_URL)?;
    let target = Target {
        url: Some(url.clone()),
        ..BUNDLED
    };
    let known_scheme = url.starts_with("ws://") || url.starts_with("wss://");
    let host = target
        .host()
        .filter(|host| !host.is_empty() && !host.contains(char::is_whitespace));
    if known_scheme && host.is_some() {
        return Some(url);
    }
    let help = match url.strip_prefix("http") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => {
            format!("did you mean `ws{rest}`?")
        }
        _ => "for example `wss://rtc.example.org/ws/`".to_owned(),
    };
    let message = format!("`{url}` is not the URL of a WebSocket");
    reader.mistake_help(entry.value.span, message, help);
    None
}

/// The keys of a `client` written long.
pub(super) fn client_keys() -> Vec<&'static str> {
    std::iter::once("profile").chain(ClientRules::NAMES).collect()
}

/// The profile or the map of rules under `client`, on top of `base`.
pub(super) fn read_client(reader: &mut Reader<'_>, entry: &Entry, base: ClientRules) -> Option<ClientRules> {
    if let Value::Scalar(_) = entry.value.value {
        return read_profile(reader, &entry.value);
    }
    let mut fields = reader.map(&entry.value, "`client`", "a profile, or a map of rules")?;
    let mut rules = fields
        .take("profile")
        .map_or(Some(base), |entry| read_profile(reader, &entry.value));
    let mut sound = true;
    for name in ClientRules::NAMES {
        let Some(entry) = fields.take(name) else { continue };
        match reader.flag(entry) {
            Some(on) => {
                if let Some(rule) = rules.as_mut().and_then(|rules| rules.rule_mut(name)) {
                    *rule = on;
                }
            }
            None => sound = false,
        }
    }
    fields.finish(reader, &client_keys());
    rules.filter(|_| sound)
}

fn read_profile(reader: &mut Reader<'_>, node: &Node) -> Option<ClientRules> {
    match reader.scalar(node, "a profile", "the name of a profile: reference")? {
        "reference" => Some(ClientRules::default()),
        later @ ("dashboard-4.0" | "dashboard-4.0-fixed") => {
            let message = format!("the profile `{later}` is not available in this version");
            reader.mistake_help(node.span, message, "known here: reference");
            None
        }
        other => {
            let message = format!("unknown profile `{other}`");
            reader.mistake_help(node.span, message, did_you_mean(other, &PROFILES));
            None
        }
    }
}
