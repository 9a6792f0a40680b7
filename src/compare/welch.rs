use super::quantile::{t_above, t_tail};

/// Relative width of a step of the histograms: two figures closer than that may be one.
const STEP: f64 = 0.001;

/// The log-ratio of a figure that every run has, new over base, with Welch's t interval: the two sides need
/// not vary alike, and each run counts once.
///
/// Welch, B. L. (1947), "The generalization of 'Student's' problem when several different population
/// variances are involved", Biometrika 34.
#[derive(Debug, Clone, PartialEq)]
pub struct Welch {
    /// The mean of the logs of new's figures less that of base's.
    pub log_ratio: f64,
    /// The geometric mean of base's figures.
    pub base: f64,
    /// The standard error of `log_ratio`.
    error: f64,
    /// The standard deviation of one run, of both sides together.
    spread: f64,
    freedom: f64,
}

impl Welch {
    /// Of figures that all are finite and above 0, two or more a side.
    pub fn of(base: &[f64], new: &[f64]) -> Self {
        let ([mean_base, var_base], [mean_new, var_new]) = (moments(base), moments(new));
        let (of_base, of_new) = (var_base / base.len() as f64, var_new / new.len() as f64);
        let all = of_base + of_new;
        let freedom = all.powi(2)
            / (of_base.powi(2) / (base.len() as f64 - 1.0) + of_new.powi(2) / (new.len() as f64 - 1.0));
        // All runs of a side may lie in one step of their histograms: no number of them shows where in it.
        let rounding = 2.0 * STEP.powi(2) / 12.0;
        Self {
            log_ratio: mean_new - mean_base,
            base: mean_base.exp(),
            error: (all + rounding).sqrt(),
            spread: (f64::midpoint(var_base, var_new) + rounding).sqrt(),
            // Nobody varies: nothing is estimated.
            freedom: match freedom.is_nan() {
                true => (base.len() + new.len() - 2) as f64,
                false => freedom,
            },
        }
    }

    /// The lower end of the interval that leaves `tail` below it.
    pub fn low(&self, tail: f64) -> f64 {
        self.log_ratio - self.error * t_above(tail, self.freedom)
    }

    /// The upper end of the interval that leaves `tail` above it.
    pub fn high(&self, tail: f64) -> f64 {
        self.log_ratio + self.error * t_above(tail, self.freedom)
    }

    /// How likely so large a ratio is if the true one is `log_margin`.
    pub fn tail_above(&self, log_margin: f64) -> f64 {
        t_tail((self.log_ratio - log_margin) / self.error, self.freedom)
    }

    /// The standard deviation of the log of one run's figure.
    pub fn spread(&self) -> f64 {
        self.spread
    }
}

/// The distance that a log-ratio over `runs` a side must have from its margin, to be told from it at `tail` with
/// the probability `1 - miss`, if single runs spread by `spread`.
pub(super) fn distance(spread: f64, runs: u32, tail: f64, miss: f64) -> f64 {
    let freedom = 2.0 * f64::from(runs) - 2.0;
    (t_above(tail, freedom) + t_above(miss, freedom)) * spread * (2.0 / f64::from(runs)).sqrt()
}

/// Mean and variance of the logs.
fn moments(figures: &[f64]) -> [f64; 2] {
    let count = figures.len() as f64;
    let mean = figures.iter().map(|figure| figure.ln()).sum::<f64>() / count;
    let squares = figures.iter().map(|figure| (figure.ln() - mean).powi(2));
    [mean, squares.sum::<f64>() / (count - 1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_welchs_test_of_the_logs() {
        let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|v| v.exp()).collect() };
        let base = logs(&[0.0, 0.1, 0.2, 0.1, 0.0]);
        let new = logs(&[0.4, 0.2, 0.6, 0.5, 0.3, 0.4]);
        let welch = Welch::of(&base, &new);
        assert!((welch.log_ratio - 0.32).abs() < 1e-12);
        // se² = 0.007/5 + 0.02/6; df = se⁴/((0.007/5)²/4 + (0.02/6)²/5)
        let squared: f64 = 0.007 / 5.0 + 0.02 / 6.0;
        assert!((welch.error - squared.sqrt()).abs() < 1e-5, "{welch:?}");
        let freedom = squared.powi(2) / ((0.007_f64 / 5.0).powi(2) / 4.0 + (0.02_f64 / 6.0).powi(2) / 5.0);
        assert!((welch.freedom - freedom).abs() < 1e-9);
        let tail = welch.tail_above(0.1);
        assert!(
            (welch.low(tail) - 0.1).abs() < 1e-9,
            "interval and tail say the same"
        );
        assert!(welch.high(0.05) > 0.32 && welch.low(0.05) < 0.32);
    }

    #[test]
    fn runs_that_are_all_the_same_are_known_to_a_step_of_their_histograms() {
        let same = Welch::of(&[30.0; 5], &[30.0; 5]);
        assert!(same.low(0.05) < -0.0005 && same.low(0.05) > -0.003, "{same:?}");
        assert!(same.tail_above(0.0) > 0.4);
        let worse = Welch::of(&[30.0; 5], &[33.0; 5]);
        assert!(worse.tail_above(1.05_f64.ln()) < 1e-6);
    }
}
