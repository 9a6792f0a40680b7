use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::Instant;

/// Nanoseconds since the run's start. The format counts in µs, with fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    pub fn of(at: Instant) -> Self {
        Self(at.as_micros().saturating_mul(1_000))
    }

    pub fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    fn micros(self) -> f64 {
        self.0 as f64 / 1_000.0
    }
}

/// A thread of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thread {
    pub pid: u64,
    pub tid: u64,
}

/// What is said beside an event's name.
pub type Arguments = Map<String, Value>;

/// Names and values, as arguments.
pub fn arguments<const N: usize>(members: [(&str, Value); N]) -> Arguments {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One event of the format.
#[derive(Debug, Serialize)]
struct Event<'a> {
    name: &'a str,
    ph: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u64,
    tid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Of an instant: whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    /// Of the end of a flow: it is bound to the span around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a Arguments>,
}

/// Events as they are collected, each with its time.
#[derive(Debug, Default)]
pub struct Lines {
    /// Names of processes and threads come before everything.
    metadata: Vec<String>,
    lines: Vec<(Nanos, String)>,
    last_id: u64,
}

impl Lines {
    /// A name, label or place of a process or a thread.
    pub fn metadata(&mut self, thread: Thread, name: &'static str, value: (&str, Value)) {
        let args = arguments([value]);
        let event = Event {
            args: Some(&args),
            ..event(name, "M", thread, Nanos(0))
        };
        self.metadata.push(json(&event));
    }

    pub fn span(
        &mut self,
        thread: Thread,
        name: &str,
        cat: &'static str,
        (begin, end): (Nanos, Nanos),
        args: &Arguments,
    ) {
        let event = Event {
            cat: Some(cat),
            dur: Some(Nanos(end.0.saturating_sub(begin.0)).micros()),
            args: some(args),
            ..event(name, "X", thread, begin)
        };
        self.push(begin, &event);
    }

    /// `scope`: `t` the thread's, `p` the process's, `g` everybody's.
    pub fn instant(
        &mut self,
        thread: Thread,
        name: &str,
        cat: &'static str,
        at: Nanos,
        scope: &'static str,
        args: &Arguments,
    ) {
        let event = Event {
            cat: Some(cat),
            s: Some(scope),
            args: some(args),
            ..event(name, "i", thread, at)
        };
        self.push(at, &event);
    }

    pub fn counter(&mut self, thread: Thread, name: &str, at: Nanos, value: Value) {
        let args = arguments([("value", value)]);
        let event = Event {
            args: Some(&args),
            ..event(name, "C", thread, at)
        };
        self.push(at, &event);
    }

    /// A span that may overlap with any other.
    pub fn asynchronous(
        &mut self,
        thread: Thread,
        name: &str,
        cat: &'static str,
        (begin, end): (Nanos, Nanos),
        args: &Arguments,
    ) {
        let id = self.next_id();
        for (ph, at, args) in [("b", begin, some(args)), ("e", end.max(begin), None)] {
            let event = Event {
                cat: Some(cat),
                id: Some(id.clone()),
                args,
                ..event(name, ph, thread, at)
            };
            self.push(at, &event);
        }
    }

    /// From the first place to the last, in the order of time; each is inside a span.
    pub fn flow(&mut self, name: &str, cat: &'static str, places: &[Place]) {
        let id = self.next_id();
        let last = places.len() - 1;
        for (nth, place) in places.iter().enumerate() {
            let (ph, bp) = match nth {
                0 => ("s", None),
                _ if nth == last => ("f", Some("e")),
                _ => ("t", None),
            };
            let event = Event {
                cat: Some(cat),
                id: Some(id.clone()),
                bp,
                ..event(name, ph, place.thread, place.at)
            };
            self.push(place.at, &event);
        }
    }

    /// All of them, by time; of one time, in the order in which they came.
    pub fn in_order(mut self) -> impl Iterator<Item = String> {
        self.lines.sort_by_key(|(at, _)| *at);
        let lines = self.lines.into_iter().map(|(_, line)| line);
        self.metadata.into_iter().chain(lines)
    }

    fn push(&mut self, at: Nanos, event: &Event<'_>) {
        self.lines.push((at, json(event)));
    }

    fn next_id(&mut self) -> String {
        self.last_id += 1;
        format!("0x{:x}", self.last_id)
    }
}

/// A time inside a span of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub thread: Thread,
    pub at: Nanos,
}

fn event<'a>(name: &'a str, ph: &'static str, thread: Thread, at: Nanos) -> Event<'a> {
    Event {
        name,
        ph,
        cat: None,
        ts: at.micros(),
        dur: None,
        pid: thread.pid,
        tid: thread.tid,
        id: None,
        s: None,
        bp: None,
        args: None,
    }
}

fn some(args: &Arguments) -> Option<&Arguments> {
    (!args.is_empty()).then_some(args)
}

fn json(event: &Event<'_>) -> String {
    serde_json::to_string(event).expect("its fields are all JSON")
}
