use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::base::{Instant, Rate};

/// A socket that is that much too early is not held back: of those before it, one was late.
const LEEWAY: Duration = Duration::from_millis(50);
/// A rate that lets so many through in its window holds nobody back.
const MAX_KEPT: usize = 100_000;

/// How fast the signaling sockets of a run are opened: those of joins, those that are opened again, and those that an
/// attempt in vain was for.
///
/// In each second (of a rate below one a second: in the time of one) at most as many are opened as the rate says, give or
/// take the leeway. That is the rule by which a plan is refused, so a plan that was not refused is not held back while it
/// goes as planned.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    most: usize,
    /// When the latest were, or will be, opened.
    opened: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// `None`: nobody is ever held back.
    pub fn new(rate: Option<Rate>) -> Self {
        let window = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1).max(rate.due(1)));
        let most = rate.map_or(f64::INFINITY, |rate| {
            (rate.per_second() * window.as_secs_f64()).ceil()
        });
        Self {
            window,
            most: if most < MAX_KEPT as f64 {
                most as usize
            } else {
                usize::MAX
            },
            opened: Mutex::default(),
        }
    }

    /// When a socket that is wanted now may be opened. It counts as opened then.
    pub fn admit(&self, now: Instant) -> Instant {
        if self.most == usize::MAX {
            return now;
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let free = match opened.len() < self.most {
            true => now,
            false => opened.pop_front().map_or(now, |first| first + self.window),
        };
        let at = free.max(now);
        opened.push_back(at);
        match at.since(now) <= LEEWAY {
            true => now,
            false => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: &str) -> Pace {
        Pace::new(Some(rate.parse().expect("a rate")))
    }

    /// When those are opened that are wanted then, all in ms.
    fn opened(pace: &Pace, wanted: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let admitted = wanted.into_iter().map(|ms| pace.admit(Instant::from_millis(ms)));
        admitted.map(|at| at.as_micros() / 1_000).collect()
    }

    #[test]
    fn what_a_plan_may_have_is_never_held_back() {
        let even: Vec<u64> = (0..100).map(|nth| nth * 50).collect();
        assert_eq!(opened(&pace("20/s"), even.clone()), even);
        let bursts: Vec<u64> = (0..100).map(|nth| nth / 20 * 1_000).collect();
        assert_eq!(opened(&pace("20/s"), bursts.clone()), bursts);
        let slow: Vec<u64> = (0..10).map(|nth| nth * 10_000).collect();
        assert_eq!(opened(&pace("6/m"), slow.clone()), slow);
        // One that was late leaves the next ones on time, and they don't add up.
        let late: Vec<u64> = (0..200)
            .map(|nth| nth * 50 + if nth % 2 == 0 { 40 } else { 0 })
            .collect();
        assert_eq!(opened(&pace("20/s"), late.clone()), late);
    }

    #[test]
    fn a_storm_is_spread_in_its_order() {
        let storm = opened(&pace("20/s"), std::iter::repeat_n(500, 100));
        let spread: Vec<u64> = (0..100).map(|nth| 500 + nth / 20 * 1_000).collect();
        assert_eq!(storm, spread);
        assert_eq!(opened(&pace("6/m"), [0, 0, 0]), [0, 10_000, 20_000]);
        // Who comes while others still wait is behind them.
        let pace = pace("2/s");
        assert_eq!(opened(&pace, [0, 0, 0, 0, 700]), [0, 0, 1_000, 1_000, 2_000]);
    }

    #[test]
    fn without_a_rate_or_with_a_huge_one_nobody_waits() {
        let storm = || std::iter::repeat_n(7, 300_000);
        assert!(opened(&Pace::new(None), storm()).iter().all(|at| *at == 7));
        assert!(opened(&pace("1000000/s"), storm()).iter().all(|at| *at == 7));
    }
}
