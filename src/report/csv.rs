//! `metrics.csv`: one row a metric, whole or by its tags; several runs below one another. Quoted as RFC 4180 says.

use std::borrow::Cow;

use crate::metrics::{MetricKey, Rate, Trend};

use super::{RunRecord, RunReport, json::TrendFigures};

/// The columns. A cell is empty where its figure means nothing for that kind of metric, or there is none.
pub const COLUMNS: [&str; 26] = [
    "run",
    "scenario",
    "seed",
    "world",
    "verdict",
    "metric",
    "tags",
    "kind",
    "unit",
    "count",
    "failed",
    "min",
    "mean",
    "p50",
    "p90",
    "p95",
    "p99",
    "p999",
    "max",
    "ok_mean",
    "ok_p95",
    "ok_max",
    "hits",
    "total",
    "value",
    "started_at",
];

/// The metrics of the runs.
///
/// # Errors
/// Never: it is written to memory.
pub fn metrics(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let mut table = Table {
        // RFC 4180 ends its records so.
        csv: csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new()),
    };
    table.write(&COLUMNS.map(str::to_owned))?;
    for (index, run) in runs.iter().enumerate() {
        let report = &run.report;
        for (key, trend) in &report.metrics.trends {
            table.trend(&Row::of(index, report, key), trend)?;
        }
        for (key, rate) in &report.metrics.rates {
            table.rate(&Row::of(index, report, key), *rate)?;
        }
        for (key, count) in &report.metrics.counters {
            table.counter(&Row::of(index, report, key), *count)?;
        }
    }
    table.csv.into_inner().map_err(|error| error.to_string())
}

struct Table {
    csv: csv::Writer<Vec<u8>>,
}

/// What a row is about.
struct Row<'a> {
    index: usize,
    report: &'a RunReport,
    key: &'a MetricKey,
}

impl<'a> Row<'a> {
    fn of(index: usize, report: &'a RunReport, key: &'a MetricKey) -> Self {
        Self { index, report, key }
    }

    /// Its cells by the names of their columns.
    fn cells(&self, kind: &str, unit: &str, figures: &[(&str, String)]) -> [String; COLUMNS.len()] {
        let report = self.report;
        let tags = self.key.tags.iter().map(|(tag, value)| format!("{tag}:{value}"));
        let tags: Vec<String> = tags.collect();
        COLUMNS.map(|column| match column {
            "run" => (self.index + 1).to_string(),
            "scenario" => text(&report.scenario.name),
            "seed" => report.scenario.seed.to_string(),
            "world" => text(&report.world),
            "verdict" => report.verdict.word.as_str().to_lowercase(),
            "metric" => text(&self.key.name),
            "tags" => text(&tags.join(",")),
            "kind" => kind.to_owned(),
            "unit" => unit.to_owned(),
            "started_at" if !report.is_virtual() => text(&report.started_at.text),
            column => {
                let figure = figures.iter().find(|(name, _)| *name == column);
                figure.map(|(_, figure)| figure.clone()).unwrap_or_default()
            }
        })
    }
}

impl Table {
    fn trend(&mut self, row: &Row<'_>, trend: &Trend) -> Result<(), String> {
        let told = TrendFigures::of(trend);
        let mut figures = vec![
            ("count", trend.count().to_string()),
            ("failed", trend.failed().to_string()),
        ];
        figures.extend(
            told.by_name()
                .map(|(name, value)| (name, figure(value.rounded()))),
        );
        self.write(&row.cells("trend", "ms", &figures))
    }

    fn rate(&mut self, row: &Row<'_>, rate: Rate) -> Result<(), String> {
        let figures = [
            ("hits", rate.hits.to_string()),
            ("total", rate.total.to_string()),
            ("value", figure(rate.value())),
        ];
        self.write(&row.cells("rate", "ratio", &figures))
    }

    fn counter(&mut self, row: &Row<'_>, count: u64) -> Result<(), String> {
        self.write(&row.cells("counter", "count", &[("count", count.to_string())]))
    }

    fn write(&mut self, cells: &[String; COLUMNS.len()]) -> Result<(), String> {
        self.csv.write_record(cells).map_err(|error| error.to_string())
    }
}

/// A figure with all its digits, `inf` if it fell on a failure, nothing if there is none.
fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) if !value.is_nan() => value.to_string(),
        _ => String::new(),
    }
}

/// Text as a cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe in front.
fn text(text: &str) -> String {
    let clean: Cow<'_, str> = match text.chars().any(char::is_control) {
        true => super::paper::clean(text).into(),
        false => text.into(),
    };
    match clean.trim_start().starts_with(['=', '+', '-', '@']) {
        true => format!("'{clean}"),
        false => clean.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn told(runs: &[RunRecord]) -> String {
        String::from_utf8(metrics(runs).expect("it is written to memory")).expect("text")
    }

    fn rows(text: &str) -> Vec<csv::StringRecord> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader
            .records()
            .map(|row| row.expect("rows of one length"))
            .collect()
    }

    fn cell<'a>(row: &'a csv::StringRecord, column: &str) -> &'a str {
        let at = COLUMNS.iter().position(|name| *name == column).expect("a column");
        &row[at]
    }

    #[test]
    fn a_busy_run_is_a_row_for_each_metric() {
        let run = samples::recorded(samples::busy_run());
        let metrics = &run.report.metrics;
        let all = metrics.trends.len() + metrics.rates.len() + metrics.counters.len();
        let text = told(&[run]);
        assert_eq!(rows(&text).len(), all);
        insta::with_settings!({
            snapshot_path => "../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!("metrics-csv-busy", text.replace('\r', "")) });
    }

    #[test]
    fn several_runs_stand_below_one_another_and_failures_are_inf() {
        let text = told(&[
            samples::recorded(samples::failed_run()),
            samples::recorded(samples::busy_run()),
        ]);
        let rows = rows(&text);
        let joins = &rows[0];
        assert_eq!(
            [
                "run", "metric", "kind", "count", "failed", "min", "p95", "max", "ok_p95", "hits"
            ]
            .map(|column| cell(joins, column)),
            ["1", "connect_ms", "trend", "6", "6", "", "inf", "inf", "", ""]
        );
        assert_eq!(cell(rows.last().expect("rows"), "run"), "2");
        let runs: Vec<&str> = rows.iter().map(|row| cell(row, "run")).collect();
        assert!(runs.is_sorted() && runs.contains(&"2"));
    }

    #[test]
    fn other_peoples_text_is_quoted_and_never_a_formula() {
        let mut report = samples::failed_run();
        for (name, shown) in [
            ("a, \"b\"\r\nc", "a, \"b\"  c"),
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "' =1"),
            ("a=1", "a=1"),
        ] {
            report.scenario.name = name.to_owned();
            let text = told(&[samples::recorded(report.clone())]);
            assert_eq!(cell(&rows(&text)[0], "scenario"), shown);
        }
    }

    #[test]
    fn a_run_of_nothing_is_the_head_alone() {
        let text = told(&[samples::recorded(samples::empty_run())]);
        assert_eq!(text, format!("{}\r\n", COLUMNS.join(",")));
    }
}
