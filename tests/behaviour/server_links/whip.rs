//! Publishers at a server of WHIP, who know of nobody else.

use rtcstorm::{metrics::RecoveryPath, signaling::WhipOptions};

use super::*;
use crate::stage::WhipServer;

fn at_whip(scripts: Vec<Script>) -> Stage {
    let arrivals: Vec<u64> = (0..scripts.len() as u64).map(|n| 10 * n).collect();
    let protocol = Protocol::Whip(WhipOptions::default());
    Stage::new(ClientRules::default(), &arrivals, scripts).at_server(protocol, WhipServer::default())
}

fn asked(stage: &Stage, method: &str) -> usize {
    let heard = stage.heard.iter();
    heard.filter(|(_, _, text)| text.starts_with(method)).count()
}

fn created(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ConnectionCreated { .. })
}

#[test]
fn a_session_is_created_by_a_join_and_deleted_by_a_leave() {
    let rejoins = linked(
        &[
            (500, Action::Leave),
            (800, join()),
            (800, wait(Condition::Connected)),
        ],
        1_000,
    );
    let stage = at_whip(vec![rejoins, linked(&[], 3_000)]).play();
    assert_sound(&stage);
    assert_eq!((asked(&stage, "POST "), asked(&stage, "DELETE ")), (3, 3));
    assert_eq!(times(&stage, ANN, opened).len(), 2, "{:#?}", told(&stage));
    assert_eq!(times(&stage, BOB, opened).len(), 1);
    assert!(asked(&stage, "PATCH ") > 0, "candidates are told");
}

#[test]
fn who_is_refused_has_no_connection_left() {
    let ann = script(
        &[(0, joins(JoinOutcome::Rejected)), (0, wait(Condition::Rejected))],
        5_000,
    );
    let mut stage = at_whip(vec![ann]).with_deed(0, |whip: &mut WhipServer, _| whip.refuses = Some(403));
    while stage.now_ms() < 4_000 {
        assert!(stage.step());
    }
    assert_eq!(
        stage.unclosed(),
        0,
        "it is closed with the refusal, not in the end"
    );
    let stage = stage.play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, created).len(), 1, "the offer was its");
    let refused =
        |kind: &EventKind| matches!(kind, EventKind::JoinRejected { reason, .. } if reason == "403");
    assert_eq!(times(&stage, ANN, refused).len(), 1, "{:#?}", told(&stage));
}

#[test]
fn ice_is_restarted_in_the_session() {
    let ann = linked(&[(1_000, restart_ice()), (0, wait(Condition::Recovered))], 1_000);
    let stage = at_whip(vec![ann]).play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, recovered).len(), 1, "{:#?}", told(&stage));
    assert_eq!(
        (asked(&stage, "POST "), times(&stage, ANN, created).len()),
        (1, 1)
    );
}

#[test]
fn a_restart_that_finds_no_session_leads_to_another() {
    let ann = linked(&[(1_000, restart_ice()), (0, wait(Condition::Recovered))], 1_000);
    let stage = at_whip(vec![ann])
        .with_deed(500, |whip: &mut WhipServer, ends| whip.forget(ends))
        .play();
    assert_sound(&stage);
    let by_replacement = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::LinkRecovered {
                path: RecoveryPath::Replace,
                ..
            }
        )
    };
    let recovered = times(&stage, ANN, by_replacement);
    assert!(matches!(recovered[..], [(_, 1_000..1_100)]), "{recovered:?}");
    assert_eq!(asked(&stage, "POST "), 2);
}

#[test]
fn a_socket_that_is_lost_takes_no_link_along_that_is_well() {
    let stage = at_whip(vec![linked(&[], 5_000)]).with_cut(1_000, ANN).play();
    assert_sound(&stage);
    let resumed = |kind: &EventKind| matches!(kind, EventKind::MembershipResumed { .. });
    assert_eq!(times(&stage, ANN, resumed).len(), 1, "{:#?}", told(&stage));
    assert_eq!(
        (asked(&stage, "POST "), times(&stage, ANN, created).len()),
        (1, 1)
    );
}

/// ICE is disconnected, and the restart that it is about to be tried comes to nothing: the socket is lost.
#[test]
fn a_link_that_is_not_well_is_made_anew_over_the_next_socket() {
    let stage = at_whip(vec![linked(&[], 20_000)])
        .with_silence(990, ANN)
        .with_cut(1_000, ANN)
        .play();
    assert_sound(&stage);
    assert_eq!(times(&stage, ANN, created).len(), 2, "{:#?}", told(&stage));
    assert_eq!((asked(&stage, "POST "), asked(&stage, "DELETE ")), (2, 2));
}

#[test]
fn who_leaves_before_its_join_is_answered_may_join_again() {
    let stage = at_whip(vec![impatient(), linked(&[], 2_000)]).play();
    assert_sound(&stage);
    let joined = |kind: &EventKind| matches!(kind, EventKind::Joined { .. });
    let joined = times(&stage, ANN, joined);
    assert_eq!(joined.len(), 1, "{:#?}", told(&stage));
    assert!(joined[0].1 < 100, "{joined:?}");
}
