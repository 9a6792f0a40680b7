use crate::metrics::{Kind, Metric, MetricKey};

use super::Gate;

/// How much worse still counts as the same: the larger of a share of base's figure and an amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// A share of base's figure: 0.05 for 5 %.
    pub relative: f64,
    /// In the metric's unit: ms, or a share from 0 to 1.
    pub absolute: f64,
}

impl Margin {
    /// Of durations: 5 %, but at least the millisecond that timers are made of.
    pub const TREND: Self = Self {
        relative: 0.05,
        absolute: 1.0,
    };
    /// Of rates: a tenth of what they are, but at least one percentage point.
    pub const RATE: Self = Self {
        relative: 0.1,
        absolute: 0.01,
    };

    /// The margin over that figure of base's, in the metric's unit.
    pub fn over(self, base: f64) -> f64 {
        (self.relative * base).max(self.absolute)
    }
}

/// The margin of every metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Margins {
    trend: Margin,
    rate: Margin,
    single: Vec<(MetricKey, Margin)>,
}

impl Default for Margins {
    fn default() -> Self {
        Self {
            trend: Margin::TREND,
            rate: Margin::RATE,
            single: Vec::new(),
        }
    }
}

impl Margins {
    /// The most particular that was set: the metric's with its tags, its own, its kind's.
    pub fn of(&self, gate: &Gate) -> Margin {
        let set = |key: &MetricKey| self.single.iter().rev().find(|(single, _)| single == key);
        set(&gate.key)
            .or_else(|| set(&MetricKey::new(&gate.key.name)))
            .map(|(_, margin)| *margin)
            .unwrap_or(match gate.kind() {
                Kind::Rate => self.rate,
                _ => self.trend,
            })
    }

    /// Reads `trend=5%,1ms`, `rate=10%,0.5%`, or the same with a metric in front; either part may be missing and
    /// is 0 then. What is said later stands above what was said before.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        // Tags have no `=`; a margin has only one.
        let (of, value) = text
            .rsplit_once('=')
            .ok_or_else(|| "expected METRIC=MARGIN, for example `connect_ms=10%,5ms`".to_owned())?;
        match of.trim() {
            "trend" => self.trend = margin(value, Kind::Trend)?,
            "rate" => self.rate = margin(value, Kind::Rate)?,
            selector => {
                let key = Gate::selector(selector)?;
                let kind = Metric::named(&key.name).expect("a selector names a metric").kind;
                self.single.push((key, margin(value, kind)?));
            }
        }
        Ok(())
    }
}

/// `10%,5ms` of a trend, `10%,0.5%` of a rate.
fn margin(text: &str, kind: Kind) -> Result<Margin, String> {
    let mut margin = Margin {
        relative: 0.0,
        absolute: 0.0,
    };
    let expected = match kind {
        Kind::Rate => "a share of the rate and then percentage points, like `10%,0.5%`",
        _ => "a share, a time, or both, like `5%`, `1ms` or `5%,1ms`",
    };
    let wrong = || format!("`{text}` is no margin: expected {expected}");
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.len() > 2 {
        return Err(wrong());
    }
    for (nth, part) in parts.iter().enumerate() {
        match part.strip_suffix('%').map(|number| number.trim().parse::<f64>()) {
            Some(Ok(percent)) if (0.0..=10_000.0).contains(&percent) => match (nth, kind) {
                (0, _) => margin.relative = percent / 100.0,
                (_, Kind::Rate) => margin.absolute = percent / 100.0,
                _ => return Err(wrong()),
            },
            None if kind != Kind::Rate && (nth == 1 || parts.len() == 1) => {
                let time = crate::base::parse_duration(part).map_err(|_| wrong())?;
                margin.absolute = time.as_secs_f64() * 1_000.0;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(margin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Figure;

    fn gate(selector: &str) -> Gate {
        Gate {
            key: Gate::selector(selector).expect("a metric"),
            figure: Figure::P95,
        }
    }

    #[test]
    fn the_larger_of_share_and_amount_counts() {
        assert_eq!(Margin::TREND.over(200.0), 10.0);
        assert_eq!(Margin::TREND.over(2.0), 1.0);
        assert_eq!(Margin::RATE.over(0.0), 0.01);
    }

    #[test]
    fn the_most_particular_one_counts() {
        let mut margins = Margins::default();
        for text in [
            "trend=1%",
            "connect_ms=10%,5ms",
            "connect_ms{glare:yes}=2s",
            "rate=0%,2%",
        ] {
            margins.set(text).expect(text);
        }
        let of = |selector| {
            let margin = margins.of(&gate(selector));
            (margin.relative, margin.absolute)
        };
        assert_eq!(of("message_ms"), (0.01, 0.0));
        assert_eq!(of("connect_ms"), (0.1, 5.0));
        assert_eq!(of("connect_ms{glare:no}"), (0.1, 5.0));
        assert_eq!(of("connect_ms{glare:yes}"), (0.0, 2_000.0));
    }

    #[test]
    fn what_is_no_margin_is_told() {
        for text in [
            "connect_ms",
            "connect_ms=",
            "connect_ms=5",
            "trend=5%,1%",
            "trend=-5%",
            "trend=NaN%",
            "rate=1ms",
            "rate=1%,2%,3%",
            "no_such=5%",
            "messages_sent=5%",
        ] {
            assert!(Margins::default().set(text).is_err(), "{text}");
        }
    }
}
