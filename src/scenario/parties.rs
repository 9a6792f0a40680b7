//! Whom a name in `with` means.

use std::ops::Range;

use super::{
    check::Part,
    diagnostic::nearest,
    fields::Reader,
    network::Network,
    types::{DropNetwork, Group, OTHER_HALF, Party, Scenario, SignalingFault, Step, StepKind},
};

/// What peers of a scenario without groups are called.
const NAMELESS: &str = "peer";

impl Scenario {
    /// Where in every room those are whom `name` means: the peers of the group of that name, or else the
    /// one peer whose first display name it is. Positions count from 0.
    pub fn party(&self, name: &str) -> Option<Range<u32>> {
        let groups = self.groups.iter();
        party(groups.map(|group| (group.name.as_deref(), group.peers)), name)
    }
}

impl Group {
    /// The display name that its peer `position` (from 1) begins with.
    pub fn display_name(&self, position: u32) -> String {
        display_name(self.name.as_deref(), position)
    }
}

fn display_name(group: Option<&str>, position: u32) -> String {
    format!("{}-{position}", group.unwrap_or(NAMELESS))
}

fn party<'a>(groups: impl Iterator<Item = (Option<&'a str>, u32)>, name: &str) -> Option<Range<u32>> {
    let mut first = 0;
    let mut single = None;
    for (group, peers) in groups {
        if group == Some(name) {
            return Some(first..first + peers);
        }
        if let Some(position) = position_in(group, name).filter(|position| (1..=peers).contains(position)) {
            single.get_or_insert(first + position - 1..first + position);
        }
        first += peers;
    }
    single
}

/// `n` of the group's `group-n`.
fn position_in(group: Option<&str>, name: &str) -> Option<u32> {
    let position = name.rsplit('-').next()?.parse().ok()?;
    (display_name(group, position) == name).then_some(position)
}

/// Reports names in `with` that mean nobody, or nobody but the peer itself.
pub(super) fn check_parties(reader: &mut Reader<'_>, parts: &[Part<'_>]) {
    let mut first = 0;
    for part in parts {
        check_steps(reader, parts, part.steps, first..first + part.peers);
        first += part.peers;
    }
}

fn check_steps(reader: &mut Reader<'_>, parts: &[Part<'_>], steps: &[Step], own: Range<u32>) {
    for step in steps {
        match &step.kind {
            StepKind::Repeat { steps, .. } => check_steps(reader, parts, steps, own.clone()),
            StepKind::DropNetwork(DropNetwork { with, .. })
            | StepKind::Glare { with }
            | StepKind::StaleOffer { with }
            | StepKind::Signaling(SignalingFault { with, .. }) => check_with(reader, parts, with, &own),
            StepKind::Network(network) => check_towards(reader, parts, network),
            _ => {}
        }
    }
}

/// Reports remotes in `to` that are nobody, and those that stand there twice. `networks`: of the groups; where
/// several have the scenario's, it is reported once.
pub(super) fn check_networks<'a>(
    reader: &mut Reader<'_>,
    parts: &[Part<'_>],
    networks: impl Iterator<Item = &'a Network>,
) {
    let mut seen: Vec<&Network> = Vec::new();
    for network in networks {
        // Places are part of them: what is equal stands in the same place.
        if !seen.contains(&network) {
            check_towards(reader, parts, network);
            seen.push(network);
        }
    }
}

fn check_towards(reader: &mut Reader<'_>, parts: &[Part<'_>], network: &Network) {
    let mut taken: Vec<Range<u32>> = Vec::new();
    for party in network.to.iter().flat_map(|towards| &towards.with) {
        let groups = parts.iter().map(|part| (part.name, part.peers));
        let Some(range) = self::party(groups, &party.name) else {
            unknown(reader, parts, party);
            continue;
        };
        if taken
            .iter()
            .any(|one| one.start < range.end && range.start < one.end)
        {
            let message = format!("`{}` is in `to` already", party.name);
            let help = "the way to each remote can be of one kind only";
            reader.mistake_help(party.span, message, help);
        }
        taken.push(range);
    }
}

fn check_with(reader: &mut Reader<'_>, parts: &[Part<'_>], with: &[Party], own: &Range<u32>) {
    let groups = || parts.iter().map(|part| (part.name, part.peers));
    let mut all_known = true;
    let mut somebody = with.is_empty();
    for each in with {
        if each.name == OTHER_HALF {
            check_half(reader, parts, each);
            somebody = true;
            continue;
        }
        match party(groups(), &each.name) {
            // A group of several is never alone with itself: to each of its peers the others remain.
            Some(range) => somebody |= own.len() > 1 || range != *own,
            None => {
                all_known = false;
                unknown(reader, parts, each);
            }
        }
    }
    if let Some(first) = with.first().filter(|_| all_known && !somebody) {
        let help = "name other peers of the room, or leave `with` out for all of them";
        reader.mistake_help(first.span, "`with` names nobody but the peer itself", help);
    }
}

/// Reports the name of the other half where there is none, or where it could mean somebody else.
fn check_half(reader: &mut Reader<'_>, parts: &[Part<'_>], half: &Party) {
    if parts.iter().any(|part| part.name == Some(OTHER_HALF)) {
        let message = format!("`{OTHER_HALF}` means the room's other half, and a group is called so");
        reader.mistake_help(half.span, message, "call the group something else");
    } else if parts.iter().map(|part| part.peers).sum::<u32>() < 2 {
        let help = "give the room at least two peers (`rooms: {peers: 2}`)";
        reader.mistake_help(half.span, "a room of one has no other half", help);
    }
}

fn unknown(reader: &mut Reader<'_>, parts: &[Part<'_>], party: &Party) {
    let name = &party.name;
    let beyond = parts.iter().find(|part| position_in(part.name, name).is_some());
    if let Some(part) = beyond {
        let help = format!(
            "there are `{}` to `{}`",
            display_name(part.name, 1),
            display_name(part.name, part.peers)
        );
        reader.mistake_help(party.span, format!("nobody in the room is called `{name}`"), help);
        return;
    }
    let groups: Vec<&str> = parts.iter().filter_map(|part| part.name).collect();
    let singles: Vec<String> = parts.iter().map(|part| display_name(part.name, 1)).collect();
    let known = groups.iter().copied().chain(singles.iter().map(String::as_str));
    let help = match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if groups.is_empty() => format!(
            "there are no groups; the peers are called `{}` to `{}`",
            singles[0],
            display_name(None, parts.iter().map(|part| part.peers).sum())
        ),
        None => format!(
            "the groups are: {}; single peers are called like `{}`",
            groups.join(", "),
            singles[0]
        ),
    };
    reader.mistake_help(party.span, format!("nobody in the room is called `{name}`"), help);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_group_before_it_means_a_peer() {
        let groups = || [(Some("a"), 2), (Some("a-2"), 3), (Some("b"), 1)].into_iter();
        for (name, positions) in [
            ("a", Some(0..2)),
            ("a-1", Some(0..1)),
            ("a-2", Some(2..5)),
            ("a-2-3", Some(4..5)),
            ("b-1", Some(5..6)),
            ("b", Some(5..6)),
            ("b-2", None),
            ("b-0", None),
            ("b-01", None),
            ("b-+1", None),
            ("B", None),
            ("peer-1", None),
            ("", None),
        ] {
            assert_eq!(party(groups(), name), positions, "{name}");
        }
        assert_eq!(party([(None, 3)].into_iter(), "peer-3"), Some(2..3));
        assert_eq!(party([(None, 3)].into_iter(), "peer"), None);
    }
}
