//! The simulated world: the bundled scenarios, unchanged, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use reference_server::room::HubConfig;
use rtcstorm::{
    base::{Instant, RootSeed},
    metrics::{EventKind, RunEvent},
    plan::{self, expand},
    run::{self, EventReader},
    scenario::{bundled, parse},
    sim::{Schedule, SimWorld},
    verdict::invariants::{Checkers, InvariantStatus, Visibility},
    world::{Census, Tricks},
};

use crate::local::{Events, Unjudged};

/// Every event of a scenario's run with that seed; panics if an invariant is broken.
fn simulated(name: &str, schedule: Schedule, seed: u64) -> Vec<RunEvent> {
    let text = bundled()
        .iter()
        .find(|(bundled, _)| *bundled == name)
        .expect("it is bundled")
        .1;
    let scenario = parse(name, text, &Unjudged).expect("it is sound");
    let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
    let world = Arc::new(SimWorld::new(
        HubConfig::default(),
        [7; 32],
        schedule,
        RootSeed(seed),
    ));
    let census = Arc::new(Census::default());
    let events = Events::default();
    let options = run::Options {
        ice_servers: Vec::new(),
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let readers: Vec<Box<dyn EventReader>> = vec![Box::new(events.clone())];
    let run = run::execute(world.clone(), census.clone(), plan.clone(), options, readers);
    let summary = world
        .block_on(run)
        .unwrap_or_else(|stalled| panic!("{name}, seed {seed}: {stalled}"));
    assert!(census.is_empty(), "still held: {census:?}");
    let events = events.take();
    let mut checkers = Checkers::new(&plan, Visibility::BUNDLED);
    for event in &events {
        checkers.observe(event);
    }
    for invariant in checkers.finish(Instant::START + summary.duration) {
        let broken = invariant.status == InvariantStatus::Broken;
        assert!(!broken, "{name}, seed {seed}: {:?}", invariant.findings);
    }
    events
}

/// What has to be the same whenever a seed is played: all but what the stack draws by itself, which is told
/// by the order in which it first appears.
fn normalised(events: &[RunEvent]) -> Vec<String> {
    let mut fingerprints = BTreeMap::new();
    let mut number = |fingerprint: u64| {
        let next = fingerprints.len();
        *fingerprints.entry(fingerprint).or_insert(next)
    };
    let lines = events.iter().map(|event| match &event.kind {
        EventKind::DescriptionSent {
            fingerprint, answers, ..
        } => {
            let (own, answered) = (number(*fingerprint), answers.map(&mut number));
            format!(
                "{:?} {:?} {:?} sent {own} {answered:?}",
                event.at, event.peer, event.remote
            )
        }
        EventKind::DescriptionReceived { fingerprint, .. }
        | EventKind::DescriptionIgnored { fingerprint, .. } => {
            let theirs = number(*fingerprint);
            format!(
                "{:?} {:?} {:?} received {theirs}",
                event.at, event.peer, event.remote
            )
        }
        _ => format!("{event:?}"),
    });
    lines.collect()
}

#[test]
fn every_bundled_scenario_holds_in_virtual_time() {
    for (name, _) in bundled() {
        let events = simulated(name, Schedule::Fifo, 1);
        let expired = events
            .iter()
            .find(|event| matches!(event.kind, EventKind::WaitExpired { .. }));
        assert_eq!(expired, None, "{name}");
    }
}

#[test]
fn a_seed_is_the_same_run_again() {
    for (schedule, name) in [
        (Schedule::Fifo, "network-drops"),
        (Schedule::Random, "duplicate-offers"),
    ] {
        let play = move || normalised(&simulated(name, schedule, 3));
        let first = play();
        simulated("smoke", Schedule::Random, 5);
        let again = play();
        let elsewhere = std::thread::spawn(play).join().expect("it holds there, too");
        for (n, line) in first.iter().enumerate() {
            assert_eq!(Some(line), again.get(n), "{name}, event {n} after another seed");
            assert_eq!(
                Some(line),
                elsewhere.get(n),
                "{name}, event {n} on another thread"
            );
        }
        assert_eq!([again.len(), elsewhere.len()], [first.len(); 2]);
    }
}

#[test]
fn every_seed_of_a_random_schedule_is_another_run_and_holds() {
    let runs: BTreeSet<Vec<String>> = (0..20)
        .map(|seed| normalised(&simulated("smoke", Schedule::Random, seed)))
        .collect();
    assert_eq!(runs.len(), 20);
}
