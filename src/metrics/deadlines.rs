use std::collections::BTreeSet;

use crate::base::{Instant, PeerId};

use super::{externals::ExternalId, messages::MessageId, pairs::PairId};

/// What runs out when its instant comes. What is settled before takes its deadline back, so an entry
/// always belongs to what is pending now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The overlap of two memberships has no open link: a failure.
    Overlap(PairId),
    /// A join is not complete: a failure.
    Join(PeerId),
    /// A message is not delivered: lost.
    Message(MessageId),
    /// A link has not recovered from a fault (a failure), or has and may have its sample now.
    Fault(PairId),
    /// A member has no signaling socket: a failure.
    Resumption(PeerId),
    /// A peer's connection to the server is not open: a failure.
    ServerLink(PeerId),
    /// A peer has no open channel to a member who is not in the plan: a failure.
    External(ExternalId),
    /// A delivery found no message that was sent, and waits no longer for one.
    Unmatched(MessageId),
}

/// All deadlines of the recorder.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, Due)>);

impl Deadlines {
    pub(super) fn set(&mut self, at: Instant, due: Due) {
        self.0.insert((at, due));
    }

    pub(super) fn clear(&mut self, at: Instant, due: Due) {
        self.0.remove(&(at, due));
    }

    /// Takes the first deadline before `now`; one that is exactly `now` still holds.
    pub(super) fn pop_before(&mut self, now: Instant) -> Option<Due> {
        let (at, _) = self.0.first()?;
        if *at >= now {
            return None;
        }
        self.0.pop_first().map(|(_, due)| due)
    }

    /// Takes whatever is left.
    pub(super) fn pop(&mut self) -> Option<Due> {
        self.0.pop_first().map(|(_, due)| due)
    }
}
