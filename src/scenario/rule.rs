//! The kinds of values that a rule of the client can have: how each is read, told and described.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    fields::Reader,
    schema::values,
    tree::{Entry, Value as Yaml},
};
use crate::base::show_duration;

/// The largest count that a rule takes.
const MAX_COUNT: u32 = 1_000_000;
/// Where a rule has no limit.
const NONE: &str = "none";

/// A rule's value.
pub(super) trait Rule {
    /// Takes the value of a scenario; `None`: it is none, and that has been reported.
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()>;
    /// What a scenario may write, as a JSON Schema.
    fn schema(&self) -> Value;
    /// As a scenario writes it.
    fn show(&self) -> String;
    /// As a plan tells it.
    fn wire(&self) -> Value;
    /// What the plan's name for it ends in.
    fn unit(&self) -> &'static str {
        ""
    }
    /// Itself, if it is on or off.
    fn switch(&mut self) -> Option<&mut bool> {
        None
    }
}

impl Rule for bool {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        *self = reader.flag(entry)?;
        Some(())
    }

    fn schema(&self) -> Value {
        values::flag()
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn wire(&self) -> Value {
        json!(self)
    }

    fn switch(&mut self) -> Option<&mut bool> {
        Some(self)
    }
}

impl Rule for Duration {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        *self = reader.duration(entry)?;
        Some(())
    }

    fn schema(&self) -> Value {
        values::defined("duration")
    }

    fn show(&self) -> String {
        show_duration(*self)
    }

    fn wire(&self) -> Value {
        json!(self.as_micros() as f64 / 1_000.0)
    }

    fn unit(&self) -> &'static str {
        "_ms"
    }
}

impl Rule for u32 {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        *self = reader.count(entry, MAX_COUNT)?;
        Some(())
    }

    fn schema(&self) -> Value {
        values::count(MAX_COUNT)
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn wire(&self) -> Value {
        json!(self)
    }
}

/// A limit, or `none`.
impl<R: Rule + Default> Rule for Option<R> {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        if matches!(&entry.value.value, Yaml::Scalar(word) if word == NONE) {
            *self = None;
            return Some(());
        }
        let mut limit = R::default();
        limit.read(reader, entry)?;
        *self = Some(limit);
        Some(())
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [R::default().schema(), values::one_of([NONE])] })
    }

    fn show(&self) -> String {
        self.as_ref().map_or(NONE.to_owned(), Rule::show)
    }

    fn wire(&self) -> Value {
        self.as_ref().map_or(Value::Null, Rule::wire)
    }

    fn unit(&self) -> &'static str {
        R::default().unit()
    }
}

/// A set of signaling states (W3C WebRTC 1.0 §4.3.1) that a connection can be in when an offer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalingStates {
    pub stable: bool,
    pub have_local_offer: bool,
    pub have_remote_offer: bool,
}

impl SignalingStates {
    /// All of them.
    pub const ALL: Self = Self {
        stable: true,
        have_local_offer: true,
        have_remote_offer: true,
    };
    const WORDS: [&str; 3] = ["stable", "have-local-offer", "have-remote-offer"];

    fn words(&self) -> Vec<&'static str> {
        let is_in = [self.stable, self.have_local_offer, self.have_remote_offer];
        let words = Self::WORDS.into_iter().zip(is_in);
        words.filter_map(|(word, is_in)| is_in.then_some(word)).collect()
    }
}

impl Rule for SignalingStates {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<()> {
        let wants = format!("a list of some of {}", Self::WORDS.join(", "));
        let words = reader.list(&entry.value, &format!("`{}`", entry.key), &wants)?;
        let mut states = Self::default();
        let mut sound = true;
        for word in words {
            let one = Entry {
                key: entry.key.clone(),
                key_span: entry.key_span,
                value: word.clone(),
            };
            match reader.choice(&one, &Self::WORDS.map(|word| (word, word))) {
                Some("stable") => states.stable = true,
                Some("have-local-offer") => states.have_local_offer = true,
                Some(_) => states.have_remote_offer = true,
                None => sound = false,
            }
        }
        *self = states;
        sound.then_some(())
    }

    fn schema(&self) -> Value {
        json!({ "type": "array", "items": values::one_of(Self::WORDS) })
    }

    fn show(&self) -> String {
        format!("[{}]", self.words().join(", "))
    }

    fn wire(&self) -> Value {
        json!(self.words())
    }
}
