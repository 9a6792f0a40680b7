use crate::metrics::Rate;

use super::quantile::t_above;

/// Halvings of an interval in which a tail is looked for; more add no digit.
const HALVINGS: u32 = 60;

/// The difference of two shares of failures, new less base, with Newcombe's hybrid-score interval.
///
/// Newcombe, R. G. (1998), "Interval estimation for the difference between independent proportions",
/// Statistics in Medicine 17, method 10. It takes cases as independent, and those of one run are not: ten
/// failures may be one mishap. So each side's cases are divided by how much more its runs differ than chance
/// lets them (Pearson's chi-square over its degrees of freedom, never below 1), and Student's t stands for
/// the normal distribution, because that was estimated from a few runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    base: Part,
    new: Part,
    freedom: f64,
}

/// One side.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    runs: f64,
    share: f64,
    /// Cases that would be independent.
    cases: f64,
    /// How many cases make one of those.
    inflation: f64,
}

impl Shares {
    /// Of runs that each have a case, two or more a side.
    pub fn of(base: &[Rate], new: &[Rate]) -> Self {
        let (of_base, of_new) = (scatter(base), scatter(new));
        let freedom = (base.len() + new.len() - 2) as f64;
        let together = (of_base.0 + of_new.0) / (of_base.1 + of_new.1);
        // A side without failures says nothing of how they come.
        let inflation = |(chi_square, freedom): (f64, f64)| {
            let own = chi_square / freedom;
            [own, together, 1.0].into_iter().fold(1.0, f64::max)
        };
        Self {
            base: Part::of(base, inflation(of_base)),
            new: Part::of(new, inflation(of_new)),
            freedom,
        }
    }

    /// Base's share.
    pub fn base(&self) -> f64 {
        self.base.share
    }

    /// New's share less base's.
    pub fn difference(&self) -> f64 {
        self.new.share - self.base.share
    }

    /// How many cases weigh as much as one that is independent, at the side where they are more.
    pub fn inflation(&self) -> f64 {
        self.base.inflation.max(self.new.inflation)
    }

    /// The lower end of the interval that leaves `tail` below it.
    pub fn low(&self, tail: f64) -> f64 {
        self.low_at(t_above(tail, self.freedom), 1.0)
    }

    /// The upper end of the interval that leaves `tail` above it.
    pub fn high(&self, tail: f64) -> f64 {
        self.high_at(t_above(tail, self.freedom), 1.0)
    }

    /// The tail at which the interval begins at `margin`.
    pub fn tail_above(&self, margin: f64) -> f64 {
        tail_where(|tail| self.low(tail) > margin)
    }

    /// The tail at which the interval ends at `margin`.
    pub fn tail_below(&self, margin: f64) -> f64 {
        tail_where(|tail| self.high(tail) < margin)
    }

    /// Whether `runs` a side that say the same would have their interval beyond `margin` (above or below it) at
    /// `tail`, with the probability `1 - miss`.
    pub(super) fn would_settle(&self, margin: f64, runs: u32, tail: f64, miss: f64) -> bool {
        let runs = f64::from(runs);
        let freedom = 2.0 * runs - 2.0;
        let quantile = t_above(tail, freedom) + t_above(miss, freedom);
        let more = runs / f64::midpoint(self.base.runs, self.new.runs);
        match self.difference() > margin {
            true => self.low_at(quantile, more) > margin,
            false => self.high_at(quantile, more) < margin,
        }
    }

    /// The same runs, with another share at the new side.
    pub(super) fn with_new(&self, share: f64) -> Self {
        let mut other = self.clone();
        other.new.share = share;
        other
    }

    fn low_at(&self, quantile: f64, more: f64) -> f64 {
        let ([_, base_high], [new_low, _]) =
            (self.base.wilson(quantile, more), self.new.wilson(quantile, more));
        let (base, new) = (self.base.share, self.new.share);
        new - base - (new - new_low).hypot(base_high - base)
    }

    fn high_at(&self, quantile: f64, more: f64) -> f64 {
        let ([base_low, _], [_, new_high]) =
            (self.base.wilson(quantile, more), self.new.wilson(quantile, more));
        let (base, new) = (self.base.share, self.new.share);
        new - base + (new_high - new).hypot(base - base_low)
    }
}

impl Part {
    fn of(runs: &[Rate], inflation: f64) -> Self {
        let all = sum(runs);
        Self {
            runs: runs.len() as f64,
            share: all.hits as f64 / all.total as f64,
            cases: all.total as f64 / inflation,
            inflation,
        }
    }

    /// Wilson's interval of the share, of `more` times the cases.
    ///
    /// Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    fn wilson(&self, quantile: f64, more: f64) -> [f64; 2] {
        let (cases, squared) = (self.cases * more, quantile.powi(2));
        let middle = self.share + squared / (2.0 * cases);
        let half =
            quantile * (self.share * (1.0 - self.share) / cases + squared / (4.0 * cases.powi(2))).sqrt();
        let whole = 1.0 + squared / cases;
        [
            ((middle - half) / whole).max(0.0),
            ((middle + half) / whole).min(1.0),
        ]
    }
}

/// Pearson's chi-square of the runs' shares, and its degrees of freedom; none where all or no cases failed.
fn scatter(runs: &[Rate]) -> (f64, f64) {
    let all = sum(runs);
    let share = all.hits as f64 / all.total as f64;
    if all.hits == 0 || all.hits == all.total {
        return (0.0, 0.0);
    }
    let chi_square = runs.iter().map(|run| {
        let (hits, total) = (run.hits as f64, run.total as f64);
        (hits - total * share).powi(2) / (total * share * (1.0 - share))
    });
    (chi_square.sum(), runs.len() as f64 - 1.0)
}

fn sum(runs: &[Rate]) -> Rate {
    runs.iter().fold(Rate::default(), |sum, run| Rate {
        hits: sum.hits + run.hits,
        total: sum.total + run.total,
    })
}

/// The smallest tail at which `beyond` holds, which it does for all above; 1 if it does not at a half.
fn tail_where(beyond: impl Fn(f64) -> bool) -> f64 {
    if !beyond(0.5) {
        return 1.0;
    }
    let (mut out, mut within) = (1e-12_f64.ln(), 0.5_f64.ln());
    for _ in 0..HALVINGS {
        let between = f64::midpoint(out, within);
        match beyond(between.exp()) {
            true => within = between,
            false => out = between,
        }
    }
    within.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(hits: &[u64], total: u64) -> Vec<Rate> {
        hits.iter().map(|hits| Rate { hits: *hits, total }).collect()
    }

    /// Newcombe's table II: 56/70 against 48/80, 95 %: 0.0524 to 0.3339.
    #[test]
    fn it_is_newcombes_interval() {
        let part = |hits: f64, cases: f64| Part {
            runs: 5.0,
            share: hits / cases,
            cases,
            inflation: 1.0,
        };
        let shares = Shares {
            base: part(48.0, 80.0),
            new: part(56.0, 70.0),
            freedom: f64::INFINITY,
        };
        assert!((shares.low(0.025) - 0.0524).abs() < 5e-5, "{}", shares.low(0.025));
        assert!((shares.high(0.025) - 0.3339).abs() < 5e-5);
        let tail = shares.tail_above(0.0524);
        assert!(
            (tail - 0.025).abs() < 1e-4,
            "interval and tail say the same: {tail}"
        );
    }

    #[test]
    fn failures_of_one_mishap_are_no_trend() {
        let clean = runs(&[0; 8], 100);
        let one_mishap = Shares::of(&clean, &runs(&[0, 0, 0, 24, 0, 0, 0, 0], 100));
        let every_run = Shares::of(&clean, &runs(&[3; 8], 100));
        assert_eq!(one_mishap.difference(), every_run.difference());
        assert!(
            one_mishap.tail_above(0.0) > 0.05,
            "{}",
            one_mishap.tail_above(0.0)
        );
        assert!(every_run.tail_above(0.0) < 0.001, "{}", every_run.tail_above(0.0));
        assert!(one_mishap.inflation() > 20.0 && every_run.inflation() == 1.0);
    }

    #[test]
    fn no_failures_are_no_difference() {
        let none = Shares::of(&runs(&[0; 5], 10), &runs(&[0; 5], 10));
        assert_eq!((none.difference(), none.tail_above(0.0)), (0.0, 1.0));
        assert!(none.low(0.05) < 0.0 && none.high(0.05) > 0.0);
        let all = Shares::of(&runs(&[0; 5], 10), &runs(&[10; 5], 10));
        assert!(all.tail_above(0.1) < 1e-4);
    }
}
