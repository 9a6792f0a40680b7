use std::{fmt, num::NonZeroU64, str::FromStr};

use super::{
    Quantity, UnitError,
    number::{Number, decimal},
};

/// Bits per second, above zero. Prefixes are decimal and lower case, as in Linux's `tc`: `10mbit` is 10,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub NonZeroU64);

impl FromStr for BitRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const MOST: &str = "1000gbit";
        const MOST_BITS: u128 = 1_000_000_000_000;
        let number = Number::split(text, Quantity::BitRate, MOST)?;
        let scale = match number.unit {
            "bit" => 1,
            "kbit" => 1_000,
            "mbit" => 1_000_000,
            "gbit" => 1_000_000_000,
            // Whatever unit is missing, it is none that helps.
            "" if number.digits == 0 => 1,
            "" => {
                return Err(UnitError::NoUnit {
                    quantity: Quantity::BitRate,
                    text: text.to_owned(),
                });
            }
            unit => {
                return Err(UnitError::UnknownUnit {
                    quantity: Quantity::BitRate,
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                    meant: unit_meant(unit).map(|right| text.replacen(unit, right, 1)),
                });
            }
        };
        match number.times(scale) {
            None => Err(UnitError::TooFine {
                text: text.to_owned(),
                finest: "1bit",
            }),
            Some(bits) if bits > MOST_BITS => Err(UnitError::TooLarge {
                text: text.to_owned(),
                most: MOST,
            }),
            Some(bits) => NonZeroU64::new(bits as u64)
                .map(Self)
                .ok_or_else(|| UnitError::Zero {
                    text: text.to_owned(),
                }),
        }
    }
}

fn unit_meant(unit: &str) -> Option<&'static str> {
    let unit = unit.trim().to_lowercase();
    let plain = unit
        .strip_suffix("/s")
        .or(unit.strip_suffix("ps"))
        .unwrap_or(&unit);
    Some(match plain {
        "b" | "bit" | "bits" => "bit",
        "k" | "kb" | "kbit" | "kbits" => "kbit",
        "m" | "mb" | "mbit" | "mbits" => "mbit",
        "g" | "gb" | "gbit" | "gbits" => "gbit",
        _ => return None,
    })
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.get();
        let (decimals, unit) = match bits {
            1_000_000_000.. => (9, "gbit"),
            1_000_000.. => (6, "mbit"),
            1_000.. => (3, "kbit"),
            _ => (0, "bit"),
        };
        write!(f, "{}{unit}", decimal(bits.into(), decimals))
    }
}
