//! A scenario as text: what [`parse`](super::parse) reads back as the same scenario.

use std::{fmt::Write, time::Duration};

use super::{
    ClientRules, Ice, Network, Towards,
    control::COMMAND_WITHIN,
    faults::SCOPES,
    host::{CLOCKS, SOCKETS_ON_ROAM, WAYS, word_of},
    nat::show_nat,
    profiles,
    protocol::show_protocol,
    signaling::RAW_SETS,
    types::{
        Arrival, CommandLine, Cut, DEFAULT_TIMEOUT, DropNetwork, Group, Party, RawFrames, RelayMode,
        RestartLinks, Scenario, Scope, ServerFault, SignalingFault, SleepingClock, SocketOnRoam, Step,
        StepKind, WaitFor, Ways,
    },
};
use crate::{
    base::{BitRate, Fraction, Size, show_duration},
    impair::{AccessLink, Corruption, Distribution, GilbertElliott, Loss, Nat, Profile, Treatment},
    signaling::Protocol,
};

/// The profile that a scenario has if it says nothing.
const REFERENCE: &str = "reference";
/// Spaces of one level.
const INDENT: usize = 2;

impl Scenario {
    /// The scenario as YAML, in the order of the documentation. What has its default is left out; comments of
    /// the file that it was read from are gone.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        line(&mut text, 0, &format!("name: {}", quoted(&self.name)));
        if let Some(about) = &self.about {
            line(&mut text, 0, &format!("about: {}", quoted(about)));
        }
        if let Some(seed) = self.seed {
            line(&mut text, 0, &format!("seed: {seed}"));
        }
        let custom = matches!(self.target.protocol, Protocol::Custom(_));
        if self.target.url.is_some() || custom {
            self.print_target(&mut text);
        } else if self.target.relay_mode == RelayMode::Deployed {
            line(&mut text, 0, "target: { relay_mode: deployed }");
        }
        let grouped = self.groups.iter().any(|group| group.name.is_some());
        let mut rooms = Vec::new();
        if self.rooms != 1 {
            rooms.push(format!("count: {}", self.rooms));
        }
        if !grouped {
            rooms.push(format!("peers: {}", self.peers));
        }
        if !rooms.is_empty() {
            line(&mut text, 0, &format!("rooms: {{ {} }}", rooms.join(", ")));
        }
        if let Some(arrive) = arrive(&self.arrive) {
            line(&mut text, 0, &format!("arrive: {arrive}"));
        }
        for (key, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("message_timeout", self.message_timeout),
        ] {
            if timeout != DEFAULT_TIMEOUT {
                line(&mut text, 0, &format!("{key}: {}", show_duration(timeout)));
            }
        }
        if let Some(duration) = self.duration {
            line(&mut text, 0, &format!("duration: {}", show_duration(duration)));
        }
        if !self.warm_up.is_zero() {
            line(&mut text, 0, &format!("warm_up: {}", show_duration(self.warm_up)));
        }
        // Said once where it is everybody's. A group's own map would stand on top of the scenario's.
        let common = self
            .groups
            .first()
            .map(|group| (group.rules, &group.network, group.nat, &group.ice));
        let common = common.filter(|(rules, other, nat, ice)| {
            self.groups.iter().all(|g| {
                g.rules == *rules && network(&g.network) == network(other) && g.nat == *nat && g.ice == **ice
            })
        });
        if let Some((rules, profile, nat, ice)) = common {
            terms(&mut text, 0, &rules, profile, nat, ice);
        }
        if !self.mutants.is_empty() {
            line(&mut text, 0, "mutants:");
        }
        for mutant in &self.mutants {
            line(&mut text, 1, &format!("- {}", mutant.to_yaml()));
        }
        if grouped {
            line(&mut text, 0, "groups:");
            for group in &self.groups {
                self::group(&mut text, group, common.is_some());
            }
        } else if let Some(group) = self.groups.first() {
            line(&mut text, 0, "steps:");
            steps(&mut text, 1, &group.steps);
        }
        self.print_thresholds(&mut text);
        text
    }

    fn print_target(&self, text: &mut String) {
        let mut rows = Vec::new();
        rows.extend(self.target.url.iter().map(|url| format!("url: {}", quoted(url))));
        let protocol = &self.target.protocol;
        if !matches!(protocol, Protocol::Custom(_) | Protocol::Dashboard) {
            rows.push(format!("protocol: {}", show_protocol(protocol)));
        }
        if self.target.relay_mode == RelayMode::Deployed {
            rows.push("relay_mode: deployed".to_owned());
        }
        rows.extend(
            self.target
                .metrics
                .iter()
                .map(|url| format!("metrics: {}", quoted(url))),
        );
        let access = self.target.access.iter();
        rows.extend(access.flat_map(|access| access.to_yaml(quoted)));
        let custom = match &self.target.protocol {
            Protocol::Custom(custom) => Some(custom),
            _ => None,
        };
        if self.target.control.is_none() && custom.is_none() {
            return line(text, 0, &format!("target: {{ {} }}", rows.join(", ")));
        }
        line(text, 0, "target:");
        rows.iter().for_each(|row| line(text, 1, row));
        if let Some(custom) = custom {
            line(text, 1, "protocol:");
            line(text, 2, "custom:");
            let rows = custom.tree().lines(3);
            rows.iter().for_each(|(depth, row)| line(text, *depth, row));
        }
        let Some(control) = &self.target.control else {
            return;
        };
        let commands = control.commands();
        let mut rows: Vec<String> = commands
            .map(|(name, command)| match command {
                CommandLine::Shell(text) => format!("{name}: {}", quoted(text)),
                CommandLine::Words(words) => {
                    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                    format!("{name}: [{}]", words.join(", "))
                }
            })
            .collect();
        if control.within != COMMAND_WITHIN || rows.is_empty() {
            rows.push(format!("within: {}", show_duration(control.within)));
        }
        line(text, 1, "control:");
        rows.iter().for_each(|row| line(text, 2, row));
    }

    fn print_thresholds(&self, text: &mut String) {
        let mut last = None;
        for threshold in &self.thresholds {
            if last.is_none() {
                line(text, 0, "thresholds:");
            }
            if last != Some(&threshold.selector) {
                line(text, 1, &format!("{}:", quoted(&threshold.selector)));
            }
            last = Some(&threshold.selector);
            let expression = quoted(&threshold.expression);
            let mut parts = vec![format!("threshold: {expression}")];
            if threshold.abort_on_fail {
                parts.push("abortOnFail: true".to_owned());
            }
            if let Some(delay) = threshold.delay_abort_eval {
                parts.push(format!("delayAbortEval: {}", show_duration(delay)));
            }
            if let Some(window) = threshold.window {
                parts.push(format!("window: {}", show_duration(window)));
            }
            match parts.len() {
                1 => line(text, 2, &format!("- {expression}")),
                _ => line(text, 2, &format!("- {{ {} }}", parts.join(", "))),
            }
        }
    }
}

impl Group {
    /// Whether its peers do the same as those of another, in the same way and over the same kind of link.
    pub fn does_as(&self, other: &Self) -> bool {
        let script = |group: &Self| {
            let mut text = String::new();
            steps(&mut text, 0, &group.steps);
            text
        };
        self.rules == other.rules
            && network(&self.network) == network(&other.network)
            && self.nat == other.nat
            && self.ice == other.ice
            && script(self) == script(other)
    }
}

fn line(text: &mut String, level: usize, what: &str) {
    let _ = writeln!(text, "{:1$}{what}", "", level * INDENT);
}

/// As a YAML scalar: plain where nothing in it means anything to YAML, else as in JSON.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf",
    ];
    let letter_first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let safe = letter_first && text.chars().all(plain);
    if safe && !words.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

fn arrive(arrive: &Arrival) -> Option<String> {
    Some(match arrive {
        Arrival::AtOnce => return None,
        Arrival::Over(over) => format!("{{ over: {} }}", show_duration(*over)),
        Arrival::Rate(rate) => format!("{{ rate: {rate} }}"),
        Arrival::Stages(stages) => {
            let stages = stages
                .iter()
                .map(|stage| format!("{{ over: {}, to: {} }}", show_duration(stage.over), stage.to));
            format!("{{ stages: [{}] }}", stages.collect::<Vec<_>>().join(", "))
        }
    })
}

/// How peers negotiate and what their links are like.
fn terms(text: &mut String, level: usize, rules: &ClientRules, of: &Network, nat: Option<Nat>, ice: &Ice) {
    if *rules != ClientRules::default() {
        line(text, level, &format!("client: {}", client(rules)));
    }
    if *of != Network::none() {
        line(text, level, &format!("network: {}", network(of)));
    }
    if let Some(nat) = nat {
        line(text, level, &show_nat(&nat));
    }
    if let Some(ice) = ice.to_yaml(quoted) {
        line(text, level, &format!("ice: {ice}"));
    }
}

/// By the profile that leaves the least to say.
pub(super) fn client(rules: &ClientRules) -> String {
    let bases = profiles().filter_map(|(name, _)| Some((name, ClientRules::profile(name)?)));
    let (name, changes) = bases
        .map(|(name, base)| (name, rules.changes_from(&base)))
        .min_by_key(|(_, changes)| changes.len())
        .expect("there are profiles");
    if changes.is_empty() {
        return name.to_owned();
    }
    let extends = (name != REFERENCE).then(|| format!("extends: {name}"));
    let changes = changes
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let parts: Vec<String> = extends.into_iter().chain(changes).collect();
    format!("{{ {} }}", parts.join(", "))
}

fn network(of: &Network) -> String {
    let mut parts = link(&of.link);
    if of.to.is_empty() {
        return match parts {
            Written::Name(name) => name.to_owned(),
            Written::Values(values) => format!("{{ {} }}", values.join(", ")),
        };
    }
    let to: Vec<String> = of.to.iter().map(towards).collect();
    let mut values = match &mut parts {
        Written::Name(name) => vec![format!("profile: {name}")],
        Written::Values(values) => std::mem::take(values),
    };
    values.push(format!("to: [{}]", to.join(", ")));
    format!("{{ {} }}", values.join(", "))
}

fn towards(of: &Towards) -> String {
    let names: Vec<String> = of.with.iter().map(|party| quoted(&party.name)).collect();
    let mut values = vec![format!("with: [{}]", names.join(", "))];
    match link(&of.link) {
        Written::Name(name) => values.push(format!("profile: {name}")),
        Written::Values(more) => values.extend(more),
    }
    format!("{{ {} }}", values.join(", "))
}

/// A link by its name, or by what it does.
enum Written {
    Name(&'static str),
    Values(Vec<String>),
}

fn link(of: &AccessLink) -> Written {
    let named = |name: &&&str| AccessLink::named(name).as_ref() == Some(of);
    if let Some(name) = AccessLink::NAMES.iter().find(named) {
        return Written::Name(name);
    }
    if of.up == of.down {
        return Written::Values(way(&of.up));
    }
    let ways = [("up", of.up), ("down", of.down)].map(|(key, profile)| {
        let values = way(&profile).join(", ");
        match values.is_empty() {
            true => format!("{key}: none"),
            false => format!("{key}: {{ {values} }}"),
        }
    });
    Written::Values(ways.into())
}

fn way(profile: &Profile) -> Vec<String> {
    let none = Profile::none();
    let mut parts = Vec::new();
    if profile.delay != none.delay {
        parts.push(format!("delay: {}", show_duration(profile.delay)));
    }
    let spread = show_duration(profile.jitter);
    match profile.distribution {
        _ if profile.jitter == none.jitter => {}
        Distribution::Uniform => parts.push(format!("jitter: {spread}")),
        other => parts.push(format!("jitter: {{ spread: {spread}, distribution: {other} }}")),
    }
    if profile.queue != none.queue {
        parts.push(format!("queue: {}", show_duration(profile.queue)));
    }
    match &profile.loss {
        loss if *loss == none.loss => {}
        Loss::Bursts(model)
            if GilbertElliott::NAMES
                .iter()
                .all(|name| *name != profile.loss.to_string()) =>
        {
            parts.push(format!(
                "loss: {{ good_to_bad: {}, bad_to_good: {}, in_good: {}, in_bad: {} }}",
                model.good_to_bad, model.bad_to_good, model.in_good, model.in_bad
            ));
        }
        loss => parts.push(format!("loss: {loss}")),
    }
    for (key, share, default) in [
        ("duplicate", profile.duplicate, none.duplicate),
        ("reorder", profile.reorder, none.reorder),
        ("corrupt", profile.corrupt, none.corrupt),
    ] {
        if share != default {
            parts.push(format!("{key}: {share}"));
        }
    }
    if let Some(rate) = profile.rate_bits_per_s {
        parts.push(format!("rate: {}", BitRate(rate)));
    }
    parts
}

fn group(text: &mut String, group: &Group, common: bool) {
    let name = group.name.as_deref().unwrap_or_default();
    line(text, 1, &format!("- name: {}", quoted(name)));
    line(text, 2, &format!("peers: {}", group.peers));
    if !common {
        terms(text, 2, &group.rules, &group.network, group.nat, &group.ice);
    }
    line(text, 2, "steps:");
    steps(text, 3, &group.steps);
}

fn steps(text: &mut String, level: usize, of: &[Step]) {
    for step in of {
        if let StepKind::Repeat { times, steps: inner } = &step.kind {
            line(text, level, &format!("- repeat: {times}"));
            line(text, level + 1, "steps:");
            steps(text, level + 2, inner);
        } else {
            line(text, level, &format!("- {}", step_text(&step.kind)));
        }
    }
}

/// A map of one word: what has its default is left out, and a word without anything stands alone.
pub(super) fn with(word: &str, parts: &[Option<String>]) -> String {
    let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    match parts.is_empty() {
        true => word.to_owned(),
        false => format!("{word}: {{ {} }}", parts.join(", ")),
    }
}

fn time(key: &str, value: Duration) -> Option<String> {
    Some(format!("{key}: {}", show_duration(value)))
}

fn step_text(step: &StepKind) -> String {
    let patience = |within: Duration| time("within", within).filter(|_| within != DEFAULT_TIMEOUT);
    let spread = |within: Duration| time("within", within).filter(|_| !within.is_zero());
    match step {
        StepKind::Join {
            expect_rejected: false,
        } => "join".to_owned(),
        StepKind::Join {
            expect_rejected: true,
        } => "join: { expect: rejected }".to_owned(),
        StepKind::Leave => "leave".to_owned(),
        StepKind::Rejoin => "rejoin".to_owned(),
        StepKind::Crash => "crash".to_owned(),
        StepKind::Wait { target, within } => wait(*target, patience(*within)),
        StepKind::Pause(range) => format!("pause: {range}"),
        StepKind::Barrier { name, within } => match patience(*within) {
            None => format!("barrier: {}", quoted(name)),
            within => with("barrier", &[Some(format!("name: {}", quoted(name))), within]),
        },
        StepKind::Chat {
            every,
            count,
            size,
            lasts,
        } => {
            let by_count = every.checked_mul(*count) == Some(*lasts);
            let length = match by_count {
                true => Some(format!("count: {count}")),
                false => time("for", *lasts),
            };
            let size = Some(format!("size: {}", Size(u64::from(*size))));
            with("chat", &[time("every", *every), size, length])
        }
        StepKind::Repeat { .. } => unreachable!("it takes several lines"),
        StepKind::Rename(name) => format!("rename: {}", quoted(name)),
        StepKind::DuplicateOffer {
            copies,
            within,
            afresh,
        } => with(
            "duplicate_offer",
            &[
                Some(format!("copies: {copies}")),
                spread(*within),
                as_another(*afresh),
            ],
        ),
        StepKind::DuplicateAnswer {
            copies,
            within,
            lasting,
            afresh,
        } => {
            let copies = Some(format!("copies: {copies}"));
            with(
                "duplicate_answer",
                &[
                    copies,
                    spread(*within),
                    time("for", *lasting),
                    as_another(*afresh),
                ],
            )
        }
        StepKind::Signaling(fault) => signaling(fault),
        StepKind::Glare { with: parties } => with("glare", &[names(parties)]),
        StepKind::StaleOffer { with: parties } => with("stale_offer", &[names(parties)]),
        StepKind::JoinTwice => "join_twice".to_owned(),
        StepKind::SendRaw(RawFrames::Text { text, times: 1 }) => format!("send_raw: {}", quoted(text)),
        StepKind::SendRaw(RawFrames::Text { text, times }) => {
            format!("send_raw: {{ text: {}, times: {times} }}", quoted(text))
        }
        StepKind::SendRaw(RawFrames::Set(set)) => {
            let word = RAW_SETS.iter().find(|(_, other)| other == set);
            format!("send_raw: {{ set: {} }}", word.map_or("", |(word, _)| word))
        }
        StepKind::IceRestart { links, both } => {
            let one = (*links == RestartLinks::One).then(|| "links: one".to_owned());
            with("ice_restart", &[one, both.then(|| "both: true".to_owned())])
        }
        StepKind::DropNetwork(what) => drop_network(what),
        StepKind::BlockUdp { lasting } => {
            with("block_udp", &[lasting.and_then(|lasting| time("for", lasting))])
        }
        StepKind::Roam { signaling } => {
            let said = (*signaling != SocketOnRoam::Broken).then(|| word_of(*signaling, &SOCKETS_ON_ROAM));
            with("roam", &[said.map(|word| format!("signaling: {word}"))])
        }
        StepKind::NatRebind => "nat_rebind".to_owned(),
        StepKind::Suspend { lasting, clock } => {
            let said = (*clock != SleepingClock::Stops).then(|| word_of(*clock, &CLOCKS));
            let clock = said.map(|word| format!("clock: {word}"));
            with("suspend", &[time("for", *lasting), clock])
        }
        StepKind::Server(fault) => server(*fault),
        StepKind::Turn(fault) => format!("turn: {}", fault.to_yaml()),
        StepKind::Network(of) => format!("network: {}", network(of)),
        StepKind::CutSignaling(how) => format!(
            "cut_signaling: {}",
            match how {
                Cut::Closed => "closed",
                Cut::Reset => "reset",
                Cut::Silent => "silent",
            }
        ),
    }
}

fn drop_network(what: &DropNetwork) -> String {
    let scope = (what.scope != Scope::Both).then(|| word_of(what.scope, &SCOPES));
    let direction = (what.direction != Ways::Both).then(|| word_of(what.direction, &WAYS));
    let names: Vec<String> = what.with.iter().map(|party| quoted(&party.name)).collect();
    let parts = [
        scope.map(|word| format!("scope: {word}")),
        direction.map(|word| format!("direction: {word}")),
        time("for", what.lasting),
        (!names.is_empty()).then(|| format!("with: [{}]", names.join(", "))),
        what.server_lost.then(|| "server: lost".to_owned()),
    ];
    with("drop_network", &parts)
}

fn server(fault: ServerFault) -> String {
    let (word, arguments) = match fault {
        ServerFault::Restart { away } => ("restart", vec![(!away.is_zero()).then_some(away)]),
        ServerFault::Crash { away } => ("crash", vec![away]),
        ServerFault::Pause { lasting } => ("pause", vec![Some(lasting)]),
        ServerFault::Slow { by, lasting } => {
            let (by, lasting) = (show_duration(by), show_duration(lasting));
            return format!("server: {{ slow: {{ by: {by}, for: {lasting} }} }}");
        }
    };
    match arguments.into_iter().flatten().next() {
        None => format!("server: {word}"),
        Some(time) => format!("server: {{ {word}: {{ for: {} }} }}", show_duration(time)),
    }
}

fn names(parties: &[Party]) -> Option<String> {
    let names: Vec<String> = parties.iter().map(|party| quoted(&party.name)).collect();
    (!names.is_empty()).then(|| format!("with: [{}]", names.join(", ")))
}

fn as_another(afresh: bool) -> Option<String> {
    afresh.then(|| "as: another_frame".to_owned())
}

fn signaling(fault: &SignalingFault) -> String {
    let (what, share) = (fault.treatment.kind().name(), fault.share);
    let (what, share) = match fault.treatment {
        Treatment::Delay(range) => (
            format!("{what}: {range}"),
            (share != Fraction::WHOLE).then(|| format!("share: {share}")),
        ),
        _ => (format!("{what}: {share}"), None),
    };
    let broken = matches!(fault.treatment, Treatment::Corrupt(Corruption::Sdp));
    let kinds: Vec<&str> = fault.of.iter().map(|kind| kind.name()).collect();
    let of = match kinds[..] {
        [] => None,
        [one] => Some(format!("of: {one}")),
        _ => Some(format!("of: [{}]", kinds.join(", "))),
    };
    with(
        "signaling",
        &[
            Some(what),
            share,
            broken.then(|| "as: sdp".to_owned()),
            of,
            fault.way.map(|way| format!("way: {}", way.name())),
            names(&fault.with),
            fault.lasting.and_then(|lasting| time("for", lasting)),
            fault.count.map(|count| format!("count: {count}")),
        ],
    )
}

fn wait(target: WaitFor, within: Option<String>) -> String {
    let (word, more) = match target {
        WaitFor::Connected => ("connected", None),
        WaitFor::ConnectedToPresent => ("connected", Some("to: present".to_owned())),
        WaitFor::Joined => ("joined", None),
        WaitFor::Rejected => ("rejected", None),
        WaitFor::Recovered => ("recovered", None),
        WaitFor::External { count: 1 } => ("external", None),
        WaitFor::External { count } => ("external", Some(format!("count: {count}"))),
    };
    match (more, within) {
        (None, None) => format!("wait: {word}"),
        (more, within) => with("wait", &[Some(format!("for: {word}")), more, within]),
    }
}
