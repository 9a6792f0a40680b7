use crate::scenario::{DropNetwork, Group, Party, Scenario, SignalingFault, Step, StepKind};

/// Steps that a `repeat` may become when it is written out.
const MAX_UNROLLED: usize = 64;

/// Every peer of a room a group of its own and every repetition written out, so that what is done once can be
/// cut apart from the rest.
pub(in crate::hunt) fn split(scenario: &Scenario) -> Scenario {
    let mut changed = scenario.clone();
    let members = |group: &Group| -> Vec<String> {
        match (&group.name, group.peers) {
            (Some(name), 1) => vec![name.clone()],
            (_, peers) => (1..=peers).map(|position| group.display_name(position)).collect(),
        }
    };
    let parts: Vec<(Option<String>, Vec<String>)> = scenario
        .groups
        .iter()
        .map(|group| (group.name.clone(), members(group)))
        .collect();
    changed.groups = scenario
        .groups
        .iter()
        .flat_map(|group| {
            let mut steps = written_out(&group.steps);
            for step in &mut steps {
                match &mut step.kind {
                    StepKind::DropNetwork(DropNetwork { with, .. })
                    | StepKind::Glare { with }
                    | StepKind::StaleOffer { with }
                    | StepKind::Signaling(SignalingFault { with, .. }) => {
                        *with = with.iter().flat_map(|party| named(&parts, party)).collect();
                    }
                    _ => {}
                }
            }
            members(group).into_iter().map(move |name| Group {
                name: Some(name),
                peers: 1,
                steps: steps.clone(),
                ..group.clone()
            })
        })
        .collect();
    changed
}

/// A party that is a group, by its members.
fn named(parts: &[(Option<String>, Vec<String>)], party: &Party) -> Vec<Party> {
    let group = parts.iter().find(|(name, _)| name.as_ref() == Some(&party.name));
    let names = group.map_or_else(|| vec![party.name.clone()], |(_, members)| members.clone());
    names
        .into_iter()
        .map(|name| Party {
            name,
            ..party.clone()
        })
        .collect()
}

fn written_out(steps: &[Step]) -> Vec<Step> {
    let each = |step: &Step| match &step.kind {
        StepKind::Repeat { times, steps } if *times as usize * steps.len() <= MAX_UNROLLED => {
            vec![written_out(steps); *times as usize].concat()
        }
        _ => vec![step.clone()],
    };
    steps.iter().flat_map(each).collect()
}

/// Neighbours that do the same as one group; without a name, if everybody does the same.
pub(in crate::hunt) fn merged(scenario: &Scenario) -> Scenario {
    let mut changed = scenario.clone();
    let mut groups: Vec<Group> = Vec::new();
    for group in &scenario.groups {
        match groups.last_mut() {
            Some(last) if last.does_as(group) => last.peers += group.peers,
            _ => groups.push(group.clone()),
        }
    }
    if let [only] = &mut groups[..] {
        only.name = None;
    }
    changed.groups = groups;
    changed
}
