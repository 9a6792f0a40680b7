//! Members of a VideoRoom publish to Janus, and have from it what the others publish.

use rtcstorm::metrics::RecoveryPath;

use super::*;
use crate::stage::Fate;

fn at_video_room(scripts: Vec<Script>) -> Stage {
    at_janus(JanusPlugin::VideoRoom, ClientRules::default(), scripts)
}

/// Of the user ids on the wire.
fn feed(peer: PeerId) -> String {
    let protocol = Protocol::Janus(JanusOptions::default());
    protocol.id_on_wire(&format!("p{:04}", peer.0))
}

/// Whom they had media of, in that order, their own publication included.
fn had(stage: &Stage, peer: PeerId) -> Vec<PeerId> {
    let opened = times(stage, peer, opened).into_iter();
    opened.map(|(remote, _)| remote).collect()
}

fn count(had: &[PeerId], of: PeerId) -> usize {
    had.iter().filter(|remote| **remote == of).count()
}

#[test]
fn three_members_have_what_each_other_publishes() {
    let stage = at_video_room(vec![linked(&[], 1_000); 3]).play();
    assert_sound(&stage);
    for me in (0..3).map(PeerId) {
        let mut had = had(&stage, me);
        had.sort_unstable();
        let others = (0..3).map(PeerId).filter(|other| *other != me);
        let expected: Vec<PeerId> = others.chain([PeerId::SERVER]).collect();
        assert_eq!(had, expected, "{:#?}", told(&stage));
    }
}

#[test]
fn who_leaves_and_joins_again_is_had_anew() {
    let rejoins = linked(
        &[
            (500, Action::Leave),
            (800, join()),
            (800, wait(Condition::Connected)),
        ],
        1_000,
    );
    let stage = at_video_room(vec![rejoins, linked(&[], 4_000), linked(&[], 4_000)]).play();
    assert_sound(&stage);
    for other in [BOB, PeerId(2)] {
        assert_eq!(count(&had(&stage, other), ANN), 2, "{:#?}", told(&stage));
        assert_eq!(count(&had(&stage, ANN), other), 2);
    }
    assert_eq!(count(&had(&stage, BOB), PeerId(2)), 1, "nothing was to be done");
}

/// She publishes on another connection: the former is given up, and the others are told.
#[test]
fn what_ends_and_is_published_again_is_had_anew() {
    let stage = at_video_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| {
            janus.hang_up(ANN, None, ends)
        })
        .play();
    assert_sound(&stage);
    assert_eq!(count(&had(&stage, ANN), PeerId::SERVER), 2, "{:#?}", told(&stage));
    assert_eq!(count(&had(&stage, BOB), ANN), 2);
    assert_eq!(count(&had(&stage, BOB), PeerId::SERVER), 1);
    assert_eq!(count(&had(&stage, ANN), BOB), 1);
}

#[test]
fn a_subscription_that_is_hung_up_is_followed_by_another() {
    let stage = at_video_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| {
            janus.hang_up(ANN, Some(&feed(BOB)), ends);
        })
        .play();
    assert_sound(&stage);
    assert_eq!(count(&had(&stage, ANN), BOB), 2, "{:#?}", told(&stage));
    assert_eq!(count(&had(&stage, BOB), ANN), 1);
    let replaces = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::RecoveryStarted {
                path: RecoveryPath::Replace,
                ..
            }
        )
    };
    assert_eq!(times(&stage, ANN, replaces).len(), 1);
}

#[test]
fn what_is_not_to_be_had_yet_is_asked_for_again_after_five_seconds() {
    let mut stage = at_video_room(vec![linked(&[], 1_000), linked(&[], 1_000)])
        .with_deed(0, |janus: &mut JanusServer, _| janus.hidden = 1);
    stage = stage.play();
    assert_sound(&stage);
    let asked: Vec<(PeerId, u64)> = stage
        .heard
        .iter()
        .filter(|(_, _, text)| text.contains(r#""subscriber""#))
        .map(|(at, peer, _)| (*peer, ms(*at)))
        .collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    let again = asked[2].1 - asked.iter().find(|(peer, _)| *peer == asked[2].0).expect("one").1;
    assert!((5_000..5_020).contains(&again), "{asked:?}");
}

#[test]
fn everybody_is_back_after_the_server_is() {
    let ann = [(1_000, restart_server()), (0, wait(Condition::Recovered))];
    let others = linked(&[(2_000, wait(Condition::Recovered))], 10_000);
    let stage = at_video_room(vec![linked(&ann, 10_000), others.clone(), others]).play();
    assert_sound(&stage);
    for me in (0..3).map(PeerId) {
        let had = had(&stage, me);
        let others = (0..3).map(PeerId).filter(|other| *other != me);
        for other in others.chain([PeerId::SERVER]) {
            assert_eq!(count(&had, other), 2, "{me} {other} {:#?}", told(&stage));
        }
        let rejoins = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::LinkRecovered {
                    path: RecoveryPath::Rejoin,
                    ..
                }
            )
        };
        assert_eq!(times(&stage, me, rejoins).len(), 2, "{:#?}", told(&stage));
    }
}

#[test]
fn a_session_that_janus_gives_up_is_made_anew_on_the_same_socket() {
    let stage = at_video_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| janus.time_out(ANN, ends))
        .play();
    assert_sound(&stage);
    assert_eq!(count(&had(&stage, ANN), BOB), 2, "{:#?}", told(&stage));
    assert_eq!(count(&had(&stage, BOB), ANN), 2);
    let connected = |kind: &EventKind| *kind == EventKind::SignalingConnected;
    assert_eq!(times(&stage, ANN, connected).len(), 1);
}

#[test]
fn an_id_that_is_taken_is_refused() {
    let refused = script(
        &[(0, joins(JoinOutcome::Rejected)), (0, wait(Condition::Rejected))],
        100,
    );
    let stage = at_video_room(vec![script(&[(0, join())], 1_000), refused])
        .with_deed(5, |janus: &mut JanusServer, _| _ = janus.taken.insert(feed(BOB)))
        .play();
    assert_eq!(stage.unclosed(), 0);
    let rejected =
        |kind: &EventKind| matches!(kind, EventKind::JoinRejected { reason, .. } if reason == "436");
    assert_eq!(times(&stage, BOB, rejected).len(), 1, "{:#?}", told(&stage));
    let created = |kind: &EventKind| matches!(kind, EventKind::ConnectionCreated { .. });
    assert_eq!(times(&stage, BOB, created), []);
}

/// What Janus had offered comes when she has left: it is of a subscription that is no more.
#[test]
fn an_offer_to_who_has_left_is_ignored() {
    let plays = |leave: Action, at: u64| {
        let ann = script(
            &[
                (0, join()),
                (at, leave),
                (at + 500, join()),
                (at + 600, wait(Condition::Connected)),
            ],
            1_000,
        );
        at_video_room(vec![ann, linked(&[], 3_000)]).play()
    };
    let stage = plays(wait(Condition::Connected), 0);
    let mut heard = stage.heard.iter();
    let asked = heard.find(|(_, peer, text)| *peer == ANN && text.contains(r#""subscriber""#));
    let asked = ms(asked.expect("she asks for what Bob publishes").0);
    // The offer is made a hop later, and comes after another.
    let stage = plays(Action::Leave, asked + 1);
    assert_sound(&stage);
    let created = |kind: &EventKind| matches!(kind, EventKind::ConnectionCreated { .. });
    let with_bob = times(&stage, ANN, created).into_iter();
    let with_bob: Vec<u64> = with_bob
        .filter(|(remote, _)| *remote == BOB)
        .map(|it| it.1)
        .collect();
    assert_eq!(with_bob.len(), 1, "{:#?}", told(&stage));
    assert!(with_bob[0] > asked + 500);
}

/// ICE of her publication is lost for good, and nothing but another connection helps: Janus has to let the first one go.
#[test]
fn a_publication_that_no_restart_brings_back_is_replaced() {
    let stage = at_video_room(vec![linked(&[], 60_000), linked(&[], 60_000)])
        .with_ice_failing(true)
        .with_failure_of(2_000, 1)
        .play();
    assert_sound(&stage);
    assert_eq!(count(&had(&stage, ANN), PeerId::SERVER), 2, "{:#?}", told(&stage));
    assert_eq!(count(&had(&stage, BOB), ANN), 2);
    assert_eq!(count(&had(&stage, ANN), BOB), 1);
    let asked = |what: &str| {
        stage
            .heard
            .iter()
            .filter(|(_, peer, text)| *peer == ANN && text.contains(what))
            .count()
    };
    assert_eq!(asked(r#""unpublish""#), 1);
}

#[test]
fn ice_is_restarted_of_every_connection() {
    let ann = linked(&[(1_000, restart_ice()), (0, wait(Condition::Recovered))], 1_000);
    let stage = at_video_room(vec![ann, linked(&[], 4_000), linked(&[], 4_000)]).play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, recovered).len(), 2, "{:#?}", told(&stage));
    assert_eq!(had(&stage, ANN).len(), 3, "nothing was made anew");
    let asked = |what: &str| {
        stage
            .heard
            .iter()
            .filter(|(_, peer, text)| *peer == ANN && text.contains(what))
            .count()
    };
    assert_eq!(asked(r#""restart":true"#), 2);
}

#[test]
fn a_subscription_that_never_opens_is_given_up_after_so_many() {
    let rules = ClientRules {
        give_up_after: Some(2),
        ..ClientRules::default()
    };
    let ann = script(&[(0, join())], 150_000);
    let stage = at_janus(JanusPlugin::VideoRoom, rules, vec![ann.clone(), ann])
        .with_rule(|from, frame| match from == ANN && frame.contains(r#""start""#) {
            true => Fate::Drop,
            false => Fate::Deliver,
        })
        .play();
    let given_up = |kind: &EventKind| matches!(kind, EventKind::LinkGivenUp { .. });
    assert_eq!(times(&stage, ANN, given_up).len(), 1, "{:#?}", told(&stage));
    assert_eq!(times(&stage, BOB, given_up), []);
    assert_eq!((stage.unclosed(), stage.left_at_server()), (0, 0));
}

#[test]
fn who_leaves_before_its_join_is_answered_may_join_again() {
    let stage = at_video_room(vec![impatient(), linked(&[], 2_000)]).play();
    assert_sound(&stage);
    let joined = |kind: &EventKind| matches!(kind, EventKind::Joined { .. });
    let joined = times(&stage, ANN, joined);
    assert_eq!(joined.len(), 1, "{:#?}", told(&stage));
    assert!(joined[0].1 < 100, "{joined:?}");
}
