//! What a step does to the server.

use std::time::Duration;

use super::{
    check::Part,
    diagnostic::did_you_mean,
    fields::Reader,
    tree::{Entry, Value},
    types::{ServerFault, Step, StepKind},
};

/// What a `server` step can do.
pub(super) const SERVER_FAULTS: [&str; 1] = ["restart"];
/// The keys of a `restart` written long.
pub(super) const SERVER_RESTART_KEYS: [&str; 1] = ["for"];

/// A word, or a map of one word and its arguments.
pub(super) fn read_server(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    if let Value::Scalar(word) = &entry.value.value {
        if word != "restart" {
            let message = format!("`server` can't be `{word}`");
            reader.mistake_help(entry.value.span, message, did_you_mean(word, &SERVER_FAULTS));
            return None;
        }
        return Some(restart(Duration::ZERO));
    }
    let wants = "`restart`, or a map like `{restart: {for: 500ms}}`";
    let mut fields = reader.map(&entry.value, "`server`", wants)?;
    let argument = fields.need(
        reader,
        "restart",
        entry.key_span,
        "server: {restart: {for: 500ms}}",
    );
    let misspelt = fields.has_rest();
    fields.finish(reader, &SERVER_FAULTS);
    let away = read_away(reader, argument?)?;
    (!misspelt).then(|| restart(away))
}

fn restart(away: Duration) -> StepKind {
    StepKind::Server(ServerFault::Restart { away })
}

/// How long the server is away; not at all if nothing is said.
fn read_away(reader: &mut Reader<'_>, entry: &Entry) -> Option<Duration> {
    if let Value::Null = entry.value.value {
        return Some(Duration::ZERO);
    }
    let mut fields = reader.map(&entry.value, "`restart`", "nothing, or a map like `{for: 500ms}`")?;
    let away = fields.take("for");
    let misspelt = fields.has_rest();
    fields.finish(reader, &SERVER_RESTART_KEYS);
    let away = away.map_or(Some(Duration::ZERO), |entry| reader.duration(entry))?;
    (!misspelt).then_some(away)
}

/// Reports steps that would do something to a server that is not ours.
pub(super) fn check_server(reader: &mut Reader<'_>, parts: &[Part<'_>]) {
    parts.iter().for_each(|part| check_steps(reader, part.steps));
}

fn check_steps(reader: &mut Reader<'_>, steps: &[Step]) {
    for step in steps {
        match &step.kind {
            StepKind::Repeat { steps, .. } => check_steps(reader, steps),
            StepKind::Server(_) => reader.mistake_help(
                step.span,
                "`server` beside `target: {url: …}`",
                "only the bundled server can be restarted: leave the step out, or the target's `url`",
            ),
            _ => {}
        }
    }
}
