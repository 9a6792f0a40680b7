use std::sync::Arc;

use super::{
    custom::read_custom,
    diagnostic::did_you_mean,
    fields::Reader,
    source::Span,
    tree::{Entry, Value},
    types::RelayMode,
};
use crate::signaling::Protocol;

/// What can be spoken on the wire, by its name alone.
pub(super) const PROTOCOLS: [&str; 1] = ["dashboard"];
/// The key of one that is described.
pub(super) const CUSTOM: &str = "custom";

/// Reads `target.protocol`.
pub(super) fn read_protocol(reader: &mut Reader<'_>, entry: &Entry) -> Option<Protocol> {
    if matches!(entry.value.value, Value::Map(_)) {
        let mut fields = reader.map(&entry.value, "`protocol`", "a map")?;
        let example = "{custom: {send: {...}, receive: [...]}}";
        let custom = fields.need(reader, CUSTOM, entry.value.span, example);
        let custom = custom.and_then(|entry| read_custom(reader, entry));
        fields.finish(reader, &[CUSTOM]);
        return custom.map(|custom| Protocol::Custom(Arc::new(custom)));
    }
    let wants = "`dashboard`, or a description under `custom`";
    let name = reader.scalar(&entry.value, "`protocol`", wants)?;
    match name {
        "dashboard" => Some(Protocol::Dashboard),
        CUSTOM => {
            let message = "`custom` without its description";
            let help =
                "write it under `protocol: {custom: ...}`, or name its file with `--protocol FILE.yaml`";
            reader.mistake_help(entry.value.span, message, help);
            None
        }
        other => {
            let message = format!("unknown protocol `{other}`");
            reader.mistake_help(entry.value.span, message, did_you_mean(other, &PROTOCOLS));
            None
        }
    }
}

/// Reports a protocol that the server which comes with the program does not speak, or a way of relaying that says
/// nothing of it.
pub(super) fn check_server(
    reader: &mut Reader<'_>,
    protocol: &Protocol,
    (has_url, relay_mode): (bool, RelayMode),
    span: Span,
) {
    let deployed = relay_mode == RelayMode::Deployed;
    match protocol {
        Protocol::Dashboard => {}
        _ if has_url && deployed => {
            let message = format!("`relay_mode: deployed` says nothing of `protocol: {protocol}`");
            reader.mistake_help(span, message, "it is the dashboard's: leave it out");
        }
        protocol => {
            let foreign = (!has_url)
                .then(|| protocol.foreign_to_bundled(deployed))
                .flatten();
            if let Some(what) = foreign {
                let message = format!(
                    "`protocol: {protocol}` without `url`: the bundled server does not speak it ({what})"
                );
                reader.mistake_help(span, message, "name the server's `url`, or leave `protocol` out");
            }
        }
    }
}
