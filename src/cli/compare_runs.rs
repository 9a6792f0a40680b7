//! From what the user names to runs that may be compared.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    artifacts::{EVENTS, HISTOGRAMS, MACHINE, SUMMARY},
    compare_args::GateArgs,
};
use crate::{
    compare::{Gate, Gates, Margins, Run, differences, repeated, unfit},
    report::recorded,
};

/// Folders below a named one in which runs are looked for: a baseline has one for each scenario.
const MAX_DEPTH: usize = 2;
/// Runs of one side; each holds its histograms.
const MAX_RUNS: usize = 1_000;

/// Runs that were found, and folders of runs that did not come to their end.
#[derive(Default)]
pub(super) struct Found {
    pub runs: Vec<Run>,
    pub unfinished: Vec<String>,
}

/// Why there is nothing to compare: what is wrong, and what to do.
pub(super) struct Trouble {
    pub what: String,
    pub help: String,
}

impl Trouble {
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }

    pub fn print(&self) {
        eprintln!("error: {}\n  help: {}", self.what, self.help);
    }
}

/// The runs of a side, each named by a run's folder, a folder of runs or a baseline.
pub(super) fn find(named: &[String], baselines: &Path) -> Result<Found, Trouble> {
    let mut found = Found::default();
    let mut seen = Vec::new();
    for name in named {
        let path = place(name, baselines)?;
        let before = found.runs.len() + found.unfinished.len();
        look(&path, MAX_DEPTH, &mut found, &mut seen)?;
        if found.runs.len() + found.unfinished.len() == before {
            return Err(Trouble::new(
                format!("{}: there is no run in it", path.display()),
                "a run's folder has a summary.json, histograms.hlog and machine.json; `rtcstorm run … --out DIR` makes one",
            ));
        }
    }
    Ok(found)
}

/// A folder that is there, or the baseline of that name.
fn place(name: &str, baselines: &Path) -> Result<PathBuf, Trouble> {
    let path = PathBuf::from(name);
    if path.is_dir() {
        return Ok(path);
    }
    if path.is_file() {
        return Err(Trouble::new(
            format!("{name} is a file"),
            "name the folder of the run",
        ));
    }
    let baseline = baselines.join(name);
    if !name.is_empty() && baseline.is_dir() {
        return Ok(baseline);
    }
    let known = names(baselines);
    let help = match known.is_empty() {
        true => format!("there are no baselines in {} yet", baselines.display()),
        false => format!(
            "the baselines in {} are {}",
            baselines.display(),
            known.join(", ")
        ),
    };
    Err(Trouble::new(
        format!("{name}: there is neither a folder nor a baseline of that name"),
        help,
    ))
}

/// The folders in a folder, by name; none if it can't be read.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn look(path: &Path, depth: usize, found: &mut Found, seen: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    let has = |name: &str| path.join(name).is_file();
    if has(SUMMARY) {
        let own = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if seen.contains(&own) {
            return Err(Trouble::new(
                format!("{} is named twice", path.display()),
                "each run counts once",
            ));
        }
        seen.push(own);
        if found.runs.len() == MAX_RUNS {
            return Err(Trouble::new(
                format!("more than {MAX_RUNS} runs on one side"),
                "name fewer",
            ));
        }
        found.runs.push(read(path)?);
        return Ok(());
    }
    if has(EVENTS) {
        found.unfinished.push(path.display().to_string());
        return Ok(());
    }
    if depth > 0 {
        for name in names(path) {
            look(&path.join(name), depth - 1, found, seen)?;
        }
    }
    Ok(())
}

/// The run in that folder.
pub(super) fn read(path: &Path) -> Result<Run, Trouble> {
    let file = |name: &str| {
        let file = path.join(name);
        fs::read(&file).map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => format!("{}: there is no {name}", path.display()),
                _ => format!("{} cannot be read: {error}", file.display()),
            };
            Trouble::new(what, "a run writes it beside summary.json: copy whole folders")
        })
    };
    let [summary, hlog, machine] = [file(SUMMARY)?, file(HISTOGRAMS)?, file(MACHINE)?];
    let name = path.display().to_string();
    recorded(&name, &summary, &hlog, &machine).map_err(|error| {
        Trouble::new(
            format!("{name}: {error}"),
            "leave this run out, or play it again; nothing of it was used",
        )
    })
}

/// Whether the runs are evidence. What stands against it is returned if it was `forced`.
pub(super) fn evidence(base: &Found, new: &Found, forced: bool) -> Result<Vec<String>, Trouble> {
    let all = [base, new];
    for side in all {
        if let Some(same) = repeated(&side.runs).first() {
            return Err(Trouble::new(
                same.clone(),
                "each run counts once: leave one out; of a simulation play another seed (`--seed`, or `run --runs N`)",
            ));
        }
    }
    if let Some(same) = in_both(base, new) {
        return Err(Trouble::new(
            format!("{same} is on both sides"),
            "each run counts once, on one side",
        ));
    }
    let mut against = differences(&base.runs, &new.runs);
    let is_not_same = !against.is_empty();
    for side in all {
        against.extend(unfit(&side.runs));
        let left_out = side.unfinished.iter();
        against
            .extend(left_out.map(|path| format!("{path} has no summary.json, it did not come to its end")));
    }
    if against.is_empty() || forced {
        return Ok(against);
    }
    let help = match is_not_same {
        true => {
            "compare runs of one scenario, version, world and machine; `--force` compares them all the same, and the report says so"
        }
        false => {
            "leave those runs out, or play them again; `--force` takes them as they are, and the report says so"
        }
    };
    Err(Trouble::new(
        format!(
            "these runs are not to be compared:\n    - {}",
            against.join("\n    - ")
        ),
        help,
    ))
}

/// A run that both sides have. Equal simulations are two runs: that nothing has changed is an answer.
fn in_both(base: &Found, new: &Found) -> Option<String> {
    let own = |run: &Run| Path::new(&run.name).canonicalize().ok();
    let of_base: Vec<PathBuf> = base.runs.iter().filter_map(own).collect();
    let same = |run: &&Run| {
        let is_same_folder = own(run).is_some_and(|path| of_base.contains(&path));
        let is_copy = run.identity.world != "sim"
            && base.runs.iter().any(|other| {
                other.identity.started_at == run.identity.started_at
                    && other.identity.seed == run.identity.seed
                    && other.metrics == run.metrics
            });
        is_same_folder || is_copy
    };
    new.runs.iter().find(same).map(|run| run.name.clone())
}

/// What the user wants compared, and the margins.
pub(super) fn gates(args: &GateArgs, runs: &[Run]) -> Result<(Gates, Margins), Trouble> {
    let named = args
        .metric
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty());
    let mut gates = match args.metric.is_empty() {
        true => Gates::default(),
        false => Gates::named(named).map_err(|error| {
            Trouble::new(
                format!("--metric: {error}"),
                "name a trend or a rate of docs/METRICS.md, or `all`",
            )
        })?,
    };
    if args.metric.is_empty() {
        // What a scenario is judged by is compared, too.
        let judged = runs.iter().flat_map(|run| &run.identity.thresholds);
        for key in judged.filter_map(|selector| Gate::selector(selector).ok()) {
            gates.add(key);
        }
    }
    let mut margins = Margins::default();
    for text in args.margin.iter().filter(|text| !text.trim().is_empty()) {
        margins.set(text).map_err(|error| {
            Trouble::new(
                format!("--margin {text}: {error}"),
                "for example `trend=5%,1ms`, `rate=10%,1%`, `connect_ms=15%,20ms`",
            )
        })?;
    }
    Ok((gates, margins))
}
