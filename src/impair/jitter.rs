use std::{f64::consts::TAU, fmt};

/// How the delays of a link are spread around its `delay`. The jitter is a distribution's `spread`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distribution {
    /// Evenly over `delay` ± `spread`.
    #[default]
    Uniform,
    /// Normally, `spread` is the standard deviation; none is below zero.
    Normal,
    /// A long tail, as of retransmissions on a radio link: Pareto's with shape 3 (that of `netem`), shifted so that
    /// its mean is `delay`; `spread` is the standard deviation. None is below `delay` - 0.577 `spread`, one of a hundred is
    /// above `delay` + 3.6 `spread`, and what would be further than [`TAIL`] times `spread` is cut off there.
    Pareto,
}

/// The furthest that a delay of a Pareto distribution is above the mean, in spreads: one in 6,600 is that far.
pub const TAIL: f64 = 20.0;

impl Distribution {
    /// Each with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("uniform", Self::Uniform),
        ("normal", Self::Normal),
        ("pareto", Self::Pareto),
    ];

    /// How far from the mean a delay is, in spreads, for 64 random bits. Not for [`Distribution::Uniform`], which is
    /// drawn in whole microseconds.
    pub(super) fn deviation(self, bits: u64) -> f64 {
        match self {
            Self::Uniform => unit(bits) * 2.0 - 1.0,
            // Box and Muller (1958), both of whose figures come from one draw of 2 · 32 bits; so the furthest is 6.7.
            Self::Normal => {
                let radius = ((f64::from((bits >> 32) as u32) + 1.0) / 2_f64.powi(32)).ln() * -2.0;
                let turn = f64::from(bits as u32) / 2_f64.powi(32);
                radius.sqrt() * (TAU * turn).cos()
            }
            Self::Pareto => {
                // Of Pareto's distribution from 1 with shape 3: mean 3/2, variance 3/4. Never of 0.
                let drawn = (1.0 - unit(bits)).powf(-1.0 / 3.0);
                ((drawn - 1.5) / 0.75_f64.sqrt()).min(TAIL)
            }
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, one)| one == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

/// Evenly from 0 to below 1: every double that has 53 bits.
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_each_distribution_are_bounded() {
        for bits in [0, 1, u64::MAX, u64::MAX << 32, u64::from(u32::MAX), 1 << 63] {
            for (word, distribution) in Distribution::WORDS {
                let deviation = distribution.deviation(bits);
                assert!(deviation.is_finite() && deviation <= TAIL, "{word}: {deviation}");
                let least = match distribution {
                    Distribution::Uniform => -1.0,
                    Distribution::Normal => -6.67,
                    Distribution::Pareto => -0.5774,
                };
                assert!(deviation >= least, "{word}: {deviation}");
                assert_eq!(distribution.to_string(), word);
            }
        }
        assert_eq!(Distribution::Pareto.deviation(u64::MAX), TAIL);
    }
}
