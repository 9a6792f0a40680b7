//! Faults of single signaling frames, in virtual time: that they take place, that the scenarios of the catalogue see a client
//! that can't make up for them, and that what is held back goes its way in the end.

use std::sync::Arc;

use rtcstorm::{
    base::Instant,
    hunt::judge,
    metrics::{EventKind, RunEvent},
    plan::{self, FrameKind, FrameWay, Treated, expand},
    report::Normaliser,
    scenario::{Scenario, faults, parse},
    sim::Schedule,
};

use crate::{cli::program::Desk, docs::Grammar, simulated};

/// Seeds of which one has to catch a mutant.
const CAUGHT_WITHIN: u64 = 20;

fn read(name: &str, text: &str) -> Scenario {
    parse(name, text, &Grammar).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
}

/// The events of a run, and what broke first.
fn play(scenario: &Scenario, seed: u64) -> (Vec<RunEvent>, Option<String>) {
    let plan = Arc::new(expand(scenario, seed, &plan::Options::default()));
    let (events, took) = simulated::play(&plan, Schedule::Random);
    let mut normaliser = Normaliser::default();
    let events: Vec<_> = events
        .iter()
        .map(|event| normaliser.normal(event).into_owned())
        .collect();
    let failure = judge(scenario, &plan, &events, Instant::START + took);
    (events, failure.map(|failure| failure.what))
}

/// The scenario of two peers with these steps at the first of them.
fn first_of_two(steps: &str) -> Scenario {
    let text = format!(
        "name: x\ngroups:\n  - {{ name: a, peers: 1, steps: [{steps}] }}\n  - {{ name: b, peers: 1, steps: [join, {{ wait: connected }}, {{ pause: 3s }}] }}\n"
    );
    read("x.yaml", &text)
}

fn treated(events: &[RunEvent]) -> Vec<(Treated, FrameKind, FrameWay)> {
    let told = events.iter().filter_map(|event| match event.kind {
        EventKind::FrameTreated {
            treatment,
            frame,
            way,
        } => Some((treatment, frame, way)),
        _ => None,
    });
    told.collect()
}

#[test]
fn every_mutant_of_a_fault_is_caught_by_it() {
    let mut missed = Vec::new();
    for (name, text) in faults() {
        let scenario = read(name, text);
        for mutant in &scenario.mutants {
            let mutated = scenario.with_mutant(mutant);
            if !(1..=CAUGHT_WITHIN).any(|seed| play(&mutated, seed).1.is_some()) {
                missed.push(format!("{name}: {}", mutant.to_yaml()));
            }
        }
    }
    assert!(missed.is_empty(), "{}:\n{}", missed.len(), missed.join("\n"));
}

/// What the ladder brings back in the end, only thresholds see.
#[test]
fn links_that_a_broken_or_stale_offer_tears_fail_the_thresholds() {
    let desk = Desk::new("torn-by-offers");
    for (fault, rule) in [
        ("faults/stale-offer", "client.refuse_stale=false"),
        ("faults/rolled-back-offer", "client.refuse_rolled_back=false"),
        ("faults/corrupt-frames", "client.refuse_broken=false"),
        ("faults/lost-offer", "client.repeat_unanswered=false"),
    ] {
        let run = |more: &[&str]| desk.run(&[&["run", fault, "--sim", "--quiet"][..], more].concat());
        run(&[]).assert_code(0);
        run(&["--set", rule]).assert_code(99);
    }
}

#[test]
fn one_seed_gives_frames_the_same_fates() {
    let desk = Desk::new("fates-of-frames");
    for fault in ["faults/lost-answer", "faults/reordered-candidates"] {
        desk.run(&[
            "run",
            fault,
            "--sim",
            "--verify",
            "--schedule",
            "random",
            "--quiet",
        ])
        .assert_code(0);
    }
}

#[test]
fn each_thing_that_a_step_does_is_told_of_the_frames_that_it_names() {
    use {FrameKind::*, FrameWay::*, Treated::*};
    for (step, expected) in [
        ("{ drop: 100%, of: answer, count: 1 }", (Drop, Answer, In)),
        ("{ delay: 50ms, of: join, for: 5s }", (Delay, Join, Out)),
        ("{ reorder: 100%, of: welcome, count: 1 }", (Reorder, Welcome, In)),
        (
            "{ duplicate: 100%, of: member_joined, with: [b], count: 1 }",
            (Duplicate, MemberJoined, In),
        ),
        (
            "{ corrupt: 100%, as: sdp, of: offer, way: out, count: 1 }",
            (Corrupt, Offer, Out),
        ),
    ] {
        let scenario = first_of_two(&format!(
            "{{ signaling: {step} }}, join, {{ wait: connected }}, {{ pause: 3s }}"
        ));
        let (events, failure) = play(&scenario, 1);
        assert_eq!(failure, None, "{step}");
        assert_eq!(treated(&events), [expected], "{step}");
    }
}

#[test]
fn what_is_held_back_goes_on_when_the_script_ends() {
    let scenario = first_of_two(
        "join, { wait: connected }, { signaling: { delay: 20s, of: leave, for: 1m } }, leave, { pause: 1s }",
    );
    let (events, failure) = play(&scenario, 1);
    assert_eq!(failure, None);
    assert_eq!(treated(&events).len(), 1);
    let heard = events
        .iter()
        .find(|event| matches!(event.kind, EventKind::MemberLeft { .. }))
        .expect("the other is told in the end");
    let ended = events
        .iter()
        .find(|event| event.kind == EventKind::ScriptEnded && event.peer == events[1].peer);
    assert!(ended.is_some_and(|ended| heard.at >= ended.at && heard.at < Instant::from_millis(19_000)));
}

#[test]
fn a_leave_that_is_lost_leaves_a_ghost_that_nobody_is_accused_of() {
    let scenario = first_of_two(
        "join, { wait: connected }, { signaling: { drop: 100%, of: leave, for: 1m } }, leave, { pause: 1s }",
    );
    let (events, failure) = play(&scenario, 1);
    assert_eq!(treated(&events).len(), 1);
    assert_eq!(failure, None);
}

/// Frames of membership that are late, lost or overtaken: the client finds out what it is, and nobody is accused.
#[test]
fn a_client_survives_what_happens_to_the_frames_of_its_membership() {
    for (what, first) in [
        (
            "the welcome is late while others come",
            "[{ signaling: { delay: 1200ms, of: welcome, way: in, count: 1 } }, join, { wait: connected }, { pause: 20s }]",
        ),
        (
            "a leave comes after the next join",
            "[join, { wait: connected }, { pause: 2s }, { signaling: { delay: 1s, of: leave, way: out, for: 5s } }, rejoin, { wait: connected }, { pause: 20s }]",
        ),
        (
            "a leave is lost",
            "[{ signaling: { drop: 100%, count: 1, of: leave } }, join, { wait: connected }, { pause: 6s }, rejoin, { wait: connected }, { pause: 20s }]",
        ),
        (
            "the roster overtakes the welcome",
            "[{ signaling: { reorder: 100%, for: 10s, of: welcome } }, join, { wait: connected }, { pause: 6s }, rejoin, { wait: connected }, { pause: 20s }]",
        ),
    ] {
        let text = format!(
            "name: late\ngroups:\n  - {{ name: a, peers: 1, steps: {first} }}\n  - {{ name: b, peers: 2, steps: [join, {{ wait: connected }}, {{ pause: 40s }}] }}\n"
        );
        let scenario = rtcstorm::scenario::parse("late", &text, &crate::docs::Grammar)
            .unwrap_or_else(|e| panic!("{}", e.listing()));
        for seed in 0..5 {
            let options = rtcstorm::plan::Options::default();
            let plan = std::sync::Arc::new(rtcstorm::plan::expand(&scenario, seed, &options));
            let (events, took) = crate::simulated::play(&plan, rtcstorm::sim::Schedule::Random);
            let ended = rtcstorm::base::Instant::START + took;
            let failure = rtcstorm::hunt::judge(&scenario, &plan, &events, ended);
            assert_eq!(failure.map(|failure| failure.what), None, "{what}, seed {seed}");
        }
    }
}
