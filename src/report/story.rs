//! What two peers went through with each other, and the server between them: as a sequence diagram and as text.

use std::{collections::BTreeMap, fmt::Write};

use super::{describe, paper::clean};
use crate::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent},
};

/// Lines of a diagram; more than that nobody looks at, and renderers give up.
const MAX_DRAWN: usize = 150;
/// Lines of the text.
const MAX_TOLD: usize = 2_000;

/// The story of a link, or of one peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Story<'a> {
    /// All events of the run.
    pub events: &'a [RunEvent],
    /// Whose story it is.
    pub peer: PeerId,
    /// The other end; `None` is everybody.
    pub remote: Option<PeerId>,
    /// When it comes to its point, and what that is: what comes later is not drawn.
    pub point: Option<(Instant, &'a str)>,
}

impl<'a> Story<'a> {
    /// A [Mermaid](https://mermaid.js.org/syntax/sequenceDiagram.html) sequence diagram: both ends, the server
    /// between them, and times in ms since the run's start. Chat messages are left out.
    pub fn mermaid(&self) -> String {
        let mut diagram = Diagram {
            names_remotes: self.remote.is_none(),
            ..Diagram::default()
        };
        let until = self.point.map_or(Instant::from_micros(u64::MAX), |(at, _)| at);
        // What its point is, is said last.
        let is_point = |event: &RunEvent| {
            self.point
                .is_some_and(|(at, what)| at == event.at && what == super::what(&event.kind))
        };
        let events: Vec<&RunEvent> = self
            .own()
            .filter(|event| event.at <= until && !is_point(event))
            .collect();
        for event in &events {
            diagram.draw(event);
        }
        let mut text = String::from("sequenceDiagram\n");
        let mut ends: Vec<PeerId> = events
            .iter()
            .flat_map(|event| [event.peer, event.remote])
            .flatten()
            .collect();
        ends.sort_unstable();
        ends.dedup();
        for (index, end) in ends.iter().enumerate() {
            let _ = writeln!(text, "    participant {end}");
            if index == 0 {
                text.push_str("    participant server\n");
            }
        }
        let more = diagram.lines.len().saturating_sub(MAX_DRAWN);
        for line in diagram.lines.iter().take(MAX_DRAWN) {
            let _ = writeln!(text, "    {line}");
        }
        if more > 0 {
            let _ = writeln!(
                text,
                "    Note over {}: {more} more lines are left out",
                self.peer
            );
        }
        if let Some((at, what)) = self.point {
            let what = plain(what);
            let _ = writeln!(
                text,
                "    Note over {}: HERE {what} [{:.1} ms]",
                self.peer,
                at.as_millis_f64()
            );
        }
        text
    }

    /// Whether a diagram shows such an event: a chat message, or what follows by itself, says nothing there.
    pub(super) fn draws(kind: &EventKind) -> bool {
        match kind {
            EventKind::MessageSent { .. }
            | EventKind::MessageReceived { .. }
            | EventKind::MessageUnsent { .. }
            | EventKind::StepStarted { .. }
            | EventKind::WaitSatisfied { .. }
            | EventKind::RosterSeen { .. }
            | EventKind::ScriptEnded
            | EventKind::SignalingConnected => false,
            // What follows from a description being set by itself.
            EventKind::IceStateChanged { state, .. } => state != "checking",
            EventKind::ConnectionStateChanged { state, .. } => state != "connecting",
            _ => true,
        }
    }

    /// One line an event, as [`describe`] tells it.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.own().map(describe).collect();
        let mut text: String = lines
            .iter()
            .take(MAX_TOLD)
            .map(|line| format!("{line}\n"))
            .collect();
        if lines.len() > MAX_TOLD {
            let _ = writeln!(text, "… and {} more", lines.len() - MAX_TOLD);
        }
        text
    }

    /// What belongs to it: what both ends tell of their link and of themselves, and what the server and the run
    /// tell.
    pub fn own(&self) -> impl Iterator<Item = &'a RunEvent> + use<'a> {
        let Self {
            events, peer, remote, ..
        } = *self;
        events.iter().filter(move |event| {
            let Some(teller) = event.peer else {
                return !matches!(
                    event.kind,
                    EventKind::Generator { .. } | EventKind::Holdings { .. }
                );
            };
            match (remote, event.remote) {
                (None, other) => teller == peer || other == Some(peer),
                (Some(remote), None) => teller == peer || teller == remote,
                (Some(remote), Some(other)) => {
                    (teller, other) == (peer, remote) || (teller, other) == (remote, peer)
                }
            }
        })
    }
}

#[derive(Default)]
struct Diagram {
    lines: Vec<String>,
    /// Descriptions by the order in which they first appear.
    numbers: BTreeMap<u64, usize>,
    /// There are several: what happens on a connection says to whom.
    names_remotes: bool,
}

impl Diagram {
    fn draw(&mut self, event: &RunEvent) {
        let Some(peer) = event.peer else { return };
        if !Story::draws(&event.kind) {
            return;
        }
        let at = format!("{:.1} ms", event.at.as_millis_f64());
        let line = match &event.kind {
            EventKind::JoinStarted { name, .. } => format!("{peer}->>server: join as {name}"),
            EventKind::Joined { .. } => format!("server->>{peer}: joined"),
            EventKind::JoinRejected { reason, .. } => format!("server->>{peer}: refused, {reason}"),
            EventKind::LeaveStarted { .. } => format!("{peer}->>server: leave"),
            EventKind::MemberJoined { again } => {
                let again = if *again { " again" } else { "" };
                format!("server->>{peer}: {} joined{again}", who(event.remote))
            }
            EventKind::MemberLeft { reason } => {
                format!("server->>{peer}: {} left ({reason})", who(event.remote))
            }
            EventKind::SignalingError { reason, .. } => format!("server->>{peer}: error {reason}"),
            EventKind::DescriptionSent {
                description,
                fingerprint,
                answers,
                ..
            } => {
                let mut what = self.named(*description, *fingerprint);
                if let Some(offer) = answers {
                    what += &format!(" to {}", self.named(DescriptionKind::Offer, *offer));
                }
                format!("{peer}->>server: {what} for {}", who(event.remote))
            }
            EventKind::DescriptionReceived {
                description,
                fingerprint,
            } => {
                let what = self.named(*description, *fingerprint);
                format!("server->>{peer}: {what} from {}", who(event.remote))
            }
            EventKind::DescriptionIgnored {
                description,
                fingerprint,
                ..
            } => {
                let what = self.named(*description, *fingerprint);
                let told = super::what(&event.kind);
                let why = told.split_once(": ").map_or("", |(_, why)| why);
                format!("Note over {peer}: ignores {what}, {why}")
            }
            EventKind::ConnectionCreated { generation, .. } => {
                format!(
                    "Note over {peer}: makes connection {generation}{}",
                    self.toward(event)
                )
            }
            other => format!("Note over {peer}: {}{}", super::what(other), self.toward(event)),
        };
        self.lines.push(format!("{} [{at}]", plain(&line)));
    }

    fn toward(&self, event: &RunEvent) -> String {
        let remote = event.remote.filter(|_| self.names_remotes);
        remote.map(|remote| format!(" to {remote}")).unwrap_or_default()
    }

    fn named(&mut self, description: DescriptionKind, fingerprint: u64) -> String {
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(fingerprint).or_insert(next);
        match description {
            DescriptionKind::Offer => format!("offer {number}"),
            DescriptionKind::Answer => format!("answer {number}"),
        }
    }
}

/// Without what means something there: a semicolon or the end of the line ends a statement, a hash begins an entity.
fn plain(text: &str) -> String {
    clean(&text.replace([';', '#'], ","))
}

fn who(remote: Option<PeerId>) -> String {
    remote.map_or_else(|| "somebody".to_owned(), |remote| remote.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Generation;

    fn event(ms: u64, peer: u32, remote: Option<u32>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(ms),
            peer: Some(PeerId(peer)),
            remote: remote.map(PeerId),
            kind,
        }
    }

    #[test]
    fn a_link_is_drawn_with_the_server_between_its_ends_and_nobody_else() {
        let offer = DescriptionKind::Offer;
        let sent = EventKind::DescriptionSent {
            generation: Generation(1),
            description: offer,
            fingerprint: 77,
            answers: None,
        };
        let got = EventKind::DescriptionReceived {
            description: offer,
            fingerprint: 77,
        };
        let events = [
            event(1, 0, Some(1), sent.clone()),
            event(1, 0, Some(2), sent),
            event(2, 1, Some(0), got),
            event(3, 2, None, EventKind::ScriptEnded),
            event(4, 1, None, EventKind::ScriptEnded),
        ];
        let story = Story {
            events: &events,
            peer: PeerId(1),
            remote: Some(PeerId(0)),
            point: Some((Instant::from_millis(3), "nobody\nanswers; #1")),
        };
        assert_eq!(
            story.mermaid(),
            concat!(
                "sequenceDiagram\n",
                "    participant peer-0\n",
                "    participant server\n",
                "    participant peer-1\n",
                "    peer-0->>server: offer 1 for peer-1 [1.0 ms]\n",
                "    server->>peer-1: offer 1 from peer-0 [2.0 ms]\n",
                "    Note over peer-1: HERE nobody answers, ,1 [3.0 ms]\n",
            )
        );
        assert_eq!(story.text().lines().count(), 3);
        let alone = Story {
            remote: None,
            ..story
        };
        assert_eq!(
            alone.text().lines().count(),
            3,
            "both ends' words about the links of the peer, and its own"
        );
    }
}
