//! What a user can choose of a protocol that is built in.

use super::{fields::Reader, print::quoted, tree::Entry};
use crate::signaling::{JanusOptions, JanusPlugin, PeerJsOptions, Protocol, Serialization, WhipOptions};

/// The keys of `janus`.
pub(super) const JANUS_KEYS: [&str; 1] = ["plugin"];
/// Whose rooms.
pub(super) const JANUS_PLUGINS: [(&str, JanusPlugin); 2] = [
    ("videoroom", JanusPlugin::VideoRoom),
    ("textroom", JanusPlugin::TextRoom),
];
/// The keys of `peerjs`.
pub(super) const PEERJS_KEYS: [&str; 2] = ["key", "serialization"];
/// How its connections carry data.
pub(super) const SERIALIZATIONS: [(&str, Serialization); 2] =
    [("binary", Serialization::Binary), ("json", Serialization::Json)];
/// The longest key of a PeerJS server.
pub(super) const MAX_KEY: usize = 200;
/// The keys of `whip` and `whep`.
pub(super) const WHIP_KEYS: [&str; 1] = ["endpoint"];
/// The longest endpoint, its variables not yet replaced.
pub(super) const MAX_ENDPOINT: usize = 500;
/// The variables of an endpoint.
const ENDPOINT_VARIABLES: [&str; 3] = ["room", "user", "peer"];

pub(super) fn read_janus(reader: &mut Reader<'_>, entry: &Entry) -> Option<JanusOptions> {
    let mut fields = reader.map(&entry.value, "`janus`", "a map like `{plugin: textroom}`")?;
    let plugin = fields
        .take("plugin")
        .map_or(Some(JanusPlugin::default()), |entry| {
            reader.choice(entry, &JANUS_PLUGINS)
        });
    fields.finish(reader, &JANUS_KEYS);
    Some(JanusOptions { plugin: plugin? })
}

pub(super) fn read_peerjs(reader: &mut Reader<'_>, entry: &Entry) -> Option<PeerJsOptions> {
    let mut fields = reader.map(&entry.value, "`peerjs`", "a map like `{serialization: json}`")?;
    let key = fields
        .take("key")
        .map_or(Some(PeerJsOptions::DEFAULT_KEY.to_owned()), |entry| {
            reader.text(entry, MAX_KEY)
        });
    let serialization = fields
        .take("serialization")
        .map_or(Some(Serialization::default()), |entry| {
            reader.choice(entry, &SERIALIZATIONS)
        });
    fields.finish(reader, &PEERJS_KEYS);
    Some(PeerJsOptions {
        key: key?,
        serialization: serialization?,
    })
}

/// Of `whip` and of `whep`.
pub(super) fn read_whip(reader: &mut Reader<'_>, entry: &Entry) -> Option<WhipOptions> {
    let wants = "a map like `{endpoint: \"whip/endpoint/${peer}\"}`";
    let mut fields = reader.map(&entry.value, &format!("`{}`", entry.key), wants)?;
    let endpoint = fields
        .take("endpoint")
        .map_or(Some(String::new()), |entry| read_endpoint(reader, entry));
    fields.finish(reader, &WHIP_KEYS);
    Some(WhipOptions { endpoint: endpoint? })
}

/// A relative reference (RFC 3986, section 4.2) with variables: it becomes part of a request's first line.
fn read_endpoint(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let text = reader.text(entry, MAX_ENDPOINT)?;
    let at = entry.value.span;
    if let Some(mistake) = wrong_variable(&text) {
        let known = ENDPOINT_VARIABLES.map(|name| format!("${{{name}}}")).join(", ");
        let help = format!("known here: {known} (the peer's number, from 0)");
        reader.mistake_help(at, format!("`endpoint`: {mistake}"), help);
        return None;
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) || text.contains('#') {
        let message = "`endpoint` holds what no path does";
        let help = "write spaces, `#` and letters beyond ASCII percent-encoded (RFC 3986): a space is `%20`";
        reader.mistake_help(at, message, help);
        return None;
    }
    if text.contains("://") || text.starts_with("//") {
        let help = "name the server as `target.url`, and here what comes behind it: `whip/endpoint/${peer}`";
        reader.mistake_help(at, "`endpoint` names a server", help);
        return None;
    }
    Some(text)
}

/// What is wrong with the first `${…}` that is no variable of an endpoint, if there is one.
fn wrong_variable(text: &str) -> Option<String> {
    text.split("${")
        .skip(1)
        .find_map(|rest| match rest.split_once('}') {
            None => Some("`${` without `}`".to_owned()),
            Some((name, _)) if ENDPOINT_VARIABLES.contains(&name) => None,
            Some((name, _)) => Some(format!("unknown variable `${{{name}}}`")),
        })
}

/// What is chosen otherwise than by default, as entries of a map.
pub(super) fn show_options(protocol: &Protocol) -> Vec<String> {
    let mut rows = Vec::new();
    match protocol {
        Protocol::Janus(options) => {
            let chosen = JANUS_PLUGINS
                .iter()
                .filter(|(_, plugin)| *plugin == options.plugin);
            let other = chosen.filter(|(_, plugin)| *plugin != JanusPlugin::default());
            rows.extend(other.map(|(word, _)| format!("plugin: {word}")));
        }
        Protocol::PeerJs(options) => {
            if options.key != PeerJsOptions::DEFAULT_KEY {
                rows.push(format!("key: {}", quoted(&options.key)));
            }
            if options.serialization != Serialization::default() {
                rows.push(format!("serialization: {}", options.serialization.name()));
            }
        }
        Protocol::Whep(options) | Protocol::Whip(options) => {
            if !options.endpoint.is_empty() {
                rows.push(format!("endpoint: {}", quoted(&options.endpoint)));
            }
        }
        Protocol::Custom(_) | Protocol::Dashboard | Protocol::SimpleWebRtc => {}
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Diagnostics, Scenario, ThresholdCheck, ThresholdMistake, parse};

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _: &str, _: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    fn read(scheme: &str, protocol: &str) -> Result<Scenario, Diagnostics> {
        let target = format!("{{ url: \"{scheme}://127.0.0.1:1/\", protocol: {protocol} }}");
        let text = format!("name: x\ntarget: {target}\nrooms: {{ peers: 2 }}\nsteps: [join]\n");
        parse("x", &text, &Any)
    }

    #[test]
    fn what_is_chosen_of_a_protocol_is_printed_and_read_back() {
        for (scheme, protocol, printed) in [
            ("ws", "janus", "protocol: janus"),
            ("ws", "{ janus: { plugin: videoroom } }", "protocol: janus"),
            (
                "ws",
                "{ janus: { plugin: textroom } }",
                "protocol: { janus: { plugin: textroom } }",
            ),
            ("http", "whip", "protocol: whip"),
            ("http", "{ whip: {} }", "protocol: whip"),
            (
                "https",
                "{ whip: { endpoint: \"whip/${peer}\" } }",
                "protocol: { whip: { endpoint: \"whip/${peer}\" } }",
            ),
            (
                "https",
                "{ whep: { endpoint: live } }",
                "protocol: { whep: { endpoint: live } }",
            ),
        ] {
            let scenario = read(scheme, protocol).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
            let text = scenario.to_yaml();
            assert!(text.contains(printed), "{text}");
            let again = parse("x", &text, &Any).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
            assert_eq!(again.target, scenario.target);
            assert_eq!(again.to_yaml(), text);
        }
    }

    #[test]
    fn an_endpoint_is_a_path_with_three_variables() {
        let refused = |endpoint: &str| {
            let mistakes = read("http", &format!("{{ whip: {{ endpoint: \"{endpoint}\" }} }}"));
            mistakes.map_err(|mistakes| mistakes.listing()).err()
        };
        let most = "x".repeat(MAX_ENDPOINT);
        for sound in [
            "whip",
            "/a/${room}/${user}/${peer}",
            "a?b=c&d=$x$",
            "a%20b",
            &most,
        ] {
            assert_eq!(refused(sound), None, "{sound}");
        }
        let longer = "x".repeat(MAX_ENDPOINT + 1);
        for (endpoint, what) in [
            ("a/${", "`${` without `}`"),
            ("a/${peers}", "unknown variable `${peers}`"),
            ("a/${jwt}", "unknown variable `${jwt}`"),
            ("a/${env:TOKEN}", "unknown variable `${env:TOKEN}`"),
            ("a/${credentials.path}", "unknown variable `${credentials.path}`"),
            ("a b", "holds what no path does"),
            ("a#b", "holds what no path does"),
            ("ä", "holds what no path does"),
            ("http://h/a", "names a server"),
            ("//h/a", "names a server"),
            ("a\\r\\nb", "holds a control character"),
            ("", "is empty"),
            (&longer, "is longer than 500 characters"),
        ] {
            let listing = refused(endpoint).unwrap_or_else(|| panic!("{endpoint} is read"));
            assert!(listing.contains(what), "{endpoint}: {listing}");
        }
    }
}
