use super::{Margin, Ranks, Reading, Shares, Welch, ranks, welch};

/// With so many more runs a side the margin is missed once in five times, if the difference stays what it is.
const MISS: f64 = 0.2;
/// More runs a side than that are proposed to nobody.
const MAX_RUNS: u32 = 1_000;

/// How a difference is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// [`Welch`]: the log-ratio of figures.
    LogRatio,
    /// [`Ranks`]: of figures of which one is 0 or infinite.
    Ranks,
    /// [`Shares`]: of rates.
    Shares,
}

impl Method {
    /// As it is in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogRatio => "welch_t_on_logs",
            Self::Ranks => "hodges_lehmann",
            Self::Shares => "newcombe",
        }
    }
}

/// A difference between two sides, with its margin in the same unit: the log of a ratio, ms, or a share.
#[derive(Debug, Clone, PartialEq)]
pub enum Estimate {
    LogRatio { of: Welch, margin: f64 },
    Ranks { of: Ranks, margin: f64 },
    Shares { of: Shares, margin: f64 },
}

impl Estimate {
    /// Of a trend's figures in ms; `None` where most of base's are infinite: nothing can be worse than that.
    pub fn of_figures(base: &[Reading], new: &[Reading], margin: Margin) -> Option<Self> {
        let [base, new] = [base, new].map(|side| side.iter().map(|run| run.value).collect::<Vec<f64>>());
        let has_log = |ms: &f64| ms.is_finite() && *ms > 0.0;
        if base.iter().chain(&new).all(has_log) {
            let of = Welch::of(&base, &new);
            let margin = (1.0 + margin.over(of.base) / of.base).ln();
            return Some(Self::LogRatio { of, margin });
        }
        let of = Ranks::of(&base, &new);
        let margin = margin.over(of.base);
        of.base.is_finite().then_some(Self::Ranks { of, margin })
    }

    /// Of a rate.
    pub fn of_shares(base: &[Reading], new: &[Reading], margin: Margin) -> Self {
        let [base, new] = [base, new].map(|side| side.iter().map(Reading::rate).collect::<Vec<_>>());
        let of = Shares::of(&base, &new);
        let margin = margin.over(of.base());
        Self::Shares { of, margin }
    }

    /// How it is made.
    pub fn method(&self) -> Method {
        match self {
            Self::LogRatio { .. } => Method::LogRatio,
            Self::Ranks { .. } => Method::Ranks,
            Self::Shares { .. } => Method::Shares,
        }
    }

    /// The difference itself; `None` if nobody knows it.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::LogRatio { of, .. } => Some(of.log_ratio),
            Self::Ranks { of, .. } => of.shift(),
            Self::Shares { of, .. } => Some(of.difference()),
        }
    }

    /// What still counts as the same.
    pub fn margin(&self) -> f64 {
        match self {
            Self::LogRatio { margin, .. } | Self::Ranks { margin, .. } | Self::Shares { margin, .. } => {
                *margin
            }
        }
    }

    /// The lower end of the interval that leaves `tail` below it.
    pub fn low(&self, tail: f64) -> f64 {
        match self {
            Self::LogRatio { of, .. } => of.low(tail),
            Self::Ranks { of, .. } => of.low(tail),
            Self::Shares { of, .. } => of.low(tail),
        }
    }

    /// The upper end of the interval that leaves `tail` above it.
    pub fn high(&self, tail: f64) -> f64 {
        match self {
            Self::LogRatio { of, .. } => of.high(tail),
            Self::Ranks { of, .. } => of.high(tail),
            Self::Shares { of, .. } => of.high(tail),
        }
    }

    /// How likely this, or more, is if new is worse by no more than the margin.
    pub fn tail_above(&self) -> f64 {
        match self {
            Self::LogRatio { of, margin } => of.tail_above(*margin),
            Self::Ranks { of, margin } => of.tail_above(*margin),
            Self::Shares { of, margin } => of.tail_above(*margin),
        }
    }

    /// How likely this, or less, is if new is worse by the margin or more.
    pub fn tail_below(&self) -> f64 {
        match self {
            Self::LogRatio { of, margin } => 1.0 - of.tail_above(*margin),
            Self::Ranks { of, margin } => of.tail_below(*margin),
            Self::Shares { of, margin } => of.tail_below(*margin),
        }
    }

    /// The runs a side with which the interval would probably leave the margin out, if the difference stays what
    /// it is. `tails`: that above the margin, that below. `None`: more than anybody would make.
    pub fn runs_to_settle(&self, [above, below]: [f64; 2]) -> Option<u32> {
        let enough: Box<dyn Fn(u32) -> bool> = match self {
            Self::LogRatio { of, margin } => {
                let away = of.log_ratio - margin;
                let tail = if away > 0.0 { above } else { below };
                Box::new(move |runs| welch::distance(of.spread(), runs, tail, MISS) <= away.abs())
            }
            Self::Ranks { of, margin } => {
                let share = of.share_above(*margin);
                let tail = if share > 0.5 { above } else { below };
                let needed = ranks::runs_for(share, tail, MISS);
                Box::new(move |runs| f64::from(runs) >= needed)
            }
            Self::Shares { of, margin } => {
                let tail = if of.difference() > *margin { above } else { below };
                Box::new(move |runs| of.would_settle(*margin, runs, tail, MISS))
            }
        };
        first(super::MIN_RUNS as u32, MAX_RUNS, enough)
    }
}

/// The first number for which `holds`, which does for all that follow; `None` if it does not for the last.
fn first(from: u32, to: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    if !holds(to) {
        return None;
    }
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = u32::midpoint(low, high);
        match holds(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[f64]) -> Vec<Reading> {
        values.iter().map(|ms| Reading::figure(*ms, 100)).collect()
    }

    #[test]
    fn figures_that_have_no_logarithm_are_compared_by_ranks() {
        let (some, zero) = (readings(&[1.0, 2.0, 3.0]), readings(&[0.0, 1.0, 2.0]));
        let failed = readings(&[f64::INFINITY, f64::INFINITY, 2.0]);
        let method =
            |base, new| Estimate::of_figures(base, new, Margin::TREND).map(|estimate| estimate.method());
        assert_eq!(method(&some, &some), Some(Method::LogRatio));
        assert_eq!(method(&some, &failed), Some(Method::Ranks));
        assert_eq!(method(&zero, &some), Some(Method::Ranks));
        assert_eq!(method(&failed, &some), None);
    }

    #[test]
    fn the_absolute_margin_protects_short_figures() {
        let margin = |base: &[f64]| {
            let estimate = Estimate::of_figures(&readings(base), &readings(base), Margin::TREND);
            estimate.expect("finite").margin().exp()
        };
        assert!((margin(&[2.0, 2.0]) - 1.5).abs() < 1e-9);
        assert!((margin(&[200.0, 200.0]) - 1.05).abs() < 1e-9);
    }

    #[test]
    fn the_nearer_the_margin_the_more_runs_it_takes() {
        let base: Vec<f64> = (0..6).map(|nth| 100.0 + f64::from(nth % 3) * 10.0).collect();
        let runs = |factor: f64| {
            let new: Vec<f64> = base.iter().map(|ms| ms * factor).collect();
            let estimate = Estimate::of_figures(&readings(&base), &readings(&new), Margin::TREND);
            estimate.expect("finite").runs_to_settle([0.01, 0.05])
        };
        let (far, near, inside) = (runs(1.3), runs(1.12), runs(1.0));
        assert!(far < near, "{far:?} {near:?}");
        assert!(inside.is_some());
        assert_eq!(runs(1.05), None, "at the margin itself nothing settles it");
    }
}
