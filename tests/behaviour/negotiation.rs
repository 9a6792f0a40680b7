//! Two links and the server's room core, without `webrtc`: the races that a client must survive.

use rtcstorm::{
    metrics::{DescriptionKind, EventKind, IgnoreReason},
    scenario::ClientRules,
};

use crate::stage::Stage;

fn reference() -> ClientRules {
    ClientRules::default()
}

fn opened(stage: &Stage) -> usize {
    stage.count(|kind| matches!(kind, EventKind::ChannelOpened { .. }))
}

#[test]
fn a_newcomer_gets_one_offer_and_both_ends_open() {
    let stage = Stage::pair(reference(), 10).play();
    assert_eq!(opened(&stage), 2);
    let is_offer = |k: &EventKind| {
        matches!(
            k,
            EventKind::DescriptionSent {
                description: DescriptionKind::Offer,
                ..
            }
        )
    };
    assert_eq!(stage.count(is_offer), 1, "the newcomer waits for it");
    assert_eq!(stage.count(|k| matches!(k, EventKind::WaitExpired { .. })), 0);
    assert_eq!(stage.unclosed(), 0);
    let _ = IgnoreReason::Duplicate;
}
