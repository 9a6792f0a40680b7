//! A run's folder, read again: what was measured comes from its event log, by the same readers as in the run.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    artifacts::{EVENTS, MACHINE, RUN, SCENARIO, SUMMARY, cannot},
    load::Grammar,
    readers::Gathered,
    verdict::{self, About},
};
use crate::{
    base::{Fnv1a, Instant},
    metrics::{EventKind, RunEvent},
    plan::{self, Plan},
    report::{
        Launch, MachineLine, RunRecord, RunReport, StartedAt, VerdictLine, VerdictWord, Wanted, events, json,
    },
    run::RunSummary,
    scenario::{Scenario, parse},
    verdict::{ExitCode, invariants::Visibility},
};

/// Reads the folder of a run: its report, and the events that are wanted.
///
/// # Errors
/// In words: what is missing in the folder, or no file of ours.
pub(super) fn read(folder: &Path, wanted: &Wanted) -> Result<RunRecord, String> {
    let launch = whole(folder, RUN)
        .and_then(|bytes| Launch::from_json(&bytes).map_err(|why| alien(&folder.join(RUN), &why)))?;
    let text = String::from_utf8(whole(folder, SCENARIO)?)
        .map_err(|_| alien(&folder.join(SCENARIO), "it is no text"))?;
    let mut scenario = parse(SCENARIO, &text, &Grammar)
        .map_err(|mistakes| alien(&folder.join(SCENARIO), &mistakes.listing()))?;
    scenario.hash.clone_from(&launch.scenario_hash);
    let segment = launch.segment.parse();
    let segment = segment.map_err(|error| alien(&folder.join(RUN), &format!("`segment`: {error}")))?;
    let options = plan::Options {
        run_id: launch.run_id.clone(),
        segment,
    };
    let plan = plan::expand(&scenario, launch.seed, &options);
    let judged = match optional(folder, SUMMARY)? {
        Some(bytes) => Some(json::verdict_of(&bytes).map_err(|why| alien(&folder.join(SUMMARY), &why))?),
        None => None,
    };
    let report = report(folder, &launch, &scenario, &plan, judged)?;
    let keep = wanted.of(&plan, &report);
    let mut kept = Vec::new();
    if *wanted != Wanted::Figures {
        each_event(folder, |event, _| {
            if keep(event) {
                kept.push(event.clone());
            }
        })?;
    }
    drop(keep);
    Ok(RunRecord {
        launch,
        scenario: text,
        plan,
        report,
        events: kept,
    })
}

fn report(
    folder: &Path,
    launch: &Launch,
    scenario: &Scenario,
    plan: &Plan,
    judged: Option<(VerdictLine, f64)>,
) -> Result<RunReport, String> {
    let sees = match launch.own_server {
        true => Visibility::BUNDLED,
        false => Visibility::FOREIGN_MESH,
    };
    let mut gathered = Gathered::new(plan, sees);
    let mut last = Instant::START;
    let mut run = RunSummary {
        duration: Duration::ZERO,
        interrupted: false,
        deadline_reached: false,
    };
    let mut ended = false;
    let mut hash = Fnv1a::default();
    each_event(folder, |event, line| {
        hash.update(line);
        last = last.max(event.at);
        match event.kind {
            EventKind::Interrupted => run.interrupted = true,
            EventKind::DeadlineReached => run.deadline_reached = true,
            EventKind::RunEnded => ended = true,
            _ => {}
        }
        gathered.read(event);
    })?;
    run.duration = last.elapsed();
    let about = About {
        scenario,
        seed: launch.seed,
        world: launch.world.clone(),
        target: launch.target.clone(),
        started_at: StartedAt {
            text: launch.started_at.clone(),
            unix_ms: launch.started_at_unix_ms,
        },
        run,
        log_hash: (launch.world == "sim" && ended).then(|| hash.value()),
        machine: MachineLine {
            os: launch.os.clone(),
            arch: launch.arch.clone(),
            cores: launch.cores,
            took_ms: took_ms(folder)?,
            folder: folder.display().to_string(),
        },
        by_user: false,
        aborted_by: None,
        judge_thresholds: launch.judge_thresholds,
        lag_limit: Duration::try_from_secs_f64(launch.lag_limit_ms / 1_000.0).unwrap_or_default(),
        repeat: launch.repeat.clone(),
        files: Vec::new(),
    };
    let (mut report, _) = verdict::report(about, gathered);
    // The one that has played it, not the one that reads it.
    report.version.clone_from(&launch.version);
    if let Some((_, took_ms)) = judged {
        report.duration_ms = took_ms;
    }
    report.verdict = match judged {
        Some((verdict, _)) => verdict,
        // What it would have been is not known, and what broke until then stands below.
        None => VerdictLine {
            word: VerdictWord::Incomplete,
            exit_code: ExitCode::Invalid.number(),
            reasons: vec![match ended {
                true => "the run came to its end, and nothing was judged: it was killed, or its files could not be written".to_owned(),
                false => format!(
                    "the run did not come to its end: its log ends after {:.1} s",
                    last.elapsed().as_secs_f64()
                ),
            }],
            warnings: Vec::new(),
        },
    };
    Ok(report)
}

/// Hands every event on, with its line. A last line that is cut off was being written when the run was killed.
fn each_event(folder: &Path, mut with: impl FnMut(&RunEvent, &[u8])) -> Result<(), String> {
    let path = folder.join(EVENTS);
    let file = File::open(&path).map_err(|error| cannot("read", &path, &error))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line);
        if read.map_err(|error| cannot("read", &path, &error))? == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        number += 1;
        let event = std::str::from_utf8(&line)
            .map_err(|error| error.to_string())
            .and_then(events::parse);
        match event {
            Ok(event) => with(&event, &line),
            Err(why) => return Err(alien(&path, &format!("line {number}: {why}"))),
        }
    }
}

/// How long the run took by the machine's clock; 0 if it did not say.
fn took_ms(folder: &Path) -> Result<f64, String> {
    let Some(bytes) = optional(folder, MACHINE)? else {
        return Ok(0.0);
    };
    let told: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| alien(&folder.join(MACHINE), &error.to_string()))?;
    Ok(told["duration_ms"].as_f64().unwrap_or_default())
}

fn whole(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if folder.is_dir() => format!(
            "{} is no folder of a run: there is no {name} in it\n  help: name the folder that `rtcstorm run` has written, the one with {RUN} in it",
            folder.display()
        ),
        _ => cannot("read", &path, &error),
    })
}

fn optional(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let path: PathBuf = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", &path, &error)),
    }
}

fn alien(path: &Path, why: &str) -> String {
    format!(
        "{} can't be used: {why}\n  help: it is cut off, or of another version of rtcstorm; nothing was written",
        path.display()
    )
}
