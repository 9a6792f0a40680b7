use std::fmt::{self, Write};

use super::paper::clean;
use crate::base::{Instant, PeerId};

/// Lines of a Mermaid diagram; more than that nobody looks at, and renderers give up.
const MAX_DRAWN: usize = 150;

/// Who said what to whom, in order: printed as Mermaid, and drawn on the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sequence {
    /// From left to right.
    pub actors: Vec<Actor>,
    /// By time.
    pub steps: Vec<Step>,
    /// Who the story is about: what is said at its end is said over this one.
    pub whose: PeerId,
    /// What it comes to, and when.
    pub point: Option<(Instant, String)>,
}

/// Somebody with a line of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    Peer(PeerId),
    Server,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub at: Instant,
    pub way: Way,
    pub text: String,
}

/// Where a step is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It went from the one to the other.
    Between(Actor, Actor),
    /// One did it by itself.
    At(Actor),
}

impl Sequence {
    /// As a [Mermaid](https://mermaid.js.org/syntax/sequenceDiagram.html) diagram, with times in ms since the run's
    /// start.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("sequenceDiagram\n");
        for actor in &self.actors {
            let _ = writeln!(text, "    participant {actor}");
        }
        for step in self.steps.iter().take(MAX_DRAWN) {
            let place = match step.way {
                Way::Between(from, to) => format!("{from}->>{to}"),
                Way::At(actor) => format!("Note over {actor}"),
            };
            let _ = writeln!(
                text,
                "    {place}: {} [{:.1} ms]",
                plain(&step.text),
                step.at.as_millis_f64()
            );
        }
        let more = self.steps.len().saturating_sub(MAX_DRAWN);
        if more > 0 {
            let _ = writeln!(
                text,
                "    Note over {}: {more} more lines are left out",
                self.whose
            );
        }
        if let Some((at, what)) = &self.point {
            let _ = writeln!(
                text,
                "    Note over {}: HERE {} [{:.1} ms]",
                self.whose,
                plain(what),
                at.as_millis_f64()
            );
        }
        text
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Server => f.write_str("server"),
        }
    }
}

/// Without what means something there: a semicolon or the end of the line ends a statement, a hash begins an entity.
fn plain(text: &str) -> String {
    clean(&text.replace([';', '#'], ","))
}
