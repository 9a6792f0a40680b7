//! What was asked of a link is what is measured on it.
//!
//! The seeds are fixed, so each of these passes always or never. The intervals say how far a right
//! implementation may stray by chance with that sample size: Z standard errors to either side.

use std::{num::NonZeroU64, time::Duration};

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Delivery, DropReason, Fate, Profile, Shaper};
use crate::base::Instant;

/// Standard errors: a normal variable strays further once in 15,800 times (confidence 99.994 %).
const Z: f64 = 4.0;
const SEEDS: std::ops::Range<u64> = 0..20;

fn shaper(profile: Profile, seed: u64) -> Shaper {
    Shaper::new(profile, ChaCha8Rng::seed_from_u64(seed))
}

fn profile(delay_us: u64, jitter_us: u64, loss: &str) -> Profile {
    Profile {
        delay: Duration::from_micros(delay_us),
        jitter: Duration::from_micros(jitter_us),
        loss: loss.parse().expect("a share"),
        ..Profile::none()
    }
}

/// One datagram every `gap_us`; for each the time it took in µs, or `None`.
fn send(shaper: &mut Shaper, datagrams: u64, gap_us: u64) -> Vec<Option<f64>> {
    (1..=datagrams)
        .map(|i| {
            let now = Instant::from_micros(i * gap_us);
            match shaper.admit(100, now).original {
                Fate::Deliver(Delivery { at, .. }) => Some(at.since(now).as_micros() as f64),
                Fate::Drop(_) => None,
            }
        })
        .collect()
}

fn assert_within(measured: f64, asked: f64, interval: f64, what: &str) {
    assert!(
        (measured - asked).abs() <= interval,
        "{what}: asked {asked}, measured {measured}, which is not within ±{interval}"
    );
}

#[test]
fn the_share_that_is_lost_is_the_share_asked_for() {
    const N: u64 = 20_000;
    for seed in SEEDS {
        for loss in ["0.5%", "1%", "5%", "20%", "50%", "95%"] {
            let profile = profile(0, 0, loss);
            let p = profile.loss.mean();
            let lost = send(&mut shaper(profile, seed), N, 1_000)
                .iter()
                .filter(|took| took.is_none())
                .count();
            // A binomial share: √(p(1−p)/n); at 1 % and Z = 4 that is ±0.28 %.
            let interval = Z * (p * (1.0 - p) / N as f64).sqrt();
            assert_within(
                lost as f64 / N as f64,
                p,
                interval,
                &format!("{loss}, seed {seed}"),
            );
        }
        for (loss, delivered) in [("0%", N as usize), ("100%", 0)] {
            let took = send(&mut shaper(profile(0, 0, loss), seed), N, 1_000);
            assert_eq!(took.iter().flatten().count(), delivered, "{loss} is exact");
        }
    }
}

/// Independence: the pairs of neighbours that are both lost are p² of all.
#[test]
fn one_loss_says_nothing_about_the_next() {
    const N: u64 = 20_000;
    for seed in SEEDS {
        let took = send(&mut shaper(profile(0, 0, "20%"), seed), N, 1_000);
        let both = took.chunks(2).filter(|pair| *pair == [None, None]).count();
        let (pairs, p2) = (N as f64 / 2.0, 0.04_f64);
        let interval = Z * (p2 * (1.0 - p2) / pairs).sqrt();
        assert_within(both as f64 / pairs, p2, interval, &format!("seed {seed}"));
    }
}

#[test]
fn delay_and_jitter_are_those_asked_for() {
    const N: u64 = 10_000;
    for seed in SEEDS {
        for (delay, jitter) in [(20_000, 5_000), (35_000, 10_000), (200, 50)] {
            // Further apart than twice the jitter, so that nobody is held up by the one before.
            let took: Vec<f64> = send(&mut shaper(profile(delay, jitter, "0"), seed), N, 2 * jitter + 1)
                .into_iter()
                .flatten()
                .collect();
            let (d, j, n) = (delay as f64, jitter as f64, N as f64);
            assert!(
                took.iter().all(|t| (d - j..=d + j).contains(t)),
                "one is outside of {d} ± {j}"
            );
            let mean = took.iter().sum::<f64>() / n;
            let variance = took.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
            // Uniform over 2j + 1 whole µs: variance ((2j + 1)² − 1)/12 = j(j + 1)/3, kurtosis 9/5.
            let asked = j * (j + 1.0) / 3.0;
            assert_within(mean, d, Z * (asked / n).sqrt(), &format!("delay, seed {seed}"));
            // Standard error of a sample's variance: σ² √((κ − 1)/n).
            let interval = Z * asked * (0.8 / n).sqrt();
            assert_within(variance, asked, interval, &format!("variance, seed {seed}"));
        }
        let exact = send(&mut shaper(profile(20_000, 0, "0"), seed), 100, 1);
        assert!(
            exact.iter().all(|took| *took == Some(20_000.0)),
            "no jitter, no spread"
        );
    }
}

/// No chance in this one: what comes out is the rate, to the µs that an instant is rounded to.
#[test]
fn an_overloaded_link_delivers_its_rate_and_drops_the_rest() {
    for (rate, queue_ms) in [(1_000_000, 100), (5_000_000, 20), (12_000_000, 200), (999_983, 0)] {
        let asked = Profile {
            rate_bits_per_s: NonZeroU64::new(rate),
            queue: Duration::from_millis(queue_ms),
            ..profile(20_000, 0, "0")
        };
        let mut link = shaper(asked, 0);
        const BYTES: usize = 1_250;
        let sending_us = BYTES as f64 * 8e6 / rate as f64;
        // Three times the rate, for ten seconds.
        let (mut out, mut dropped, mut now) = (Vec::new(), 0, Instant::from_micros(1));
        while now < Instant::from_millis(10_000) {
            match link.admit(BYTES, now).original {
                Fate::Deliver(Delivery { at, .. }) => {
                    let waited = at.since(now).as_micros() as f64 - 20_000.0 - sending_us;
                    assert!(waited <= queue_ms as f64 * 1_000.0 + 2.0, "waited {waited} µs");
                    out.push(at);
                }
                Fate::Drop(reason) => {
                    assert_eq!(reason, DropReason::QueueFull);
                    dropped += 1;
                }
            }
            now += Duration::from_micros((sending_us / 3.0) as u64);
        }
        let span_s = out[out.len() - 1].since(out[0]).as_secs_f64();
        let measured = (out.len() - 1) as f64 * BYTES as f64 * 8.0 / span_s;
        if queue_ms == 0 {
            assert!(
                measured <= rate as f64,
                "without a queue the link idles between two"
            );
            continue;
        }
        assert_within(measured, rate as f64, rate as f64 * 1e-5, "bit/s");
        // Two of three are too many, but for what the queue holds at the end.
        let held = queue_ms as f64 * 1_000.0 / sending_us + 1.0;
        let offered = (out.len() + dropped) as f64;
        assert_within(
            dropped as f64,
            offered * 2.0 / 3.0,
            held + offered * 0.01,
            "dropped",
        );
    }
}

/// Losses of the two directions of a peer fall together as often as chance has it, and so do their delays.
#[test]
fn two_links_of_one_seed_are_independent() {
    const N: u64 = 20_000;
    for seed in SEEDS {
        let mut root = ChaCha8Rng::seed_from_u64(seed);
        let mut link = |loss| Shaper::new(profile(20_000, 5_000, loss), ChaCha8Rng::from_rng(&mut root));
        let (up, down) = (
            send(&mut link("20%"), N, 20_000),
            send(&mut link("20%"), N, 20_000),
        );
        let both = up.iter().zip(&down).filter(|(u, d)| u.is_none() && d.is_none());
        let p2 = 0.04_f64;
        let interval = Z * (p2 * (1.0 - p2) / N as f64).sqrt();
        assert_within(both.count() as f64 / N as f64, p2, interval, "lost on both");

        // Correlation of n independent pairs: standard error 1/√n.
        let delays: Vec<(f64, f64)> = up
            .into_iter()
            .zip(down)
            .filter_map(|(u, d)| Some((u? - 20_000.0, d? - 20_000.0)))
            .collect();
        let n = delays.len() as f64;
        let (uu, dd, ud) = delays.iter().fold((0.0, 0.0, 0.0), |(uu, dd, ud), (u, d)| {
            (uu + u * u, dd + d * d, ud + u * d)
        });
        assert_within(ud / (uu * dd).sqrt(), 0.0, Z / n.sqrt(), "correlation of delays");
    }
}

fn any_profile() -> impl Strategy<Value = Profile> {
    (
        0_u64..100_000,
        0_u64..200_000,
        0_u32..=100,
        0_u64..10_000_000,
        0_u64..300,
    )
        .prop_map(|(delay, jitter, loss, rate, queue)| Profile {
            rate_bits_per_s: NonZeroU64::new(rate),
            queue: Duration::from_millis(queue),
            ..profile(delay, jitter, &format!("{loss}%"))
        })
}

proptest! {
    #[test]
    fn nothing_overtakes_or_comes_early_and_a_seed_repeats(
        seed: u64,
        profiles in proptest::collection::vec(any_profile(), 1..4),
        datagrams in proptest::collection::vec((0_u64..50_000, 0_usize..2_000), 1..200),
    ) {
        let play = || {
            let mut link = shaper(profiles[0], seed);
            let mut now = Instant::START;
            let mut fates = Vec::new();
            for (i, (gap, bytes)) in datagrams.iter().enumerate() {
                now += Duration::from_micros(*gap);
                link.set_profile(profiles[i * profiles.len() / datagrams.len()]);
                fates.push((now, link.admit(*bytes, now)));
            }
            fates
        };
        let fates = play();
        let mut last = Instant::START;
        for (now, fate) in &fates {
            if let Fate::Deliver(Delivery { at, .. }) = &fate.original {
                prop_assert!(at >= now && *at >= last);
                last = *at;
            }
        }
        prop_assert_eq!(fates, play());
    }
}
