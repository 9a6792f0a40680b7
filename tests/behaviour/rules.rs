//! Rules of deployed clients: what each changes, and the race in which it shows. Those of the reference that
//! came from mistakes of theirs are here, too.

use std::time::Duration;

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, IgnoreReason},
    peer::{Peer, PeerInput, PeerOutput},
    plan::{Action, Condition, JoinOutcome},
    scenario::{ClientRules, SignalingStates},
};

use crate::{
    negotiation::{
        Mutant, NONE, assert_caught, connected, failure, glare, ignored, is_kind, join, leaving, lost_offer,
        opened, sent, staying, without,
    },
    stage::{Fate, Stage, Way, script},
};

const ANN: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);

// ---- the races

/// A renegotiation: a duplicated offer without copies.
fn renegotiate() -> Action {
    Action::DuplicateOffer {
        copies: 0,
        within: Duration::ZERO,
    }
}

/// Ann renegotiates half a second after the link has opened.
fn renegotiation(rules: ClientRules) -> Stage {
    let ann = [(0, join("Ann")), (0, connected()), (500, renegotiate())];
    let bob = [(0, join("Bob")), (0, connected())];
    Stage::new(rules, &[0, 10], vec![script(&ann, 1_000), script(&bob, 1_000)])
}

/// Bob's answer to Ann's second offer is so late that he has offered himself meanwhile, and Ann has rolled back.
fn answer_after_rollback(rules: ClientRules) -> Stage {
    let ann = [(0, join("Ann")), (0, connected()), (500, renegotiate())];
    let bob = [(0, join("Bob")), (0, connected()), (550, renegotiate())];
    let mut answers = 0;
    Stage::new(rules, &[0, 10], vec![script(&ann, 2_000), script(&bob, 2_000)]).with_rule(
        move |from, frame| {
            if from == BOB && is_kind(frame, "webrtc-answer") {
                answers += 1;
                if answers == 2 {
                    return Fate::Delay(Duration::from_millis(200));
                }
            }
            Fate::Deliver
        },
    )
}

/// The signaling socket breaks while the first answer is on its way.
fn lost_answer(rules: ClientRules) -> Stage {
    let mut answered = false;
    staying(rules, 10, 3_000)
        .with_rule(move |_, frame| {
            if is_kind(frame, "webrtc-answer") && !std::mem::replace(&mut answered, true) {
                return Fate::Drop;
            }
            Fate::Deliver
        })
        .with_cut(20, BOB)
}

/// Making Ann's first offer takes longer than Bob waits for it.
fn slow_offer(rules: ClientRules) -> Stage {
    let mut calls = 0;
    staying(rules, 10, 3_000).with_latency(Box::new(move |way| {
        calls += u32::from(way == Way::Return);
        match way {
            Way::Return if calls == 1 => Duration::from_millis(1_200),
            _ => Duration::from_millis(1),
        }
    }))
}

/// Bob leaves while his answer is being made.
fn left_unfinished(rules: ClientRules) -> Stage {
    let ann = script(&[(0, join("Ann"))], 100);
    let bob = script(&[(0, join("Bob")), (6, Action::Leave)], 20);
    Stage::new(rules, &[0, 10], vec![ann, bob]).with_latency(Box::new(|way| {
        Duration::from_micros(match way {
            Way::Return => 2_000,
            _ => 500,
        })
    }))
}

/// Bob asks for a name that is taken, and for another one before the server has answered.
fn second_thoughts(rules: ClientRules) -> Stage {
    let refused = Action::Join {
        name: "Ann".into(),
        expect: JoinOutcome::Rejected,
        again: false,
    };
    let ann = script(&[(0, join("Ann")), (0, connected())], 2_000);
    let bob = [
        (0, refused),
        (150, Action::Leave),
        (150, join("Bob")),
        (150, connected()),
    ];
    Stage::new(rules, &[0, 200], vec![ann, script(&bob, 1_000)]).with_latency(Box::new(|way| match way {
        Way::Up | Way::Down => Duration::from_millis(100),
        _ => Duration::ZERO,
    }))
}

/// Bob's socket breaks, and is back before the server's grace is over; the play goes on for longer.
fn cut(rules: ClientRules) -> Stage {
    staying(rules, 10, 8_000).with_cut(500, BOB)
}

/// Bob comes back within the lock of the offer that his last membership took.
fn rejoin_at_once(rules: ClientRules) -> Stage {
    leaving(rules, 500, true)
}

/// Bob's process ends without a word, and he is back under his old id at once.
fn crash(rules: ClientRules) -> Stage {
    let ann = script(&[(0, join("Ann")), (0, connected())], 4_000);
    let bob = [
        (0, join("Bob")),
        (0, connected()),
        (500, Action::Crash),
        (600, join("Bob")),
        (600, connected()),
    ];
    Stage::new(rules, &[0, 10], vec![ann, script(&bob, 1_000)])
}

// ---- the mutants

#[test]
fn every_further_mutant_is_caught_and_the_reference_is_not_accused() {
    assert_caught(vec![
        Mutant {
            name: "expect_answers",
            rules: without(|r| r.expect_answers = false),
            race: answer_after_rollback,
            breaks: &[5],
        },
        Mutant {
            name: "replace_in_glare",
            rules: without(|r| r.replace_in_glare = false),
            race: glare,
            breaks: &[1],
        },
        Mutant {
            name: "repeat_unanswered",
            rules: without(|r| r.repeat_unanswered = false),
            race: lost_answer,
            // As above: both wait for the other until ICE gives up.
            breaks: &NONE,
        },
        Mutant {
            name: "register_first",
            rules: without(|r| r.register_first = false),
            race: slow_offer,
            breaks: &[2],
        },
        Mutant {
            name: "close_unfinished",
            rules: without(|r| r.close_unfinished = false),
            race: left_unfinished,
            breaks: &[2],
        },
        Mutant {
            name: "count_answers",
            rules: without(|r| r.count_answers = false),
            race: second_thoughts,
            breaks: &[2, 6],
        },
        Mutant {
            name: "resume_membership",
            rules: without(|r| r.resume_membership = false),
            race: cut,
            breaks: &[6],
        },
        Mutant {
            name: "replace_failed",
            rules: without(|r| r.replace_failed = false),
            race: failure,
            breaks: &[1],
        },
        Mutant {
            name: "replace_stale, where a member has crashed",
            rules: without(|r| r.replace_stale = false),
            race: crash,
            breaks: &[1],
        },
        Mutant {
            name: "offers_in",
            rules: without(|r| r.offers_in.stable = false),
            race: |rules| staying(rules, 10, 100),
            breaks: &[1, 5],
        },
        Mutant {
            name: "answer_lock",
            rules: without(|r| r.answer_lock = Duration::from_secs(1)),
            race: renegotiation,
            breaks: &[5],
        },
        Mutant {
            // The newcomer's own offer would make up for the one that the lock drops.
            name: "forget_on_leave, offer_lock, offer_fallback",
            rules: without(|r| {
                (r.forget_on_leave, r.offer_fallback) = (false, false);
                r.offer_lock = Duration::from_secs(2);
            }),
            race: rejoin_at_once,
            breaks: &[1, 5],
        },
        Mutant {
            // The SDP's first line is all that it looks at.
            name: "dedupe_prefix",
            rules: without(|r| r.dedupe_prefix = Some(30)),
            race: renegotiation,
            breaks: &[5],
        },
    ]);
}
