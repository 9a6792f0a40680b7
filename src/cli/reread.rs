//! A run's folder, read again: what was measured comes from its event log, by the same readers as in the run.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    artifacts::{MACHINE, RUN, SCENARIO, SUMMARY, cannot},
    load::Grammar,
    log::Log,
    measured::Measured,
    readers::{self, Gathered},
    verdict::{self, About},
};
use crate::{
    base::{Fnv1a, Instant, PeerId},
    metrics::{EventKind, TimelineRecorder},
    plan::{self, Plan, Segment, Share},
    report::{
        Launch, MAX_EVENTS, MachineLine, RunRecord, RunReport, StartedAt, VerdictLine, VerdictWord, Wanted,
        told,
    },
    run::RunSummary,
    scenario::{Scenario, parse},
    verdict::{Asked, ExitCode, GeneratorUse, Grants, Thresholds, invariants::Visibility},
};

/// What a folder says about its run, before its events are looked at.
pub(super) struct Opened {
    pub launch: Launch,
    /// The scenario's.
    pub text: String,
    pub scenario: Scenario,
    /// Of a merged run, all that its segments have played.
    pub plan: Plan,
    /// What was played together: the run itself, or the segments that it was merged from.
    pub shares: Vec<Share>,
    /// What its `summary.json` says; `None`: there is none.
    pub judged: Option<told::Told>,
}

/// Reads the folder of a run: its report, and the events that are wanted.
///
/// # Errors
/// In words: what is missing in the folder, or no file of ours.
pub(super) fn read(folder: &Path, wanted: &Wanted) -> Result<RunRecord, String> {
    let opened = open(folder)?;
    check_wanted(folder, wanted, &opened.plan)?;
    let Replayed {
        mut report, cut_off, ..
    } = replay(folder, &opened)?;
    report.verdict = match opened.judged {
        Some(told::Told {
            verdict,
            took_ms,
            aborted,
        }) => {
            report.duration_ms = took_ms;
            report.aborted = aborted;
            match cut_off {
                None => verdict,
                Some(why) => incomplete(format!("the run was {}, but {why}", verdict.word.as_str())),
            }
        }
        // What it would have been is not known, and what broke until then stands below.
        None => incomplete(match cut_off {
            None => "the run came to its end, and nothing was judged: it was killed, or its files could not be written".to_owned(),
            Some(why) => format!("the run did not come to its end: {why}"),
        }),
    };
    let keep = wanted.of(&opened.plan, &report);
    let mut kept = Vec::new();
    if *wanted != Wanted::Figures {
        let limit = match wanted {
            Wanted::Figures | Wanted::Failures => usize::MAX,
            Wanted::Link(..) | Wanted::Room(_) | Wanted::All => MAX_EVENTS,
        };
        let mut count = 0;
        Log::open(folder)?.each(|event, _, _| {
            if keep(&event) {
                count += 1;
                if count <= limit {
                    kept.push(event);
                }
            }
            Ok(())
        })?;
        if count > limit {
            return Err(too_much(folder, count, wanted));
        }
    }
    drop(keep);
    Ok(RunRecord {
        launch: opened.launch,
        scenario: opened.text,
        plan: opened.plan,
        report,
        events: kept,
    })
}

fn too_much(folder: &Path, count: usize, wanted: &Wanted) -> String {
    let help = match wanted {
        Wanted::Link(..) => "nothing is smaller than a link: read events.ndjson",
        Wanted::Room(_) => "narrow it with --link A,B",
        _ => "narrow it with --link A,B or --room N",
    };
    format!(
        "{} has {count} events for that, and {MAX_EVENTS} are the most\n  help: {help}",
        folder.display()
    )
}

/// Reads what the run was begun with.
///
/// # Errors
/// In words: what is missing in the folder, or no file of ours.
pub(super) fn open(folder: &Path) -> Result<Opened, String> {
    let launch = whole(folder, RUN)
        .and_then(|bytes| Launch::from_json(&bytes).map_err(|why| alien(&folder.join(RUN), &why)))?;
    let text = String::from_utf8(whole(folder, SCENARIO)?)
        .map_err(|_| alien(&folder.join(SCENARIO), "it is no text"))?;
    let mut scenario = parse(SCENARIO, &text, &Grammar)
        .map_err(|mistakes| alien(&folder.join(SCENARIO), &mistakes.listing()))?;
    scenario.hash.clone_from(&launch.scenario_hash);
    let segment = |text: &str| -> Result<Segment, String> {
        text.parse()
            .map_err(|error| alien(&folder.join(RUN), &format!("`segment`: {error}")))
    };
    let (plan, shares) = if launch.segments.is_empty() {
        let options = plan::Options {
            run_id: launch.run_id.clone(),
            segment: segment(&launch.segment)?,
        };
        let plan = plan::expand(&scenario, launch.seed, &options);
        let share = Share {
            segment: options.segment,
            peers: plan.peers.iter().map(|peer| peer.id).collect(),
            barriers: plan.barriers.iter().map(|line| line.id).collect(),
        };
        (plan, vec![share])
    } else {
        let parts = launch.segments.iter();
        let parts = parts.map(|part| Ok((segment(&part.segment)?, part.run_id.clone())));
        let parts: Vec<_> = parts.collect::<Result<_, String>>()?;
        let merged = plan::merge(&scenario, launch.seed, &parts);
        (merged.plan, merged.shares)
    };
    let judged = match optional(folder, SUMMARY)? {
        Some(bytes) => Some(told::verdict_of(&bytes).map_err(|why| alien(&folder.join(SUMMARY), &why))?),
        None => None,
    };
    Ok(Opened {
        launch,
        text,
        scenario,
        plan,
        shares,
        judged,
    })
}

/// What is asked for has to be there.
fn check_wanted(folder: &Path, wanted: &Wanted, plan: &Plan) -> Result<(), String> {
    let missing = |what: String, there: usize, of: &str| {
        format!(
            "{}: there is no {what}\n  help: the run has {there} {of}, 0 to {}",
            folder.display(),
            there.saturating_sub(1)
        )
    };
    match *wanted {
        Wanted::Link(a, b) => {
            let unknown = [a, b].into_iter().find(|peer| peer.index() >= plan.peers.len());
            if let Some(peer) = unknown {
                return Err(missing(peer.to_string(), plan.peers.len(), "peers"));
            }
            let room = |peer: PeerId| plan.peers[peer.index()].room;
            if room(a) != room(b) {
                return Err(format!(
                    "{}: there is no link between {a} and {b}: they are in {} and {}",
                    folder.display(),
                    room(a),
                    room(b)
                ));
            }
        }
        Wanted::Room(room) if room.index() >= plan.rooms.len() => {
            return Err(missing(room.to_string(), plan.rooms.len(), "rooms"));
        }
        _ => {}
    }
    Ok(())
}

/// What a run's events come to, judged anew.
pub(super) struct Replayed {
    pub report: RunReport,
    pub exit_code: ExitCode,
    /// Why these are not all of its events, in words.
    pub cut_off: Option<String>,
}

/// What one segment's events have told by now.
struct Part {
    segment: u32,
    gathered: Gathered,
    last: Instant,
    ended: bool,
}

impl Part {
    fn new(share: &Share, gathered: Gathered) -> Self {
        Self {
            segment: share.segment.index(),
            gathered,
            last: Instant::START,
            ended: false,
        }
    }
}

/// Plays the events through the readers of a run.
pub(super) fn replay(folder: &Path, opened: &Opened) -> Result<Replayed, String> {
    let Opened {
        launch,
        scenario,
        plan,
        shares,
        ..
    } = opened;
    let sees = Visibility::of(plan.abilities(), launch.own_server);
    let grants = |cores, open_files| Grants { cores, open_files };
    let used = |grants, cpu_limit_percent| GeneratorUse::new(grants, plan.warm_up, cpu_limit_percent);
    let asked: Vec<Asked> = match launch.judge_thresholds {
        true => scenario.thresholds.iter().map(readers::asked).collect(),
        false => Vec::new(),
    };
    let is_merged = !launch.segments.is_empty();
    let mut parts: Vec<Part> = match is_merged {
        true => (shares.iter().zip(&launch.segments))
            .map(|(share, segment)| {
                let used = used(
                    grants(segment.cores, segment.open_files),
                    segment.cpu_limit_percent,
                );
                Part::new(
                    share,
                    Gathered::of_segment(&plan::plan_of(plan, share), sees, used),
                )
            })
            .collect(),
        false => {
            let used = used(grants(launch.cores, launch.open_files), launch.cpu_limit_percent);
            vec![Part::new(
                &shares[0],
                Gathered::new(plan, sees, asked.clone(), used),
            )]
        }
    };
    let mut timeline = TimelineRecorder::new(plan);
    // The windows of a threshold go over all segments.
    let recorders = parts.iter_mut().map(|part| &mut part.gathered.recorder);
    let mut thresholds = is_merged.then(|| Thresholds::over(asked, plan.warm_up, recorders));
    let mut run = RunSummary {
        duration: Duration::ZERO,
        interrupted: false,
        deadline_reached: false,
        events_dropped: 0,
    };
    let mut hash = Fnv1a::default();
    Log::open(folder)?.each(|event, segment, line| {
        hash.update(line);
        let part = match segment {
            None if !is_merged => parts.first_mut(),
            number => parts.iter_mut().find(|part| Some(part.segment) == number),
        };
        let part = part.ok_or("it is of no segment of the run")?;
        part.last = part.last.max(event.at);
        match event.kind {
            EventKind::Interrupted => run.interrupted = true,
            EventKind::DeadlineReached => run.deadline_reached = true,
            EventKind::RunEnded => part.ended = true,
            _ => {}
        }
        let failure = part.gathered.read(&event);
        if let Some(thresholds) = &mut thresholds {
            thresholds.take(&mut part.gathered.recorder);
            timeline.record(&event, failure);
        }
        Ok(())
    })?;
    let last = parts.iter().map(|part| part.last).max().unwrap_or(Instant::START);
    run.duration = last.elapsed();
    let cut_off = cut_off(&parts, shares, is_merged);
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
        log_hash: (launch.world == "sim" && cut_off.is_none()).then(|| hash.value()),
        machine: MachineLine {
            os: launch.os.clone(),
            arch: launch.arch.clone(),
            cores: launch.cores,
            took_ms: took_ms(folder)?,
            folder: folder.display().to_string(),
        },
        by_user: false,
        aborted_by: None,
        panicked: None,
        warm_up: plan.warm_up,
        log_trouble: None,
        lag_limit: limit(launch.lag_limit_ms),
        repeat: launch.repeat.clone(),
        files: Vec::new(),
    };
    let (mut report, exit_code) = if let Some(mut thresholds) = thresholds {
        let mut load_ended = None;
        for part in &mut parts {
            part.gathered.recorder.finish(part.last);
            thresholds.take(&mut part.gathered.recorder);
            load_ended = load_ended.max(part.gathered.recorder.load_ended());
        }
        thresholds.finish_over(last, load_ended);
        let measured = (parts.into_iter().zip(&launch.segments))
            .map(|(part, launched)| {
                let measured = Measured::of(part.gathered, part.last, limit(launched.lag_limit_ms));
                (launched.segment.clone(), measured)
            })
            .collect();
        let measured = Measured::merged(measured, timeline.timeline(), thresholds);
        verdict::tell(about, measured)
    } else {
        let gathered = parts.remove(0).gathered;
        verdict::report(about, gathered)
    };
    // The one that has played it, not the one that reads it.
    report.version.clone_from(&launch.version);
    Ok(Replayed {
        report,
        exit_code,
        cut_off,
    })
}

fn limit(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()
}

fn cut_off(parts: &[Part], shares: &[Share], is_merged: bool) -> Option<String> {
    let cut = parts.iter().zip(shares).filter(|(part, _)| !part.ended);
    let cut: Vec<String> = cut
        .map(|(part, share)| {
            let whose = match is_merged {
                true => format!("the log of segment {}", share.segment),
                false => "its log".to_owned(),
            };
            format!("{whose} ends after {:.1} s", part.last.elapsed().as_secs_f64())
        })
        .collect();
    (!cut.is_empty()).then(|| cut.join(", "))
}

pub(super) fn incomplete(why: String) -> VerdictLine {
    VerdictLine {
        word: VerdictWord::Incomplete,
        exit_code: ExitCode::Invalid.number(),
        reasons: vec![why],
        invalid_by: Vec::new(),
        warnings: Vec::new(),
    }
}

/// How long the run took by the machine's clock; 0 if it did not say.
pub(super) fn took_ms(folder: &Path) -> Result<f64, String> {
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
            "{} is no folder of a run: there is no {name} in it\n  help: {}",
            folder.display(),
            match folder.join(SUMMARY).is_file() {
                true => "it is of an earlier version of rtcstorm, or not all of it was copied; play the scenario again".to_owned(),
                false => format!("name the folder that `rtcstorm run` has written, the one with {RUN} in it"),
            }
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

pub(super) fn alien(path: &Path, why: &str) -> String {
    format!(
        "{} can't be used: {why}\n  help: it is cut off, or of another version of rtcstorm; nothing was written",
        path.display()
    )
}
