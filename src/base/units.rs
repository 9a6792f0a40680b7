use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};
use thiserror::Error;

/// The longest duration that can be written: 30 days. Sums of planned offsets stay far from overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What a text was meant to say; names the expected form in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// `500ms`, `10s`, `1.5m`
    Duration,
    /// `0s..500ms`
    DurationRange,
    /// `20/s`, `5/m`
    Rate,
    /// `1%`, `0.01`
    Fraction,
    /// `256`, `16KiB`
    Size,
}

impl Quantity {
    /// How it is written, with an example.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Duration => "a number with one of the units us, ms, s, m, h: `500ms`, `1.5s`, `2m`",
            Self::DurationRange => "a duration or two of them: `500ms`, `0s..500ms`",
            Self::Rate => "a number per s, m or h: `20/s`, `0.5/m`",
            Self::Fraction => "a percentage or a number from 0 to 1: `1%`, `0.01`",
            Self::Size => "a number of bytes, or with one of the units B, kB, KiB, MB, MiB: `256`, `16KiB`",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => "a duration",
            Self::DurationRange => "a duration or a range of them",
            Self::Rate => "a rate",
            Self::Fraction => "a fraction",
            Self::Size => "a size",
        })
    }
}

/// Why a text is no duration, range, rate, fraction or size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitError {
    /// There is no number to begin with.
    #[error("`{text}` is not {quantity}")]
    NotANumber {
        /// What was wanted.
        quantity: Quantity,
        /// What was there.
        text: String,
    },
    /// A number without its unit.
    #[error("`{text}` has no unit")]
    NoUnit {
        /// What was wanted.
        quantity: Quantity,
        /// What was there.
        text: String,
    },
    /// A unit that this quantity does not have.
    #[error("`{text}` has an unknown unit `{unit}`")]
    UnknownUnit {
        /// What was wanted.
        quantity: Quantity,
        /// What was there.
        text: String,
        /// The part that should have been a unit.
        unit: String,
        /// The same with the unit that was probably meant.
        meant: Option<String>,
    },
    /// Below zero.
    #[error("`{text}` is negative")]
    Negative {
        /// What was wanted.
        quantity: Quantity,
        /// What was there.
        text: String,
    },
    /// Finer than the harness counts.
    #[error("`{text}` is finer than {finest}")]
    TooFine {
        /// What was there.
        text: String,
        /// The smallest step.
        finest: &'static str,
    },
    /// Beyond a named limit.
    #[error("`{text}` is more than {most}")]
    TooLarge {
        /// What was there.
        text: String,
        /// The limit.
        most: &'static str,
    },
    /// A range that ends before it begins.
    #[error("the range `{min}..{max}` ends before it begins")]
    Backwards {
        /// Its first bound.
        min: String,
        /// Its second bound.
        max: String,
    },
    /// Zero where something has to happen.
    #[error("`{text}` is zero")]
    Zero {
        /// What was there.
        text: String,
    },
}

impl UnitError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::NotANumber { quantity, .. }
            | Self::Negative { quantity, .. }
            | Self::UnknownUnit {
                quantity,
                meant: None,
                ..
            } => format!("expected {}", quantity.expected()),
            Self::NoUnit {
                quantity: Quantity::Rate,
                text,
            } => format!("did you mean `{text}/s`?"),
            Self::NoUnit { text, .. } => format!("did you mean `{text}s` or `{text}ms`?"),
            Self::UnknownUnit {
                meant: Some(meant), ..
            } => format!("did you mean `{meant}`?"),
            Self::TooFine { finest, .. } => format!("round it to whole steps of {finest}"),
            Self::TooLarge { most, .. } => format!("the limit is {most}"),
            Self::Backwards { min, max } => format!("did you mean `{max}..{min}`?"),
            Self::Zero { .. } => "write something above zero".to_owned(),
        }
    }
}

/// A decimal number and what stands behind it, split without rounding.
struct Number<'a> {
    /// All digits as one integer.
    digits: u128,
    /// How many of them stand behind the point.
    decimals: u32,
    unit: &'a str,
}

impl<'a> Number<'a> {
    fn split(text: &'a str, quantity: Quantity, most: &'static str) -> Result<Self, UnitError> {
        let not_a_number = || UnitError::NotANumber {
            quantity,
            text: text.to_owned(),
        };
        if let Some(rest) = text.strip_prefix('-') {
            return Err(match rest.starts_with(|c: char| c.is_ascii_digit()) {
                true => UnitError::Negative {
                    quantity,
                    text: text.to_owned(),
                },
                false => not_a_number(),
            });
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(not_a_number());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 9 {
            return Err(UnitError::TooFine {
                text: text.to_owned(),
                finest: "nine decimals",
            });
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > 15 {
            return Err(UnitError::TooLarge {
                text: text.to_owned(),
                most,
            });
        }
        let digits = format!("0{whole}{fraction}")
            .parse()
            .map_err(|_| not_a_number())?;
        Ok(Self {
            digits,
            decimals: fraction.len() as u32,
            unit,
        })
    }

    /// The number times `scale`, if that is whole.
    fn times(&self, scale: u128) -> Option<u128> {
        let (product, divisor) = (self.digits * scale, 10_u128.pow(self.decimals));
        product.is_multiple_of(divisor).then(|| product / divisor)
    }
}

/// `value / 10^decimals` without trailing zeros.
fn decimal(value: u128, decimals: u32) -> String {
    let divisor = 10_u128.pow(decimals);
    let (whole, rest) = (value / divisor, value % divisor);
    if rest == 0 {
        return whole.to_string();
    }
    let fraction = format!("{rest:0width$}", width = decimals as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Reads `500ms`, `1.5s`, `2m`: one decimal number and one of the units us, ms, s, m, h.
///
/// # Errors
/// Everything else, what is finer than a microsecond, and more than [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const MOST: &str = "30 days";
    let number = Number::split(text, Quantity::Duration, MOST)?;
    let micros = match number.unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "" if number.digits == 0 => 1,
        "" => {
            return Err(UnitError::NoUnit {
                quantity: Quantity::Duration,
                text: text.to_owned(),
            });
        }
        unit => {
            let meant = duration_unit_meant(unit).map(|right| text.replacen(unit, right, 1));
            return Err(UnitError::UnknownUnit {
                quantity: Quantity::Duration,
                text: text.to_owned(),
                unit: unit.to_owned(),
                meant,
            });
        }
    };
    let micros = number.times(micros).ok_or_else(|| UnitError::TooFine {
        text: text.to_owned(),
        finest: "1us",
    })?;
    match u64::try_from(micros).map(Duration::from_micros) {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(UnitError::TooLarge {
            text: text.to_owned(),
            most: MOST,
        }),
    }
}

fn duration_unit_meant(unit: &str) -> Option<&'static str> {
    Some(match unit.trim().to_lowercase().as_str() {
        "us" | "µs" | "μs" | "usec" | "micros" | "microseconds" => "us",
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        _ => return None,
    })
}

/// Prints a duration so that [`parse_duration`] reads the same: whole hours or minutes if it is a multiple
/// of them, otherwise the largest of s, ms, us that leaves something before the point. What is finer than
/// a microsecond is cut off.
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0s".to_owned(),
        _ if micros.is_multiple_of(3_600_000_000) => format!("{}h", micros / 3_600_000_000),
        _ if micros.is_multiple_of(60_000_000) => format!("{}m", micros / 60_000_000),
        1_000_000.. => format!("{}s", decimal(micros, 6)),
        1_000.. => format!("{}ms", decimal(micros, 3)),
        _ => format!("{micros}us"),
    }
}

/// Two durations, the first not above the second; one duration is the range from itself to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationRange {
    min: Duration,
    max: Duration,
}

impl DurationRange {
    /// `None` if `min` is above `max`.
    pub fn new(min: Duration, max: Duration) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// Its lower bound.
    pub fn min(self) -> Duration {
        self.min
    }

    /// Its upper bound, included.
    pub fn max(self) -> Duration {
        self.max
    }

    /// A uniform draw in whole microseconds. A range of one value draws nothing from `rng`.
    pub fn draw(self, rng: &mut impl Rng) -> Duration {
        let span = u64::try_from((self.max - self.min).as_micros()).unwrap_or(u64::MAX);
        if span == 0 {
            return self.min;
        }
        self.min + Duration::from_micros(rng.random_range(0..=span))
    }
}

impl FromStr for DurationRange {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some((min, max)) = text.split_once("..") else {
            let both = parse_duration(text)?;
            return Ok(Self { min: both, max: both });
        };
        let (min, max) = (parse_duration(min.trim())?, parse_duration(max.trim())?);
        Self::new(min, max).ok_or_else(|| UnitError::Backwards {
            min: show_duration(min),
            max: show_duration(max),
        })
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => f.write_str(&show_duration(self.min)),
            false => write!(f, "{}..{}", show_duration(self.min), show_duration(self.max)),
        }
    }
}

/// So many events per second, minute or hour; never zero. Kept in thousandths, so that it prints as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    thousandths: u64,
    per: Duration,
}

impl Rate {
    /// When the event `index` (counted from 0) is due if the first is due at 0.
    pub fn due(self, index: u64) -> Duration {
        let micros = u128::from(index) * 1_000 * self.per.as_micros() / u128::from(self.thousandths);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const MOST: &str = "1000000 per unit";
        let number = Number::split(text, Quantity::Rate, MOST)?;
        let per = match number.unit {
            "/s" => 1,
            "/m" => 60,
            "/h" => 3_600,
            "" => {
                return Err(UnitError::NoUnit {
                    quantity: Quantity::Rate,
                    text: text.to_owned(),
                });
            }
            unit => {
                let meant = unit
                    .trim_start()
                    .strip_prefix(['/', 'p'])
                    .and_then(duration_unit_meant)
                    .filter(|per| matches!(*per, "s" | "m" | "h"))
                    .map(|per| text.replacen(unit, &format!("/{per}"), 1));
                return Err(UnitError::UnknownUnit {
                    quantity: Quantity::Rate,
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                    meant,
                });
            }
        };
        let thousandths = number.times(1_000).ok_or_else(|| UnitError::TooFine {
            text: text.to_owned(),
            finest: "0.001",
        })?;
        match thousandths {
            0 => Err(UnitError::Zero {
                text: text.to_owned(),
            }),
            1..=1_000_000_000 => Ok(Self {
                thousandths: thousandths as u64,
                per: Duration::from_secs(per),
            }),
            _ => Err(UnitError::TooLarge {
                text: text.to_owned(),
                most: MOST,
            }),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", decimal(self.thousandths.into(), 3))
    }
}

/// A share from 0 to 1, in whole millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction {
    millionths: u32,
}

impl Fraction {
    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

impl FromStr for Fraction {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const MOST: &str = "100%";
        let number = Number::split(text, Quantity::Fraction, MOST)?;
        let scale = match number.unit {
            "" => 1_000_000,
            "%" => 10_000,
            unit => {
                return Err(UnitError::UnknownUnit {
                    quantity: Quantity::Fraction,
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                    meant: (unit.trim() == "%").then(|| text.replace(unit, "%")),
                });
            }
        };
        match number.times(scale) {
            None => Err(UnitError::TooFine {
                text: text.to_owned(),
                finest: "0.0001%",
            }),
            Some(millionths @ 0..=1_000_000) => Ok(Self {
                millionths: millionths as u32,
            }),
            Some(_) => Err(UnitError::TooLarge {
                text: text.to_owned(),
                most: MOST,
            }),
        }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal(self.millionths.into(), 4))
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const MOST: &str = "1 TB";
        let number = Number::split(text, Quantity::Size, MOST)?;
        let scale = match number.unit {
            "" | "B" => 1,
            "kB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            unit => {
                let meant = match unit.trim().to_lowercase().as_str() {
                    "b" | "byte" | "bytes" => Some("B"),
                    "k" | "kb" | "kib" => Some("KiB"),
                    "m" | "mb" | "mib" => Some("MiB"),
                    _ => None,
                };
                return Err(UnitError::UnknownUnit {
                    quantity: Quantity::Size,
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                    meant: meant.map(|right| text.replacen(unit, right, 1)),
                });
            }
        };
        match number.times(scale) {
            None => Err(UnitError::TooFine {
                text: text.to_owned(),
                finest: "1 B",
            }),
            Some(bytes @ 0..=1_000_000_000_000) => Ok(Self(bytes as u64)),
            Some(_) => Err(UnitError::TooLarge {
                text: text.to_owned(),
                most: MOST,
            }),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0B"),
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, micros) in [
            ("500ms", 500_000),
            ("1.5s", 1_500_000),
            ("0.001ms", 1),
            ("2m", 120_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_meant() {
        let said = |error: UnitError| format!("{error}; {}", error.help());
        for (text, expected) in [
            ("10", "`10` has no unit; did you mean `10s` or `10ms`?"),
            ("10sec", "`10sec` has an unknown unit `sec`; did you mean `10s`?"),
            (
                "1m30s",
                "`1m30s` has an unknown unit `m30s`; expected a number with one of the units",
            ),
            ("-1s", "`-1s` is negative; expected a number"),
            ("0.1us", "`0.1us` is finer than 1us; round it"),
            ("721h", "`721h` is more than 30 days; the limit is 30 days"),
            (
                "500ms..0s",
                "the range `500ms..0s` ends before it begins; did you mean `0s..500ms`?",
            ),
            ("soon", "`soon` is not a duration; expected"),
        ] {
            let error = text.parse::<DurationRange>().expect_err(text);
            assert!(said(error.clone()).starts_with(expected), "{}", said(error));
        }
        assert_eq!(
            said("20".parse::<Rate>().expect_err("no unit")),
            "`20` has no unit; did you mean `20/s`?"
        );
        assert_eq!(
            said("0/s".parse::<Rate>().expect_err("zero")),
            "`0/s` is zero; write something above zero"
        );
        assert_eq!(
            said("16k".parse::<Size>().expect_err("unit")),
            "`16k` has an unknown unit `k`; did you mean `16KiB`?"
        );
        assert_eq!(
            said("101%".parse::<Fraction>().expect_err("over")),
            "`101%` is more than 100%; the limit is 100%"
        );
    }

    #[test]
    fn a_rate_spaces_its_events_evenly() {
        let rate: Rate = "20/s".parse().expect("a rate");
        assert_eq!(rate.due(0), Duration::ZERO);
        assert_eq!(rate.due(1), Duration::from_millis(50));
        assert_eq!(rate.due(100), Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(a in 0..2_592_000_000_000_u64, b in 0..2_592_000_000_000_u64) {
            let (min, max) = (Duration::from_micros(a.min(b)), Duration::from_micros(a.max(b)));
            prop_assert_eq!(parse_duration(&show_duration(min)), Ok(min));
            let range = DurationRange::new(min, max).expect("in order");
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            let size = Size(a % 1_000_000_000_000);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let fraction = Fraction { millionths: (a % 1_000_001) as u32 };
            prop_assert_eq!(fraction.to_string().parse(), Ok(fraction));
            for per in [1, 60, 3_600] {
                let rate = Rate { thousandths: 1 + a % 1_000_000_000, per: Duration::from_secs(per) };
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }

        #[test]
        fn short_forms_are_read_back(number in 0..5_000_u64, unit in prop::sample::select(vec!["us", "ms", "s", "m"])) {
            let read = parse_duration(&format!("{number}{unit}")).expect("valid");
            prop_assert_eq!(parse_duration(&show_duration(read)), Ok(read));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (parse_duration(&text), text.parse::<DurationRange>(), text.parse::<Rate>());
            let _ = (text.parse::<Fraction>(), text.parse::<Size>());
        }
    }
}
