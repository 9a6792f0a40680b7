use std::collections::BTreeMap;

use crate::{
    base::PeerId,
    metrics::{EventKind, RunEvent},
    plan::Plan,
};

/// Pairs of peers that can't connect by design, from the beginning or from some step on: no channel between them is
/// held against nobody.
#[derive(Debug)]
pub(super) struct Paths {
    /// Why; the lower id first.
    missing: BTreeMap<(PeerId, PeerId), String>,
}

impl Paths {
    pub fn new(plan: &Plan) -> Self {
        let missing = plan.pairs_without_path();
        Self {
            missing: missing
                .map(|(one, other, why)| ((one, other), why.to_string()))
                .collect(),
        }
    }

    /// A step has taken the last path of two: that is for good.
    pub fn observe(&mut self, event: &RunEvent) {
        if let EventKind::NoPath { reason } = &event.kind
            && let Some((one, other)) = event.peer.zip(event.remote)
        {
            let pair = (one.min(other), one.max(other));
            self.missing.entry(pair).or_insert_with(|| reason.clone());
        }
    }

    /// Why there is none between these two, if there is none.
    pub fn missing(&self, one: PeerId, other: PeerId) -> Option<&str> {
        self.missing
            .get(&(one.min(other), one.max(other)))
            .map(String::as_str)
    }
}
