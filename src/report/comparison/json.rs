//! A comparison as JSON, schema `rtcstorm.comparison/1`.

use serde::Serialize;

use super::words;
use crate::{
    compare::{Change, Comparison, Figure, Line, Outcome, Side, Verdict, Why},
    report::json::Exact,
};

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.comparison/1";

#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    verdict: &'static str,
    exit_code: u8,
    /// About so many more runs a side settle what runs can settle; `null` if nothing is open.
    more_runs: Option<u32>,
    base: SideTold<'a>,
    new: SideTold<'a>,
    forced: &'a [String],
    notes: &'a [String],
    figures: Vec<LineTold>,
}

#[derive(Serialize)]
struct SideTold<'a> {
    name: &'a str,
    runs: usize,
    scenario: &'a str,
    world: &'a str,
    target: &'a str,
    version: &'a str,
    machine: &'a str,
}

#[derive(Serialize)]
struct LineTold {
    metric: String,
    figure: &'static str,
    unit: &'static str,
    outcome: &'static str,
    why: Option<String>,
    more_runs: Option<u32>,
    base: SideFigure,
    new: SideFigure,
    margin: MarginTold,
    change: Option<ChangeTold>,
}

#[derive(Serialize)]
struct SideFigure {
    value: Exact,
    samples: u64,
    runs: usize,
}

#[derive(Serialize)]
struct MarginTold {
    relative: f64,
    absolute: f64,
}

#[derive(Serialize)]
struct ChangeTold {
    method: &'static str,
    /// `ratio` (0.2 for a fifth more), `ms` or `share`.
    unit: &'static str,
    value: Exact,
    low: Exact,
    high: Exact,
    /// In the same unit: beyond it lies a regression.
    margin: Exact,
    tail_below: f64,
    tail_above: f64,
    cases_per_independent_case: Option<f64>,
}

/// The whole text, indented, with a line feed at its end.
pub fn comparison(comparison: &Comparison) -> Vec<u8> {
    let told = Told {
        schema: SCHEMA,
        verdict: match comparison.verdict {
            Verdict::Regression => "regression",
            Verdict::NoRegression => "no_regression",
            Verdict::Inconclusive => "inconclusive",
        },
        exit_code: words::exit_code(comparison.verdict).number(),
        more_runs: comparison.more_runs(),
        base: side(&comparison.base),
        new: side(&comparison.new),
        forced: &comparison.forced,
        notes: &comparison.notes,
        figures: comparison.lines.iter().map(line).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&told).expect("its fields are all JSON");
    bytes.push(b'\n');
    bytes
}

fn side(side: &Side) -> SideTold<'_> {
    SideTold {
        name: &side.name,
        runs: side.runs,
        scenario: &side.scenario,
        world: &side.world,
        target: &side.target,
        version: &side.version,
        machine: &side.machine,
    }
}

fn line(line: &Line) -> LineTold {
    let [base, new] = [0, 1].map(|nth| SideFigure {
        value: Exact([line.base, line.new][nth]),
        samples: line.samples[nth],
        runs: line.runs[nth],
    });
    LineTold {
        metric: line.gate.key.to_string(),
        figure: line.gate.figure.name(),
        unit: match line.gate.figure {
            Figure::Rate => "ratio",
            _ => "ms",
        },
        outcome: match &line.outcome {
            Outcome::Regression => "regression",
            Outcome::NoRegression => "no_regression",
            Outcome::Inconclusive(Why::TooFewRuns { .. }) => "inconclusive_too_few_runs",
            Outcome::Inconclusive(_) => "inconclusive",
            Outcome::Refused(Why::NothingFailed) => "no_failure",
            Outcome::Refused(_) => "refused",
        },
        why: words::why(line),
        more_runs: line.outcome.more_runs(),
        base,
        new,
        margin: MarginTold {
            relative: line.margin.relative,
            absolute: line.margin.absolute,
        },
        change: line.change.as_ref().map(change),
    }
}

fn change(change: &Change) -> ChangeTold {
    use crate::compare::Method;
    ChangeTold {
        method: change.method.name(),
        unit: match change.method {
            Method::LogRatio => "ratio",
            Method::Ranks => "ms",
            Method::Shares => "share",
        },
        value: Exact(change.value),
        low: Exact(Some(change.low)),
        high: Exact(Some(change.high)),
        margin: Exact(Some(change.margin)),
        tail_below: change.tails[0],
        tail_above: change.tails[1],
        cases_per_independent_case: change.inflation,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn programs_find_the_verdict_and_each_figure() {
        let told =
            |of: &Comparison| -> serde_json::Value { serde_json::from_slice(&comparison(of)).expect("JSON") };
        let regression = told(&samples::regression());
        assert_eq!(regression["schema"], SCHEMA);
        assert_eq!(
            (&regression["verdict"], &regression["exit_code"]),
            (&"regression".into(), &97.into())
        );
        let worse: Vec<_> = regression["figures"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|line| line["outcome"] == "regression")
            .collect();
        assert!(!worse.is_empty());
        for line in worse {
            assert!(
                line["change"]["low"].as_f64() > line["change"]["margin"].as_f64(),
                "{line}"
            );
        }
        let few = told(&samples::few());
        assert_eq!(
            (&few["verdict"], &few["more_runs"]),
            (&"inconclusive".into(), &4.into())
        );
        let failing = told(&samples::failing_and_forced());
        assert_eq!(failing["forced"].as_array().map(Vec::len), Some(1));
        assert!(failing["figures"].to_string().contains(r#""value":"inf""#));
    }
}
