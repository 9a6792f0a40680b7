use std::sync::atomic::{AtomicUsize, Ordering};

use super::pair::{DOUBT, PATIENCE, Pair};
use crate::world::{Holding, Tricks};

#[tokio::test]
async fn a_link_opens_on_loopback_and_leaves_nothing_behind() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, false).await);
    let sockets = pair.census().held(Holding::Socket);
    assert_eq!(sockets, 2, "one for each end, none for mDNS");
    let census = pair.close().await;
    assert!(census.is_empty(), "{census:?}");
}

/// Between ICE and the open channel the stack has nothing to wait for: with the driver woken after each
/// receive no timer is needed, without it nothing goes on.
#[tokio::test]
async fn after_a_receive_the_driver_needs_no_timer() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, true).await);
    pair.close().await;

    let mut pair = Pair::new(
        Tricks {
            wake_driver: false,
            ..Tricks::default()
        },
        |_| false,
    );
    assert!(!pair.open(DOUBT, true).await, "the trick is no longer needed");
    pair.close().await;
}

/// The agent checks every 200 ms. Its checks are not what a link is to wait for.
const ICE_TIMERS_MS: u64 = 20;

/// Else the remote's agent meets our first check before our candidate, and may nominate neither of the two
/// pairs that it then has for one path before its next timer.
#[tokio::test]
async fn every_description_carries_the_host_candidate() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    pair.runtime.stop_timers_from_ms(ICE_TIMERS_MS);
    assert!(pair.open(PATIENCE, false).await);
    assert_eq!(pair.descriptions.len(), 2);
    for description in &pair.descriptions {
        assert!(description.sdp.contains("a=candidate"), "{}", description.sdp);
    }
    pair.close().await;
}

/// The stack's own versions are nanoseconds of the clock, each anew.
#[tokio::test]
async fn each_description_of_a_connection_has_the_next_session_version() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, false).await);
    pair.renegotiate(0).await;
    let origin = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("o="));
        let mut fields = line.expect("it has an origin").split(' ').skip(1);
        let id = fields.next().expect("of a session").to_owned();
        (id, fields.next().and_then(|version| version.parse::<u64>().ok()))
    };
    let origins: Vec<_> = pair.descriptions.iter().map(|d| origin(&d.sdp)).collect();
    let versions: Vec<_> = origins.iter().map(|(_, version)| *version).collect();
    assert_eq!(versions, [Some(1), Some(1), Some(2), Some(2)]);
    assert_eq!(origins[0].0, origins[2].0);
    pair.close().await;
}

/// The driver is woken for a candidate that is added; and a pair whose remote candidate is peer-reflexive,
/// which is what the silent end's one becomes, is good enough at once.
#[tokio::test]
async fn one_trickled_candidate_is_enough_and_needs_no_timer() {
    for end in 0..2 {
        let mut pair = Pair::new(Tricks::default(), |_| false);
        pair.only_trickles = Some(end);
        pair.runtime.stop_timers_from_ms(ICE_TIMERS_MS);
        assert!(pair.open(PATIENCE, false).await, "end {end}");
        pair.close().await;
    }
}

/// By default an agent gives up on a pair after its eighth check: sixteen lost datagrams, and no link any
/// more, as when a restart begins while the network is away.
#[tokio::test]
async fn checks_go_on_for_longer_than_the_stack_would() {
    let sent = AtomicUsize::new(0);
    let mut pair = Pair::new(Tricks::default(), move |_| {
        sent.fetch_add(1, Ordering::Relaxed) < 2 * 8 + 4
    });
    assert!(pair.open(PATIENCE, false).await);
    pair.close().await;
}
