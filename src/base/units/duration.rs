use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};

use super::{
    Quantity, UnitError,
    number::{Number, decimal},
};

/// The longest duration that can be written: 30 days. Sums of planned offsets stay far from overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3_600);

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

pub(super) fn duration_unit_meant(unit: &str) -> Option<&'static str> {
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
