//! What a step does to the bundled STUN and TURN server.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{
    check::Part,
    diagnostic::did_you_mean,
    fields::Reader,
    ice::{Ice, IceServers},
    tree::{Entry, Value},
    types::{Step, StepKind},
};
use crate::base::show_duration;

/// What a `turn` step can do.
pub(super) const TURN_FAULTS: [&str; 3] = ["stop", "quota", "lifetime"];
/// The keys of a `stop` written long.
pub(super) const TURN_STOP_KEYS: [&str; 1] = ["for"];
/// The most allocations that a `quota` can allow.
pub(super) const MAX_QUOTA: u32 = 1_000;

/// What a step does to the bundled STUN and TURN server. It is everybody's, in every room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFault {
    /// Its process ends, and with it every allocation.
    Stop {
        /// After this another one is there that knows nothing; `None`: never.
        #[serde(rename = "for_ms", serialize_with = "optional_millis")]
        away: Option<Duration>,
    },
    /// From now on no user gets more allocations than that; more are refused (486, RFC 8656 §7.2).
    Quota(u32),
    /// From now on allocations and their refreshes are granted for this at most.
    Lifetime(#[serde(serialize_with = "millis")] Duration),
}

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1_000.0)
}

fn optional_millis<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, to),
        None => to.serialize_none(),
    }
}

impl TurnFault {
    /// Behind `turn: `.
    pub(super) fn to_yaml(self) -> String {
        match self {
            Self::Stop { away: None } => "stop".to_owned(),
            Self::Stop { away: Some(away) } => {
                format!("{{ stop: {{ for: {} }} }}", show_duration(away))
            }
            Self::Quota(most) => format!("{{ quota: {most} }}"),
            Self::Lifetime(time) => format!("{{ lifetime: {} }}", show_duration(time)),
        }
    }
}

/// A word, or a map of one word and its argument.
pub(super) fn read_turn(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    if let Value::Scalar(word) = &entry.value.value {
        if word != "stop" {
            let help = match TURN_FAULTS.contains(&word.as_str()) {
                true => "they take a value: `turn: {quota: 0}`, `turn: {lifetime: 10s}`".to_owned(),
                false => did_you_mean(word, &TURN_FAULTS),
            };
            reader.mistake_help(entry.value.span, format!("`turn` can't be `{word}`"), help);
            return None;
        }
        return Some(StepKind::Turn(TurnFault::Stop { away: None }));
    }
    let wants = "`stop`, or a map like `{stop: {for: 5s}}`, `{quota: 0}` or `{lifetime: 10s}`";
    let mut fields = reader.map(&entry.value, "`turn`", wants)?;
    let [stop, quota, lifetime] = TURN_FAULTS.map(|key| fields.take(key));
    let misspelt = fields.has_rest();
    fields.finish(reader, &TURN_FAULTS);
    let faults = [
        stop.map(|entry| read_stop(reader, entry)),
        quota.map(|entry| read_quota(reader, entry)),
        lifetime.map(|entry| read_lifetime(reader, entry)),
    ];
    let mut given = faults.into_iter().flatten();
    let Some(fault) = given.next() else {
        if !misspelt {
            reader.mistake_help(entry.key_span, "`turn` does nothing", format!("expected {wants}"));
        }
        return None;
    };
    if given.next().is_some() {
        let help = "a step does one thing: begin a line with `- ` for each";
        reader.mistake_help(entry.key_span, "`turn` with two things to do", help);
        return None;
    }
    fault.filter(|_| !misspelt).map(StepKind::Turn)
}

fn read_stop(reader: &mut Reader<'_>, entry: &Entry) -> Option<TurnFault> {
    if let Value::Null = entry.value.value {
        return Some(TurnFault::Stop { away: None });
    }
    let mut fields = reader.map(&entry.value, "`stop`", "nothing, or a map like `{for: 5s}`")?;
    let away = fields.take("for");
    let misspelt = fields.has_rest();
    fields.finish(reader, &TURN_STOP_KEYS);
    let away = match away {
        Some(entry) => Some(reader.positive_duration(entry)?),
        None => None,
    };
    (!misspelt).then_some(TurnFault::Stop { away })
}

fn read_quota(reader: &mut Reader<'_>, entry: &Entry) -> Option<TurnFault> {
    if let Value::Scalar(text) = &entry.value.value {
        match text.parse::<i128>() {
            Ok(0) => return Some(TurnFault::Quota(0)),
            Ok(below) if below < 0 => {
                let message = format!("`quota` can't be below 0: it is {text}");
                reader.mistake_help(
                    entry.value.span,
                    message,
                    "`quota: 0` allows nobody an allocation",
                );
                return None;
            }
            _ => {}
        }
    }
    reader.count(entry, MAX_QUOTA).map(TurnFault::Quota)
}

fn read_lifetime(reader: &mut Reader<'_>, entry: &Entry) -> Option<TurnFault> {
    let time = reader.positive_duration(entry)?;
    if time.subsec_nanos() != 0 {
        reader.mistake(
            entry.value.span,
            "`lifetime` must be whole seconds: that is how TURN tells it",
        );
        return None;
    }
    Some(TurnFault::Lifetime(time))
}

/// Reports steps that would do something to a server that is not there. `at_hand`: how each part's peers
/// find a path; `None` if that could not be read.
pub(super) fn check_turn<'a>(
    reader: &mut Reader<'_>,
    parts: &[Part<'_>],
    at_hand: impl Iterator<Item = Option<&'a Ice>>,
) {
    let mut used = at_hand.map(|ice| ice.is_none_or(|ice| ice.servers == IceServers::Bundled));
    if !used.any(|used| used) {
        parts.iter().for_each(|part| check_steps(reader, part.steps));
    }
}

fn check_steps(reader: &mut Reader<'_>, steps: &[Step]) {
    for step in steps {
        match &step.kind {
            StepKind::Repeat { steps, .. } => check_steps(reader, steps),
            StepKind::Turn(_) => reader.mistake_help(
                step.span,
                "`turn` where nobody uses the bundled TURN server",
                "say `ice: relay` or `ice: {servers: bundled}`, or leave the step out",
            ),
            _ => {}
        }
    }
}
