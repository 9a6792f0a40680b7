use std::collections::BTreeMap;

use crate::{
    base::PeerId,
    plan::{NoPath, Plan},
};

/// Pairs of peers that can't connect by design: no channel between them is held against nobody.
#[derive(Debug)]
pub(super) struct Paths {
    /// The lower id first.
    missing: BTreeMap<(PeerId, PeerId), NoPath>,
}

impl Paths {
    pub fn new(plan: &Plan) -> Self {
        let missing = plan.pairs_without_path();
        Self {
            missing: missing.map(|(one, other, why)| ((one, other), why)).collect(),
        }
    }

    /// Why there is none between these two, if there is none.
    pub fn missing(&self, one: PeerId, other: PeerId) -> Option<NoPath> {
        self.missing.get(&(one.min(other), one.max(other))).copied()
    }
}
