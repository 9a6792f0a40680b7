//! `--otlp`: what a collector gets.

use std::net::TcpListener;

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    metrics::v1::{Metric, metric::Data},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;

use super::{
    QUICK,
    http::Collector,
    program::{Desk, Output},
};

/// The second is refused, although its script does not want that.
const TAKEN: &str = "
name: taken
groups:
  - { name: owner, peers: 1, steps: [{ rename: Ann }, join, { wait: joined }, { barrier: in }] }
  - { name: late, peers: 1, steps: [{ rename: ann }, { barrier: in }, join] }
";

fn run(desk: &Desk, scenario: &str, url: &str, env: &[(&str, &str)]) -> Output {
    desk.write("it.yaml", scenario);
    desk.run_with(
        env,
        &[
            "run", "it.yaml", "--sim", "--quiet", "--out", "out", "--otlp", url,
        ],
    )
}

#[test]
fn a_collector_gets_the_figures_and_a_trace_of_each_join_that_failed() {
    let desk = Desk::new("otlp");
    let collector = Collector::start();
    let url = format!("http://{}/", collector.addr);
    let output = run(
        &desk,
        TAKEN,
        &url,
        &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1")],
    );
    output.assert_sane();
    assert!(!output.stderr.contains("warning"), "{output:#?}");
    let summary = desk.json("out/summary.json");

    let last = collector.got("/v1/metrics").pop().expect("figures are sent");
    assert!(last.head.contains("content-type: application/x-protobuf") && last.head.contains("api-key: k1"));
    let sent = ExportMetricsServiceRequest::decode(last.body.as_slice()).expect("it is protobuf");
    let metrics: Vec<Metric> = sent
        .resource_metrics
        .into_iter()
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics)
        .collect();
    let join = metrics
        .iter()
        .find(|metric| metric.name == "rtcstorm.join")
        .expect("it is a metric");
    let Some(Data::Histogram(join)) = &join.data else {
        panic!("{join:?}")
    };
    let (count, failed) = join.data_points.iter().fold((0, 0), |(count, failed), point| {
        (
            count + point.count,
            failed + point.bucket_counts.last().copied().unwrap_or(0),
        )
    });
    let told = &summary["metrics"]["join_ms"];
    assert_eq!((&count.into(), &failed.into()), (&told["count"], &told["failed"]));
    assert_eq!(told["failed"], 1, "{summary:#}");

    let traces = collector.got("/v1/traces");
    let spans: Vec<Span> = traces
        .iter()
        .map(|posted| ExportTraceServiceRequest::decode(posted.body.as_slice()).expect("it is protobuf"))
        .flat_map(|sent| sent.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let roots: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent_span_id.is_empty())
        .collect();
    let [root] = roots.as_slice() else {
        panic!("one join failed: {roots:?}")
    };
    assert_eq!(root.name, "join");
    let status = root.status.as_ref().expect("it has one");
    assert_eq!(status.code, StatusCode::Error as i32);
    assert!(status.message.contains("DUPLICATE_USERNAME"), "{status:?}");
    assert!(
        root.attributes
            .iter()
            .any(|attribute| attribute.key == "rtcstorm.peer")
    );
    assert!(
        spans
            .iter()
            .any(|span| span.name == "signaling" && span.parent_span_id == root.span_id)
    );
}

#[test]
fn a_collector_that_is_away_costs_a_warning() {
    let desk = Desk::new("otlp-away");
    // Bound and closed again: nobody listens.
    let addr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("http://{}", addr.expect("the loopback has ports"));
    let output = run(&desk, QUICK, &url, &[]);
    output.assert_code(0).assert_sane();
    let warnings = output.stderr.matches("warning: ").count();
    assert_eq!(warnings, 1, "{output:#?}");
    output.assert_says(&format!("warning: --otlp {url}: "));
}

#[test]
fn one_that_takes_and_never_answers_is_not_waited_for_for_long() {
    let desk = Desk::new("otlp-silent");
    let silent = TcpListener::bind("127.0.0.1:0").expect("the loopback has ports");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    run(&desk, QUICK, &url, &[])
        .assert_code(0)
        .assert_says("no answer within 2s");
}

#[test]
fn what_is_no_url_of_a_collector_is_told_before_anything_begins() {
    let desk = Desk::new("otlp-wrong");
    for (url, says) in [
        ("127.0.0.1:4318", "http:// or https://"),
        ("http://a:b@127.0.0.1:4318", "no credentials"),
    ] {
        run(&desk, QUICK, url, &[])
            .assert_code(2)
            .assert_says(says)
            .assert_no_data();
    }
    let secret = [("OTEL_EXPORTER_OTLP_HEADERS", "hush")];
    let output = run(&desk, QUICK, "http://127.0.0.1:1", &secret);
    output
        .assert_code(104)
        .assert_says("OTEL_EXPORTER_OTLP_HEADERS is not like")
        .assert_no_data();
    assert!(!output.stderr.contains("hush") && !desk.path("out").exists());
}
