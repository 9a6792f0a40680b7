//! The catalogue of known races, in virtual time with the real WebRTC stack: each is survived by the client that it
//! is written for, and every mutant of it is caught. `SEEDS=1000` looks further.

use std::{fs, path::Path, sync::Arc};

use rtcstorm::{
    base::Instant,
    hunt::{Signature, judge},
    plan::{self, expand},
    report::Normaliser,
    scenario::{ClientRules, Scenario, parse, races},
    sim::Schedule,
};

use crate::{local::Unjudged, simulated};

/// Seeds of each race that its own client survives.
const INNOCENT: u64 = 8;
/// Seeds of which one has to catch a mutant.
const CAUGHT_WITHIN: u64 = 100;
const SCHEDULES: [Schedule; 2] = [Schedule::Random, Schedule::Pct { depth: 3 }];

fn seeds(default: u64) -> u64 {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    seeds.unwrap_or(default)
}

pub fn read(name: &str, text: &str) -> Scenario {
    parse(name, text, &Unjudged).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
}

/// What broke first with that seed.
fn broken(scenario: &Scenario, schedule: Schedule, seed: u64) -> Option<Signature> {
    let plan = Arc::new(expand(scenario, seed, &plan::Options::default()));
    let (events, took) = simulated::play(&plan, schedule);
    let mut normaliser = Normaliser::default();
    let events: Vec<_> = events
        .iter()
        .map(|event| normaliser.normal(event).into_owned())
        .collect();
    judge(scenario, &plan, &events, Instant::START + took).map(|failure| failure.signature)
}

#[test]
fn every_file_of_the_catalogue_is_bundled_under_its_name_and_has_mutants() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/races");
    let files = fs::read_dir(folder).expect("the folder is there").count();
    assert_eq!(files, races().len());
    for (name, text) in races() {
        let scenario = read(name, text);
        assert_eq!(scenario.name, name.replace('/', "-"));
        assert!(!scenario.mutants.is_empty(), "{name}");
        // It is small, and tells its story.
        assert!(scenario.rooms == 1 && scenario.peers <= 3, "{name}");
        assert!(
            text.starts_with("# ") && text.contains("\n# What one sees: "),
            "{name}"
        );
    }
}

#[test]
fn every_known_race_is_survived() {
    let mut accused = Vec::new();
    for (name, text) in races() {
        let scenario = read(name, text);
        for schedule in SCHEDULES {
            for seed in 1..=seeds(INNOCENT) {
                if let Some(signature) = broken(&scenario, schedule, seed) {
                    accused.push(format!("{name}, {schedule:?}, seed {seed}: {signature}"));
                }
            }
        }
    }
    assert!(accused.is_empty(), "{}:\n{}", accused.len(), accused.join("\n"));
}

#[test]
fn every_mutant_is_caught_in_its_race() {
    let mut missed = Vec::new();
    for (name, text) in races() {
        let scenario = read(name, text);
        for mutant in &scenario.mutants {
            let mutated = scenario.with_mutant(mutant);
            for schedule in SCHEDULES {
                let caught =
                    (1..=seeds(CAUGHT_WITHIN)).any(|seed| broken(&mutated, schedule, seed).is_some());
                if !caught {
                    missed.push(format!("{name}, {schedule:?}: {}", mutant.to_yaml()));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}:\n{}", missed.len(), missed.join("\n"));
}

/// A mutant of two rules has both for a reason: with either alone, the race is survived.
#[test]
fn where_a_mutant_is_of_several_rules_one_masks_the_other() {
    for (name, rules) in [
        ("races/duplicate-answer", ["dedupe_answers", "expect_answers"]),
        ("races/late-answer", ["dedupe_answers", "expect_answers"]),
        (
            "races/stale-timeout",
            ["check_generation", "remove_after_disconnected"],
        ),
    ] {
        let (_, text) = races()
            .iter()
            .find(|(race, _)| *race == name)
            .expect("it is there");
        let scenario = read(name, text);
        let mutant = scenario.mutants.first().expect("it has one");
        assert_eq!(mutant.names().len(), 2, "{name}");
        for rule in rules {
            let whole = scenario.with_mutant(mutant);
            let mut masked = scenario.clone();
            for (group, other) in masked.groups.iter_mut().zip(&whole.groups) {
                group.rules.take(rule, &other.rules);
            }
            assert_ne!(masked.groups[0].rules, scenario.groups[0].rules, "{name}, {rule}");
            for seed in 1..=seeds(INNOCENT) {
                let alone = broken(&masked, Schedule::Random, seed);
                assert_eq!(alone, None, "{name}, {rule} alone, seed {seed}");
            }
        }
    }
}

/// Where descriptions take their candidates along, nothing comes early: the race needs a client that trickles.
#[test]
fn candidates_that_come_with_their_description_are_not_early() {
    let (name, text) = races()
        .iter()
        .find(|(race, _)| *race == "races/early-candidate")
        .expect("it is there");
    let scenario = read(name, text);
    let mut gathering = scenario.with_mutant(&scenario.mutants[0]);
    for group in &mut gathering.groups {
        group.rules.take("gather_within", &ClientRules::default());
    }
    for seed in 1..=seeds(30) {
        assert_eq!(broken(&gathering, Schedule::Random, seed), None, "seed {seed}");
    }
}
