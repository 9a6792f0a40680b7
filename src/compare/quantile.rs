//! Quantiles and tails of Student's t and of the normal distribution.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Beyond so many degrees of freedom Student's t is the normal distribution, to five digits.
const NORMAL_FROM: f64 = 1e5;

/// The value that Student's t exceeds with probability `tail`.
pub(super) fn t_above(tail: f64, freedom: f64) -> f64 {
    let tail = tail.clamp(1e-300, 1.0 - 1e-16);
    match student(freedom) {
        // By symmetry: near 1 a probability has no digits left.
        Some(t) => -t.inverse_cdf(tail),
        None => -normal().inverse_cdf(tail),
    }
}

/// The probability that Student's t exceeds `value`.
pub(super) fn t_tail(value: f64, freedom: f64) -> f64 {
    match student(freedom) {
        Some(t) => t.cdf(-value),
        None => normal().cdf(-value),
    }
}

/// The value that the normal distribution exceeds with probability `tail`.
pub(super) fn z_above(tail: f64) -> f64 {
    -normal().inverse_cdf(tail)
}

/// The probability that the normal distribution exceeds `value`.
pub(super) fn z_tail(value: f64) -> f64 {
    normal().cdf(-value)
}

fn student(freedom: f64) -> Option<StudentsT> {
    let freedom = freedom.max(1.0);
    (freedom < NORMAL_FROM)
        .then(|| StudentsT::new(0.0, 1.0, freedom).expect("a scale of 1 and some degrees of freedom"))
}

fn normal() -> Normal {
    Normal::standard()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From printed tables.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (tail, freedom, expected) in [
            (0.05, 8.0, 1.8595),
            (0.05, 4.0, 2.1318),
            (0.005, 8.0, 3.3554),
            (0.0005, 38.0, 3.5657),
            (0.05, 1e9, 1.6449),
            (0.5, 8.0, 0.0),
        ] {
            let found = t_above(tail, freedom);
            assert!((found - expected).abs() < 6e-4, "{tail} {freedom}: {found}");
            assert!((t_tail(found, freedom) - tail).abs() < 1e-9);
        }
        assert!((z_above(0.2) - 0.8416).abs() < 1e-4);
        assert!((z_tail(1.959_964) - 0.025).abs() < 1e-7);
    }

    #[test]
    fn far_tails_keep_their_digits() {
        for tail in [1e-6, 1e-12] {
            let found = t_tail(t_above(tail, 12.5), 12.5);
            assert!((found / tail - 1.0).abs() < 1e-3, "{tail}: {found}");
        }
    }
}
