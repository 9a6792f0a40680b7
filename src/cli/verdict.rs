//! From what was gathered to the report's model.

use std::time::Duration;

use super::{
    abort::{Ended, EndedBy},
    measured::Measured,
    readers::Gathered,
};
use crate::{
    base::{Instant, show_duration},
    metrics::{MetricKey, RunEvent, Snapshot},
    report::{
        AbortLine, FailureLine, FileLine, GeneratorLine, MachineLine, RunReport, ScenarioLine, StartedAt,
        ThresholdLine, ThresholdStatus, VerdictLine, VerdictWord, WindowLine, what,
    },
    run::RunSummary,
    scenario::Scenario,
    verdict::{self, Decision, ExitCode, Judged, Reason, ThresholdResult, judge},
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
    /// What ended the run, if a threshold or a limit did.
    pub aborted_by: Option<Ended>,
    /// What a task said that panicked.
    pub panicked: Option<String>,
    pub warm_up: Duration,
    /// Why the event log is not whole, if it is not.
    pub log_trouble: Option<String>,
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
    let thresholds = measured.thresholds.judge(&metrics);
    let broken: Vec<&str> = invariants
        .iter()
        .filter(|i| i.is_broken())
        .map(|i| i.name)
        .collect();
    let saturation = measured.saturation();
    // One that failed when everybody had left already has ended nothing.
    let aborted_by = about.aborted_by.filter(|_| about.run.interrupted);
    let verdict = judge(Judged {
        thresholds: &thresholds,
        broken_invariants: &broken,
        saturation: &saturation,
        events_dropped: about.run.events_dropped,
        log_trouble: about.log_trouble.as_deref(),
        offered_load_reached: measured.offered_load_reached,
        nothing_connected: measured.nothing_connected,
        interrupted: about.run.interrupted && about.by_user,
        aborted: aborted_by.is_some(),
        server_commands_failed: counted(&metrics, "server_commands_failed"),
        sockets_held_back: held_back(&metrics),
        panicked: about.panicked.as_deref(),
        config_error: false,
    });
    let exit_code = verdict.exit_code;
    let warm_until = Instant::START + about.warm_up;
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: scenario_line(about.scenario, about.seed),
        world: about.world,
        target: about.target,
        started_at: about.started_at,
        duration_ms: millis(about.run.duration),
        warm_up_ms: (!about.warm_up.is_zero()).then(|| millis(about.warm_up)),
        aborted: aborted_by.as_ref().map(|ended| AbortLine {
            threshold: ended_by(&ended.by),
            at_ms: ended.at.as_millis_f64(),
        }),
        log_hash: about.log_hash,
        machine: about.machine,
        verdict: VerdictLine {
            word: word(verdict.decision),
            exit_code: exit_code.number(),
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| {
                    told(reason, aborted_by.as_ref()) + &measured.which(reason) + &lost(reason, &metrics)
                })
                .collect(),
            invalid_by: match verdict.decision {
                Decision::Invalid => verdict.invalid_by().map(str::to_owned).collect(),
                _ => Vec::new(),
            },
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
            lag_ms_p99: measured.lag_ms_p99,
            event_loop_lag_ms_p99: measured.event_loop_lag_ms_p99,
            open_files: measured.open_files.map(|(most, _)| most),
            open_files_allowed: measured.open_files.and_then(|(_, allowed)| allowed),
        },
        failures: (measured.failures.iter())
            .map(|event| failure(event, warm_until))
            .collect(),
        more_failures: measured.more_failures,
        timeline: measured.timeline,
        repeat: about.repeat,
        files: about.files,
    };
    (report, exit_code)
}

pub(super) fn scenario_line(scenario: &Scenario, seed: u64) -> ScenarioLine {
    ScenarioLine {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        seed,
        hash: scenario.hash.clone(),
    }
}

fn counted(metrics: &Snapshot, name: &'static str) -> u64 {
    metrics.counters.get(&MetricKey::new(name)).copied().unwrap_or(0)
}

fn held_back(metrics: &Snapshot) -> u64 {
    let key = MetricKey::new("limits_hit").with("of", "user");
    metrics.counters.get(&key).copied().unwrap_or(0)
}

/// Where not one link connected: what became of the signaling sockets, by its name.
fn lost(reason: &Reason, metrics: &Snapshot) -> String {
    if *reason != Reason::NothingConnected {
        return String::new();
    }
    let name = "signaling_lost";
    let sockets = metrics.counters.iter().filter(|(key, _)| key.name == name);
    let found: Vec<String> = sockets
        .filter_map(|(key, count)| Some(format!("{count} {}", key.tags.get("failure")?)))
        .collect();
    match found.is_empty() {
        true => String::new(),
        false => format!("; signaling sockets: {}", found.join(", ")),
    }
}

/// A reason for people. What ended the run is told by its name.
fn told(reason: &Reason, aborted_by: Option<&Ended>) -> String {
    match (reason, aborted_by) {
        (
            Reason::Aborted,
            Some(Ended {
                by: EndedBy::Guard(passed),
                at,
            }),
        ) => format!(
            "{passed}. It ended the run after {}; all figures are of the time until then",
            after(*at)
        ),
        (
            Reason::Aborted,
            Some(Ended {
                by: EndedBy::Threshold(by),
                at,
            }),
        ) => {
            let actual = by.outcome.actual.unwrap_or(f64::INFINITY);
            let window = by
                .outcome
                .window
                .map(|window| format!(" {window}"))
                .unwrap_or_default();
            format!(
                "{} ended the run after {} (abortOnFail): it was {actual:.3}{window}. All figures are of the time until then",
                by.threshold,
                after(*at)
            )
        }
        _ => reason.to_string(),
    }
}

/// What ended the run; a limit of the command line's has the form of a threshold, with its option in place of a metric.
fn ended_by(by: &EndedBy) -> ThresholdLine {
    let passed = match by {
        EndedBy::Threshold(result) => return line(result),
        EndedBy::Guard(passed) => passed,
    };
    let window = passed.window;
    ThresholdLine {
        selector: passed.guard.flag().to_owned(),
        expression: passed.guard.to_string(),
        actual: Some(passed.actual),
        status: ThresholdStatus::Failed,
        window: Some(WindowLine {
            length_ms: millis(window.until.since(window.from)),
            worst_ms: Some((window.from.as_millis_f64(), window.until.as_millis_f64())),
        }),
    }
}

/// How far into a run that is, to the millisecond.
pub(super) fn after(at: Instant) -> String {
    show_duration(Duration::from_millis(at.as_millis_f64() as u64))
}

pub(super) fn failure(event: &RunEvent, warm_until: Instant) -> FailureLine {
    let warm_up = if event.at < warm_until {
        " (in the warm-up)"
    } else {
        ""
    };
    FailureLine {
        peer: event.peer,
        remote: event.remote,
        at: event.at,
        what: what(&event.kind) + warm_up,
    }
}

pub(super) fn line(result: &ThresholdResult) -> ThresholdLine {
    ThresholdLine {
        selector: result.threshold.selector().to_string(),
        expression: result.threshold.expression(),
        actual: result.outcome.actual,
        status: match result.outcome.status {
            verdict::ThresholdStatus::Passed => ThresholdStatus::Passed,
            verdict::ThresholdStatus::Failed => ThresholdStatus::Failed,
            verdict::ThresholdStatus::NoSamples => ThresholdStatus::NoSamples,
        },
        window: result.threshold.window().map(|length| WindowLine {
            length_ms: millis(length),
            worst_ms: (result.outcome.window)
                .map(|window| (window.from.as_millis_f64(), window.until.as_millis_f64())),
        }),
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
