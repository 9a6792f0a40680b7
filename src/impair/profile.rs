use std::{fmt, num::NonZeroU64, time::Duration};

use crate::base::{BitRate, Fraction, show_duration};

/// How long a datagram may wait for those before it where nobody says otherwise: a buffer of one round trip
/// of 100 ms, the classic rule for sizing them (Villamizar and Song, CCR 1994).
pub const DEFAULT_QUEUE: Duration = Duration::from_millis(100);

/// One direction of a peer's access link; the other direction has the same figures.
///
/// A datagram from one peer to another crosses two links, the sender's and the receiver's: two peers with
/// 20 ms each are 80 ms of round trip apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// From one end of the link to the other, without queueing.
    pub delay: Duration,
    /// Each datagram's delay is drawn evenly from `delay` ± `jitter`, and is never below zero. The link
    /// stays first in, first out: one that was drawn a long delay holds up those behind it.
    pub jitter: Duration,
    /// The share of datagrams that is lost, each independently of the others.
    pub loss: Fraction,
    /// Bits per second, headers of IP and UDP included; `None` is no limit.
    pub rate_bits_per_s: Option<NonZeroU64>,
    /// How long a datagram may wait until the link is free; what would wait longer is dropped (tail drop). A
    /// time and not a size, as in RFC 8868 §4.3, so that it keeps its meaning when only the rate is changed.
    /// Without a rate nothing waits.
    pub queue: Duration,
}

impl Profile {
    /// Every name that [`Profile::named`] knows, from the best link to the worst.
    pub const NAMES: [&'static str; 5] = ["none", "lan", "wifi", "4g", "lossy"];

    /// A link that does nothing.
    pub fn none() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: share("0"),
            rate_bits_per_s: None,
            queue: DEFAULT_QUEUE,
        }
    }

    /// The profile of that name, if there is one:
    ///
    /// | name | delay | jitter | loss | rate | queue | where the figures come from |
    /// | --- | --- | --- | --- | --- | --- | --- |
    /// | `none` | 0 | 0 | 0 | – | – | the machine's own network, untouched |
    /// | `lan` | 0.2 ms | 0.05 ms | 0 | 1 Gbit/s | 10 ms | switched gigabit Ethernet: ping times in one building stay below 1 ms, full-duplex links have no collisions to lose anything in |
    /// | `wifi` | 3 ms | 2 ms | 0.1 % | 50 Mbit/s | 50 ms | Sui et al., "Characterizing and Improving WiFi Latency in Large-Scale Operational Networks" (MobiSys 2016): median 3 ms, taken as one way; its long tail (90th percentile 20 ms) belongs to congested cells and is not in this profile. 802.11 repeats lost frames, so little loss is left; the rate is that of a shared 802.11n/ac cell |
    /// | `4g` | 35 ms | 10 ms | 0.2 % | 12 Mbit/s | 200 ms | WebPageTest's LTE (12 Mbit/s, 70 ms of round trip); jitter and loss as Loadero's 4G has them (5–15 ms, 0.2 %). Base stations buffer deeply: Jiang et al., "Tackling Bufferbloat in 3G/4G Networks" (IMC 2012) |
    /// | `lossy` | 50 ms | 20 ms | 5 % | 5 Mbit/s | 200 ms | no measured network but a test: the middle of the loss rates with which RFC 8868 §4.2 evaluates congestion control (0, 1, 5, 10, 20 %), its delay of 50 ms, a slow link |
    pub fn named(name: &str) -> Option<Self> {
        let us = Duration::from_micros;
        let (delay, jitter, loss, mbit_per_s, queue) = match name {
            "none" => return Some(Self::none()),
            "lan" => (us(200), us(50), "0", 1_000, us(10_000)),
            "wifi" => (us(3_000), us(2_000), "0.1%", 50, us(50_000)),
            "4g" => (us(35_000), us(10_000), "0.2%", 12, us(200_000)),
            "lossy" => (us(50_000), us(20_000), "5%", 5, us(200_000)),
            _ => return None,
        };
        Some(Self {
            delay,
            jitter,
            loss: share(loss),
            rate_bits_per_s: NonZeroU64::new(mbit_per_s * 1_000_000),
            queue,
        })
    }

    /// Whether everything passes at once.
    pub fn is_none(&self) -> bool {
        self.delay.is_zero()
            && self.jitter.is_zero()
            && self.loss == share("0")
            && self.rate_bits_per_s.is_none()
    }
}

impl Default for Profile {
    /// [`Profile::none`].
    fn default() -> Self {
        Self::none()
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
        match (self.delay.is_zero(), self.jitter.is_zero()) {
            (true, true) => {}
            (_, true) => parts.push(format!("delay {}", show_duration(self.delay))),
            (_, false) => parts.push(format!(
                "delay {} ± {}",
                show_duration(self.delay),
                show_duration(self.jitter)
            )),
        }
        if self.loss != share("0") {
            parts.push(format!("loss {}", self.loss));
        }
        if let Some(rate) = self.rate_bits_per_s {
            parts.push(format!("rate {}", BitRate(rate)));
            parts.push(format!("queue {}", show_duration(self.queue)));
        }
        f.write_str(&parts.join(", "))
    }
}

/// A share written in the code.
fn share(text: &str) -> Fraction {
    text.parse().expect("written here as the language has it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_profile_and_only_none_does_nothing() {
        for name in Profile::NAMES {
            let profile = Profile::named(name).expect(name);
            assert_eq!(profile.is_none(), name == "none", "{name}");
            assert!(profile.jitter <= profile.delay, "{name}: a delay below zero");
        }
        assert_eq!(Profile::named("5g"), None);
    }

    #[test]
    fn a_profile_is_told_by_what_it_does() {
        let told = Profile::NAMES.map(|name| Profile::named(name).expect(name).to_string());
        assert_eq!(
            told,
            [
                "none",
                "delay 200us ± 50us, rate 1gbit, queue 10ms",
                "delay 3ms ± 2ms, loss 0.1%, rate 50mbit, queue 50ms",
                "delay 35ms ± 10ms, loss 0.2%, rate 12mbit, queue 200ms",
                "delay 50ms ± 20ms, loss 5%, rate 5mbit, queue 200ms",
            ]
        );
        let slow = Profile {
            delay: Duration::from_millis(30),
            ..Profile::none()
        };
        assert_eq!(slow.to_string(), "delay 30ms");
    }

    #[test]
    fn each_single_figure_is_an_impairment() {
        let none = Profile::none();
        let ms = Duration::from_millis(1);
        for impaired in [
            Profile { delay: ms, ..none },
            Profile { jitter: ms, ..none },
            Profile {
                loss: share("0.0001%"),
                ..none
            },
            Profile {
                rate_bits_per_s: NonZeroU64::new(1),
                ..none
            },
        ] {
            assert!(!impaired.is_none(), "{impaired:?}");
        }
        assert!(
            Profile { queue: ms, ..none }.is_none(),
            "nothing waits without a rate"
        );
    }
}
