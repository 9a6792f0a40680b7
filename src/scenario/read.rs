use std::time::Duration;

use super::{
    ClientRules, Ice, IceFetch,
    access::{Access, check_variables},
    arrive::{check_stages, read_arrive},
    carried::check_carried,
    fields::Reader,
    ice::{check_bundled, read_ice},
    mutants::read_mutants,
    nat::read_nat,
    network::{Network, read_network},
    profiles::read_client,
    rooms::{Common, Draft, check_groups, check_peers, read_parts, read_rooms, some_nat},
    source::Span,
    target::{BUNDLED, read_target},
    template::Template,
    thresholds::read_thresholds,
    tree::{Entry, Node},
    types::{Arrival, DEFAULT_TIMEOUT, MAX_PEERS, Scenario, ThresholdCheck},
};
use crate::base::show_duration;

/// The keys of a scenario.
pub(super) const KEYS: [&str; 18] = [
    "name",
    "about",
    "seed",
    "target",
    "rooms",
    "arrive",
    "client",
    "mutants",
    "network",
    "nat",
    "ice",
    "groups",
    "steps",
    "thresholds",
    "connect_timeout",
    "message_timeout",
    "duration",
    "warm_up",
];
/// The longest `name` of a scenario or group, and `about`.
pub(super) const MAX_NAME: usize = 64;
pub(super) const MAX_ABOUT: usize = 1_000;

/// Reads a whole scenario; `None` only if something was reported. `hash` is left empty.
pub(super) fn read_scenario(
    reader: &mut Reader<'_>,
    root: &Node,
    thresholds: &dyn ThresholdCheck,
) -> Option<Scenario> {
    let mut fields = reader.map(
        root,
        "a scenario",
        "a map of keys like `name`, `rooms` and `steps`",
    )?;
    let start = Span {
        end: root.span.start,
        ..root.span
    };
    let name = fields
        .need(reader, "name", start, "name: my-scenario")
        .and_then(|entry| read_name(reader, entry, true));
    let about = fields.take("about").map(|entry| reader.text(entry, MAX_ABOUT));
    let seed = fields.take("seed").map(|entry| read_seed(reader, entry));
    let target_entry = fields.take("target");
    let target = target_entry.map_or(Some(BUNDLED), |entry| read_target(reader, entry));
    let rules = match fields.take("client") {
        Some(entry) => read_client(reader, &entry.value, ClientRules::default()),
        None => Some(ClientRules::default()),
    };
    let mutants = fields
        .take("mutants")
        .map_or(Some(Vec::new()), |entry| read_mutants(reader, entry));
    let network = fields
        .take("network")
        .map_or_else(|| Some(Network::none()), |entry| read_network(reader, entry));
    let nat_entry = fields.take("nat");
    let nat_at = nat_entry.map(|entry| entry.key_span);
    let nat = nat_entry.map_or(Some(None), |entry| read_nat(reader, entry));
    let ice_entry = fields.take("ice");
    let ice = ice_entry.map_or(Some(Ice::default()), |entry| {
        read_ice(reader, entry, &Ice::default())
    });
    let mut timeout = |key: &str| {
        let entry = fields.take(key);
        entry.map_or(Some(DEFAULT_TIMEOUT), |entry| reader.positive_duration(entry))
    };
    let connect_timeout = timeout("connect_timeout");
    let message_timeout = timeout("message_timeout");
    let duration = fields
        .take("duration")
        .map(|entry| reader.positive_duration(entry));
    let warm_up = fields.take("warm_up").map_or(Some(Duration::ZERO), |entry| {
        let limit = duration.flatten();
        read_warm_up(reader, entry, limit)
    });
    let arrive = fields
        .take("arrive")
        .map(|entry| (entry, read_arrive(reader, entry)));
    let threshold_list = fields.take("thresholds").map_or(Some(Vec::new()), |entry| {
        read_thresholds(reader, entry, thresholds)
    });
    let rooms = read_rooms(reader, fields.take("rooms"));
    let common = Common {
        rules: rules.unwrap_or_default(),
        network: network.unwrap_or_default(),
        nat: nat.flatten(),
        ice,
        ice_at: ice_entry.map_or(start, |entry| entry.key_span),
    };
    let (groups, at) = read_parts(reader, &mut fields, start, &rooms, &common);
    fields.finish(reader, &KEYS);

    let peers = check_peers(reader, &rooms, &groups, at);
    let total = rooms
        .count
        .zip(peers)
        .map(|(count, peers)| u64::from(count) * u64::from(peers));
    if let Some(total) = total.filter(|&total| total > u64::from(MAX_PEERS)) {
        let message = format!("{total} peers in all");
        reader.mistake_help(
            rooms.span.unwrap_or(at),
            message,
            format!("the limit is {MAX_PEERS} peers"),
        );
    }
    if let (Some((entry, Some(arrive))), Some(total)) = (&arrive, total) {
        check_stages(reader, entry, arrive, total);
    }
    check_groups(reader, &groups, peers, total, at, target.as_ref());
    if let Some(target) = &target {
        let steps = groups.iter().flatten().filter_map(|draft| draft.steps.as_deref());
        check_carried(
            reader,
            target,
            steps,
            groups.iter().flatten().filter_map(|draft| draft.network.as_ref()),
            groups
                .iter()
                .flatten()
                .filter_map(|draft| Some((draft.ice.as_ref()?, draft.ice_at))),
            threshold_list.as_deref().unwrap_or_default(),
        );
        let drafts = groups.iter().flatten();
        let fetched = drafts
            .filter_map(|draft| draft.ice.as_ref())
            .flat_map(Ice::fetches);
        let texts: Vec<Template> = fetched.flat_map(IceFetch::templates).collect();
        let (plain, texts) = (Access::default(), texts.into_iter());
        let access = target.access.as_deref().unwrap_or(&plain);
        let fetched_at = ice_entry.map_or(at, |entry| entry.key_span);
        check_variables(reader, target_entry, access, texts, fetched_at);
    }
    // Of a target that could not be read, a server of somebody else's was meant.
    let bundled = target.as_ref().is_some_and(|target| target.url.is_none());
    if !bundled && some_nat(&groups) {
        let message =
            "`nat` beside `target: {url: …}`: NATs are simulated, and there is no simulation of that server";
        let help = "leave out `nat`, for the real network has its own or none; or leave out the `url`, and play it with `--sim`";
        reader.mistake_help(nat_at.unwrap_or(at), message, help);
    }
    if !bundled {
        let drafts = groups.iter().flatten();
        let ice = drafts.filter_map(|draft| draft.ice.as_ref());
        check_bundled(reader, ice_entry.map_or(at, |entry| entry.key_span), ice);
    }

    // Broken, it has been reported; groups may say otherwise.
    nat?;
    Some(Scenario {
        name: name?,
        about: all(about)?,
        seed: all(seed)?,
        target: target?,
        rooms: rooms.count?,
        peers: peers?,
        arrive: arrive.map_or(Some(Arrival::AtOnce), |(_, arrive)| arrive)?,
        groups: groups?.into_iter().map(Draft::finish).collect::<Option<_>>()?,
        mutants: mutants?,
        thresholds: threshold_list?,
        connect_timeout: connect_timeout?,
        message_timeout: message_timeout?,
        duration: all(duration)?,
        warm_up: warm_up?,
        hash: String::new(),
    })
}

/// `duration`: when everybody leaves.
fn read_warm_up(reader: &mut Reader<'_>, entry: &Entry, duration: Option<Duration>) -> Option<Duration> {
    let warm_up = reader.duration(entry)?;
    if let Some(duration) = duration.filter(|duration| warm_up >= *duration) {
        let message = format!(
            "`warm_up: {}` is over when everybody leaves or later: nothing would be measured",
            show_duration(warm_up)
        );
        let help = format!(
            "the `duration` of {} counts from the run's start, too",
            show_duration(duration)
        );
        reader.mistake_help(entry.value.span, message, help);
        return None;
    }
    Some(warm_up)
}

/// An optional value: absent is fine, broken is not.
pub(super) fn all<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

/// `for_files`: it becomes part of file names.
pub(super) fn read_name(reader: &mut Reader<'_>, entry: &Entry, for_files: bool) -> Option<String> {
    let name = reader.text(entry, MAX_NAME)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if for_files && !(name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)) {
        let kept: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
        let meant = kept.trim_matches(['-', '_', '.']);
        let message = format!("the name `{name}` can't be part of a file name");
        let help = match meant {
            "" => "use letters, digits, `-`, `_` and `.`".to_owned(),
            _ => format!("use letters, digits, `-`, `_` and `.`: did you mean `{meant}`?"),
        };
        reader.mistake_help(entry.value.span, message, help);
        return None;
    }
    Some(name)
}

fn read_seed(reader: &mut Reader<'_>, entry: &Entry) -> Option<u64> {
    let wants = "a whole number from 0 to 18446744073709551615";
    let text = reader.scalar(&entry.value, "`seed`", wants)?;
    let seed = text.parse().ok();
    if seed.is_none() {
        let message = format!("`seed` can't be `{text}`");
        reader.mistake_help(entry.value.span, message, format!("expected {wants}"));
    }
    seed
}
