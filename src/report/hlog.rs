//! `histograms.hlog`: the interval log of HdrHistogram, format 1.3, readable by its own tools
//! (HistogramLogAnalyzer, the plotter of hdrhistogram.github.io, every port's log reader).

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};

use crate::metrics::MetricKey;

use super::model::RunReport;

/// Values are µs; the log's column of maxima, for human eyes, is in ms.
const MICROS_PER_MS: f64 = 1_000.0;

/// One interval, the whole run, for every trend that has successes; its tag is the metric's key.
///
/// Failures are no values: the comment lines count them.
pub fn histograms(report: &RunReport) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut header = IntervalLogWriterBuilder::new();
    header
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&one_line(&format!(
            "[Logged with rtcstorm {}: scenario {}, seed {}]",
            report.version, report.scenario.name, report.scenario.seed
        )))
        .add_comment("Values are microseconds; the column of maxima is in milliseconds.")
        .add_comment("Failures are infinitely long and not among the values; they are counted here:")
        .with_start_time(UNIX_EPOCH + Duration::from_millis(report.started_at.unix_ms))
        .with_max_value_divisor(MICROS_PER_MS);
    for (key, trend) in &report.metrics.trends {
        if trend.failed() > 0 {
            header.add_comment(&format!("  {} failed {}", tag(key), trend.failed()));
        }
    }
    let mut log = header
        .begin_log_with(&mut bytes, &mut serializer)
        .expect("writing to memory does not fail");

    // The writer keeps no more than milliseconds anyway.
    let took = Duration::try_from_secs_f64(report.duration_ms / 1_000.0).unwrap_or_default();
    for (key, trend) in &report.metrics.trends {
        if !trend.successes().is_empty() {
            let name = tag(key);
            log.write_histogram(trend.successes(), Duration::ZERO, took, Tag::new(&name))
                .expect("a trend's bounds are fixed and memory takes all");
        }
    }
    bytes
}

/// A metric's key as a tag: the format has no commas, spaces and line feeds in tags.
fn tag(key: &MetricKey) -> String {
    let allowed = |c: char| match c {
        ',' => ';',
        c if c.is_whitespace() || c.is_control() => '_',
        c => c,
    };
    key.to_string().chars().map(allowed).collect()
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hdrhistogram::{
        Histogram,
        serialization::{
            Deserializer,
            interval_log::{IntervalLogIterator, LogEntry},
        },
    };

    use super::*;
    use crate::report::samples;

    /// RFC 4648 base64; the log reader hands the histogram over as it stands.
    fn base64(text: &str) -> Vec<u8> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bits, mut have, mut bytes) = (0u32, 0, Vec::new());
        for c in text.bytes().filter(|c| *c != b'=') {
            let value = alphabet.iter().position(|a| *a == c).expect("base64");
            bits = bits << 6 | value as u32;
            have += 6;
            if have >= 8 {
                have -= 8;
                bytes.push((bits >> have) as u8);
            }
        }
        bytes
    }

    #[test]
    fn every_trend_comes_back_from_the_log_as_it_was() {
        let report = samples::busy_run();
        let bytes = histograms(&report);
        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            match entry.expect("every line parses") {
                LogEntry::StartTime(since_epoch) => {
                    assert_eq!(since_epoch.as_millis() as u64, report.started_at.unix_ms);
                }
                LogEntry::BaseTime(_) => panic!("there is none"),
                LogEntry::Interval(interval) => {
                    let raw = base64(interval.encoded_histogram());
                    let histogram: Histogram<u64> = Deserializer::new()
                        .deserialize(&mut Cursor::new(raw))
                        .expect("V2 deflate");
                    assert!((interval.max() - histogram.max() as f64 / 1_000.0).abs() < 0.001);
                    assert!((interval.duration().as_secs_f64() * 1_000.0 - report.duration_ms).abs() < 1.0);
                    read.push((interval.tag().expect("a tag").as_str().to_owned(), histogram));
                }
            }
        }
        let written: Vec<_> = report
            .metrics
            .trends
            .iter()
            .filter(|(_, trend)| !trend.successes().is_empty())
            .map(|(key, trend)| (tag(key), trend.successes().clone()))
            .collect();
        assert_eq!(read, written);
    }

    #[test]
    fn the_log_says_its_unit_and_counts_failures() {
        let text = String::from_utf8(histograms(&samples::busy_run())).expect("text");
        assert!(
            text.starts_with("#[Histogram log format version 1.3]\n"),
            "{text}"
        );
        assert!(text.contains("#Values are microseconds"), "{text}");
        assert!(text.contains("#  reconnect_ms failed 3\n"), "{text}");
    }

    #[test]
    fn a_run_without_samples_is_a_log_without_intervals() {
        let bytes = histograms(&samples::empty_run());
        let entries: Vec<_> = IntervalLogIterator::new(&bytes).collect();
        assert!(matches!(entries[..], [Ok(LogEntry::StartTime(_))]), "{entries:?}");
    }
}
