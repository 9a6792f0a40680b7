//! Methods that `compare` could have had, each asked at 5 % whether the new side's p95 is longer.

use rand::{Rng, RngExt};
use rtcstorm::compare::{Ranks, TAIL, Welch};

use super::synthetic::quantile;

pub const NAMES: [&str; 5] = [
    "Welch's t on logs",
    "studentized bootstrap of runs",
    "percentile bootstrap of runs",
    "ranks of runs",
    "samples as if independent",
];
const RESAMPLES: usize = 199;

/// Who raises an alarm.
pub fn alarms(base: &[Vec<f64>], new: &[Vec<f64>], rng: &mut impl Rng) -> [bool; 5] {
    let figures = |side: &[Vec<f64>]| -> Vec<f64> { side.iter().map(|run| quantile(run, 0.95)).collect() };
    let (of_base, of_new) = (figures(base), figures(new));
    let logs = |side: &[f64]| -> Vec<f64> { side.iter().map(|ms| ms.ln()).collect() };
    let (log_base, log_new) = (logs(&of_base), logs(&of_new));
    let [studentized, percentile] = bootstrap(&log_base, &log_new, rng);
    [
        Welch::of(&of_base, &of_new).tail_above(0.0) <= TAIL,
        studentized,
        percentile,
        Ranks::of(&of_base, &of_new).tail_above(0.0) <= TAIL,
        Welch::of(&base.concat(), &new.concat()).tail_above(0.0) <= TAIL,
    ]
}

/// Whether the lower ends of the studentized and of the percentile interval lie above 0.
fn bootstrap(base: &[f64], new: &[f64], rng: &mut impl Rng) -> [bool; 2] {
    let [difference, error] = difference(base, new);
    let mut drawn = || {
        let mut again = |side: &[f64]| -> Vec<f64> {
            side.iter()
                .map(|_| side[rng.random_range(0..side.len())])
                .collect()
        };
        self::difference(&again(base), &again(new))
    };
    let drawn: Vec<[f64; 2]> = (0..RESAMPLES).map(|_| drawn()).collect();
    let mut pivots: Vec<f64> = drawn
        .iter()
        .map(|[other, error]| (other - difference) / error.max(1e-9))
        .collect();
    let mut differences: Vec<f64> = drawn.iter().map(|[other, _]| *other).collect();
    pivots.sort_by(f64::total_cmp);
    differences.sort_by(f64::total_cmp);
    let at = |tail: f64| (tail * (RESAMPLES as f64 + 1.0)) as usize - 1;
    [
        difference - pivots[at(1.0 - TAIL)] * error > 0.0,
        differences[at(TAIL)] > 0.0,
    ]
}

/// The difference of the means, and its standard error.
fn difference(base: &[f64], new: &[f64]) -> [f64; 2] {
    let moments = |side: &[f64]| {
        let count = side.len() as f64;
        let mean = side.iter().sum::<f64>() / count;
        let squares: f64 = side.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    };
    let ((mean_base, var_base), (mean_new, var_new)) = (moments(base), moments(new));
    [mean_new - mean_base, (var_base + var_new).sqrt()]
}
