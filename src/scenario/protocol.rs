use std::sync::Arc;

use super::{
    custom::read_custom,
    diagnostic::did_you_mean,
    fields::Reader,
    protocol_options::{read_janus, read_peerjs, read_whip, show_options},
    source::Span,
    tree::{Entry, Value},
    types::{RelayMode, Step, StepKind},
};
use crate::signaling::{JanusOptions, PeerJsOptions, Protocol, Serialization, WhipOptions};

/// What can be spoken on the wire.
pub(super) const PROTOCOLS: [&str; 6] = ["dashboard", "janus", "peerjs", "simplewebrtc", "whep", "whip"];
/// The key of one that is described.
pub(super) const CUSTOM: &str = "custom";
/// Those of which something can be chosen, under their names.
const CHOSEN: [&str; 5] = [CUSTOM, "janus", "peerjs", "whep", "whip"];

/// What PeerJS's client can send as JSON, 16,299 bytes, less what is around the content of a message.
const MAX_JSON_BYTES: u32 = 15 * 1024;

const WANTS: &str =
    "a name like `dashboard`, a map like `{janus: {plugin: textroom}}`, or a description under `custom`";

/// Reads `target.protocol`: a name, or a map of a name to what is chosen of it.
pub(super) fn read_protocol(reader: &mut Reader<'_>, entry: &Entry) -> Option<Protocol> {
    if !matches!(entry.value.value, Value::Map(_)) {
        let name = reader.scalar(&entry.value, "`protocol`", WANTS)?;
        return match name {
            "dashboard" => Some(Protocol::Dashboard),
            "janus" => Some(Protocol::Janus(JanusOptions::default())),
            "peerjs" => Some(Protocol::PeerJs(PeerJsOptions::default())),
            "simplewebrtc" => Some(Protocol::SimpleWebRtc),
            "whep" => Some(Protocol::Whep(WhipOptions::default())),
            "whip" => Some(Protocol::Whip(WhipOptions::default())),
            CUSTOM => {
                let message = "`custom` without its description";
                let help =
                    "write it under `protocol: {custom: ...}`, or name its file with `--protocol FILE.yaml`";
                reader.mistake_help(entry.value.span, message, help);
                None
            }
            other => unknown(reader, other, entry.value.span),
        };
    }
    let mut fields = reader.map(&entry.value, "`protocol`", WANTS)?;
    let named = CHOSEN.map(|name| fields.take(name).map(|entry| read_chosen(reader, entry)));
    fields.finish(reader, &CHOSEN);
    let mut named = named.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => {
            let help = "a server speaks one: leave the other out";
            reader.mistake_help(entry.value.span, "`protocol` names two", help);
            None
        }
        (Some(chosen), None) => chosen,
        (None, _) => {
            reader.mistake_help(
                entry.value.span,
                "`protocol` names none",
                format!("expected {WANTS}"),
            );
            None
        }
    }
}

/// The protocol that an entry is called like, with what it chooses.
fn read_chosen(reader: &mut Reader<'_>, entry: &Entry) -> Option<Protocol> {
    Some(match entry.key.as_str() {
        "janus" => Protocol::Janus(read_janus(reader, entry)?),
        "peerjs" => Protocol::PeerJs(read_peerjs(reader, entry)?),
        "whep" => Protocol::Whep(read_whip(reader, entry)?),
        "whip" => Protocol::Whip(read_whip(reader, entry)?),
        _ => Protocol::Custom(Arc::new(read_custom(reader, entry)?)),
    })
}

fn unknown(reader: &mut Reader<'_>, name: &str, span: Span) -> Option<Protocol> {
    let message = format!("unknown protocol `{name}`");
    reader.mistake_help(span, message, did_you_mean(name, &PROTOCOLS));
    None
}

/// `peerjs`, or `{ peerjs: { serialization: json } }`.
pub(super) fn show_protocol(protocol: &Protocol) -> String {
    let name = protocol.name();
    let rows = show_options(protocol);
    match rows.is_empty() {
        true => name.to_owned(),
        false => format!("{{ {name}: {{ {} }} }}", rows.join(", ")),
    }
}

/// Reports a protocol that the server which comes with the program does not speak, and what only that does.
pub(super) fn check_server(
    reader: &mut Reader<'_>,
    protocol: &Protocol,
    (has_url, relay_mode): (bool, Option<RelayMode>),
    span: Span,
) {
    if *protocol == Protocol::Dashboard {
        return;
    }
    let deployed = relay_mode == Some(RelayMode::Deployed);
    let foreign = protocol.foreign_to_bundled(deployed);
    if let Some(what) = foreign.as_ref().filter(|_| !has_url) {
        let message =
            format!("`protocol: {protocol}` without `url`: the bundled server does not speak it ({what})");
        reader.mistake_help(span, message, "name the server's `url`, or leave `protocol` out");
    }
    if deployed && (has_url || !matches!(protocol, Protocol::Custom(_))) {
        let message =
            format!("`protocol: {protocol}` with `relay_mode: deployed`: that is a form of the dashboard's");
        reader.mistake_help(span, message, "leave one of them out");
    }
}

/// Reports messages that are longer than the protocol's clients can send.
pub(super) fn check_sizes(reader: &mut Reader<'_>, protocol: &Protocol, steps: &[Step]) {
    if !matches!(protocol, Protocol::PeerJs(options) if options.serialization == Serialization::Json) {
        return;
    }
    for step in steps {
        match &step.kind {
            StepKind::Chat { size, .. } if *size > MAX_JSON_BYTES => {
                let message = format!("a message of {size} bytes is more than PeerJS's clients send as JSON");
                let help = format!(
                    "the limit is {MAX_JSON_BYTES} bytes (15KiB); `serialization: binary` takes more"
                );
                reader.mistake_help(step.span, message, help);
            }
            StepKind::Repeat { steps, .. } => check_sizes(reader, protocol, steps),
            _ => {}
        }
    }
}
