use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent},
};

/// Links that a client gave up while the script kept their network away, as clients are to: until a channel opens
/// again, nothing is held against them. One that is given up after that is judged as any other. What is so of an end's
/// link to the server is so of all its links, which go through it.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    /// Until when a fault of a link is on, as planned; the lower id first.
    faulty_until: BTreeMap<(PeerId, PeerId), Instant>,
    /// Links that either end has given up meanwhile.
    links: BTreeSet<(PeerId, PeerId)>,
}

impl GivenUp {
    pub fn observe(&mut self, event: &RunEvent) {
        let Some(link) = event.peer.zip(event.remote).map(|(a, b)| link_of(a, b)) else {
            return;
        };
        match event.kind {
            EventKind::FaultStarted { ends, .. } => {
                let until = self.faulty_until.entry(link).or_insert(ends);
                *until = ends.max(*until);
            }
            EventKind::LinkGivenUp { .. } if self.is_faulty(link, event.at) => {
                self.links.insert(link);
            }
            EventKind::ChannelOpened { .. } => _ = self.links.remove(&link),
            _ => {}
        }
    }

    /// Whether the link between the two is one.
    pub fn has(&self, a: PeerId, b: PeerId) -> bool {
        ways_of(link_of(a, b)).any(|way| self.links.contains(&way))
    }

    fn is_faulty(&self, link: (PeerId, PeerId), at: Instant) -> bool {
        let mut until = ways_of(link).filter_map(|way| self.faulty_until.get(&way));
        until.any(|until| at <= *until)
    }
}

/// The link, and those of its ends to the server.
fn ways_of((a, b): (PeerId, PeerId)) -> impl Iterator<Item = (PeerId, PeerId)> {
    [(a, b), (a, PeerId::SERVER), (b, PeerId::SERVER)].into_iter()
}

fn link_of(a: PeerId, b: PeerId) -> (PeerId, PeerId) {
    (a.min(b), a.max(b))
}
