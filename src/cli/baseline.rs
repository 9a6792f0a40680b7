//! Baselines: runs that later ones are compared with. A folder for each name, in it one for each scenario, in that
//! the runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    args::RunArgs,
    artifacts::{HISTOGRAMS, MACHINE, SUMMARY, cannot},
    compare::{look, sides},
    compare_runs::{Found, Trouble, find, names, read},
    print_data,
};
use crate::{
    compare::{Run, differences, repeated, unfit},
    report::comparison,
    verdict::ExitCode,
};

/// Runs of one scenario in a baseline; old ones say less and less of what is.
const MAX_RUNS: usize = 200;
/// Runs of one name that a baseline tells apart.
const MAX_NAMESAKES: u32 = 1_000;
/// What is kept of a run: what it was, and its figures.
const KEPT: [&str; 3] = [SUMMARY, HISTOGRAMS, MACHINE];

/// The folders of the runs that came to an end, by the scenario's name.
#[derive(Default)]
pub(super) struct Played(Vec<(String, Vec<PathBuf>)>);

impl Played {
    /// One more run.
    pub fn add(&mut self, scenario: &str, folder: &Path) {
        let folder = folder.to_owned();
        match self.0.iter_mut().find(|(name, _)| name == scenario) {
            Some((_, folders)) => folders.push(folder),
            None => self.0.push((scenario.to_owned(), vec![folder])),
        }
    }
}

/// Whether names of baselines can be folders; what is wrong is printed.
pub(super) fn are_names(args: &RunArgs) -> bool {
    let names = args.baseline.baseline.iter().chain(&args.baseline.save_baseline);
    let mut sound = true;
    for name in names {
        let plain = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            sound = false;
            Trouble::new(
                format!("`{name}` is no name of a baseline"),
                "letters, digits and `-_+.`, like `main` or `v1.2`",
            )
            .print();
        }
    }
    sound
}

/// When all runs are over: compares each scenario's with the baseline, then saves them.
pub(super) fn after(args: &RunArgs, played: &Played) -> ExitCode {
    let mut codes = Vec::new();
    for (scenario, folders) in &played.0 {
        if let Some(baseline) = &args.baseline.baseline {
            codes.push(tell(compare(args, baseline, scenario, folders)));
        }
        if let Some(baseline) = &args.baseline.save_baseline {
            codes.push(tell(save(args, baseline, scenario, folders)));
        }
    }
    ExitCode::worst(codes)
}

fn tell(outcome: Result<ExitCode, Trouble>) -> ExitCode {
    outcome.unwrap_or_else(|trouble| {
        trouble.print();
        ExitCode::Configuration
    })
}

fn place(args: &RunArgs, baseline: &str, scenario: &str) -> PathBuf {
    args.baseline.folder.baseline_dir.join(baseline).join(scenario)
}

fn found(folders: &[PathBuf]) -> Result<Found, Trouble> {
    let runs: Vec<Run> = folders
        .iter()
        .map(|folder| read(folder))
        .collect::<Result<_, _>>()?;
    Ok(Found {
        runs,
        unfinished: Vec::new(),
    })
}

fn compare(args: &RunArgs, baseline: &str, scenario: &str, folders: &[PathBuf]) -> Result<ExitCode, Trouble> {
    let place = place(args, baseline, scenario);
    if names(&place).is_empty() {
        return Err(Trouble::new(
            format!(
                "baseline `{baseline}` has no run of {scenario}: {} is not there",
                place.display()
            ),
            format!("`rtcstorm run {scenario} --runs 5 --save-baseline {baseline}` makes it"),
        ));
    }
    let base = find(&[place.display().to_string()], &args.baseline.folder.baseline_dir)?;
    let new = found(folders)?;
    let name = match new.runs.len() {
        1 => "this run".to_owned(),
        runs => format!("these {runs} runs"),
    };
    let mut compared = sides(
        (&format!("baseline {baseline}"), &base),
        (&name, &new),
        &args.baseline.gates,
        false,
    )?;
    compared.notes.extend(missing(folders.len(), base.runs.len()));
    let text = |is_terminal| comparison::terminal::comparison(&compared, look(is_terminal));
    // With --json stdout has the runs' summaries.
    match args.json {
        true => eprint!("{}", text(io::IsTerminal::is_terminal(&io::stderr()))),
        false => print_data(format!("\n{}", text(io::IsTerminal::is_terminal(&io::stdout())))),
    }
    Ok(comparison::exit_code(compared.verdict))
}

/// What to do where runs are missing.
fn missing(new: usize, base: usize) -> Option<String> {
    use crate::compare::MIN_RUNS;
    match (new < MIN_RUNS, base < MIN_RUNS) {
        (true, _) => Some(format!(
            "{new} of the {MIN_RUNS} runs that it takes: `--runs {MIN_RUNS}` plays them, or compare folders of several jobs with `rtcstorm compare`"
        )),
        (false, true) => Some(format!(
            "the baseline has {base} of the {MIN_RUNS} runs that it takes: `--save-baseline` adds some"
        )),
        _ => None,
    }
}

fn save(args: &RunArgs, baseline: &str, scenario: &str, folders: &[PathBuf]) -> Result<ExitCode, Trouble> {
    let place = place(args, baseline, scenario);
    let mut fit = Vec::new();
    for folder in folders {
        let run = read(folder)?;
        match unfit(std::slice::from_ref(&run)).first() {
            Some(why) => eprintln!("not saved as {baseline}: {why}"),
            None => fit.push((run, folder)),
        }
    }
    if fit.is_empty() {
        return Ok(ExitCode::Pass);
    }
    if args.baseline.replace_baseline {
        for name in names(&place) {
            forget(&place.join(name))?;
        }
    }
    let mut all = match names(&place).is_empty() {
        true => Vec::new(),
        false => find(&[place.display().to_string()], &args.baseline.folder.baseline_dir)?.runs,
    };
    for (run, folder) in fit {
        let others = differences(&all, std::slice::from_ref(&run));
        if !all.is_empty() && !others.is_empty() {
            return Err(Trouble::new(
                format!(
                    "{} cannot be added to baseline `{baseline}`:\n    - {}",
                    run.name,
                    others.join("\n    - ")
                ),
                "`--replace-baseline` begins it anew; another name keeps both",
            ));
        }
        all.push(run);
        if let Some(same) = repeated(&all).first() {
            eprintln!("not saved again as {baseline}: {same}");
            all.pop();
            continue;
        }
        if all.len() > MAX_RUNS {
            return Err(Trouble::new(
                format!("baseline `{baseline}` has {MAX_RUNS} runs of {scenario}, as many as it may"),
                "`--replace-baseline` begins it anew",
            ));
        }
        keep(folder, &place)?;
    }
    eprintln!(
        "baseline {baseline}: {} of {scenario} in {}",
        runs(all.len()),
        place.display()
    );
    Ok(ExitCode::Pass)
}

fn runs(count: usize) -> String {
    match count {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    }
}

/// Copies a run; it appears whole or not at all.
fn keep(folder: &Path, place: &Path) -> Result<(), Trouble> {
    let trouble = |what: String| Trouble::new(what, "choose another folder with `--baseline-dir DIR`");
    let stem = folder
        .file_name()
        .map_or_else(|| "run".into(), |name| name.to_string_lossy());
    let free = (1..=MAX_NAMESAKES)
        .map(|nth| match nth {
            1 => stem.to_string(),
            nth => format!("{stem}-{nth}"),
        })
        .find(|name| !place.join(name).exists());
    let name = free.ok_or_else(|| trouble(format!("{} has too many runs called {stem}", place.display())))?;
    let part = place.join(format!(".{name}.part"));
    let copied = fs::create_dir_all(&part)
        .and_then(|()| {
            KEPT.iter()
                .try_for_each(|file| fs::copy(folder.join(file), part.join(file)).map(|_| ()))
        })
        .and_then(|()| fs::rename(&part, place.join(&name)));
    copied.map_err(|error| {
        let _ = fs::remove_dir_all(&part);
        trouble(cannot("write", &place.join(&name), &error))
    })
}

/// Removes a run of a baseline, and nothing else that somebody may have put there.
fn forget(run: &Path) -> Result<(), Trouble> {
    let gone = KEPT
        .iter()
        .try_for_each(|file| match fs::remove_file(run.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
    gone.and_then(|()| fs::remove_dir(run))
        .map_err(|error| Trouble::new(cannot("remove", run, &error), "remove it by hand"))
}
