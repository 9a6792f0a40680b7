//! Runs as Prometheus reads them: the text format 0.0.4, and its protobuf, in which durations are native histograms,
//! too.
//!
//! Failures are infinitely long: they are in the bucket `+Inf` alone. `_sum` is that of the successes.

use std::fmt::Write as _;

use prost::Message as _;

use super::{
    RunReport,
    exposition::{Distribution, EDGES_MICROS, Exponential, Family, Shape, Value, families},
    prometheus_wire as wire,
};

/// The `Content-Type` of [`text`].
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The `Content-Type` of [`protobuf`].
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Whether who sends this `Accept` wants [`protobuf`], and not rather [`text`].
pub fn wants_protobuf(accept: &str) -> bool {
    let weight = |of: fn(&str) -> bool| {
        let offers = accept.split(',').map(str::trim).filter(|offer| of(offer));
        let weights = offers.map(|offer| {
            let mut parameters = offer.split(';').map(str::trim);
            let weight = parameters.find_map(|parameter| parameter.strip_prefix("q="));
            weight.map_or(1.0, |weight| weight.parse::<f64>().unwrap_or(0.0))
        });
        weights.fold(0.0, f64::max)
    };
    let protobuf = weight(|offer| {
        offer.starts_with("application/vnd.google.protobuf")
            && offer.contains("io.prometheus.client.MetricFamily")
            && offer.contains("delimited")
    });
    protobuf > 0.0 && protobuf >= weight(|offer| offer.starts_with("text/plain"))
}

/// The name of a family: with the prefix of the program, its unit, and `_total` if it only grows.
fn name(family: &Family) -> String {
    let total = if family.of == Shape::Counter { "_total" } else { "" };
    format!("rtcstorm_{}{}{total}", family.name, family.unit.suffix())
}

/// All figures of `runs`, which differ in scenario or world, as text.
pub fn text(runs: &[&RunReport]) -> String {
    let mut text = String::new();
    for family in families(runs) {
        let name = name(&family);
        let kind = match family.of {
            Shape::Counter => "counter",
            Shape::Gauge => "gauge",
            Shape::Distribution => "histogram",
        };
        let help = family.help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for point in &family.points {
            let labels = labels(&point.labels);
            let _ = match &point.value {
                Value::Count(count) => writeln!(text, "{name}{{{labels}}} {count}"),
                Value::Gauge(value) => writeln!(text, "{name}{{{labels}}} {value}"),
                Value::Distribution(told) => {
                    histogram(&mut text, &name, &labels, told);
                    Ok(())
                }
            };
        }
    }
    text
}

fn histogram(text: &mut String, name: &str, labels: &str, told: &Distribution) {
    for (edge, count) in EDGES_MICROS.iter().zip(told.up_to) {
        let edge = *edge as f64 / 1e6;
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{edge}\"}} {count}");
    }
    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", told.count);
    let _ = writeln!(text, "{name}_sum{{{labels}}} {}", told.sum_seconds);
    let _ = writeln!(text, "{name}_count{{{labels}}} {}", told.count);
}

fn labels(labels: &[(String, String)]) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', r"\n")
    };
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    labels.join(",")
}

/// The same as delimited protobuf. Durations have their buckets twice: those of [`text`], and native ones, each 9 %
/// wider than the one before.
pub fn protobuf(runs: &[&RunReport]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for family in families(runs) {
        wire_family(&family)
            .encode_length_delimited(&mut bytes)
            .expect("a vector takes everything");
    }
    bytes
}

fn wire_family(family: &Family) -> wire::MetricFamily {
    let metric = family.points.iter().map(|point| {
        let mut metric = wire::Metric {
            label: point.labels.iter().map(wire::LabelPair::of).collect(),
            ..wire::Metric::default()
        };
        match &point.value {
            Value::Count(count) => {
                metric.counter = Some(wire::Counter {
                    value: Some(*count as f64),
                });
            }
            Value::Gauge(value) => metric.gauge = Some(wire::Gauge { value: Some(*value) }),
            Value::Distribution(told) => metric.histogram = Some(native(told)),
        }
        metric
    });
    wire::MetricFamily {
        name: Some(name(family)),
        help: Some(family.help.clone()),
        r#type: Some(match family.of {
            Shape::Counter => wire::MetricType::Counter,
            Shape::Gauge => wire::MetricType::Gauge,
            Shape::Distribution => wire::MetricType::Histogram,
        } as i32),
        metric: metric.collect(),
    }
}

fn native(told: &Distribution) -> wire::Histogram {
    let edges = EDGES_MICROS.iter().map(|edge| *edge as f64 / 1e6).zip(told.up_to);
    let edges = edges.chain([(f64::INFINITY, told.count)]);
    let mut buckets = told.exponential.buckets.clone();
    if told.failed > 0 {
        buckets.insert(Exponential::INFINITE, told.failed);
    }
    let mut spans: Vec<wire::BucketSpan> = Vec::new();
    let mut deltas = Vec::new();
    // Where the next bucket is if it joins the span; spans tell their distance from the end of the one before.
    let (mut next, mut before) = (0, 0);
    for (index, count) in buckets {
        match spans.last_mut() {
            Some(span) if index == next => *span.length.get_or_insert_default() += 1,
            _ => spans.push(wire::BucketSpan {
                offset: Some(index - next),
                length: Some(1),
            }),
        }
        next = index + 1;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        before = count;
    }
    // A native histogram of nothing is told from a classic one by a span that is empty.
    if spans.is_empty() {
        spans.push(wire::BucketSpan {
            offset: Some(0),
            length: Some(0),
        });
    }
    wire::Histogram {
        sample_count: Some(told.count),
        sample_sum: Some(told.sum_seconds),
        bucket: edges
            .map(|(edge, count)| wire::Bucket {
                cumulative_count: Some(count),
                upper_bound: Some(edge),
            })
            .collect(),
        schema: Some(Exponential::SCHEMA),
        // Half a microsecond: the smallest duration that is told apart is one.
        zero_threshold: Some(5e-7),
        zero_count: Some(told.exponential.zeros),
        positive_span: spans,
        positive_delta: deltas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::MetricKey, report::samples};

    #[test]
    fn a_busy_run_in_text() {
        let text = text(&[&samples::busy_run()]);
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!("prometheus-busy", text) });
    }

    #[test]
    fn labels_are_escaped() {
        let mut run = samples::empty_run();
        run.scenario.name = "a\"b\\c\nd".to_owned();
        assert!(text(&[&run]).contains("{scenario=\"a\\\"b\\\\c\\nd\",world="));
    }

    #[test]
    fn protobuf_goes_to_those_who_prefer_it() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert!(wants_protobuf(native));
        assert!(!wants_protobuf(&native.replace("q=0.6", "q=0.1")));
        assert!(!wants_protobuf("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
        assert!(!wants_protobuf(
            "application/vnd.google.protobuf;proto=other;encoding=delimited"
        ));
        assert!(!wants_protobuf(""));
    }

    #[test]
    fn native_buckets_hold_every_sample_and_failures_are_above_all_numbers() {
        let run = samples::busy_run();
        let bytes = protobuf(&[&run]);
        let mut rest = bytes.as_slice();
        let mut seen = 0;
        while !rest.is_empty() {
            let family = wire::MetricFamily::decode_length_delimited(&mut rest).expect("its own bytes");
            for histogram in family
                .metric
                .iter()
                .filter_map(|metric| metric.histogram.as_ref())
            {
                let counts = histogram.positive_delta.iter().scan(0, |count, delta| {
                    *count += delta;
                    Some(*count as u64)
                });
                let all = counts.sum::<u64>() + histogram.zero_count.unwrap_or_default();
                assert_eq!(Some(all), histogram.sample_count, "{:?}", family.name);
                let length: u32 = histogram
                    .positive_span
                    .iter()
                    .filter_map(|span| span.length)
                    .sum();
                assert_eq!(length as usize, histogram.positive_delta.len());
                seen += 1;
            }
        }
        assert!(seen > 5);
        let failed = &run.metrics.trends[&MetricKey::new("reconnect_ms")];
        let native = native(&Distribution::of(failed));
        let spans = native.positive_span.iter();
        let end: i32 = spans
            .map(|span| span.offset.unwrap_or(0) + span.length.unwrap_or(0) as i32)
            .sum();
        assert!(failed.failed() > 0);
        assert_eq!(end, Exponential::INFINITE + 1);
    }
}
