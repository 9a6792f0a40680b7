use super::{
    access::{ACCESS_KEYS, Access, check_there, read_access},
    control::read_control,
    fields::Reader,
    protocol::{check_server, read_protocol},
    read::all,
    tree::Entry,
    types::{RelayMode, Target},
};
use crate::signaling::{Carrier, Protocol};

/// What a scenario without `target:` is played against: the server that comes with the program.
pub(super) const BUNDLED: Target = Target {
    protocol: Protocol::Dashboard,
    url: None,
    relay_mode: RelayMode::Rooms,
    control: None,
    metrics: None,
    access: None,
};

/// The keys of `target` that say who it is; the others, [`ACCESS_KEYS`], how it is reached.
const OWN_KEYS: [&str; 5] = ["protocol", "url", "relay_mode", "control", "metrics"];
/// How a server can relay.
pub(super) const RELAY_MODES: [(&str, RelayMode); 2] =
    [("rooms", RelayMode::Rooms), ("deployed", RelayMode::Deployed)];
/// The longest URL.
pub(super) const MAX_URL: usize = 2_000;

/// The keys of `target`.
pub(super) fn target_keys() -> Vec<&'static str> {
    [&OWN_KEYS[..], &ACCESS_KEYS].concat()
}

pub(super) fn read_target(reader: &mut Reader<'_>, entry: &Entry) -> Option<Target> {
    let mut fields = reader.map(&entry.value, "`target`", "a map like `{protocol: dashboard}`")?;
    let protocol_entry = fields.take("protocol");
    let protocol = protocol_entry.map_or(Some(Protocol::Dashboard), |entry| read_protocol(reader, entry));
    let carrier = protocol.as_ref().map(Protocol::carrier);
    let url = fields.take("url").map(|entry| read_url(reader, entry, carrier));
    let relay_mode = fields
        .take("relay_mode")
        .map_or(Some(RelayMode::Rooms), |entry| reader.choice(entry, &RELAY_MODES));
    let control_entry = fields.take("control");
    let control = control_entry.map(|entry| read_control(reader, entry));
    let metrics_entry = fields.take("metrics");
    let metrics = metrics_entry.map(|entry| read_metrics(reader, entry));
    let (there, access) = read_access(reader, &mut fields);
    fields.finish(reader, &target_keys());
    if url.is_none() {
        check_there(reader, &there);
    }
    if let (Some(entry), Some(protocol)) = (protocol_entry, &protocol) {
        let beside = (url.is_some(), relay_mode);
        check_server(reader, protocol, beside, entry.key_span);
    }
    if let Some(entry) = metrics_entry.filter(|_| url.is_none()) {
        let message = "`metrics` without `url`: the bundled server tells its own";
        reader.mistake_help(
            entry.key_span,
            message,
            "leave it out, or name the server's `url`",
        );
    }
    if let Some(entry) = control_entry.filter(|_| url.is_none()) {
        let message = "`control` without `url`: the bundled server needs no commands";
        reader.mistake_help(
            entry.key_span,
            message,
            "leave it out, or name the server's `url`",
        );
    }
    Some(Target {
        protocol: protocol?,
        url: all(url)?,
        relay_mode: relay_mode?,
        control: all(control)?.map(Box::new),
        metrics: all(metrics)?,
        access: Some(access?)
            .filter(|access| *access != Access::default())
            .map(Box::new),
    })
}

/// Where a server's figures are read: in the clear, and by nobody in particular.
fn read_metrics(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let url = reader.text(entry, MAX_URL)?;
    let rest = url.strip_prefix("http://");
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let sound = |authority: &str| !authority.is_empty() && !authority.contains('@');
    let printable = url.chars().all(|c| c.is_ascii_graphic());
    if authority.is_some_and(sound) && printable && !url.contains('#') {
        return Some(url);
    }
    let help = match url.strip_prefix("https://") {
        Some(_) => {
            "it is read without TLS: name where it is plain, for example `http://10.0.0.7:9100/metrics`"
        }
        None => "for example `http://10.0.0.7:9100/metrics`, without a user's name",
    };
    let message = format!("`{url}` is not the `http://` URL of metrics");
    reader.mistake_help(entry.value.span, message, help);
    None
}

/// `carrier`: what the protocol's frames are carried by; `None` where that is not known.
fn read_url(reader: &mut Reader<'_>, entry: &Entry, carrier: Option<Carrier>) -> Option<String> {
    let url = reader.text(entry, MAX_URL)?;
    let target = Target {
        url: Some(url.clone()),
        ..BUNDLED
    };
    let host = target
        .host()
        .filter(|host| !host.is_empty() && !host.contains(char::is_whitespace));
    let (web_socket, http) = (("ws://", "wss://"), ("http://", "https://"));
    let is_of = |(plain, secure): (&str, &str)| url.starts_with(plain) || url.starts_with(secure);
    let (is_web_socket, is_http) = (is_of(web_socket), is_of(http));
    let known_scheme = match carrier {
        Some(Carrier::WebSocket) => is_web_socket,
        Some(Carrier::Http) => is_http,
        None => is_web_socket || is_http,
    };
    if known_scheme && host.is_some() {
        return Some(url);
    }
    let (what, help) = match carrier {
        Some(Carrier::Http) => {
            let help = match url.strip_prefix("ws").filter(|_| is_web_socket) {
                Some(rest) => format!("did you mean `http{rest}`?"),
                None => "for example `https://rtc.example.org/`".to_owned(),
            };
            ("of HTTP, which the protocol is carried by", help)
        }
        _ => {
            let help = match url.strip_prefix("http").filter(|_| is_http) {
                Some(rest) => format!("did you mean `ws{rest}`?"),
                None => "for example `wss://rtc.example.org/ws/`".to_owned(),
            };
            ("of a WebSocket", help)
        }
    };
    reader.mistake_help(entry.value.span, format!("`{url}` is not the URL {what}"), help);
    None
}
