use std::{fmt, str::FromStr, time::Duration};

use super::{
    Quantity, UnitError,
    duration::duration_unit_meant,
    number::{Number, decimal},
};

/// So many events per second, minute or hour; never zero. Kept in thousandths, so that it prints as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub(super) thousandths: u64,
    pub(super) per: Duration,
}

impl Rate {
    /// When the event `index` (counted from 0) is due if the first is due at 0.
    pub fn due(self, index: u64) -> Duration {
        let micros = u128::from(index) * 1_000 * self.per.as_micros() / u128::from(self.thousandths);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Rate {
    /// So many in a second.
    pub fn per_second(self) -> f64 {
        self.thousandths as f64 / 1_000.0 / self.per.as_secs_f64()
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
    pub(super) millionths: u32,
}

impl Fraction {
    /// Nothing.
    pub const ZERO: Self = Self { millionths: 0 };
    /// All of it.
    pub const ONE: Self = Self {
        millionths: 1_000_000,
    };

    /// All of it.
    pub const WHOLE: Self = Self {
        millionths: 1_000_000,
    };

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
