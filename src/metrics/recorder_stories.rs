//! What a recorder tells of a run beside its samples.

use crate::{
    base::{PeerId, SignalingFailure},
    plan::Burst,
};

use super::{
    EventKind, Live,
    story::{A, B, Story, hub, ms, plan, sfu},
};

fn step(planned: u64) -> EventKind {
    EventKind::StepStarted {
        planned: ms(planned),
        step: "join".to_owned(),
    }
}

#[test]
fn lag_in_a_declared_burst_is_kept_apart() {
    let mut plan = plan(1, 2);
    plan.burst = Some(Burst {
        from: ms(100),
        until: ms(5_100),
    });
    let run = Story::with(&plan)
        .peer(1_100, A, step(100))
        .peer(9_000, B, step(5_099))
        .peer(9_000, B, step(5_100))
        .end(10_000);
    assert_eq!(run.trend("generator_lag_ms{burst:yes}"), "2 ok 1000..3900 ms");
    assert_eq!(run.trend("generator_lag_ms{burst:no}"), "1 ok 3900 ms");
    assert_eq!(run.trend("generator_lag_ms"), "3 ok 1000..3900 ms");
    assert_eq!(run.count("steps_started"), 3);
}

#[test]
fn a_link_that_a_hub_passes_on_is_no_connection() {
    let made = |plan| {
        let story = Story::with(&plan)
            .created(0, (A, PeerId::SERVER), 1)
            .created(1, (A, B), 1);
        story.end(10).count("connections_created")
    };
    assert_eq!([hub(1, 2), sfu(1, 2), plan(1, 2)].map(made), [1, 2, 2]);
}

#[test]
fn the_load_was_offered_when_every_script_ended_or_the_run_was_told_to_end() {
    let story = Story::of(2).peer(1, A, EventKind::ScriptEnded);
    assert!(!story.offered_load_reached());
    let story = story.peer(2, B, EventKind::ScriptEnded);
    assert!(story.offered_load_reached());
    let told = Story::of(2).run(1, EventKind::DeadlineReached);
    assert!(told.offered_load_reached());
}

#[test]
fn a_progress_view_sees_who_is_in_and_what_failed() {
    let story = Story::connected_pair()
        .send(1_000, (A, B), 1)
        .receive(1_001, (B, A), 1, 1)
        .send(1_002, (A, B), 2)
        .run(40_000, EventKind::DeadlineReached);
    let live = Live {
        peers_joined: 2,
        links_open: 1,
        messages_delivered: 1,
        failures: 1,
        ..Live::default()
    };
    assert_eq!(story.live(), live);
    let story = story.leave(41_000, A, 1);
    let live = Live {
        peers_joined: 1,
        links_open: 0,
        ..live
    };
    assert_eq!(story.live(), live);
    let lost = |failure| EventKind::SignalingLost {
        failure,
        reason: String::new(),
    };
    let story = story
        .peer(42_000, B, lost(SignalingFailure::Closed))
        .peer(43_000, B, lost(SignalingFailure::ConnectionRefused))
        .peer(44_000, B, lost(SignalingFailure::ConnectionRefused));
    let live = story.live();
    assert_eq!(
        (live.sockets_lost, live.lost_most_by),
        (3, Some(SignalingFailure::ConnectionRefused))
    );
}
