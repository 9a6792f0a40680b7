use crate::scenario::{Scenario, Step, StepKind};

/// How large it is, what matters most first: rooms, peers, steps of all peers, groups, letters.
pub(in crate::hunt) fn size(scenario: &Scenario) -> [usize; 5] {
    fn unrolled(steps: &[Step]) -> usize {
        let count = |step: &Step| match &step.kind {
            StepKind::Repeat { times, steps } => *times as usize * unrolled(steps),
            _ => 1,
        };
        steps.iter().map(count).sum()
    }
    let steps = scenario
        .groups
        .iter()
        .map(|g| g.peers as usize * unrolled(&g.steps));
    [
        scenario.rooms as usize,
        scenario.peers as usize,
        steps.sum(),
        scenario.groups.len(),
        scenario.to_yaml().len(),
    ]
}
