use std::{num::NonZeroU64, time::Duration};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Profile;
use crate::base::Instant;

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at the other end of the link at `at`, which is never before it went in, nor before what
    /// went in earlier comes out.
    Deliver {
        /// When it comes out.
        at: Instant,
    },
    /// It never comes out.
    Drop(DropReason),
}

/// Why a datagram never comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// The link lost it.
    Lost,
    /// It would have waited for the link longer than [`Profile::queue`].
    QueueFull,
}

/// One direction of a link: says of each datagram when it comes out, or that it does not.
///
/// In the order of a datagram's way: it may be lost; it waits until the link has sent those before it, or is
/// dropped if that takes too long; it is sent at the link's rate; it travels for the delay with its jitter,
/// and never overtakes. What is lost takes none of the rate, as in Linux's `netem`.
///
/// Every datagram draws the same number of random values whatever the profile is, so a seed's losses stay
/// where they are when only the delay is changed.
#[derive(Debug, Clone)]
pub struct Shaper {
    profile: Profile,
    rng: ChaCha8Rng,
    /// When the link has sent all that it has taken, in ns since the run's start: at 1 Gbit/s a µs is
    /// 125 bytes, too coarse to add up.
    free_at_ns: u64,
    /// When the last datagram comes out.
    last_out: Instant,
}

const NS_PER_US: u64 = 1_000;
const NS_PER_S: u128 = 1_000_000_000;

impl Shaper {
    /// A link that has carried nothing yet. `rng` is its own: no two links share one.
    pub fn new(profile: Profile, rng: ChaCha8Rng) -> Self {
        Self {
            profile,
            rng,
            free_at_ns: 0,
            last_out: Instant::START,
        }
    }

    /// What the link is like now.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Changes what the link is like for what is admitted from now on. What was admitted keeps its fate, and
    /// nothing overtakes it.
    pub fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// A datagram of `bytes` on the wire, headers included, goes in.
    pub fn admit(&mut self, bytes: usize, now: Instant) -> Fate {
        let lost = happens(self.profile.loss.as_f64(), &mut self.rng);
        let travel = draw_delay(&self.profile, &mut self.rng);
        if lost {
            return Fate::Drop(DropReason::Lost);
        }
        match self.transmit(bytes, now) {
            Some(sent) => {
                self.last_out = self.last_out.max(sent + travel);
                Fate::Deliver { at: self.last_out }
            }
            None => Fate::Drop(DropReason::QueueFull),
        }
    }

    /// Takes the link's time for `bytes`; when the last bit has gone in, or `None` if the queue is full.
    pub(super) fn transmit(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.profile.rate_bits_per_s else {
            return Some(now);
        };
        let now_ns = now.as_micros().saturating_mul(NS_PER_US);
        let start_ns = self.free_at_ns.max(now_ns);
        if u128::from(start_ns - now_ns) > self.profile.queue.as_nanos() {
            return None;
        }
        self.free_at_ns = start_ns.saturating_add(sending_time_ns(bytes, rate));
        // Rounded up, so that nothing comes out before its last bit has gone in.
        Some(Instant::from_micros(self.free_at_ns.div_ceil(NS_PER_US)))
    }

    /// How long an idle link takes for `bytes`.
    pub(super) fn sending_time(&self, bytes: usize) -> Duration {
        self.profile.rate_bits_per_s.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(sending_time_ns(bytes, rate))
        })
    }
}

fn sending_time_ns(bytes: usize, rate_bits_per_s: NonZeroU64) -> u64 {
    let ns = bytes as u128 * 8 * NS_PER_S / u128::from(rate_bits_per_s.get());
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// `delay` ± `jitter` of a profile, in whole µs, at least zero.
pub(super) fn draw_delay(profile: &Profile, rng: &mut ChaCha8Rng) -> Duration {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4);
    let (delay, jitter) = (micros(profile.delay), micros(profile.jitter));
    // Lemire's reduction of a random u64 to 0..=2·jitter; its bias is below 2⁻⁴⁰ for an hour of jitter.
    let span = u128::from(jitter) * 2 + 1;
    let drawn = (u128::from(rng.next_u64()) * span) >> 64;
    let micros = (u128::from(delay) + drawn).saturating_sub(u128::from(jitter));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Whether something of probability `share` happens; draws once, whatever the share is.
pub(super) fn happens(share: f64, rng: &mut ChaCha8Rng) -> bool {
    // 53 random bits: every double in [0, 1) that has that many.
    let drawn = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    drawn < share
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn shaper(profile: Profile) -> Shaper {
        Shaper::new(profile, ChaCha8Rng::seed_from_u64(7))
    }

    fn at(fate: Fate) -> u64 {
        match fate {
            Fate::Deliver { at } => at.as_micros(),
            Fate::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }

    #[test]
    fn nothing_happens_on_a_link_without_impairments() {
        let mut shaper = shaper(Profile::none());
        for now in [0, 0, 5, 1_000_000] {
            assert_eq!(at(shaper.admit(1_200, Instant::from_micros(now))), now);
        }
    }

    #[test]
    fn a_datagram_comes_out_when_its_last_bit_is_sent_and_has_travelled() {
        let mut shaper = shaper(Profile {
            delay: Duration::from_millis(20),
            rate_bits_per_s: NonZeroU64::new(1_000_000),
            ..Profile::none()
        });
        // 1,250 bytes are 10 ms at 1 Mbit/s; the second waits for the first.
        assert_eq!(at(shaper.admit(1_250, Instant::from_millis(100))), 130_000);
        assert_eq!(at(shaper.admit(1_250, Instant::from_millis(105))), 140_000);
        assert_eq!(
            at(shaper.admit(1_250, Instant::from_millis(200))),
            230_000,
            "an idle link saves nothing up"
        );
    }

    #[test]
    fn what_would_wait_too_long_is_dropped_and_takes_no_time_of_the_link() {
        let mut shaper = shaper(Profile {
            rate_bits_per_s: NonZeroU64::new(1_000_000),
            queue: Duration::from_millis(20),
            ..Profile::none()
        });
        let now = Instant::from_millis(1);
        let fates: Vec<Fate> = (0..5).map(|_| shaper.admit(1_250, now)).collect();
        assert_eq!(at(fates[2]), 31_000, "waits for exactly 20 ms");
        assert_eq!(fates[3..], [Fate::Drop(DropReason::QueueFull); 2]);
        assert_eq!(at(shaper.admit(1_250, Instant::from_millis(31))), 41_000);
    }

    #[test]
    fn a_datagram_larger_than_the_queue_passes_an_idle_link() {
        let mut shaper = shaper(Profile {
            rate_bits_per_s: NonZeroU64::new(8_000),
            queue: Duration::ZERO,
            ..Profile::none()
        });
        assert_eq!(at(shaper.admit(1_000, Instant::START)), 1_000_000);
        assert_eq!(
            shaper.admit(1, Instant::from_millis(999)),
            Fate::Drop(DropReason::QueueFull)
        );
    }

    #[test]
    fn a_better_profile_does_not_let_anything_overtake() {
        let mut shaper = shaper(Profile {
            delay: Duration::from_millis(300),
            ..Profile::none()
        });
        assert_eq!(at(shaper.admit(100, Instant::from_millis(0))), 300_000);
        shaper.set_profile(Profile::none());
        assert_eq!(at(shaper.admit(100, Instant::from_millis(10))), 300_000);
        assert_eq!(at(shaper.admit(100, Instant::from_millis(301))), 301_000);
    }

    #[test]
    fn losses_stay_where_they_are_when_only_the_delay_changes() {
        let losses = |delay| {
            let mut shaper = shaper(Profile {
                delay: Duration::from_millis(delay),
                loss: "30%".parse().expect("a share"),
                ..Profile::none()
            });
            (0..200)
                .map(|i| shaper.admit(100, Instant::from_millis(i)) == Fate::Drop(DropReason::Lost))
                .collect::<Vec<_>>()
        };
        assert_eq!(losses(0), losses(50));
        assert!(losses(0).contains(&true) && losses(0).contains(&false));
    }
}
