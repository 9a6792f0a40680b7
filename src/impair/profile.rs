use std::{fmt, num::NonZeroU64, time::Duration};

use super::{Distribution, Loss};
use crate::base::{BitRate, Fraction, show_duration};

/// How long a datagram may wait for those before it where nobody says otherwise. Chosen: as long as a long
/// round trip on a continent.
pub const DEFAULT_QUEUE: Duration = Duration::from_millis(100);

/// One direction of a link.
///
/// A datagram from one peer to another crosses two access links, the sender's and the receiver's: two peers
/// with 20 ms each are 80 ms of round trip apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// From one end of the link to the other, without queueing.
    pub delay: Duration,
    /// How far the delays are spread around `delay`, each drawn anew; none is below zero. The link stays first in,
    /// first out: one that was drawn a long delay holds up those behind it.
    pub jitter: Duration,
    /// How they are spread.
    pub distribution: Distribution,
    /// What is lost.
    pub loss: Loss,
    /// The share of datagrams that come out twice, the copy right behind the original. A copy takes the link's
    /// time as any other datagram.
    pub duplicate: Fraction,
    /// The share of datagrams that overtake: they travel in no time, and so come out before everything that is on
    /// its way (as `netem` does it). With a delay of zero there is nothing to overtake.
    pub reorder: Fraction,
    /// The share of datagrams of which one bit is flipped, any of those behind the UDP header.
    pub corrupt: Fraction,
    /// Bits per second, headers of IP and UDP included; `None` is no limit.
    pub rate_bits_per_s: Option<NonZeroU64>,
    /// How long a datagram may wait until the link is free; what would wait longer is dropped (tail drop). A
    /// time and not a size, so that it keeps its meaning when only the rate is changed. Without a rate nothing
    /// waits.
    pub queue: Duration,
}

impl Profile {
    /// A link that does nothing.
    pub fn none() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            distribution: Distribution::Uniform,
            loss: Loss::none(),
            duplicate: Fraction::ZERO,
            reorder: Fraction::ZERO,
            corrupt: Fraction::ZERO,
            rate_bits_per_s: None,
            queue: DEFAULT_QUEUE,
        }
    }

    /// Whether everything passes at once, once, and as it is.
    pub fn is_none(&self) -> bool {
        self.delay.is_zero()
            && self.jitter.is_zero()
            && self.loss.is_none()
            && self.duplicate == Fraction::ZERO
            && self.corrupt == Fraction::ZERO
            && self.rate_bits_per_s.is_none()
    }

    /// The share of datagrams that is of no use to the receiver in the long run: lost, or corrupted. Not what a
    /// full queue drops.
    pub fn wasted(&self) -> f64 {
        1.0 - (1.0 - self.loss.mean()) * (1.0 - self.corrupt.as_f64())
    }
}

impl Default for Profile {
    /// [`Profile::none`].
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Profile {
    /// What [`Profile::none`] has is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = Self::none();
        let mut shown = f.debug_struct("Profile");
        macro_rules! fields {
            ($($field:ident)*) => {
                $(if self.$field != none.$field {
                    shown.field(stringify!($field), &self.$field);
                })*
            };
        }
        fields!(delay jitter distribution loss duplicate reorder corrupt rate_bits_per_s queue);
        shown.finish()
    }
}

impl fmt::Display for Profile {
    /// For people: `delay 3ms ± 2ms, loss 0.1%, rate 50mbit, queue 50ms`. What does nothing is left out;
    /// without anything, it is `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let mut parts = Vec::new();
        let delay = show_duration(self.delay);
        let jitter = show_duration(self.jitter);
        match (self.delay.is_zero(), self.jitter.is_zero(), self.distribution) {
            (true, true, _) => {}
            (_, true, _) => parts.push(format!("delay {delay}")),
            (_, false, Distribution::Uniform) => parts.push(format!("delay {delay} ± {jitter}")),
            (_, false, other) => parts.push(format!("delay {delay} ± {jitter} ({other})")),
        }
        if !self.loss.is_none() {
            parts.push(format!("loss {}", self.loss));
        }
        for (what, share) in [
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
        ] {
            if share.as_f64() > 0.0 {
                parts.push(format!("{what} {share}"));
            }
        }
        if let Some(rate) = self.rate_bits_per_s {
            parts.push(format!("rate {}", BitRate(rate)));
            parts.push(format!("queue {}", show_duration(self.queue)));
        }
        f.write_str(&parts.join(", "))
    }
}

/// A peer's access link, or the way beyond it to one remote: what it does in each direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessLink {
    /// From the peer.
    pub up: Profile,
    /// To the peer.
    pub down: Profile,
}

impl AccessLink {
    /// A link that does nothing.
    pub fn none() -> Self {
        Self::both(Profile::none())
    }

    /// The same in both directions.
    pub fn both(way: Profile) -> Self {
        Self { up: way, down: way }
    }

    /// What it is like from the peer.
    pub fn up(&self) -> Profile {
        self.up
    }

    /// What it is like to the peer.
    pub fn down(&self) -> Profile {
        self.down
    }

    /// Whether everything passes at once, both ways.
    pub fn is_none(&self) -> bool {
        self.up.is_none() && self.down.is_none()
    }

    /// The larger of what the two directions waste ([`Profile::wasted`]).
    pub fn wasted(&self) -> f64 {
        self.up.wasted().max(self.down.wasted())
    }
}

impl Default for AccessLink {
    /// [`AccessLink::none`].
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for AccessLink {
    /// Both directions at once if they are alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AccessLink");
        match self.up == self.down {
            true => shown.field("both", &self.up),
            false => shown.field("up", &self.up).field("down", &self.down),
        };
        shown.finish()
    }
}

impl fmt::Display for AccessLink {
    /// For people: as one profile if both directions are alike, else `up: …; down: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.up == self.down || self.is_none() {
            return self.up.fmt(f);
        }
        write!(f, "up: {}; down: {}", self.up, self.down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::loss::share;

    #[test]
    fn each_single_figure_is_an_impairment() {
        let none = Profile::none();
        let ms = Duration::from_millis(1);
        for impaired in [
            Profile { delay: ms, ..none },
            Profile { jitter: ms, ..none },
            Profile {
                loss: "0.0001%".parse().expect("a share"),
                ..none
            },
            Profile {
                loss: "short-bursts".parse().expect("a name"),
                ..none
            },
            Profile {
                duplicate: share("0.0001%"),
                ..none
            },
            Profile {
                corrupt: share("0.0001%"),
                ..none
            },
            Profile {
                rate_bits_per_s: NonZeroU64::new(1),
                ..none
            },
        ] {
            assert!(!impaired.is_none(), "{impaired:?}");
            for link in [
                AccessLink {
                    up: impaired,
                    ..AccessLink::none()
                },
                AccessLink {
                    down: impaired,
                    ..AccessLink::none()
                },
            ] {
                assert!(!link.is_none(), "{link}");
            }
        }
        assert!(
            Profile { queue: ms, ..none }.is_none(),
            "nothing waits without a rate"
        );
        let all = Profile {
            reorder: share("1"),
            ..none
        };
        assert!(all.is_none(), "nothing is on its way without a delay");
    }

    #[test]
    fn a_profile_is_told_by_what_it_does() {
        let slow = Profile {
            delay: Duration::from_millis(30),
            ..Profile::none()
        };
        assert_eq!(slow.to_string(), "delay 30ms");
        let odd = Profile {
            duplicate: share("1%"),
            reorder: share("2%"),
            corrupt: share("3%"),
            ..slow
        };
        assert_eq!(
            odd.to_string(),
            "delay 30ms, duplicate 1%, reorder 2%, corrupt 3%"
        );
        let link = AccessLink {
            up: slow,
            down: Profile::none(),
        };
        assert_eq!(link.to_string(), "up: delay 30ms; down: none");
        assert_eq!(AccessLink::both(slow).to_string(), "delay 30ms");
        let wasted = Profile {
            loss: "50%".parse().expect("a share"),
            corrupt: share("50%"),
            ..slow
        };
        assert_eq!(wasted.wasted(), 0.75);
    }
}
