use crate::metrics::Snapshot;

use super::{
    Estimate, Gate, Gates, Judged, Margin, Margins, Method, Outcome, Reading, Readings, Run, Verdict, judge,
};

/// Two sides, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub verdict: Verdict,
    pub base: Side,
    pub new: Side,
    /// In the order of the gates.
    pub lines: Vec<Line>,
    /// Why it would have been refused, had nobody forced it.
    pub forced: Vec<String>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// What the user calls it.
    pub name: String,
    pub runs: usize,
    pub scenario: String,
    pub world: String,
    pub target: String,
    pub version: String,
    /// Of the first run: os, arch, cores.
    pub machine: String,
}

/// One gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub gate: Gate,
    pub outcome: Outcome,
    /// The figure over all runs of base, merged: ms, or a share. `None` without samples.
    pub base: Option<f64>,
    pub new: Option<f64>,
    /// Samples, or cases, of all runs of base and of new.
    pub samples: [u64; 2],
    /// Of runs that have any.
    pub runs: [usize; 2],
    pub margin: Margin,
    /// `None` where nothing could be estimated.
    pub change: Option<Change>,
}

/// The change from base to new, over runs, with the interval by which it was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    pub method: Method,
    /// Of durations the ratio less 1 (0.2 for a fifth longer), by ranks ms, of rates the difference of shares.
    pub value: Option<f64>,
    pub low: f64,
    pub high: f64,
    /// Beyond it lies a regression.
    pub margin: f64,
    /// What lies below `low` and above `high`.
    pub tails: [f64; 2],
    /// Of rates: how many cases weigh as much as one.
    pub inflation: Option<f64>,
}

/// Compares two sides by those gates. Whether they may be compared at all is the caller's question
/// ([`differences`](super::differences)).
pub fn compare(base: (&str, &[Run]), new: (&str, &[Run]), gates: &Gates, margins: &Margins) -> Comparison {
    let all: Vec<Readings> = gates
        .gates()
        .into_iter()
        .map(|gate| Readings {
            base: readings(base.1, &gate),
            new: readings(new.1, &gate),
            gate,
        })
        // What no side has was not asked of this scenario.
        .filter(|readings| !readings.base.is_empty() || !readings.new.is_empty())
        .collect();
    let judged = judge(&all, margins);
    let verdict = Verdict::of(judged.iter().map(|judged| &judged.outcome));
    let merged = [merged(base.1), merged(new.1)];
    let lines = all
        .into_iter()
        .zip(judged)
        .map(|(readings, judged)| line(readings, judged, &merged, margins))
        .collect();
    Comparison {
        verdict,
        base: Side::of(base),
        new: Side::of(new),
        lines,
        forced: Vec::new(),
        notes: Vec::new(),
    }
}

/// What the runs say to a gate, those that say something.
pub(super) fn readings(runs: &[Run], gate: &Gate) -> Vec<Reading> {
    runs.iter()
        .filter_map(|run| reading(&run.metrics, gate))
        .collect()
}

fn reading(metrics: &Snapshot, gate: &Gate) -> Option<Reading> {
    match gate.figure.quantile() {
        Some(quantile) => {
            let trend = metrics.trends.get(&gate.key)?;
            Some(Reading::figure(trend.quantile_ms(quantile)?, trend.count()))
        }
        None => {
            let rate = metrics.rates.get(&gate.key)?;
            (rate.total > 0).then(|| Reading::share(*rate))
        }
    }
}

fn merged(runs: &[Run]) -> Snapshot {
    let mut sum = Snapshot::default();
    for run in runs {
        sum.merge(&run.metrics);
    }
    sum
}

fn line(readings: Readings, judged: Judged, merged: &[Snapshot; 2], margins: &Margins) -> Line {
    let gate = readings.gate;
    let [base, new] = merged
        .each_ref()
        .map(|side| reading(side, &gate).map(|reading| reading.value));
    let samples = |side: &[Reading]| side.iter().map(|run| run.total).sum();
    Line {
        base,
        new,
        samples: [samples(&readings.base), samples(&readings.new)],
        runs: [readings.base.len(), readings.new.len()],
        margin: margins.of(&gate),
        change: Change::of(&judged),
        outcome: judged.outcome,
        gate,
    }
}

impl Change {
    fn of(judged: &Judged) -> Option<Self> {
        let estimate = judged.estimate.as_ref()?;
        let [low, high] = judged.interval()?;
        let shown = |value: f64| match estimate {
            Estimate::LogRatio { .. } => value.exp_m1(),
            _ => value,
        };
        Some(Self {
            method: estimate.method(),
            value: estimate.value().map(shown),
            low: shown(low),
            high: shown(high),
            margin: shown(estimate.margin()),
            tails: judged.tails,
            inflation: match estimate {
                Estimate::Shares { of, .. } => Some(of.inflation()),
                _ => None,
            },
        })
    }
}

impl Side {
    fn of((name, runs): (&str, &[Run])) -> Self {
        let Some(first) = runs.first().map(|run| &run.identity) else {
            return Self {
                name: name.to_owned(),
                ..Self::default()
            };
        };
        let cores = first
            .cores
            .map_or_else(String::new, |cores| format!(", {cores} cores"));
        Self {
            name: name.to_owned(),
            runs: runs.len(),
            scenario: first.scenario.clone(),
            world: first.world.clone(),
            target: first.target.clone(),
            version: first.version.clone(),
            machine: format!("{} {}{cores}", first.os, first.arch),
        }
    }
}

impl Comparison {
    /// The most runs a side that any open question still needs; `None` if there is no open question, or none that
    /// runs settle.
    pub fn more_runs(&self) -> Option<u32> {
        self.lines
            .iter()
            .filter_map(|line| line.outcome.more_runs())
            .max()
    }

    /// How many runs the side lacks that has fewer than [`MIN_RUNS`](super::MIN_RUNS), the more of both; `None` if
    /// both have as many.
    pub fn lacking(&self) -> Option<usize> {
        let have = self.base.runs.min(self.new.runs);
        super::MIN_RUNS.checked_sub(have).filter(|lacks| *lacks > 0)
    }

    /// Whether one of the open questions is not to be settled by runs.
    pub fn has_hopeless(&self) -> bool {
        let hopeless = |line: &Line| {
            matches!(line.outcome, Outcome::Inconclusive(_)) && line.outcome.more_runs().is_none()
        };
        self.lines.iter().any(hopeless)
    }
}

impl Outcome {
    /// About how many more runs a side would settle it.
    pub fn more_runs(&self) -> Option<u32> {
        use super::Why;
        match self {
            Self::Inconclusive(Why::TooFewRuns { base, new }) => u32::try_from(*base.max(new)).ok(),
            Self::Inconclusive(Why::TooClose { more }) => *more,
            _ => None,
        }
    }
}
