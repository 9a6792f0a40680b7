use proptest::prelude::*;

use std::{num::NonZeroU64, time::Duration};

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
    for (text, expected) in [
        ("10", "`10` has no unit; did you mean `10mbit` or `10kbit`?"),
        (
            "10Mbit/s",
            "`10Mbit/s` has an unknown unit `Mbit/s`; did you mean `10mbit`?",
        ),
        (
            "64kbps",
            "`64kbps` has an unknown unit `kbps`; did you mean `64kbit`?",
        ),
        (
            "10ms",
            "`10ms` has an unknown unit `ms`; expected a number of bits per second",
        ),
        ("0mbit", "`0mbit` is zero; write something above zero"),
        ("0", "`0` is zero; write something above zero"),
        ("0.5bit", "`0.5bit` is finer than 1bit; round it"),
        (
            "1001gbit",
            "`1001gbit` is more than 1000gbit; the limit is 1000gbit",
        ),
        (
            "fast",
            "`fast` is not a bit rate; expected a number of bits per second",
        ),
    ] {
        let error = text.parse::<BitRate>().expect_err(text);
        assert!(said(error.clone()).starts_with(expected), "{}", said(error));
    }
}

#[test]
fn bit_rates_are_read_exactly() {
    for (text, bits) in [
        ("1bit", 1),
        ("64kbit", 64_000),
        ("1.5mbit", 1_500_000),
        ("0.001gbit", 1_000_000),
    ] {
        assert_eq!(
            text.parse::<BitRate>().map(|rate| rate.0.get()),
            Ok(bits),
            "{text}"
        );
    }
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
        let bits = BitRate(NonZeroU64::new(1 + a % 1_000_000_000_000).expect("above zero"));
        prop_assert_eq!(bits.to_string().parse(), Ok(bits));
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
        let _ = (text.parse::<Fraction>(), text.parse::<Size>(), text.parse::<BitRate>());
    }
}
