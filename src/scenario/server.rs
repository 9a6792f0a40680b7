//! What a step does to the server.

use std::time::Duration;

use super::{
    check::Part,
    diagnostic::did_you_mean,
    fields::{Fields, Reader},
    read::all,
    tree::{Entry, Value},
    types::{CommandLine, Control, ServerFault, Step, StepKind, Target},
};

/// What a `server` step can do.
pub(super) const SERVER_FAULTS: [&str; 4] = ["restart", "pause", "crash", "slow"];
/// Those of them that need not say more.
pub(super) const SERVER_WORDS: [&str; 2] = ["restart", "crash"];
/// The keys of a `restart`, `pause` or `crash` written long.
pub(super) const SERVER_KEYS: [&str; 1] = ["for"];
/// The keys of a `slow`.
pub(super) const SERVER_SLOW_KEYS: [&str; 2] = ["by", "for"];

/// A word, or a map of one word and its arguments.
pub(super) fn read_server(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    if let Value::Scalar(word) = &entry.value.value {
        return match word.as_str() {
            "restart" => Some(restart(Duration::ZERO)),
            "crash" => Some(StepKind::Server(ServerFault::Crash { away: None })),
            long if SERVER_FAULTS.contains(&long) => {
                let message = format!("`{long}` needs to say how long");
                reader.mistake_help(
                    entry.value.span,
                    message,
                    format!("for example `{}`", example(long)),
                );
                None
            }
            other => {
                let message = format!("`server` can't be `{other}`");
                reader.mistake_help(entry.value.span, message, did_you_mean(other, &SERVER_FAULTS));
                None
            }
        };
    }
    let wants = "`restart`, `crash`, or a map like `{restart: {for: 500ms}}`";
    let mut fields = reader.map(&entry.value, "`server`", wants)?;
    let given: Vec<&Entry> = SERVER_FAULTS
        .into_iter()
        .filter_map(|word| fields.take(word))
        .collect();
    let misspelt = fields.has_rest();
    fields.finish(reader, &SERVER_FAULTS);
    match given[..] {
        [] if misspelt => None,
        [] => {
            let message = "`server` does not say what happens to it";
            reader.mistake_help(
                entry.key_span,
                message,
                format!("for example `{}`", example("restart")),
            );
            None
        }
        [one] => read_fault(reader, one)
            .filter(|_| !misspelt)
            .map(StepKind::Server),
        [_, second, ..] => {
            let message = format!("`{}` beside another fault of the server", second.key);
            reader.mistake_help(second.key_span, message, "each is a step of its own");
            None
        }
    }
}

fn example(word: &str) -> &'static str {
    match word {
        "pause" => "server: {pause: {for: 5s}}",
        "slow" => "server: {slow: {by: 200ms, for: 10s}}",
        "crash" => "server: {crash: {for: 5s}}",
        _ => "server: {restart: {for: 500ms}}",
    }
}

fn restart(away: Duration) -> StepKind {
    StepKind::Server(ServerFault::Restart { away })
}

fn read_fault(reader: &mut Reader<'_>, entry: &Entry) -> Option<ServerFault> {
    let word = entry.key.as_str();
    if let Value::Null = entry.value.value {
        match word {
            "restart" => return Some(ServerFault::Restart { away: Duration::ZERO }),
            "crash" => return Some(ServerFault::Crash { away: None }),
            _ => {
                let message = format!("`{word}` needs to say how long");
                reader.mistake_help(
                    entry.key_span,
                    message,
                    format!("for example `{}`", example(word)),
                );
                return None;
            }
        }
    }
    let wants = match word {
        "pause" => "a map like `{for: 5s}`",
        "slow" => "a map like `{by: 200ms, for: 10s}`",
        _ => "nothing, or a map like `{for: 500ms}`",
    };
    let mut fields = reader.map(&entry.value, &format!("`{word}`"), wants)?;
    let fault = match word {
        "restart" => {
            let away = fields.take("for");
            let away = away.map_or(Some(Duration::ZERO), |entry| reader.duration(entry));
            away.map(|away| ServerFault::Restart { away })
        }
        "crash" => {
            let away = fields.take("for").map(|entry| reader.positive_duration(entry));
            all(away).map(|away| ServerFault::Crash { away })
        }
        "pause" => {
            let lasting = read_time(reader, &mut fields, entry, "for");
            lasting.map(|lasting| ServerFault::Pause { lasting })
        }
        _ => {
            let by = read_time(reader, &mut fields, entry, "by");
            let lasting = read_time(reader, &mut fields, entry, "for");
            by.zip(lasting)
                .map(|(by, lasting)| ServerFault::Slow { by, lasting })
        }
    };
    let misspelt = fields.has_rest();
    match word {
        "slow" => fields.finish(reader, &SERVER_SLOW_KEYS),
        _ => fields.finish(reader, &SERVER_KEYS),
    }
    fault.filter(|_| !misspelt)
}

/// A time that has to be there.
fn read_time(reader: &mut Reader<'_>, fields: &mut Fields<'_>, fault: &Entry, key: &str) -> Option<Duration> {
    let entry = fields.need(reader, key, fault.key_span, example(&fault.key))?;
    reader.positive_duration(entry)
}

/// Reports steps that would do something to a server for which there is no command.
pub(super) fn check_server(reader: &mut Reader<'_>, parts: &[Part<'_>], target: &Target) {
    let control = target.control.as_deref();
    parts
        .iter()
        .for_each(|part| check_steps(reader, part.steps, control));
}

fn check_steps(reader: &mut Reader<'_>, steps: &[Step], control: Option<&Control>) {
    for step in steps {
        match &step.kind {
            StepKind::Repeat { steps, .. } => check_steps(reader, steps, control),
            StepKind::Server(fault) => check_fault(reader, step, *fault, control),
            _ => {}
        }
    }
}

fn check_fault(reader: &mut Reader<'_>, step: &Step, fault: ServerFault, control: Option<&Control>) {
    let (word, needs): (_, &[&str]) = match fault {
        ServerFault::Restart { .. } => ("restart", &["stop", "start"]),
        ServerFault::Pause { .. } => ("pause", &["pause", "resume"]),
        ServerFault::Crash { away: None } => ("crash", &["stop"]),
        ServerFault::Crash { away: Some(_) } => ("crash", &["stop", "start"]),
        ServerFault::Slow { .. } => ("slow", &["slow", "restore"]),
    };
    let given = |key: &&str| control.is_some_and(|control| control.commands().any(|(name, _)| name == *key));
    let missing: Vec<String> = needs
        .iter()
        .filter(|key| !given(key))
        .map(|key| format!("`{key}`"))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        let message = format!("`server: {word}` for a server at a `url`: no command for {missing}");
        let help = format!(
            "say in `target: {{control: …}}` what to run for {missing}; or leave the step out, or the `url`"
        );
        reader.mistake_help(step.span, message, help);
    }
}

impl Control {
    /// Its commands and their names, as far as there are any.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &CommandLine)> {
        let all = [
            ("start", &self.start),
            ("stop", &self.stop),
            ("pause", &self.pause),
            ("resume", &self.resume),
            ("slow", &self.slow),
            ("restore", &self.restore),
        ];
        all.into_iter()
            .filter_map(|(name, command)| Some((name, command.as_ref()?)))
    }
}
