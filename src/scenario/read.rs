use std::time::Duration;

use super::{
    ClientRules,
    check::{Part, check_barriers, check_length, check_membership, check_total, unrolled},
    diagnostic::did_you_mean,
    fields::{Fields, Reader},
    source::Span,
    steps::read_steps,
    tree::{Entry, Node, Value},
    types::{
        Arrival, DEFAULT_TIMEOUT, Group, MAX_PEERS, Protocol, Scenario, Stage, Step, Target, Threshold,
        ThresholdCheck,
    },
};

/// The keys of a scenario in this version.
const KEYS: [&str; 13] = [
    "name",
    "about",
    "seed",
    "target",
    "rooms",
    "arrive",
    "client",
    "groups",
    "steps",
    "thresholds",
    "connect_timeout",
    "message_timeout",
    "duration",
];
/// The keys of the language that are not built yet.
const LATER: [&str; 1] = ["network"];
/// The longest `name` of a scenario or group, and `about`.
const MAX_NAME: usize = 64;
const MAX_ABOUT: usize = 1_000;

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
    let target = fields
        .take("target")
        .map_or(Some(BUNDLED), |entry| read_target(reader, entry));
    let rules = match fields.take("client") {
        Some(entry) => read_client(reader, entry, ClientRules::default()),
        None => Some(ClientRules::default()),
    };
    let mut timeout = |key: &str| {
        let entry = fields.take(key);
        entry.map_or(Some(DEFAULT_TIMEOUT), |entry| reader.positive_duration(entry))
    };
    let connect_timeout = timeout("connect_timeout");
    let message_timeout = timeout("message_timeout");
    let duration = fields
        .take("duration")
        .map(|entry| reader.positive_duration(entry));
    let arrive = fields
        .take("arrive")
        .map(|entry| (entry, read_arrive(reader, entry)));
    let threshold_list = fields.take("thresholds").map_or(Some(Vec::new()), |entry| {
        read_thresholds(reader, entry, thresholds)
    });
    let rooms = read_rooms(reader, fields.take("rooms"));
    let (groups, at) = read_parts(reader, &mut fields, start, &rooms, rules.unwrap_or_default());
    fields.finish(reader, &KEYS, &LATER);

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
    check_groups(reader, &groups, peers, total, at);

    Some(Scenario {
        name: name?,
        about: all(about)?,
        seed: all(seed)?,
        target: target?,
        rooms: rooms.count?,
        peers: peers?,
        arrive: arrive.map_or(Some(Arrival::AtOnce), |(_, arrive)| arrive)?,
        groups: groups?.into_iter().map(Draft::finish).collect::<Option<_>>()?,
        thresholds: threshold_list?,
        connect_timeout: connect_timeout?,
        message_timeout: message_timeout?,
        duration: all(duration)?,
        hash: String::new(),
    })
}

/// An optional value: absent is fine, broken is not.
fn all<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

const BUNDLED: Target = Target {
    protocol: Protocol::Dashboard,
    url: None,
};

/// `for_files`: it becomes part of file names.
fn read_name(reader: &mut Reader<'_>, entry: &Entry, for_files: bool) -> Option<String> {
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

fn read_target(reader: &mut Reader<'_>, entry: &Entry) -> Option<Target> {
    let mut fields = reader.map(&entry.value, "`target`", "a map like `{protocol: dashboard}`")?;
    let protocol = fields
        .take("protocol")
        .map_or(Some(Protocol::Dashboard), |entry| {
            match reader.scalar(&entry.value, "`protocol`", "`dashboard`")? {
                "dashboard" => Some(Protocol::Dashboard),
                other => {
                    let message = format!("unknown protocol `{other}`");
                    reader.mistake_help(entry.value.span, message, did_you_mean(other, &["dashboard"]));
                    None
                }
            }
        });
    let url = fields.take("url").map(|entry| read_url(reader, entry));
    fields.finish(reader, &["protocol", "url"], &[]);
    Some(Target {
        protocol: protocol?,
        url: all(url)?,
    })
}

fn read_url(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let url = reader.text(entry, 2_000)?;
    let target = Target {
        url: Some(url.clone()),
        ..BUNDLED
    };
    let known_scheme = url.starts_with("ws://") || url.starts_with("wss://");
    let host = target
        .host()
        .filter(|host| !host.is_empty() && !host.contains(char::is_whitespace));
    if known_scheme && host.is_some() {
        return Some(url);
    }
    let help = match url.strip_prefix("http") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => {
            format!("did you mean `ws{rest}`?")
        }
        _ => "for example `wss://rtc.example.org/ws/`".to_owned(),
    };
    let message = format!("`{url}` is not the URL of a WebSocket");
    reader.mistake_help(entry.value.span, message, help);
    None
}

/// The profile or the map of rules under `client`, on top of `base`.
fn read_client(reader: &mut Reader<'_>, entry: &Entry, base: ClientRules) -> Option<ClientRules> {
    if let Value::Scalar(_) = entry.value.value {
        return read_profile(reader, &entry.value);
    }
    let mut fields = reader.map(&entry.value, "`client`", "a profile, or a map of rules")?;
    let mut rules = fields
        .take("profile")
        .map_or(Some(base), |entry| read_profile(reader, &entry.value));
    let mut sound = true;
    for name in ClientRules::NAMES {
        let Some(entry) = fields.take(name) else { continue };
        match reader.flag(entry) {
            Some(on) => {
                if let Some(rule) = rules.as_mut().and_then(|rules| rules.rule_mut(name)) {
                    *rule = on;
                }
            }
            None => sound = false,
        }
    }
    let known: Vec<&str> = std::iter::once("profile").chain(ClientRules::NAMES).collect();
    fields.finish(reader, &known, &[]);
    rules.filter(|_| sound)
}

fn read_profile(reader: &mut Reader<'_>, node: &Node) -> Option<ClientRules> {
    match reader.scalar(node, "a profile", "the name of a profile: reference")? {
        "reference" => Some(ClientRules::default()),
        later @ ("dashboard-4.0" | "dashboard-4.0-fixed") => {
            let message = format!("the profile `{later}` is not available in this version");
            reader.mistake_help(node.span, message, "known here: reference");
            None
        }
        other => {
            let message = format!("unknown profile `{other}`");
            reader.mistake_help(node.span, message, did_you_mean(other, &["reference"]));
            None
        }
    }
}

fn read_arrive(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arrival> {
    let wants = "`{over: 5s}`, `{rate: 20/s}` or `{stages: [{over: 30s, to: 100}]}`";
    let mut fields = reader.map(&entry.value, "`arrive`", wants)?;
    let found: Vec<&Entry> = ["over", "rate", "stages"]
        .into_iter()
        .filter_map(|key| fields.take(key))
        .collect();
    let misspelt = fields.has_rest();
    fields.finish(reader, &["over", "rate", "stages"], &[]);
    let read: Vec<Option<Arrival>> = found
        .iter()
        .map(|entry| match entry.key.as_str() {
            "over" => reader.duration(entry).map(|over| match over {
                Duration::ZERO => Arrival::AtOnce,
                over => Arrival::Over(over),
            }),
            "rate" => reader
                .unit(&entry.value, "`rate`", "a rate like `20/s`")
                .map(Arrival::Rate),
            _ => read_stages(reader, entry),
        })
        .collect();
    match (found.as_slice(), read.into_iter().next()) {
        ([_], Some(read)) => read,
        ([first, second, ..], _) => {
            let message = format!("`arrive` has both `{}` and `{}`", first.key, second.key);
            reader.mistake_help(second.key_span, message, "remove one");
            None
        }
        _ if misspelt => None,
        _ => {
            reader.mistake_help(
                entry.key_span,
                "`arrive` says nothing",
                format!("expected {wants}"),
            );
            None
        }
    }
}

fn read_stages(reader: &mut Reader<'_>, entry: &Entry) -> Option<Arrival> {
    let items = reader.list(&entry.value, "`stages`", "a list like `[{over: 30s, to: 100}]`")?;
    if items.is_empty() {
        reader.mistake(entry.value.span, "`stages` is empty");
        return None;
    }
    let mut stages = Vec::new();
    let mut before = 0;
    for item in items {
        let Some(mut fields) = reader.map(item, "a stage", "a map like `{over: 30s, to: 100}`") else {
            continue;
        };
        let at = fields.span;
        let over = fields
            .need(reader, "over", at, "over: 30s")
            .and_then(|entry| reader.duration(entry));
        let to = fields.need(reader, "to", at, "to: 100");
        let to = to.and_then(|entry| Some((reader.count(entry, MAX_PEERS)?, entry.value.span)));
        fields.finish(reader, &["over", "to"], &[]);
        if let Some((to, span)) = to {
            if to < before {
                let message = format!("`to: {to}` after `to: {before}`: who has arrived can't un-arrive");
                reader.mistake_help(
                    span,
                    message,
                    "`to` counts all arrivals so far; peers leave by steps",
                );
                continue;
            }
            before = to;
        }
        if let (Some(over), Some((to, _))) = (over, to) {
            stages.push(Stage { over, to });
        }
    }
    (stages.len() == items.len()).then_some(Arrival::Stages(stages))
}

fn check_stages(reader: &mut Reader<'_>, entry: &Entry, arrive: &Arrival, total: u64) {
    let Arrival::Stages(stages) = arrive else { return };
    let last = stages.last().map_or(0, |stage| u64::from(stage.to));
    if last != total {
        let message = format!("the stages bring {last} peers, but the rooms have {total}");
        let help = format!("let the last stage say `to: {total}`, or change `rooms`");
        reader.mistake_help(entry.key_span, message, help);
    }
}

fn read_thresholds(
    reader: &mut Reader<'_>,
    entry: &Entry,
    check: &dyn ThresholdCheck,
) -> Option<Vec<Threshold>> {
    let wants = "a map like `connect_ms: ['p(95)<2000']`";
    let Value::Map(entries) = &entry.value.value else {
        reader.wrong_kind(&entry.value, "`thresholds`", wants);
        return None;
    };
    let mut list = Vec::new();
    for metric in entries {
        let selector = &metric.key;
        let expressions = match &metric.value.value {
            Value::Seq(items) if !items.is_empty() => items.as_slice(),
            Value::Scalar(_) => std::slice::from_ref(&metric.value),
            _ => {
                let message = format!("`{selector}` has no thresholds");
                reader.mistake_help(metric.key_span, message, "expected a list like `['p(95)<2000']`");
                continue;
            }
        };
        for node in expressions {
            let Some(expression) = reader.scalar(node, "a threshold", "a text like `'p(95)<2000'`") else {
                continue;
            };
            match check.check(selector, expression) {
                Ok(()) => list.push(Threshold {
                    selector: selector.clone(),
                    expression: expression.to_owned(),
                    span: node.span,
                }),
                Err(mistake) => {
                    let span = if mistake.in_selector {
                        metric.key_span
                    } else {
                        node.span
                    };
                    match mistake.help {
                        Some(help) => reader.mistake_help(span, mistake.message, help),
                        None => reader.mistake(span, mistake.message),
                    }
                }
            }
        }
    }
    Some(list)
}

/// `rooms:`, as far as it could be read.
struct Rooms {
    span: Option<Span>,
    /// `None`: broken. Absent is 1.
    count: Option<u32>,
    /// The outer `None`: not there.
    peers: Option<(Option<u32>, Span)>,
    /// The whole of it could not be read.
    broken: bool,
}

fn read_rooms(reader: &mut Reader<'_>, entry: Option<&Entry>) -> Rooms {
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
    fields.finish(reader, &["count", "peers"], &[]);
    // A misspelt `peers` is reported once, as what it is.
    rooms.broken = unknown && rooms.peers.is_none();
    rooms
}

/// A group as far as it could be read.
struct Draft {
    /// The outer `None`: broken.
    name: Option<Option<String>>,
    peers: Option<u32>,
    rules: Option<ClientRules>,
    steps: Option<Vec<Step>>,
}

impl Draft {
    fn finish(self) -> Option<Group> {
        Some(Group {
            name: self.name?,
            peers: self.peers?,
            rules: self.rules?,
            steps: self.steps?,
        })
    }
}

/// `groups:`, or `steps:` as the one group without a name; and where to point for what is wrong with all.
fn read_parts(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    start: Span,
    rooms: &Rooms,
    rules: ClientRules,
) -> (Option<Vec<Draft>>, Span) {
    match (fields.take("groups"), fields.take("steps")) {
        (Some(groups), None) => (read_groups(reader, groups, rules), groups.key_span),
        (None, Some(entry)) => {
            let draft = Draft {
                name: Some(None),
                peers: rooms.peers.and_then(|(peers, _)| peers),
                rules: Some(rules),
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
            (read_groups(reader, groups, rules), groups.key_span)
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

fn read_groups(reader: &mut Reader<'_>, entry: &Entry, rules: ClientRules) -> Option<Vec<Draft>> {
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
        let rules = fields
            .take("client")
            .map_or(Some(rules), |entry| read_client(reader, entry, rules));
        let steps = fields
            .need(reader, "steps", at, "steps: [join]")
            .and_then(|entry| read_steps(reader, entry, 0));
        fields.finish(reader, &["name", "peers", "steps", "client"], &[]);
        drafts.push(Draft {
            name: name.map(Some),
            peers,
            rules,
            steps,
        });
    }
    sound.then_some(drafts)
}

/// How many peers a room has: what `rooms` says and what the groups add up to have to agree.
fn check_peers(reader: &mut Reader<'_>, rooms: &Rooms, groups: &Option<Vec<Draft>>, at: Span) -> Option<u32> {
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

/// What the steps of all groups mean together.
fn check_groups(
    reader: &mut Reader<'_>,
    groups: &Option<Vec<Draft>>,
    peers: Option<u32>,
    total: Option<u64>,
    at: Span,
) {
    let mut bounded = true;
    let drafts = groups.iter().flatten();
    for steps in drafts.clone().filter_map(|group| group.steps.as_deref()) {
        bounded &= check_length(reader, steps);
        check_membership(reader, steps, peers == Some(1));
    }
    let parts: Option<Vec<Part<'_>>> = drafts
        .clone()
        .map(|group| {
            let name = group.name.as_ref().and_then(Option::as_deref).unwrap_or("");
            let steps = group.steps.as_deref()?;
            Some(Part { name, steps })
        })
        .collect();
    let Some(parts) = parts.filter(|_| bounded) else {
        return;
    };
    check_barriers(reader, &parts);
    if let (Some(total), Some(peers)) = (total.filter(|&total| total <= u64::from(MAX_PEERS)), peers) {
        let rooms = total / u64::from(peers.max(1));
        let sizes = drafts.map(|group| rooms * u64::from(group.peers.unwrap_or(0)));
        let steps = parts.iter().map(|part| unrolled(part.steps));
        check_total(reader, at, std::iter::zip(steps, sizes));
    }
}
