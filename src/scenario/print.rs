//! A scenario as text: what [`parse`](super::parse) reads back as the same scenario.

use std::{fmt::Write, time::Duration};

use super::{
    ClientRules, Ice, profiles,
    types::{
        Arrival, Cut, DEFAULT_TIMEOUT, Group, RelayMode, RestartLinks, Scenario, Scope, ServerFault, Step,
        StepKind, WaitFor,
    },
};
use crate::{
    base::{BitRate, Size, show_duration},
    impair::Profile,
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
        if let Some(url) = &self.target.url {
            line(&mut text, 0, &format!("target: {{ url: {} }}", quoted(url)));
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
        // Said once where it is everybody's. A group's own map would stand on top of the scenario's.
        let common = self
            .groups
            .first()
            .map(|group| (group.rules, group.network, &group.ice));
        let common = common.filter(|(rules, network, ice)| {
            self.groups
                .iter()
                .all(|g| g.rules == *rules && g.network == *network && g.ice == **ice)
        });
        if let Some((rules, profile, ice)) = common {
            terms(&mut text, 0, &rules, profile, ice);
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
            && self.network == other.network
            && self.ice == other.ice
            && script(self) == script(other)
    }
}

fn line(text: &mut String, level: usize, what: &str) {
    let _ = writeln!(text, "{:1$}{what}", "", level * INDENT);
}

/// As a YAML scalar: plain where nothing in it means anything to YAML, else as in JSON.
fn quoted(text: &str) -> String {
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
fn terms(text: &mut String, level: usize, rules: &ClientRules, profile: Profile, ice: &Ice) {
    if *rules != ClientRules::default() {
        line(text, level, &format!("client: {}", client(rules)));
    }
    if profile != Profile::none() {
        line(text, level, &format!("network: {}", network(profile)));
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

fn network(profile: Profile) -> String {
    if let Some(name) = Profile::NAMES
        .iter()
        .find(|name| Profile::named(name) == Some(profile))
    {
        return (*name).to_owned();
    }
    let none = Profile::none();
    let mut parts = Vec::new();
    for (key, value, default) in [
        ("delay", profile.delay, none.delay),
        ("jitter", profile.jitter, none.jitter),
        ("queue", profile.queue, none.queue),
    ] {
        if value != default {
            parts.push(format!("{key}: {}", show_duration(value)));
        }
    }
    if profile.loss != none.loss {
        parts.push(format!("loss: {}", profile.loss));
    }
    if let Some(rate) = profile.rate_bits_per_s {
        parts.push(format!("rate: {}", BitRate(rate)));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn group(text: &mut String, group: &Group, common: bool) {
    let name = group.name.as_deref().unwrap_or_default();
    line(text, 1, &format!("- name: {}", quoted(name)));
    line(text, 2, &format!("peers: {}", group.peers));
    if !common {
        terms(text, 2, &group.rules, group.network, &group.ice);
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
fn with(word: &str, parts: &[Option<String>]) -> String {
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
        StepKind::DuplicateOffer { copies, within } => with(
            "duplicate_offer",
            &[Some(format!("copies: {copies}")), spread(*within)],
        ),
        StepKind::DuplicateAnswer {
            copies,
            within,
            lasting,
        } => {
            let copies = Some(format!("copies: {copies}"));
            with(
                "duplicate_answer",
                &[copies, spread(*within), time("for", *lasting)],
            )
        }
        StepKind::IceRestart { links, both } => {
            let one = (*links == RestartLinks::One).then(|| "links: one".to_owned());
            with("ice_restart", &[one, both.then(|| "both: true".to_owned())])
        }
        StepKind::DropNetwork {
            scope,
            lasting,
            with: parties,
        } => {
            let scope = match scope {
                Scope::Media => Some("scope: media".to_owned()),
                Scope::Signaling => Some("scope: signaling".to_owned()),
                Scope::Both => None,
            };
            let names: Vec<String> = parties.iter().map(|party| quoted(&party.name)).collect();
            let names = (!names.is_empty()).then(|| format!("with: [{}]", names.join(", ")));
            with("drop_network", &[scope, time("for", *lasting), names])
        }
        StepKind::Server(ServerFault::Restart { away }) => match away.is_zero() {
            true => "server: restart".to_owned(),
            false => format!("server: {{ restart: {{ for: {} }} }}", show_duration(*away)),
        },
        StepKind::Turn(fault) => format!("turn: {}", fault.to_yaml()),
        StepKind::Network(profile) => format!("network: {}", network(*profile)),
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

fn wait(target: WaitFor, within: Option<String>) -> String {
    let (word, to) = match target {
        WaitFor::Connected => ("connected", None),
        WaitFor::ConnectedToPresent => ("connected", Some("to: present".to_owned())),
        WaitFor::Joined => ("joined", None),
        WaitFor::Rejected => ("rejected", None),
        WaitFor::Recovered => ("recovered", None),
    };
    match (to, within) {
        (None, None) => format!("wait: {word}"),
        (to, within) => with("wait", &[Some(format!("for: {word}")), to, within]),
    }
}
