use serde::Serialize;

use super::{CapacityReport, StepLine};
use crate::report::json::Exact;

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.capacity/1";

#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    version: &'a str,
    scenario: &'a str,
    target: &'a str,
    started_at: &'a str,
    machine: &'a str,
    metrics: &'a [String],
    raised: &'static str,
    unit_peers: u32,
    tries: u32,
    interrupted: bool,
    knee: KneeTold,
    steps: Vec<StepTold<'a>>,
    repeat: &'a str,
}

/// `null`: there is no such end in the range.
#[derive(Serialize)]
struct KneeTold {
    holds_peers: Option<u32>,
    breaks_peers: Option<u32>,
    limit: &'static str,
}

#[derive(Serialize)]
struct StepTold<'a> {
    peers: u32,
    seed: u64,
    outcome: &'static str,
    actual: Vec<Exact>,
    connect_ms_p95: Exact,
    connect_failed: Exact,
    generator_cpu_percent: Exact,
    generator_lag_ms_p99: Exact,
    server_cpu_percent: Exact,
    reasons: &'a [String],
    folder: &'a str,
}

/// `capacity.json`.
pub fn capacity(report: &CapacityReport) -> Vec<u8> {
    let told = Told {
        schema: SCHEMA,
        version: &report.version,
        scenario: &report.scenario,
        target: &report.target,
        started_at: &report.started_at,
        machine: &report.machine,
        metrics: &report.metrics,
        raised: report.raised,
        unit_peers: report.unit,
        tries: report.tries,
        interrupted: report.interrupted,
        knee: KneeTold {
            holds_peers: report.knee.holds.map(|load| report.peers(load)),
            breaks_peers: report.knee.breaks.map(|load| report.peers(load)),
            limit: report.limit(),
        },
        steps: report.steps.iter().map(StepTold::of).collect(),
        repeat: &report.repeat,
    };
    let mut bytes = serde_json::to_vec_pretty(&told).expect("a report is plain data");
    bytes.push(b'\n');
    bytes
}

impl<'a> StepTold<'a> {
    fn of(step: &'a StepLine) -> Self {
        Self {
            peers: step.peers,
            seed: step.seed,
            outcome: step.word(),
            actual: step.actual.iter().copied().map(Exact).collect(),
            connect_ms_p95: Exact(step.connect_ms_p95),
            connect_failed: Exact(step.failed),
            generator_cpu_percent: Exact(step.generator_cpu_percent),
            generator_lag_ms_p99: Exact(step.generator_lag_ms_p99),
            server_cpu_percent: Exact(step.server_cpu_percent),
            reasons: &step.reasons,
            folder: &step.folder,
        }
    }
}
