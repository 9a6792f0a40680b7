//! The catalogue of faults: each scenario is sound, says in which worlds it plays, and the reference client comes through
//! it in virtual time, in several orders of events, each of which is the same run again. `tests/parity` plays them in both
//! worlds. `SEEDS=100` looks further.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rtcstorm::{
    base::Instant,
    hunt::judge,
    metrics::RunEvent,
    plan::{self, Plan, expand},
    report::Normaliser,
    scenario::{faults, parse},
    sim::Schedule,
};

use crate::{docs::Grammar, simulated};

/// Seeds of each fault, in each order.
const SEEDS: u64 = 2;

/// The value of a line `# KEY: …` of a scenario's story.
fn told<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(": "))
}

#[test]
fn every_file_of_the_catalogue_is_bundled_under_its_name_and_tells_its_story() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("scenarios/faults")).expect("the folder is there");
    assert_eq!(files.count(), faults().len());
    let document = fs::read_to_string(root.join("docs/FAULTS.md")).expect("the document is there");
    for (name, text) in faults() {
        let scenario = parse(name, text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
        assert_eq!(scenario.name, name.replace('/', "-"));
        assert!(
            scenario.about.is_some() && !scenario.thresholds.is_empty(),
            "{name}"
        );
        assert!(text.starts_with("# "), "{name}");
        let worlds = told(text, "Worlds").unwrap_or_else(|| panic!("{name} says no `# Worlds: `"));
        assert!(
            ["sim", "local", "sim, local"].contains(&worlds),
            "{name}: {worlds}"
        );
        assert!(told(text, "Measured").is_some(), "{name} says no `# Measured: `");
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/FAULTS.md names {name}"
        );
    }
}

/// The events as they are in files, and how long it took.
fn played(plan: &Arc<Plan>, schedule: Schedule) -> (Vec<RunEvent>, Duration) {
    let (events, took) = simulated::play(plan, schedule);
    let mut normaliser = Normaliser::default();
    let normal = |event| normaliser.normal(event).into_owned();
    (events.iter().map(normal).collect(), took)
}

#[test]
fn every_fault_is_survived_in_virtual_time() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let mut accused = Vec::new();
    for (name, text) in faults() {
        if told(text, "Worlds") == Some("local") {
            continue;
        }
        let scenario = parse(name, text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
        for schedule in [Schedule::Random, Schedule::Pct { depth: 3 }] {
            for seed in 1..=seeds.unwrap_or(SEEDS) {
                let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
                let (events, took) = played(&plan, schedule);
                if seed == 1 && played(&plan, schedule) != (events.clone(), took) {
                    accused.push(format!(
                        "{name}, {schedule:?}: seed 1 is another run the second time"
                    ));
                }
                if let Some(failure) = judge(&scenario, &plan, &events, Instant::START + took) {
                    accused.push(format!("{name}, {schedule:?}, seed {seed}: {}", failure.what));
                }
            }
        }
    }
    assert!(accused.is_empty(), "{}:\n{}", accused.len(), accused.join("\n"));
}
