//! `rtcstorm calibrate`: one thing against itself, to see what `compare` sees on this machine.

use std::{path::Path, time::SystemTime};

use super::{
    artifacts::RunFolder,
    compare::look,
    compare_ab::{run_folder, whole_runs},
    compare_args::CalibrateArgs,
    compare_runs::{Found, Trouble, evidence, find, gates, names},
    interrupt::Interrupt,
    print_data,
    run::{RUNS, stamp},
    session::{Ended, RunCommand, first_seed, runtime},
};
use crate::{
    base::{Purpose, RootSeed},
    compare::{self, MIN_RUNS},
    report::comparison::calibration,
    verdict::ExitCode,
};

/// How often the runs are split in two.
const SPLITS: u32 = 2_000;
/// Of the splits; the same runs make the same figures.
const SEED: RootSeed = RootSeed(1);
/// The runs' folder, in that of the calibration.
const RUNS_BELOW: &str = "runs";

pub(super) fn calibrate(args: &CalibrateArgs) -> ExitCode {
    match calibrated(args) {
        Ok(code) => code,
        Err(trouble) => {
            trouble.print();
            ExitCode::Configuration
        }
    }
}

fn calibrated(args: &CalibrateArgs) -> Result<ExitCode, Trouble> {
    let (found, interrupted) = match args.from.is_empty() {
        true => played(args)?,
        false => (find(&args.from, &args.folder.baseline_dir)?, false),
    };
    let forced = evidence(&found, &Found::default(), args.force)?;
    let runs = &found.runs;
    if runs.len() < 2 * MIN_RUNS {
        let what = format!(
            "{} runs are too few to be split in two: it takes {}",
            runs.len(),
            2 * MIN_RUNS
        );
        if interrupted {
            eprintln!("{what}");
            return Ok(ExitCode::Interrupted);
        }
        return Err(Trouble::new(
            what,
            "name more runs with `--from`, or play more with `--runs N`",
        ));
    }
    let per_side = match args.per_side {
        None => runs.len() / 2,
        Some(per_side) if per_side as usize * 2 <= runs.len() => per_side as usize,
        Some(per_side) => {
            return Err(Trouble::new(
                format!(
                    "--per-side {per_side}: there are only {} runs for both sides",
                    runs.len()
                ),
                format!("at most {}", runs.len() / 2),
            ));
        }
    };
    let (gates, margins) = gates(&args.gates, runs)?;
    let mut rng = SEED.run(Purpose::Comparison);
    let calibration = compare::calibrate(runs, &gates, &margins, per_side, SPLITS, &mut rng);
    let about = calibration::About {
        scenario: &runs[0].identity.scenario,
        runs: runs.len(),
        forced: &forced,
    };
    if args.json {
        print_data(calibration::json(&about, &calibration));
    } else {
        let look = look(std::io::IsTerminal::is_terminal(&std::io::stdout()));
        print_data(calibration::terminal(&about, &calibration, look));
    }
    Ok(match interrupted {
        true => ExitCode::Interrupted,
        false => ExitCode::Pass,
    })
}

/// Plays the scenario again and again. `true`: the user has ended it early.
fn played(args: &CalibrateArgs) -> Result<(Found, bool), Trouble> {
    let scenario = args.scenario.as_deref().unwrap_or_default();
    let mut words = ["rtcstorm", "run", scenario].map(str::to_owned).to_vec();
    words.extend(args.options.iter().cloned());
    let text = words.join(" ");
    let command = RunCommand::of(words, &text)?;
    let folder = match &args.out {
        Some(out) if !names(&out.join(RUNS_BELOW)).is_empty() => {
            return Err(Trouble::new(
                format!("{} has runs already", out.join(RUNS_BELOW).display()),
                "choose another folder with `--out DIR`, or use those runs with `--from DIR`",
            ));
        }
        Some(out) => RunFolder::create(out.clone()),
        None => RunFolder::create_new(
            Path::new(RUNS),
            &format!("{}-calibrate", stamp(SystemTime::now())),
        ),
    };
    let folder = folder.map_err(|trouble| Trouble::new(trouble, "choose another folder with `--out DIR`"))?;
    let interrupted = runtime()?.block_on(async {
        let interrupt = Interrupt::listen("the run under way ends; what was played counts");
        let first_seed = first_seed();
        for nth in 0..args.runs {
            let run = run_folder(folder.path(), RUNS_BELOW, nth);
            let seed = first_seed.wrapping_add(u64::from(nth));
            match command.play(&run, seed, &interrupt).await? {
                Ended::Whole { took } if !args.quiet => {
                    eprintln!("run {} of {}: {:.1} s", nth + 1, args.runs, took.as_secs_f64());
                }
                Ended::Whole { .. } => {}
                Ended::Interrupted => return Ok(true),
            }
        }
        Ok(false)
    })?;
    let found = whole_runs(&folder.path().join(RUNS_BELOW), &args.folder.baseline_dir)?;
    if !args.quiet {
        eprintln!("runs: {}", folder.path().join(RUNS_BELOW).display());
    }
    Ok((found, interrupted))
}
