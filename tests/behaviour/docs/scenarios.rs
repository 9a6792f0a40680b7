//! SCENARIOS.md.

use std::time::Duration;

use rtcstorm::base::Fraction;
use rtcstorm::impair::{AccessLink, DEFAULT_QUEUE, Distribution, GilbertElliott, Loss, Profile};
use rtcstorm::scenario::{self, ClientRules, Diagnostics, Override, Scenario, bundled, parse, profiles};

use super::{Grammar, blocks, grouped, read, row};

fn is_key(snippet: &str, key: &str) -> bool {
    snippet.lines().any(|line| line.starts_with(&format!("{key}:")))
}

/// A snippet as a whole scenario: what it leaves out is what it does not talk about.
fn completed(snippet: &str) -> String {
    let indented = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    if snippet.starts_with("- ") {
        return format!("name: x\nrooms: {{peers: 2}}\nsteps:\n{}", indented(snippet));
    }
    let mut text = format!("{snippet}\n");
    let has_parts = is_key(snippet, "groups");
    for (key, line) in [("name", "name: x"), ("rooms", "rooms: {peers: 2}")] {
        // Groups say themselves how many peers a room has.
        let is_said = is_key(snippet, key) || key == "rooms" && has_parts;
        if !is_said {
            text += &format!("{line}\n");
        }
    }
    if !has_parts && !is_key(snippet, "steps") {
        text += "steps: [join, {wait: connected}]\n";
    }
    text
}

#[test]
fn every_scenario_in_the_documents_is_sound() {
    for snippet in blocks(&read("SCENARIOS.md"), "yaml") {
        let text = completed(snippet);
        if let Err(mistakes) = parse("snippet", &text, &Grammar) {
            panic!("{}\n{text}", mistakes.listing());
        }
    }
}

#[test]
fn every_command_line_in_the_documents_sets_what_is_there() {
    for line in blocks(&read("SCENARIOS.md"), "sh").join("\n").lines() {
        let mut words = line.split_whitespace().skip(2);
        let named = words.next().expect("a scenario");
        let (_, text) = bundled()
            .iter()
            .find(|(name, _)| *name == named)
            .expect("a bundled one");
        let plain = parse(named, text, &Grammar).expect("sound");
        let rest = line.split_once(named).expect("it has been found there").1;
        let sets: Vec<Override> = rest
            .split("--set ")
            .skip(1)
            .map(|set| Override::set("--set", set.trim().trim_matches('\'')))
            .collect();
        assert!(!sets.is_empty(), "{line}");
        let set = Scenario::with_overrides(named, text, &sets, &Grammar)
            .unwrap_or_else(|mistakes| panic!("{line}\n{}", mistakes.listing()));
        let same_hash = Scenario {
            hash: plain.hash.clone(),
            ..set
        };
        assert_ne!(same_hash, plain, "{line} changes nothing");
    }
}

fn suggestions(text: &str) -> Vec<String> {
    let mistakes: Diagnostics = parse("x", text, &Grammar).expect_err("a mistake");
    let told = mistakes
        .iter()
        .filter_map(|mistake| Some(mistake.suggestion()?.to_owned()));
    told.collect()
}

/// The names that the parser itself lists when it is asked for one that is like none of them.
fn known(text: &str) -> Vec<String> {
    let lists: Vec<String> = suggestions(text)
        .iter()
        .filter_map(|told| {
            let list = told
                .strip_prefix("known here: ")
                .or(told.strip_prefix("the steps are: "))?;
            Some(list.to_owned())
        })
        .collect();
    assert_eq!(lists.len(), 1, "{text}");
    lists[0].split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_step_and_rule_of_the_language_is_explained() {
    let text = read("SCENARIOS.md");
    let keys = known("{name: x, rooms: {peers: 2}, steps: [join], qqqqqqqqqqqq: 1}");
    assert!(keys.len() > 10, "{keys:?}");
    for key in keys {
        row(&text, &key);
    }
    let steps = known("{name: x, rooms: {peers: 2}, steps: [qqqqqqqqqqqq]}");
    assert!(steps.len() > 8, "{steps:?}");
    for step in steps {
        assert!(text.contains(&format!("\n### `{step}`\n")), "`{step}`");
    }
    for rule in ClientRules::NAMES {
        // What a rule does is said in one place, its table, and so is its value.
        let about = ClientRules::about(rule).expect("a rule");
        let value = ClientRules::default().value(rule).expect("a rule");
        let begin = format!("| `{rule}` | {about}. | `{value}` | ");
        let row = row(&text, rule);
        assert!(row.starts_with(&begin), "{row}\n{begin}");
        assert_eq!(row.matches(" | ").count(), 4, "`{rule}`");
    }
    for (profile, _) in profiles() {
        row(&text, profile);
    }
    for (around, least) in [
        ("rooms: {peers: 2, @: 1}, steps: [join]", 2),
        ("rooms: {peers: 2}, arrive: {over: 1s, @: 1}, steps: [join]", 3),
        (
            "rooms: {peers: 2}, arrive: {stages: [{over: 1s, to: 2, @: 1}]}, steps: [join]",
            2,
        ),
        (
            "rooms: {peers: 2}, target: {url: 'ws://h/', @: 1}, steps: [join]",
            2,
        ),
        ("rooms: {peers: 2}, client: {@: 1}, steps: [join]", 30),
        ("groups: [{name: a, peers: 2, steps: [join], @: 1}]", 5),
        ("rooms: {peers: 2}, steps: [{join: {expect: rejected, @: 1}}]", 1),
        (
            "rooms: {peers: 2}, steps: [join, {wait: {for: connected, @: 1}}]",
            3,
        ),
        ("rooms: {peers: 2}, steps: [join, {barrier: {name: a, @: 1}}]", 2),
        (
            "rooms: {peers: 2}, steps: [join, {chat: {every: 1s, size: 1, for: 1s, @: 1}}]",
            4,
        ),
        ("rooms: {peers: 2}, steps: [join, {wait: @}]", 4),
        ("rooms: {peers: 2}, steps: [join, {duplicate_offer: {@: 1}}]", 2),
        (
            "rooms: {peers: 2}, steps: [join, {duplicate_answer: {for: 1s, @: 1}}]",
            3,
        ),
        ("rooms: {peers: 2}, steps: [join, {ice_restart: {@: 1}}]", 2),
        ("rooms: {peers: 2}, steps: [join, {ice_restart: {links: @}}]", 2),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, @: 1}}]",
            3,
        ),
        (
            "rooms: {peers: 2}, steps: [join, {drop_network: {for: 1s, scope: @}}]",
            3,
        ),
        ("rooms: {peers: 2}, steps: [join, {cut_signaling: @}]", 3),
        (
            "rooms: {peers: 2}, steps: [join], thresholds: {connect_ms: {threshold: max<1, @: 1}}",
            3,
        ),
        ("rooms: {peers: 2}, steps: [{join: {expect: @}}]", 2),
        (
            "rooms: {peers: 2}, steps: [join, {wait: {for: connected, to: @}}]",
            2,
        ),
        ("rooms: {peers: 2}, target: {protocol: @}, steps: [join]", 1),
        ("rooms: {peers: 2}, client: @, steps: [join]", 3),
        ("rooms: {peers: 2}, network: {@: 1}, steps: [join]", 12),
        ("rooms: {peers: 2}, network: {up: {@: 1}}, steps: [join]", 9),
        (
            "rooms: {peers: 2}, network: {to: [{with: peer-1, @: 1}]}, steps: [join]",
            12,
        ),
        (
            "rooms: {peers: 2}, network: {jitter: {spread: 0, @: 1}}, steps: [join]",
            2,
        ),
        (
            "rooms: {peers: 2}, network: {jitter: {spread: 0, distribution: @}}, steps: [join]",
            3,
        ),
        (
            "rooms: {peers: 2}, network: {loss: {good_to_bad: 1%, bad_to_good: 1%, @: 1}}, steps: [join]",
            4,
        ),
        ("rooms: {peers: 2}, network: {loss: @}, steps: [join]", 3),
        ("rooms: {peers: 2}, network: @, steps: [join]", 10),
        ("rooms: {peers: 2}, nat: @, steps: [join]", 5),
        ("rooms: {peers: 2}, nat: {type: @}, steps: [join]", 5),
        (
            "rooms: {peers: 2}, nat: {type: symmetric, @: 1}, steps: [join]",
            5,
        ),
        (
            "rooms: {peers: 2}, nat: {type: symmetric, ports: @}, steps: [join]",
            2,
        ),
    ] {
        let words = known(&format!("{{name: x, {}}}", around.replace('@', "qqqqqqqqqqqq")));
        assert!(words.len() >= least, "{around}: {words:?}");
        for word in words {
            let in_words = [
                format!("`{word}"),
                format!("{word}: "),
                format!(": {word}}}"),
                format!("{word}`"),
            ];
            assert!(
                in_words.iter().any(|form| text.contains(form)),
                "`{word}` of {around}"
            );
        }
    }
}

#[test]
fn every_named_network_is_in_the_table_with_its_figures() {
    let text = read("SCENARIOS.md");
    let ms = |duration: Duration| match duration.as_micros() {
        0 => "0".to_owned(),
        micros => format!("{} ms", micros as f64 / 1_000.0),
    };
    let percent = |share: Fraction| format!("{} %", share.as_f64() * 100.0);
    for name in AccessLink::NAMES {
        let link = AccessLink::named(name).expect(name);
        let way = link.up;
        assert_eq!(
            Profile {
                rate_bits_per_s: way.rate_bits_per_s,
                ..link.down
            },
            way,
            "{name}: the directions differ in their rate only"
        );
        let loss = match way.loss {
            Loss::Independent(Fraction::ZERO) => "0".to_owned(),
            Loss::Independent(share) => percent(share),
            Loss::Bursts(_) => format!("`{}`", way.loss),
        };
        let rate = |way: Profile| match way.rate_bits_per_s {
            None => "–".to_owned(),
            Some(bits) if bits.get() >= 1_000_000_000 => format!("{} Gbit/s", bits.get() / 1_000_000_000),
            Some(bits) => format!("{} Mbit/s", bits.get() as f64 / 1e6),
        };
        let queue = way.rate_bits_per_s.map_or("–".to_owned(), |_| ms(way.queue));
        let jitter = match way.distribution {
            Distribution::Uniform => ms(way.jitter),
            other => format!("{} {other}", ms(way.jitter)),
        };
        let (delay, down, up) = (ms(way.delay), rate(link.down), rate(link.up));
        let figures = format!("| `{name}` | {delay} | {jitter} | {loss} | {down} | {up} | {queue} |");
        assert_eq!(row(&text, name), figures);
        let faults = read("FAULTS.md");
        assert!(name == "none" || row(&faults, name).split(" | ").all(|cell| cell.len() > 3));
    }
    for name in GilbertElliott::NAMES {
        let model = GilbertElliott::named(name).expect(name);
        let shares = [model.good_to_bad, model.bad_to_good, model.in_good, model.in_bad];
        let figures = format!("| `{name}` | {} | ", shares.map(percent).join(" | "));
        assert!(row(&text, name).starts_with(&figures), "{figures}");
        assert!(read("FAULTS.md").contains(&format!("`{name}`")), "{name}");
    }
    let queue = format!("A queue that nobody names is {} long", ms(DEFAULT_QUEUE));
    assert!(text.contains(&queue), "{queue}");
}

#[test]
fn the_limits_of_the_language_are_those_of_the_parser() {
    let text = read("SCENARIOS.md");
    let (_, limits) = text.split_once("\n## Limits\n").expect("it is there");
    for (what, most) in [
        ("peers in all", grouped(scenario::MAX_PEERS.into())),
        (
            "steps of one peer, every `repeat` unrolled (`rejoin` is two)",
            grouped(scenario::MAX_STEPS_PER_PEER),
        ),
        ("steps of all peers", grouped(scenario::MAX_STEPS)),
        (
            "`repeat` inside each other",
            grouped(scenario::MAX_REPEAT_DEPTH as u64),
        ),
        (
            "bytes of a chat message's content",
            format!("{} KiB", scenario::MAX_MESSAGE_BYTES / 1024),
        ),
        ("messages of one `chat`", grouped(scenario::MAX_CHAT_COUNT.into())),
        ("copies of one frame", grouped(scenario::MAX_COPIES.into())),
    ] {
        let row = format!("| {what} | {most} |");
        assert!(limits.contains(&row), "{row}");
    }
    let patience = format!("| `{}s` |", scenario::DEFAULT_TIMEOUT.as_secs());
    for key in ["connect_timeout", "message_timeout"] {
        assert!(row(&text, key).ends_with(&patience), "{key}");
    }
}
