use std::{collections::BTreeMap, fmt};

use super::failure::{Failure, Signature};

/// Seeds that are remembered for each group.
const MAX_SEEDS: usize = 100;

/// What a sweep has found so far. Seeds may come in any order; the same seeds make the same tally.
#[derive(Debug, Default)]
pub struct Tally {
    runs: u64,
    failed: u64,
    groups: BTreeMap<Signature, Group>,
}

/// Runs that broke in the same way.
#[derive(Debug, Clone)]
pub struct Group {
    /// How many.
    pub runs: u64,
    /// The lowest of their seeds, ascending; the first hundred.
    pub seeds: Vec<u64>,
    /// What the run of the lowest seed broke by.
    pub first: Failure,
}

impl Tally {
    /// A run of that seed is over.
    pub fn add(&mut self, seed: u64, failure: Option<Failure>) {
        self.runs += 1;
        let Some(failure) = failure else { return };
        self.failed += 1;
        let group = self
            .groups
            .entry(failure.signature.clone())
            .or_insert_with(|| Group {
                runs: 0,
                seeds: Vec::new(),
                first: failure.clone(),
            });
        group.runs += 1;
        if group.seeds.first().is_none_or(|first| seed < *first) {
            group.first = failure;
        }
        let at = group.seeds.partition_point(|known| *known < seed);
        group.seeds.insert(at, seed);
        group.seeds.truncate(MAX_SEEDS);
    }

    /// Runs in all.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Runs that failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The share of runs that failed.
    pub fn share(&self) -> Share {
        Share {
            hits: self.failed,
            of: self.runs,
        }
    }

    /// The groups, the most frequent first, and of equally frequent ones that of the lower seed.
    pub fn groups(&self) -> Vec<(&Signature, &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| (u64::MAX - group.runs, group.seeds.first().copied()));
        groups
    }
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Those that count.
    pub hits: u64,
    /// All.
    pub of: u64,
}

impl Share {
    /// The interval in which the probability lies with a confidence of 95 %: Wilson's score interval (Wilson,
    /// JASA 1927), which is sound for few runs and for shares near 0 and 1.
    pub fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        const Z: f64 = 1.959_964;
        let (hits, of) = (self.hits as f64, self.of as f64);
        let share = hits / of;
        let scale = 1.0 + Z * Z / of;
        let middle = share + Z * Z / (2.0 * of);
        let reach = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
        let low = if self.hits == 0 {
            0.0
        } else {
            (middle - reach) / scale
        };
        let high = if self.hits == self.of {
            1.0
        } else {
            (middle + reach) / scale
        };
        (low.max(0.0), high.min(1.0))
    }
}

impl fmt::Display for Share {
    /// `3 of 1000: 0.3 % (0.1–0.9 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        let share = if self.of == 0 {
            0.0
        } else {
            self.hits as f64 / self.of as f64
        };
        let percent = |share: f64| match share * 100.0 {
            p if p == 0.0 || p == 100.0 || (10.0..99.5).contains(&p) => format!("{p:.0}"),
            p if p >= 1.0 => format!("{p:.1}"),
            p => format!("{p:.2}"),
        };
        write!(
            f,
            "{} of {}: {} % ({}–{} %)",
            self.hits,
            self.of,
            percent(share),
            percent(low),
            percent(high)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::Instant, hunt::Broken};

    fn failure(step: &str) -> Failure {
        Failure {
            signature: Signature {
                broken: Broken::Step(step.to_owned()),
                phase: None,
            },
            peer: None,
            remote: None,
            at: Instant::START,
            what: String::new(),
        }
    }

    #[test]
    fn seeds_in_any_order_make_the_same_groups() {
        let found = [(5, "a"), (2, "b"), (9, "b"), (1, "a"), (3, "b")];
        let tell = |order: &mut dyn Iterator<Item = &(u64, &str)>| {
            let mut tally = Tally::default();
            for (seed, step) in order {
                tally.add(*seed, Some(failure(step)));
            }
            tally.add(0, None);
            let groups = tally.groups().into_iter();
            groups
                .map(|(signature, group)| (signature.to_string(), group.seeds.clone()))
                .collect::<Vec<_>>()
        };
        let forwards = tell(&mut found.iter());
        assert_eq!(forwards, tell(&mut found.iter().rev()));
        assert_eq!(forwards[0], ("b".to_owned(), vec![2, 3, 9]));
    }

    #[test]
    fn intervals_are_wilsons() {
        // Newcombe, Statistics in Medicine 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (29, 29, 0.8830, 1.0),
        ] {
            let (a, b) = Share { hits, of }.interval();
            assert!(
                (a - low).abs() < 1e-4 && (b - high).abs() < 1e-4,
                "{hits} of {of}: {a} {b}"
            );
        }
    }

    #[test]
    fn a_share_is_told_with_its_interval() {
        for (hits, of, told) in [
            (3, 1_000, "3 of 1000: 0.30 % (0.10–0.88 %)"),
            (20, 20, "20 of 20: 100 % (84–100 %)"),
            (1_000, 1_000, "1000 of 1000: 100 % (99.6–100 %)"),
            (0, 0, "0 of 0: 0 % (0–100 %)"),
        ] {
            assert_eq!(Share { hits, of }.to_string(), told);
        }
    }
}
