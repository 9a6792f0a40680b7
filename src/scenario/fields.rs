use std::{str::FromStr, time::Duration};

use super::{
    diagnostic::{Diagnostic, did_you_mean},
    source::{Sources, Span},
    tree::{Entry, Node, Value},
};
use crate::base::{UnitError, parse_duration};

/// Collects mistakes while a tree is read: every `read_*` reports what is wrong and answers `None`, and the
/// reading goes on with what is beside it.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s Sources,
    pub(super) mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    pub(super) fn mistake(&mut self, span: Span, message: impl Into<String>) {
        self.mistakes
            .push(Diagnostic::new(self.sources, span, message.into()));
    }

    pub(super) fn mistake_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let mistake = Diagnostic::new(self.sources, span, message.into()).with_help(help);
        self.mistakes.push(mistake);
    }

    /// `what` wants something else than `node` is.
    pub(super) fn wrong_kind(&mut self, node: &Node, what: &str, wants: &str) {
        if matches!(node.value, Value::Broken) {
            return;
        }
        self.mistake_help(
            node.span,
            format!("{what} can't be {}", node.kind()),
            format!("expected {wants}"),
        );
    }

    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str, wants: &str) -> Option<Fields<'n>> {
        match &node.value {
            Value::Map(entries) => Some(Fields {
                entries,
                taken: vec![false; entries.len()],
                span: node.span,
            }),
            _ => {
                self.wrong_kind(node, what, wants);
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str, wants: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::Seq(items) => Some(items),
            _ => {
                self.wrong_kind(node, what, wants);
                None
            }
        }
    }

    pub(super) fn scalar<'n>(&mut self, node: &'n Node, what: &str, wants: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(text) => Some(text),
            _ => {
                self.wrong_kind(node, what, wants);
                None
            }
        }
    }

    /// A text for people or for the wire: something to see, nothing invisible, not too long.
    pub(super) fn text(&mut self, entry: &Entry, most: usize) -> Option<String> {
        let text = self.scalar(&entry.value, &format!("`{}`", entry.key), "a text")?;
        if text.trim().is_empty() {
            self.mistake(entry.key_span, format!("`{}` is empty", entry.key));
        } else if text.chars().count() > most {
            self.mistake(
                entry.value.span,
                format!("`{}` is longer than {most} characters", entry.key),
            );
        } else if text.chars().any(|c| c.is_control()) {
            self.mistake(
                entry.value.span,
                format!("`{}` holds a control character", entry.key),
            );
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&mut self, entry: &Entry, most: u32) -> Option<u32> {
        self.whole(entry, 1, most, "a whole number above zero")
    }

    /// A whole number from 0 to `most`.
    pub(super) fn count_from_zero(&mut self, entry: &Entry, most: u32) -> Option<u32> {
        self.whole(entry, 0, most, "a whole number from zero")
    }

    fn whole(&mut self, entry: &Entry, least: u32, most: u32, wants: &str) -> Option<u32> {
        let key = &entry.key;
        let text = self.scalar(&entry.value, &format!("`{key}`"), wants)?;
        let span = entry.value.span;
        match text.parse::<i128>() {
            Ok(number) if number > i128::from(most) => {
                self.mistake(span, format!("`{key}: {text}` is more than {most}, the limit"));
            }
            Ok(number) if number >= i128::from(least) => return u32::try_from(number).ok(),
            Ok(_) => self.mistake(span, format!("`{key}` must be at least {least}, not {text}")),
            Err(_) => {
                self.mistake_help(
                    span,
                    format!("`{key}` can't be `{text}`"),
                    format!("expected {wants}"),
                );
            }
        }
        None
    }

    pub(super) fn flag(&mut self, entry: &Entry) -> Option<bool> {
        let what = format!("`{}`", entry.key);
        match self.scalar(&entry.value, &what, "`true` or `false`")? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                self.mistake_help(
                    entry.value.span,
                    format!("{what} can't be `{other}`"),
                    "expected `true` or `false`",
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Clone>(&mut self, entry: &Entry, choices: &[(&str, T)]) -> Option<T> {
        let key = &entry.key;
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let wants = format!("one of {}", words.join(", "));
        let text = self.scalar(&entry.value, &format!("`{key}`"), &wants)?;
        let chosen = choices.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            self.mistake_help(
                entry.value.span,
                format!("`{key}` can't be `{text}`"),
                did_you_mean(text, &words),
            );
        }
        chosen.map(|(_, choice)| choice.clone())
    }

    /// A value with a unit.
    pub(super) fn unit<T: FromStr<Err = UnitError>>(
        &mut self,
        node: &Node,
        what: &str,
        wants: &str,
    ) -> Option<T> {
        let text = self.scalar(node, what, wants)?;
        text.parse()
            .map_err(|error| self.unit_mistake(node.span, &error))
            .ok()
    }

    /// A duration, zero allowed.
    pub(super) fn duration(&mut self, entry: &Entry) -> Option<Duration> {
        let what = format!("`{}`", entry.key);
        let text = self.scalar(&entry.value, &what, "a duration like `10s`")?;
        parse_duration(text)
            .map_err(|error| self.unit_mistake(entry.value.span, &error))
            .ok()
    }

    /// A duration above zero.
    pub(super) fn positive_duration(&mut self, entry: &Entry) -> Option<Duration> {
        let duration = self.duration(entry)?;
        if duration.is_zero() {
            self.mistake(
                entry.value.span,
                format!("`{}` must be longer than zero", entry.key),
            );
            return None;
        }
        Some(duration)
    }

    fn unit_mistake(&mut self, span: Span, error: &UnitError) {
        self.mistake_help(span, error.to_string(), error.help());
    }
}

/// The entries of a map, each to be taken once; what nobody takes is unknown.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    taken: Vec<bool>,
    pub(super) span: Span,
}

impl<'n> Fields<'n> {
    pub(super) fn take(&mut self, key: &str) -> Option<&'n Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        self.taken[index] = true;
        Some(&self.entries[index])
    }

    /// The same, but reported if it is not there. `at`: where to point then.
    pub(super) fn need(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        at: Span,
        example: &str,
    ) -> Option<&'n Entry> {
        let entry = self.take(key);
        if entry.is_none() && !self.has_near(key) {
            reader.mistake_help(
                at,
                format!("`{key}` is missing"),
                format!("for example `{example}`"),
            );
        }
        entry
    }

    /// Whether an untaken key looks like a misspelling of `key`: one diagnostic is enough for it.
    pub(super) fn has_near(&self, key: &str) -> bool {
        self.rest()
            .any(|entry| super::diagnostic::nearest(&entry.key, [key]).is_some())
    }

    /// Whether there are keys that nobody took.
    pub(super) fn has_rest(&self) -> bool {
        self.rest().next().is_some()
    }

    fn rest(&self) -> impl Iterator<Item = &'n Entry> {
        let taken = self.taken.iter();
        self.entries
            .iter()
            .zip(taken)
            .filter(|(_, taken)| !**taken)
            .map(|(entry, _)| entry)
    }

    /// Reports every key that nobody took. `known`: those that could have been.
    pub(super) fn finish(self, reader: &mut Reader<'_>, known: &[&str]) {
        for entry in self.rest() {
            let key = &entry.key;
            reader.mistake_help(
                entry.key_span,
                format!("unknown key `{key}`"),
                did_you_mean(key, known),
            );
        }
    }
}
