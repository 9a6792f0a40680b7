use super::{Quantity, UnitError};

/// A decimal number and what stands behind it, split without rounding.
pub(super) struct Number<'a> {
    /// All digits as one integer.
    pub(super) digits: u128,
    /// How many of them stand behind the point.
    decimals: u32,
    pub(super) unit: &'a str,
}

impl<'a> Number<'a> {
    pub(super) fn split(text: &'a str, quantity: Quantity, most: &'static str) -> Result<Self, UnitError> {
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
    pub(super) fn times(&self, scale: u128) -> Option<u128> {
        let (product, divisor) = (self.digits * scale, 10_u128.pow(self.decimals));
        product.is_multiple_of(divisor).then(|| product / divisor)
    }
}

/// `value / 10^decimals` without trailing zeros.
pub(super) fn decimal(value: u128, decimals: u32) -> String {
    let divisor = 10_u128.pow(decimals);
    let (whole, rest) = (value / divisor, value % divisor);
    if rest == 0 {
        return whole.to_string();
    }
    let fraction = format!("{rest:0width$}", width = decimals as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}
