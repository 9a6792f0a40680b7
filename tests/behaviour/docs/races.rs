//! RACES.md.

use rtcstorm::scenario::races;

use super::{read, row};
use crate::known_races;

#[test]
fn every_known_race_has_its_row_its_rules_and_its_story() {
    let text = read("RACES.md");
    for (name, source) in races() {
        let scenario = known_races::read(name, source);
        assert!(text.contains(&format!("\n### {name}\n")), "{name}");
        assert!(
            text.contains(&format!("rtcstorm hunt {name} --mutants")),
            "{name}"
        );
        let of_race = |line: &&str| line.starts_with(&format!("| `{name}` |"));
        let rows: Vec<&str> = text.lines().filter(of_race).collect();
        assert_eq!(rows.len(), scenario.mutants.len(), "{name}");
        for (row, mutant) in rows.iter().zip(&scenario.mutants) {
            assert!(row.contains(&format!("| `{}` |", mutant.to_yaml())), "{row}");
        }
    }
    let known = |line: &&str| {
        races()
            .iter()
            .any(|(name, _)| line.starts_with(&format!("| `{name}` |")))
    };
    let rows = text.lines().filter(|line| line.starts_with("| `races/"));
    assert!(rows.clone().all(|line| known(&line)), "a race that is not there");
    // The keys stand in the language's document, too.
    row(&read("SCENARIOS.md"), "mutants");
}
