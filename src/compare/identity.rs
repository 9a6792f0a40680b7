use std::collections::BTreeMap;

use crate::metrics::Snapshot;

/// A run as evidence: what it was, and what it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// How the user finds it, its folder.
    pub name: String,
    pub identity: Identity,
    pub metrics: Snapshot,
}

/// What two runs must have in common to be compared, and what tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The scenario's name.
    pub scenario: String,
    /// The hash of its text and of what was set from outside, without the seed and the target's URL.
    pub hash: String,
    pub seed: u64,
    /// rtcstorm's version.
    pub version: String,
    /// `local`, `live` or `sim`.
    pub world: String,
    /// Whom the peers talked to.
    pub target: String,
    pub os: String,
    pub arch: String,
    pub cores: Option<u64>,
    /// In one word, in small letters: `pass`.
    pub verdict: String,
    /// When it began; `None` of a simulation.
    pub started_at: Option<String>,
    /// The hash of a simulation's events.
    pub log_hash: Option<String>,
    /// The metrics that its scenario has thresholds on.
    pub thresholds: Vec<String>,
}

/// Why the runs are not to be compared: what is not the same in all of them, a line each.
pub fn differences(base: &[Run], new: &[Run]) -> Vec<String> {
    type Of = fn(&Identity) -> String;
    let of: [(&str, Of); 5] = [
        ("scenario", |run| format!("{} (hash {})", run.scenario, run.hash)),
        ("version of rtcstorm", |run| run.version.clone()),
        ("world", |run| run.world.clone()),
        ("system", |run| format!("{} on {}", run.os, run.arch)),
        ("machine", |run| match run.cores {
            Some(1) => "1 core".to_owned(),
            Some(cores) => format!("{cores} cores"),
            None => "nobody knows how many cores".to_owned(),
        }),
    ];
    of.into_iter()
        .filter_map(|(what, of)| {
            let (of_base, of_new) = (values(base, of), values(new, of));
            let mut all: Vec<&String> = of_base.keys().chain(of_new.keys()).collect();
            all.sort_unstable();
            all.dedup();
            (all.len() > 1).then(|| {
                format!(
                    "not the same {what}: base {}, new {}",
                    told(&of_base),
                    told(&of_new)
                )
            })
        })
        .collect()
}

/// Runs that prove nothing, with the reason, a line each.
pub fn unfit(runs: &[Run]) -> Vec<String> {
    runs.iter()
        .filter_map(|run| {
            let why = match run.identity.verdict.as_str() {
                "pass" | "fail" => return None,
                "invalid" => "its verdict is INVALID: what it measured may be the machine's",
                "interrupted" => "it was interrupted",
                "aborted" => "a threshold has ended it early",
                _ => "it did not come to its end",
            };
            Some(format!("{}: {why}", run.name))
        })
        .collect()
}

/// Runs of a side that are one and the same, a line each: played twice, a simulation's seed says nothing new.
pub fn repeated(side: &[Run]) -> Vec<String> {
    let mut found = Vec::new();
    for (nth, run) in side.iter().enumerate() {
        let same = side[..nth].iter().find(|earlier| {
            let (one, other) = (&run.identity, &earlier.identity);
            one.seed == other.seed
                && one.log_hash == other.log_hash
                && one.started_at == other.started_at
                && run.metrics == earlier.metrics
        });
        if let Some(earlier) = same {
            let why = match run.identity.world.as_str() {
                "sim" => format!(", the simulation of seed {}", run.identity.seed),
                _ => String::new(),
            };
            found.push(format!("{} and {} are one run{why}", earlier.name, run.name));
        }
    }
    found
}

fn values(runs: &[Run], of: fn(&Identity) -> String) -> BTreeMap<String, usize> {
    let mut values = BTreeMap::new();
    for run in runs {
        *values.entry(of(&run.identity)).or_default() += 1;
    }
    values
}

fn told(values: &BTreeMap<String, usize>) -> String {
    match values.len() {
        0 => "has none".to_owned(),
        1 => values.keys().next().cloned().unwrap_or_default(),
        _ => {
            let each: Vec<String> = values
                .iter()
                .map(|(value, runs)| match runs {
                    1 => format!("{value} in 1 run"),
                    runs => format!("{value} in {runs} runs"),
                })
                .collect();
            each.join(" and ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, change: impl FnOnce(&mut Identity)) -> Run {
        let mut identity = Identity {
            scenario: "smoke".to_owned(),
            hash: "aa".to_owned(),
            version: "0.1.0".to_owned(),
            world: "local".to_owned(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cores: Some(2),
            verdict: "pass".to_owned(),
            started_at: Some(name.to_owned()),
            ..Identity::default()
        };
        change(&mut identity);
        Run {
            name: name.to_owned(),
            identity,
            metrics: Snapshot::default(),
        }
    }

    #[test]
    fn everything_that_is_not_the_same_is_told() {
        let base = [run("a", |_| {}), run("b", |_| {})];
        assert!(differences(&base, &[run("c", |run| run.seed = 9)]).is_empty());
        let new = [
            run("c", |run| {
                run.cores = Some(8);
                run.hash = "bb".to_owned();
            }),
            run("d", |_| {}),
        ];
        assert_eq!(
            differences(&base, &new),
            [
                "not the same scenario: base smoke (hash aa), new smoke (hash aa) in 1 run and smoke (hash bb) in 1 run",
                "not the same machine: base 2 cores, new 2 cores in 1 run and 8 cores in 1 run",
            ]
        );
    }

    #[test]
    fn a_run_that_proves_nothing_is_no_evidence() {
        let runs = ["pass", "fail", "invalid", "interrupted", "aborted", "error", "?"]
            .map(|word| run(word, |run| run.verdict = word.to_owned()));
        let told = unfit(&runs);
        assert_eq!(told.len(), 5);
        assert!(told[0].starts_with("invalid: its verdict is INVALID"));
    }

    #[test]
    fn one_run_counts_once() {
        let sim = |name| {
            run(name, |run| {
                run.world = "sim".to_owned();
                run.started_at = None;
                run.log_hash = Some("ff".to_owned());
                run.seed = 3;
            })
        };
        assert_eq!(
            repeated(&[sim("a"), run("x", |_| {}), sim("b")]),
            ["a and b are one run, the simulation of seed 3"]
        );
        assert!(repeated(&[run("x", |_| {}), run("y", |_| {})]).is_empty());
    }
}
