use rtcstorm::{
    metrics::EventKind,
    verdict::invariants::{Checkers, InvariantResult, Visibility},
};

use super::Stage;

impl Stage {
    /// Connections that were made and never closed.
    pub fn unclosed(&self) -> usize {
        self.connections.values().filter(|c| !c.closed).count()
    }

    /// The numbers of the invariants that were broken.
    pub fn broken(&self) -> Vec<u8> {
        self.breaches().iter().map(|result| result.number).collect()
    }

    /// The invariants that were broken, with what was found.
    pub fn breaches(&self) -> Vec<InvariantResult> {
        let mut checkers = Checkers::new(&self.plan, Visibility::of(self.plan.abilities(), true));
        for event in &self.events {
            checkers.observe(event);
        }
        let mut results = checkers.finish(self.now);
        results.retain(InvariantResult::is_broken);
        results
    }

    /// How many events satisfy `is`.
    pub fn count(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.kind)).count()
    }
}
