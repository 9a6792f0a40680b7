use std::collections::BTreeSet;

use super::{EventKind, Operation, RunEvent};
use crate::base::{Incarnation, PeerId};

/// Failures that are kept; the rest are counted.
const MAX_KEPT: usize = 200;

/// The events of a run that are failures, each attributed, in the order in which they happened.
#[derive(Debug, Default)]
pub struct Failures {
    /// The first of them.
    pub kept: Vec<RunEvent>,
    /// How many more there were.
    pub more: u64,
    /// Incarnations whose refusal the script wants.
    expected: BTreeSet<(PeerId, Incarnation)>,
}

impl Failures {
    /// Takes the next event.
    pub fn observe(&mut self, event: &RunEvent) {
        if !self.is_failure(event) {
            return;
        }
        if self.kept.len() < MAX_KEPT {
            self.kept.push(event.clone());
        } else {
            self.more += 1;
        }
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
            EventKind::Joined { incarnation } => refusal_wanted(incarnation),
            EventKind::JoinRejected { incarnation, .. } => !refusal_wanted(incarnation),
            // A send that fails is a message unsent or lost, and counted as that.
            EventKind::OperationFailed { operation, .. } => *operation != Operation::Send,
            EventKind::WaitExpired { .. }
            | EventKind::BarrierExpired { .. }
            | EventKind::JoinFailed { .. }
            | EventKind::RecoveryFailed { .. }
            | EventKind::NoPath { .. }
            | EventKind::LimitHit { .. } => true,
            _ => false,
        }
    }
}
