use std::time::Duration;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
    },
};
use prost::Message as _;

use super::attributes::{resource, scope, text};
use crate::report::{
    RunReport,
    exposition::{Distribution, EDGES_MICROS, Family, Point, Shape, Value, families},
};

/// All figures of a run so far, as the body of a request to `/v1/metrics`. `now`: since the Unix epoch.
///
/// Counts and distributions are cumulative from the run's start. Failures, which are infinitely long, are in the
/// bucket above the last edge; the sum is that of the successes.
pub fn metrics(run: &RunReport, now: Duration) -> Vec<u8> {
    let start = run.started_at.unix_ms.saturating_mul(1_000_000);
    let time = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(start);
    let metrics = families(&[run])
        .into_iter()
        .filter(|family| !family.points.is_empty())
        .map(|family| metric(family, start, time));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(&run.version),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(&run.version),
                metrics: metrics.collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}

fn metric(family: Family, start: u64, time: u64) -> Metric {
    let temporality = AggregationTemporality::Cumulative as i32;
    let points = family.points.into_iter();
    let data = match family.of {
        Shape::Counter => Data::Sum(Sum {
            data_points: points.map(|point| number(point, start, time)).collect(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        Shape::Gauge => Data::Gauge(Gauge {
            data_points: points.map(|point| number(point, start, time)).collect(),
        }),
        Shape::Distribution => Data::Histogram(Histogram {
            data_points: points
                .filter_map(|point| histogram(&point, start, time))
                .collect(),
            aggregation_temporality: temporality,
        }),
    };
    Metric {
        name: format!("rtcstorm.{}", family.name),
        description: family.help,
        unit: family.unit.ucum().to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(point: Point, start: u64, time: u64) -> NumberDataPoint {
    let value = match point.value {
        Value::Count(count) => number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
        Value::Gauge(value) => number_data_point::Value::AsDouble(value),
        Value::Distribution(_) => unreachable!("a family has points of its shape"),
    };
    NumberDataPoint {
        attributes: point
            .labels
            .iter()
            .map(|(name, value)| text(name, value))
            .collect(),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn histogram(point: &Point, start: u64, time: u64) -> Option<HistogramDataPoint> {
    let Value::Distribution(told) = &point.value else {
        return None;
    };
    Some(HistogramDataPoint {
        attributes: point
            .labels
            .iter()
            .map(|(name, value)| text(name, value))
            .collect(),
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: told.count,
        sum: Some(told.sum_seconds),
        bucket_counts: between_edges(told),
        explicit_bounds: EDGES_MICROS.map(|edge| edge as f64 / 1e6).to_vec(),
        min: told.min_seconds,
        max: told.max_seconds,
        ..HistogramDataPoint::default()
    })
}

/// How many samples lie between one edge and the next; the last is what lies above all of them.
fn between_edges(told: &Distribution) -> Vec<u64> {
    let mut before = 0;
    told.up_to
        .into_iter()
        .chain([told.count])
        .map(|up_to| up_to - std::mem::replace(&mut before, up_to))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn every_figure_has_its_unit_and_failures_are_above_the_last_edge() {
        let mut run = samples::busy_run();
        run.started_at.unix_ms = 5_000;
        let key = crate::metrics::MetricKey::new("message_ms");
        let messages = run.metrics.trends.get_mut(&key).expect("it is busy");
        messages.record_failure();
        let bytes = metrics(&run, Duration::from_secs(17));
        let sent = ExportMetricsServiceRequest::decode(bytes.as_slice()).expect("its own bytes");
        let metrics = &sent.resource_metrics[0].scope_metrics[0].metrics;
        let named = |name: &str| {
            let found = metrics.iter().find(|metric| metric.name == name);
            found.unwrap_or_else(|| panic!("no {name}"))
        };
        let message = named("rtcstorm.message");
        assert_eq!(message.unit, "s");
        let Some(Data::Histogram(message)) = &message.data else {
            panic!("{message:?}")
        };
        let mut failed = 0;
        for point in &message.data_points {
            assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
            assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
            assert_eq!(
                (point.start_time_unix_nano, point.time_unix_nano),
                (5_000_000_000, 17_000_000_000)
            );
            failed += point.bucket_counts.last().expect("one more than edges");
        }
        let whole = &run.metrics.trends[&key];
        assert!(failed > 0 && failed == whole.failed());
        let Some(Data::Sum(sent)) = &named("rtcstorm.messages_sent").data else {
            panic!("a count is a sum")
        };
        assert!(sent.is_monotonic);
    }
}
