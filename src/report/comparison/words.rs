//! What all formats say in the same words.

use crate::{
    compare::{Change, Comparison, Figure, Line, MIN_RUNS, Method, Outcome, TAIL, Verdict, Why},
    verdict::ExitCode,
};

use super::super::units;

/// From so large a change on it is told as a factor.
pub(super) const MANY_TIMES: f64 = 10.0;

/// What the process exits with.
pub(crate) fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Regression => ExitCode::Regression,
        Verdict::NoRegression => ExitCode::Pass,
        Verdict::Inconclusive => ExitCode::Invalid,
    }
}

pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Regression => "REGRESSION",
        Outcome::NoRegression => "no regression",
        Outcome::Inconclusive(_) => "INCONCLUSIVE",
        Outcome::Refused(Why::NothingFailed) => "no failure",
        Outcome::Refused(_) => "refused",
    }
}

/// The figure of a side, in its unit.
pub(super) fn figure(line: &Line, value: Option<f64>) -> String {
    match line.gate.figure {
        Figure::Rate => units::percent(value),
        _ => units::duration(value),
    }
}

/// The change, `+20.1%`; of shares in percentage points, `+1.2pp`.
pub(super) fn change(change: &Change) -> String {
    change
        .value
        .map_or_else(|| "-".to_owned(), |value| step(change, value))
}

/// `+12.0% to +28.3%`.
pub(super) fn interval(change: &Change) -> String {
    format!("{} to {}", step(change, change.low), step(change, change.high))
}

/// What of it still counts as the same.
pub(super) fn margin(change: &Change) -> String {
    step(change, change.margin)
}

fn step(change: &Change, value: f64) -> String {
    let sign = match value < 0.0 {
        true => "-",
        false => "+",
    };
    let size = value.abs();
    if size.is_infinite() {
        return format!("{sign}inf");
    }
    match change.method {
        Method::LogRatio if size >= MANY_TIMES => format!("×{:.0}", 1.0 + size),
        Method::LogRatio => format!("{sign}{:.1}%", size * 100.0),
        Method::Ranks => format!("{sign}{}", units::duration(Some(size))),
        Method::Shares => format!("{sign}{:.2}pp", size * 100.0),
    }
}

/// Why there is no answer, and what would help.
pub(super) fn why(line: &Line) -> Option<String> {
    let (Outcome::Inconclusive(why) | Outcome::Refused(why)) = &line.outcome else {
        return None;
    };
    let [base, new] = line.runs;
    Some(match why {
        Why::NothingFailed => return None,
        Why::TooFewRuns {
            base: lacks_base,
            new: lacks_new,
        } => {
            let missing = [(*lacks_base, base, "base"), (*lacks_new, new, "new")];
            let missing: Vec<String> = missing
                .into_iter()
                .filter(|(lacks, ..)| *lacks > 0)
                .map(|(lacks, has, side)| format!("{side} has {} and needs {lacks} more", runs(has as u64)))
                .collect();
            missing.join(", ")
        }
        Why::TooClose { more: Some(more) } => {
            let which = match (base, new) {
                (base, new) if base == new => "a side".to_owned(),
                _ => format!("than {} a side", base.min(new)),
            };
            format!(
                "about {more} more {} {which} would settle it",
                match more {
                    1 => "run",
                    _ => "runs",
                }
            )
        }
        Why::TooClose { more: None } => {
            "so close to the margin that more runs would hardly settle it".to_owned()
        }
        Why::OneSided => {
            let side = if base == 0 { "base" } else { "new" };
            format!("{side} has no sample of it")
        }
        Why::BaseFails => {
            "in most runs of base it falls on failures already: the rate of failures tells more".to_owned()
        }
        Why::TooFewSamples { have, need } => format!(
            "a side has {} of the {} samples that it takes: more rooms or more runs bring them",
            grouped(*have),
            grouped(*need)
        ),
    })
}

/// What to do about all open questions; empty if there is none.
pub(super) fn advice(comparison: &Comparison) -> Vec<String> {
    if comparison.verdict != Verdict::Inconclusive {
        return Vec::new();
    }
    let mut advice = Vec::new();
    if comparison.lines.is_empty() {
        advice.push("neither side has a sample of what is compared".to_owned());
    } else if let Some(more) = comparison.lacking() {
        advice.push(format!(
            "nothing is told from fewer than {MIN_RUNS} runs a side: {} missing",
            match more {
                1 => "1 is".to_owned(),
                more => format!("{more} are"),
            }
        ));
    } else if let Some(more) = comparison.more_runs() {
        advice.push(format!(
            "about {more} more {} a side would settle what runs can settle",
            match more {
                1 => "run",
                _ => "runs",
            }
        ));
    }
    if comparison.has_hopeless() {
        advice.push(
            "what more runs don't settle takes a wider margin (`--margin`) or other metrics (`--metric`)"
                .to_owned(),
        );
    }
    advice
}

/// How it was judged, in a sentence.
pub(super) fn method(comparison: &Comparison) -> String {
    let judged = comparison
        .lines
        .iter()
        .filter(|line| line.change.is_some())
        .count();
    let all = 100.0 * (1.0 - TAIL);
    match judged {
        0 => "Nothing could be estimated.".to_owned(),
        1 => format!(
            "Each run counts once. The interval's ends are {all:.0} % sure each; a regression lies beyond the margin with all of it."
        ),
        judged => format!(
            "Each run counts once. Intervals end above at {all:.0} %, below so that all {judged} together raise a false alarm in {:.0} % of comparisons at most (Holm); a regression lies beyond the margin with all of its interval.",
            100.0 * TAIL
        ),
    }
}

/// `3 runs`.
pub(super) fn runs(count: u64) -> String {
    match count {
        1 => "1 run".to_owned(),
        count => format!("{} runs", grouped(count)),
    }
}

/// `1,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
