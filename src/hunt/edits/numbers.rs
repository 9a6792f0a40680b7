use std::time::Duration;

use crate::base::DurationRange;

/// 1, half as many, one less.
pub(super) fn fewer(count: u32) -> Vec<u32> {
    let mut found: Vec<u32> = [1, count / 2, count.saturating_sub(1)]
        .into_iter()
        .filter(|fewer| (1..count).contains(fewer))
        .collect();
    found.dedup();
    found
}

pub(super) fn exactly(time: Duration) -> DurationRange {
    DurationRange::new(time, time).expect("it is not above itself")
}

/// Nothing, half, and what is round below it: a time that is read has few digits.
pub(super) fn shorter_times(time: Duration) -> Vec<Duration> {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut found = vec![0, micros / 2];
    let mut unit = 10_u64.pow(micros.checked_ilog10().unwrap_or(0));
    while unit >= 10 {
        let round = micros - micros % unit;
        // One less of that unit, or without what is finer.
        found.push(if round == micros { micros - unit } else { round });
        unit /= 10;
    }
    let fewer = |micros: &u64| *micros < u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut found: Vec<Duration> = found
        .into_iter()
        .filter(fewer)
        .map(Duration::from_micros)
        .collect();
    found.dedup();
    found
}
