use super::{
    chat::read_chat,
    diagnostic::{did_you_mean, nearest},
    faults::{read_cut, read_drop, read_duplicate_answer, read_duplicate_offer, read_restart},
    fields::Reader,
    host::{read_block, read_roam, read_suspend},
    network::read_network,
    server::read_server,
    signaling::{read_late_answer, read_parties, read_raw, read_signaling},
    source::Span,
    tree::{Entry, Node, Value},
    turn::read_turn,
    types::{Cut, MAX_REPEAT_DEPTH, Step, StepKind},
    waits::{read_barrier, read_wait},
};

/// The longest user or barrier name.
pub(super) const MAX_NAME: usize = 64;
/// The steps of this version.
pub(super) const STEPS: [&str; 28] = [
    "join",
    "leave",
    "rejoin",
    "wait",
    "pause",
    "barrier",
    "chat",
    "repeat",
    "rename",
    "duplicate_offer",
    "duplicate_answer",
    "ice_restart",
    "network",
    "drop_network",
    "cut_signaling",
    "crash",
    "server",
    "turn",
    "block_udp",
    "roam",
    "nat_rebind",
    "suspend",
    "signaling",
    "late_answer",
    "glare",
    "stale_offer",
    "join_twice",
    "send_raw",
];
/// The keys of a `join` that says more than that.
pub(super) const JOIN_KEYS: [&str; 1] = ["expect"];
/// What a `join` can be expected to be.
pub(super) const JOIN_OUTCOMES: [&str; 2] = ["accepted", "rejected"];

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
        Value::Map(entries) => entries.first().map_or(node.span, |first| {
            let value = &first.value;
            // What an override puts there stands in another text.
            let whole = matches!(value.value, Value::Scalar(_)) && value.span.source == first.key_span.source;
            Span {
                end: if whole { value.span.end } else { first.key_span.end },
                ..first.key_span
            }
        }),
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
            word if STEPS.contains(&word) => {
                "each step is an entry of its own: begin its line with `- `".to_owned()
            }
            "within" | "to" if beside == "wait" => {
                format!("write `wait: {{for: connected, {}: …}}`", other.key)
            }
            "for" if beside == "server" => "write `server: {restart: {for: …}}`".to_owned(),
            "for" if beside == "turn" => "write `turn: {stop: {for: …}}`".to_owned(),
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
        "leave" | "rejoin" | "crash" | "nat_rebind" | "join_twice" => {
            if let Some(entry) = given {
                reader.mistake(entry.value.span, format!("`{word}` takes no argument"));
                return None;
            }
            Some(match word {
                "leave" => StepKind::Leave,
                "rejoin" => StepKind::Rejoin,
                "nat_rebind" => StepKind::NatRebind,
                "join_twice" => StepKind::JoinTwice,
                _ => StepKind::Crash,
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
        "duplicate_offer" => read_duplicate_offer(reader, given),
        "duplicate_answer" => {
            let entry = needs(reader, "duplicate_answer: {for: 5s}")?;
            read_duplicate_answer(reader, entry)
        }
        "ice_restart" => read_restart(reader, given),
        "network" => {
            let entry = needs(reader, "network: wifi")?;
            Some(StepKind::Network(read_network(reader, entry)?))
        }
        "drop_network" => {
            let entry = needs(reader, "drop_network: {for: 5s}")?;
            read_drop(reader, entry)
        }
        "cut_signaling" => Some(StepKind::CutSignaling(match given {
            Some(entry) => read_cut(reader, entry)?,
            None => Cut::Reset,
        })),
        "server" => {
            let entry = needs(reader, "server: restart")?;
            read_server(reader, entry)
        }
        "block_udp" => read_block(reader, given),
        "roam" => read_roam(reader, given),
        "suspend" => {
            let entry = needs(reader, "suspend: {for: 5s}")?;
            read_suspend(reader, entry)
        }
        "turn" => {
            let entry = needs(reader, "turn: stop")?;
            read_turn(reader, entry)
        }
        "signaling" => {
            let entry = needs(reader, "signaling: {drop: 50%, of: answer, for: 5s}")?;
            read_signaling(reader, entry)
        }
        "late_answer" => {
            let entry = needs(reader, "late_answer: {by: 2s, for: 10s}")?;
            read_late_answer(reader, entry)
        }
        "glare" => Some(StepKind::Glare {
            with: read_parties(reader, word, given)?,
        }),
        "stale_offer" => Some(StepKind::StaleOffer {
            with: read_parties(reader, word, given)?,
        }),
        "send_raw" => {
            let entry = needs(reader, "send_raw: {set: garbage}")?;
            read_raw(reader, entry)
        }
        "repeat" => {
            reader.mistake_help(
                at,
                "`repeat` needs a number and steps",
                "for example `{repeat: 10, steps: [rejoin]}`",
            );
            None
        }
        other => {
            let help = match nearest(other, STEPS) {
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
    fields.finish(reader, &JOIN_KEYS);
    let Some(expect) = expect else {
        return (!misspelt).then_some(StepKind::Join {
            expect_rejected: false,
        });
    };
    match reader.scalar(&expect.value, "`expect`", "`rejected`")? {
        "rejected" => Some(StepKind::Join {
            expect_rejected: true,
        }),
        "accepted" => Some(StepKind::Join {
            expect_rejected: false,
        }),
        other => {
            let message = format!("a join can't be expected to be `{other}`");
            reader.mistake_help(expect.value.span, message, did_you_mean(other, &JOIN_OUTCOMES));
            None
        }
    }
}
