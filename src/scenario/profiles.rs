//! `client`: a profile's name, or a map of rules on top of one.

use super::{
    ClientRules,
    diagnostic::did_you_mean,
    fields::Reader,
    source::Sources,
    tree::{self, Node, Value},
};

macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        /// Their names.
        pub(super) const PROFILES: &[&str] = &[$($name),*];
        const TEXTS: &[&str] = &[$(include_str!(concat!("../../profiles/", $name, ".yaml"))),*];
    };
}

profiles!["reference", "dashboard-4.0", "dashboard-4.0-fixed"];

/// The profiles that ship with the program, name and text: each is a file of `profiles/`, and what stands in it
/// may stand under a scenario's `client` as well.
pub fn profiles() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROFILES.iter().copied().zip(TEXTS.iter().copied())
}

impl ClientRules {
    /// The rules of the profile of that name, if it ships with the program.
    pub fn profile(name: &str) -> Option<Self> {
        let (_, text) = profiles().find(|(known, _)| *known == name)?;
        let mut sources = Sources::default();
        let source = sources.add(name, text);
        let mut mistakes = Vec::new();
        let node = tree::read(&sources, source, &mut mistakes);
        let mut reader = Reader {
            sources: &sources,
            mistakes,
        };
        let rules = node.and_then(|node| read_rules(&mut reader, &node, Self::default()));
        let [] = &reader.mistakes[..] else {
            panic!("the profile {name}: {:?}", reader.mistakes);
        };
        rules
    }
}

/// The keys of a `client` written long.
pub(super) fn client_keys() -> Vec<&'static str> {
    std::iter::once("extends")
        .chain(ClientRules::NAMES.iter().copied())
        .collect()
}

/// The profile or the map of rules under `client`, on top of `base`.
pub(super) fn read_client(reader: &mut Reader<'_>, node: &Node, base: ClientRules) -> Option<ClientRules> {
    match node.value {
        Value::Scalar(_) => read_profile(reader, node),
        _ => read_rules(reader, node, base),
    }
}

fn read_rules(reader: &mut Reader<'_>, node: &Node, base: ClientRules) -> Option<ClientRules> {
    let mut fields = reader.map(node, "`client`", "a profile, or a map of rules")?;
    let extended = fields
        .take("extends")
        .map_or(Some(base), |entry| read_profile(reader, &entry.value));
    let mut sound = extended.is_some();
    let mut rules = extended.unwrap_or(base);
    for name in ClientRules::NAMES {
        let given = fields.take(name).zip(rules.rule_mut(name));
        sound &= given.is_none_or(|(entry, rule)| rule.read(reader, entry).is_some());
    }
    fields.finish(reader, &client_keys());
    sound.then_some(rules)
}

fn read_profile(reader: &mut Reader<'_>, node: &Node) -> Option<ClientRules> {
    let wants = format!("the name of a profile: {}", PROFILES.join(", "));
    let name = reader.scalar(node, "a profile", &wants)?;
    let rules = ClientRules::profile(name);
    if rules.is_none() {
        let message = format!("unknown profile `{name}`");
        reader.mistake_help(node.span, message, did_you_mean(name, PROFILES));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_sound() {
        for (name, _) in profiles() {
            assert!(ClientRules::profile(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_reference_says_every_rule_and_nothing_else_than_the_table() {
        let reference = ClientRules::default();
        assert_eq!(ClientRules::profile("reference"), Some(reference));
        let (_, text) = profiles().next().expect("it is the first");
        for name in ClientRules::NAMES {
            let value = reference.value(name).expect("a rule");
            let line = format!("\n{name}: {value}\n");
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_fixed_dashboard_differs_in_one_rule() {
        let [deployed, fixed] = ["dashboard-4.0", "dashboard-4.0-fixed"]
            .map(|name| ClientRules::profile(name).expect("there is one"));
        let differ: Vec<_> = ClientRules::NAMES
            .iter()
            .filter(|name| deployed.value(name) != fixed.value(name))
            .collect();
        assert_eq!(differ, [&"offers_in"]);
    }
}
