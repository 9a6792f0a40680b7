use std::time::Duration;

use crate::limits::RateLimit;

/// A token bucket that is told the time.
#[derive(Debug)]
pub(super) struct Bucket {
    limit: RateLimit,
    /// Nanoseconds' worth of filling that are in it; a frame costs one frame's share.
    credit_ns: u128,
    filled_at: Duration,
}

const SECOND_NS: u128 = 1_000_000_000;

impl Bucket {
    pub(super) fn full(limit: RateLimit, now: Duration) -> Self {
        Self {
            limit,
            credit_ns: Self::capacity_ns(limit),
            filled_at: now,
        }
    }

    /// Takes one frame, if there is one to take. Credit is counted in frames × 10⁻⁹, so no rounding gets lost.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let passed_ns = now.saturating_sub(self.filled_at).as_nanos();
        self.filled_at = now.max(self.filled_at);
        let filled = self.credit_ns + passed_ns * u128::from(self.limit.per_second);
        self.credit_ns = filled.min(Self::capacity_ns(self.limit));
        match self.credit_ns.checked_sub(SECOND_NS) {
            Some(rest) => {
                self.credit_ns = rest;
                true
            }
            None => false,
        }
    }

    fn capacity_ns(limit: RateLimit) -> u128 {
        u128::from(limit.burst.max(1)) * SECOND_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::full(
            RateLimit {
                burst: 3,
                per_second: 10,
            },
            Duration::ZERO,
        );
        let mut at = |ms| bucket.take(Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(99), at(100), at(150), at(200)], [false, true, false, true]);
        assert_eq!(
            [at(9_000), at(9_000), at(9_000), at(9_000)],
            [true, true, true, false]
        );
    }
}
