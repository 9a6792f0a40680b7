use super::{
    fields::Reader,
    tree::Entry,
    types::{MAX_CHAT_COUNT, MAX_MESSAGE_BYTES, StepKind},
};
use crate::base::{Size, show_duration};

/// The keys of a `chat`.
pub(super) const CHAT_KEYS: [&str; 4] = ["every", "size", "for", "count"];

pub(super) fn read_chat(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
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
    fields.finish(reader, &CHAT_KEYS);
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
