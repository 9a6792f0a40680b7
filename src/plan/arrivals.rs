use std::time::Duration;

use crate::{
    base::Instant,
    scenario::{Arrival, Stage},
};

/// When each of `count` peers arrives, in the order of their ids: never decreasing, nobody waits for anybody.
pub(super) fn arrivals(arrive: &Arrival, count: u32) -> Vec<Instant> {
    let at = |offset: Duration| Instant::START + offset;
    match arrive {
        Arrival::AtOnce => vec![Instant::START; count as usize],
        Arrival::Over(over) => (0..count).map(|k| at(part(*over, k, count))).collect(),
        Arrival::Rate(rate) => (0..count).map(|k| at(rate.due(u64::from(k)))).collect(),
        Arrival::Stages(stages) => {
            let mut ramps = Ramps::new(stages);
            (0..count).map(|k| at(ramps.due(k))).collect()
        }
    }
}

/// `whole * k / n`, cut to whole microseconds.
fn part(whole: Duration, k: u32, n: u32) -> Duration {
    let micros = whole.as_micros() * u128::from(k) / u128::from(n.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Linear ramps, one after the other, asked for ascending peers.
struct Ramps<'a> {
    left: &'a [Stage],
    /// When the first of `left` begins, and how many have arrived by then.
    start: Duration,
    from: u32,
}

impl<'a> Ramps<'a> {
    fn new(stages: &'a [Stage]) -> Self {
        Self {
            left: stages,
            start: Duration::ZERO,
            from: 0,
        }
    }

    fn due(&mut self, k: u32) -> Duration {
        while let Some((stage, rest)) = self.left.split_first() {
            if k < stage.to {
                return self.start + part(stage.over, k - self.from, stage.to - self.from);
            }
            (self.start, self.from, self.left) = (self.start + stage.over, stage.to, rest);
        }
        // The last stage brings everybody: the parser has seen to it.
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(arrive: &Arrival, count: u32) -> Vec<u64> {
        let all = arrivals(arrive, count);
        all.into_iter().map(|at| at.as_micros() / 1_000).collect()
    }

    #[test]
    fn peers_are_spread_evenly_over_a_span() {
        let over = Arrival::Over(Duration::from_secs(1));
        assert_eq!(millis(&over, 4), [0, 250, 500, 750]);
        assert_eq!(millis(&Arrival::AtOnce, 3), [0, 0, 0]);
    }

    #[test]
    fn peers_come_at_a_rate() {
        let rate = Arrival::Rate("20/s".parse().expect("a rate"));
        assert_eq!(millis(&rate, 4), [0, 50, 100, 150]);
    }

    #[test]
    fn stages_ramp_to_their_totals_and_may_hold() {
        let stage = |secs, to| Stage {
            over: Duration::from_secs(secs),
            to,
        };
        let stages = Arrival::Stages(vec![stage(2, 2), stage(10, 2), stage(1, 4), stage(0, 6)]);
        assert_eq!(millis(&stages, 6), [0, 1_000, 12_000, 12_500, 13_000, 13_000]);
    }
}
