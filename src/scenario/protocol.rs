use super::{diagnostic::did_you_mean, fields::Reader, source::Span, tree::Entry};
use crate::signaling::Protocol;

/// What can be spoken on the wire.
pub(super) const PROTOCOLS: [&str; 2] = ["dashboard", "simplewebrtc"];

/// Reads `target.protocol`.
pub(super) fn read_protocol(reader: &mut Reader<'_>, entry: &Entry) -> Option<Protocol> {
    let name = reader.scalar(&entry.value, "`protocol`", "`dashboard`")?;
    match name {
        "dashboard" => Some(Protocol::Dashboard),
        "simplewebrtc" => Some(Protocol::SimpleWebRtc),
        other => {
            let message = format!("unknown protocol `{other}`");
            reader.mistake_help(entry.value.span, message, did_you_mean(other, &PROTOCOLS));
            None
        }
    }
}

/// Reports a protocol that the server which comes with the program does not speak.
pub(super) fn check_server(reader: &mut Reader<'_>, protocol: &Protocol, has_url: bool, span: Span) {
    if !has_url && *protocol != Protocol::Dashboard {
        let message = format!("`protocol: {protocol}` without `url`: the bundled server does not speak it");
        reader.mistake_help(span, message, "name the server's `url`, or leave `protocol` out");
    }
}
