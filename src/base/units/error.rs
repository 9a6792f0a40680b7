use std::fmt;

use thiserror::Error;

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
    /// `10mbit`, `500kbit`
    BitRate,
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
            Self::BitRate => {
                "a number of bits per second with one of the units bit, kbit, mbit, gbit: `10mbit`, `500kbit`"
            }
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
            Self::BitRate => "a bit rate",
        })
    }
}

/// Why a text is no duration, range, rate, fraction, size or bit rate.
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
            Self::NoUnit {
                quantity: Quantity::BitRate,
                text,
            } => format!("did you mean `{text}mbit` or `{text}kbit`?"),
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
