//! `rtcstorm replay`: a case, or a seed of a hunt, once more.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    args::ReplayArgs,
    artifacts::cannot,
    case::{Case, Outcome},
    hunt::{FINDINGS, SCENARIO},
    load::Grammar,
    print_data,
    run::RUNS,
    schedule::ScheduleError,
    simulate::simulate,
};
use crate::{
    hunt::Failure,
    metrics::RunEvent,
    report::{Story, describe, events::kind_name},
    scenario::parse,
    verdict::ExitCode,
};

/// A case, and what stands in the way of calling two runs of it the same.
struct Replayed {
    case: Case,
    /// Which rtcstorm has written it.
    written_by: String,
    /// Whether its outcome is on record: of a group with many seeds only the first are.
    is_known: bool,
}

pub(super) fn replay(args: &ReplayArgs) -> ExitCode {
    let found = match args.what.parse() {
        Ok(seed) => of_hunt(args.hunt.as_deref(), seed),
        Err(_) => of_folder(Path::new(&args.what)),
    };
    let Replayed {
        case,
        written_by,
        is_known,
    } = match found {
        Ok(found) => found,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            return ExitCode::Configuration;
        }
    };
    let simulated = simulate(&case.scenario, case.seed, case.schedule.into());
    let shown = match shown(args, &simulated.events, simulated.failure.as_ref()) {
        Ok(shown) => shown,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            return ExitCode::Usage;
        }
    };
    print_data(shown);
    let now = Outcome::of(simulated.failure.as_ref());
    let then = is_known.then_some(&case.outcome);
    print_data(format!("\n{}\n", told(then, &now, &written_by)));
    match simulated.failure {
        Some(_) => ExitCode::Failed,
        None => ExitCode::Pass,
    }
}

/// Whether it went as it did when the case was written.
fn told(then: Option<&Outcome>, now: &Outcome, written_by: &str) -> String {
    let what = |outcome: &Outcome| match (&outcome.signature, &outcome.what, outcome.at_ms) {
        (None, ..) => "nothing breaks".to_owned(),
        (Some(signature), Some(what), Some(at)) => format!("{signature}, at {at:.3} ms: {what}"),
        (Some(signature), ..) => signature.clone(),
    };
    let Some(then) = then else {
        return format!("What it came to before is not on record. Now: {}", what(now));
    };
    if then.is_met_by(now) {
        return format!("The same as before: {}", what(now));
    }
    let version = env!("CARGO_PKG_VERSION");
    let versions = match written_by == version {
        true => String::new(),
        false => format!(" The case was written by rtcstorm {written_by}, this is {version}."),
    };
    format!(
        "Not the same as before.{versions}\n  then: {}\n  now:  {}",
        what(then),
        what(now)
    )
}

/// What happened, up to the event that is asked for.
fn shown(args: &ReplayArgs, events: &[RunEvent], failure: Option<&Failure>) -> Result<String, String> {
    let concerned = failure.and_then(|failure| Some((failure.peer?, failure.remote)));
    let events: Vec<&RunEvent> = match concerned.filter(|_| !args.trace) {
        Some((peer, remote)) => {
            let story = Story {
                events,
                peer,
                remote,
                point: None,
            };
            story.own().collect()
        }
        None => events.iter().collect(),
    };
    let mut count = events.len();
    if let Some(kind) = &args.until {
        let Some(at) = events.iter().position(|event| kind_name(event) == *kind) else {
            let kinds: BTreeSet<String> = events.iter().map(|event| kind_name(event)).collect();
            let kinds: Vec<String> = kinds.into_iter().collect();
            return Err(format!(
                "--until {kind}: no such event happened\n  help: these did: {}",
                kinds.join(", ")
            ));
        };
        count = at + 1;
    }
    Ok(events[..count]
        .iter()
        .map(|event| describe(event) + "\n")
        .collect())
}

/// The case in a folder; of a hunt's folder, its only one.
fn of_folder(folder: &Path) -> Result<Replayed, String> {
    if !folder.is_dir() {
        return Err(format!(
            "{}: there is no such folder\n  help: name the folder of a case, or a seed of the last hunt",
            folder.display()
        ));
    }
    if !folder.join(FINDINGS).is_file() {
        let (case, written_by) = Case::read(folder)?;
        return Ok(Replayed {
            case,
            written_by,
            is_known: true,
        });
    }
    let cases: Vec<String> = findings(folder)?
        .groups
        .into_iter()
        .map(|group| group.folder)
        .collect();
    match &cases[..] {
        [] => Err(format!("{}: nothing failed in that hunt", folder.display())),
        [only] => {
            let (case, written_by) = Case::read(Path::new(only))?;
            Ok(Replayed {
                case,
                written_by,
                is_known: true,
            })
        }
        several => Err(format!(
            "{}: which of its cases?\n  help: one of\n    {}",
            folder.display(),
            several.join("\n    ")
        )),
    }
}

/// What is read of `hunt.json`.
#[derive(Deserialize)]
struct FindingsJson {
    rtcstorm: String,
    first_seed: u64,
    seeds: u64,
    ended_by: Option<String>,
    more_groups: usize,
    schedule: String,
    groups: Vec<GroupJson>,
}

#[derive(Deserialize)]
struct GroupJson {
    signature: String,
    runs: u64,
    seeds: Vec<u64>,
    folder: String,
}

fn findings(hunt: &Path) -> Result<FindingsJson, String> {
    let path = hunt.join(FINDINGS);
    let text = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is no hunt: {error}", path.display()))
}

/// A seed of a hunt, with the scenario as it was hunted.
fn of_hunt(hunt: Option<&Path>, seed: u64) -> Result<Replayed, String> {
    let hunt = match hunt {
        Some(hunt) => hunt.to_owned(),
        None => last_hunt()?,
    };
    let findings = findings(&hunt)?;
    let path = hunt.join(SCENARIO);
    let text = fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))?;
    let name = path.display().to_string();
    let scenario = parse(&name, &text, &Grammar).map_err(|mistakes| mistakes.listing())?;
    let is_first_or_all = |group: &GroupJson| group.seeds.len() as u64 == group.runs;
    let tried = findings.first_seed..findings.first_seed.saturating_add(findings.seeds);
    let whole = findings.ended_by.is_none() && findings.more_groups == 0 && tried.contains(&seed);
    let all_are_named = whole && findings.groups.iter().all(is_first_or_all);
    let group = findings
        .groups
        .into_iter()
        .find(|group| group.seeds.contains(&seed));
    let is_known = group.is_some() || all_are_named;
    let case = Case {
        scenario,
        seed,
        schedule: findings
            .schedule
            .parse()
            .map_err(|error: ScheduleError| error.to_string())?,
        outcome: Outcome {
            signature: group.map(|group| group.signature),
            what: None,
            at_ms: None,
        },
    };
    Ok(Replayed {
        case,
        written_by: findings.rtcstorm,
        is_known,
    })
}

/// The newest hunt where runs write if nobody says otherwise: their names begin with the time.
fn last_hunt() -> Result<PathBuf, String> {
    let hunts = fs::read_dir(RUNS)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let newest = hunts.filter(|path| path.join(FINDINGS).is_file()).max();
    newest.ok_or_else(|| format!("there is no hunt in {RUNS}\n  help: name its folder with `--hunt DIR`"))
}
