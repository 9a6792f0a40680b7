use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::pair::{PATIENCE, Pair};
use crate::{peer::Carries, world::Tricks};

const TO_AND_FROM: [Carries; 2] = [Carries::Published, Carries::Subscribed];

#[tokio::test]
async fn what_one_end_publishes_comes_in_at_the_other() {
    let mut pair = Pair::new(Tricks::default(), |_| false).carrying(TO_AND_FROM);
    assert!(pair.open(PATIENCE, false).await);
    let offer = &pair.descriptions[0].sdp;
    assert!(
        offer.contains("m=audio") && offer.contains("a=sendonly"),
        "{offer}"
    );
    assert!(!offer.contains("m=application"), "{offer}");
    assert!(pair.flows(1).await, "packets keep coming");
    let census = pair.close().await;
    assert!(census.is_empty(), "{census:?}");
}

/// RFC 8842, 5.3: an answerer may choose; the server would otherwise wait for the first flight of this end.
#[tokio::test]
async fn the_answer_to_a_server_takes_the_passive_role() {
    let mut pair = Pair::new(Tricks::default(), |_| false).carrying(TO_AND_FROM);
    assert!(pair.open(PATIENCE, false).await);
    let answer = &pair.descriptions[1].sdp;
    assert!(answer.contains("a=setup:passive"), "{answer}");
    pair.close().await;
}

#[tokio::test]
async fn media_goes_on_after_a_restart_that_was_asked_for() {
    let mut pair = Pair::new(Tricks::default(), |_| false).carrying(TO_AND_FROM);
    assert!(pair.open(PATIENCE, false).await);
    pair.restart_on_request(1).await;
    assert!(pair.flows(1).await);
    pair.close().await;
}

/// The receiving end offers, as in WHEP.
#[tokio::test]
async fn who_wants_media_may_offer() {
    let mut pair = Pair::new(Tricks::default(), |_| false).carrying([Carries::Received, Carries::Published]);
    assert!(pair.open(PATIENCE, false).await);
    assert!(pair.descriptions[0].sdp.contains("a=recvonly"));
    pair.close().await;
}

/// Else a restart of ICE would prove that somebody has what is published.
#[tokio::test]
async fn that_ice_is_connected_again_is_no_packet() {
    let reports_arrive = Arc::new(AtomicBool::new(false));
    let loses = {
        let arrive = reports_arrive.clone();
        move |datagram: &[u8]| is_report(datagram) && !arrive.load(Ordering::Relaxed)
    };
    let mut pair = Pair::new(Tricks::default(), loses).carrying(TO_AND_FROM);
    assert!(pair.open(PATIENCE, false).await);
    pair.awaits_and_restarts(0).await;
    assert_eq!(pair.flowed, [], "nobody has sent it anything");
    reports_arrive.store(true, Ordering::Relaxed);
    assert!(pair.has_flowed(0).await);
    pair.close().await;
}

/// Whether it is RTCP (RFC 5761, 4).
fn is_report(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}
