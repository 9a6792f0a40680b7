use rand::{Rng, RngExt};

use super::{
    Estimate, Figure, Gate, Gates, Margins, Reading, Readings, Run, TAIL, Verdict, comparison::readings,
    judge, welch,
};

/// What is missed of a regression that is said to be found.
const MISS: f64 = 0.1;

/// What `compare` would say on this machine, of this scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Runs that were drawn for each side.
    pub per_side: usize,
    /// How often the runs were split in two.
    pub splits: u32,
    /// Splits of which the two sides, which are the same, were told apart.
    pub false_alarms: u32,
    /// Splits that were found to be the same.
    pub all_clear: u32,
    /// Numbers of runs a side, ascending.
    pub runs: Vec<u32>,
    /// In the order of the gates.
    pub effects: Vec<SmallestEffect>,
}

/// What one gate sees.
#[derive(Debug, Clone, PartialEq)]
pub struct SmallestEffect {
    pub gate: Gate,
    /// The figure of the middle: geometric mean of the runs' figures in ms, or the share of all.
    pub figure: f64,
    /// Of durations: how much one run differs from another, as a share of the figure (standard deviation of logs).
    pub spread: Option<f64>,
    /// With that many runs a side ([`Calibration::runs`]), the smallest change that nine comparisons in ten find: of
    /// durations a share of the figure, of rates a difference of shares. `None`: it would be refused, or is compared by ranks.
    pub found: Vec<Option<f64>>,
}

/// Splits runs of one and the same thing at random, again and again, and compares the parts; and says what their
/// spread lets be seen. `per_side` is at most half of the runs.
pub fn calibrate(
    runs: &[Run],
    gates: &Gates,
    margins: &Margins,
    per_side: usize,
    splits: u32,
    rng: &mut impl Rng,
) -> Calibration {
    let all: Vec<(Gate, Vec<Option<Reading>>)> = gates
        .gates()
        .into_iter()
        .map(|gate| {
            let each = runs
                .iter()
                .map(|run| readings(std::slice::from_ref(run), &gate).pop());
            let each: Vec<Option<Reading>> = each.collect();
            (gate, each)
        })
        .filter(|(_, each)| each.iter().any(Option::is_some))
        .collect();
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let (mut false_alarms, mut all_clear) = (0, 0);
    for _ in 0..splits {
        for at in 0..2 * per_side {
            order.swap(at, rng.random_range(at..runs.len()));
        }
        let side = |each: &[Option<Reading>], from: usize| -> Vec<Reading> {
            let drawn = &order[from..from + per_side];
            drawn.iter().filter_map(|run| each[*run]).collect()
        };
        let split: Vec<Readings> = all
            .iter()
            .map(|(gate, each)| Readings {
                gate: gate.clone(),
                base: side(each, 0),
                new: side(each, per_side),
            })
            .filter(|readings| !readings.base.is_empty() || !readings.new.is_empty())
            .collect();
        let judged = judge(&split, margins);
        match Verdict::of(judged.iter().map(|judged| &judged.outcome)) {
            Verdict::Regression => false_alarms += 1,
            Verdict::NoRegression => all_clear += 1,
            Verdict::Inconclusive => {}
        }
    }
    let sides = [super::MIN_RUNS as u32, 10, 20, 40];
    Calibration {
        per_side,
        splits,
        false_alarms,
        all_clear,
        runs: sides.to_vec(),
        effects: effects(&all, margins, &sides),
    }
}

fn effects(all: &[(Gate, Vec<Option<Reading>>)], margins: &Margins, sides: &[u32]) -> Vec<SmallestEffect> {
    // Gates that are refused for want of samples are not among those that Holm shares its tail out to; more runs
    // bring more samples, so each number of runs has its own.
    let present = |each: &[Option<Reading>]| -> Vec<Reading> { each.iter().copied().flatten().collect() };
    let is_judged = |gate: &Gate, each: &[Option<Reading>], runs: u32| {
        let total: u64 = present(each).iter().map(|run| run.total).sum();
        let per_run = total as f64 / each.len() as f64;
        per_run * f64::from(runs) >= gate.figure.samples_needed() as f64
    };
    let tails: Vec<f64> = sides
        .iter()
        .map(|runs| {
            let judged = all.iter().filter(|(gate, each)| is_judged(gate, each, *runs));
            TAIL / judged.count().max(1) as f64
        })
        .collect();
    all.iter()
        .filter_map(|(gate, each)| {
            let each_run = present(each);
            if each_run.len() < 2 {
                return None;
            }
            let estimate = match gate.figure {
                Figure::Rate => Estimate::of_shares(&each_run, &each_run, margins.of(gate)),
                _ => Estimate::of_figures(&each_run, &each_run, margins.of(gate))?,
            };
            let found = sides.iter().zip(&tails).map(|(runs, tail)| {
                let judged = is_judged(gate, each, *runs);
                judged.then(|| smallest(&estimate, *runs, *tail)).flatten()
            });
            Some(SmallestEffect {
                gate: gate.clone(),
                figure: match &estimate {
                    Estimate::LogRatio { of, .. } => of.base,
                    Estimate::Ranks { of, .. } => of.base,
                    Estimate::Shares { of, .. } => of.base(),
                },
                spread: match &estimate {
                    Estimate::LogRatio { of, .. } => Some(of.spread()),
                    _ => None,
                },
                found: found.collect(),
            })
        })
        .collect()
}

/// The smallest change that is told from its margin with the probability `1 - MISS`.
fn smallest(estimate: &Estimate, runs: u32, tail: f64) -> Option<f64> {
    match estimate {
        Estimate::LogRatio { of, margin } => {
            Some((margin + welch::distance(of.spread(), runs, tail, MISS)).exp_m1())
        }
        Estimate::Ranks { .. } => None,
        Estimate::Shares { of, margin } => {
            let steps = (1..=1_000).map(|step| margin + f64::from(step) / 1_000.0);
            let seen = |change: &f64| {
                let share = of.base() + change;
                share <= 1.0 && of.with_new(share).would_settle(*margin, runs, tail, MISS)
            };
            steps.into_iter().find(seen)
        }
    }
}
