use std::{collections::BTreeMap, time::Duration};

use crate::base::{Incarnation, Instant, PeerId};

use super::{
    deadlines::{Deadlines, Due},
    members::Cut,
    tally::Tally,
};

/// A member without a signaling socket.
#[derive(Debug)]
struct Lost {
    at: Instant,
    incarnation: Incarnation,
    /// The sample, failure or abandonment is still to come.
    pending: bool,
}

/// `signaling_reconnect_ms`: one case for each time that a member loses its signaling socket.
#[derive(Debug)]
pub(super) struct Resumptions {
    lost: BTreeMap<PeerId, Lost>,
    timeout: Duration,
}

impl Resumptions {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            lost: BTreeMap::new(),
            timeout,
        }
    }

    /// Whether `peer` is a member without a socket.
    pub(super) fn is_lost(&self, peer: PeerId) -> bool {
        self.lost.contains_key(&peer)
    }

    /// The socket of a member was lost; that the next ones could not be opened is the same loss.
    pub(super) fn lost(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        at: Instant,
        deadlines: &mut Deadlines,
    ) {
        self.lost.entry(peer).or_insert_with(|| {
            deadlines.set(at + self.timeout, Due::Resumption(peer));
            Lost {
                at,
                incarnation,
                pending: true,
            }
        });
    }

    /// A new socket took the membership over.
    pub(super) fn resumed(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let same = |lost: &Lost| lost.incarnation == incarnation;
        if self.lost.get(&peer).is_some_and(same)
            && let Some(lost) = self.take(peer, deadlines)
        {
            match at.since(lost.at) {
                took if took > self.timeout => fail(tally),
                took => tally.took("signaling_reconnect_ms", took),
            }
        }
    }

    /// The server would not have the membership taken over.
    pub(super) fn refused(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        if let Some(lost) = self.lost.get_mut(&peer)
            && lost.incarnation == incarnation
            && lost.pending
        {
            deadlines.clear(lost.at + self.timeout, Due::Resumption(peer));
            lost.pending = false;
            fail(tally);
        }
    }

    /// `peer` is no member any more.
    pub(super) fn end(
        &mut self,
        peer: PeerId,
        at: Instant,
        cut: Cut,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        if let Some(lost) = self.take(peer, deadlines) {
            if cut.is_failure() || at.since(lost.at) > self.timeout {
                fail(tally);
            } else {
                abandon(tally);
            }
        }
    }

    /// The time of this one is over.
    pub(super) fn expire(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(lost) = self.lost.get_mut(&peer) {
            lost.pending = false;
            fail(tally);
        }
    }

    /// The run is over before the time of this one is.
    pub(super) fn end_of_run(&mut self, peer: PeerId, tally: &mut Tally) {
        if self.lost.remove(&peer).is_some() {
            abandon(tally);
        }
    }

    /// Forgets the loss in this membership; gives it back if its case is still to come.
    fn take(&mut self, peer: PeerId, deadlines: &mut Deadlines) -> Option<Lost> {
        let lost = self.lost.remove(&peer).filter(|lost| lost.pending)?;
        deadlines.clear(lost.at + self.timeout, Due::Resumption(peer));
        Some(lost)
    }
}

fn fail(tally: &mut Tally) {
    tally.failed("signaling_reconnect_ms");
}

fn abandon(tally: &mut Tally) {
    tally.count("signaling_reconnect_abandoned");
}
