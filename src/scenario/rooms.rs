use super::{
    ClientRules, Ice,
    check::{Part, check_barriers, check_length, check_total, unrolled},
    contradictions::check_contradictions,
    fields::{Fields, Reader},
    ice::read_ice,
    membership::check_membership,
    nat::read_nat,
    network::{Network, read_network},
    overlaps::check_overlaps,
    parties::{check_networks, check_parties},
    profiles::read_client,
    protocol::check_sizes,
    read::read_name,
    server::check_server,
    signaling::check_signaling,
    source::Span,
    steps::read_steps,
    tree::Entry,
    turn::check_turn,
    types::{Group, MAX_PEERS, Step, Target},
};
use crate::impair::Nat;

/// The keys of `rooms`.
pub(super) const ROOM_KEYS: [&str; 2] = ["count", "peers"];
/// The keys of a group.
pub(super) const GROUP_KEYS: [&str; 7] = ["name", "peers", "steps", "client", "network", "nat", "ice"];

/// `rooms:`, as far as it could be read.
pub(super) struct Rooms {
    pub(super) span: Option<Span>,
    /// `None`: broken. Absent is 1.
    pub(super) count: Option<u32>,
    /// The outer `None`: not there.
    peers: Option<(Option<u32>, Span)>,
    /// The whole of it could not be read.
    broken: bool,
}

pub(super) fn read_rooms(reader: &mut Reader<'_>, entry: Option<&Entry>) -> Rooms {
    let mut rooms = Rooms {
        span: entry.map(|entry| entry.key_span),
        count: Some(1),
        peers: None,
        broken: false,
    };
    let Some(entry) = entry else { return rooms };
    let Some(mut fields) = reader.map(&entry.value, "`rooms`", "a map like `{count: 2, peers: 3}`") else {
        rooms.count = None;
        rooms.broken = true;
        return rooms;
    };
    if let Some(entry) = fields.take("count") {
        rooms.count = reader.count(entry, MAX_PEERS);
    }
    rooms.peers = fields
        .take("peers")
        .map(|entry| (reader.count(entry, MAX_PEERS), entry.value.span));
    let unknown = fields.has_rest();
    fields.finish(reader, &ROOM_KEYS);
    // A misspelt `peers` is reported once, as what it is.
    rooms.broken = unknown && rooms.peers.is_none();
    rooms
}

/// What a group has of the scenario unless it says otherwise.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) rules: ClientRules,
    pub(super) network: Network,
    pub(super) nat: Option<Nat>,
    /// `None`: broken.
    pub(super) ice: Option<Ice>,
    /// Where that stands.
    pub(super) ice_at: Span,
}

/// A group as far as it could be read.
pub(super) struct Draft {
    /// The outer `None`: broken.
    name: Option<Option<String>>,
    peers: Option<u32>,
    rules: Option<ClientRules>,
    pub(super) network: Option<Network>,
    nat: Option<Option<Nat>>,
    pub(super) ice: Option<Ice>,
    /// Where that stands: in the group, or in the scenario.
    pub(super) ice_at: Span,
    pub(super) steps: Option<Vec<Step>>,
}

impl Draft {
    pub(super) fn finish(self) -> Option<Group> {
        Some(Group {
            name: self.name?,
            peers: self.peers?,
            rules: self.rules?,
            network: self.network?,
            nat: self.nat?,
            ice: self.ice?,
            steps: self.steps?,
        })
    }
}

/// Whether anybody is behind a NAT.
pub(super) fn some_nat(groups: &Option<Vec<Draft>>) -> bool {
    let mut drafts = groups.iter().flatten();
    drafts.any(|group| group.nat.flatten().is_some())
}

/// `groups:`, or `steps:` as the one group without a name; and where to point for what is wrong with all.
pub(super) fn read_parts(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    start: Span,
    rooms: &Rooms,
    common: &Common,
) -> (Option<Vec<Draft>>, Span) {
    match (fields.take("groups"), fields.take("steps")) {
        (Some(groups), None) => (read_groups(reader, groups, common), groups.key_span),
        (None, Some(entry)) => {
            let draft = Draft {
                name: Some(None),
                peers: rooms.peers.and_then(|(peers, _)| peers),
                rules: Some(common.rules),
                network: Some(common.network.clone()),
                nat: Some(common.nat),
                ice: common.ice.clone(),
                ice_at: common.ice_at,
                steps: read_steps(reader, entry, 0),
            };
            if rooms.peers.is_none() && !rooms.broken && !fields.has_near("rooms") {
                reader.mistake_help(
                    rooms.span.unwrap_or(entry.key_span),
                    "how many peers a room has is missing",
                    "for example `rooms: {count: 1, peers: 2}`",
                );
            }
            (Some(vec![draft]), entry.key_span)
        }
        (Some(groups), Some(steps)) => {
            reader.mistake_help(
                steps.key_span,
                "`steps` beside `groups`",
                "with `groups`, each group has its own `steps`: move these into one, or remove `groups`",
            );
            read_steps(reader, steps, 0);
            (read_groups(reader, groups, common), groups.key_span)
        }
        (None, None) => {
            if !fields.has_near("steps") && !fields.has_near("groups") {
                reader.mistake_help(
                    start,
                    "`steps` is missing: nobody would do anything",
                    "for example `steps: [join, {wait: connected}]`",
                );
            }
            (None, start)
        }
    }
}

fn read_groups(reader: &mut Reader<'_>, entry: &Entry, common: &Common) -> Option<Vec<Draft>> {
    let wants = "a list like `[{name: host, peers: 1, steps: [join]}]`";
    let items = reader.list(&entry.value, "`groups`", wants)?;
    if items.is_empty() {
        reader.mistake(entry.value.span, "`groups` is empty");
        return None;
    }
    let mut seen: Vec<String> = Vec::new();
    let mut drafts = Vec::new();
    let mut sound = true;
    for item in items {
        let wants = "a map like `{name: host, peers: 1, steps: [join]}`";
        let Some(mut fields) = reader.map(item, "a group", wants) else {
            sound = false;
            continue;
        };
        let at = fields.span;
        let name_entry = fields.need(reader, "name", at, "name: host");
        let name = name_entry.and_then(|entry| read_name(reader, entry, false));
        if let (Some(name), Some(entry)) = (&name, name_entry) {
            // Display names come from group names, and servers compare those without case.
            let plain = name.to_lowercase();
            if seen.contains(&plain) {
                let message = format!("two groups are called `{name}`");
                let help = "give each group its own name; upper and lower case are the same";
                reader.mistake_help(entry.value.span, message, help);
            }
            seen.push(plain);
        }
        let peers = fields
            .need(reader, "peers", at, "peers: 1")
            .and_then(|entry| reader.count(entry, MAX_PEERS));
        let rules = fields.take("client").map_or(Some(common.rules), |entry| {
            read_client(reader, &entry.value, common.rules)
        });
        let network = fields.take("network").map_or_else(
            || Some(common.network.clone()),
            |entry| read_network(reader, entry),
        );
        let nat = fields
            .take("nat")
            .map_or(Some(common.nat), |entry| read_nat(reader, entry));
        let ice_entry = fields.take("ice");
        let ice = match ice_entry {
            Some(entry) => read_ice(reader, entry, &common.ice.clone().unwrap_or_default()),
            None => common.ice.clone(),
        };
        let steps = fields
            .need(reader, "steps", at, "steps: [join]")
            .and_then(|entry| read_steps(reader, entry, 0));
        fields.finish(reader, &GROUP_KEYS);
        drafts.push(Draft {
            name: name.map(Some),
            peers,
            rules,
            network,
            nat,
            ice,
            ice_at: ice_entry.map_or(common.ice_at, |entry| entry.key_span),
            steps,
        });
    }
    sound.then_some(drafts)
}

/// How many peers a room has: what `rooms` says and what the groups add up to have to agree.
pub(super) fn check_peers(
    reader: &mut Reader<'_>,
    rooms: &Rooms,
    groups: &Option<Vec<Draft>>,
    at: Span,
) -> Option<u32> {
    let groups = groups.as_ref()?;
    let sum = groups
        .iter()
        .try_fold(0_u64, |sum, group| Some(sum + u64::from(group.peers?)))?;
    if let Some((Some(said), span)) = rooms.peers
        && u64::from(said) != sum
    {
        let message = format!("`peers: {said}`, but the groups have {sum} in all");
        reader.mistake_help(span, message, "leave it out: the groups say it");
    }
    if sum > u64::from(MAX_PEERS) {
        reader.mistake_help(
            at,
            format!("{sum} peers in a room"),
            format!("the limit is {MAX_PEERS} peers"),
        );
    }
    u32::try_from(sum).ok()
}

/// What the steps of all groups mean together. `target`: `None` if it could not be read.
pub(super) fn check_groups(
    reader: &mut Reader<'_>,
    groups: &Option<Vec<Draft>>,
    peers: Option<u32>,
    total: Option<u64>,
    at: Span,
    target: Option<&Target>,
) {
    let mut bounded = true;
    let to_server = target.is_some_and(|target| target.protocol.abilities().topology.has_server_link());
    let alone = peers == Some(1) && !to_server;
    let drafts = groups.iter().flatten();
    for group in drafts.clone() {
        let Some(steps) = group.steps.as_deref() else {
            continue;
        };
        bounded &= check_length(reader, steps);
        check_membership(reader, steps, alone);
        check_contradictions(reader, steps, group.ice.as_ref());
        check_signaling(reader, steps);
        if let Some(target) = target {
            check_sizes(reader, &target.protocol, steps);
        }
    }
    let parts: Option<Vec<Part<'_>>> = drafts
        .clone()
        .map(|group| {
            let name = group.name.as_ref().and_then(Option::as_deref);
            let steps = group.steps.as_deref()?;
            let peers = group.peers.unwrap_or(0);
            Some(Part { name, peers, steps })
        })
        .collect();
    let Some(parts) = parts.filter(|_| bounded) else {
        return;
    };
    check_barriers(reader, &parts);
    check_overlaps(reader, &parts);
    check_turn(reader, &parts, drafts.clone().map(|group| group.ice.as_ref()));
    if let Some(target) = target.filter(|target| target.url.is_some()) {
        check_server(reader, &parts, target);
    }
    // Who is in a room is known only if every group could be read.
    if peers.is_some() && drafts.clone().all(|group| group.name.is_some()) {
        check_parties(reader, &parts);
        check_networks(
            reader,
            &parts,
            drafts.clone().filter_map(|group| group.network.as_ref()),
        );
    }
    if let (Some(total), Some(peers)) = (total.filter(|&total| total <= u64::from(MAX_PEERS)), peers) {
        let rooms = total / u64::from(peers.max(1));
        let sizes = drafts.map(|group| rooms * u64::from(group.peers.unwrap_or(0)));
        let steps = parts.iter().map(|part| unrolled(part.steps));
        check_total(reader, at, std::iter::zip(steps, sizes));
    }
}
