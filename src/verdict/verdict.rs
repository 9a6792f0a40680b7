use std::fmt;

use super::{ExitCode, Saturation, Threshold, ThresholdResult, ThresholdStatus, Window};

/// All that a run is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged<'a> {
    /// What the run said to each threshold.
    pub thresholds: &'a [ThresholdResult],
    /// The names of the invariants that were broken.
    pub broken_invariants: &'a [&'a str],
    /// In which ways the generator was at its end.
    pub saturation: &'a [Saturation],
    /// Events that nobody has read: all figures are of the others alone.
    pub events_dropped: u64,
    /// Why the event log is not whole, if it is not.
    pub log_trouble: Option<&'a str>,
    /// Whether every planned step began (or was never due, because `--duration` was over).
    pub offered_load_reached: bool,
    /// Links were to connect, and not one did: a failure even where no threshold asks.
    pub nothing_connected: bool,
    /// The user interrupted the run.
    pub interrupted: bool,
    /// `abortOnFail` ended the run.
    pub aborted: bool,
    /// Commands for the server that failed: what the scenario wanted done to it was not done.
    pub server_commands_failed: u64,
    /// Signaling sockets that had to wait for their turn: what is measured of them holds that wait.
    pub sockets_held_back: u64,
    /// What a task said that panicked, if one did.
    pub panicked: Option<&'a str>,
    /// The target or the configuration turned out to be wrong after the run began.
    pub config_error: bool,
}

/// What a run was found to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub decision: Decision,
    /// Why it is no PASS, worst first; of a PASS, nothing.
    pub reasons: Vec<Reason>,
    /// What the reader of a PASS should know.
    pub warnings: Vec<Reason>,
    /// What the process exits with for this run alone.
    pub exit_code: ExitCode,
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Every threshold and invariant holds.
    Pass,
    /// A threshold or an invariant does not, and the run can be trusted.
    Fail,
    /// The run proves nothing.
    Invalid,
    /// The user ended it.
    Interrupted,
    /// A threshold with `abortOnFail`, or a limit of the command line's, ended it.
    Aborted,
    /// It could not be run as configured.
    Error,
}

/// One thing that speaks against a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A task of the program panicked, and said this: a bug of ours, and nobody knows what is missing.
    Panicked(String),
    /// The configuration was wrong.
    ConfigError,
    /// The user interrupted the run; what follows is about the part that ran.
    Interrupted,
    /// `abortOnFail` ended the run.
    Aborted,
    /// Events were lost within the program.
    EventsDropped(u64),
    /// The event log is not whole, and why.
    LogNotWhole(String),
    /// There was nothing to measure.
    NoSamples(Threshold),
    /// The generator was at its end.
    Saturated(Saturation),
    /// Some planned step never began.
    OfferedLoadNotReached,
    /// So many commands for the server failed.
    ServerCommandsFailed(u64),
    /// So many signaling sockets had to wait for their turn.
    SocketsHeldBack(u64),
    /// Not one link connected.
    NothingConnected,
    /// An invariant was broken.
    InvariantBroken(String),
    /// A threshold failed.
    ThresholdFailed {
        threshold: Threshold,
        /// In the metric's unit; infinite where the figure falls on a failure.
        actual: f64,
        /// The worst window, of a threshold that has windows.
        window: Option<Window>,
    },
}

/// Judges a run.
///
/// - A threshold without samples makes it INVALID, whatever else passed.
/// - A saturated generator turns FAIL into INVALID; what failed is still among the reasons. A PASS under
///   saturation stays PASS with a warning, unless the offered load was not reached.
/// - Evidence that was lost makes every run INVALID, a failed one, too: nobody knows what is missing.
/// - Load that was not offered makes a PASS INVALID, saturated or not: less was asked of the target than
///   planned. A FAIL under less load is a FAIL all the same.
/// - Of everything that applies, the exit code is the worst, and decides the word.
pub fn judge(run: Judged<'_>) -> Verdict {
    let mut failures: Vec<_> = run
        .broken_invariants
        .iter()
        .map(|name| Reason::InvariantBroken((*name).to_owned()))
        .collect();
    if run.nothing_connected {
        failures.insert(0, Reason::NothingConnected);
    }
    let mut reasons = Vec::new();
    reasons.extend(run.panicked.map(|said| Reason::Panicked(said.to_owned())));
    let stopped = [
        (run.config_error, Reason::ConfigError),
        (run.interrupted, Reason::Interrupted),
        (run.aborted, Reason::Aborted),
    ];
    reasons.extend(
        stopped
            .into_iter()
            .filter_map(|(is, reason)| is.then_some(reason)),
    );
    if run.events_dropped > 0 {
        reasons.push(Reason::EventsDropped(run.events_dropped));
    }
    reasons.extend(
        run.log_trouble
            .map(|trouble| Reason::LogNotWhole(trouble.to_owned())),
    );
    for ThresholdResult { threshold, outcome } in run.thresholds {
        match (outcome.status, outcome.actual) {
            (ThresholdStatus::Passed, _) => {}
            (ThresholdStatus::Failed, Some(actual)) => failures.push(Reason::ThresholdFailed {
                threshold: threshold.clone(),
                actual,
                window: outcome.window,
            }),
            (ThresholdStatus::Failed | ThresholdStatus::NoSamples, _) => {
                reasons.push(Reason::NoSamples(threshold.clone()));
            }
        }
    }

    let mut warnings = Vec::new();
    let spoils = !failures.is_empty() || !run.offered_load_reached;
    let list = if spoils { &mut reasons } else { &mut warnings };
    list.extend(run.saturation.iter().copied().map(Reason::Saturated));
    if !run.offered_load_reached {
        let spoils = failures.is_empty() || !run.saturation.is_empty();
        let list = if spoils { &mut reasons } else { &mut warnings };
        list.push(Reason::OfferedLoadNotReached);
    }
    // The user has asked for it: it changes no verdict, but what the figures mean.
    if run.sockets_held_back > 0 {
        warnings.push(Reason::SocketsHeldBack(run.sockets_held_back));
    }
    if run.server_commands_failed > 0 {
        reasons.push(Reason::ServerCommandsFailed(run.server_commands_failed));
    }
    reasons.append(&mut failures);

    let exit_code = ExitCode::worst(reasons.iter().map(Reason::exit_code));
    Verdict {
        decision: Decision::of(exit_code),
        reasons,
        warnings,
        exit_code,
    }
}

impl Verdict {
    /// What makes a run prove nothing, each once, by names for programs.
    pub fn invalid_by(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<_> = self.reasons.iter().filter_map(Reason::invalid_by).collect();
        names.dedup();
        names.into_iter()
    }
}

impl Decision {
    fn of(code: ExitCode) -> Self {
        match code {
            ExitCode::Pass => Self::Pass,
            ExitCode::Failed | ExitCode::Regression => Self::Fail,
            // What a bug of ours was in proves nothing.
            ExitCode::Invalid | ExitCode::Bug => Self::Invalid,
            ExitCode::Interrupted => Self::Interrupted,
            ExitCode::Aborted => Self::Aborted,
            ExitCode::Configuration | ExitCode::Usage => Self::Error,
        }
    }
}

impl Reason {
    /// How programs are told that this alone makes a run prove nothing; `None`: it does not.
    pub fn invalid_by(&self) -> Option<&'static str> {
        match self {
            Self::Panicked(_) => Some("panicked"),
            Self::EventsDropped(_) | Self::LogNotWhole(_) => Some("evidence_lost"),
            Self::NoSamples(_) => Some("no_samples"),
            Self::Saturated(_) => Some("saturated"),
            Self::OfferedLoadNotReached => Some("load_not_offered"),
            Self::ServerCommandsFailed(_) => Some("server_commands_failed"),
            Self::ConfigError
            | Self::Interrupted
            | Self::Aborted
            | Self::SocketsHeldBack(_)
            | Self::NothingConnected
            | Self::InvariantBroken(_)
            | Self::ThresholdFailed { .. } => None,
        }
    }

    /// What this reason alone makes the process exit with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Panicked(_) => ExitCode::Bug,
            Self::ConfigError => ExitCode::Configuration,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Aborted => ExitCode::Aborted,
            // It is told as a warning alone.
            Self::SocketsHeldBack(_) => ExitCode::Pass,
            Self::EventsDropped(_)
            | Self::LogNotWhole(_)
            | Self::NoSamples(_)
            | Self::Saturated(_)
            | Self::OfferedLoadNotReached
            | Self::ServerCommandsFailed(_) => ExitCode::Invalid,
            Self::NothingConnected | Self::InvariantBroken(_) | Self::ThresholdFailed { .. } => {
                ExitCode::Failed
            }
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::Interrupted => "INTERRUPTED",
            Self::Aborted => "ABORTED",
            Self::Error => "ERROR",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(said) => write!(
                f,
                "a part of rtcstorm panicked, and everybody left: {said}. This is a bug of rtcstorm's: please report it"
            ),
            Self::ConfigError => f.write_str("the configuration is wrong"),
            Self::Interrupted => f.write_str("the run was interrupted"),
            Self::Aborted => f.write_str("a threshold with abortOnFail ended the run"),
            Self::NoSamples(threshold) => write!(f, "{threshold} had no samples"),
            Self::EventsDropped(count) => write!(
                f,
                "{count} events did not reach the report, and its figures are without them. This is a bug of rtcstorm's: please report it"
            ),
            Self::LogNotWhole(why) => write!(
                f,
                "the event log is not whole, and a part of the evidence is missing: {why}. Make room, or choose another folder with `--out DIR`"
            ),
            Self::Saturated(saturation) => write!(
                f,
                "the generator was saturated: {saturation}. What helps: {}",
                saturation.help()
            ),
            Self::ServerCommandsFailed(failed) => write!(
                f,
                "{failed} of the commands for the server failed (`target.control`): what was to happen to it did not"
            ),
            Self::SocketsHeldBack(count) => write!(
                f,
                "signaling sockets waited for their turn {count} times (`--max-rate`): the figures hold that wait"
            ),
            Self::OfferedLoadNotReached => {
                f.write_str("the offered load was not reached: a planned step never began")
            }
            Self::NothingConnected => f.write_str("not one link connected"),
            Self::InvariantBroken(name) => write!(f, "invariant broken: {name}"),
            Self::ThresholdFailed {
                threshold,
                actual,
                window,
            } => {
                write!(f, "{threshold} failed: it was {actual:.3}")?;
                match window {
                    Some(window) => write!(f, " {window}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::verdict::Outcome;

    use super::*;

    const GOOD: Judged<'static> = Judged {
        thresholds: &[],
        broken_invariants: &[],
        saturation: &[],
        events_dropped: 0,
        log_trouble: None,
        offered_load_reached: true,
        nothing_connected: false,
        interrupted: false,
        aborted: false,
        server_commands_failed: 0,
        sockets_held_back: 0,
        panicked: None,
        config_error: false,
    };
    const LATE: Saturation = Saturation::StepLag {
        p99_ms: 250.0,
        limit_ms: 100.0,
    };

    fn result(status: ThresholdStatus, actual: Option<f64>) -> ThresholdResult {
        ThresholdResult {
            threshold: Threshold::parse("connect_ms", "p(95)<2000").expect("a threshold"),
            outcome: Outcome {
                actual,
                status,
                window: None,
            },
        }
    }

    fn passed() -> ThresholdResult {
        result(ThresholdStatus::Passed, Some(1.0))
    }

    fn failed() -> ThresholdResult {
        result(ThresholdStatus::Failed, Some(f64::INFINITY))
    }

    fn no_samples() -> ThresholdResult {
        result(ThresholdStatus::NoSamples, None)
    }

    #[track_caller]
    fn check(run: Judged<'_>, code: u8, expected: &[&str]) {
        let verdict = judge(run);
        let reasons = verdict.reasons.iter().map(ToString::to_string);
        let warnings = verdict
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}"));
        let decision = std::iter::once(verdict.decision.to_string());
        let all: Vec<_> = decision.chain(reasons).chain(warnings).collect();
        assert_eq!(all, expected);
        assert_eq!(verdict.exit_code.number(), code);
    }

    const FAILED: &str = "connect_ms: p(95)<2000 failed: it was inf";
    const NO_SAMPLES: &str = "connect_ms: p(95)<2000 had no samples";
    const SATURATED: &str = "the generator was saturated: its steps began 250.0 ms late at p99, over 100 ms. What helps: use fewer rooms or peers, let them arrive more slowly, or spread the rooms over machines with `--segment K/N`";
    const NOT_REACHED: &str = "the offered load was not reached: a planned step never began";

    #[test]
    fn thresholds_and_invariants_decide() {
        check(GOOD, 0, &["PASS"]);
        let thresholds = &[passed(), failed()];
        check(Judged { thresholds, ..GOOD }, 99, &["FAIL", FAILED]);
        let broken = Judged {
            broken_invariants: &["one open channel"],
            ..GOOD
        };
        check(broken, 99, &["FAIL", "invariant broken: one open channel"]);
    }

    #[test]
    fn a_threshold_without_samples_makes_the_run_invalid_and_is_named() {
        let thresholds = &[passed(), failed(), no_samples()];
        check(
            Judged { thresholds, ..GOOD },
            98,
            &["INVALID", NO_SAMPLES, FAILED],
        );
    }

    #[test]
    fn saturation_turns_fail_into_invalid_and_only_warns_of_a_pass() {
        let late = Judged {
            saturation: &[LATE],
            ..GOOD
        };
        let warning = format!("warning: {SATURATED}");
        check(late, 0, &["PASS", &warning]);
        let thresholds = &[failed()];
        check(Judged { thresholds, ..late }, 98, &["INVALID", SATURATED, FAILED]);
        let short = Judged {
            offered_load_reached: false,
            ..late
        };
        check(short, 98, &["INVALID", SATURATED, NOT_REACHED]);
        let all = ["INVALID", SATURATED, NOT_REACHED, FAILED];
        check(Judged { thresholds, ..short }, 98, &all);
        let in_time = Judged { thresholds, ..GOOD };
        check(in_time, 99, &["FAIL", FAILED]);
    }

    #[test]
    fn sockets_that_waited_for_their_turn_change_no_verdict_and_are_told() {
        let held_back = Judged {
            sockets_held_back: 12,
            ..GOOD
        };
        const WAITED: &str = "warning: signaling sockets waited for their turn 12 times (`--max-rate`): the figures hold that wait";
        check(held_back, 0, &["PASS", WAITED]);
        let thresholds = &[failed()];
        check(
            Judged {
                thresholds,
                ..held_back
            },
            99,
            &["FAIL", FAILED, WAITED],
        );
    }

    #[test]
    fn lost_evidence_makes_any_run_invalid() {
        let dropped = Judged {
            events_dropped: 12,
            ..GOOD
        };
        const DROPPED: &str = "12 events did not reach the report, and its figures are without them. This is a bug of rtcstorm's: please report it";
        check(dropped, 98, &["INVALID", DROPPED]);
        let thresholds = &[failed()];
        check(
            Judged {
                thresholds,
                ..dropped
            },
            98,
            &["INVALID", DROPPED, FAILED],
        );
        let full = Judged {
            log_trouble: Some("cannot write out/events.ndjson: no space"),
            ..GOOD
        };
        const NOT_WHOLE: &str = "the event log is not whole, and a part of the evidence is missing: cannot write out/events.ndjson: no space. Make room, or choose another folder with `--out DIR`";
        check(full, 98, &["INVALID", NOT_WHOLE]);
    }

    #[test]
    fn less_load_than_planned_proves_no_pass_but_excuses_no_fail() {
        let short = Judged {
            offered_load_reached: false,
            ..GOOD
        };
        check(short, 98, &["INVALID", NOT_REACHED]);
        let thresholds = &[failed()];
        let warning = format!("warning: {NOT_REACHED}");
        check(Judged { thresholds, ..short }, 99, &["FAIL", FAILED, &warning]);
    }

    #[test]
    fn a_run_that_was_ended_says_so_first_and_still_tells_what_it_saw() {
        let thresholds = &[failed(), no_samples()];
        let run = Judged {
            thresholds,
            aborted: true,
            ..GOOD
        };
        let aborted = "a threshold with abortOnFail ended the run";
        check(run, 108, &["ABORTED", aborted, NO_SAMPLES, FAILED]);
        let interrupted = Judged {
            interrupted: true,
            ..run
        };
        let told = [
            "INTERRUPTED",
            "the run was interrupted",
            aborted,
            NO_SAMPLES,
            FAILED,
        ];
        check(interrupted, 105, &told);
        let wrong = Judged {
            config_error: true,
            ..GOOD
        };
        check(wrong, 104, &["ERROR", "the configuration is wrong"]);
    }

    #[test]
    fn a_panic_proves_nothing_and_is_a_bug_of_ours() {
        let panicked = Judged {
            thresholds: &[failed()],
            panicked: Some("index out of bounds"),
            ..GOOD
        };
        let told = "a part of rtcstorm panicked, and everybody left: index out of bounds. This is a bug of rtcstorm's: please report it";
        check(panicked, 1, &["INVALID", told, FAILED]);
    }

    proptest! {
        #[test]
        fn only_a_run_without_reasons_passes_and_reasons_come_worst_first(
            statuses in prop::collection::vec(0..3, 0..4),
            broken in any::<bool>(), late in any::<bool>(), reached in any::<bool>(),
            interrupted in any::<bool>(), aborted in any::<bool>(), config_error in any::<bool>(),
            panicked in any::<bool>(), server_commands_failed in 0..2_u64, events_dropped in 0..2_u64, log_broken in any::<bool>(),
            sockets_held_back in 0..2_u64,
        ) {
            let thresholds: Vec<_> = statuses.iter().map(|status| match status {
                0 => passed(),
                1 => failed(),
                _ => no_samples(),
            }).collect();
            let verdict = judge(Judged {
                thresholds: &thresholds,
                broken_invariants: if broken { &["roster"] } else { &[] },
                saturation: if late { &[LATE] } else { &[] },
                events_dropped, log_trouble: log_broken.then_some("disk full"),
                nothing_connected: false,
                offered_load_reached: reached,
                panicked: panicked.then_some("no"),
                interrupted, aborted, config_error, server_commands_failed, sockets_held_back,
            });
            prop_assert_eq!(verdict.exit_code == ExitCode::Pass, verdict.reasons.is_empty());
            let ranks: Vec<_> = verdict.reasons.iter().map(|reason| {
                ExitCode::PRECEDENCE.iter().position(|code| *code == reason.exit_code())
            }).collect();
            prop_assert!(ranks.is_sorted(), "{:?}", verdict.reasons);
            prop_assert!(!panicked || verdict.exit_code == ExitCode::Bug);
            if events_dropped > 0 || log_broken || panicked {
                prop_assert!(!matches!(verdict.decision, Decision::Pass | Decision::Fail), "{:?}", verdict);
            }
            if statuses.iter().any(|status| *status != 0) || broken {
                prop_assert!(verdict.exit_code != ExitCode::Pass);
            }
        }
    }

    #[test]
    fn a_run_in_which_nothing_connected_fails_without_a_threshold() {
        let verdict = judge(Judged {
            nothing_connected: true,
            ..GOOD
        });
        assert_eq!(verdict.decision, Decision::Fail);
        assert_eq!(verdict.reasons, [Reason::NothingConnected]);
    }
}
