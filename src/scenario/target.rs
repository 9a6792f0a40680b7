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
    // A protocol that is a mistake may be carried by anything.
    let carrier = protocol.as_ref().map(Protocol::carrier);
    let named = protocol.as_ref().map_or("", Protocol::name);
    let url = fields
        .take("url")
        .map(|entry| read_url(reader, entry, carrier, named));
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

/// Where clients of the protocol of that name go, which that carries.
fn read_url(
    reader: &mut Reader<'_>,
    entry: &Entry,
    carrier: Option<Carrier>,
    protocol: &str,
) -> Option<String> {
    let url = reader.text(entry, MAX_URL)?;
    let Some((message, help)) = unfit(&url, carrier, protocol) else {
        return Some(url);
    };
    reader.mistake_help(entry.value.span, message, help);
    None
}

/// What is wrong with that URL, and what to write.
fn unfit(url: &str, carrier: Option<Carrier>, protocol: &str) -> Option<(String, String)> {
    let target = Target {
        url: Some(url.to_owned()),
        ..BUNDLED
    };
    let host = target
        .host()
        .filter(|host| !host.is_empty() && !host.contains(char::is_whitespace));
    let after = |stem: &str| {
        let rest = url.strip_prefix(stem)?;
        (rest.starts_with("://") || rest.starts_with("s://")).then_some(rest)
    };
    let (web_socket, http) = (after("ws"), after("http"));
    let is_carried = match carrier {
        Some(Carrier::WebSocket) => web_socket.is_some(),
        Some(Carrier::Http) => http.is_some(),
        None => web_socket.is_some() || http.is_some(),
    };
    if is_carried && host.is_some() {
        return None;
    }
    Some(match (carrier, web_socket, http) {
        (Some(Carrier::Http), Some(rest), _) => (
            format!("`{url}` is the URL of a WebSocket, and HTTP carries `{protocol}`"),
            format!("did you mean `http{rest}`?"),
        ),
        (Some(Carrier::Http), ..) => (
            format!("`{url}` is not the URL of a server of HTTP, which `{protocol}` needs"),
            "for example `https://rtc.example.org/whip/`".to_owned(),
        ),
        (_, _, Some(rest)) => (
            format!("`{url}` is not the URL of a WebSocket"),
            format!("did you mean `ws{rest}`?"),
        ),
        _ => (
            format!("`{url}` is not the URL of a WebSocket"),
            "for example `wss://rtc.example.org/ws/`".to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_of_what_carries_the_protocol() {
        let told = |carrier: Carrier, url: &str| unfit(url, Some(carrier), "whip");
        for url in ["http://a.org", "https://a.org:1/whip?x"] {
            assert_eq!(told(Carrier::Http, url), None, "{url}");
            let (message, help) = told(Carrier::WebSocket, url).expect("no WebSocket");
            assert!(message.contains("is not the URL of a WebSocket"), "{message}");
            assert_eq!(help, format!("did you mean `{}`?", url.replacen("http", "ws", 1)));
        }
        for url in ["ws://a.org", "wss://a.org:1/whip?x"] {
            assert_eq!(told(Carrier::WebSocket, url), None, "{url}");
            let (message, help) = told(Carrier::Http, url).expect("no HTTP");
            assert!(message.ends_with("and HTTP carries `whip`"), "{message}");
            assert_eq!(help, format!("did you mean `{}`?", url.replacen("ws", "http", 1)));
        }
        for url in ["", "a.org", "ftp://a.org", "http://", "https://a b/"] {
            assert!(told(Carrier::Http, url).is_some(), "{url}");
        }
        assert_eq!(
            unfit("https://a.org", None, ""),
            None,
            "the protocol is the mistake"
        );
    }
}
