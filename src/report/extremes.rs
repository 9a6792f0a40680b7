//! No format may panic on figures at the end of their range.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    base::{Instant, PeerId},
    report::{
        AbortLine, FailureLine, FileLine, GeneratorLine, RunReport, ThresholdLine, ThresholdStatus,
        WindowLine, hlog, json, samples,
        terminal::{self, Look},
    },
};

fn any_figure() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(0.0),
        Just(f64::INFINITY),
        Just(f64::NAN),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
    ]
}

prop_compose! {
    fn any_report()(
        figures in prop::array::uniform4(any_figure()),
        counts in prop::array::uniform4(prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()]),
        micros in prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), 0..10_000_000u64], 0..30),
        failed in 0..20u32,
        text in "\\PC{0,120}",
        name in "[a-z_{}:, \n\u{1b}]{1,40}",
    ) -> RunReport {
        let mut report = samples::empty_run();
        for name in ["connect_ms", "message_ms", &name] {
            let trend = report.metrics.trends.entry(samples::key(name, &[("tag", &text)])).or_default();
            micros.iter().for_each(|micros| trend.record(Duration::from_micros(*micros)));
            (0..failed).for_each(|_| trend.record_failure());
            let whole = trend.clone();
            report.metrics.trends.insert(samples::key(name, &[]), whole);
            let rate = report.metrics.rates.entry(samples::key(name, &[])).or_default();
            (rate.hits, rate.total) = (counts[0], counts[1]);
            report.metrics.counters.insert(samples::key(name, &[]), counts[2]);
        }
        report.duration_ms = figures[0];
        report.started_at.unix_ms = counts[0] / 2_000_000;
        report.scenario.name = text.clone();
        report.generator = GeneratorLine {
            cpu_percent: Some(figures[1]),
            rss_bytes: Some(counts[3]),
            rss_growth: None,
            lag_ms_p99: Some(figures[2]),
            event_loop_lag_ms_p99: Some(figures[3]),
            open_files: Some(counts[0]),
            open_files_allowed: Some(counts[1]),
        };
        report.thresholds = vec![ThresholdLine {
            selector: name.clone(),
            expression: text.clone(),
            actual: Some(figures[3]),
            status: ThresholdStatus::Failed,
            window: Some(WindowLine {
                length_ms: figures[1],
                worst_ms: Some((figures[2], figures[0])),
            }),
        }];
        report.warm_up_ms = Some(figures[2]);
        report.aborted = Some(AbortLine {
            threshold: report.thresholds[0].clone(),
            at_ms: figures[1],
        });
        report.verdict.reasons = vec![text.clone()];
        report.failures = vec![FailureLine {
            peer: Some(PeerId(u32::MAX)),
            remote: None,
            at: Instant::from_micros(counts[0]),
            what: text.clone(),
        }];
        report.more_failures = counts[1];
        report.files = vec![FileLine { path: name, what: text }];
        report
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_figure_makes_a_format_panic(report in any_report(), width in 0..300usize, colour: bool) {
        let text = terminal::summary(&report, Look { width, colour });
        let escapes = text.contains('\u{1b}');
        prop_assert!(colour || !escapes);
        let bytes = json::summary(&report);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        prop_assert!(hlog::histograms(&report).starts_with(b"#"));
    }
}
