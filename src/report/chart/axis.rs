use std::time::Duration;

use maud::{Markup, html};

use crate::{base::show_duration, report::units};

/// Steps between ticks of a time axis, in ms.
const TIME_STEPS_MS: [u64; 22] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 43_200_000, 86_400_000,
];
/// From here on (highest to lowest value) an axis of durations is logarithmic.
const LOG_FROM: f64 = 60.0;

/// Where values lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From zero to `max`.
    Linear { max: f64 },
    /// From `min` to `max`, both powers of ten.
    Log { min: f64, max: f64 },
}

impl Scale {
    /// From zero to a round number at or above `max`.
    pub fn linear(max: f64) -> Self {
        let max = if max.is_finite() && max > 0.0 { max } else { 1.0 };
        let step = round_step(max / 4.0);
        Self::Linear {
            max: (max / step - 1e-9).ceil() * step,
        }
    }

    /// The same for counts, which have no halves.
    pub fn counts(max: u64) -> Self {
        match max {
            0..=4 => Self::Linear {
                max: max.max(1) as f64,
            },
            max => Self::linear(max as f64),
        }
    }

    /// Linear where all values are of one size, else logarithmic.
    pub fn durations(min: f64, max: f64) -> Self {
        if min <= 0.0 || max / min < LOG_FROM {
            return Self::linear(max);
        }
        Self::Log {
            min: 10f64.powf(min.log10().floor()),
            max: 10f64.powf(max.log10().ceil()),
        }
    }

    pub fn is_log(self) -> bool {
        matches!(self, Self::Log { .. })
    }

    /// How far along the axis a value is, from 0 to 1.
    pub fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { max } => value / max,
            Self::Log { min, max } => (value.max(min) / min).log10() / (max / min).log10(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values from its beginning to its end.
    pub fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { max } => {
                let step = round_step(max / 4.0).max(if max <= 4.0 && max.fract() == 0.0 {
                    1.0
                } else {
                    0.0
                });
                let count = (max / step + 1e-9).floor() as usize;
                (0..=count).map(|nth| nth as f64 * step).collect()
            }
            Self::Log { min, max } => {
                let decades = (max / min).log10().round() as usize;
                (0..=decades).map(|nth| min * 10f64.powi(nth as i32)).collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at or above `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|digit| digit * power >= least * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// Lines across a plot of `height`, `top` below the drawing's edge, with a label for each round value.
pub(super) fn rulers(scale: Scale, top: f64, height: f64, label: impl Fn(f64) -> String) -> Markup {
    html! {
        @for (nth, tick) in scale.ticks().into_iter().enumerate() {
            @let y = num(top + height * (1.0 - scale.share(tick)));
            line class=(if nth == 0 { "base" } else { "grid" }) x1="0" x2="100%" y1=(y) y2=(y) {}
            text class="tick" x="-7" y=(y) dy=".32em" text-anchor="end" { (label(tick)) }
        }
    }
}

/// A label under the plot, at a share of its width. `wide`: left out where there is little room.
pub(super) fn tick_below(share: f64, y: f64, label: &str, wide: bool) -> Markup {
    html! {
        text class=(if wide { "tick wide" } else { "tick" }) x=(pct(share)) y=(num(y)) text-anchor="middle" { (label) }
    }
}

/// What an axis counts in: the upright one's stands over the plot, the other's under its right end.
pub(super) fn axis_titles(upright: &str, along: &str, top: f64, bottom: f64) -> Markup {
    html! {
        @if !upright.is_empty() { text class="axis" x="-44" y=(num(top - 10.0)) { (upright) } }
        text class="axis" x="100%" y=(num(bottom + 32.0)) text-anchor="end" { (along) }
    }
}

/// Ticks of a time axis of that length in ms: each with its share and label, and whether it may be left out.
pub(super) fn time_ticks(length_ms: f64) -> Vec<(f64, String, bool)> {
    let step = TIME_STEPS_MS
        .into_iter()
        .find(|step| length_ms / *step as f64 <= 9.0)
        .unwrap_or_else(|| (length_ms / 8.0).ceil() as u64);
    let count = (length_ms / step as f64).floor() as u64;
    (0..=count)
        .map(|nth| {
            let ms = nth * step;
            let label = clock(ms);
            (ms as f64 / length_ms.max(1e-9), label, nth % 2 == 1)
        })
        .collect()
}

/// `45s`, `1m 30s`, `2h`: ticks beside each other are in the same units.
fn clock(ms: u64) -> String {
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let show = |ms: u64| show_duration(Duration::from_millis(ms));
    match (minutes, rest) {
        (0, _) => show(ms),
        (60.., 0) if minutes % 60 > 0 => format!("{}h {}m", minutes / 60, minutes % 60),
        (_, 0) => show(ms),
        _ => format!("{minutes}m {}", show(rest)),
    }
}

/// A label for a duration in ms on an axis.
pub(super) fn duration_label(ms: f64) -> String {
    if ms <= 0.0 {
        "0".to_owned()
    } else {
        units::edge(ms)
    }
}

/// A label for a count on an axis.
pub(super) fn count_label(count: f64) -> String {
    match count {
        count if count >= 1e6 => format!("{}M", trimmed(count / 1e6)),
        count if count >= 1e4 => format!("{}k", trimmed(count / 1e3)),
        count => trimmed(count),
    }
}

/// A share of the width.
pub(super) fn pct(share: f64) -> String {
    format!("{}%", num(share * 100.0))
}

/// A coordinate.
pub(super) fn num(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" | "" => "0".to_owned(),
        text => text.to_owned(),
    }
}

fn trimmed(value: f64) -> String {
    num(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_and_counts_have_no_halves() {
        assert_eq!(Scale::linear(7.3), Scale::Linear { max: 8.0 });
        assert_eq!(Scale::linear(7.3).ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::linear(0.0), Scale::Linear { max: 1.0 });
        assert_eq!(Scale::linear(f64::INFINITY), Scale::Linear { max: 1.0 });
        assert_eq!(Scale::counts(3).ticks(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Scale::counts(0).ticks(), [0.0, 1.0]);
    }

    #[test]
    fn durations_of_many_sizes_are_drawn_by_their_logarithm() {
        assert!(!Scale::durations(1.0, 9.0).is_log());
        let scale = Scale::durations(2.0, 900.0);
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert!((scale.share(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(scale.share(0.0), 0.0);
    }

    #[test]
    fn a_time_axis_has_few_ticks_at_any_length() {
        for ms in [0.0, 3.0, 950.0, 33_000.0, 1_800_000.0, 8.64e7, 1e12] {
            let ticks = time_ticks(ms);
            assert!((1..=10).contains(&ticks.len()), "{ms}: {ticks:?}");
        }
        assert_eq!(time_ticks(33_000.0)[1].1, "5s");
        assert_eq!(
            [0, 90_000, 120_000, 5_400_000, 7_200_000].map(clock),
            ["0s", "1m 30s", "2m", "1h 30m", "2h"]
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(num(2.0), "2");
        assert_eq!(num(-0.001), "0");
        assert_eq!(count_label(12_500.0), "12.5k");
    }
}
