//! Whether something grows: a slope and its interval, from samples that are not independent of each other.

use std::time::Duration;

use crate::base::Instant;

/// The most bins that are kept. When there are more, every two become one.
const BINS_MAX: usize = 120;
/// The width of the first bins.
const BIN: Duration = Duration::from_secs(5);
/// The share of the time at the beginning that is not looked at: what warms up grows.
const WARM_UP: f64 = 0.2;
/// The fewest bins that say something.
const BINS_MIN: usize = 20;
/// The shortest time, without what warms up, that does.
const SPAN_MIN: Duration = Duration::from_secs(5 * 60);
/// Two sides of the interval: 99.9 % of a normal distribution. Some ten figures of every long run are judged.
const Z: f64 = 3.29;

/// Samples of one figure over time, in bins of equal width: bounded, however long it goes on.
///
/// The slope is that of Theil and Sen (the median of the slopes of all pairs), which a few outliers don't move; its
/// interval is Sen's (1968), from the variance of Kendall's S, with ties. Means of bins stand for the samples, and
/// what is left of their autocorrelation (of the residuals, lag 1, if positive) widens the interval as it lessens
/// the number of independent ones: by (1 + r) / (1 - r) in the variance.
#[derive(Debug, Clone, Default)]
pub struct Growth {
    bins: Vec<Bin>,
    /// How often two bins were made one.
    doublings: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    sum: f64,
    samples: u32,
}

/// How fast a figure grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// By how much in an hour.
    pub per_hour: f64,
    /// The lower and upper end of its interval, 99.9 %.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The mean of the first and of the last bin that were looked at.
    pub first: f64,
    /// See `first`.
    pub last: f64,
}

impl Growth {
    /// What it was at `at`. Samples come in the order of time.
    pub fn sample(&mut self, at: Instant, value: f64) {
        if !value.is_finite() {
            return;
        }
        let mut index = self.index(at);
        while index >= BINS_MAX {
            self.double();
            index = self.index(at);
        }
        if self.bins.len() <= index {
            self.bins.resize(index + 1, Bin::default());
        }
        let bin = &mut self.bins[index];
        bin.sum += value;
        bin.samples += 1;
    }

    /// `None` for too few samples, or over too short a time.
    pub fn slope(&self) -> Option<Slope> {
        let width = self.width().as_secs_f64() / 3_600.0;
        let first = self.bins.iter().position(|bin| bin.samples > 0)?;
        let warm = first + ((self.bins.len() - first) as f64 * WARM_UP).ceil() as usize;
        let points: Vec<(f64, f64)> = (self.bins.iter().enumerate().skip(warm))
            .filter(|(_, bin)| bin.samples > 0)
            .map(|(index, bin)| (index as f64 * width, bin.sum / f64::from(bin.samples)))
            .collect();
        let (begin, end) = (points.first()?, points.last()?);
        if points.len() < BINS_MIN || (end.0 - begin.0 + width) * 3_600.0 < SPAN_MIN.as_secs_f64() {
            return None;
        }
        let mut slopes: Vec<f64> = points
            .iter()
            .enumerate()
            .flat_map(|(index, a)| points[index + 1..].iter().map(move |b| (b.1 - a.1) / (b.0 - a.0)))
            .collect();
        slopes.sort_by(f64::total_cmp);
        let per_hour = median(&slopes);
        let half = Z * (kendall_variance(&points) * inflation(&points, per_hour)).sqrt() / 2.0;
        let middle = slopes.len() as f64 / 2.0;
        let rank = |at: f64| slopes[(at.max(0.0) as usize).min(slopes.len() - 1)];
        Some(Slope {
            per_hour,
            low: rank((middle - half).floor()),
            high: rank((middle + half).ceil()),
            first: begin.1,
            last: end.1,
        })
    }

    fn width(&self) -> Duration {
        BIN.saturating_mul(1_u32.checked_shl(self.doublings).unwrap_or(u32::MAX))
    }

    fn index(&self, at: Instant) -> usize {
        let index = at.elapsed().as_micros() / self.width().as_micros();
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    fn double(&mut self) {
        self.doublings += 1;
        let pairs = self.bins.chunks(2).map(|pair| Bin {
            sum: pair.iter().map(|bin| bin.sum).sum(),
            samples: pair.iter().map(|bin| bin.samples).sum(),
        });
        self.bins = pairs.collect();
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

/// The variance of Kendall's S for so many points with such ties.
fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let spread = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    let ties = values.chunk_by(|a, b| a == b).map(|tie| spread(tie.len() as f64));
    (spread(points.len() as f64) - ties.sum::<f64>()).max(0.0) / 18.0
}

/// How much fewer independent points there are: (1 + r) / (1 - r), with the correlation of neighbours about the line.
fn inflation(points: &[(f64, f64)], slope: f64) -> f64 {
    let about: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
    let mean = about.iter().sum::<f64>() / about.len() as f64;
    let square: f64 = about.iter().map(|value| (value - mean).powi(2)).sum();
    let neighbours: f64 = about
        .windows(2)
        .map(|two| (two[0] - mean) * (two[1] - mean))
        .sum();
    let correlation = if square > 0.0 { neighbours / square } else { 0.0 };
    let correlation = correlation.clamp(0.0, 0.9);
    (1.0 + correlation) / (1.0 - correlation)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A figure every 5 s for so many minutes.
    fn over(minutes: u64, mut value: impl FnMut(f64) -> f64) -> Growth {
        let mut growth = Growth::default();
        for tick in 0..minutes * 12 {
            let at = Instant::START + BIN * u32::try_from(tick).expect("not that long");
            growth.sample(at, value(at.elapsed().as_secs_f64() / 3_600.0));
        }
        growth
    }

    fn slope(minutes: u64, value: impl FnMut(f64) -> f64) -> Slope {
        over(minutes, value).slope().expect("it is long enough")
    }

    #[test]
    fn a_short_run_says_nothing() {
        assert_eq!(over(6, |at| at).slope(), None);
        assert!(over(8, |at| at).slope().is_some());
        assert_eq!(Growth::default().slope(), None);
    }

    #[test]
    fn a_line_has_its_slope_however_long_it_is() {
        for minutes in [10, 61, 24 * 60, 7 * 24 * 60] {
            let found = slope(minutes, |at| 100.0 + 6.0 * at);
            assert!((found.per_hour - 6.0).abs() < 1e-6, "{minutes}: {found:?}");
            assert!(
                (found.low - 6.0).abs() < 1e-6 && found.first < found.last,
                "{found:?}"
            );
        }
        let flat = slope(600, |_| 7.0);
        assert_eq!((flat.per_hour, flat.low, flat.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn what_warms_up_does_not_grow() {
        let warming = slope(60, |at| if at < 0.15 { 1_000.0 * at } else { 150.0 });
        assert!(warming.low <= 0.0, "{warming:?}");
    }

    #[test]
    fn a_slow_leak_under_noise_is_found_and_noise_alone_is_not() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let leak = slope(24 * 60, |at| 36.0 + 2.0 * at + rng.random_range(-12.0..12.0));
            assert!(leak.low > 1.0 && leak.high < 3.0, "{seed}: {leak:?}");
            let noise = slope(24 * 60, |_| 36.0 + rng.random_range(-12.0..12.0));
            assert!(noise.low < 0.0 && noise.high > 0.0, "{seed}: {noise:?}");
        }
    }

    /// A wave, and a walk that returns: neighbours are alike, and two points would lie.
    #[test]
    fn what_goes_up_and_down_does_not_grow() {
        let wave = slope(10, |at| 20.0 + 10.0 * (at * 60.0).sin());
        assert!(wave.low < 0.0, "{wave:?}");
        let mut accused = 0;
        for seed in 0..100 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut level = 0.0;
            let walk = slope(60, |_| {
                level = level * 0.97 + rng.random_range(-1.0..1.0);
                level
            });
            accused += u32::from(walk.low > 0.0);
        }
        assert!(accused <= 2, "{accused} of 100");
    }
}
