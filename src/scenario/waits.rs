use std::time::Duration;

use super::{
    diagnostic::did_you_mean,
    fields::Reader,
    steps::MAX_NAME,
    tree::{Entry, Node, Value},
    types::{DEFAULT_TIMEOUT, StepKind, WaitFor},
};

/// What can be waited for.
pub(super) const WAITS: [&str; 5] = ["connected", "joined", "rejected", "recovered", "external"];
/// The keys of a `wait` written long.
pub(super) const WAIT_KEYS: [&str; 4] = ["for", "to", "count", "within"];
/// Members from outside of the plan that a peer meets in one run, by their user ids.
pub const EXTERNALS_MAX: u32 = 64;
/// Whom `wait: connected` can be about.
pub(super) const WAIT_TO: [&str; 2] = ["planned", "present"];
/// The keys of a `barrier` written long.
pub(super) const BARRIER_KEYS: [&str; 2] = ["name", "within"];

pub(super) fn read_wait(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let condition = |reader: &mut Reader<'_>, node: &Node| match reader.scalar(
        node,
        "what to wait for",
        "one of connected, joined, rejected, recovered, external",
    )? {
        "connected" => Some(WaitFor::Connected),
        "joined" => Some(WaitFor::Joined),
        "rejected" => Some(WaitFor::Rejected),
        "recovered" => Some(WaitFor::Recovered),
        "external" => Some(WaitFor::External { count: 1 }),
        other => {
            reader.mistake_help(
                node.span,
                format!("unknown wait `{other}`"),
                did_you_mean(other, &WAITS),
            );
            None
        }
    };
    if !matches!(entry.value.value, Value::Map(_)) {
        return Some(StepKind::Wait {
            target: condition(reader, &entry.value)?,
            within: DEFAULT_TIMEOUT,
        });
    }
    let mut fields = reader.map(&entry.value, "`wait`", "a map")?;
    let example = "wait: {for: connected, within: 10s}";
    let target = fields
        .need(reader, "for", entry.key_span, example)
        .and_then(|entry| condition(reader, &entry.value));
    let to = fields.take("to");
    let count = fields.take("count");
    let within = read_within(reader, fields.take("within"));
    fields.finish(reader, &WAIT_KEYS);
    let target = match (target?, count) {
        (target, None) => target,
        (WaitFor::External { .. }, Some(count)) => WaitFor::External {
            count: reader.count_from_zero(count, EXTERNALS_MAX)?,
        },
        (_, Some(count)) => {
            reader.mistake(count.key_span, "`count` goes only with `for: external`");
            return None;
        }
    };
    let target = match (target, to) {
        (target, None) => target,
        (WaitFor::Connected, Some(to)) => {
            match reader.scalar(&to.value, "`to`", "`planned` or `present`")? {
                "planned" => WaitFor::Connected,
                "present" => WaitFor::ConnectedToPresent,
                other => {
                    let help = did_you_mean(other, &WAIT_TO);
                    reader.mistake_help(to.value.span, format!("`to` can't be `{other}`"), help);
                    return None;
                }
            }
        }
        (_, Some(to)) => {
            reader.mistake(to.key_span, "`to` goes only with `for: connected`");
            return None;
        }
    };
    Some(StepKind::Wait {
        target,
        within: within?,
    })
}

fn read_within(reader: &mut Reader<'_>, entry: Option<&Entry>) -> Option<Duration> {
    entry.map_or(Some(DEFAULT_TIMEOUT), |entry| reader.positive_duration(entry))
}

pub(super) fn read_barrier(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    if !matches!(entry.value.value, Value::Map(_)) {
        return Some(StepKind::Barrier {
            name: reader.text(entry, MAX_NAME)?,
            within: DEFAULT_TIMEOUT,
        });
    }
    let mut fields = reader.map(&entry.value, "`barrier`", "a map")?;
    let name = fields
        .need(
            reader,
            "name",
            entry.key_span,
            "barrier: {name: ready, within: 10s}",
        )
        .and_then(|entry| reader.text(entry, MAX_NAME));
    let within = read_within(reader, fields.take("within"));
    fields.finish(reader, &BARRIER_KEYS);
    Some(StepKind::Barrier {
        name: name?,
        within: within?,
    })
}
