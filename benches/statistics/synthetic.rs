//! Runs made of what real ones have measured: a real run is drawn, its samples are drawn from it again, and then
//! all of them become longer or shorter together. That is what a run's machine, server and hour do to it.

use rand::{Rng, RngExt};
use rtcstorm::{
    compare::{Figure, Gate, Reading, Readings},
    metrics::{MetricKey, Rate, Snapshot},
};

const TRENDS: [&str; 3] = ["connect_ms", "reconnect_ms", "message_ms"];
/// Of the real runs so many are drawn from; each keeps its samples.
const MAX_SOURCES: usize = 200;

/// How runs differ beyond their samples.
#[derive(Clone, Copy)]
pub enum Noise {
    /// Each is longer or shorter by about a twentieth.
    Quiet,
    /// By about a tenth, and in one of three links fail together.
    Busy,
    /// One run in ten takes half as long again.
    Neighbour,
}

/// What happened to the new side.
#[derive(Clone, Copy, PartialEq)]
pub enum Worse {
    Nothing,
    Everything,
    SlowestTenthOfConnects,
}

/// The samples of real runs, in ms, ascending.
pub struct Source(Vec<[Vec<f64>; 3]>);

/// The samples of one run.
struct Run {
    trends: [Vec<f64>; 3],
    failed: Rate,
}

impl Noise {
    pub const ALL: [Self; 3] = [Self::Quiet, Self::Busy, Self::Neighbour];

    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "by 5 %",
            Self::Busy => "by 10 %, a third has failures",
            Self::Neighbour => "by 5 %, a tenth takes half as long again",
        }
    }

    /// What all samples of a run are multiplied by.
    fn factor(self, rng: &mut impl Rng) -> f64 {
        let drawn = normal(rng);
        match self {
            Self::Quiet => (0.05 * drawn).exp(),
            Self::Busy => (0.1 * drawn).exp(),
            Self::Neighbour => {
                let slow = if rng.random_range(0..10) == 0 { 1.5 } else { 1.0 };
                slow * (0.05 * drawn).exp()
            }
        }
    }

    /// How likely a link of this run fails.
    fn failing(self, rng: &mut impl Rng) -> f64 {
        match self {
            Self::Busy if rng.random_range(0..3) == 0 => 0.06,
            _ => 0.0,
        }
    }
}

impl Worse {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Everything => "everything",
            Self::SlowestTenthOfConnects => "the slowest tenth of connect_ms",
        }
    }
}

impl Source {
    pub fn of(runs: &[Snapshot]) -> Self {
        let samples = |run: &Snapshot, name: &str| -> Vec<f64> {
            let trend = run.trends.get(&MetricKey::new(name));
            let recorded = trend
                .into_iter()
                .flat_map(|trend| trend.successes().iter_recorded());
            recorded
                .flat_map(|value| {
                    let ms = value.value_iterated_to() as f64 / 1_000.0;
                    std::iter::repeat_n(ms, value.count_at_value() as usize)
                })
                .collect()
        };
        let all = runs.iter().take(MAX_SOURCES);
        Self(all.map(|run| TRENDS.map(|name| samples(run, name))).collect())
    }

    fn run(&self, noise: Noise, rng: &mut impl Rng) -> Run {
        let drawn = &self.0[rng.random_range(0..self.0.len())];
        let (factor, failing) = (noise.factor(rng), noise.failing(rng));
        let mut failed = Rate::default();
        let trends = [0, 1, 2].map(|nth| {
            let from = &drawn[nth];
            let mut samples: Vec<f64> = (0..from.len())
                .map(|_| {
                    let is_failure = nth == 0 && rng.random::<f64>() < failing;
                    if nth == 0 {
                        failed.total += 1;
                        failed.hits += u64::from(is_failure);
                    }
                    match is_failure {
                        true => f64::INFINITY,
                        false => from[rng.random_range(0..from.len())] * factor,
                    }
                })
                .collect();
            samples.sort_by(f64::total_cmp);
            samples
        });
        Run { trends, failed }
    }

    /// Two sides of so many runs, of which the new one got worse.
    pub fn comparison(&self, side: usize, noise: Noise, worse: Worse, rng: &mut impl Rng) -> Vec<Readings> {
        let base: Vec<Run> = (0..side).map(|_| self.run(noise, rng)).collect();
        let mut new: Vec<Run> = (0..side).map(|_| self.run(noise, rng)).collect();
        for run in &mut new {
            run.worsen(worse);
        }
        let mut all = Vec::new();
        for (nth, name) in TRENDS.into_iter().enumerate() {
            for figure in Figure::PERCENTILES {
                let of = |side: &[Run]| side.iter().map(|run| run.reading(nth, figure)).collect();
                all.push(Readings {
                    gate: gate(name, figure),
                    base: of(&base),
                    new: of(&new),
                });
            }
        }
        let of = |side: &[Run]| side.iter().map(|run| Reading::share(run.failed)).collect();
        all.push(Readings {
            gate: gate("connect_failed", Figure::Rate),
            base: of(&base),
            new: of(&new),
        });
        all
    }

    /// The samples of `connect_ms` of both sides' runs, none of which failed.
    pub fn connects(&self, side: usize, noise: Noise, rng: &mut impl Rng) -> [Vec<Vec<f64>>; 2] {
        [(); 2].map(|()| {
            let mut runs = Vec::new();
            for _ in 0..side {
                let [mut connects, ..] = self.run(noise, rng).trends;
                connects.retain(|ms| ms.is_finite());
                runs.push(connects);
            }
            runs
        })
    }
}

impl Run {
    fn worsen(&mut self, worse: Worse) {
        match worse {
            Worse::Nothing => {}
            Worse::Everything => {
                for ms in self.trends.iter_mut().flatten() {
                    *ms *= 1.2;
                }
            }
            Worse::SlowestTenthOfConnects => {
                let from = self.trends[0].len() * 9 / 10;
                for ms in &mut self.trends[0][from..] {
                    *ms *= 1.2;
                }
            }
        }
    }

    fn reading(&self, nth: usize, figure: Figure) -> Reading {
        let samples = &self.trends[nth];
        Reading::figure(
            quantile(samples, figure.quantile().expect("of a trend")),
            samples.len() as u64,
        )
    }
}

fn gate(name: &str, figure: Figure) -> Gate {
    Gate {
        key: MetricKey::new(name),
        figure,
    }
}

/// Nearest rank, as everywhere.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64 * (1.0 - 1e-12)).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}
