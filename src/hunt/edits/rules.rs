use crate::scenario::{ClientRules, Group, Scenario};

/// The same with the reference as every client; `None` if it has no other.
pub fn with_reference(scenario: &Scenario) -> Option<Scenario> {
    let mut changed = scenario.clone();
    for group in &mut changed.groups {
        group.rules = ClientRules::default();
    }
    let differs = |(a, b): (&Group, &Group)| a.rules != b.rules;
    let other = changed.groups.iter().zip(&scenario.groups).any(differs);
    other.then_some(changed)
}

/// Every scenario whose clients keep one rule more as the reference does.
pub(in crate::hunt) fn more_like_reference(scenario: &Scenario) -> Vec<Scenario> {
    let mut names: Vec<&str> = Vec::new();
    for group in &scenario.groups {
        for (name, _) in group.rules.changes_from(&ClientRules::default()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let reset = |name: &&str| {
        let mut changed = scenario.clone();
        for group in &mut changed.groups {
            group.rules.take(name, &ClientRules::default());
        }
        changed
    };
    names.iter().map(reset).collect()
}

/// The rules by which the clients of a scenario differ from the reference, as it writes them.
pub(in crate::hunt) fn changed_rules(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for group in &scenario.groups {
        for (name, value) in group.rules.changes_from(&ClientRules::default()) {
            if !found.iter().any(|known| known.0 == name) {
                found.push((name, value));
            }
        }
    }
    found
}
