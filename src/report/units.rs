//! Figures as people read them: three significant digits and a unit.

/// A duration given in ms: `813µs`, `9.81ms`, `4.21s`, `1.50h`; `inf` for a failure, `-` for no figure.
pub(super) fn duration(ms: Option<f64>) -> String {
    let Some(ms) = ms.filter(|ms| !ms.is_nan()) else {
        return "-".to_owned();
    };
    if ms.is_infinite() {
        return "inf".to_owned();
    }
    let units = [
        (0.001, "µs", 999.5),
        (1.0, "ms", 999.5),
        (1_000.0, "s", 3_600.0),
        (3_600_000.0, "h", f64::INFINITY),
    ];
    if ms <= 0.0 {
        return "0ms".to_owned();
    }
    let (scale, unit, _) = units
        .into_iter()
        .find(|(scale, _, below)| ms / scale < *below)
        .expect("the last unit has no end");
    format!("{}{unit}", three_digits(ms / scale))
}

/// Three significant digits, and none that say nothing: `2.14`, `21.4`, `214`, `2`.
pub(super) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The same without a fraction of zeros: `2`, `2.5`, `214`. For edges of buckets.
pub(super) fn edge(ms: f64) -> String {
    let text = duration(Some(ms));
    let unit = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    if number.contains('.') {
        let number = number.trim_end_matches('0').trim_end_matches('.');
        return format!("{number}{unit}");
    }
    text
}

/// A share: `0.00%`, `12.5%`, `100%`. What is neither none nor all is never shown as such.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share.filter(|share| share.is_finite()) else {
        return "-".to_owned();
    };
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.005 {
        "<0.01%".to_owned()
    } else if (99.95..100.0).contains(&percent) {
        ">99.9%".to_owned()
    } else {
        format!("{}%", three_digits(percent))
    }
}

/// Bytes in decimal units: `812B`, `64.2MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            return match unit {
                "B" => format!("{bytes}B"),
                _ => format!("{}{unit}", three_digits(value)),
            };
        }
        value /= 1_000.0;
    }
    format!("{}PB", three_digits(value))
}

/// A plain number with as many digits as it needs: thresholds compare any figure.
pub(super) fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value.is_nan() {
        return "-".to_owned();
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits_over_all_units() {
        let shown = |ms: f64| duration(Some(ms));
        let cases = [
            (0.0, "0ms"),
            (0.001, "1.00µs"),
            (0.8134, "813µs"),
            (0.9999, "1.00ms"),
            (9.996, "10.0ms"),
            (99.96, "100ms"),
            (999.7, "1.00s"),
            (4_213.0, "4.21s"),
            (3_599_000.0, "3599s"),
            (3_600_000.0, "1.00h"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "-"),
        ];
        for (ms, text) in cases {
            assert_eq!(shown(ms), text, "{ms}");
        }
        assert_eq!(duration(None), "-");
        assert_eq!(edge(2.0), "2ms");
        assert_eq!(edge(1_500.0), "1.5s");
        assert_eq!(edge(100.0), "100ms");
    }

    #[test]
    fn a_share_that_is_not_none_or_all_never_looks_like_it() {
        let shown: Vec<_> = [0.0, 0.000_01, 0.125, 0.999_9, 1.0]
            .map(|s| percent(Some(s)))
            .into();
        assert_eq!(shown, ["0.00%", "<0.01%", "12.5%", ">99.9%", "100%"]);
        assert_eq!(percent(None), "-");
    }

    #[test]
    fn bytes_and_numbers() {
        assert_eq!(bytes(812), "812B");
        assert_eq!(bytes(64_213_000), "64.2MB");
        assert_eq!(bytes(u64::MAX), "18447PB");
        assert_eq!(number(0.01), "0.01");
        assert_eq!(number(1_200.0), "1200");
        assert_eq!(number(f64::INFINITY), "inf");
    }
}
