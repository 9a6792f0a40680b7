//! The rungs of the ladder: what a link tries when, and by whom, seen at the link alone.

use std::time::Duration;

use rtcstorm::{
    base::PeerId,
    metrics::{RecoveryPath, SignalingState},
    peer::{ConnectionEvent, ConnectionOperation, LinkOutput, TransportState},
    scenario::ClientRules,
    signaling::SdpType,
};

use crate::offerer::{Offerer, description};

/// The polite end and the impolite one; neither waits longer by chance.
fn ends(change: fn(&mut ClientRules)) -> [Offerer; 2] {
    let mut rules = ClientRules {
        recovery_jitter: Duration::ZERO,
        ..ClientRules::default()
    };
    change(&mut rules);
    [[0, 1], [1, 0]].map(|[me, remote]| Offerer::between(rules, PeerId(me), PeerId(remote)).open())
}

#[test]
fn ice_that_has_failed_is_restarted_at_once_by_the_polite_end_and_replaced_if_that_is_in_vain() {
    use RecoveryPath::{IceRestart, Replace};
    for ice_first in [true, false] {
        let [mut polite, mut impolite] = ends(|_| {});
        for end in [&mut polite, &mut impolite] {
            end.at(100);
            end.fails_ice(ice_first);
        }
        // Nobody answers: the impolite end restarts by itself, and is the first to replace.
        assert_eq!(polite.acts_until(7_099), [(100, IceRestart)]);
        assert_eq!(polite.acts_until(7_100), [(7_100, Replace)]);
        assert_eq!(impolite.acts_until(5_099), [(3_100, IceRestart)]);
        assert_eq!(impolite.acts_until(5_100), [(5_100, Replace)]);
    }
}

#[test]
fn what_no_restart_can_bring_back_is_replaced_at_once() {
    use RecoveryPath::Replace;
    // DTLS has failed; the channel is closed; the rules say so.
    type Rules = fn(&mut ClientRules);
    let cases: [(Rules, &[ConnectionEvent]); 4] = [
        (|_| {}, &[]),
        (
            |_| {},
            &[
                ConnectionEvent::ChannelClosed,
                ConnectionEvent::IceState(TransportState::Failed),
            ],
        ),
        (
            |rules| rules.restart_failed = false,
            &[ConnectionEvent::IceState(TransportState::Failed)],
        ),
        (
            |rules| rules.restart_within = None,
            &[ConnectionEvent::IceState(TransportState::Failed)],
        ),
    ];
    for (change, before) in cases {
        let [mut polite, mut impolite] = ends(change);
        for end in [&mut polite, &mut impolite] {
            end.at(100);
            before.iter().for_each(|event| end.happens(event.clone()));
            end.happens(ConnectionEvent::State(TransportState::Failed));
        }
        assert_eq!(impolite.acts_until(1_000), [(100, Replace)], "{before:?}");
        // It leaves that to the other end for a second.
        assert_eq!(polite.acts_until(1_100), [(1_100, Replace)], "{before:?}");
    }
}

#[test]
fn a_restart_that_was_answered_has_so_long_to_bring_ice_back() {
    use RecoveryPath::{IceRestart, Replace};
    for (answered, back, within, then) in [
        (true, false, Some(5), vec![(10_000, Replace)]),
        (true, true, Some(5), vec![]),
        (true, false, None, vec![]),
        // Without an answer it may be the whole network that is away.
        (false, false, Some(5), vec![]),
    ] {
        let [mut polite, mut impolite] = ends(|_| {});
        if within.is_none() {
            [polite, impolite] = ends(|rules| rules.restart_within = None);
        }
        polite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        impolite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        assert_eq!(polite.acts_until(3_000), [(2_000, IceRestart)]);
        if answered {
            polite.restarts(2);
            // The other end has taken it.
            let offer = description(SdpType::Offer, 2, "theirs anew");
            impolite.at(3_000);
            impolite.link.handle_description(offer.clone(), impolite.now);
            let operation = ConnectionOperation::SetRemote(offer.clone());
            impolite.done(operation, SignalingState::Stable, None);
            impolite.happens(ConnectionEvent::IceState(TransportState::Checking));
            let operation = ConnectionOperation::Answer {
                answers: offer.fingerprint(),
            };
            let answer = description(SdpType::Answer, 2, "ours anew");
            impolite.done(operation, SignalingState::HaveRemoteOffer, Some(answer));
        } else {
            polite.offered(2, true);
        }
        if back {
            for end in [&mut polite, &mut impolite] {
                end.happens(ConnectionEvent::IceState(TransportState::Connected));
                let asked = end.drain().contains(&LinkOutput::Probe);
                assert!(asked, "only data proves that it works");
                end.link.probe_sent(1);
                end.link.probe_returned(1);
            }
        }
        assert_eq!(polite.acts_until(10_000), then, "{answered} {back} {within:?}");
        if answered {
            let first = then.iter().map(|_| (8_000, Replace)).collect::<Vec<_>>();
            assert_eq!(impolite.acts_until(8_000), first, "{back} {within:?}");
        }
    }
}

#[test]
fn ice_that_is_back_without_data_is_replaced_after_a_restart_from_failed_too() {
    let [mut polite, _] = ends(|_| {});
    polite.fails_ice(true);
    assert_eq!(polite.acts_until(1), [(0, RecoveryPath::IceRestart)]);
    polite.restarts(2);
    polite.happens(ConnectionEvent::State(TransportState::Connecting));
    polite.happens(ConnectionEvent::IceState(TransportState::Connected));
    polite.link.probe_sent(1);
    assert_eq!(polite.acts_until(5_001), [(5_001, RecoveryPath::Replace)]);
}

/// ICE fails at an end after the other end's restart has come: that restart has its time.
#[test]
fn who_has_answered_a_restart_does_not_replace_what_fails_a_moment_later() {
    let [_, mut impolite] = ends(|_| {});
    impolite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
    let offer = description(SdpType::Offer, 2, "theirs anew");
    impolite.link.handle_description(offer.clone(), impolite.now);
    let operation = ConnectionOperation::SetRemote(offer.clone());
    impolite.done(operation, SignalingState::Stable, None);
    let operation = ConnectionOperation::Answer {
        answers: offer.fingerprint(),
    };
    let answer = description(SdpType::Answer, 2, "ours anew");
    impolite.done(operation, SignalingState::HaveRemoteOffer, Some(answer));
    impolite.at(100);
    impolite.fails_ice(false);
    assert_eq!(impolite.acts_until(4_999), []);
    assert_eq!(impolite.acts_until(5_000), [(5_000, RecoveryPath::Replace)]);
}
