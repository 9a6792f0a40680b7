use std::collections::{BTreeMap, VecDeque};

use crate::{
    base::PeerId,
    metrics::{EventKind, RunEvent},
};

/// How many events a finding shows, and how many of each kind are kept for a link and a peer.
pub const MAX_LAST_EVENTS: usize = 12;

/// The last events of every link (both directions) and of every peer, for findings.
///
/// Data events have rings of their own: a chat would push out the negotiation that went wrong before it.
#[derive(Debug, Default)]
pub(super) struct LastEvents {
    seen: u64,
    peers: BTreeMap<PeerId, Ring>,
    links: BTreeMap<(PeerId, PeerId), LinkRings>,
    run: Ring,
}

#[derive(Debug, Default)]
struct LinkRings {
    control: Ring,
    data: Ring,
}

/// Which events explain a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Explains {
    /// Everything but messages.
    Control,
    /// Messages too.
    Data,
}

#[derive(Debug, Default)]
struct Ring(VecDeque<(u64, RunEvent)>);

impl Ring {
    fn push(&mut self, nth: u64, event: &RunEvent) {
        if self.0.len() == MAX_LAST_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back((nth, event.clone()));
    }
}

impl LastEvents {
    pub fn observe(&mut self, event: &RunEvent) {
        if event.kind.only_counts() {
            return;
        }
        self.seen += 1;
        let ring = match (event.peer, event.remote) {
            (Some(peer), Some(remote)) => {
                let link = self.links.entry(pair(peer, remote)).or_default();
                match event.kind {
                    EventKind::MessageSent { .. }
                    | EventKind::MessageUnsent { .. }
                    | EventKind::MessageReceived { .. } => &mut link.data,
                    _ => &mut link.control,
                }
            }
            (Some(peer), None) => self.peers.entry(peer).or_default(),
            (None, _) => &mut self.run,
        };
        ring.push(self.seen, event);
    }

    /// The last events of the link between `peer` and `remote` with what both ends did besides (joins,
    /// steps, signaling), oldest first.
    pub fn of_link(&self, peer: PeerId, remote: PeerId, explains: Explains) -> Vec<RunEvent> {
        let link = self.links.get(&pair(peer, remote));
        let control = link.map(|link| &link.control);
        let data = link.map(|link| &link.data).filter(|_| explains == Explains::Data);
        let ends = [peer, remote].into_iter().filter_map(|end| self.peers.get(&end));
        last(control.into_iter().chain(data).chain(ends))
    }

    /// The last events of `peer` itself, oldest first.
    pub fn of_peer(&self, peer: PeerId) -> Vec<RunEvent> {
        last(self.peers.get(&peer))
    }

    /// The last events of whatever `event` concerns, oldest first.
    pub fn around(&self, event: &RunEvent, explains: Explains) -> Vec<RunEvent> {
        match (event.peer, event.remote) {
            (Some(peer), Some(remote)) => self.of_link(peer, remote, explains),
            (Some(peer), None) => self.of_peer(peer),
            (None, _) => self.of_run(),
        }
    }

    /// The last events of nobody in particular, oldest first.
    pub fn of_run(&self) -> Vec<RunEvent> {
        last([&self.run])
    }
}

fn pair(a: PeerId, b: PeerId) -> (PeerId, PeerId) {
    (a.min(b), a.max(b))
}

fn last<'a>(rings: impl IntoIterator<Item = &'a Ring>) -> Vec<RunEvent> {
    let mut events: Vec<_> = rings.into_iter().flat_map(|ring| &ring.0).collect();
    events.sort_by_key(|(nth, _)| *nth);
    let from = events.len().saturating_sub(MAX_LAST_EVENTS);
    events.drain(from..).map(|(_, event)| event.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Incarnation, Instant};

    fn event(at: u64, peer: u32, remote: Option<u32>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(at),
            peer: Some(PeerId(peer)),
            remote: remote.map(PeerId),
            kind,
        }
    }

    #[test]
    fn a_chat_does_not_push_out_the_negotiation() {
        let mut last = LastEvents::default();
        let glare = EventKind::Glare {
            generation: crate::base::Generation(1),
            polite: true,
        };
        last.observe(&event(1, 1, Some(0), glare));
        for seq in 0..100 {
            let sent = EventKind::MessageSent {
                planned: Instant::START,
                incarnation: Incarnation(1),
                seq,
                bytes: 1,
            };
            last.observe(&event(2, 0, Some(1), sent));
        }
        let (a, b) = (PeerId(0), PeerId(1));
        assert_eq!(last.of_link(a, b, Explains::Control).len(), 1);
        assert_eq!(last.of_link(b, a, Explains::Data).len(), MAX_LAST_EVENTS);
    }
}
