use std::collections::{BTreeMap, BTreeSet};

use super::{
    EventKind, Operation, RunEvent,
    pairs::{PairId, pair_of},
};
use crate::base::{Incarnation, Instant, PeerId};

/// Failures that are kept; the rest are counted.
pub const MAX_FAILURES: usize = 200;

/// The events of a run that are failures, each attributed, in the order in which they happened.
#[derive(Debug, Default)]
pub struct Failures {
    /// The first of them.
    pub kept: Vec<RunEvent>,
    /// How many more there were.
    pub more: u64,
    /// Which of those that are kept the script has made inevitable, by their places: links that did not recover, and
    /// were given up, while a fault of theirs was on; and whatever befalls a link that has no path.
    pub inevitable: BTreeSet<usize>,
    /// Links that no client can bring back, since a step or from the beginning.
    without_path: BTreeSet<PairId>,
    /// Until when a fault is on, as planned.
    faulty_until: BTreeMap<PairId, Instant>,
    /// Incarnations whose refusal the script wants.
    expected: BTreeSet<(PeerId, Incarnation)>,
}

impl Failures {
    /// Takes the next event. Whether it is a failure.
    pub fn observe(&mut self, event: &RunEvent) -> bool {
        if !self.is_failure(event) {
            return false;
        }
        if self.kept.len() < MAX_FAILURES {
            if self.is_inevitable(event) {
                self.inevitable.insert(self.kept.len());
            }
            self.kept.push(event.clone());
        } else {
            self.more += 1;
        }
        true
    }

    fn is_inevitable(&self, event: &RunEvent) -> bool {
        let recovery = matches!(
            event.kind,
            EventKind::RecoveryFailed { .. } | EventKind::LinkGivenUp { .. }
        );
        let pair = event.peer.zip(event.remote).map(|(a, b)| pair_of(a, b).0);
        if pair.is_some_and(|pair| self.without_path.contains(&pair)) {
            return true;
        }
        let until = pair.and_then(|pair| self.faulty_until.get(&pair));
        recovery && until.is_some_and(|until| event.at <= *until)
    }

    fn is_failure(&mut self, event: &RunEvent) -> bool {
        let refusal_wanted = |incarnation: &Incarnation| {
            let asked = event.peer.map(|peer| (peer, *incarnation));
            asked.is_some_and(|asked| self.expected.contains(&asked))
        };
        match &event.kind {
            EventKind::JoinStarted {
                incarnation,
                expect_rejected: true,
                ..
            } => {
                self.expected.extend(event.peer.map(|peer| (peer, *incarnation)));
                false
            }
            EventKind::NoPath { .. } => {
                let pair = event.peer.zip(event.remote);
                self.without_path
                    .extend(pair.map(|(peer, remote)| pair_of(peer, remote).0));
                true
            }
            EventKind::FaultStarted { ends, .. } => {
                if let Some((peer, remote)) = event.peer.zip(event.remote) {
                    let until = self.faulty_until.entry(pair_of(peer, remote).0);
                    let until = until.or_insert(*ends);
                    *until = (*until).max(*ends);
                }
                false
            }
            EventKind::Joined { incarnation } => refusal_wanted(incarnation),
            EventKind::JoinRejected { incarnation, .. } => !refusal_wanted(incarnation),
            // A send that fails is a message unsent or lost, and counted as that.
            EventKind::OperationFailed { operation, .. } => *operation != Operation::Send,
            EventKind::WaitExpired { .. }
            | EventKind::BarrierExpired { .. }
            | EventKind::JoinFailed { .. }
            | EventKind::RecoveryFailed { .. }
            | EventKind::LinkGivenUp { .. }
            | EventKind::LimitHit { .. } => true,
            EventKind::ServerCommand { failed, .. } => failed.is_some(),
            _ => false,
        }
    }
}
