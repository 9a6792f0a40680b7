//! `summary.json`, schema `rtcstorm.summary/1`.
//!
//! Keys keep their order, so two summaries can be compared line by line. That of a simulation is the same in
//! every run of a seed: what is the machine's is in `machine.json`. What is infinitely long because
//! it failed is the text `"inf"`; what has no figure is `null`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::{
    base::PeerId,
    metrics::{Outage, OutageKey, OutageLength, Rate, Trend},
    verdict::invariants::{Finding, InvariantResult, InvariantStatus},
};

use super::{
    events::EventLine,
    model::{FailureLine, GeneratorLine, RunReport, ThresholdLine, ThresholdStatus, VerdictWord},
    record::RunRecord,
};

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.summary/1";

/// The whole summary, indented, with a line feed at its end.
pub fn summary(report: &RunReport) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(&Summary::of(report)).expect("the summary's fields are all JSON");
    bytes.push(b'\n');
    bytes
}

/// The summaries of several runs: that of one alone, or a list.
///
/// # Errors
/// Never.
pub fn summaries(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    if let [run] = runs {
        return Ok(summary(&run.report));
    }
    let all: Vec<Summary<'_>> = runs.iter().map(|run| Summary::of(&run.report)).collect();
    let mut bytes = serde_json::to_vec_pretty(&all).expect("the summary's fields are all JSON");
    bytes.push(b'\n');
    Ok(bytes)
}

#[derive(Serialize)]
struct Summary<'a> {
    schema: &'static str,
    version: &'a str,
    scenario: Scenario<'a>,
    world: &'a str,
    target: &'a str,
    verdict: &'static str,
    exit_code: u8,
    reasons: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    invalid_by: &'a [String],
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_ms: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up_ms: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aborted: Option<Aborted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_hash: Option<String>,
    metrics: BTreeMap<String, Metric>,
    counters: BTreeMap<String, u64>,
    outages: Vec<OutageFigures>,
    thresholds: Vec<Threshold<'a>>,
    invariants: Vec<Invariant<'a>>,
    failures: Vec<Place<'a>>,
    more_failures: u64,
    generator: Generator,
    repeat: &'a str,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    seed: u64,
    hash: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Metric {
    Trend(Box<TrendFigures>),
    Rate {
        unit: &'static str,
        hits: u64,
        total: u64,
        /// Not rounded: one failure in a million is a figure.
        value: Option<f64>,
    },
}

/// In ms. `min` and the `ok_*` twins are over successes, the others over all samples.
#[derive(Serialize)]
pub(super) struct TrendFigures {
    unit: &'static str,
    count: u64,
    failed: u64,
    min: Figure,
    mean: Figure,
    p50: Figure,
    p90: Figure,
    p95: Figure,
    p99: Figure,
    p999: Figure,
    max: Figure,
    ok_mean: Figure,
    ok_p95: Figure,
    ok_max: Figure,
}

/// The faults of one cause and planned length.
#[derive(Serialize)]
struct OutageFigures {
    cause: &'static str,
    /// `null`: of more lengths than have a row.
    length_ms: Figure,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    other_lengths: bool,
    faults: u64,
    recovered_by: BTreeMap<&'static str, u64>,
    failed: u64,
    abandoned: u64,
    reconnect_ms: Box<TrendFigures>,
    messages_due: u64,
    messages_lost: u64,
}

#[derive(Serialize)]
struct Threshold<'a> {
    selector: &'a str,
    expression: &'a str,
    actual: Exact,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
}

/// The windows of a threshold, and the worst of them.
#[derive(Serialize)]
struct Window {
    length_ms: Figure,
    from_ms: Figure,
    until_ms: Figure,
}

/// What ended the run.
#[derive(Serialize)]
struct Aborted<'a> {
    at_ms: Figure,
    #[serde(flatten)]
    threshold: Threshold<'a>,
}

#[derive(Serialize)]
struct Invariant<'a> {
    number: u8,
    name: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    cases: u64,
    cases_are: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    findings: Vec<Place<'a>>,
    more_findings: u64,
}

/// Something that happened to somebody: a finding with its events, or a failure without.
#[derive(Serialize)]
struct Place<'a> {
    peer: Option<PeerId>,
    remote: Option<PeerId>,
    at_ms: Figure,
    what: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_events: Vec<EventLine>,
}

#[derive(Serialize)]
pub(super) struct Generator {
    cpu_percent: Figure,
    rss_bytes: Option<u64>,
    lag_ms_p99: Figure,
    event_loop_lag_ms_p99: Figure,
    open_files: Option<u64>,
    open_files_allowed: Option<u64>,
}

/// A figure in JSON: `null`, `"inf"`, or a number with all its digits.
#[derive(Clone, Copy)]
pub(super) struct Exact(pub(super) Option<f64>);

/// The same, rounded to a thousandth: durations are measured to the microsecond.
#[derive(Clone, Copy)]
pub(super) struct Figure(pub(super) Option<f64>);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_none(),
            Some(f64::INFINITY) => serializer.serialize_str("inf"),
            Some(f64::NEG_INFINITY) => serializer.serialize_str("-inf"),
            Some(value) if value.is_nan() => serializer.serialize_none(),
            Some(value) => serializer.serialize_f64(value),
        }
    }
}

impl Figure {
    pub(super) fn rounded(self) -> Option<f64> {
        // Past 2^53 there is nothing behind the point to round.
        self.0.map(|value| {
            if value.abs() < 9e15 {
                (value * 1_000.0).round() / 1_000.0
            } else {
                value
            }
        })
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Exact(self.rounded()).serialize(serializer)
    }
}

impl<'a> Summary<'a> {
    fn of(report: &'a RunReport) -> Self {
        let trends = report.metrics.trends.iter();
        let rates = report.metrics.rates.iter();
        let is_virtual = report.is_virtual();
        let took = Figure(Some(report.duration_ms));
        Self {
            schema: SCHEMA,
            version: &report.version,
            scenario: Scenario {
                name: &report.scenario.name,
                seed: report.scenario.seed,
                hash: &report.scenario.hash,
            },
            world: &report.world,
            target: &report.target,
            verdict: verdict(report.verdict.word),
            exit_code: report.verdict.exit_code,
            reasons: &report.verdict.reasons,
            invalid_by: &report.verdict.invalid_by,
            warnings: &report.verdict.warnings,
            started_at: (!is_virtual).then_some(&report.started_at.text),
            duration_ms: (!is_virtual).then_some(took),
            virtual_ms: is_virtual.then_some(took),
            warm_up_ms: report.warm_up_ms.map(|ms| Figure(Some(ms))),
            aborted: report.aborted.as_ref().map(|aborted| Aborted {
                at_ms: Figure(Some(aborted.at_ms)),
                threshold: Threshold::of(&aborted.threshold),
            }),
            log_hash: report.log_hash.map(|hash| format!("{hash:016x}")),
            metrics: trends
                .map(|(key, trend)| (key.to_string(), Metric::Trend(Box::new(TrendFigures::of(trend)))))
                .chain(rates.map(|(key, rate)| (key.to_string(), Metric::of(*rate))))
                .collect(),
            counters: report
                .metrics
                .counters
                .iter()
                .map(|(key, count)| (key.to_string(), *count))
                .collect(),
            outages: report.metrics.outages.iter().map(OutageFigures::of).collect(),
            thresholds: report.thresholds.iter().map(Threshold::of).collect(),
            invariants: report.invariants.iter().map(Invariant::of).collect(),
            failures: report.failures.iter().map(Place::of_failure).collect(),
            more_failures: report.more_failures,
            generator: Generator::of(report.generator),
            repeat: &report.repeat,
        }
    }
}

impl Metric {
    fn of(rate: Rate) -> Self {
        Self::Rate {
            unit: "ratio",
            hits: rate.hits,
            total: rate.total,
            value: rate.value(),
        }
    }
}

impl TrendFigures {
    pub(super) fn of(trend: &Trend) -> Self {
        let ok = trend.successes();
        let of_ok = |micros: f64| Figure((!ok.is_empty()).then_some(micros / 1_000.0));
        Self {
            unit: "ms",
            count: trend.count(),
            failed: trend.failed(),
            min: Figure(trend.min_ms()),
            mean: Figure(trend.mean_ms()),
            p50: Figure(trend.quantile_ms(0.5)),
            p90: Figure(trend.quantile_ms(0.9)),
            p95: Figure(trend.quantile_ms(0.95)),
            p99: Figure(trend.quantile_ms(0.99)),
            p999: Figure(trend.quantile_ms(0.999)),
            max: Figure(trend.max_ms()),
            ok_mean: of_ok(ok.mean()),
            ok_p95: of_ok(ok_quantile(trend, 0.95) as f64),
            ok_max: of_ok(ok.max() as f64),
        }
    }

    /// The durations, by their keys.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&'static str, Figure)> {
        [
            ("min", self.min),
            ("mean", self.mean),
            ("p50", self.p50),
            ("p90", self.p90),
            ("p95", self.p95),
            ("p99", self.p99),
            ("p999", self.p999),
            ("max", self.max),
            ("ok_mean", self.ok_mean),
            ("ok_p95", self.ok_p95),
            ("ok_max", self.ok_max),
        ]
        .into_iter()
    }
}

impl OutageFigures {
    fn of((key, outage): (&OutageKey, &Outage)) -> Self {
        let recovered = outage.recovered.iter();
        Self {
            cause: key.cause.name(),
            length_ms: Figure(match key.length {
                OutageLength::Planned(length) => Some(length.as_micros() as f64 / 1_000.0),
                OutageLength::Without | OutageLength::Other => None,
            }),
            other_lengths: key.length == OutageLength::Other,
            faults: outage.faults(),
            recovered_by: recovered.map(|(path, count)| (path.name(), *count)).collect(),
            failed: outage.failed,
            abandoned: outage.abandoned,
            reconnect_ms: Box::new(TrendFigures::of(&outage.reconnect)),
            messages_due: outage.messages.total,
            messages_lost: outage.messages.hits,
        }
    }
}

/// The nearest-rank quantile of the successes alone, in µs, with the same rank rule as [`Trend`]'s.
fn ok_quantile(trend: &Trend, q: f64) -> u64 {
    let ok = trend.successes();
    let count = ok.len() as f64;
    let rank = (q * count).ceil().max(1.0);
    ok.value_at_quantile((rank - 0.5) / count.max(1.0))
}

impl<'a> Threshold<'a> {
    fn of(line: &'a ThresholdLine) -> Self {
        Self {
            selector: &line.selector,
            expression: &line.expression,
            actual: Exact(line.actual),
            status: match line.status {
                ThresholdStatus::Passed => "passed",
                ThresholdStatus::Failed => "failed",
                ThresholdStatus::NoSamples => "no_samples",
            },
            window: line.window.map(|window| Window {
                length_ms: Figure(Some(window.length_ms)),
                from_ms: Figure(window.worst_ms.map(|(from, _)| from)),
                until_ms: Figure(window.worst_ms.map(|(_, until)| until)),
            }),
        }
    }
}

impl<'a> Invariant<'a> {
    fn of(result: &'a InvariantResult) -> Self {
        let (status, why) = match &result.status {
            InvariantStatus::Held => ("held", None),
            InvariantStatus::Broken => ("broken", None),
            InvariantStatus::NotApplicable { why } => ("not_applicable", Some(why.as_str())),
        };
        Self {
            number: result.number,
            name: result.name,
            status,
            why,
            cases: result.cases,
            cases_are: result.cases_are,
            note: result.note.as_deref(),
            findings: result.findings.iter().map(Place::of_finding).collect(),
            more_findings: result.more_findings,
        }
    }
}

impl<'a> Place<'a> {
    fn of_finding(finding: &'a Finding) -> Self {
        Self {
            peer: finding.peer,
            remote: finding.remote,
            at_ms: Figure(Some(finding.at.as_millis_f64())),
            what: &finding.what,
            last_events: finding.last_events.iter().map(EventLine::of).collect(),
        }
    }

    fn of_failure(failure: &'a FailureLine) -> Self {
        Self {
            peer: failure.peer,
            remote: failure.remote,
            at_ms: Figure(Some(failure.at.as_millis_f64())),
            what: &failure.what,
            last_events: Vec::new(),
        }
    }
}

impl Generator {
    pub fn of(line: GeneratorLine) -> Self {
        Self {
            cpu_percent: Figure(line.cpu_percent),
            rss_bytes: line.rss_bytes,
            lag_ms_p99: Figure(line.lag_ms_p99),
            event_loop_lag_ms_p99: Figure(line.event_loop_lag_ms_p99),
            open_files: line.open_files,
            open_files_allowed: line.open_files_allowed,
        }
    }
}

/// As a summary has it.
pub(super) fn verdict(word: VerdictWord) -> &'static str {
    match word {
        VerdictWord::Pass => "pass",
        VerdictWord::Fail => "fail",
        VerdictWord::Invalid => "invalid",
        VerdictWord::Interrupted => "interrupted",
        VerdictWord::Aborted => "aborted",
        VerdictWord::Error => "error",
        VerdictWord::Incomplete => "incomplete",
        VerdictWord::Running => "running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn check(name: &str, report: &RunReport) {
        let text = String::from_utf8(summary(report)).expect("JSON is UTF-8");
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, text) });
    }

    #[test]
    fn a_busy_run_has_all_keys() {
        check("summary-busy", &samples::busy_run());
    }

    #[test]
    fn a_simulation_tells_nothing_of_the_wall_clock() {
        let mut report = samples::empty_run();
        report.world = "sim".to_owned();
        report.log_hash = Some(0xab);
        let summary = |report: &RunReport| -> serde_json::Value {
            serde_json::from_slice(&summary(report)).expect("JSON")
        };
        let told = summary(&report);
        assert_eq!(told["virtual_ms"], 0.0);
        assert_eq!(told["log_hash"], "00000000000000ab");
        assert!(told.get("duration_ms").is_none() && told.get("started_at").is_none());
        report.started_at.text = "later".to_owned();
        report.machine.took_ms = 7.0;
        assert_eq!(summary(&report), told);
    }

    #[test]
    fn a_run_of_nothing_has_the_same_keys() {
        check("summary-empty", &samples::empty_run());
    }

    #[test]
    fn the_outages_of_one_length_are_told_together() {
        let json: serde_json::Value = serde_json::from_slice(&summary(&samples::faulty_run())).expect("JSON");
        let rows = json["outages"].as_array().expect("a list");
        assert_eq!(rows.len(), 4);
        let lengths: Vec<_> = rows.iter().map(|row| row["length_ms"].as_f64()).collect();
        assert_eq!(lengths, [Some(0.0), Some(4_000.0), None, None]);
        let others = rows.iter().filter(|row| row.get("other_lengths").is_some());
        assert_eq!(others.count(), 1);
        assert_eq!(rows[1]["faults"], 42);
        assert_eq!(
            rows[1]["recovered_by"],
            serde_json::json!({"ice_restart": 31, "replace": 9})
        );
        assert_eq!(rows[1]["reconnect_ms"]["failed"], 2);
        assert_eq!(
            (&rows[1]["messages_due"], &rows[1]["messages_lost"]),
            (&1_240.into(), &40.into())
        );
    }

    #[test]
    fn failures_are_inf_and_successes_alone_have_no_figure() {
        check("summary-failed", &samples::failed_run());
    }

    #[test]
    fn the_keys_that_readers_rely_on_are_where_the_schema_says() {
        let bytes = summary(&samples::busy_run());
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(json["schema"], "rtcstorm.summary/1");
        assert_eq!(json["metrics"]["reconnect_ms{path:rejoin}"]["failed"], 3);
        assert_eq!(json["metrics"]["reconnect_ms{path:rejoin}"]["max"], "inf");
        assert_eq!(json["metrics"]["connect_failed"]["unit"], "ratio");
        assert_eq!(
            json["invariants"][1]["findings"][0]["last_events"][0]["kind"],
            "message_sent"
        );
    }
}
