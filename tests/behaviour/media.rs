//! The scenarios without messages: each is sound for every protocol, however the ends of links are found, and the reference
//! client comes through it in a mesh in virtual time. `tests/parity` and `.ci/run` play them in real time, too.

use std::{fs, path::Path, sync::Arc};

use rtcstorm::{
    base::Instant,
    hunt::judge,
    plan::{self, expand},
    report::Normaliser,
    scenario::{Override, Scenario, media, parse},
    sim::Schedule,
};

use crate::{docs::Grammar, simulated};

#[test]
fn every_file_is_bundled_under_its_name_and_tells_its_story() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/media");
    assert_eq!(
        fs::read_dir(folder).expect("the folder is there").count(),
        media().len()
    );
    for (name, text) in media() {
        let scenario = parse(name, text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
        assert_eq!(scenario.name, name.replace('/', "-"));
        assert!(scenario.about.is_some() && text.starts_with("# "), "{name}");
        for line in ["\n# Worlds: sim, local\n", "\n# Measured: "] {
            assert!(text.contains(line), "{name} has no {line}");
        }
        for threshold in ["connect_ms", "connect_failed", "wait_expired"] {
            let mut all = scenario.thresholds.iter();
            assert!(all.any(|one| one.selector == threshold), "{name}: {threshold}");
        }
    }
}

#[test]
fn each_is_sound_for_every_protocol_that_is_built_in() {
    let control = [
        "target.control={start: [./start], stop: [./stop]}",
        "target.metrics=http://127.0.0.1:9/metrics",
    ];
    for (name, text) in media() {
        for (protocol, url) in [
            ("dashboard", "wss://rtc.example.org/ws/"),
            ("janus", "wss://rtc.example.org/janus"),
            ("{janus: {plugin: textroom}}", "wss://rtc.example.org/janus"),
            ("peerjs", "wss://rtc.example.org/"),
            ("simplewebrtc", "wss://rtc.example.org/"),
            ("whep", "https://rtc.example.org/whep/"),
            ("{whip: {endpoint: \"whip/${peer}\"}}", "https://rtc.example.org/"),
        ] {
            let mut set = vec![
                Override::set("--set", format!("target.protocol={protocol}")),
                Override::url("--url", url),
            ];
            set.extend(control.map(|text| Override::set("--set", text)));
            let read = Scenario::with_overrides(name, text, &set, &Grammar);
            read.unwrap_or_else(|mistakes| panic!("{name}, {protocol}: {}", mistakes.listing()));
        }
    }
}

#[test]
fn a_foreign_server_is_restarted_by_commands_alone() {
    let (name, text) = media()
        .iter()
        .find(|(name, _)| *name == "media/server-restart")
        .expect("it is one");
    let set = [
        Override::set("--set", "target.protocol=janus"),
        Override::url("--url", "ws://127.0.0.1:8188/"),
    ];
    let mistakes = Scenario::with_overrides(name, text, &set, &Grammar).expect_err("nothing can restart it");
    assert!(
        mistakes.listing().contains("no command for `stop` and `start`"),
        "{}",
        mistakes.listing()
    );
}

#[test]
fn each_is_survived_in_virtual_time_in_every_order() {
    let mut accused = Vec::new();
    for (name, text) in media() {
        let scenario = parse(name, text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
        for (schedule, seed) in [
            (Schedule::Fifo, 1),
            (Schedule::Random, 1),
            (Schedule::Pct { depth: 3 }, 2),
        ] {
            let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
            let (events, took) = simulated::play(&plan, schedule);
            let mut normaliser = Normaliser::default();
            let events: Vec<_> = events
                .iter()
                .map(|event| normaliser.normal(event).into_owned())
                .collect();
            if let Some(failure) = judge(&scenario, &plan, &events, Instant::START + took) {
                accused.push(format!("{name}, {schedule:?}, seed {seed}: {}", failure.what));
            }
        }
    }
    assert!(accused.is_empty(), "{}", accused.join("\n"));
}
