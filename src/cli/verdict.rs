//! From what was gathered to the report's model.

use std::time::Duration;

use super::{measured::Measured, readers::Gathered};
use crate::{
    base::Instant,
    metrics::{MetricKey, RunEvent, Snapshot},
    report::{
        FailureLine, FileLine, GeneratorLine, MachineLine, RunReport, ScenarioLine, StartedAt, ThresholdLine,
        ThresholdStatus, VerdictLine, VerdictWord, what,
    },
    run::RunSummary,
    scenario::Scenario,
    verdict::{self, Decision, ExitCode, Judged, Reason, Threshold, ThresholdResult, judge},
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

/// Judges the run, and tells all about it.
pub(super) fn report(about: About<'_>, gathered: Gathered) -> (RunReport, ExitCode) {
    let ended = Instant::START + about.run.duration;
    let measured = Measured::of(gathered, ended, about.lag_limit);
    tell(about, measured)
}

/// Judges what was measured, and tells all about it.
pub(super) fn tell(about: About<'_>, mut measured: Measured) -> (RunReport, ExitCode) {
    let metrics = std::mem::take(&mut measured.metrics);
    let invariants = std::mem::take(&mut measured.invariants);
    let thresholds: Vec<ThresholdResult> = about
        .scenario
        .thresholds
        .iter()
        .filter(|_| about.judge_thresholds)
        .map(|t| {
            Threshold::parse(&t.selector, &t.expression)
                .expect("the scenario was checked")
                .judge(&metrics)
        })
        .collect();
    let broken: Vec<&str> = invariants
        .iter()
        .filter(|i| i.is_broken())
        .map(|i| i.name)
        .collect();
    let saturation = measured.saturation;
    // One that failed when everybody had left already has ended nothing.
    let aborted_by = about.aborted_by.filter(|_| about.run.interrupted);
    let verdict = judge(Judged {
        thresholds: &thresholds,
        broken_invariants: &broken,
        saturation,
        offered_load_reached: measured.offered_load_reached,
        nothing_connected: nothing_connected(&metrics),
        interrupted: about.run.interrupted && about.by_user,
        aborted: aborted_by.is_some(),
        server_commands_failed: counted(&metrics, "server_commands_failed"),
        config_error: false,
    });
    let exit_code = verdict.exit_code;
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: ScenarioLine {
            name: about.scenario.name.clone(),
            about: about.scenario.about.clone(),
            seed: about.seed,
            hash: about.scenario.hash.clone(),
        },
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
                .map(|reason| told(reason, aborted_by.as_ref()) + &measured.which(reason))
                .collect(),
            warnings: verdict
                .warnings
                .iter()
                .map(|reason| reason.to_string() + &measured.which(reason))
                .collect(),
        },
        thresholds: thresholds.iter().map(line).collect(),
        metrics,
        invariants,
        generator: GeneratorLine {
            cpu_percent: measured.cpu_percent,
            rss_bytes: measured.rss_bytes,
            rss_growth: measured.rss_growth,
            lag_ms_p99: saturation.map(|s| s.lag_p99_ms),
        },
        failures: measured.failures.iter().map(failure).collect(),
        more_failures: measured.more_failures,
        timeline: measured.timeline,
        repeat: about.repeat,
        files: about.files,
    };
    (report, exit_code)
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
