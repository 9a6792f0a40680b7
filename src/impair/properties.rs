//! What was asked of a link is what is measured on it.
//!
//! The seeds are fixed, so each of these passes always or never. The intervals say how far a right
//! implementation may stray by chance with that sample size: Z standard errors to either side.

use std::{num::NonZeroU64, time::Duration};

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Delivery, Distribution, DropReason, Fate, GilbertElliott, Loss, Profile, Shaper, TAIL};
use crate::base::{Fraction, Instant};

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

/// Whether `asked` is what a share of `count` in `n` independent draws can come from: Wilson's interval at Z.
fn assert_share(count: usize, n: usize, asked: f64, what: &str) {
    let (n, z2) = (n as f64, Z * Z);
    let share = count as f64 / n;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    assert_within(centre, asked, half, what);
}

fn share(text: &str) -> Fraction {
    text.parse().expect("a share")
}

fn bursts(p: &str, r: &str, in_good: &str, in_bad: &str) -> Profile {
    Profile {
        loss: Loss::Bursts(GilbertElliott {
            good_to_bad: share(p),
            bad_to_good: share(r),
            in_good: share(in_good),
            in_bad: share(in_bad),
        }),
        ..Profile::none()
    }
}

/// A chain's losses hang together: the covariance of two that are k datagrams apart is
/// π(1 - π)(h - g)² λᵏ with λ = 1 - p - r, and that is what makes the interval of their share wide.
#[test]
fn bursts_lose_the_share_and_hang_together_as_the_model_has_it() {
    const N: usize = 100_000;
    for seed in SEEDS {
        for (p, r, g, h) in [
            ("1%", "25%", "0", "100%"),
            ("0.2%", "2%", "0", "30%"),
            ("5%", "50%", "1%", "80%"),
            ("0.5263%", "10%", "0", "100%"),
            ("60%", "70%", "10%", "20%"),
        ] {
            let asked = bursts(p, r, g, h);
            let mean = asked.loss.mean();
            let lost: Vec<bool> = send(&mut shaper(asked, seed), N as u64, 1_000)
                .iter()
                .map(Option::is_none)
                .collect();
            let [p, r, g, h] = [p, r, g, h].map(|text| share(text).as_f64());
            let (bad, lambda) = (p / (p + r), 1.0 - p - r);
            let together = bad * (1.0 - bad) * (h - g).powi(2);
            let variance = mean * (1.0 - mean) + 2.0 * together * lambda / (1.0 - lambda);
            let what = format!("p {p}, r {r}, seed {seed}");
            let measured = lost.iter().filter(|lost| **lost).count() as f64 / N as f64;
            assert_within(measured, mean, Z * (variance / N as f64).sqrt(), &what);
            // Neighbours, both lost. Their share is a mean of what hangs together for about 1/(1 - λ) datagrams.
            let both = lost.windows(2).filter(|pair| pair[0] && pair[1]).count() as f64 / N as f64;
            let asked = mean * mean + together * lambda;
            let effective = N as f64 * (1.0 - lambda.abs()) / (1.0 + lambda.abs());
            let interval = Z * (asked * (1.0 - asked) / effective).sqrt();
            assert_within(both, asked, interval, &what);
        }
    }
}

/// Where the bad state loses all and the good one nothing, a burst is a stay in the bad state: geometric with mean 1/r.
#[test]
fn bursts_are_as_long_as_the_model_has_it() {
    for seed in SEEDS {
        for (p, r) in [("1%", "25%"), ("0.5%", "50%"), ("0.5%", "10%")] {
            let took = send(&mut shaper(bursts(p, r, "0", "100%"), seed), 100_000, 1_000);
            let runs = took.chunk_by(|a, b| a.is_none() == b.is_none());
            let lengths: Vec<f64> = runs
                .filter(|run| run[0].is_none())
                .map(|run| run.len() as f64)
                .collect();
            let (n, r) = (lengths.len() as f64, share(r).as_f64());
            let mean = lengths.iter().sum::<f64>() / n;
            let what = format!("p {p}, r {r}, seed {seed}");
            assert_within(mean, 1.0 / r, Z * ((1.0 - r) / (r * r * n)).sqrt(), &what);
            let single = lengths.iter().filter(|length| **length == 1.0).count();
            assert_share(single, lengths.len(), r, &format!("of one, {what}"));
        }
    }
}

/// The error function to 1.5e-7: Abramowitz and Stegun, 7.1.26.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let terms = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let polynomial = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (1.0 - polynomial * (-x * x).exp()).copysign(x)
}

/// The whole of the distribution: what is measured is nowhere further from it than the inequality of Dvoretzky, Kiefer
/// and Wolfowitz allows (Massart's constant) in all but one of 10,000 samples.
#[test]
fn delays_are_distributed_as_asked() {
    const N: usize = 20_000;
    let band = ((2.0_f64 / 1e-4).ln() / (2.0 * N as f64)).sqrt();
    for seed in SEEDS {
        for (_, distribution) in Distribution::WORDS {
            for (delay, spread) in [(60_000.0, 5_000.0), (6_000.0, 6_000.0)] {
                let asked = Profile {
                    distribution,
                    ..profile(delay as u64, spread as u64, "0")
                };
                // Nobody is held up by the one before, however far the tail reaches.
                let gap = (spread * (TAIL + 8.0)) as u64;
                let mut took: Vec<f64> = send(&mut shaper(asked, seed), N as u64, gap)
                    .into_iter()
                    .flatten()
                    .collect();
                took.sort_by(f64::total_cmp);
                let below = |delay_us: f64| {
                    let x = (delay_us - delay) / spread;
                    match distribution {
                        Distribution::Uniform => ((x + 1.0) / 2.0).clamp(0.0, 1.0),
                        Distribution::Normal => (1.0 + erf(x / 2_f64.sqrt())) / 2.0,
                        Distribution::Pareto => {
                            let y = x * 0.75_f64.sqrt() + 1.5;
                            if y < 1.0 { 0.0 } else { 1.0 - y.powi(-3) }
                        }
                    }
                };
                // A delay stands for all that are rounded to it, and zero for all that would be below.
                let furthest = (0..N)
                    .filter(|i| took[*i] > 0.0)
                    .map(|i| {
                        let (low, high) = (below(took[i] - 0.5), below(took[i] + 0.5));
                        let (before, after) = (i as f64 / N as f64, (i + 1) as f64 / N as f64);
                        (before - high).max(low - after).max(0.0)
                    })
                    .fold(0.0, f64::max);
                assert!(
                    furthest <= band,
                    "{distribution}, seed {seed}: {furthest} > {band}"
                );
                if spread < delay / 7.0 {
                    // The variance of what is drawn: 1/3 for what is even, else 1; the tail's cut is far below the interval.
                    let variance = if distribution == Distribution::Uniform {
                        1.0 / 3.0
                    } else {
                        1.0
                    };
                    let mean = took.iter().sum::<f64>() / N as f64;
                    let interval = Z * spread * f64::sqrt(variance / N as f64);
                    assert_within(
                        mean,
                        delay,
                        interval,
                        &format!("mean, {distribution}, seed {seed}"),
                    );
                }
            }
        }
    }
}

#[test]
fn copies_flips_and_overtaking_are_as_often_as_asked() {
    const N: usize = 20_000;
    for seed in SEEDS {
        for text in ["0.5%", "5%", "50%", "100%"] {
            let asked = Profile {
                duplicate: share(text),
                reorder: share(text),
                corrupt: share(text),
                ..profile(20_000, 0, "0")
            };
            let mut link = shaper(asked, seed);
            let (mut copied, mut flipped, mut ahead, mut bits) = (0, 0, 0, [0; 16]);
            for i in 1..=N as u64 {
                let now = Instant::from_millis(i);
                let crossing = link.admit(100, now);
                let Fate::Deliver(delivery) = crossing.original else {
                    panic!("dropped");
                };
                if let Some(copy) = crossing.copy {
                    assert_eq!(
                        copy, crossing.original,
                        "the copy is as the original, right behind it"
                    );
                    copied += 1;
                }
                if let Some(flip) = delivery.flip {
                    let mut contents = [0; 2];
                    flip.apply(&mut contents);
                    let set = u16::from_le_bytes(contents);
                    assert_eq!(set.count_ones(), 1);
                    bits[set.trailing_zeros() as usize] += 1;
                    flipped += 1;
                }
                ahead += usize::from(delivery.at == now);
                assert!(delivery.at == now || delivery.at == now + Duration::from_millis(20));
            }
            let p = share(text).as_f64();
            for (count, what) in [(copied, "copied"), (flipped, "flipped"), (ahead, "ahead")] {
                assert_share(count, N, p, &format!("{what}, {text}, seed {seed}"));
            }
            for count in bits {
                assert_share(count, flipped, 1.0 / 16.0, "every bit alike");
            }
        }
    }
}

/// What overtakes on a link that is busy waits for its turn to be sent, and copies take their share of the rate.
#[test]
fn copies_and_what_overtakes_keep_to_the_rate() {
    let asked = Profile {
        rate_bits_per_s: NonZeroU64::new(1_000_000),
        queue: Duration::from_secs(1_000),
        duplicate: share("50%"),
        reorder: share("20%"),
        ..profile(50_000, 0, "0")
    };
    let mut link = shaper(asked, 3);
    // 10 ms each, all at once.
    let mut out: Vec<Instant> = Vec::new();
    let mut ahead = 0;
    for _ in 0..1_000 {
        let crossing = link.admit(1_250, Instant::START);
        for fate in [Some(crossing.original), crossing.copy].into_iter().flatten() {
            let Fate::Deliver(delivery) = fate else {
                panic!("dropped");
            };
            let sent = Instant::from_millis(10 * (out.len() as u64 + 1));
            // One that is ahead of nobody comes at once all the same.
            let late = delivery.at == sent + Duration::from_millis(50);
            assert!(delivery.at == sent || late && !delivery.overtook);
            ahead += usize::from(delivery.overtook);
            out.push(delivery.at);
        }
    }
    assert!((1_400..1_600).contains(&out.len()), "{}", out.len());
    assert!(ahead > 200, "{ahead}");
}

/// A profile that makes no use of it does not notice what was added to the model, and one that does keeps its losses and delays.
#[test]
fn copies_and_flips_change_neither_losses_nor_delays() {
    let plain = profile(20_000, 5_000, "10%");
    let more = Profile {
        duplicate: share("30%"),
        corrupt: share("30%"),
        ..plain
    };
    for seed in SEEDS {
        let with = send(&mut shaper(more, seed), 5_000, 20_000);
        assert_eq!(with, send(&mut shaper(plain, seed), 5_000, 20_000));
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
