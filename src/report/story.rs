//! What two peers went through with each other, and the server between them: as a sequence diagram and as text.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    describe,
    sequence::{Actor, Sequence, Step, Way},
};
use crate::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent},
};

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
    /// A [Mermaid](https://mermaid.js.org/syntax/sequenceDiagram.html) sequence diagram.
    pub fn mermaid(&self) -> String {
        self.sequence().mermaid()
    }

    /// Both ends, the server between them, what went between these and what each did. Chat messages are left out.
    pub(super) fn sequence(&self) -> Sequence {
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
        let mut drawing = Drawing {
            names_remotes: self.remote.is_none(),
            ..Drawing::default()
        };
        for event in &events {
            drawing.draw(event);
        }
        let mut ends: Vec<PeerId> = events
            .iter()
            .flat_map(|event| [event.peer, event.remote])
            .flatten()
            // It is drawn already.
            .filter(|end| *end != PeerId::SERVER)
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let mut actors: Vec<Actor> = ends.into_iter().map(Actor::Peer).collect();
        if !actors.is_empty() {
            actors.insert(1, Actor::Server);
        }
        Sequence {
            actors,
            steps: drawing.steps,
            whose: self.peer,
            point: self.point.map(|(at, what)| (at, what.to_owned())),
        }
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
            if event.kind.only_counts() {
                return false;
            }
            let Some(teller) = event.peer else {
                return true;
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
struct Drawing {
    steps: Vec<Step>,
    /// Descriptions by the order in which they first appear.
    numbers: BTreeMap<u64, usize>,
    /// There are several: what happens on a connection says to whom.
    names_remotes: bool,
}

impl Drawing {
    fn draw(&mut self, event: &RunEvent) {
        let Some(peer) = event.peer else { return };
        if !Story::draws(&event.kind) {
            return;
        }
        let (own, server) = (Actor::Peer(peer), Actor::Server);
        let (up, down) = (Way::Between(own, server), Way::Between(server, own));
        let (way, text) = match &event.kind {
            EventKind::JoinStarted { name, .. } => (up, format!("join as {name}")),
            EventKind::Joined { .. } => (down, "joined".to_owned()),
            EventKind::JoinRejected { reason, .. } => (down, format!("refused, {reason}")),
            EventKind::LeaveStarted { .. } => (up, "leave".to_owned()),
            EventKind::MemberJoined { again } => {
                let again = if *again { " again" } else { "" };
                (down, format!("{} joined{again}", who(event.remote)))
            }
            EventKind::MemberLeft { reason } => (down, format!("{} left ({reason})", who(event.remote))),
            EventKind::SignalingError { reason, .. } => (down, format!("error {reason}")),
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
                (up, what + &other("for", event.remote))
            }
            EventKind::DescriptionReceived {
                description,
                fingerprint,
            } => {
                let what = self.named(*description, *fingerprint);
                (down, what + &other("from", event.remote))
            }
            EventKind::DescriptionIgnored {
                description,
                fingerprint,
                ..
            } => {
                let what = self.named(*description, *fingerprint);
                let told = super::what(&event.kind);
                let why = told.split_once(": ").map_or("", |(_, why)| why);
                (Way::At(own), format!("ignores {what}, {why}"))
            }
            EventKind::ConnectionCreated { generation, .. } => {
                let toward = self.toward(event);
                (Way::At(own), format!("makes connection {generation}{toward}"))
            }
            other => (
                Way::At(own),
                format!("{}{}", super::what(other), self.toward(event)),
            ),
        };
        self.steps.push(Step {
            at: event.at,
            way,
            text,
        });
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

/// Who is meant at the other end of what goes through the server, or from and to it alone.
fn other(way: &str, remote: Option<PeerId>) -> String {
    match remote {
        Some(PeerId::SERVER) => String::new(),
        remote => format!(" {way} {}", who(remote)),
    }
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

    #[test]
    fn the_server_is_drawn_once_where_it_is_the_other_end() {
        let sent = EventKind::DescriptionSent {
            generation: Generation(1),
            description: DescriptionKind::Offer,
            fingerprint: 77,
            answers: None,
        };
        let server = PeerId::SERVER;
        let events = [event(1, 0, Some(server.0), sent)];
        let story = Story {
            events: &events,
            peer: PeerId(0),
            remote: Some(server),
            point: None,
        };
        assert_eq!(
            story.mermaid(),
            concat!(
                "sequenceDiagram\n",
                "    participant peer-0\n",
                "    participant server\n",
                "    peer-0->>server: offer 1 [1.0 ms]\n",
            )
        );
    }
}
