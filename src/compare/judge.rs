use crate::metrics::Rate;

use super::{Estimate, Figure, Gate, Margin, Margins, holm};

/// Fewer runs a side say nothing of how runs differ.
pub const MIN_RUNS: usize = 5;
/// The probability of a false alarm of all gates together, and of a false all-clear.
pub const TAIL: f64 = 0.05;

/// What one run says to a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The figure in ms, or the share of hits.
    pub value: f64,
    /// Hits of a rate.
    pub hits: u64,
    /// Samples of a trend, cases of a rate; from 1 on.
    pub total: u64,
}

impl Reading {
    /// A figure of a trend that has so many samples.
    pub fn figure(ms: f64, samples: u64) -> Self {
        Self {
            value: ms,
            hits: 0,
            total: samples,
        }
    }

    /// A rate.
    pub fn share(rate: Rate) -> Self {
        Self {
            value: rate.value().unwrap_or(0.0),
            hits: rate.hits,
            total: rate.total,
        }
    }

    /// Of a rate: hits and cases.
    pub fn rate(&self) -> Rate {
        Rate {
            hits: self.hits,
            total: self.total,
        }
    }
}

/// What the runs of both sides say to a gate. A run without a sample says nothing, and is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    pub gate: Gate,
    pub base: Vec<Reading>,
    pub new: Vec<Reading>,
}

/// What follows for one gate.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Worse than base by more than the margin.
    Regression,
    /// Not worse than base by the margin or more.
    NoRegression,
    /// Nobody can tell yet.
    Inconclusive(Why),
    /// It is no evidence, and does not count.
    Refused(Why),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A side has fewer than [`MIN_RUNS`] runs with a sample: how many each still needs.
    TooFewRuns { base: usize, new: usize },
    /// The interval holds the margin: about so many more runs a side would settle it, or more than anybody makes.
    TooClose { more: Option<u32> },
    /// One side has no sample at all.
    OneSided,
    /// Most runs of base have it infinite: nothing can be worse.
    BaseFails,
    /// Of a rate: nothing failed on either side, so there is nothing to compare.
    NothingFailed,
    /// So few samples of all runs of a side say nothing of that percentile.
    TooFewSamples { have: u64, need: u64 },
}

/// The answer to all gates together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Regression,
    NoRegression,
    Inconclusive,
}

impl Verdict {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regression => "REGRESSION",
            Self::NoRegression => "NO REGRESSION",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }

    /// One regression is a regression; without, one question is a question. What is refused does not count, and
    /// nothing but that is a question.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut all_clear = false;
        let mut open = false;
        for outcome in outcomes {
            match outcome {
                Outcome::Regression => return Self::Regression,
                Outcome::NoRegression => all_clear = true,
                Outcome::Inconclusive(_) => open = true,
                Outcome::Refused(_) => {}
            }
        }
        match all_clear && !open {
            true => Self::NoRegression,
            false => Self::Inconclusive,
        }
    }
}

/// One gate, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub outcome: Outcome,
    pub estimate: Option<Estimate>,
    /// What lies below and above the interval by which it was judged; Holm's below.
    pub tails: [f64; 2],
}

impl Judged {
    fn without(outcome: Outcome) -> Self {
        Self {
            outcome,
            estimate: None,
            tails: [TAIL; 2],
        }
    }

    /// The interval by which it was judged.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let estimate = self.estimate.as_ref()?;
        Some([estimate.low(self.tails[0]), estimate.high(self.tails[1])])
    }
}

/// Judges all gates, in their order.
pub fn judge(all: &[Readings], margins: &Margins) -> Vec<Judged> {
    let estimates: Vec<Result<Estimate, Outcome>> = all
        .iter()
        .map(|readings| estimate(readings, margins.of(&readings.gate)))
        .collect();
    let tails: Vec<f64> = estimates.iter().flatten().map(Estimate::tail_above).collect();
    let mut steps = holm(&tails, TAIL).into_iter();
    estimates
        .into_iter()
        .zip(all)
        .map(|(estimate, readings)| match estimate {
            Err(outcome) => Judged::without(outcome),
            Ok(estimate) => {
                let step = steps.next().expect("a step for each estimate");
                let tails = [step.tail, TAIL];
                let outcome = if step.significant {
                    Outcome::Regression
                } else if estimate.tail_below() <= TAIL {
                    Outcome::NoRegression
                } else {
                    let have = readings.base.len().min(readings.new.len()) as u32;
                    let runs = estimate.runs_to_settle(tails);
                    Outcome::Inconclusive(Why::TooClose {
                        more: runs.map(|runs| runs.saturating_sub(have).max(1)),
                    })
                };
                Judged {
                    outcome,
                    estimate: Some(estimate),
                    tails,
                }
            }
        })
        .collect()
}

fn estimate(readings: &Readings, margin: Margin) -> Result<Estimate, Outcome> {
    let Readings { gate, base, new } = readings;
    if base.is_empty() != new.is_empty() {
        return Err(Outcome::Inconclusive(Why::OneSided));
    }
    let missing = |side: &[Reading]| MIN_RUNS.saturating_sub(side.len());
    let (lacks_base, lacks_new) = (missing(base), missing(new));
    if lacks_base + lacks_new > 0 {
        return Err(Outcome::Inconclusive(Why::TooFewRuns {
            base: lacks_base,
            new: lacks_new,
        }));
    }
    let samples = |side: &[Reading]| side.iter().map(|run| run.total).sum::<u64>();
    let (have, need) = (samples(base).min(samples(new)), gate.figure.samples_needed());
    if have < need {
        return Err(Outcome::Refused(Why::TooFewSamples { have, need }));
    }
    match gate.figure {
        Figure::Rate if base.iter().chain(new).all(|run| run.hits == 0) => {
            Err(Outcome::Refused(Why::NothingFailed))
        }
        Figure::Rate => Ok(Estimate::of_shares(base, new, margin)),
        _ => Estimate::of_figures(base, new, margin).ok_or(Outcome::Inconclusive(Why::BaseFails)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(figure: Figure, base: &[f64], new: &[f64], samples: u64) -> Readings {
        let side = |values: &[f64]| values.iter().map(|ms| Reading::figure(*ms, samples)).collect();
        Readings {
            gate: Gate {
                key: Gate::selector("connect_ms").expect("a metric"),
                figure,
            },
            base: side(base),
            new: side(new),
        }
    }

    fn outcome(base: &[f64], new: &[f64]) -> Outcome {
        let judged = judge(&[readings(Figure::P95, base, new, 100)], &Margins::default());
        if let (Some([low, high]), Some(estimate)) = (judged[0].interval(), &judged[0].estimate) {
            let (above, below) = (low > estimate.margin(), high < estimate.margin());
            assert_eq!(above, judged[0].outcome == Outcome::Regression, "{judged:?}");
            assert_eq!(below, judged[0].outcome == Outcome::NoRegression, "{judged:?}");
        }
        judged[0].outcome.clone()
    }

    const BASE: [f64; 6] = [100.0, 101.0, 99.0, 102.0, 98.0, 100.0];

    #[test]
    fn the_interval_and_the_margin_decide() {
        assert_eq!(outcome(&BASE, &BASE.map(|ms| ms * 1.2)), Outcome::Regression);
        assert_eq!(outcome(&BASE, &BASE), Outcome::NoRegression);
        assert_eq!(outcome(&BASE, &BASE.map(|ms| ms * 0.5)), Outcome::NoRegression);
        assert!(matches!(
            outcome(&BASE, &BASE.map(|ms| ms * 1.045)),
            Outcome::Inconclusive(Why::TooClose { .. })
        ));
    }

    #[test]
    fn fewer_than_five_runs_a_side_decide_nothing() {
        let worse = BASE.map(|ms| ms * 9.0);
        assert_eq!(
            outcome(&BASE[..4], &worse[..1]),
            Outcome::Inconclusive(Why::TooFewRuns { base: 1, new: 4 })
        );
        assert_eq!(outcome(&BASE, &[]), Outcome::Inconclusive(Why::OneSided));
    }

    #[test]
    fn a_percentile_without_samples_beyond_it_is_refused() {
        let judged = |figure, samples| {
            judge(&[readings(figure, &BASE, &BASE, samples)], &Margins::default())[0]
                .outcome
                .clone()
        };
        assert_eq!(
            judged(Figure::P99, 166),
            Outcome::Refused(Why::TooFewSamples {
                have: 996,
                need: 1_000
            })
        );
        assert_eq!(judged(Figure::P99, 167), Outcome::NoRegression);
        assert_eq!(judged(Figure::P50, 4), Outcome::NoRegression);
    }

    #[test]
    fn no_failure_on_either_side_is_no_question() {
        let side = |hits| vec![Reading::share(Rate { hits, total: 6 }); 5];
        let rate = |new| Readings {
            gate: Gate {
                key: Gate::selector("connect_failed").expect("a metric"),
                figure: Figure::Rate,
            },
            base: side(0),
            new: side(new),
        };
        let outcome = |new| judge(&[rate(new)], &Margins::default())[0].outcome.clone();
        assert_eq!(outcome(0), Outcome::Refused(Why::NothingFailed));
        assert_eq!(outcome(4), Outcome::Regression);
    }

    #[test]
    fn a_percentile_that_falls_on_failures_is_worse_than_any_other() {
        let inf = f64::INFINITY;
        assert_eq!(outcome(&BASE, &[inf; 6]), Outcome::Regression);
        assert_eq!(outcome(&BASE, &[100.0, 101.0, inf, 99.0, 101.0, 100.0]), {
            // 19.5 of 36 pairs are longer, and that only by 1 ms: the margin is 5 ms.
            Outcome::NoRegression
        });
        assert_eq!(outcome(&[inf; 6], &BASE), Outcome::Inconclusive(Why::BaseFails));
    }

    #[test]
    fn of_many_gates_each_has_to_be_surer() {
        let near = readings(Figure::P95, &BASE, &BASE.map(|ms| ms * 1.075), 100);
        let alone = judge(std::slice::from_ref(&near), &Margins::default());
        assert_eq!(alone[0].outcome, Outcome::Regression);
        let mut many = vec![readings(Figure::P95, &BASE, &BASE, 100); 30];
        many.push(near);
        let among = judge(&many, &Margins::default());
        assert!(
            matches!(among[30].outcome, Outcome::Inconclusive(_)),
            "{:?}",
            among[30]
        );
        assert_eq!(
            Verdict::of(among.iter().map(|j| &j.outcome)),
            Verdict::Inconclusive
        );
    }

    #[test]
    fn what_is_refused_does_not_count_but_nothing_else_is_no_all_clear() {
        let refused = Outcome::Refused(Why::TooFewSamples { have: 1, need: 2 });
        assert_eq!(Verdict::of([&refused]), Verdict::Inconclusive);
        assert_eq!(
            Verdict::of([&refused, &Outcome::NoRegression]),
            Verdict::NoRegression
        );
        assert_eq!(
            Verdict::of([&Outcome::Inconclusive(Why::OneSided), &Outcome::Regression]),
            Verdict::Regression
        );
        assert_eq!(Verdict::of([]), Verdict::Inconclusive);
    }
}
