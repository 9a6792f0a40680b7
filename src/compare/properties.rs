//! A small, seeded part of what `benches/statistics` measures: that nothing is cried about what is the same, and that
//! what is worse is found.

use rand::{Rng, RngExt};

use crate::base::{Purpose, RootSeed};

use super::*;
use crate::metrics::{MetricKey, Rate};

/// Comparisons of each kind.
const COMPARISONS: u32 = 400;

/// Figures of a run of 60 links, whose samples have a lot in common: all of them by `factor`.
fn run(factor: f64, failing: f64, rng: &mut impl Rng) -> (Vec<f64>, Rate) {
    let mut samples: Vec<f64> = (0..60)
        .map(|_| 30.0 * (0.3 * normal(rng)).exp() * factor)
        .collect();
    samples.sort_by(f64::total_cmp);
    let hits = (0..60).filter(|_| rng.random::<f64>() < failing).count() as u64;
    for ms in samples.iter_mut().rev().take(hits as usize) {
        *ms = f64::INFINITY;
    }
    (samples, Rate { hits, total: 60 })
}

fn normal(rng: &mut impl Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A side of runs that differ by 8 %, and in every third of which links fail together.
fn side(runs: usize, factor: f64, rng: &mut impl Rng) -> Vec<(Vec<f64>, Rate)> {
    (0..runs)
        .map(|_| {
            let own = factor * (0.08 * normal(rng)).exp();
            let failing = if rng.random_range(0..3) == 0 { 0.08 } else { 0.0 };
            run(own, failing, rng)
        })
        .collect()
}

fn verdict(base: &[(Vec<f64>, Rate)], new: &[(Vec<f64>, Rate)], margins: &Margins) -> Verdict {
    let mut all: Vec<Readings> = Figure::PERCENTILES
        .into_iter()
        .map(|figure| {
            let of = |side: &[(Vec<f64>, Rate)]| {
                let read = |(samples, _): &(Vec<f64>, Rate)| {
                    let rank = (figure.quantile().expect("of a trend") * 60.0).ceil() as usize;
                    Reading::figure(samples[rank - 1], 60)
                };
                side.iter().map(read).collect()
            };
            Readings {
                gate: Gate {
                    key: MetricKey::new("connect_ms"),
                    figure,
                },
                base: of(base),
                new: of(new),
            }
        })
        .collect();
    let of = |side: &[(Vec<f64>, Rate)]| side.iter().map(|(_, rate)| Reading::share(*rate)).collect();
    all.push(Readings {
        gate: Gate {
            key: MetricKey::new("connect_failed"),
            figure: Figure::Rate,
        },
        base: of(base),
        new: of(new),
    });
    Verdict::of(judge(&all, margins).iter().map(|judged| &judged.outcome))
}

fn share(of: Verdict, runs: usize, factor: f64, margins: &Margins) -> f64 {
    let mut rng = RootSeed(runs as u64).run(Purpose::Comparison);
    let found = (0..COMPARISONS).filter(|_| {
        let (base, new) = (side(runs, 1.0, &mut rng), side(runs, factor, &mut rng));
        verdict(&base, &new, margins) == of
    });
    found.count() as f64 / f64::from(COMPARISONS)
}

#[test]
fn what_is_the_same_is_a_regression_in_a_twentieth_of_comparisons_at_most() {
    // Without a margin nothing is harder; of 400 comparisons 5 % are 20, give or take 4.4.
    let mut none = Margins::default();
    none.set("trend=0%").expect("a margin");
    none.set("rate=0%").expect("a margin");
    for runs in [5, 10, 20] {
        let alarms = share(Verdict::Regression, runs, 1.0, &none);
        assert!(alarms <= 0.05 + 2.0 * 0.011, "{runs} runs a side: {alarms}");
        let with_margins = share(Verdict::Regression, runs, 1.0, &Margins::default());
        assert!(with_margins <= 0.05, "{runs} runs a side: {with_margins}");
    }
}

#[test]
fn a_fifth_worse_is_found_with_fifteen_runs_a_side_and_never_called_harmless() {
    let margins = Margins::default();
    let found = share(Verdict::Regression, 15, 1.2, &margins);
    assert!(found >= 0.9, "{found}");
    let missed = share(Verdict::NoRegression, 15, 1.2, &margins);
    assert_eq!(missed, 0.0);
}
