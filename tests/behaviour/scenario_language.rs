//! The scenario language from outside: what is read, and what is said about mistakes.

use std::{fs, path::Path};

use proptest::prelude::*;
use rtcstorm::{
    metrics::Metric,
    plan::{Options, expand},
    scenario::{Diagnostics, Override, Scenario, ThresholdCheck, ThresholdMistake, parse},
};

/// Knows the metrics, and roughly what a threshold looks like.
pub struct FakeCheck;

impl ThresholdCheck for FakeCheck {
    fn check(&self, selector: &str, expression: &str) -> Result<(), ThresholdMistake> {
        let metric = selector.split('{').next().unwrap_or("");
        if Metric::named(metric).is_none() {
            return Err(ThresholdMistake {
                message: format!("unknown metric `{metric}`"),
                help: Some("did you mean `connect_ms`?".to_owned()),
                in_selector: true,
            });
        }
        let (left, right) = expression.split_at(expression.find(['<', '>', '=']).unwrap_or(0));
        let known = left.starts_with("p(") || ["min", "max", "avg", "med", "rate", "count"].contains(&left);
        match known && right.trim_start_matches(['<', '>', '=']).parse::<f64>().is_ok() {
            true => Ok(()),
            false => Err(ThresholdMistake {
                message: format!("`{expression}` is no threshold"),
                help: None,
                in_selector: false,
            }),
        }
    }
}

/// The overrides in a file's leading comments: `# --set path=value`, `# --seed 7`.
fn overrides(text: &str) -> Vec<Override> {
    text.lines()
        .map_while(|line| line.strip_prefix("# --"))
        .filter_map(|line| line.split_once(' '))
        .map(|(flag, value)| match flag {
            "set" => Override::set("--set", value),
            "url" => Override::url("--url", value),
            "protocol" => Override::protocol("--protocol", value),
            "peers" => Override::peers("--peers", value),
            "seed" => Override::seed("--seed", value),
            "duration" => Override::duration("--duration", value),
            other => panic!("no such flag: {other}"),
        })
        .collect()
}

/// Reads one file of `tests/data/scenario` and compares what is said of it with the `.txt` beside it;
/// `UPDATE=1` rewrites that.
fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).expect("readable");
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a plain name");
    let said = match Scenario::with_overrides(name, &text, &overrides(&text), &FakeCheck) {
        Ok(scenario) => format!("{scenario:#?}\n"),
        Err(diagnostics) => diagnostics.listing(),
    };
    let beside = path.with_extension("txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&beside, &said).expect("writable");
    }
    match fs::read_to_string(&beside).unwrap_or_default() == said {
        true => Ok(()),
        false => Err(format!("{name} is not told as in {}:\n{said}", beside.display())),
    }
}

#[test]
fn each_file_is_told_as_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scenario");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 20, "only {} files", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|path| check(path).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_person_sees_the_source_with_the_mistake_marked() {
    let text = "name: hello\nrooms: { peers: 2 }\nsteps: [jion, { wait: conected }]\n";
    let diagnostics = parse("hello.yaml", text, &FakeCheck).expect_err("two mistakes");
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .render_report(&mut shown, &diagnostics)
        .expect("a string takes everything");
    insta::assert_snapshot!(shown);
}

/// The expected mistakes say a message, a place, the text and a suggestion each, for whoever prints them.
#[test]
fn a_diagnostic_tells_its_parts() {
    let text = "name: hello\nrooms: { peers: 2 }\nsteps: [join, { wait: conected }]\n";
    let diagnostics: Diagnostics = parse("hello.yaml", text, &FakeCheck).expect_err("a mistake");
    let all: Vec<_> = diagnostics.iter().collect();
    let [mistake] = all.as_slice() else {
        panic!("{}", diagnostics.listing())
    };
    assert_eq!(mistake.file(), "hello.yaml");
    assert_eq!((mistake.line(), mistake.column()), (3, 23));
    assert_eq!(mistake.text(), "conected");
    assert_eq!(mistake.message(), "unknown wait `conected`");
    assert_eq!(mistake.suggestion(), Some("did you mean `connected`?"));
}

/// Words that scenarios are made of, right and wrong, as a soup that is often valid YAML.
fn yamlish() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "name",
        "rooms",
        "count",
        "peers",
        "steps",
        "groups",
        "join",
        "leave",
        "rejoin",
        "wait",
        "connected",
        "repeat",
        "chat",
        "every",
        "size",
        "for",
        "arrive",
        "stages",
        "over",
        "to",
        "rate",
        "thresholds",
        "client",
        "extends",
        "profile",
        "barrier",
        "pause",
        "target",
        "url",
        "duplicate_offer",
        "copies",
        "drop_network",
        "network",
        "jitter",
        "loss",
        "wifi",
        "1mbit",
        "scope",
        "with",
        "cut_signaling",
        "crash",
        "recovered",
        "4294967295",
        "-1",
        "0",
        "2",
        "1s",
        "0s..1ms",
        "9..1",
        "é",
        "&a",
        "*a",
        "!t",
        "~",
        "'x'",
        "\"",
        "1e9",
        "<<",
        "|",
        "?",
        "#",
        "%",
        "- - -",
    ]);
    let glue = prop::sample::select(vec![
        ": ", ":\n  ", "\n", "\n- ", "\n  - ", "\n    ", ", ", "{ ", " }", "[", "]", " ", "\n---\n", "\t",
        "\r\n",
    ]);
    prop::collection::vec((words, glue), 0..60).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(word, glue)| format!("{word}{glue}"))
            .collect()
    })
}

/// Whatever the text, the parser answers, and every diagnostic can be shown.
fn survives(text: &str, set: &str) {
    let overrides = [Override::set("--set", set), Override::url("--url", set)];
    for answer in [
        parse("any", text, &FakeCheck),
        Scenario::with_overrides("any", text, &overrides, &FakeCheck),
    ] {
        let Err(diagnostics) = answer else { continue };
        assert!(!diagnostics.listing().is_empty());
        for mistake in &diagnostics {
            assert!(mistake.line() > 0 && mistake.column() > 0);
            assert!(!mistake.text().contains('\n'));
        }
        let mut shown = String::new();
        miette::NarratableReportHandler::new()
            .render_report(&mut shown, &diagnostics)
            .expect("shown");
    }
}

/// Every place of `full.yaml` where something is read.
const PLACES: [&str; 72] = [
    "name",
    "about",
    "seed",
    "target",
    "target.protocol",
    "target.url",
    "rooms",
    "rooms.count",
    "rooms.peers",
    "arrive",
    "arrive.over",
    "arrive.rate",
    "arrive.stages",
    "arrive.stages.0",
    "arrive.stages.0.to",
    "arrive.stages.1.over",
    "client",
    "client.extends",
    "client.dedupe_offers",
    "network",
    "network.profile",
    "network.delay",
    "network.jitter",
    "network.loss",
    "network.queue",
    "connect_timeout",
    "duration",
    "warm_up",
    "steps",
    "groups",
    "groups.0",
    "groups.0.name",
    "groups.0.peers",
    "groups.0.client",
    "groups.0.network",
    "groups.0.steps",
    "groups.0.steps.0",
    "groups.0.steps.0.rename",
    "groups.0.steps.1.join",
    "groups.0.steps.1.join.expect",
    "groups.0.steps.2.wait",
    "groups.0.steps.2.wait.for",
    "groups.0.steps.3.barrier.name",
    "groups.0.steps.4.repeat",
    "groups.0.steps.4.steps",
    "groups.0.steps.4.steps.0.chat",
    "groups.0.steps.4.steps.0.chat.count",
    "groups.0.steps.4.steps.0.chat.for",
    "groups.0.steps.4.steps.2.pause",
    "groups.0.steps.7.duplicate_offer",
    "groups.0.steps.7.duplicate_offer.copies",
    "groups.0.steps.7.duplicate_offer.within",
    "groups.0.steps.8.duplicate_answer",
    "groups.0.steps.8.duplicate_answer.for",
    "groups.0.steps.9.ice_restart",
    "groups.0.steps.9.ice_restart.links",
    "groups.0.steps.10.drop_network",
    "groups.0.steps.10.drop_network.scope",
    "groups.0.steps.10.drop_network.for",
    "groups.0.steps.10.drop_network.with",
    "groups.0.steps.10.drop_network.with.0",
    "groups.0.steps.11.cut_signaling",
    "groups.0.steps.12.network",
    "groups.0.steps.12.network.rate",
    "groups.0.steps.14.crash",
    "thresholds",
    "thresholds.connect_ms",
    "thresholds.connect_ms.0",
    "thresholds.connect_ms.0.delayAbortEval",
    "thresholds.connect_ms.1.threshold",
    "thresholds.connect_ms.1.abortOnFail",
    "thresholds.messages_lost.1.window",
];
/// What may stand there instead.
const ODDITIES: [&str; 16] = [
    "",
    "~",
    "{}",
    "[]",
    "[[]]",
    "[{}]",
    "{x: y}",
    "{? [x] : y}",
    "x",
    "''",
    "0",
    "-1",
    "99999999999",
    "1s",
    "0s",
    "*a",
];

#[test]
fn any_oddity_at_any_place_is_read_or_refused() {
    let text = include_str!("../data/scenario/full.yaml");
    for (place, oddity) in PLACES
        .iter()
        .flat_map(|place| ODDITIES.iter().map(move |oddity| (place, oddity)))
    {
        let set = [Override::set("--set", format!("{place}={oddity}"))];
        if let Ok(scenario) = Scenario::with_overrides("odd", text, &set, &FakeCheck) {
            expand(&scenario, 1, &Options::default());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}", set in ".{0,40}") {
        survives(&text, &set);
    }

    #[test]
    fn any_soup_of_words_is_read_or_refused(text in yamlish(), set in "[a-z]{1,6}(\\.[a-z0-9]{1,6}){0,3}=.{0,10}") {
        survives(&text, &set);
    }

    /// A sound file with one stretch cut out or doubled: the mistakes people make while editing.
    #[test]
    fn any_edit_of_a_sound_file_is_read_or_refused(from in 0..2_000_usize, length in 0..60_usize, double: bool) {
        let text = include_str!("../data/scenario/full.yaml");
        let from = text.floor_char_boundary(from.min(text.len()));
        let to = text.floor_char_boundary((from + length).min(text.len()));
        let (head, tail) = (&text[..to], &text[if double { from } else { to }..]);
        let head = if double { head } else { &text[..from] };
        survives(&format!("{head}{tail}"), "seed=1");
    }
}

#[test]
fn hostile_nesting_and_aliases_are_refused_quickly() {
    survives(&"[".repeat(100_000), "a=1");
    survives(&"- ".repeat(100_000), "a=1");
    survives(&"a: {".repeat(100_000), "a=1");
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
    }
    let diagnostics = parse("bomb", &bomb, &FakeCheck).expect_err("too much");
    let listing = diagnostics.listing();
    assert!(listing.contains("more than 20000 values"), "{listing}");
}
