use std::time::Duration;

use super::{
    fields::Reader,
    tree::Entry,
    types::{Arrival, MAX_PEERS, Stage},
};

/// The keys of `arrive`, of which one is said.
pub(super) const ARRIVE_KEYS: [&str; 3] = ["over", "rate", "stages"];
/// The keys of a stage.
pub(super) const STAGE_KEYS: [&str; 2] = ["over", "to"];

pub(super) fn read_arrive(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arrival> {
    let wants = "`{over: 5s}`, `{rate: 20/s}` or `{stages: [{over: 30s, to: 100}]}`";
    let mut fields = reader.map(&entry.value, "`arrive`", wants)?;
    let found: Vec<&Entry> = ARRIVE_KEYS
        .into_iter()
        .filter_map(|key| fields.take(key))
        .collect();
    let misspelt = fields.has_rest();
    fields.finish(reader, &ARRIVE_KEYS);
    let read: Vec<Option<Arrival>> = found
        .iter()
        .map(|entry| match entry.key.as_str() {
            "over" => reader.duration(entry).map(|over| match over {
                Duration::ZERO => Arrival::AtOnce,
                over => Arrival::Over(over),
            }),
            "rate" => reader
                .unit(&entry.value, "`rate`", "a rate like `20/s`")
                .map(Arrival::Rate),
            _ => read_stages(reader, entry),
        })
        .collect();
    match (found.as_slice(), read.into_iter().next()) {
        ([_], Some(read)) => read,
        ([first, second, ..], _) => {
            let message = format!("`arrive` has both `{}` and `{}`", first.key, second.key);
            reader.mistake_help(second.key_span, message, "remove one");
            None
        }
        _ if misspelt => None,
        _ => {
            reader.mistake_help(
                entry.key_span,
                "`arrive` says nothing",
                format!("expected {wants}"),
            );
            None
        }
    }
}

fn read_stages(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arrival> {
    let items = reader.list(&entry.value, "`stages`", "a list like `[{over: 30s, to: 100}]`")?;
    if items.is_empty() {
        reader.mistake(entry.value.span, "`stages` is empty");
        return None;
    }
    let mut stages = Vec::new();
    let mut before = 0;
    for item in items {
        let Some(mut fields) = reader.map(item, "a stage", "a map like `{over: 30s, to: 100}`") else {
            continue;
        };
        let at = fields.span;
        let over = fields
            .need(reader, "over", at, "over: 30s")
            .and_then(|entry| reader.duration(entry));
        let to = fields.need(reader, "to", at, "to: 100");
        let to = to.and_then(|entry| Some((reader.count(entry, MAX_PEERS)?, entry.value.span)));
        fields.finish(reader, &STAGE_KEYS);
        if let Some((to, span)) = to {
            if to < before {
                let message = format!("`to: {to}` after `to: {before}`: who has arrived can't un-arrive");
                reader.mistake_help(
                    span,
                    message,
                    "`to` counts all arrivals so far; peers leave by steps",
                );
                continue;
            }
            before = to;
        }
        if let (Some(over), Some((to, _))) = (over, to) {
            stages.push(Stage { over, to });
        }
    }
    (stages.len() == items.len()).then_some(Arrival::Stages(stages))
}

pub(super) fn check_stages(reader: &mut Reader<'_>, entry: &Entry, arrive: &Arrival, total: u64) {
    let Arrival::Stages(stages) = arrive else { return };
    let last = stages.last().map_or(0, |stage| u64::from(stage.to));
    if last != total {
        let message = format!("the stages bring {last} peers, but the rooms have {total}");
        let help = format!("let the last stage say `to: {total}`, or change `rooms`");
        reader.mistake_help(entry.key_span, message, help);
    }
}
