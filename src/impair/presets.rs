use std::{num::NonZeroU64, time::Duration};

use super::{AccessLink, Distribution, GilbertElliott, Loss, Profile, loss::share};

impl AccessLink {
    /// Every name that [`AccessLink::named`] knows, from the best link to the worst; then those that are tests
    /// rather than networks.
    pub const NAMES: [&'static str; 10] = [
        "none",
        "lan",
        "wifi",
        "wifi-congested",
        "4g",
        "3g",
        "satellite",
        "edge",
        "bufferbloat",
        "lossy",
    ];

    /// The link of that name, if there is one. Where each figure comes from is in `docs/FAULTS.md`, "Presets".
    ///
    /// | name | delay | jitter | loss | rate, down / up | queue |
    /// | --- | --- | --- | --- | --- | --- |
    /// | `none` | 0 | 0 | 0 | – | – |
    /// | `lan` | 0.2 ms | 0.05 ms | 0 | 1 Gbit/s | 10 ms |
    /// | `wifi` | 3 ms | 2 ms | 0.1 % | 50 Mbit/s | 50 ms |
    /// | `wifi-congested` | 20 ms | 15 ms pareto | `short-bursts` | 5 Mbit/s | 250 ms |
    /// | `4g` | 35 ms | 10 ms | 0.2 % | 12 Mbit/s | 200 ms |
    /// | `3g` | 150 ms | 50 ms normal | 0.5 % | 1.6 / 0.768 Mbit/s | 500 ms |
    /// | `satellite` | 300 ms | 10 ms normal | 0.5 % | 100 / 10 Mbit/s | 200 ms |
    /// | `edge` | 420 ms | 100 ms normal | 1 % | 0.24 Mbit/s | 1000 ms |
    /// | `bufferbloat` | 15 ms | 2 ms | 0 | 10 / 1 Mbit/s | 1000 ms |
    /// | `lossy` | 50 ms | 20 ms | 5 % | 5 Mbit/s | 200 ms |
    pub fn named(name: &str) -> Option<Self> {
        use Distribution::{Normal, Pareto, Uniform};
        let us = Duration::from_micros;
        let (delay, jitter, distribution, loss, [down, up], queue_ms) = match name {
            "none" => return Some(Self::none()),
            "lan" => (us(200), us(50), Uniform, "0", [1_000_000; 2], 10),
            "wifi" => (us(3_000), us(2_000), Uniform, "0.1%", [50_000; 2], 50),
            "wifi-congested" => (us(20_000), us(15_000), Pareto, "short-bursts", [5_000; 2], 250),
            "4g" => (us(35_000), us(10_000), Uniform, "0.2%", [12_000; 2], 200),
            "3g" => (us(150_000), us(50_000), Normal, "0.5%", [1_600, 768], 500),
            "satellite" => (us(300_000), us(10_000), Normal, "0.5%", [100_000, 10_000], 200),
            "edge" => (us(420_000), us(100_000), Normal, "1%", [240; 2], 1_000),
            "bufferbloat" => (us(15_000), us(2_000), Uniform, "0", [10_000, 1_000], 1_000),
            "lossy" => (us(50_000), us(20_000), Uniform, "5%", [5_000; 2], 200),
            _ => return None,
        };
        let way = |kbit_per_s: u64| Profile {
            delay,
            jitter,
            distribution,
            loss: match GilbertElliott::named(loss) {
                Some(model) => Loss::Bursts(model),
                None => Loss::Independent(share(loss)),
            },
            rate_bits_per_s: NonZeroU64::new(kbit_per_s * 1_000),
            queue: Duration::from_millis(queue_ms),
            ..Profile::none()
        };
        Some(Self {
            up: way(up),
            down: way(down),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fraction;

    #[test]
    fn every_name_is_a_link_and_only_none_does_nothing() {
        for name in AccessLink::NAMES {
            let link = AccessLink::named(name).expect(name);
            assert_eq!(link.is_none(), name == "none", "{name}");
            for way in [link.up, link.down] {
                assert!(way.jitter <= way.delay, "{name}: a delay below zero");
                assert!(
                    way.reorder == Fraction::ZERO && way.corrupt == Fraction::ZERO,
                    "{name}"
                );
            }
        }
        assert_eq!(AccessLink::named("5g"), None);
    }

    #[test]
    fn a_link_is_told_by_what_it_does() {
        let told = AccessLink::NAMES.map(|name| AccessLink::named(name).expect(name).to_string());
        assert_eq!(
            told,
            [
                "none",
                "delay 200us ± 50us, rate 1gbit, queue 10ms",
                "delay 3ms ± 2ms, loss 0.1%, rate 50mbit, queue 50ms",
                "delay 20ms ± 15ms (pareto), loss short-bursts, rate 5mbit, queue 250ms",
                "delay 35ms ± 10ms, loss 0.2%, rate 12mbit, queue 200ms",
                "up: delay 150ms ± 50ms (normal), loss 0.5%, rate 768kbit, queue 500ms; down: delay 150ms ± 50ms (normal), loss 0.5%, rate 1.6mbit, queue 500ms",
                "up: delay 300ms ± 10ms (normal), loss 0.5%, rate 10mbit, queue 200ms; down: delay 300ms ± 10ms (normal), loss 0.5%, rate 100mbit, queue 200ms",
                "delay 420ms ± 100ms (normal), loss 1%, rate 240kbit, queue 1s",
                "up: delay 15ms ± 2ms, rate 1mbit, queue 1s; down: delay 15ms ± 2ms, rate 10mbit, queue 1s",
                "delay 50ms ± 20ms, loss 5%, rate 5mbit, queue 200ms",
            ]
        );
    }
}
