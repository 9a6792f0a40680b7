use std::time::Duration;

use super::{
    diagnostic::{did_you_mean, nearest},
    fields::Reader,
    source::Span,
    tree::{Entry, Node, Value},
    types::{DEFAULT_TIMEOUT, MAX_CHAT_COUNT, MAX_MESSAGE_BYTES, MAX_REPEAT_DEPTH, Step, StepKind, WaitFor},
};
use crate::base::{Size, show_duration};

/// The longest user or barrier name.
const MAX_NAME: usize = 64;
/// The steps of this version.
const STEPS: [&str; 9] = [
    "join", "leave", "rejoin", "wait", "pause", "barrier", "chat", "repeat", "rename",
];
/// The steps of the language that are not built yet.
const LATER: [&str; 16] = [
    "duplicate_offer",
    "duplicate_answer",
    "late_answer",
    "stale_offer",
    "glare",
    "ice_restart",
    "drop_network",
    "network",
    "roam",
    "nat_rebind",
    "cut_signaling",
    "signaling",
    "crash",
    "suspend",
    "server",
    "send_raw",
];

/// `None` if any of them is broken: what the others mean together can't be judged then.
pub(super) fn read_steps(reader: &mut Reader<'_>, entry: &Entry, depth: usize) -> Option<Vec<Step>> {
    let wants = "a list of steps, each on a line that begins with `- `";
    let items = reader.list(&entry.value, &format!("`{}`", entry.key), wants)?;
    if items.is_empty() {
        reader.mistake(entry.value.span, format!("`{}` is empty", entry.key));
        return None;
    }
    // Every step is read before the first broken one ends it.
    let steps: Vec<_> = items.iter().map(|item| read_step(reader, item, depth)).collect();
    steps.into_iter().collect()
}

fn read_step(reader: &mut Reader<'_>, node: &Node, depth: usize) -> Option<Step> {
    let kind = match &node.value {
        Value::Scalar(word) => read_kind(reader, word, node.span, None),
        Value::Map(entries) => read_map(reader, node.span, entries, depth),
        _ => {
            reader.wrong_kind(node, "a step", "a word like `join` or a map like `pause: 1s`");
            None
        }
    }?;
    // A step is known by its first word; its arguments may go over many lines.
    let span = match &node.value {
        Value::Map(entries) => Span {
            end: entries
                .first()
                .map_or(node.span.end, |first| match &first.value.value {
                    Value::Scalar(_) => first.value.span.end,
                    _ => first.key_span.end,
                }),
            ..entries.first().map_or(node.span, |first| first.key_span)
        },
        _ => node.span,
    };
    Some(Step { span, kind })
}

fn read_map(reader: &mut Reader<'_>, at: Span, entries: &[Entry], depth: usize) -> Option<StepKind> {
    let Some(first) = entries.first() else {
        reader.mistake_help(
            at,
            "an empty step",
            format!("the steps are: {}", STEPS.join(", ")),
        );
        return None;
    };
    let repeat = entries.iter().find(|entry| entry.key == "repeat");
    let mut sound = true;
    for other in entries {
        let beside = match repeat {
            Some(_) if other.key == "repeat" || other.key == "steps" => continue,
            Some(_) => "repeat",
            None if other.key == first.key => continue,
            None => first.key.as_str(),
        };
        let message = format!("`{}` can't stand beside `{beside}`", other.key);
        let help = match other.key.as_str() {
            word if STEPS.contains(&word) || LATER.contains(&word) => {
                "each step is an entry of its own: begin its line with `- `".to_owned()
            }
            "within" | "to" if beside == "wait" => {
                format!("write `wait: {{for: connected, {}: …}}`", other.key)
            }
            "within" if beside == "barrier" => "write `barrier: {name: …, within: …}`".to_owned(),
            "steps" => "only `repeat` has steps of its own".to_owned(),
            _ => format!(
                "the arguments of a step go into braces: `{beside}: {{{}: …}}`",
                other.key
            ),
        };
        reader.mistake_help(other.key_span, message, help);
        sound = false;
    }
    let kind = match repeat {
        Some(repeat) => read_repeat(reader, repeat, entries, depth),
        None => read_kind(reader, &first.key, first.key_span, Some(first)),
    };
    kind.filter(|_| sound)
}

fn read_repeat(reader: &mut Reader<'_>, repeat: &Entry, entries: &[Entry], depth: usize) -> Option<StepKind> {
    let times = reader.count(repeat, u32::MAX);
    if depth == MAX_REPEAT_DEPTH {
        let message = format!("more than {MAX_REPEAT_DEPTH} `repeat` inside each other");
        reader.mistake(repeat.key_span, message);
        return None;
    }
    let Some(steps) = entries.iter().find(|entry| entry.key == "steps") else {
        reader.mistake_help(
            repeat.key_span,
            "`repeat` has no steps",
            "write below it, in the same column as `repeat`: `steps: [rejoin, pause: 1s]`",
        );
        return None;
    };
    let steps = read_steps(reader, steps, depth + 1);
    Some(StepKind::Repeat {
        times: times?,
        steps: steps?,
    })
}

/// `argument` is `None` for a bare word.
fn read_kind(reader: &mut Reader<'_>, word: &str, at: Span, argument: Option<&Entry>) -> Option<StepKind> {
    let given = argument.filter(|entry| !matches!(entry.value.value, Value::Null));
    let needs = |reader: &mut Reader<'_>, example: &str| {
        if given.is_none() {
            reader.mistake_help(
                at,
                format!("`{word}` needs an argument"),
                format!("for example `{example}`"),
            );
        }
        given
    };
    match word {
        "join" => read_join(reader, given),
        "leave" | "rejoin" => {
            if let Some(entry) = given {
                reader.mistake(entry.value.span, format!("`{word}` takes no argument"));
                return None;
            }
            Some(match word {
                "leave" => StepKind::Leave,
                _ => StepKind::Rejoin,
            })
        }
        "wait" => {
            let entry = needs(reader, "wait: connected")?;
            read_wait(reader, entry)
        }
        "pause" => {
            let entry = needs(reader, "pause: 500ms")?;
            let wants = "a duration or a range: `500ms`, `0s..500ms`";
            Some(StepKind::Pause(reader.unit(&entry.value, "`pause`", wants)?))
        }
        "barrier" => {
            let entry = needs(reader, "barrier: ready")?;
            read_barrier(reader, entry)
        }
        "chat" => {
            let entry = needs(reader, "chat: {every: 200ms, size: 256, for: 10s}")?;
            read_chat(reader, entry)
        }
        "rename" => {
            let entry = needs(reader, "rename: Alice")?;
            Some(StepKind::Rename(reader.text(entry, MAX_NAME)?))
        }
        "repeat" => {
            reader.mistake_help(
                at,
                "`repeat` needs a number and steps",
                "for example `{repeat: 10, steps: [rejoin]}`",
            );
            None
        }
        later if LATER.contains(&later) => {
            reader.mistake(at, format!("`{later}` is not available in this version"));
            None
        }
        other => {
            let known: Vec<&str> = STEPS.into_iter().chain(LATER).collect();
            let help = match nearest(other, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the steps are: {}", STEPS.join(", ")),
            };
            reader.mistake_help(at, format!("unknown step `{other}`"), help);
            None
        }
    }
}

fn read_join(reader: &mut Reader<'_>, given: Option<&Entry>) -> Option<StepKind> {
    let Some(entry) = given else {
        return Some(StepKind::Join {
            expect_rejected: false,
        });
    };
    let mut fields = reader.map(&entry.value, "`join`", "nothing, or `{expect: rejected}`")?;
    let expect = fields.take("expect");
    let misspelt = fields.has_rest();
    fields.finish(reader, &["expect"], &[]);
    let Some(expect) = expect else {
        return (!misspelt).then_some(StepKind::Join {
            expect_rejected: false,
        });
    };
    let words = ["accepted", "rejected"];
    match reader.scalar(&expect.value, "`expect`", "`rejected`")? {
        "rejected" => Some(StepKind::Join {
            expect_rejected: true,
        }),
        "accepted" => Some(StepKind::Join {
            expect_rejected: false,
        }),
        other => {
            let message = format!("a join can't be expected to be `{other}`");
            reader.mistake_help(expect.value.span, message, did_you_mean(other, &words));
            None
        }
    }
}

fn read_wait(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    const WAITS: [&str; 3] = ["connected", "joined", "rejected"];
    let condition = |reader: &mut Reader<'_>, node: &Node| match reader.scalar(
        node,
        "what to wait for",
        "one of connected, joined, rejected",
    )? {
        "connected" => Some(WaitFor::Connected),
        "joined" => Some(WaitFor::Joined),
        "rejected" => Some(WaitFor::Rejected),
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
    let within = read_within(reader, fields.take("within"));
    fields.finish(reader, &["for", "to", "within"], &[]);
    let target = match (target?, to) {
        (target, None) => target,
        (WaitFor::Connected, Some(to)) => {
            match reader.scalar(&to.value, "`to`", "`planned` or `present`")? {
                "planned" => WaitFor::Connected,
                "present" => WaitFor::ConnectedToPresent,
                other => {
                    let help = did_you_mean(other, &["planned", "present"]);
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

fn read_barrier(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
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
    fields.finish(reader, &["name", "within"], &[]);
    Some(StepKind::Barrier {
        name: name?,
        within: within?,
    })
}

fn read_chat(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let at = entry.key_span;
    let mut fields = reader.map(
        &entry.value,
        "`chat`",
        "a map like `{every: 200ms, size: 256, for: 10s}`",
    )?;
    let every = fields
        .need(reader, "every", at, "every: 200ms")
        .and_then(|entry| reader.positive_duration(entry));
    let size = fields
        .need(reader, "size", at, "size: 256")
        .and_then(|entry| read_size(reader, entry));
    let lasts = fields.take("for");
    let count = fields.take("count");
    let (has_lasts, has_count) = (lasts.is_some(), count.is_some());
    let lasts = lasts.and_then(|entry| Some((reader.positive_duration(entry)?, entry.value.span)));
    let count_read = count.and_then(|entry| reader.count(entry, MAX_CHAT_COUNT));
    match (has_lasts, count) {
        (true, Some(count)) => {
            reader.mistake_help(
                count.key_span,
                "`chat` has both `for` and `count`",
                "one follows from the other: remove one",
            );
        }
        (false, None) => {
            reader.mistake_help(at, "`chat` never ends", "add `for: 10s` or `count: 10`");
        }
        _ => {}
    }
    fields.finish(reader, &["every", "size", "for", "count"], &[]);
    let (every, size) = (every?, size?);
    if has_lasts == has_count {
        return None;
    }
    let Some((lasts, span)) = lasts else {
        let count = count_read?;
        let lasts = every.checked_mul(count)?;
        return Some(StepKind::Chat {
            every,
            count,
            size,
            lasts,
        });
    };
    let count = lasts.as_micros() / every.as_micros();
    if count == 0 || count > u128::from(MAX_CHAT_COUNT) {
        let message = match count {
            0 => format!("`for` is shorter than `every: {}`", show_duration(every)),
            _ => format!("this posts {count} messages; {MAX_CHAT_COUNT} is the limit"),
        };
        reader.mistake(span, message);
        return None;
    }
    Some(StepKind::Chat {
        every,
        count: count as u32,
        size,
        lasts,
    })
}

fn read_size(reader: &mut Reader<'_>, entry: &Entry) -> Option<u32> {
    let Size(bytes) = reader.unit(&entry.value, "`size`", "a number of bytes")?;
    match bytes {
        0 => reader.mistake(entry.value.span, "`size` must be at least 1 byte"),
        1..=MAX_MESSAGE_BYTES => return u32::try_from(bytes).ok(),
        _ => reader.mistake_help(
            entry.value.span,
            format!("a message of {bytes} bytes is more than a data channel takes"),
            format!("the limit is {MAX_MESSAGE_BYTES} bytes (16KiB)"),
        ),
    }
    None
}
