use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent},
};

/// Links that a client gave up while the script kept their network away, as clients are to: until a channel opens
/// again, nothing is held against them. One that is given up after that is judged as any other.
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
            EventKind::LinkGivenUp { .. }
                if self
                    .faulty_until
                    .get(&link)
                    .is_some_and(|until| event.at <= *until) =>
            {
                self.links.insert(link);
            }
            EventKind::ChannelOpened { .. } => _ = self.links.remove(&link),
            _ => {}
        }
    }

    /// Whether the link between the two is one.
    pub fn has(&self, a: PeerId, b: PeerId) -> bool {
        self.links.contains(&link_of(a, b))
    }
}

fn link_of(a: PeerId, b: PeerId) -> (PeerId, PeerId) {
    (a.min(b), a.max(b))
}
