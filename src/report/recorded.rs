//! The files of a run that is over, read again: `summary.json`, `histograms.hlog` and `machine.json`.

use std::{collections::BTreeMap, io::Cursor};

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use serde::Deserialize;
use thiserror::Error;

use super::{json, machine};
use crate::{
    compare::{Identity, Run},
    metrics::{MetricKey, Rate, Snapshot, Trend},
};

/// Why the files are not those of a run.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// Cut off, or never JSON.
    #[error("{file} is no JSON: {error}")]
    NoJson {
        file: &'static str,
        error: serde_json::Error,
    },
    /// JSON of another kind, or of another version of the schema.
    #[error("{file} has the schema {}, not {expected}", found.as_deref().unwrap_or("of nobody"))]
    Schema {
        file: &'static str,
        found: Option<String>,
        expected: &'static str,
    },
    /// Of that schema, and yet something is missing.
    #[error("{file} is not whole: {error}")]
    NotWhole {
        file: &'static str,
        error: serde_json::Error,
    },
    /// No interval log of HdrHistogram.
    #[error("histograms.hlog cannot be read: {0}")]
    NoLog(String),
    /// Whole, but of another run.
    #[error("histograms.hlog is not of the run that summary.json tells of: {0}")]
    AnotherRun(String),
}

#[derive(Deserialize)]
struct Summary {
    version: String,
    scenario: Scenario,
    world: String,
    target: String,
    verdict: String,
    started_at: Option<String>,
    log_hash: Option<String>,
    metrics: BTreeMap<String, Metric>,
    counters: BTreeMap<String, u64>,
    thresholds: Vec<Threshold>,
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    seed: u64,
    hash: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Metric {
    Rate { hits: u64, total: u64 },
    Trend { count: u64, failed: u64 },
}

#[derive(Deserialize)]
struct Threshold {
    selector: String,
}

#[derive(Deserialize)]
struct Machine {
    os: String,
    arch: String,
    cores: Option<u64>,
}

/// The run whose files those are. `name`: how the reader finds it.
pub fn recorded(name: &str, summary: &[u8], hlog: &[u8], machine: &[u8]) -> Result<Run, RecordedError> {
    let summary: Summary = json_of("summary.json", json::SCHEMA, summary)?;
    let machine: Machine = json_of("machine.json", machine::SCHEMA, machine)?;
    let mut successes = histograms(hlog)?;
    let mut metrics = Snapshot::default();
    for (text, metric) in summary.metrics {
        match metric {
            Metric::Rate { hits, total } => _ = metrics.rates.insert(key(&text), Rate { hits, total }),
            Metric::Trend { count, failed } => {
                let trend = match successes.remove(&key(&text)) {
                    Some(histogram) => Trend::of(&histogram, failed)
                        .ok_or_else(|| RecordedError::NoLog(format!("{text} is longer than an hour")))?,
                    None => {
                        Trend::of(&Trend::default().successes().clone(), failed).expect("none is too long")
                    }
                };
                if trend.count() != count {
                    let found = trend.count();
                    return Err(RecordedError::AnotherRun(format!(
                        "{text} has {count} samples there and {found} here"
                    )));
                }
                metrics.trends.insert(key(&text), trend);
            }
        }
    }
    if let Some((key, _)) = successes.first_key_value() {
        return Err(RecordedError::AnotherRun(format!("there is no {key}")));
    }
    metrics.counters = summary
        .counters
        .iter()
        .map(|(text, count)| (key(text), *count))
        .collect();
    let mut thresholds: Vec<String> = summary.thresholds.into_iter().map(|t| t.selector).collect();
    thresholds.sort();
    thresholds.dedup();
    Ok(Run {
        name: name.to_owned(),
        identity: Identity {
            scenario: summary.scenario.name,
            hash: summary.scenario.hash,
            seed: summary.scenario.seed,
            version: summary.version,
            world: summary.world,
            target: summary.target,
            os: machine.os,
            arch: machine.arch,
            cores: machine.cores,
            verdict: summary.verdict,
            started_at: summary.started_at,
            log_hash: summary.log_hash,
            thresholds,
        },
        metrics,
    })
}

fn json_of<T: for<'a> Deserialize<'a>>(
    file: &'static str,
    expected: &'static str,
    bytes: &[u8],
) -> Result<T, RecordedError> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| RecordedError::NoJson { file, error })?;
    let found = value.get("schema").and_then(|schema| schema.as_str());
    if found != Some(expected) {
        return Err(RecordedError::Schema {
            file,
            found: found.map(str::to_owned),
            expected,
        });
    }
    serde_json::from_value(value).map_err(|error| RecordedError::NotWhole { file, error })
}

fn histograms(hlog: &[u8]) -> Result<BTreeMap<MetricKey, Histogram<u64>>, RecordedError> {
    let wrong = |what: String| RecordedError::NoLog(what);
    let mut found: BTreeMap<MetricKey, Histogram<u64>> = BTreeMap::new();
    let mut is_log = false;
    for entry in IntervalLogIterator::new(hlog) {
        let entry = entry.map_err(|error| wrong(format!("{error:?}")))?;
        is_log = true;
        let LogEntry::Interval(interval) = entry else {
            continue;
        };
        let Some(tag) = interval.tag() else { continue };
        let raw = BASE64_STANDARD
            .decode(interval.encoded_histogram())
            .map_err(|error| wrong(format!("{}: {error}", tag.as_str())))?;
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut Cursor::new(raw))
            .map_err(|error| wrong(format!("{}: {error}", tag.as_str())))?;
        // What stands for commas in tags.
        let key = key(&tag.as_str().replace(';', ","));
        if let Some(earlier) = found.insert(key.clone(), histogram) {
            let sum = found.get_mut(&key).expect("it has just been put there");
            sum.add(&earlier)
                .map_err(|error| wrong(format!("{key}: {error}")))?;
        }
    }
    match is_log {
        true => Ok(found),
        false => Err(wrong("there is no entry in it".to_owned())),
    }
}

/// `name{tag:value,tag:value}`, as [`MetricKey`] is shown.
fn key(text: &str) -> MetricKey {
    let (name, tags) = text.split_once('{').unwrap_or((text, ""));
    let pairs = tags.trim_end_matches('}').split(',');
    pairs
        .filter_map(|pair| pair.split_once(':'))
        .fold(MetricKey::new(name), |key, (tag, value)| key.with(tag, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RunReport, hlog, samples};

    fn files(report: &RunReport) -> [Vec<u8>; 3] {
        [
            json::summary(report),
            hlog::histograms(report),
            machine::machine(report),
        ]
    }

    fn read([summary, hlog, machine]: &[Vec<u8>; 3]) -> Result<Run, RecordedError> {
        recorded("a", summary, hlog, machine)
    }

    #[test]
    fn a_run_is_read_as_it_was_measured() {
        for report in [
            samples::busy_run(),
            samples::failed_run(),
            samples::empty_run(),
            samples::faulty_run(),
        ] {
            let run = read(&files(&report)).expect("its files are whole");
            let mut expected = report.metrics.clone();
            // Outages are not compared.
            expected.outages.clear();
            assert_eq!(run.metrics, expected);
            assert_eq!(
                (run.identity.hash, run.identity.seed),
                (report.scenario.hash, report.scenario.seed)
            );
            assert_eq!(run.identity.cores, report.machine.cores.map(|cores| cores as u64));
        }
    }

    #[test]
    fn what_is_cut_off_or_of_somebody_else_is_told() {
        let whole = files(&samples::busy_run());
        let with = |nth: usize, bytes: &[u8]| {
            let mut files = whole.clone();
            files[nth] = bytes.to_vec();
            match read(&files) {
                Ok(_) => panic!("it is no run"),
                Err(error) => error.to_string(),
            }
        };
        let half = &whole[0][..whole[0].len() / 2];
        assert!(
            with(0, half).starts_with("summary.json is no JSON: EOF"),
            "{}",
            with(0, half)
        );
        assert!(with(0, b"").starts_with("summary.json is no JSON"));
        assert_eq!(
            with(0, b"{\"schema\": \"k6/1\"}"),
            "summary.json has the schema k6/1, not rtcstorm.summary/1"
        );
        assert_eq!(
            with(2, b"[]"),
            "machine.json has the schema of nobody, not rtcstorm.machine/1"
        );
        let bare = b"{\"schema\": \"rtcstorm.summary/1\"}";
        assert!(with(0, bare).starts_with("summary.json is not whole: missing field"));
        assert!(with(1, b"").starts_with("histograms.hlog cannot be read"));
        assert!(with(1, b"hello, world\n").starts_with("histograms.hlog cannot be read"));
        let log = String::from_utf8(whole[1].clone()).expect("text");
        let cut = &log[..log.trim_end().rfind('\n').expect("lines") + 30];
        assert!(with(1, cut.as_bytes()).starts_with("histograms.hlog cannot be read"));
        let other = &files(&samples::failed_run())[1];
        assert!(with(1, other).contains("is not of the run that summary.json tells of"));
    }
}
