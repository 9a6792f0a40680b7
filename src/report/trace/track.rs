use serde_json::Value;

use super::line::{Arguments, Lines, Nanos, Place, Thread};
use crate::base::Instant;

/// Between any two edges of spans on a thread, so that whatever happens in one µs has an order.
const STEP: u64 = 10;
/// How long what takes no time is drawn.
const POINT: u64 = 200;

/// A thread whose spans nest: a stack of what is going on.
///
/// Its clock goes on by [`STEP`] with every edge. Where a thousand things happen in one µs, the last of them is drawn that
/// much later.
#[derive(Debug)]
pub struct Track {
    pub thread: Thread,
    clock: Option<Nanos>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    name: String,
    cat: &'static str,
    begin: Nanos,
    args: Arguments,
}

impl Track {
    pub fn new(thread: Thread) -> Self {
        Self {
            thread,
            clock: None,
            open: Vec::new(),
        }
    }

    fn edge(&mut self, at: Instant) -> Nanos {
        let at = Nanos::of(at);
        let edge = self.clock.map_or(at, |clock| at.max(clock.after(STEP)));
        self.clock = Some(edge);
        edge
    }

    pub fn begin(&mut self, at: Instant, name: impl Into<String>, cat: &'static str, args: Arguments) {
        let begin = self.edge(at);
        self.open.push(Open {
            name: name.into(),
            cat,
            begin,
            args,
        });
    }

    /// Ends what began last, and says something about its end. Nothing, if nothing is open.
    pub fn end(&mut self, at: Instant, said: &[(&str, Value)], lines: &mut Lines) {
        let Some(mut open) = self.open.pop() else { return };
        let end = self.edge(at);
        for (name, value) in said {
            open.args.insert((*name).to_owned(), value.clone());
        }
        lines.span(self.thread, &open.name, open.cat, (open.begin, end), &open.args);
    }

    /// Ends everything down to a depth.
    pub fn end_to(&mut self, depth: usize, at: Instant, said: &[(&str, Value)], lines: &mut Lines) {
        while self.open.len() > depth {
            self.end(at, said, lines);
        }
    }

    /// How many spans are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Something that takes no time, as a span that flows can be bound to.
    pub fn point(
        &mut self,
        at: Instant,
        name: &str,
        cat: &'static str,
        args: &Arguments,
        lines: &mut Lines,
    ) -> Place {
        let begin = self.edge(at);
        let end = begin.after(POINT);
        self.clock = Some(end);
        lines.span(self.thread, name, cat, (begin, end), args);
        Place {
            thread: self.thread,
            at: begin.after(POINT / 2),
        }
    }

    /// Something that takes no time.
    pub fn instant(
        &mut self,
        at: Instant,
        name: &str,
        cat: &'static str,
        args: &Arguments,
        lines: &mut Lines,
    ) {
        let at = self.edge(at);
        lines.instant(self.thread, name, cat, at, "t", args);
    }
}
