use std::{fmt, str::FromStr};

use crate::base::{Fraction, UnitError};

/// Which datagrams a link loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// This share of them, each independently of the others.
    Independent(Fraction),
    /// More of them at some times than at others.
    Bursts(GilbertElliott),
}

/// A link that is good or bad and loses a share of its own in each state (Gilbert 1960, Elliott 1963).
///
/// Before each datagram the state may change; then the new state's share decides. The link begins good. So
/// the bad state lasts for 1 / `bad_to_good` datagrams on average: it is counted in datagrams and not in time,
/// as in Linux's `netem` (`loss gemodel p r 1-h 1-k`) and in the simulated network of libwebrtc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilbertElliott {
    /// How probably a good link turns bad before a datagram (p).
    pub good_to_bad: Fraction,
    /// How probably a bad link turns good before a datagram (r). Not zero if it can turn bad.
    pub bad_to_good: Fraction,
    /// The share that a good link loses (1 - k).
    pub in_good: Fraction,
    /// The share that a bad link loses (1 - h).
    pub in_bad: Fraction,
}

impl GilbertElliott {
    /// Every name that [`GilbertElliott::named`] knows.
    pub const NAMES: [&'static str; 3] = ["short-bursts", "sparse-bursts", "long-bursts"];

    /// The bursts of that name, if there are some:
    ///
    /// | name | p | r | lost in good | lost in bad | in all | where the figures come from |
    /// | --- | --- | --- | --- | --- | --- | --- |
    /// | `short-bursts` | 0.505 % | 50 % | 0 | 100 % | 1 % | chosen: 1 % lost, 2 in a row on average, by libwebrtc's formula (r = 1/B, p = L/((1 - L)·B)) |
    /// | `sparse-bursts` | 0.2 % | 2 % | 0 | 30 % | 2.7 % | Clark, "Packet Loss Distributions and Packet Loss Models" (Telchemy for ITU-T): congestion makes sparse bursts in which about 30 % are lost, for milliseconds to tens of seconds; that one lasts for 50 datagrams on average is chosen |
    /// | `long-bursts` | 0.5263 % | 10 % | 0 | 100 % | 5 % | chosen: 5 % lost, 10 in a row on average, by the same formula |
    pub fn named(name: &str) -> Option<Self> {
        let (p, r, in_bad) = match name {
            "short-bursts" => ("0.505%", "50%", "100%"),
            "sparse-bursts" => ("0.2%", "2%", "30%"),
            "long-bursts" => ("0.5263%", "10%", "100%"),
            _ => return None,
        };
        Some(Self {
            good_to_bad: share(p),
            bad_to_good: share(r),
            in_good: Fraction::ZERO,
            in_bad: share(in_bad),
        })
    }

    /// The share of time that the link is bad, in the long run.
    fn bad(&self) -> f64 {
        let (p, r) = (self.good_to_bad.as_f64(), self.bad_to_good.as_f64());
        if p == 0.0 { 0.0 } else { p / (p + r) }
    }
}

impl Loss {
    /// Nothing is lost.
    pub fn none() -> Self {
        Self::Independent(Fraction::ZERO)
    }

    /// Whether nothing is ever lost.
    pub fn is_none(&self) -> bool {
        self.mean() == 0.0
    }

    /// The share that is lost in the long run.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Independent(share) => share.as_f64(),
            Self::Bursts(model) => {
                let bad = model.bad();
                bad * model.in_bad.as_f64() + (1.0 - bad) * model.in_good.as_f64()
            }
        }
    }
}

impl FromStr for Loss {
    type Err = UnitError;

    /// A share (`1%`), or the name of bursts.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        match GilbertElliott::named(text) {
            Some(model) => Ok(Self::Bursts(model)),
            None => text.parse().map(Self::Independent),
        }
    }
}

impl fmt::Display for Loss {
    /// For people: `1%`, `short-bursts`, or the four figures of the model.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = match self {
            Self::Independent(share) => return write!(f, "{share}"),
            Self::Bursts(model) => model,
        };
        let same = |name: &&&str| GilbertElliott::named(name).as_ref() == Some(model);
        match GilbertElliott::NAMES.iter().find(same) {
            Some(name) => f.write_str(name),
            None => write!(
                f,
                "in bursts (bad from {}, good from {}, lost {} and {})",
                model.good_to_bad, model.bad_to_good, model.in_bad, model.in_good
            ),
        }
    }
}

/// Where a link is between good and bad.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chain {
    bad: bool,
}

impl Chain {
    /// One datagram further: the share that is lost of such. `drawn`: evenly from 0 to 1.
    pub fn step(&mut self, model: &GilbertElliott, drawn: f64) -> f64 {
        let turns = if self.bad {
            model.bad_to_good
        } else {
            model.good_to_bad
        };
        self.bad ^= drawn < turns.as_f64();
        let lost = if self.bad { model.in_bad } else { model.in_good };
        lost.as_f64()
    }
}

/// A share written in the code.
pub(super) fn share(text: &str) -> Fraction {
    text.parse().expect("written here as the language has it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_model_that_loses_what_its_table_says() {
        for (name, mean) in [
            ("short-bursts", 0.01),
            ("sparse-bursts", 0.0273),
            ("long-bursts", 0.05),
        ] {
            assert!(GilbertElliott::NAMES.contains(&name));
            let loss: Loss = name.parse().expect(name);
            assert!(
                (loss.mean() - mean).abs() < 0.0001,
                "{name} loses {}",
                loss.mean()
            );
            assert_eq!(loss.to_string(), name);
        }
        assert_eq!(GilbertElliott::named("bursts"), None);
    }

    #[test]
    fn a_loss_is_a_share_or_a_name_and_told_as_such() {
        let loss = |text: &str| text.parse::<Loss>();
        assert_eq!(loss("2%"), Ok(Loss::Independent(share("2%"))));
        assert_eq!(loss("2%").expect("a share").to_string(), "2%");
        assert!(loss("120%").is_err() && loss("bursts").is_err());
        let model = GilbertElliott {
            good_to_bad: share("1%"),
            bad_to_good: share("25%"),
            in_good: share("0.1%"),
            in_bad: share("80%"),
        };
        assert_eq!(
            Loss::Bursts(model).to_string(),
            "in bursts (bad from 1%, good from 25%, lost 80% and 0.1%)"
        );
        assert!(Loss::none().is_none() && !Loss::Bursts(model).is_none());
    }

    #[test]
    fn a_link_that_never_turns_bad_loses_as_a_good_one() {
        let model = GilbertElliott {
            good_to_bad: Fraction::ZERO,
            bad_to_good: Fraction::ZERO,
            in_good: share("3%"),
            in_bad: share("100%"),
        };
        assert_eq!(Loss::Bursts(model).mean(), 0.03);
    }
}
