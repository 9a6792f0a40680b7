use std::fmt;

use super::phase::LinkPhase;
use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, Failures, Recorder, RunEvent},
    plan::Plan,
    report::{call, state_name, what},
    scenario::Scenario,
    verdict::{
        Asked, Threshold, ThresholdStatus, Thresholds,
        invariants::{Checkers, Finding, Visibility},
    },
};

/// Letters of a folder's name.
const MAX_SLUG: usize = 60;

/// What broke first in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Runs that have it in common belong together.
    pub signature: Signature,
    /// Whose it is; `None` where it is the run's.
    pub peer: Option<PeerId>,
    /// The other end of the link, if it concerns one.
    pub remote: Option<PeerId>,
    /// When.
    pub at: Instant,
    /// What is wrong, in words.
    pub what: String,
}

/// What failures are grouped by: the kind of thing that broke, and how far its link had come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// What broke.
    pub broken: Broken,
    /// How far the link had come, if it concerns one.
    pub phase: Option<LinkPhase>,
}

/// The kinds of things that break.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// An invariant, by its number.
    Invariant(u8, &'static str),
    /// A step of a script, or an operation of a connection.
    Step(String),
    /// A threshold, as the scenario writes it.
    Threshold(String),
    /// The simulation itself: it made no progress any more.
    Stalled,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invariant(number, name) => write!(f, "invariant {number}, {name}"),
            Self::Step(step) => f.write_str(step),
            Self::Threshold(threshold) => write!(f, "threshold {threshold}"),
            Self::Stalled => f.write_str("the simulation stalled"),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.broken.fmt(f)?;
        match self.phase {
            Some(phase) => write!(f, "; {phase}"),
            None => Ok(()),
        }
    }
}

impl Signature {
    /// For a folder's name: small letters, digits and `-`.
    pub fn slug(&self) -> String {
        let text = match &self.broken {
            Broken::Invariant(number, _) => format!("invariant {number}"),
            broken => broken.to_string(),
        };
        let phase = self.phase.map(|phase| phase.to_string()).unwrap_or_default();
        let mut slug = String::new();
        for c in text.chars().chain([' ']).chain(phase.chars()) {
            match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9') => slug.push(c),
                _ if slug.ends_with('-') || slug.is_empty() => {}
                _ => slug.push('-'),
            }
        }
        // Whole words.
        if slug.len() > MAX_SLUG {
            let end = slug[..=MAX_SLUG].rfind('-').unwrap_or(MAX_SLUG);
            slug.truncate(end);
        }
        slug.trim_end_matches('-').to_owned()
    }
}

impl Failure {
    /// The simulation made no progress any more.
    pub fn stalled(what: String, at: Instant) -> Self {
        Self {
            signature: Signature {
                broken: Broken::Stalled,
                phase: None,
            },
            peer: None,
            remote: None,
            at,
            what,
        }
    }
}

/// What broke first in a run of `plan` that ended at `ended`, if anything did. Of the scenario only the
/// thresholds are looked at, and they only if nothing else is wrong.
pub fn judge(scenario: &Scenario, plan: &Plan, events: &[RunEvent], ended: Instant) -> Option<Failure> {
    let mut checkers = Checkers::new(plan, Visibility::of(plan.abilities(), true));
    let mut failures = Failures::default();
    for event in events {
        checkers.observe(event);
        failures.observe(event);
    }
    let breaches = checkers.finish(ended).into_iter().flat_map(|invariant| {
        let broken = Broken::Invariant(invariant.number, invariant.name);
        invariant
            .findings
            .into_iter()
            .map(move |finding| (broken.clone(), finding))
    });
    let Failures { kept, inevitable, .. } = failures;
    let kept = kept.into_iter().enumerate();
    let kept = kept.filter(|(nth, _)| !inevitable.contains(nth));
    // A link that can't be is nobody's failure.
    let possible = |event: &RunEvent| match event.peer.zip(event.remote) {
        Some((peer, remote)) => plan.no_path(peer, remote).is_none(),
        None => true,
    };
    let kept = kept.filter(|(_, event)| possible(event));
    let steps = kept.map(|(_, event)| {
        let finding = Finding {
            peer: event.peer,
            remote: event.remote,
            at: event.at,
            what: what(&event.kind),
            last_events: Vec::new(),
        };
        (Broken::Step(step(&event.kind)), finding)
    });
    // Of what broke in one instant, invariants come first: they say more.
    let first = breaches.chain(steps).min_by_key(|(_, finding)| finding.at);
    let Some((broken, finding)) = first else {
        return failed_threshold(scenario, plan, events, ended);
    };
    let phase = finding
        .peer
        .zip(finding.remote)
        .map(|(peer, remote)| LinkPhase::reached(events, peer, remote, finding.at));
    Some(Failure {
        signature: Signature { broken, phase },
        peer: finding.peer,
        remote: finding.remote,
        at: finding.at,
        what: finding.what,
    })
}

/// What failed, without who, when and how often.
fn step(kind: &EventKind) -> String {
    match kind {
        EventKind::WaitExpired { condition } => format!("wait: {condition}"),
        EventKind::BarrierExpired { .. } => "barrier".to_owned(),
        EventKind::JoinFailed { reason, .. } => format!("join failed: {reason}"),
        EventKind::JoinRejected { reason, .. } => format!("join refused: {reason}"),
        EventKind::Joined { .. } => "join let in that was to be refused".to_owned(),
        EventKind::OperationFailed { operation, state, .. } => {
            format!("{} in {}", call(*operation), state_name(*state))
        }
        EventKind::RecoveryFailed { .. } => "no recovery".to_owned(),
        EventKind::LinkGivenUp { .. } => "link given up".to_owned(),
        EventKind::LimitHit { limit, .. } => format!("limit: {limit}"),
        other => what(other),
    }
}

fn failed_threshold(
    scenario: &Scenario,
    plan: &Plan,
    events: &[RunEvent],
    ended: Instant,
) -> Option<Failure> {
    if scenario.thresholds.is_empty() {
        return None;
    }
    let mut recorder = Recorder::new(plan);
    let asked = scenario.thresholds.iter().map(|asked| {
        let threshold = Threshold::parse(&asked.selector, &asked.expression);
        Asked {
            threshold: threshold
                .expect("the scenario was checked")
                .in_windows(asked.window),
            abort_from: None,
        }
    });
    let mut thresholds = Thresholds::new(asked.collect(), plan.warm_up, &mut recorder);
    for event in events {
        recorder.record(event);
        thresholds.observe(event, &mut recorder);
    }
    recorder.finish(ended);
    thresholds.finish(ended, &mut recorder);
    let results = thresholds.judge(&recorder.snapshot());
    let mut written = scenario.thresholds.iter().zip(results);
    written.find_map(|(threshold, result)| {
        (result.outcome.status == ThresholdStatus::Failed).then(|| Failure {
            signature: Signature {
                broken: Broken::Threshold(match result.threshold.window() {
                    None => format!("{}: {}", threshold.selector, threshold.expression),
                    Some(_) => result.threshold.to_string(),
                }),
                phase: None,
            },
            peer: None,
            remote: None,
            at: ended,
            what: match (result.outcome.actual, result.outcome.window) {
                (Some(actual), Some(window)) => format!("it was {actual:.3} {window}"),
                (Some(actual), None) => format!("it was {actual:.3}"),
                (None, _) => "it failed".to_owned(),
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::IgnoreReason;

    #[test]
    fn a_slug_is_made_of_whole_words() {
        let signature = |broken, phase| Signature { broken, phase };
        let wait = Broken::Step("wait: connected".to_owned());
        let locked = LinkPhase::OfferDropped(IgnoreReason::Locked);
        assert_eq!(
            signature(wait, Some(locked)).slug(),
            "wait-connected-offer-dropped-the-lock-of-an-earlier-one-is"
        );
        let invariant = Broken::Invariant(7, "one offer is answered at most once");
        assert_eq!(signature(invariant, None).slug(), "invariant-7");
        let odd = Broken::Step("join refused: ÄÖ / DUPLICATE_USERNAME!".to_owned());
        assert_eq!(signature(odd, None).slug(), "join-refused-duplicate-username");
        let endless = Broken::Step("x".repeat(200));
        assert_eq!(signature(endless, None).slug().len(), MAX_SLUG);
    }
}
