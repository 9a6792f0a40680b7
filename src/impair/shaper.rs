use std::{num::NonZeroU64, time::Duration};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Distribution, Loss, Profile, jitter::unit, loss::Chain};
use crate::base::{Fraction, Instant};

/// What tells a link's second stream of chance from its first.
const SECOND_STREAM: u64 = 1 << 63;

/// What becomes of a datagram, or of its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at the other end of the link.
    Deliver(Delivery),
    /// It never comes out.
    Drop(DropReason),
}

/// How a datagram comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When: never before it went in; nor before what went in earlier comes out, unless it overtakes.
    pub at: Instant,
    /// It comes out before something that went in earlier.
    pub overtook: bool,
    /// What has happened to its contents.
    pub flip: Option<Flip>,
}

impl Delivery {
    /// Unharmed, and in its turn.
    pub fn at(at: Instant) -> Self {
        Self {
            at,
            overtook: false,
            flip: None,
        }
    }
}

/// A bit that the link has flipped: which one, in 64 bits of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip(u64);

impl Flip {
    /// Flips the bit in what the UDP datagram carries: any of them, equally probably. Nothing can be flipped in
    /// nothing.
    pub fn apply(self, contents: &mut [u8]) {
        let bits = contents.len() as u128 * 8;
        let bit = (u128::from(self.0) * bits) >> 64;
        if let Some(byte) = contents.get_mut((bit / 8) as usize) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// Why a datagram never comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// The link lost it.
    Lost,
    /// It would have waited for the link longer than [`Profile::queue`].
    QueueFull,
}

/// What becomes of a datagram that goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    /// Of itself.
    pub original: Fate,
    /// Of its copy, if the link has made one.
    pub copy: Option<Fate>,
}

/// One direction of a link: says of each datagram when it comes out, or that it does not.
///
/// In the order of a datagram's way: it may be lost; it may be corrupted; it waits until the link has sent those
/// before it, or is dropped if that takes too long; it is sent at the link's rate; it travels for the delay with
/// its jitter, and does not overtake; or it travels in no time, and does. Its copy, if there is one, goes the same
/// way right behind it and is as it is. What is lost takes none of the rate and has no copy.
///
/// Every datagram draws as many random values from the first stream whatever the profile is, so a seed's losses stay
/// where they are when only the delay is changed. What bursts, copies, flips and overtaking need comes from a
/// second stream, again as much of it for each, and only while a profile has any of these: a profile that has not draws
/// what it drew before there were any.
#[derive(Debug, Clone)]
pub struct Shaper {
    profile: Profile,
    rng: ChaCha8Rng,
    more: ChaCha8Rng,
    chain: Chain,
    /// When the link has sent all that it has taken, in ns since the run's start: at 1 Gbit/s a µs is
    /// 125 bytes, too coarse to add up.
    free_at_ns: u64,
    /// The latest instant at which something came to be sent.
    last_in_ns: u64,
    /// When the last datagram comes out.
    last_out: Instant,
}

/// Chance for one datagram: the second stream's share.
struct Draws {
    turn: f64,
    burst: f64,
    duplicate: f64,
    reorder: f64,
    corrupt: f64,
    flip: Flip,
}

const NS_PER_US: u64 = 1_000;
const NS_PER_S: u128 = 1_000_000_000;

impl Shaper {
    /// A link that has carried nothing yet. `rng` is its own: no two links share one.
    pub fn new(profile: Profile, rng: ChaCha8Rng) -> Self {
        let mut more = rng.clone();
        more.set_stream(rng.get_stream() ^ SECOND_STREAM);
        Self {
            profile,
            rng,
            more,
            chain: Chain::default(),
            free_at_ns: 0,
            last_in_ns: 0,
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
        // Bursts begin good, unless they go on.
        if !matches!(profile.loss, Loss::Bursts(_)) {
            self.chain = Chain::default();
        }
    }

    /// A datagram of `bytes` on the wire, headers included, goes in.
    pub fn admit(&mut self, bytes: usize, now: Instant) -> Crossing {
        self.take(bytes, Delivery::at(now), true)
    }

    /// The same for one that another link has delivered so: this link lies behind it. What has overtaken there
    /// is not held up here by what it has overtaken. `copies`: this link may duplicate it.
    pub(super) fn take(&mut self, bytes: usize, came: Delivery, copies: bool) -> Crossing {
        let dropped = |reason| Crossing {
            original: Fate::Drop(reason),
            copy: None,
        };
        let independent = match self.profile.loss {
            Loss::Independent(share) => share.as_f64(),
            Loss::Bursts(_) => 0.0,
        };
        let mut lost = happens(independent, &mut self.rng);
        let travel = draw_delay(&self.profile, &mut self.rng);
        let draws = self.draw_more();
        if let (Loss::Bursts(model), Some(draws)) = (&self.profile.loss, &draws) {
            lost = draws.burst < self.chain.step(model, draws.turn);
        }
        if lost {
            return dropped(DropReason::Lost);
        }
        let Some(sent) = self.transmit(bytes, came.at) else {
            return dropped(DropReason::QueueFull);
        };
        let wants = |share: Fraction, drawn: fn(&Draws) -> f64| {
            draws.as_ref().is_some_and(|draws| drawn(draws) < share.as_f64())
        };
        let overtakes = wants(self.profile.reorder, |draws| draws.reorder);
        let corrupted = wants(self.profile.corrupt, |draws| draws.corrupt);
        let duplicated = copies && wants(self.profile.duplicate, |draws| draws.duplicate);
        // Two flips are one too many to be told; the later one stands.
        let flip = draws.filter(|_| corrupted).map(|draws| draws.flip).or(came.flip);
        let travel = if overtakes { Duration::ZERO } else { travel };
        let free = overtakes || came.overtook;
        let original = self.come_out(sent + travel, free, flip);
        let copy = duplicated.then(|| match self.transmit(bytes, came.at) {
            Some(sent) => Fate::Deliver(self.come_out(sent + travel, free, flip)),
            None => Fate::Drop(DropReason::QueueFull),
        });
        Crossing {
            original: Fate::Deliver(original),
            copy,
        }
    }

    /// `free`: it need not wait for those before it.
    fn come_out(&mut self, at: Instant, free: bool, flip: Option<Flip>) -> Delivery {
        let overtook = free && at < self.last_out;
        self.last_out = self.last_out.max(at);
        Delivery {
            at: if overtook { at } else { self.last_out },
            overtook,
            flip,
        }
    }

    /// Nothing, while the profile has no use for it.
    fn draw_more(&mut self) -> Option<Draws> {
        let Profile {
            loss,
            duplicate,
            reorder,
            corrupt,
            ..
        } = &self.profile;
        let shares = [duplicate, reorder, corrupt];
        let used = matches!(loss, Loss::Bursts(_)) || shares.iter().any(|share| share.as_f64() > 0.0);
        used.then(|| {
            let mut drawn = || unit(self.more.next_u64());
            let (turn, burst) = (drawn(), drawn());
            let (duplicate, reorder, corrupt) = (drawn(), drawn(), drawn());
            Draws {
                turn,
                burst,
                duplicate,
                reorder,
                corrupt,
                flip: Flip(self.more.next_u64()),
            }
        })
    }

    /// Takes the link's time for `bytes`; when the last bit has gone in, or `None` if the queue is full.
    pub(super) fn transmit(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.profile.rate_bits_per_s else {
            return Some(now);
        };
        // What has overtaken on the link before this one waits here for its turn.
        let now_ns = now.as_micros().saturating_mul(NS_PER_US).max(self.last_in_ns);
        self.last_in_ns = now_ns;
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

/// A delay of a profile, in whole µs, at least zero. Draws once, whatever the profile is.
pub(super) fn draw_delay(profile: &Profile, rng: &mut ChaCha8Rng) -> Duration {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4);
    let (delay, jitter) = (micros(profile.delay), micros(profile.jitter));
    let bits = rng.next_u64();
    if profile.distribution != Distribution::Uniform {
        let micros = delay as f64 + jitter as f64 * profile.distribution.deviation(bits);
        // Negative ones become zero.
        return Duration::from_micros(micros.round() as u64);
    }
    // Lemire's reduction of a random u64 to 0..=2·jitter; its bias is below 2⁻⁴⁰ for an hour of jitter.
    let span = u128::from(jitter) * 2 + 1;
    let drawn = (u128::from(bits) * span) >> 64;
    let micros = (u128::from(delay) + drawn).saturating_sub(u128::from(jitter));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Whether something of probability `share` happens; draws once, whatever the share is.
pub(super) fn happens(share: f64, rng: &mut ChaCha8Rng) -> bool {
    unit(rng.next_u64()) < share
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn shaper(profile: Profile) -> Shaper {
        Shaper::new(profile, ChaCha8Rng::seed_from_u64(7))
    }

    fn at(crossing: Crossing) -> u64 {
        assert_eq!(crossing.copy, None);
        match crossing.original {
            Fate::Deliver(delivery) => delivery.at.as_micros(),
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
        let fates: Vec<Crossing> = (0..5).map(|_| shaper.admit(1_250, now)).collect();
        assert_eq!(at(fates[2]), 31_000, "waits for exactly 20 ms");
        assert_eq!(
            fates[3..].iter().map(|c| c.original).collect::<Vec<_>>(),
            [Fate::Drop(DropReason::QueueFull); 2]
        );
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
            shaper.admit(1, Instant::from_millis(999)).original,
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
                .map(|i| shaper.admit(100, Instant::from_millis(i)).original == Fate::Drop(DropReason::Lost))
                .collect::<Vec<_>>()
        };
        assert_eq!(losses(0), losses(50));
        assert!(losses(0).contains(&true) && losses(0).contains(&false));
    }
}
