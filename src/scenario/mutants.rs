//! `mutants`: the clients that a scenario is known to break.

use super::{
    ClientRules, Scenario,
    fields::Reader,
    print,
    profiles::read_client,
    tree::{Entry, Node, Value},
};

/// What of the clients of a scenario has to be otherwise for it to break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The rules that are named; all of them where a profile is.
    names: Vec<&'static str>,
    rules: ClientRules,
}

impl Mutant {
    /// As a scenario writes it: `{ dedupe_offers: false }`.
    pub fn to_yaml(&self) -> String {
        if self.names.len() == ClientRules::NAMES.len() {
            return print::client(&self.rules);
        }
        let told = |name: &&str| Some(format!("{name}: {}", self.rules.value(name)?));
        let rules: Vec<String> = self.names.iter().filter_map(told).collect();
        format!("{{ {} }}", rules.join(", "))
    }

    /// The rules that it names.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }
}

impl Scenario {
    /// The same scenario with a mutant's rules in every client, each on top of what the client is.
    pub fn with_mutant(&self, mutant: &Mutant) -> Self {
        let mut scenario = self.clone();
        scenario.mutants.clear();
        for group in &mut scenario.groups {
            for name in &mutant.names {
                group.rules.take(name, &mutant.rules);
            }
        }
        scenario
    }
}

pub(super) fn read_mutants(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Mutant>> {
    let wants = "a list like `[{dedupe_offers: false}]`";
    let items = reader.list(&entry.value, "`mutants`", wants)?;
    if items.is_empty() {
        reader.mistake(entry.value.span, "`mutants` is empty");
        return None;
    }
    // Not `collect`: every mistake is to be told.
    let mut mutants = Some(Vec::new());
    for item in items {
        let mutant = read_mutant(reader, item);
        mutants = mutants.zip(mutant).map(|(mut all, mutant)| {
            all.push(mutant);
            all
        });
    }
    mutants
}

fn read_mutant(reader: &mut Reader<'_>, node: &Node) -> Option<Mutant> {
    let rules = read_client(reader, node, ClientRules::default())?;
    let named = match &node.value {
        Value::Map(entries) if entries.is_empty() => {
            reader.mistake(node.span, "a mutant that changes nothing");
            return None;
        }
        Value::Map(entries) => Some(entries).filter(|entries| entries.iter().all(|e| e.key != "extends")),
        _ => None,
    };
    let is_named = |name: &&str| named.is_none_or(|entries| entries.iter().any(|e| e.key == *name));
    Some(Mutant {
        names: ClientRules::NAMES.iter().copied().filter(is_named).collect(),
        rules,
    })
}
