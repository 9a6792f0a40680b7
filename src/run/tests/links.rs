use super::pair::{DOUBT, PATIENCE, Pair};
use crate::world::Tricks;

#[tokio::test]
async fn a_link_opens_on_loopback_and_leaves_nothing_behind() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, false).await);
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
