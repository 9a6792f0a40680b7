//! Links and the server's room core, without `webrtc`: the races that a client must survive, and for each
//! rule of the client a race in which it is missed.

use std::time::Duration;

use rtcstorm::{
    base::PeerId,
    metrics::{DescriptionKind, EventKind, IgnoreReason},
    plan::{Action, Condition, JoinOutcome},
    scenario::ClientRules,
};

use crate::stage::{Fate, Stage, script};

pub fn reference() -> ClientRules {
    ClientRules::default()
}

pub fn is_kind(frame: &str, kind: &str) -> bool {
    frame.contains(&format!(r#""type":"{kind}""#))
}

pub fn opened(stage: &Stage) -> usize {
    stage.count(|kind| matches!(kind, EventKind::ChannelOpened { .. }))
}

pub fn sent(stage: &Stage, kind: DescriptionKind) -> usize {
    stage.count(|k| matches!(k, EventKind::DescriptionSent { description, .. } if *description == kind))
}

pub fn ignored(stage: &Stage, why: IgnoreReason) -> usize {
    stage.count(|k| matches!(k, EventKind::DescriptionIgnored { reason, .. } if *reason == why))
}

pub fn expired(stage: &Stage) -> usize {
    stage.count(|k| matches!(k, EventKind::WaitExpired { .. }))
}

/// No invariant is broken.
pub const NONE: [u8; 0] = [];

// ---- the races

/// The existing member's offer is so late that the newcomer offers too: both are on their way at once.
pub fn glare(rules: ClientRules) -> Stage {
    let late = Duration::from_millis(999);
    Stage::pair(rules, 10).with_rule(move |from, frame| {
        if from == PeerId(0) && is_kind(frame, "webrtc-offer") {
            return Fate::Delay(late);
        }
        Fate::Deliver
    })
}

/// The same, and the offer that lost comes once more when the link is open: a socket that was given up held
/// it.
pub fn glare_and_a_late_copy(rules: ClientRules) -> Stage {
    let (late, again) = (Duration::from_millis(999), Duration::from_millis(6));
    Stage::pair(rules, 10).with_rule(move |from, frame| {
        if from == PeerId(0) && is_kind(frame, "webrtc-offer") {
            return Fate::Delays(late, again);
        }
        Fate::Deliver
    })
}

/// Every frame of that type comes three times, while the first copy is being processed.
pub fn repeated(rules: ClientRules, kind: &'static str) -> Stage {
    Stage::pair(rules, 10).with_rule(move |_, frame| {
        if is_kind(frame, kind) {
            return Fate::Repeat(3);
        }
        Fate::Deliver
    })
}

/// Every description is overtaken by the candidates sent after it.
fn overtaken(rules: ClientRules) -> Stage {
    Stage::pair(rules, 10).with_rule(|_, frame| {
        if is_kind(frame, "webrtc-offer") || is_kind(frame, "webrtc-answer") {
            return Fate::Delay(Duration::from_millis(5));
        }
        Fate::Deliver
    })
}

/// The answer comes again a second after the exchange is over.
pub fn late_answer(rules: ClientRules) -> Stage {
    staying(rules, 10, 2_000).with_rule(|_, frame| {
        if is_kind(frame, "webrtc-answer") {
            return Fate::Again(Duration::from_secs(1));
        }
        Fate::Deliver
    })
}

/// The offer never comes.
pub fn lost_offer(rules: ClientRules) -> Stage {
    let mut lost = false;
    Stage::pair(rules, 10).with_rule(move |_, frame| {
        if is_kind(frame, "webrtc-offer") && !std::mem::replace(&mut lost, true) {
            return Fate::Drop;
        }
        Fate::Deliver
    })
}

/// The connection fails at both ends after it was open; the scripts go on for a while.
pub fn failure(rules: ClientRules) -> Stage {
    staying(rules, 10, 2_000).with_failure(500)
}

/// Bob leaves and is back in the same instant.
fn rejoin(rules: ClientRules) -> Stage {
    leaving(rules, 500, true)
}

pub fn join(name: &str) -> Action {
    Action::Join {
        name: name.into(),
        expect: JoinOutcome::Accepted,
        again: false,
    }
}

pub fn connected() -> Action {
    Action::Wait {
        condition: Condition::Connected,
        within: Duration::from_secs(10),
    }
}

pub fn staying(rules: ClientRules, apart: u64, for_ms: u64) -> Stage {
    let stay = |name| script(&[(0, join(name)), (0, connected())], for_ms);
    Stage::new(rules, &[0, apart], vec![stay("Ann"), stay("Bob")])
}

/// Bob leaves `after` ms of being connected; `back`: and joins again at once.
pub fn leaving(rules: ClientRules, after: u64, back: bool) -> Stage {
    let ann = script(&[(0, join("Ann")), (0, connected())], after + 1_000);
    let mut bob = vec![(0, join("Bob")), (0, connected()), (after, Action::Leave)];
    if back {
        bob.extend([(after, join("Bob")), (after, connected())]);
    }
    Stage::new(rules, &[0, 10], vec![ann, script(&bob, after)])
}

// ---- what the reference makes of them

#[test]
fn a_newcomer_gets_one_offer_and_both_ends_open() {
    let stage = Stage::pair(reference(), 10).play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(
        sent(&stage, DescriptionKind::Offer),
        1,
        "the newcomer waits for it"
    );
    assert_eq!(expired(&stage), 0);
}

#[test]
pub fn glare_is_resolved_by_the_polite_side() {
    let stage = glare(reference()).play();
    assert_eq!(opened(&stage), 2);
    let polite = |kind: &EventKind| matches!(kind, EventKind::Glare { polite: true, .. });
    let impolite = |kind: &EventKind| matches!(kind, EventKind::Glare { polite: false, .. });
    assert_eq!((stage.count(polite), stage.count(impolite)), (1, 1));
    assert_eq!(ignored(&stage, IgnoreReason::Glare), 1);
}

#[test]
fn an_offer_that_lost_in_glare_does_not_tear_the_link_when_it_comes_again() {
    let stage = glare_and_a_late_copy(reference()).play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(ignored(&stage, IgnoreReason::Glare), 1);
    // The impolite side's own offer and its answer were repeated meanwhile, too.
    assert_eq!(ignored(&stage, IgnoreReason::Duplicate), 3);
}

#[test]
fn a_repeated_offer_is_answered_once() {
    let stage = repeated(reference(), "webrtc-offer").play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(sent(&stage, DescriptionKind::Answer), 1);
    assert_eq!(ignored(&stage, IgnoreReason::Duplicate), 2);
}

#[test]
fn a_repeated_answer_changes_nothing() {
    let stage = repeated(reference(), "webrtc-answer").play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(ignored(&stage, IgnoreReason::Duplicate), 2);
}

#[test]
fn a_late_answer_changes_nothing() {
    let stage = late_answer(reference()).play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(ignored(&stage, IgnoreReason::Duplicate), 1);
}

#[test]
fn candidates_wait_for_their_description() {
    let stage = overtaken(reference()).play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(stage.count(|k| matches!(k, EventKind::OperationFailed { .. })), 0);
}

#[test]
fn a_newcomer_whose_offer_is_lost_offers_itself() {
    let stage = lost_offer(reference()).play();
    assert_eq!(opened(&stage), 2);
    assert_eq!(sent(&stage, DescriptionKind::Offer), 2);
}

#[test]
fn a_failed_connection_is_replaced_by_both() {
    let stage = failure(reference()).play();
    assert_eq!(opened(&stage), 4);
    let replaced =
        |k: &EventKind| matches!(k, EventKind::ConnectionClosed { cause, .. } if cause == "replaced");
    assert_eq!(stage.count(replaced), 2);
}

#[test]
fn who_leaves_in_the_middle_of_the_exchange_leaves_nothing_behind() {
    // Bob leaves while the offer is on its way to him, at every half millisecond of the exchange.
    for half_ms in 0..20 {
        let ann = script(&[(0, join("Ann"))], 100);
        let mut bob = script(&[(0, join("Bob")), (0, Action::Leave)], 20);
        bob.steps[1].after = Duration::from_micros(500 * half_ms);
        let stage = Stage::new(reference(), &[0, 10], vec![ann, bob]).play();
        assert_eq!(stage.broken(), NONE, "after {half_ms} half milliseconds");
        assert_eq!(stage.unclosed(), 0, "after {half_ms} half milliseconds");
    }
}

#[test]
fn who_leaves_and_comes_back_is_connected_anew() {
    let stage = rejoin(reference()).play();
    assert_eq!(opened(&stage), 4);
    assert_eq!(expired(&stage), 0);
}

// ---- the mutants

/// A rule that is switched off, the race in which it is missed, and what shows it: the numbers of the
/// invariants that break, or none where a `wait` runs out of time.
pub struct Mutant {
    pub name: &'static str,
    pub rules: ClientRules,
    pub race: fn(ClientRules) -> Stage,
    pub breaks: &'static [u8],
}

pub fn without(change: impl Fn(&mut ClientRules)) -> ClientRules {
    let mut rules = reference();
    change(&mut rules);
    rules
}

fn mutants() -> Vec<Mutant> {
    vec![
        Mutant {
            name: "perfect_negotiation",
            rules: without(|r| r.perfect_negotiation = false),
            race: glare,
            // Both ends' ICE gives up after 30 s, and the replacement opens: late, but before the room has to
            // have settled.
            breaks: &NONE,
        },
        Mutant {
            name: "dedupe_offers",
            rules: without(|r| r.dedupe_offers = false),
            race: |rules| repeated(rules, "webrtc-offer"),
            breaks: &[7],
        },
        Mutant {
            // A copy of the answer that was taken answers no offer any more.
            name: "dedupe_answers, expect_answers",
            rules: without(|r| (r.dedupe_answers, r.expect_answers) = (false, false)),
            race: late_answer,
            breaks: &[5],
        },
        Mutant {
            // A repeated offer is only in process twice if it is taken twice.
            name: "queue_descriptions, dedupe_offers",
            rules: without(|r| (r.queue_descriptions, r.dedupe_offers) = (false, false)),
            race: |rules| repeated(rules, "webrtc-offer"),
            breaks: &[5],
        },
        Mutant {
            name: "keep_early_candidates",
            rules: without(|r| r.keep_early_candidates = false),
            race: overtaken,
            breaks: &[1, 5],
        },
        Mutant {
            name: "check_generation",
            rules: without(|r| r.check_generation = false),
            race: rejoin,
            breaks: &[4],
        },
        Mutant {
            name: "replace_stale",
            rules: without(|r| r.replace_stale = false),
            race: failure,
            breaks: &[1],
        },
        Mutant {
            // An offer that is made again would make up for it.
            name: "offer_fallback, answer_within",
            rules: without(|r| (r.offer_fallback, r.answer_within) = (false, None)),
            race: lost_offer,
            // The offer stays unanswered, so its maker's signaling state does not return to stable.
            breaks: &[1, 5],
        },
        Mutant {
            name: "close_on_leave",
            rules: without(|r| r.close_on_leave = false),
            race: rejoin,
            breaks: &[2],
        },
    ]
}

#[test]
fn every_mutant_is_caught_and_the_reference_is_not_accused() {
    assert_caught(mutants());
}

pub fn assert_caught(mutants: Vec<Mutant>) {
    for mutant in mutants {
        let stage = (mutant.race)(reference()).play();
        assert_eq!(
            stage.broken(),
            NONE,
            "the reference, in the race for {}",
            mutant.name
        );
        assert_eq!(
            stage.unclosed(),
            0,
            "the reference, in the race for {}",
            mutant.name
        );

        let stage = (mutant.race)(mutant.rules).play();
        assert_eq!(stage.broken(), mutant.breaks, "{}", mutant.name);
        assert!(
            !mutant.breaks.is_empty() || expired(&stage) > 0,
            "{}",
            mutant.name
        );
    }
}
