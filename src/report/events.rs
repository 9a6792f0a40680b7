//! `events.ndjson`: one [`RunEvent`], one line, there and back.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    base::{Instant, PeerId},
    metrics::RunEvent,
};

/// The event as a line of JSON with its line feed: `ms` since the run's start, `peer`, `remote`, `kind`,
/// then the kind's own fields by name. Instants are in ms (`planned_ms`, `ends_ms`, `relayed_ms`).
pub fn ndjson(event: &RunEvent) -> String {
    let mut line = serde_json::to_string(&EventLine::of(event)).expect("an event's fields are all JSON");
    line.push('\n');
    line
}

/// Reads what [`ndjson`] has written.
///
/// # Errors
/// In words, if the line is no event: cut off, or of another version.
pub fn parse(line: &str) -> Result<RunEvent, String> {
    parse_merged(line).map(|(event, _)| event)
}

/// The event as a line of a merged run's log: `segment` says whose it is, by its number from 1.
pub fn ndjson_merged(event: &RunEvent, segment: u32) -> String {
    let mut line = ndjson(event);
    line.truncate(line.len() - "}\n".len());
    line + &format!(",\"segment\":{segment}}}\n")
}

/// Reads what [`ndjson_merged`] or [`ndjson`] has written.
///
/// # Errors
/// In words, if the line is no event: cut off, or of another version.
pub fn parse_merged(line: &str) -> Result<(RunEvent, Option<u32>), String> {
    let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let segment = match fields.remove("segment") {
        None => None,
        Some(number) => {
            let known = number.as_u64().and_then(|number| u32::try_from(number).ok());
            Some(known.ok_or_else(|| format!("there is no segment {number}"))?)
        }
    };
    let fields: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| hidden(name, value))
        .collect::<Result<_, String>>()?;
    let event = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    Ok((event, segment))
}

/// A field as serde knows it: instants in µs.
fn hidden(name: String, value: Value) -> Result<(String, Value), String> {
    let inner = match name.as_str() {
        "ms" => "at",
        "planned_ms" => "planned",
        "ends_ms" => "ends",
        "relayed_ms" => "relayed",
        _ => return Ok((name, value)),
    };
    if value.is_null() {
        return Ok((inner.to_owned(), value));
    }
    let micros = value.as_f64().map(|ms| (ms * 1_000.0).round());
    let micros = micros.filter(|micros| (0.0..=u64::MAX as f64).contains(micros));
    let micros = micros.ok_or_else(|| format!("`{name}` is no instant"))?;
    Ok((inner.to_owned(), (micros as u64).into()))
}

/// What kind of event it is, as its line says: `channel_opened`.
pub fn kind_name(event: &RunEvent) -> String {
    match EventLine::of(event).kind {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

/// An event in its JSON form.
#[derive(Debug, Serialize)]
pub(super) struct EventLine {
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PeerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<PeerId>,
    kind: Value,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl EventLine {
    pub fn of(event: &RunEvent) -> Self {
        let kind = serde_json::to_value(&event.kind).expect("an event's fields are all JSON");
        let Value::Object(object) = kind else {
            unreachable!("EventKind is tagged inside");
        };
        let mut fields: BTreeMap<_, _> = object
            .into_iter()
            .map(|(name, value)| shown(name, value))
            .collect();
        Self {
            ms: event.at.as_millis_f64(),
            peer: event.peer,
            remote: event.remote,
            kind: fields.remove("kind").expect("EventKind is tagged with its kind"),
            fields,
        }
    }
}

fn shown(name: String, value: Value) -> (String, Value) {
    match (name.as_str(), value.as_u64()) {
        ("planned" | "ends" | "relayed", Some(micros)) => {
            let ms = Instant::from_micros(micros).as_millis_f64();
            (format!("{name}_ms"), ms.into())
        }
        _ => (name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::Generation,
        metrics::{DescriptionKind, EventKind, FaultCause},
    };

    #[test]
    fn a_line_begins_with_when_who_and_what() {
        let event = RunEvent {
            at: Instant::from_micros(1_204_311),
            peer: Some(PeerId(1)),
            remote: Some(PeerId(0)),
            kind: EventKind::DescriptionSent {
                generation: Generation(2),
                description: DescriptionKind::Answer,
                fingerprint: 8,
                answers: Some(7),
            },
        };
        assert_eq!(
            ndjson(&event),
            concat!(
                r#"{"ms":1204.311,"peer":1,"remote":0,"kind":"description_sent","answers":7,"#,
                r#""description":"answer","fingerprint":8,"generation":2}"#,
                "\n"
            )
        );
    }

    #[test]
    fn planned_instants_are_in_milliseconds_and_absent_ends_are_left_out() {
        let event = RunEvent {
            at: Instant::from_millis(2),
            peer: None,
            remote: None,
            kind: EventKind::StepStarted {
                planned: Instant::from_micros(1_500),
                step: "a \"quoted\"\nstep".to_owned(),
            },
        };
        assert_eq!(
            ndjson(&event),
            concat!(
                r#"{"ms":2.0,"kind":"step_started","planned_ms":1.5,"step":"a \"quoted\"\nstep"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_line_comes_back_as_the_event_that_it_was() {
        let kinds = [
            EventKind::ServerCrashed {
                planned: Instant::from_micros(1_500_001),
                ends: None,
            },
            EventKind::FaultStarted {
                cause: FaultCause::Roam,
                planned: Instant::from_micros(8_640_000_000_123),
                ends: Instant::from_micros(9_000_000_000_000),
            },
            EventKind::RunStarted {
                world: "sim".to_owned(),
            },
        ];
        for kind in kinds {
            let event = RunEvent {
                at: Instant::from_micros(1_204_311),
                peer: Some(PeerId(1)),
                remote: None,
                kind,
            };
            assert_eq!(parse(&ndjson(&event)), Ok(event));
        }
        for broken in [
            "",
            "{",
            "{}",
            "[1]",
            r#"{"ms":-1,"kind":"run_ended"}"#,
            r#"{"ms":1.0,"kind":"run_ended"#,
        ] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_line_of_a_merged_log_says_whose_it_is() {
        let event = RunEvent {
            at: Instant::from_millis(1),
            peer: None,
            remote: None,
            kind: EventKind::RunEnded,
        };
        let line = ndjson_merged(&event, 2);
        assert_eq!(line, "{\"ms\":1.0,\"kind\":\"run_ended\",\"segment\":2}\n");
        assert_eq!(parse_merged(&line), Ok((event.clone(), Some(2))));
        assert_eq!(parse_merged(&ndjson(&event)), Ok((event, None)));
        assert!(parse_merged(&line.replace("2}", "-2}")).is_err());
    }

    #[test]
    fn what_is_no_json_number_is_null() {
        let event = RunEvent {
            at: Instant::from_micros(u64::MAX),
            peer: None,
            remote: None,
            kind: EventKind::Generator {
                cpu_percent: f64::INFINITY,
                rss_bytes: u64::MAX,
                open_files: None,
            },
        };
        assert!(ndjson(&event).contains(r#""cpu_percent":null"#));
    }
}
