//! Members of a TextRoom have one connection, to Janus, which passes on what they say.

use rtcstorm::metrics::RecoveryPath;

use super::*;

fn at_text_room(scripts: Vec<Script>) -> Stage {
    at_janus(JanusPlugin::TextRoom, ClientRules::default(), scripts)
}

/// What a peer has said on its channel, whispered or to everybody.
fn said(stage: &Stage, peer: PeerId, what: &str, whispered: bool) -> Vec<u64> {
    let heard = stage.heard.iter().filter(|(_, of, text)| {
        *of == peer
            && text.contains(r#""textroom":"message""#)
            && text.contains(what)
            && text.contains(r#""to":"#) == whispered
    });
    heard.map(|(at, ..)| ms(*at)).collect()
}

fn resumed(kind: &EventKind) -> bool {
    matches!(kind, EventKind::MembershipResumed { .. })
}

/// How often each of the two had the other.
fn opened_with(stage: &Stage, peer: PeerId, remote: PeerId) -> usize {
    let opened = times(stage, peer, opened).into_iter();
    opened.filter(|(of, _)| *of == remote).count()
}

#[test]
fn what_is_for_everybody_goes_out_once_and_probes_are_whispered() {
    let chat = Action::Chat {
        every: Duration::from_millis(100),
        count: 3,
        size: 10,
    };
    let ann = linked(&[(200, chat)], 1_000);
    let stage = at_text_room(vec![ann, linked(&[], 2_000), linked(&[], 2_000)]).play();
    assert_sound(&stage);
    assert_eq!(
        said(&stage, ANN, "xxxxxxxxxx", false).len(),
        3,
        "{:#?}",
        told(&stage)
    );
    assert_eq!(said(&stage, ANN, "xxxxxxxxxx", true), [0; 0]);
    assert_eq!(said(&stage, ANN, "probe0", true).len(), 2);
    assert_eq!(said(&stage, ANN, "probe0", false), [0; 0]);
    let received = |kind: &EventKind| matches!(kind, EventKind::MessageReceived { .. });
    for other in [BOB, PeerId(2)] {
        assert_eq!(times(&stage, other, received).len(), 3);
    }
    let connections = |kind: &EventKind| matches!(kind, EventKind::SignalingStateChanged { .. });
    assert!(
        times(&stage, ANN, connections)
            .iter()
            .all(|(of, _)| *of == PeerId::SERVER)
    );
}

#[test]
fn links_close_with_the_channel_and_are_back_with_the_next() {
    let stage = at_text_room(vec![linked(&[], 8_000); 3])
        .with_deed(2_000, |janus: &mut JanusServer, ends| {
            janus.hang_up(ANN, None, ends)
        })
        .play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, resumed).len(), 1, "{:#?}", told(&stage));
    for other in [BOB, PeerId(2)] {
        assert_eq!(opened_with(&stage, ANN, other), 2);
        assert_eq!(opened_with(&stage, other, ANN), 2);
    }
    assert_eq!(opened_with(&stage, BOB, PeerId(2)), 1);
}

#[test]
fn a_restart_of_the_one_connection_is_recovered_from_on_every_link() {
    let ann = linked(&[(1_000, restart_ice()), (0, wait(Condition::Recovered))], 1_000);
    let stage = at_text_room(vec![ann, linked(&[], 4_000), linked(&[], 4_000)]).play();
    assert_sound(&stage);
    let by_restart = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::LinkRecovered {
                path: RecoveryPath::IceRestart,
                ..
            }
        )
    };
    assert_eq!(times(&stage, ANN, by_restart).len(), 2, "{:#?}", told(&stage));
    assert_eq!(opened_with(&stage, ANN, PeerId::SERVER), 1);
}

#[test]
fn a_probe_that_is_lost_on_its_way_is_repeated_every_second() {
    let ann = script(
        &[
            (0, join()),
            (2_000, restart_ice()),
            (2_000, wait(Condition::Recovered)),
        ],
        1_000,
    );
    let stage = at_text_room(vec![ann, linked(&[], 8_000)])
        .with_deed(1_999, |janus: &mut JanusServer, _| janus.lost_whispers = u32::MAX)
        .with_deed(4_500, |janus: &mut JanusServer, _| janus.lost_whispers = 0)
        .play();
    assert_sound(&stage);
    let recovered = times(&stage, ANN, recovered);
    assert!(matches!(recovered[..], [(BOB, 4_500..5_100)]), "{recovered:?}");
    let probes = said(&stage, ANN, "probe", true);
    let late: Vec<u64> = probes.into_iter().filter(|at| *at > 2_500).collect();
    assert_eq!(late.len(), 3, "{late:?}");
    assert!(late.windows(2).all(|pair| pair[1] - pair[0] == 1_000), "{late:?}");
}

#[test]
fn who_is_kicked_joins_again() {
    let stage = at_text_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| janus.kick(ANN, ends))
        .play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, resumed).len(), 1, "{:#?}", told(&stage));
    assert_eq!(opened_with(&stage, ANN, BOB), 2);
    assert_eq!(opened_with(&stage, BOB, ANN), 2);
}

#[test]
fn who_leaves_and_joins_again_has_another_channel() {
    let rejoins = linked(
        &[
            (500, Action::Leave),
            (800, join()),
            (800, wait(Condition::Connected)),
        ],
        1_000,
    );
    let stage = at_text_room(vec![rejoins, linked(&[], 4_000)]).play();
    assert_sound(&stage);
    assert_eq!(opened_with(&stage, ANN, PeerId::SERVER), 2, "{:#?}", told(&stage));
    assert_eq!(opened_with(&stage, BOB, ANN), 2);
}

#[test]
fn everybody_is_back_after_the_server_is() {
    let ann = [(1_000, restart_server()), (0, wait(Condition::Recovered))];
    let others = linked(&[(2_000, wait(Condition::Recovered))], 10_000);
    let stage = at_text_room(vec![linked(&ann, 10_000), others.clone(), others]).play();
    assert_sound(&stage);
    for me in (0..3).map(PeerId) {
        assert_eq!(times(&stage, me, recovered).len(), 2, "{:#?}", told(&stage));
        assert_eq!(opened_with(&stage, me, PeerId::SERVER), 2);
    }
}

#[test]
fn a_session_that_janus_gives_up_is_made_anew_on_the_same_socket() {
    let stage = at_text_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| janus.time_out(ANN, ends))
        .play();
    assert_sound(&stage);
    assert_eq!(opened_with(&stage, ANN, BOB), 2, "{:#?}", told(&stage));
    assert_eq!(opened_with(&stage, BOB, ANN), 2);
    let connected = |kind: &EventKind| *kind == EventKind::SignalingConnected;
    assert_eq!(times(&stage, ANN, connected).len(), 1);
}

#[test]
fn who_leaves_before_its_join_is_answered_may_join_again() {
    let stage = at_text_room(vec![impatient(), linked(&[], 2_000)]).play();
    assert_sound(&stage);
    let joined = |kind: &EventKind| matches!(kind, EventKind::Joined { .. });
    let joined = times(&stage, ANN, joined);
    assert_eq!(joined.len(), 1, "{:#?}", told(&stage));
    assert!(joined[0].1 < 100, "{joined:?}");
}

/// She has no channel when her session ends, so that nothing is asked for in vain.
#[test]
fn a_session_that_ends_between_two_channels_ends_the_membership_that_was_to_go_on() {
    let stage = at_text_room(vec![linked(&[], 8_000), linked(&[], 8_000)])
        .with_deed(2_000, |janus: &mut JanusServer, ends| {
            janus.hang_up(ANN, None, ends)
        })
        .with_deed(2_003, |janus: &mut JanusServer, ends| janus.time_out(ANN, ends))
        .play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, resumed).len(), 1, "{:#?}", told(&stage));
    assert_eq!(opened_with(&stage, ANN, BOB), 2);
}
