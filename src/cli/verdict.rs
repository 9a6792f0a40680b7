//! From what was gathered to the report's model.

use std::time::Duration;

use super::{live::Outset, readers::Gathered};
use crate::{
    base::Instant,
    metrics::{MetricKey, RunEvent, Slope, Snapshot, Timeline},
    report::{
        FailureLine, FileLine, GeneratorLine, MachineLine, RunReport, ScenarioLine, StartedAt, ThresholdLine,
        ThresholdStatus, VerdictLine, VerdictWord, what,
    },
    run::RunSummary,
    scenario::Scenario,
    verdict::{self, Decision, ExitCode, Judged, Reason, Saturation, Threshold, ThresholdResult, judge},
};

/// What is known about a run beside what it gathered.
pub(super) struct About<'a> {
    pub scenario: &'a Scenario,
    pub seed: u64,
    pub world: String,
    pub target: String,
    pub started_at: StartedAt,
    pub run: RunSummary,
    pub log_hash: Option<u64>,
    pub machine: MachineLine,
    /// The user has asked for an end.
    pub by_user: bool,
    /// The threshold whose failure ended the run, as it was then.
    pub aborted_by: Option<ThresholdResult>,
    pub judge_thresholds: bool,
    pub lag_limit: Duration,
    pub repeat: String,
    pub files: Vec<FileLine>,
}

/// What a report so far is made of: a copy, so that the run goes on meanwhile.
pub(super) struct SoFar {
    now: Instant,
    metrics: Snapshot,
    failures: Vec<RunEvent>,
    more_failures: u64,
    timeline: Timeline,
    cpu_percent: Option<f64>,
    rss_bytes: Option<u64>,
    rss_growth: Option<Slope>,
}

impl SoFar {
    pub fn of(gathered: &mut Gathered) -> Self {
        Self {
            now: gathered.now,
            metrics: gathered.recorder.snapshot(),
            failures: gathered.failures.kept.clone(),
            more_failures: gathered.failures.more,
            timeline: gathered.timeline.timeline(),
            cpu_percent: gathered.cpu_percent,
            rss_bytes: gathered.rss_bytes,
            rss_growth: gathered.memory.slope(),
        }
    }
}

/// What a run that is under way has come to. It has no verdict; thresholds are as they stand, and invariants are
/// known when it is over.
pub(super) fn so_far(outset: &Outset, so_far: SoFar) -> RunReport {
    let (launch, scenario) = (&outset.launch, &outset.scenario);
    let saturation = Saturation::of(&so_far.metrics, outset.lag_limit);
    RunReport {
        version: launch.version.clone(),
        scenario: scenario_line(scenario, launch.seed),
        world: launch.world.clone(),
        target: outset.target.clone(),
        started_at: StartedAt {
            text: launch.started_at.clone(),
            unix_ms: launch.started_at_unix_ms,
        },
        duration_ms: so_far.now.as_millis_f64(),
        log_hash: None,
        machine: MachineLine {
            os: launch.os.clone(),
            arch: launch.arch.clone(),
            cores: launch.cores,
            took_ms: 0.0,
            folder: outset.folder.clone(),
        },
        verdict: VerdictLine {
            word: VerdictWord::Running,
            exit_code: ExitCode::Invalid.number(),
            reasons: Vec::new(),
            warnings: Vec::new(),
        },
        thresholds: thresholds(scenario, launch.judge_thresholds, &so_far.metrics)
            .iter()
            .map(line)
            .collect(),
        metrics: so_far.metrics,
        invariants: Vec::new(),
        generator: GeneratorLine {
            cpu_percent: so_far.cpu_percent,
            rss_bytes: so_far.rss_bytes,
            rss_growth: so_far.rss_growth,
            lag_ms_p99: saturation.map(|s| s.lag_p99_ms),
        },
        failures: so_far.failures.iter().map(failure).collect(),
        more_failures: so_far.more_failures,
        timeline: so_far.timeline,
        repeat: launch.repeat.clone(),
        files: Vec::new(),
    }
}

/// Judges the run, and tells all about it.
pub(super) fn report(about: About<'_>, mut gathered: Gathered) -> (RunReport, ExitCode) {
    let ended = Instant::START + about.run.duration;
    gathered.recorder.finish(ended);
    let metrics = gathered.recorder.snapshot();
    let invariants = gathered.checkers.finish(ended);
    let thresholds = thresholds(about.scenario, about.judge_thresholds, &metrics);
    let broken: Vec<&str> = invariants
        .iter()
        .filter(|i| i.is_broken())
        .map(|i| i.name)
        .collect();
    let saturation = Saturation::of(&metrics, about.lag_limit);
    // One that failed when everybody had left already has ended nothing.
    let aborted_by = about.aborted_by.filter(|_| about.run.interrupted);
    let verdict = judge(Judged {
        thresholds: &thresholds,
        broken_invariants: &broken,
        saturation,
        offered_load_reached: gathered.recorder.offered_load_reached(),
        nothing_connected: nothing_connected(&metrics),
        interrupted: about.run.interrupted && about.by_user,
        aborted: aborted_by.is_some(),
        server_commands_failed: counted(&metrics, "server_commands_failed"),
        config_error: false,
    });
    let exit_code = verdict.exit_code;
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: scenario_line(about.scenario, about.seed),
        world: about.world,
        target: about.target,
        started_at: about.started_at,
        duration_ms: millis(about.run.duration),
        log_hash: about.log_hash,
        machine: about.machine,
        verdict: VerdictLine {
            word: word(verdict.decision),
            exit_code: exit_code.number(),
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| told(reason, aborted_by.as_ref()))
                .collect(),
            warnings: verdict.warnings.iter().map(ToString::to_string).collect(),
        },
        thresholds: thresholds.iter().map(line).collect(),
        metrics,
        invariants,
        generator: GeneratorLine {
            cpu_percent: gathered.cpu_percent,
            rss_bytes: gathered.rss_bytes,
            rss_growth: gathered.memory.slope(),
            lag_ms_p99: saturation.map(|s| s.lag_p99_ms),
        },
        failures: gathered.failures.kept.iter().map(failure).collect(),
        more_failures: gathered.failures.more,
        timeline: gathered.timeline.timeline(),
        repeat: about.repeat,
        files: about.files,
    };
    (report, exit_code)
}

fn scenario_line(scenario: &Scenario, seed: u64) -> ScenarioLine {
    ScenarioLine {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        seed,
        hash: scenario.hash.clone(),
    }
}

fn thresholds(scenario: &Scenario, judged: bool, metrics: &Snapshot) -> Vec<ThresholdResult> {
    let all = scenario.thresholds.iter().filter(|_| judged);
    all.map(|t| {
        Threshold::parse(&t.selector, &t.expression)
            .expect("the scenario was checked")
            .judge(metrics)
    })
    .collect()
}

fn counted(metrics: &Snapshot, name: &'static str) -> u64 {
    metrics.counters.get(&MetricKey::new(name)).copied().unwrap_or(0)
}

/// Whether links were to connect, and every one failed.
fn nothing_connected(metrics: &Snapshot) -> bool {
    let failed = metrics.rates.get(&MetricKey::new("connect_failed"));
    failed.is_some_and(|rate| rate.total > 0 && rate.hits == rate.total)
}

/// A reason for people. What ended the run is told by its name.
fn told(reason: &Reason, aborted_by: Option<&ThresholdResult>) -> String {
    match (reason, aborted_by) {
        (Reason::Aborted, Some(ThresholdResult { threshold, outcome })) => {
            let actual = outcome.actual.unwrap_or(f64::INFINITY);
            format!("{threshold} ended the run (abortOnFail): it was {actual:.3}")
        }
        _ => reason.to_string(),
    }
}

fn failure(event: &RunEvent) -> FailureLine {
    FailureLine {
        peer: event.peer,
        remote: event.remote,
        at: event.at,
        what: what(&event.kind),
    }
}

fn line(result: &ThresholdResult) -> ThresholdLine {
    ThresholdLine {
        selector: result.threshold.selector().to_string(),
        expression: result.threshold.expression(),
        actual: result.outcome.actual,
        status: match result.outcome.status {
            verdict::ThresholdStatus::Passed => ThresholdStatus::Passed,
            verdict::ThresholdStatus::Failed => ThresholdStatus::Failed,
            verdict::ThresholdStatus::NoSamples => ThresholdStatus::NoSamples,
        },
    }
}

fn word(decision: Decision) -> VerdictWord {
    match decision {
        Decision::Pass => VerdictWord::Pass,
        Decision::Fail => VerdictWord::Fail,
        Decision::Invalid => VerdictWord::Invalid,
        Decision::Interrupted => VerdictWord::Interrupted,
        Decision::Aborted => VerdictWord::Aborted,
        Decision::Error => VerdictWord::Error,
    }
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
