//! `rtcstorm merge`: the runs of one plan's segments → one run's folder.
//!
//! Logs are put together as they are read, and what comes out is read as any run's log is, so `report` finds the same
//! figures later.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    args::MergeArgs,
    artifacts::{EVENTS, RunFolder, cannot},
    belonging,
    log::Log,
    reread::{self, Opened, Replayed, incomplete},
    run::{self, RUNS, stamp},
};
use crate::{
    base::{BarrierId, Instant, PeerId},
    metrics::{Numbers, RunEvent},
    plan::{self, Merged, Segment},
    report::{FileLine, Launch, Normaliser, RunReport, SegmentLaunch, VerdictWord, events},
    verdict::ExitCode,
};

/// One folder that is merged.
pub(super) struct Source {
    pub folder: PathBuf,
    pub opened: Opened,
}

/// Merges, judges, writes and prints; the exit code is the merged run's.
pub(super) fn merge(args: &MergeArgs) -> ExitCode {
    match merged(args) {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::Configuration
        }
    }
}

fn merged(args: &MergeArgs) -> Result<ExitCode, String> {
    let sources = args.runs.iter().map(|folder| {
        let opened = reread::open(folder)?;
        Ok(Source {
            folder: folder.clone(),
            opened,
        })
    });
    let sources: Vec<Source> = sources.collect::<Result<_, String>>()?;
    belonging::check(&sources)?;
    let mut segments = segments(&sources)?;
    segments.sort_by_key(|(segment, _)| segment.index());
    let missing = belonging::missing(&sources, &segments, args.partial)?;
    let first = &sources[0].opened;
    let parts: Vec<_> = segments
        .iter()
        .map(|(segment, launched)| (*segment, launched.run_id.clone()))
        .collect();
    let merged = plan::merge(&first.scenario, first.launch.seed, &parts);
    let launch = launch(
        &sources,
        segments.into_iter().map(|(_, launched)| launched).collect(),
    );

    let folder = folder_for(args, &launch, &first.scenario.name)?;
    // All logs are read before anything is replaced.
    let part = folder.path().join(format!(".{EVENTS}.part"));
    let written = write_log(&part, &sources, &merged)
        .and_then(|()| folder.begin_as(&launch, first.text.as_bytes()))
        .and_then(|()| {
            let path = folder.path().join(EVENTS);
            fs::rename(&part, &path).map_err(|error| cannot("write", &path, &error))
        });
    if let Err(trouble) = written {
        let _ = fs::remove_file(&part);
        return Err(trouble);
    }
    let opened = Opened {
        launch,
        text: first.text.clone(),
        scenario: first.scenario.clone(),
        plan: merged.plan,
        shares: merged.shares,
        judged: None,
    };
    let Replayed {
        mut report,
        exit_code,
        cut_off,
    } = reread::replay(folder.path(), &opened)?;
    let segments = &opened.launch.segments;
    report.machine.took_ms = segments.iter().map(|segment| segment.took_ms).fold(0.0, f64::max);
    let longest = segments
        .iter()
        .map(|segment| segment.duration_ms)
        .fold(0.0, f64::max);
    report.duration_ms = report.duration_ms.max(longest);
    let code = judge(&mut report, exit_code, &opened.launch, &missing, cut_off);
    report.files = folder.files();
    let written = folder
        .write_merged(&report, segments)
        .and_then(|()| super::report::add(folder.path(), &args.report))
        .map(|more: Vec<FileLine>| report.files.extend(more));
    run::print(&report, args.json);
    match written {
        Ok(()) => Ok(code),
        Err(trouble) => Ok(ExitCode::worst([code, run::trouble_with_files(&trouble)])),
    }
}

fn folder_for(args: &MergeArgs, launch: &Launch, name: &str) -> Result<RunFolder, String> {
    let Some(out) = &args.out else {
        let name = format!("{}-{name}-{}-merged", stamp(SystemTime::now()), launch.seed);
        return RunFolder::create_new(Path::new(RUNS), &name);
    };
    let real = |path: &Path| path.canonicalize().ok();
    if let Some(source) = args
        .runs
        .iter()
        .find(|run| real(run).is_some() && real(run) == real(out))
    {
        return Err(format!(
            "{} is one of the runs that are merged, and would be replaced\n  help: choose another folder with `--out DIR`",
            source.display()
        ));
    }
    RunFolder::at(out.clone())
        .map_err(|trouble| format!("{trouble}\n  help: choose another folder with `--out DIR`"))
}

/// What each segment was begun with, and what became of it.
fn segments(sources: &[Source]) -> Result<Vec<(Segment, SegmentLaunch)>, String> {
    let mut segments = Vec::new();
    for Source { folder, opened } in sources {
        let launch = &opened.launch;
        if !launch.segments.is_empty() {
            let told = opened.shares.iter().zip(&launch.segments);
            segments.extend(told.map(|(share, launched)| (share.segment, launched.clone())));
            continue;
        }
        let told = opened.judged.clone().map(|told| (told.verdict, told.took_ms));
        let (verdict, duration_ms) = told.unwrap_or_else(|| {
            let why = "it did not come to its end, or was not judged";
            (incomplete(why.to_owned()), 0.0)
        });
        let launched = SegmentLaunch {
            segment: launch.segment.clone(),
            folder: folder.display().to_string(),
            run_id: launch.run_id.clone(),
            target: launch.target.clone(),
            started_at: launch.started_at.clone(),
            started_at_unix_ms: launch.started_at_unix_ms,
            took_ms: reread::took_ms(folder)?,
            os: launch.os.clone(),
            arch: launch.arch.clone(),
            cores: launch.cores,
            open_files: launch.open_files,
            lag_limit_ms: launch.lag_limit_ms,
            cpu_limit_percent: launch.cpu_limit_percent,
            duration_ms,
            verdict: verdict.word.as_str().to_owned(),
            reasons: verdict.reasons,
            warnings: verdict.warnings,
        };
        segments.push((opened.shares[0].segment, launched));
    }
    Ok(segments)
}

/// What the merged run was begun with.
fn launch(sources: &[Source], segments: Vec<SegmentLaunch>) -> Launch {
    let first = &sources[0].opened.launch;
    let earliest = segments.iter().min_by_key(|segment| segment.started_at_unix_ms);
    let (started_at, started_at_unix_ms) = earliest.map_or_else(
        || (first.started_at.clone(), first.started_at_unix_ms),
        |segment| (segment.started_at.clone(), segment.started_at_unix_ms),
    );
    let listed = |of: fn(&SegmentLaunch) -> &String| {
        let mut all: Vec<&str> = segments.iter().map(|segment| of(segment).as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all.join(", ")
    };
    let names: Vec<&str> = segments.iter().map(|segment| segment.segment.as_str()).collect();
    let same_cores = segments.iter().all(|segment| segment.cores == segments[0].cores);
    Launch {
        segment: names.join(","),
        run_id: None,
        target: listed(|segment| &segment.target),
        os: listed(|segment| &segment.os),
        arch: listed(|segment| &segment.arch),
        cores: segments[0].cores.filter(|_| same_cores),
        lag_limit_ms: segments
            .iter()
            .map(|segment| segment.lag_limit_ms)
            .fold(0.0, f64::max),
        cpu_limit_percent: segments
            .iter()
            .map(|segment| segment.cpu_limit_percent)
            .fold(0.0, f64::max),
        open_files: None,
        repeat: without_segment(&first.repeat, &first.segment),
        started_at,
        started_at_unix_ms,
        segments,
        ..first.clone()
    }
}

/// The command line that plays the whole plan.
fn without_segment(repeat: &str, segment: &str) -> String {
    repeat.replace(&format!(" --segment {segment}"), "")
}

/// What waits to be written: when it happened, whose log it is from, and the event with its segment. In one instant the first
/// segment goes first, in whatever order folders were named.
struct Head {
    at: Instant,
    source: usize,
    event: RunEvent,
    segment: u32,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |head: &Self| (head.at, head.segment, head.source);
        key(self).cmp(&key(other))
    }
}

/// Writes the events of all logs in the order of time, each in the numbers of the merged plan. Each log counts from its own
/// start.
fn write_log(path: &Path, sources: &[Source], merged: &Merged) -> Result<(), String> {
    let mut logs = Vec::new();
    for source in sources {
        logs.push((Log::open(&source.folder)?, numbers(&source.opened, merged)));
    }
    let mut heads = BinaryHeap::new();
    for (index, (log, numbers)) in logs.iter_mut().enumerate() {
        heads.extend(next(log, numbers, &sources[index].opened, index)?.map(Reverse));
    }
    let wrong = |error| cannot("write", path, &error);
    let mut file = BufWriter::new(File::create(path).map_err(wrong)?);
    let mut normaliser = Normaliser::default();
    while let Some(Reverse(Head {
        source,
        event,
        segment,
        ..
    })) = heads.pop()
    {
        let line = events::ndjson_merged(&normaliser.normal(&event), segment);
        file.write_all(line.as_bytes()).map_err(wrong)?;
        let (log, numbers) = &mut logs[source];
        heads.extend(next(log, numbers, &sources[source].opened, source)?.map(Reverse));
    }
    file.flush().map_err(wrong)
}

fn next(
    log: &mut Log,
    numbers: &BTreeMap<u32, Numbers>,
    opened: &Opened,
    source: usize,
) -> Result<Option<Head>, String> {
    let Some((mut event, segment)) = log.next()? else {
        return Ok(None);
    };
    let segment = match opened.launch.segments.is_empty() {
        true => opened.shares[0].segment.index(),
        false => segment.unwrap_or_default(),
    };
    let numbers = numbers
        .get(&segment)
        .ok_or_else(|| log.alien("it is of no segment of the run"))?;
    numbers.renumber(&mut event).map_err(|why| log.alien(&why))?;
    Ok(Some(Head {
        at: event.at,
        source,
        event,
        segment,
    }))
}

/// By segment, what ids in a folder's log are in the merged plan.
fn numbers(opened: &Opened, merged: &Merged) -> BTreeMap<u32, Numbers> {
    let count = merged.shares.len() as u64;
    let numbered = opened.shares.iter().filter_map(|theirs| {
        let place = merged
            .shares
            .iter()
            .position(|share| share.segment == theirs.segment)?;
        let share = &merged.shares[place];
        let mut numbers = Numbers {
            peers: vec![PeerId(u32::MAX); opened.plan.peers.len()],
            barriers: vec![BarrierId(u32::MAX); opened.plan.barriers.len()],
            place: (place as u64, count),
        };
        for (id, whole) in theirs.peers.iter().zip(&share.peers) {
            numbers.peers[id.index()] = *whole;
        }
        for (id, whole) in theirs.barriers.iter().zip(&share.barriers) {
            numbers.barriers[id.index()] = *whole;
        }
        Some((theirs.segment.index(), numbers))
    });
    numbered.collect()
}

/// How far apart the segments of a live run may begin and still be said to have borne down on the server together.
const TOGETHER_MS: u64 = 5_000;

/// The merged run's verdict, with what its segments were found to be by themselves.
fn judge(
    report: &mut RunReport,
    code: ExitCode,
    launch: &Launch,
    missing: &[Segment],
    cut_off: Option<String>,
) -> ExitCode {
    let mut codes = vec![(code, report.verdict.word)];
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    for segment in &launch.segments {
        let whose = format!("segment {} ({})", segment.segment, segment.folder);
        // What failed there is judged here, over all.
        if let Some(ended) = own_end(&segment.verdict) {
            codes.push(ended);
            reasons.push(format!(
                "{whose} was {}: {}",
                segment.verdict,
                segment.reasons.join("; ")
            ));
        }
        let told = segment.warnings.iter();
        warnings.extend(told.map(|warning| format!("{whose}: {warning}")));
    }
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let missing = (!missing.is_empty()).then(|| format!("segments are missing: {}", missing.join(", ")));
    for why in missing.into_iter().chain(cut_off) {
        codes.push((ExitCode::Invalid, VerdictWord::Incomplete));
        reasons.insert(0, why);
    }
    let starts = launch.segments.iter().map(|segment| segment.started_at_unix_ms);
    let apart = starts.clone().max().unwrap_or(0) - starts.min().unwrap_or(0);
    if launch.world == "live" && apart > TOGETHER_MS {
        warnings.push(format!(
            "the segments began {:.1} s apart: the server did not bear all of the load at once",
            apart as f64 / 1_000.0
        ));
    }
    let worst = ExitCode::worst(codes.iter().map(|(code, _)| *code));
    let mut words = codes
        .iter()
        .filter(|(code, _)| *code == worst)
        .map(|(_, word)| *word);
    let verdict = &mut report.verdict;
    // Of two words for one code, the one that says that there is more to come.
    verdict.word = match words.clone().find(|word| *word == VerdictWord::Incomplete) {
        Some(word) => word,
        None => words.next().unwrap_or(verdict.word),
    };
    verdict.exit_code = worst.number();
    reasons.append(&mut verdict.reasons);
    verdict.reasons = reasons;
    verdict.warnings.extend(warnings);
    worst
}

/// What ended a segment, or spoiled it, whatever its thresholds came to.
fn own_end(word: &str) -> Option<(ExitCode, VerdictWord)> {
    let word = VerdictWord::ALL
        .into_iter()
        .find(|known| known.as_str() == word)?;
    let code = match word {
        VerdictWord::Invalid | VerdictWord::Incomplete => ExitCode::Invalid,
        VerdictWord::Interrupted => ExitCode::Interrupted,
        VerdictWord::Aborted => ExitCode::Aborted,
        VerdictWord::Error => ExitCode::Bug,
        VerdictWord::Pass | VerdictWord::Fail | VerdictWord::Running => return None,
    };
    Some((code, word))
}
