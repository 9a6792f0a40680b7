//! `rtcstorm compare --ab`: two commands by turns on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    artifacts::RunFolder,
    compare::{format, print, sides},
    compare_args::CompareArgs,
    compare_runs::{Found, Trouble, find, names},
    interrupt::Interrupt,
    run::{RUNS, stamp},
    session::{Ended, RunCommand, first_seed, runtime},
};
use crate::{base::show_duration, compare::Comparison, report::comparison, verdict::ExitCode};

/// The sides' folders.
const SIDES: [&str; 2] = ["base", "new"];

pub(super) fn compare_ab(args: &CompareArgs) -> ExitCode {
    match played(args) {
        Ok((compared, interrupted)) => {
            if let Some(compared) = &compared {
                print(compared, format(args));
            }
            match (interrupted, compared) {
                (true, _) | (_, None) => ExitCode::Interrupted,
                (false, Some(compared)) => comparison::exit_code(compared.verdict),
            }
        }
        Err(trouble) => {
            trouble.print();
            ExitCode::Configuration
        }
    }
}

/// Plays and compares. `true`: the user has ended it early.
fn played(args: &CompareArgs) -> Result<(Option<Comparison>, bool), Trouble> {
    let [base, new] = args.ab.as_slice() else {
        return Err(Trouble::new(
            "--ab takes two commands",
            "in the environment RTCSTORM_AB has one a line",
        ));
    };
    let commands = [RunCommand::parse(base)?, RunCommand::parse(new)?];
    let folder = folder(args)?;
    let runtime = runtime()?;
    let interrupted = runtime.block_on(async {
        let interrupt = Interrupt::listen("the run under way ends; what was played is compared");
        play_pairs(args, &commands, folder.path(), &interrupt).await
    })?;
    let sides_found: Vec<Found> = SIDES
        .iter()
        .map(|side| whole_runs(&folder.path().join(side), &args.folder.baseline_dir))
        .collect::<Result<_, _>>()?;
    let [of_base, of_new] = sides_found.as_slice() else {
        unreachable!("there are two sides")
    };
    if of_base.runs.is_empty() || of_new.runs.is_empty() {
        eprintln!("nothing to compare: a side has no run that came to its end");
        return Ok((None, interrupted));
    }
    let [base, new] = commands.map(|command| command.told());
    let mut compared = sides((&base, of_base), (&new, of_new), &args.gates, args.force)?;
    compared
        .notes
        .extend(interrupted.then(|| "interrupted: fewer runs than were asked for".to_owned()));
    for (name, bytes) in [
        ("comparison.json", comparison::json::comparison(&compared)),
        (
            "comparison.md",
            comparison::markdown::comparison(&compared).into_bytes(),
        ),
    ] {
        let put = folder.put(name, &bytes);
        put.map_err(|trouble| Trouble::new(trouble, "choose another folder with `--out DIR`"))?;
    }
    if !args.quiet {
        eprintln!("runs and comparison: {}", folder.path().display());
    }
    Ok((Some(compared), interrupted))
}

/// A folder without runs in it: what was played before stays what it is.
fn folder(args: &CompareArgs) -> Result<RunFolder, Trouble> {
    let made = match &args.out {
        Some(out) => {
            let has_runs = |side: &str| !names(&out.join(side)).is_empty();
            if let Some(side) = SIDES.iter().find(|side| has_runs(side)) {
                return Err(Trouble::new(
                    format!("{} has runs already", out.join(side).display()),
                    "choose another folder with `--out DIR`; runs that are there are compared by `rtcstorm compare BASE NEW`",
                ));
            }
            RunFolder::create(out.clone())
        }
        None => RunFolder::create_new(Path::new(RUNS), &format!("{}-ab", stamp(SystemTime::now()))),
    };
    made.map_err(|trouble| Trouble::new(trouble, "choose another folder with `--out DIR`"))
}

async fn play_pairs(
    args: &CompareArgs,
    commands: &[RunCommand; 2],
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<bool, Trouble> {
    let first_seed = first_seed();
    for pair in 0..args.pairs {
        // A then B, B then A: what drifts meets both alike.
        let order = match pair % 2 {
            0 => [0, 1],
            _ => [1, 0],
        };
        let mut took = [Duration::ZERO; 2];
        for side in order {
            if interrupt.is_seen() {
                return Ok(true);
            }
            let run = run_folder(folder, SIDES[side], pair);
            // Both sides draw alike.
            let seed = first_seed.wrapping_add(u64::from(pair));
            match commands[side].play(&run, seed, interrupt).await? {
                Ended::Whole { took: so_long } => took[side] = so_long,
                Ended::Interrupted => return Ok(true),
            }
        }
        if !args.quiet {
            let [base, new] = took.map(|took| show_duration(Duration::from_millis(took.as_millis() as u64)));
            eprintln!("pair {} of {}: base took {base}, new {new}", pair + 1, args.pairs);
        }
    }
    Ok(false)
}

pub(super) fn run_folder(folder: &Path, side: &str, nth: u32) -> PathBuf {
    folder.join(side).join(format!("{:03}", nth + 1))
}

/// The runs that came to their end; one that the user has ended is none.
pub(super) fn whole_runs(folder: &Path, baselines: &Path) -> Result<Found, Trouble> {
    if fs::metadata(folder).is_err() || names(folder).is_empty() {
        return Ok(Found::default());
    }
    let mut found = find(&[folder.display().to_string()], baselines)?;
    found.unfinished.clear();
    found.runs.retain(|run| run.identity.verdict != "interrupted");
    Ok(found)
}
