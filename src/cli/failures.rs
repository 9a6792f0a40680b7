use crate::{
    metrics::{EventKind, Operation, RunEvent},
    report::{FailureLine, what},
};

/// Failures that are kept; the rest are counted.
const MAX_KEPT: usize = 200;

/// The failures of a run, each attributed, in the order in which they happened.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub kept: Vec<FailureLine>,
    pub more: u64,
    /// Incarnations whose refusal the script wants.
    expected: std::collections::BTreeSet<(crate::base::PeerId, crate::base::Incarnation)>,
}

impl Failures {
    pub fn observe(&mut self, event: &RunEvent) {
        let failed = match &event.kind {
            EventKind::JoinStarted {
                incarnation,
                expect_rejected: true,
                ..
            } => {
                self.expected.extend(event.peer.map(|peer| (peer, *incarnation)));
                false
            }
            EventKind::Joined { incarnation } => event
                .peer
                .is_some_and(|p| self.expected.contains(&(p, *incarnation))),
            EventKind::JoinRejected { incarnation, .. } => event
                .peer
                .is_none_or(|p| !self.expected.contains(&(p, *incarnation))),
            EventKind::WaitExpired { .. }
            | EventKind::BarrierExpired { .. }
            | EventKind::JoinFailed { .. }
            // A send that fails is a message unsent or lost, and counted as that.
            | EventKind::OperationFailed { operation: Operation::CreateConnection
                | Operation::CreateOffer | Operation::CreateAnswer
                | Operation::SetLocalDescription | Operation::SetRemoteDescription
                | Operation::AddIceCandidate, .. }
            | EventKind::RecoveryFailed { .. }
            | EventKind::LimitHit { .. } => true,
            _ => false,
        };
        if !failed {
            return;
        }
        if self.kept.len() < MAX_KEPT {
            self.kept.push(FailureLine {
                peer: event.peer,
                remote: event.remote,
                at: event.at,
                what: what(&event.kind),
            });
        } else {
            self.more += 1;
        }
    }
}
