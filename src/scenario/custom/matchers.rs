//! What comes in.

use super::{
    super::{
        diagnostic::did_you_mean,
        fields::{Fields, Reader},
        read::all,
        tree::{Entry, Node, Value},
    },
    MAX_TEXT,
    frames::{Place as TextPlace, read_frames, read_text},
    is_quoted,
};
use crate::signaling::custom::{
    Condition, Field, InItem, Literal, Matcher, Members, Place, Pointer, PointerError, Says, Source, Text,
};

/// The keys of a matcher that are no fields.
pub(in crate::scenario) const MATCHER_KEYS: [&str; 6] = ["as", "prefix", "text", "when", "save", "reply"];
/// The keys of a condition.
pub(in crate::scenario) const CONDITION_KEYS: [&str; 3] = ["is", "not", "exists"];
/// The keys of a list of members.
pub(in crate::scenario) const MEMBERS_KEYS: [&str; 3] = ["list", "id", "name"];
/// The most matchers.
pub(in crate::scenario) const MAX_MATCHERS: usize = 200;
/// What an error can be about.
const ABOUTS: [&str; 2] = ["join", "membership"];

pub(super) fn read_matchers(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Matcher>> {
    let wants = "a list like `[{when: {/type: joined}, as: welcome}]`";
    let items = reader.list(&entry.value, "`receive`", wants)?;
    if items.is_empty() || items.len() > MAX_MATCHERS {
        let message = format!("`receive` has {} entries", items.len());
        reader.mistake_help(entry.value.span, message, format!("1 to {MAX_MATCHERS}"));
        return None;
    }
    let matchers: Vec<Option<Matcher>> = items.iter().map(|item| read_matcher(reader, item)).collect();
    let all = matchers.iter().zip(items).enumerate();
    let mut reachable = true;
    for (number, (matcher, item)) in all {
        let Some(matcher) = matcher else { continue };
        let before = matchers[..number].iter().enumerate();
        let wider = before
            .filter_map(|(n, one)| Some((n, one.as_ref()?)))
            .find(|(_, one)| one.covers(matcher));
        if let Some((n, one)) = wider {
            let message = format!(
                "no frame ever gets here: whatever fits this fits `{}` ({}), too",
                one.says,
                n + 1
            );
            let help = "the first that fits counts: put this one before it, or say more in `when`";
            reader.mistake_help(item.span, message, help);
            reachable = false;
        }
    }
    let matchers: Option<Vec<Matcher>> = matchers.into_iter().collect();
    matchers.filter(|_| reachable)
}

fn read_matcher(reader: &mut Reader<'_>, node: &Node) -> Option<Matcher> {
    let wants = "a map like `{when: {/type: joined}, as: welcome}`";
    let mut fields = reader.map(node, "an entry of `receive`", wants)?;
    let words = Says::ALL.map(|kind| (kind.word, kind.says));
    let says = fields.need(reader, "as", node.span, "as: welcome");
    let says = says.and_then(|entry| reader.choice(entry, &words));
    let prefix = fields.take("prefix").map(|entry| fixed(reader, entry));
    let text_entry = fields.take("text");
    let text = text_entry.map(|entry| fixed(reader, entry));
    let when_entry = fields.take("when");
    let when = when_entry.map_or(Some(Vec::new()), |entry| read_when(reader, entry));
    let save = fields
        .take("save")
        .map_or(Some(Vec::new()), |entry| read_save(reader, entry));
    let reply = fields.take("reply").map_or(Some(Vec::new()), |entry| {
        read_frames(reader, &entry.value, "reply", TextPlace::Reply)
    });
    let taken = says.and_then(|says| read_fields(reader, &mut fields, says, node));
    if let Some(says) = says {
        let own = says.kind().fields().map(Field::word);
        let known: Vec<&str> = MATCHER_KEYS.into_iter().chain(own).collect();
        fields.finish(reader, &known);
    }
    if let (Some(_), Some(when)) = (text_entry, when_entry) {
        let message = "`when` beside `text`: there is no JSON to look into";
        reader.mistake_help(
            when.key_span,
            message,
            "leave one of the two out; `prefix` cuts off what stands before JSON",
        );
        return None;
    }
    Some(Matcher {
        says: says?,
        prefix: all(prefix)?.unwrap_or_default(),
        text: all(text)?,
        when: when?,
        fields: taken?,
        save: save?,
        reply: reply?,
    })
}

/// A text that is looked for as it is.
fn fixed(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let text = reader.scalar(&entry.value, &format!("`{}`", entry.key), "a text")?;
    let sound = !text.is_empty() && text.chars().count() <= MAX_TEXT;
    if !sound {
        let message = format!("`{}` needs 1 to {MAX_TEXT} characters", entry.key);
        reader.mistake(entry.value.span, message);
    }
    sound.then(|| text.to_owned())
}

fn read_fields(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    says: Says,
    node: &Node,
) -> Option<Vec<(Field, Source)>> {
    let kind = says.kind();
    let mut read = Vec::new();
    let mut sound = true;
    for field in kind.fields() {
        let word = field.word();
        let entry = match kind.needs.contains(&field) {
            true => fields.need(reader, word, node.span, &example(field)),
            false => fields.take(word),
        };
        match entry.map(|entry| read_source(reader, entry, field)) {
            Some(Some(source)) => read.push((field, source)),
            Some(None) => sound = false,
            None => sound &= !kind.needs.contains(&field),
        }
    }
    // What is another kind's is told better than as unknown.
    for (word, field) in Field::ALL {
        if kind.fields().all(|own| own != field)
            && let Some(entry) = fields.take(word)
        {
            let own: Vec<&str> = kind.fields().map(Field::word).collect();
            let help = match own.is_empty() {
                true => format!("`{says}` has no fields"),
                false => format!("`{says}` has {}", own.join(", ")),
            };
            reader.mistake_help(entry.key_span, format!("`{says}` has no `{word}`"), help);
            sound = false;
        }
    }
    sound.then_some(read)
}

fn example(field: Field) -> String {
    match field.is_members() {
        true => format!("{}: {{list: /members, id: /id}}", field.word()),
        false => format!("{}: /data/{}", field.word(), field.word()),
    }
}

fn read_source(reader: &mut Reader<'_>, entry: &Entry, field: Field) -> Option<Source> {
    if field.is_members() {
        return read_members(reader, entry).map(Source::Members);
    }
    let what = format!("`{}`", entry.key);
    let text = reader.scalar(&entry.value, &what, "a JSON pointer like `/data/id`, or a text")?;
    if field == Field::About {
        if !ABOUTS.contains(&text) {
            reader.mistake_help(
                entry.value.span,
                format!("{what} can't be `{text}`"),
                did_you_mean(text, &ABOUTS),
            );
            return None;
        }
        return Some(Source::Is(Text::parse(text).unwrap_or_default()));
    }
    if text.is_empty() || text.starts_with('/') {
        return read_place(reader, &entry.value, text).map(Source::At);
    }
    read_text(reader, &entry.value, &what, TextPlace::Field).map(Source::Is)
}

fn read_members(reader: &mut Reader<'_>, entry: &Entry) -> Option<Members> {
    let what = format!("`{}`", entry.key);
    let example = "{list: /members, id: /id, name: /name}";
    let mut fields = reader.map(&entry.value, &what, &format!("a map like `{example}`"))?;
    let list = fields.need(reader, "list", entry.key_span, example);
    let list = list.and_then(|entry| {
        let text = reader.scalar(&entry.value, "`list`", "a JSON pointer")?;
        read_place(reader, &entry.value, text)
    });
    let id = fields.need(reader, "id", entry.key_span, example);
    let id = id.and_then(|entry| read_in_item(reader, entry));
    let name = fields.take("name").map(|entry| read_in_item(reader, entry));
    fields.finish(reader, &MEMBERS_KEYS);
    Some(Members {
        list: list?,
        id: id?,
        name: all(name)?,
    })
}

fn read_in_item(reader: &mut Reader<'_>, entry: &Entry) -> Option<InItem> {
    let wants = "a JSON pointer into each member, or `$key`";
    let text = reader.scalar(&entry.value, &format!("`{}`", entry.key), wants)?;
    if text == "$key" {
        return Some(InItem::Key);
    }
    match Pointer::parse(text) {
        Ok(pointer) => Some(InItem::At(pointer)),
        Err(error) => {
            let help = "`/id`; `''` is the member itself, and `$key` its key where they are a map";
            reader.mistake_help(entry.value.span, format!("`{text}`: {error}"), help);
            None
        }
    }
}

fn read_place(reader: &mut Reader<'_>, node: &Node, text: &str) -> Option<Place> {
    match Place::parse(text) {
        Ok(place) => Some(place),
        Err(error) => {
            reader.mistake_help(node.span, format!("`{text}`: {error}"), help(error));
            None
        }
    }
}

fn help(error: PointerError) -> &'static str {
    match error {
        PointerError::NoSlash => "for example `/data/id`, or `/data/id or /id` for the first that is there",
        PointerError::Tilde => "a key `a/b` is `/a~1b`, and a key `a~b` is `/a~0b`",
    }
}

fn read_when(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<(Place, Condition)>> {
    let wants = "a map of JSON pointers to values, like `{/type: joined}`";
    let Value::Map(entries) = &entry.value.value else {
        reader.wrong_kind(&entry.value, "`when`", wants);
        return None;
    };
    let conditions: Vec<_> = entries
        .iter()
        .map(|one| {
            let place = match Place::parse(&one.key) {
                Ok(place) => Some(place),
                Err(error) => {
                    reader.mistake_help(one.key_span, format!("`{}`: {error}", one.key), help(error));
                    None
                }
            };
            let condition = read_condition(reader, one);
            Some((place?, condition?))
        })
        .collect();
    conditions.into_iter().collect()
}

fn read_condition(reader: &mut Reader<'_>, entry: &Entry) -> Option<Condition> {
    if !matches!(entry.value.value, Value::Map(_)) {
        return Some(Condition {
            is: read_literals(reader, &entry.value)?,
            ..Condition::default()
        });
    }
    let mut fields = reader.map(&entry.value, "a condition", "a value")?;
    let is = fields
        .take("is")
        .map_or(Some(Vec::new()), |entry| read_literals(reader, &entry.value));
    let not = fields
        .take("not")
        .map_or(Some(Vec::new()), |entry| read_literals(reader, &entry.value));
    let exists = fields.take("exists").map(|entry| reader.flag(entry));
    let misspelt = fields.has_rest();
    fields.finish(reader, &CONDITION_KEYS);
    let condition = Condition {
        is: is?,
        not: not?,
        exists: all(exists)?,
    };
    if misspelt {
        return None;
    }
    if condition == Condition::default() {
        let help = "a value, a list of values, or a map with `is`, `not` or `exists`";
        reader.mistake_help(
            entry.value.span,
            format!("`{}` has no condition", entry.key),
            help,
        );
        return None;
    }
    Some(condition)
}

/// One value, or a list of them.
fn read_literals(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Literal>> {
    match &node.value {
        Value::Seq(items) if items.is_empty() => {
            reader.mistake_help(
                node.span,
                "a list of no values: nothing is one of them",
                "leave the condition out",
            );
            None
        }
        Value::Seq(items) => {
            let literals: Vec<_> = items.iter().map(|item| read_literal(reader, item)).collect();
            literals.into_iter().collect()
        }
        _ => Some(vec![read_literal(reader, node)?]),
    }
}

fn read_literal(reader: &mut Reader<'_>, node: &Node) -> Option<Literal> {
    let Value::Scalar(text) = &node.value else {
        if matches!(node.value, Value::Null) {
            return Some(Literal::Null);
        }
        reader.wrong_kind(node, "a value to compare with", "a single value");
        return None;
    };
    if !is_quoted(reader, node) {
        match text.as_str() {
            "true" => return Some(Literal::Bool(true)),
            "false" => return Some(Literal::Bool(false)),
            _ => {}
        }
        if let Ok(number) = serde_json::from_str(text) {
            return Some(Literal::Number(number));
        }
    }
    read_text(reader, node, "a value", TextPlace::Condition).map(Literal::Text)
}

fn read_save(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<(String, Place)>> {
    let Value::Map(entries) = &entry.value.value else {
        reader.wrong_kind(
            &entry.value,
            "`save`",
            "a map of names to JSON pointers, like `{sid: /sid}`",
        );
        return None;
    };
    let saved: Vec<_> = entries
        .iter()
        .map(|one| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if one.key.is_empty() || !one.key.chars().all(plain) {
                let message = format!("`{}` is no name", one.key);
                reader.mistake_help(
                    one.key_span,
                    message,
                    "letters, digits and `_`: it is used as `${saved.NAME}`",
                );
                return None;
            }
            let text = reader.scalar(&one.value, &format!("`{}`", one.key), "a JSON pointer")?;
            Some((one.key.clone(), read_place(reader, &one.value, text)?))
        })
        .collect();
    saved.into_iter().collect()
}
