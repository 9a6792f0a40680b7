use super::quantile::{z_above, z_tail};

/// Up to so many pairs of runs tails are exact; beyond, normal.
const EXACT_PAIRS: usize = 2_500;

/// The shift from base's figures to new's, in ms, with the interval of Hodges and Lehmann: it asks only which run
/// of each pair is the longer one, so a figure may be 0 or infinite.
///
/// Hollander, Wolfe, Chicken (2014), "Nonparametric Statistical Methods", 4.2 and 4.3; Mann and Whitney (1947).
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// The differences of all pairs, ascending. Those of two infinite figures are not among them.
    differences: Vec<f64>,
    /// Pairs of two infinite figures: nobody knows which is the longer.
    unknown: usize,
    sides: [usize; 2],
    /// The median of base's figures.
    pub base: f64,
}

impl Ranks {
    /// Of figures from 0 to infinity, one or more a side.
    pub fn of(base: &[f64], new: &[f64]) -> Self {
        let pairs = base.iter().flat_map(|base| new.iter().map(move |new| new - base));
        let mut differences: Vec<f64> = pairs.filter(|difference| !difference.is_nan()).collect();
        differences.sort_by(f64::total_cmp);
        let mut sorted = base.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            unknown: base.len() * new.len() - differences.len(),
            differences,
            sides: [base.len(), new.len()],
            base: median(&sorted),
        }
    }

    /// The median of the differences; `None` if it lies among those that nobody knows.
    pub fn shift(&self) -> Option<f64> {
        (self.unknown == 0).then(|| median(&self.differences))
    }

    /// The lower end of the interval that leaves at most `tail` below it. What is unknown counts as low.
    pub fn low(&self, tail: f64) -> f64 {
        let skipped = self.skipped(tail);
        match skipped.checked_sub(self.unknown + 1) {
            Some(nth) => self.differences[nth],
            None => f64::NEG_INFINITY,
        }
    }

    /// The upper end of the interval that leaves at most `tail` above it. What is unknown counts as high.
    pub fn high(&self, tail: f64) -> f64 {
        let skipped = self.skipped(tail);
        match skipped.checked_sub(self.unknown + 1) {
            Some(nth) => self.differences[self.differences.len() - 1 - nth],
            None => f64::INFINITY,
        }
    }

    /// How likely so many pairs are beyond `margin` if new's figures are base's, shifted by it.
    pub fn tail_above(&self, margin: f64) -> f64 {
        let beyond = self.differences.iter().filter(|difference| **difference > margin);
        self.tail(beyond.count())
    }

    /// The same below it.
    pub fn tail_below(&self, margin: f64) -> f64 {
        let below = self.differences.iter().filter(|difference| **difference < margin);
        self.tail(below.count())
    }

    /// The share of pairs in which new is beyond `margin`; half of those at it or unknown.
    pub fn share_above(&self, margin: f64) -> f64 {
        let beyond = self.differences.iter().filter(|difference| **difference > margin);
        let at = self
            .differences
            .iter()
            .filter(|difference| **difference == margin);
        let half = (at.count() + self.unknown) as f64 / 2.0;
        (beyond.count() as f64 + half) / self.pairs() as f64
    }

    fn pairs(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// The nth difference from an end at which the interval ends, counted from 1; 0: there is no such end.
    fn skipped(&self, tail: f64) -> usize {
        let pairs = self.pairs();
        (1..=pairs / 2)
            .take_while(|nth| self.tail(pairs - nth + 1) <= tail)
            .last()
            .unwrap_or(0)
    }

    /// The probability of so many pairs on one side, or more, by chance.
    fn tail(&self, pairs: usize) -> f64 {
        let [base, new] = self.sides;
        if base * new > EXACT_PAIRS {
            let (base, new) = (base as f64, new as f64);
            let deviation = (base * new * (base + new + 1.0) / 12.0).sqrt();
            return z_tail((pairs as f64 - 0.5 - base * new / 2.0) / deviation);
        }
        let ways = ways(base, new);
        let all: f64 = ways.iter().sum();
        ways[pairs.min(base * new + 1).min(ways.len())..]
            .iter()
            .sum::<f64>()
            / all
    }
}

/// The runs a side that tell a share of pairs from a half at `tail`, with the probability `1 - miss`.
///
/// Noether, G. E. (1987), "Sample size determination for some common nonparametric tests", JASA 82.
pub(super) fn runs_for(share: f64, tail: f64, miss: f64) -> f64 {
    let quantiles = z_above(tail) + z_above(miss);
    let wanted = quantiles.powi(2) / (6.0 * (share - 0.5).powi(2));
    // Fewer runs can't reach so small a tail, whatever they say.
    let fewest = (2_u32..).find(|runs| chance(*runs) <= tail).unwrap_or(u32::MAX);
    wanted.max(f64::from(fewest))
}

/// The smallest tail that so many runs a side have: all of one before all of the other.
fn chance(runs: u32) -> f64 {
    (0..runs)
        .map(|nth| f64::from(runs - nth) / f64::from(2 * runs - nth))
        .product()
}

/// In how many orders of both sides' figures 0, 1, … pairs have the new one in front.
fn ways(base: usize, new: usize) -> Vec<f64> {
    // The coefficients of the Gaussian binomial: the product of (1 - q^(new + i)) / (1 - q^i).
    let pairs = base * new;
    let mut ways = vec![0.0; pairs + 1];
    ways[0] = 1.0;
    for nth in 1..=base {
        for at in (new + nth..=pairs).rev() {
            ways[at] -= ways[at - new - nth];
        }
        for at in nth..=pairs {
            ways[at] += ways[at - nth];
        }
    }
    ways
}

fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[half],
        // Of a finite one and infinity the mean is infinity; equal ends stay what they are.
        _ if sorted[half - 1] == sorted[half] => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_mann_and_whitney() {
        let five = Ranks::of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((five.tail(25) - 1.0 / 252.0).abs() < 1e-12);
        assert!((five.tail(24) - 2.0 / 252.0).abs() < 1e-12);
        assert!((five.tail(23) - 4.0 / 252.0).abs() < 1e-12);
        assert_eq!(five.tail(0), 1.0);
        assert_eq!(five.tail(26), 0.0);
        // From the printed table: the 5 % point of 5 and 5 is 4 pairs the other way.
        assert!(five.tail(25 - 4) <= 0.05 && five.tail(25 - 5) > 0.05);
    }

    #[test]
    fn the_exact_tails_go_over_into_the_normal_ones() {
        let many: Vec<f64> = (0..50).map(f64::from).collect();
        let exact = Ranks::of(&many, &many);
        let mut one_more = many.clone();
        one_more.push(50.0);
        let normal = Ranks::of(&one_more, &many);
        assert!(
            (exact.tail(1_600) - normal.tail(1_626)).abs() < 2e-3,
            "{} {}",
            exact.tail(1_600),
            normal.tail(1_626)
        );
    }

    #[test]
    fn interval_and_tail_say_the_same() {
        let ranks = Ranks::of(
            &[0.0, 1.0, 0.5, 2.0, 1.5, 0.0],
            &[4.0, 3.0, f64::INFINITY, 2.5, 6.0],
        );
        for tail in [0.05, 0.01, 0.004] {
            let low = ranks.low(tail);
            assert!(ranks.tail_above(low - 1e-9) <= tail, "{tail}: {low}");
            assert!(ranks.tail_above(low) > tail, "{tail}: {low}");
        }
        assert_eq!(ranks.high(0.001), f64::INFINITY);
        assert_eq!(ranks.shift(), Some(3.25));
    }

    #[test]
    fn what_fails_on_both_sides_is_no_evidence_for_either() {
        let all = [f64::INFINITY; 6];
        let ranks = Ranks::of(&all, &all);
        assert_eq!(
            (ranks.low(0.05), ranks.high(0.05)),
            (f64::NEG_INFINITY, f64::INFINITY)
        );
        assert_eq!((ranks.tail_above(1.0), ranks.tail_below(1.0)), (1.0, 1.0));
        assert_eq!(ranks.shift(), None);

        let some = Ranks::of(&[5.0; 6], &all);
        assert!(some.low(0.05) == f64::INFINITY && some.tail_above(1.0) < 0.002);
    }

    #[test]
    fn few_runs_never_reach_a_small_tail() {
        // However large the difference: 6 runs a side have 924 orders, 5 only 252.
        assert_eq!(runs_for(f64::INFINITY, 0.003, 0.2), 6.0);
        assert!(runs_for(0.6, 0.05, 0.2) > 90.0);
    }
}
