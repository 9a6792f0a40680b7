//! `rtcstorm hunt --mutants`: the scenario's own client has to survive it, and every mutant of it has to break.

use std::{fmt::Write, path::Path};

use super::{
    args::HuntArgs, artifacts::RunFolder, hunt::sweep, interrupt::Interrupt, print_data,
    run::trouble_with_files, sweep::End,
};
use crate::{
    hunt::{Findings, Found},
    scenario::Scenario,
    verdict::ExitCode,
};

/// The folder of the scenario's own client.
const OWN: &str = "own-client";

/// Hunts each until its first failing seed, or the `--failures`-th; each has a folder of its own, as a hunt has.
pub(super) fn hunt_mutants(
    args: &HuntArgs,
    scenario: &Scenario,
    folder: &Path,
    interrupt: &Interrupt,
) -> ExitCode {
    if scenario.mutants.is_empty() {
        eprintln!(
            "error: {} has no mutants\n  help: for example `mutants: [{{ dedupe_offers: false }}]`",
            args.scenario
        );
        return ExitCode::Configuration;
    }
    let args = HuntArgs {
        failures: args.failures.or(Some(1)),
        ..args.clone()
    };
    let own = Scenario {
        mutants: Vec::new(),
        ..scenario.clone()
    };
    let mutants = scenario.mutants.iter().enumerate().map(|(index, mutant)| {
        let name = format!("mutant-{:02}", index + 1);
        (name, mutant.to_yaml(), scenario.with_mutant(mutant))
    });
    let clients = std::iter::once((OWN.to_owned(), "own client".to_owned(), own)).chain(mutants);
    let mut as_expected = true;
    for (name, shown, scenario) in clients {
        let hunted = RunFolder::create(folder.join(&name))
            .and_then(|folder| sweep(&args, &scenario, &folder, interrupt));
        let (findings, end) = match hunted {
            Ok(hunted) => hunted,
            Err(trouble) => return trouble_with_files(&trouble),
        };
        if end == End::Interrupted {
            return ExitCode::Interrupted;
        }
        let is_mutant = name != OWN;
        as_expected &= is_mutant != findings.groups.is_empty();
        if args.json {
            print_data(findings.json());
        } else {
            print_data(line(&shown, is_mutant, &findings, end));
        }
    }
    if as_expected {
        ExitCode::Pass
    } else {
        ExitCode::Failed
    }
}

/// Who it is, and what became of it.
fn line(shown: &str, is_mutant: bool, findings: &Findings, end: End) -> String {
    let first = findings
        .groups
        .iter()
        .filter_map(|found| Some((*found.seeds.first()?, found)))
        .min_by_key(|(seed, _)| *seed);
    let tried = match findings.failed.of {
        1 => "1 seed".to_owned(),
        seeds => format!("{seeds} seeds"),
    };
    let mut text = format!("{shown}: ");
    let _ = match (first, is_mutant) {
        (Some((seed, found)), _) => {
            let word = if is_mutant { "caught" } else { "FAILS" };
            write!(text, "{word} by seed {seed}, {}", story(found))
        }
        (None, true) => write!(text, "NOT CAUGHT in {tried}"),
        (None, false) => write!(text, "innocent in {tried}"),
    };
    // Where a sweep ends with a failure, the share of failures says nothing.
    if end == End::Whole && first.is_some() {
        let _ = write!(text, "; {}", findings.failed);
    }
    text + "\n"
}

fn story(found: &Found) -> String {
    let [_, peers, steps] = found.case.size;
    format!("{}; {peers} peers, {steps} steps", found.failure.signature)
}
