use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A timer is due this often in every event loop.
const EVERY: Duration = Duration::from_millis(10);
/// tokio's timers have a resolution of 1 ms and round up: so late is in time.
const RESOLUTION: Duration = Duration::from_millis(1);
/// Later than this, the machine was asleep, and what was due meanwhile is let go.
const ASLEEP: Duration = Duration::from_secs(60);
/// A lateness is told in steps of this.
const STEP_MICROS: u64 = 100;
/// And keeps so many leading bits, 3 %: so there are a few dozen different ones at most.
const BITS: u32 = 5;

/// How late timers fired: µs → how many. Shared by all probes of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Lateness(Arc<Mutex<BTreeMap<u64, u64>>>);

impl Lateness {
    fn add(&self, late: Duration) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let steps = micros / STEP_MICROS;
        let spare = (u64::BITS - steps.leading_zeros()).saturating_sub(BITS);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((steps >> spare << spare) * STEP_MICROS).or_default() += 1;
    }

    /// What has come together since this was last asked, the least late first.
    pub fn take(&self) -> Vec<(u64, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_iter().collect()
    }
}

/// When the next timer of a loop is due. They are due at fixed instants: a loop that stands still for a second is late
/// a hundred times, not once.
#[derive(Debug)]
struct Ticks {
    due: Instant,
}

impl Ticks {
    fn from(now: Instant) -> Self {
        Self { due: now + EVERY }
    }

    /// It has fired now: how late that is.
    fn fired(&mut self, now: Instant) -> Duration {
        let late = now.saturating_duration_since(self.due);
        *self = match late {
            late if late > ASLEEP => Self::from(now),
            _ => Self::from(self.due),
        };
        late.saturating_sub(RESOLUTION)
    }
}

/// Measures, for as long as it is polled, how late the timers of its event loop fire.
pub(super) async fn probe(lateness: Lateness) {
    let mut ticks = Ticks::from(Instant::now());
    loop {
        sleep_until(ticks.due).await;
        lateness.add(ticks.fired(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in which the loop stands still for so long from its middle on; in between, timers fire a little late.
    fn standing_still(still: Duration) -> Vec<(u64, u64)> {
        let (lateness, start) = (Lateness::default(), Instant::now());
        let (from, end) = (
            start + Duration::from_millis(500),
            start + Duration::from_secs(1) + still,
        );
        let mut ticks = Ticks::from(start);
        while ticks.due < end {
            let fires = ticks.due + Duration::from_micros(900);
            let now = if (from..from + still).contains(&fires) {
                from + still
            } else {
                fires
            };
            lateness.add(ticks.fired(now));
        }
        lateness.take()
    }

    fn later_than(micros: u64, told: &[(u64, u64)]) -> u64 {
        told.iter()
            .filter(|(late, _)| *late > micros)
            .map(|(_, count)| count)
            .sum()
    }

    #[test]
    fn a_loop_that_stands_still_is_late_for_all_that_was_due() {
        assert_eq!(
            standing_still(Duration::ZERO),
            [(0, 99)],
            "the resolution is no lag"
        );
        let still = standing_still(Duration::from_millis(500));
        assert_eq!(later_than(100_000, &still), 40, "{still:?}");
        let worst = still.last().expect("some").0;
        assert!((480_000..500_000).contains(&worst), "{still:?}");
    }

    #[test]
    fn a_machine_that_slept_is_late_once() {
        let slept = standing_still(Duration::from_secs(3_600));
        assert_eq!(later_than(60_000_000, &slept), 1, "{slept:?}");
    }

    #[test]
    fn what_was_told_is_not_told_again_and_is_told_in_few_words() {
        let lateness = Lateness::default();
        (0..10_000_u64).for_each(|micros| lateness.add(Duration::from_micros(micros * 100)));
        let told = lateness.take();
        assert!(told.len() < 200, "{}", told.len());
        assert_eq!(later_than(0, &told), 9_999);
        assert!(told.last().expect("some").0 > 960_000);
        assert!(lateness.take().is_empty());
    }

    #[tokio::test]
    async fn a_loop_is_probed_while_it_runs() {
        let lateness = Lateness::default();
        let task = tokio::spawn(probe(lateness.clone()));
        let mut told = 0;
        while told == 0 {
            tokio::time::sleep(EVERY).await;
            told = lateness.take().len();
        }
        task.abort();
    }
}
