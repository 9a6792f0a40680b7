//! What a run that is under way has come to.

use super::{
    live::Outset,
    readers::Gathered,
    verdict::{failure, line, millis, scenario_line},
};
use crate::{
    base::Instant,
    metrics::{RunEvent, Snapshot, Timeline},
    report::{GeneratorLine, MachineLine, RunReport, StartedAt, VerdictLine, VerdictWord},
    verdict::{ExitCode, ThresholdResult, lag_p99_ms},
};

/// What a report so far is made of: a copy, so that the run goes on meanwhile.
pub(super) struct SoFar {
    now: Instant,
    metrics: Snapshot,
    thresholds: Vec<ThresholdResult>,
    failures: Vec<RunEvent>,
    more_failures: u64,
    timeline: Timeline,
    generator: GeneratorLine,
}

impl SoFar {
    pub fn of(gathered: &mut Gathered) -> Self {
        let metrics = gathered.recorder.snapshot();
        let used = &gathered.used;
        Self {
            now: gathered.now,
            thresholds: gathered.thresholds.judge(&metrics),
            failures: gathered.failures.kept.clone(),
            more_failures: gathered.failures.more,
            timeline: gathered.timeline.timeline(),
            generator: GeneratorLine {
                cpu_percent: used.cpu_percent(),
                rss_bytes: used.rss_bytes(),
                rss_growth: gathered.memory.slope(),
                lag_ms_p99: lag_p99_ms(&metrics, "generator_lag_ms"),
                event_loop_lag_ms_p99: lag_p99_ms(&metrics, "event_loop_lag_ms"),
                open_files: used.open_files(),
                open_files_allowed: used.open_files().and(used.grants().open_files),
            },
            metrics,
        }
    }

    /// The report. It has no verdict; thresholds are as they stand, and invariants are known when the run is over.
    pub fn report(self, outset: &Outset) -> RunReport {
        let (launch, scenario) = (&outset.launch, &outset.scenario);
        let warm_up = scenario.warm_up;
        RunReport {
            version: launch.version.clone(),
            scenario: scenario_line(scenario, launch.seed),
            world: launch.world.clone(),
            target: outset.target.clone(),
            started_at: StartedAt {
                text: launch.started_at.clone(),
                unix_ms: launch.started_at_unix_ms,
            },
            duration_ms: self.now.as_millis_f64(),
            warm_up_ms: (!warm_up.is_zero()).then(|| millis(warm_up)),
            aborted: None,
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
                invalid_by: Vec::new(),
                warnings: Vec::new(),
            },
            thresholds: self.thresholds.iter().map(line).collect(),
            metrics: self.metrics,
            invariants: Vec::new(),
            generator: self.generator,
            failures: self
                .failures
                .iter()
                .map(|event| failure(event, Instant::START + warm_up))
                .collect(),
            more_failures: self.more_failures,
            timeline: self.timeline,
            repeat: launch.repeat.clone(),
            files: Vec::new(),
        }
    }
}
