//! `rtcstorm hunt`: sweep seeds, group what fails, make each group's first case as small as it gets.

use std::{
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant as WallInstant, SystemTime},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    args::HuntArgs,
    artifacts::RunFolder,
    case::{Case, Outcome},
    interrupt::Interrupt,
    load,
    mutants::hunt_mutants,
    print_data,
    run::{RUNS, stamp, trouble_with_files},
    schedule::ScheduleArg,
    sweep::{Breaking, End, Shrunk, Sweep, shrink_all},
};
use crate::{
    base::show_duration,
    hunt::{self, Findings, Found, Share, Tally},
    plan::Segment,
    scenario::Scenario,
    verdict::ExitCode,
};

/// What a hunt has found, in its folder.
pub(super) const FINDINGS: &str = "hunt.json";
/// The scenario as it was hunted.
pub(super) const SCENARIO: &str = "scenario.yaml";
/// The folder of the cases.
const FAILURES: &str = "failures";
/// Groups that are made smaller, the most frequent ones; the others are counted.
const MAX_GROUPS: usize = 20;

pub(super) fn hunt(args: &HuntArgs) -> ExitCode {
    if args.change.url.is_some() {
        eprintln!(
            "error: --url: a hunt plays in virtual time, where there is no server but the bundled one\n  help: leave it out (in the environment it is RTCSTORM_URL)"
        );
        return ExitCode::Usage;
    }
    let Some(scenario) = scenario(args) else {
        return ExitCode::Configuration;
    };
    let started = SystemTime::now();
    let folder = match &args.out {
        Some(out) => RunFolder::create(out.clone()),
        None => {
            let name = format!("{}-hunt-{}", stamp(started), scenario.name);
            RunFolder::create_new(Path::new(RUNS), &name)
        }
    };
    let folder = match folder {
        Ok(folder) => folder,
        Err(trouble) => return trouble_with_files(&trouble),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::Bug;
        }
    };
    let interrupt = runtime.block_on(async { Interrupt::listen("no further run begins") });
    if args.mutants {
        return hunt_mutants(args, &scenario, folder.path(), &interrupt);
    }
    match sweep(args, &scenario, &folder, &interrupt) {
        Ok((findings, end)) => {
            if args.json {
                print_data(findings.json());
            } else {
                print_data(findings.text());
            }
            match end {
                End::Interrupted => ExitCode::Interrupted,
                _ if findings.groups.is_empty() => ExitCode::Pass,
                _ => ExitCode::Failed,
            }
        }
        Err(trouble) => trouble_with_files(&trouble),
    }
}

fn scenario(args: &HuntArgs) -> Option<Scenario> {
    let mut change = args.change.clone();
    // Below whatever `--set client.…` changes in it.
    change
        .set
        .splice(..0, args.client.iter().map(|client| format!("client={client}")));
    let loaded = load::load(&args.scenario, &change, Segment::WHOLE, None)?;
    let mut scenario = loaded.scenario;
    if !load::is_spoken_here(&scenario.name, &scenario) {
        return None;
    }
    if !args.thresholds {
        scenario.thresholds.clear();
    }
    if !args.mutants {
        scenario.mutants.clear();
    }
    Some(scenario)
}

pub(super) fn sweep(
    args: &HuntArgs,
    scenario: &Scenario,
    folder: &RunFolder,
    interrupt: &Interrupt,
) -> Result<(Findings, End), String> {
    let began = WallInstant::now();
    let interrupted = || interrupt.is_seen();
    let sweep = Sweep {
        scenario,
        schedule: args.schedule.into(),
        first_seed: scenario.seed.unwrap_or(0),
        seeds: args.seeds,
        jobs: args.jobs.unwrap_or_else(cores),
        max_failures: args.failures,
        until: args.time.map(|time| began + time),
        interrupted: &interrupted,
    };
    let bar = bar(args, &scenario.name);
    let (tally, end) = sweep.run(&bar);
    let took = began.elapsed();
    let groups = tally.groups();
    let breaking: Vec<Breaking> = groups
        .iter()
        .take(MAX_GROUPS)
        .map(|(_, group)| Breaking {
            failure: group.first.clone(),
            seed: group.seeds[0],
        })
        .collect();
    let smallest = shrink_all(&sweep, &breaking, !args.no_shrink, &bar);
    bar.finish_and_clear();

    let mut found = Vec::new();
    for (index, ((_, group), smallest)) in groups.iter().zip(smallest).enumerate() {
        let name = format!("{:02}-{}", index + 1, smallest.failure.signature.slug());
        let path = folder.path().join(FAILURES).join(name);
        found.push(write(group, &tally, smallest, &path)?);
    }
    let findings = Findings {
        scenario: scenario.name.clone(),
        schedule: args.schedule.to_string(),
        first_seed: sweep.first_seed,
        seeds: args.seeds,
        failed: tally.share(),
        took,
        groups: found,
        more_groups: groups.len().saturating_sub(MAX_GROUPS),
        ended_by: match end {
            End::Whole => None,
            End::Failures => args.failures.map(|most| format!("--failures {most}")),
            End::Time => args.time.map(|time| format!("--time {}", show_duration(time))),
            End::Interrupted => Some("Ctrl-C".to_owned()),
        },
    };
    folder.put(SCENARIO, scenario.to_yaml().as_bytes())?;
    folder.put(FINDINGS, &findings.json())?;
    Ok((findings, end))
}

fn write(group: &hunt::Group, tally: &Tally, smallest: Shrunk, path: &Path) -> Result<Found, String> {
    let blamed = smallest
        .blamed
        .iter()
        .flatten()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let schedule = ScheduleArg::from(smallest.schedule);
    let small = hunt::Case {
        size: smallest.size,
        seed: smallest.seed,
        schedule: schedule.to_string(),
        tries: smallest.tries,
        smallest: smallest.blamed.is_some(),
        blamed: blamed.collect(),
    };
    let case = Case {
        scenario: smallest.scenario,
        seed: smallest.seed,
        schedule,
        outcome: Outcome::of(Some(&smallest.failure)),
    };
    case.write(
        path,
        &smallest.failure,
        small.blame().as_deref(),
        &smallest.events,
    )?;
    Ok(Found {
        share: Share {
            hits: group.runs,
            of: tally.runs(),
        },
        seeds: group.seeds.clone(),
        failure: smallest.failure,
        case: small,
        folder: path.display().to_string(),
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Progress on stderr, where somebody watches.
fn bar(args: &HuntArgs, name: &str) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(args.seeds);
    let style = ProgressStyle::with_template("{spinner} {prefix} {bar:30} {pos}/{len} {eta:>4}  {wide_msg}");
    bar.set_style(style.expect("the template is sound"));
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
