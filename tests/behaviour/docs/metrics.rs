//! METRICS.md.

use std::{collections::BTreeSet, time::Duration};

use rtcstorm::{
    base::Instant,
    metrics::{CATALOGUE, EventKind, MetricKey, Rate, RunEvent, Snapshot, Timeline, Trend},
    plan::{self, Plan},
    report::{
        FailureLine, GeneratorLine, MachineLine, RunReport, ScenarioLine, StartedAt, ThresholdLine,
        ThresholdStatus, VerdictLine, VerdictWord, json,
    },
    scenario::{bundled, parse},
    verdict::{
        ExitCode,
        invariants::{Checkers, Finding, InvariantResult, InvariantStatus, Visibility},
    },
};
use serde_json::Value;

use super::{Grammar, blocks, read, row, says};

#[test]
fn every_metric_has_its_row_with_its_tags_in_the_table_of_its_unit() {
    let text = read("METRICS.md");
    let mut told = BTreeSet::new();
    for metric in CATALOGUE {
        let heading = match metric.kind.to_string().as_str() {
            "trend" => "### Trends",
            "rate" => "### Rates",
            _ => "### Counters",
        };
        let (_, section) = text
            .split_once(&format!("{heading} ({})\n", metric.unit))
            .expect("a section names its unit");
        let section = section.split("\n#").next().unwrap_or(section);
        let tags: Vec<String> = metric.tags.iter().map(|tag| format!("`{}`", tag.name)).collect();
        let tags = match tags.is_empty() {
            true => "–".to_owned(),
            false => tags.join(", "),
        };
        assert!(
            row(section, metric.name).starts_with(&format!("| `{}` | {tags} | ", metric.name)),
            "{}: {tags}",
            metric.name
        );
        told.insert(metric.name);
        for tag in metric.tags {
            let (_, tags) = text.split_once("### Tags\n").expect("it is there");
            let row = row(tags.split("\n## ").next().unwrap_or(tags), tag.name);
            assert!(says(row, metric.name), "{} of {}", tag.name, metric.name);
            for value in tag.values {
                assert!(says(row, value), "{value} of {}", tag.name);
            }
        }
    }
    let (_, metrics) = text.split_once("### Trends").expect("it is there");
    let (metrics, _) = metrics.split_once("### Tags").expect("it is there");
    for line in metrics.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = line.split('`').next().unwrap_or_default();
        assert!(told.contains(name), "`{name}` is no metric");
    }
}

#[test]
fn every_exit_code_is_explained_and_their_order_is_told() {
    let text = read("METRICS.md");
    let numbers = ExitCode::PRECEDENCE.map(|code| code.number().to_string());
    for number in &numbers {
        assert!(text.contains(&format!("\n| {number} | ")), "{number}");
    }
    assert!(text.contains(&numbers.join(" > ")), "{}", numbers.join(" > "));
}

fn smoke() -> Plan {
    let (name, text) = bundled()[0];
    plan::expand(
        &parse(name, text, &Grammar).expect("sound"),
        1,
        &plan::Options::default(),
    )
}

#[test]
fn every_invariant_is_explained_by_its_number_and_name() {
    let text = read("METRICS.md");
    let all = Checkers::new(&smoke(), Visibility::BUNDLED).finish(Instant::START);
    assert_eq!(all.len(), 8);
    for invariant in all {
        let begin = format!("\n| {} | {} | ", invariant.number, invariant.name);
        assert!(text.contains(&begin), "{begin}");
    }
}

#[test]
fn every_kind_of_event_is_listed() {
    let text = read("METRICS.md");
    let error = serde_json::from_str::<EventKind>(r#"{"kind":"?"}"#).expect_err("no such kind");
    let error = error.to_string();
    let kinds: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(kinds.len() > 30, "{error}");
    for kind in kinds {
        assert!(says(&text, kind), "{kind}");
    }
    for line in blocks(&text, "json").join("\n").lines() {
        serde_json::from_str::<Value>(line).expect(line);
    }
}

/// A run with something in every list of its summary.
fn report() -> RunReport {
    let mut trend = Trend::default();
    trend.record(Duration::from_millis(1));
    let mut metrics = Snapshot::default();
    metrics.trends.insert(MetricKey::new("connect_ms"), trend);
    metrics
        .rates
        .insert(MetricKey::new("connect_failed"), Rate { hits: 0, total: 1 });
    metrics.counters.insert(MetricKey::new("glare"), 1);
    let at = Instant::START;
    RunReport {
        version: String::new(),
        scenario: ScenarioLine::default(),
        world: "local".to_owned(),
        target: String::new(),
        started_at: StartedAt::default(),
        duration_ms: 1.0,
        warm_up_ms: None,
        aborted: None,
        log_hash: None,
        machine: MachineLine::default(),
        verdict: VerdictLine {
            word: VerdictWord::Pass,
            exit_code: 0,
            reasons: Vec::new(),
            invalid_by: Vec::new(),
            warnings: Vec::new(),
        },
        metrics,
        thresholds: vec![ThresholdLine {
            selector: "connect_ms".to_owned(),
            expression: "max<1".to_owned(),
            actual: None,
            status: ThresholdStatus::NoSamples,
            window: None,
        }],
        invariants: vec![InvariantResult {
            number: 1,
            name: "",
            status: InvariantStatus::NotApplicable { why: String::new() },
            cases: 0,
            cases_are: "",
            findings: vec![Finding {
                peer: None,
                remote: None,
                at,
                what: String::new(),
                last_events: vec![RunEvent {
                    at,
                    peer: None,
                    remote: None,
                    kind: EventKind::RunEnded,
                }],
            }],
            more_findings: 0,
            note: Some(String::new()),
        }],
        generator: GeneratorLine::default(),
        failures: vec![FailureLine {
            peer: None,
            remote: None,
            at,
            what: String::new(),
        }],
        more_failures: 0,
        timeline: Timeline::default(),
        repeat: String::new(),
        files: Vec::new(),
    }
}

#[test]
fn every_key_of_the_summary_is_explained() {
    fn keys(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                into.insert(key.clone());
                keys(value, into);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            _ => {}
        }
    }
    let text = read("METRICS.md");
    let summary: Value = serde_json::from_slice(&json::summary(&report())).expect("JSON");
    assert!(text.contains(&format!("`{}`", summary["schema"])));
    let mut all = BTreeSet::new();
    keys(&summary, &mut all);
    assert!(all.len() > 40, "{all:?}");
    for key in all {
        assert!(says(&text, &key), "{key}");
    }
}
