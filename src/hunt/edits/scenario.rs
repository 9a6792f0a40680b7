use super::{
    network::{plainer, plainer_nats},
    numbers::fewer,
    steps::{shorter, simpler},
};
use crate::scenario::{Arrival, Ice, Scenario, Step, StepKind};

/// Every scenario that is a little smaller than this one, the boldest cuts first. Some of them make no sense:
/// reading them tells.
pub(in crate::hunt) fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    let mut propose = |change: &dyn Fn(&mut Scenario)| {
        let mut changed = scenario.clone();
        change(&mut changed);
        changed.peers = changed.groups.iter().map(|group| group.peers).sum();
        if changed != *scenario {
            found.push(changed);
        }
    };
    for rooms in fewer(scenario.rooms) {
        propose(&|s| s.rooms = rooms);
    }
    propose(&|s| s.arrive = Arrival::AtOnce);
    propose(&|s| s.duration = None);
    if scenario.groups.len() > 1 {
        for index in (0..scenario.groups.len()).rev() {
            propose(&|s| drop(s.groups.remove(index)));
        }
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        for peers in fewer(group.peers) {
            propose(&|s| s.groups[index].peers = peers);
        }
    }
    for name in barriers(scenario) {
        propose(&|s| each_list(s, &mut |steps| steps.retain(|step| !is_barrier(step, &name))));
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        for steps in shorter(&group.steps) {
            propose(&|s| s.groups[index].steps.clone_from(&steps));
        }
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        propose(&|s| s.groups[index].ice = Ice::default());
        for network in plainer(&group.network) {
            propose(&|s| s.groups[index].network = network.clone());
        }
        for nat in plainer_nats(group.nat) {
            propose(&|s| s.groups[index].nat = nat);
        }
        for steps in simpler(&group.steps) {
            propose(&|s| s.groups[index].steps.clone_from(&steps));
        }
    }
    found
}

fn barriers(scenario: &Scenario) -> Vec<String> {
    fn collect(steps: &[Step], into: &mut Vec<String>) {
        for step in steps {
            match &step.kind {
                StepKind::Barrier { name, .. } if !into.contains(name) => into.push(name.clone()),
                StepKind::Repeat { steps, .. } => collect(steps, into),
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    for group in &scenario.groups {
        collect(&group.steps, &mut names);
    }
    names
}

fn is_barrier(step: &Step, wanted: &str) -> bool {
    matches!(&step.kind, StepKind::Barrier { name, .. } if name == wanted)
}

/// Changes every list of steps, the inner ones first.
fn each_list(scenario: &mut Scenario, change: &mut dyn FnMut(&mut Vec<Step>)) {
    fn visit(steps: &mut Vec<Step>, change: &mut dyn FnMut(&mut Vec<Step>)) {
        for step in steps.iter_mut() {
            if let StepKind::Repeat { steps, .. } = &mut step.kind {
                visit(steps, change);
            }
        }
        change(steps);
        steps.retain(|step| !matches!(&step.kind, StepKind::Repeat { steps, .. } if steps.is_empty()));
    }
    for group in &mut scenario.groups {
        visit(&mut group.steps, change);
    }
}
