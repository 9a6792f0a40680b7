//! What it takes until a link, or the way to the server, counts as recovered.

use std::time::Duration;

use rtcstorm::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, SignalingState},
    peer::{ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, Link, LinkOutput, TransportState},
    plan::{Action, Condition, Cut, JoinOutcome},
    scenario::ClientRules,
    signaling::{Description, SdpType},
};

use crate::stage::{Stage, script};

use crate::offerer::{Offerer, description, events, is_closed, is_restarted};

#[test]
fn a_restart_is_done_whichever_of_ice_and_the_answer_comes_first() {
    for ice_first in [false, true] {
        let mut offerer = Offerer::new(ClientRules::default()).open();
        assert!(offerer.link.restart_ice());
        let wanted = ConnectionCommand::Perform(ConnectionOperation::Offer { ice_restart: true });
        let generation = offerer.generation;
        assert!(
            offerer
                .drain()
                .contains(&LinkOutput::Connection(generation, wanted))
        );
        offerer.offered(2, true);
        let answer = description(SdpType::Answer, 2, "theirs anew");
        offerer.link.handle_description(answer.clone(), Instant::START);
        offerer.happens(ConnectionEvent::IceState(TransportState::Checking));
        assert!(!is_restarted(&offerer.drain()));
        let connected = ConnectionEvent::IceState(TransportState::Connected);
        if ice_first {
            offerer.happens(connected.clone());
            assert!(!is_restarted(&offerer.drain()), "the answer is not set yet");
            offerer.answer_is_set(answer);
        } else {
            offerer.answer_is_set(answer);
            assert!(!is_restarted(&offerer.drain()), "ICE is not back yet");
            offerer.happens(connected);
        }
        assert!(is_restarted(&offerer.drain()), "ICE first: {ice_first}");
    }
}

/// Found by `hunt network-drops --schedule pct:3`: the answer to a restart went to the half-open socket of the
/// one who had offered, who then offered the same over a new one, and was taken for a duplicate.
#[test]
fn who_offers_the_same_again_gets_the_same_answer_again() {
    let told = |rules: ClientRules| {
        let mut link = Link::new(rules, PeerId(1), PeerId(0), Incarnation(1), Generation(0));
        let (offer, answer) = (
            description(SdpType::Offer, 1, "theirs"),
            description(SdpType::Answer, 1, "ours"),
        );
        let done = |link: &mut Link, operation, before, made| {
            let done = Done {
                operation,
                before,
                allowed: true,
                result: Ok(made),
            };
            link.handle_connection(
                Generation(1),
                ConnectionEvent::OperationDone(done),
                Instant::START,
            );
        };
        link.handle_description(offer.clone(), Instant::START);
        done(
            &mut link,
            ConnectionOperation::SetRemote(offer.clone()),
            SignalingState::Stable,
            None,
        );
        // While it is being answered a copy needs no answer of its own.
        link.handle_description(offer.clone(), Instant::START);
        let answers = offer.fingerprint();
        done(
            &mut link,
            ConnectionOperation::Answer { answers },
            SignalingState::HaveRemoteOffer,
            Some(answer.clone()),
        );
        link.handle_description(offer.clone(), Instant::START);
        // What was offered since went the same way.
        let own = description(SdpType::Offer, 2, "ours anew");
        done(
            &mut link,
            ConnectionOperation::Offer { ice_restart: true },
            SignalingState::Stable,
            Some(own.clone()),
        );
        link.handle_description(offer, Instant::START);
        let sent: Vec<_> = std::iter::from_fn(|| link.poll_output())
            .filter_map(|output| match output {
                LinkOutput::SendDescription(description) => Some(description),
                _ => None,
            })
            .collect();
        let count = |wanted: &Description| sent.iter().filter(|sent| *sent == wanted).count();
        [count(&answer), count(&own)]
    };
    assert_eq!(told(ClientRules::default()), [3, 2]);
    let rules = ClientRules {
        repeat_unanswered: false,
        ..ClientRules::default()
    };
    assert_eq!(told(rules), [1, 1]);
}

#[test]
fn a_cut_socket_has_not_recovered_before_another_one_has_been_answered() {
    let join = Action::Join {
        name: "Ann".into(),
        expect: JoinOutcome::Accepted,
        again: false,
    };
    let wait = |condition| Action::Wait {
        condition,
        within: Duration::from_secs(2),
    };
    // The stage does not carry the cut out, so nothing ever makes up for it.
    let steps = [
        (0, join),
        (0, wait(Condition::Joined)),
        (0, Action::CutSignaling { how: Cut::Reset }),
        (0, wait(Condition::Recovered)),
    ];
    let stage = Stage::new(ClientRules::default(), &[0], vec![script(&steps, 0)]).play();
    assert_eq!(stage.count(|k| matches!(k, EventKind::WaitExpired { .. })), 1);
}

#[test]
fn what_is_dead_for_long_enough_is_removed_if_its_channel_is_closed() {
    let second = Some(Duration::from_secs(1));
    let never = ClientRules {
        replace_failed: false,
        ..ClientRules::default()
    };
    let failed = ClientRules {
        remove_after_failed: second,
        ..never
    };
    let disconnected = ClientRules {
        remove_after_disconnected: second,
        ..never
    };
    let (f, d, c) = (
        TransportState::Failed,
        TransportState::Disconnected,
        TransportState::Connected,
    );
    for (rules, states, closed, removed) in [
        (never, vec![f], true, false),
        (failed, vec![f], true, true),
        (failed, vec![f], false, false),
        (failed, vec![d], true, false),
        (disconnected, vec![d], true, true),
        (disconnected, vec![d], false, false),
        (disconnected, vec![f], true, false),
        // It is well again.
        (disconnected, vec![d, c], true, false),
    ] {
        let mut offerer = Offerer::new(rules).open();
        if closed {
            offerer.happens(ConnectionEvent::ChannelClosed);
        }
        for state in &states {
            offerer.happens(ConnectionEvent::State(*state));
        }
        offerer.at(999);
        assert!(!is_closed(&offerer.drain(), offerer.generation), "{states:?}");
        offerer.at(1_000);
        assert_eq!(
            is_closed(&offerer.drain(), offerer.generation),
            removed,
            "{rules:?} {states:?} {closed}"
        );
    }
}

#[test]
fn a_connection_whose_channel_does_not_open_is_replaced_unless_it_gets_on() {
    let never = ClientRules {
        open_within: None,
        ..ClientRules::default()
    };
    let connected = TransportState::Connected;
    let (ice, dtls) = (
        ConnectionEvent::IceState(connected),
        ConnectionEvent::State(connected),
    );
    let pair = CandidateKind::Host;
    let channel = ConnectionEvent::ChannelOpened { pair };
    let (polite, impolite) = ([0, 1], [1, 0]);
    for (ends, rules, happens, replaced) in [
        (impolite, ClientRules::default(), vec![(0, &ice)], Some(10_000)),
        (polite, ClientRules::default(), vec![(0, &ice)], Some(12_000)),
        (impolite, never, vec![(0, &ice)], None),
        (impolite, ClientRules::default(), vec![], None),
        // What has connected before does not count.
        (
            impolite,
            ClientRules::default(),
            vec![(0, &ice), (9_000, &dtls), (12_000, &ice), (15_000, &dtls)],
            Some(19_000),
        ),
        (
            impolite,
            ClientRules::default(),
            vec![(0, &ice), (9_000, &dtls), (18_999, &channel)],
            None,
        ),
    ] {
        let mut offerer = Offerer::between(rules, PeerId(ends[0]), PeerId(ends[1]));
        offerer.offered(1, false);
        let answer = description(SdpType::Answer, 1, "theirs");
        offerer.link.handle_description(answer.clone(), Instant::START);
        offerer.answer_is_set(answer);
        for (at, event) in &happens {
            offerer.at(*at);
            offerer.happens((*event).clone());
        }
        let mut when = None;
        for at in [9_999, 10_000, 11_999, 12_000, 18_999, 19_000, 60_000] {
            if happens.last().is_none_or(|(last, _)| at >= *last) {
                offerer.at(at);
                let closed = is_closed(&offerer.drain(), offerer.generation);
                when = when.or(closed.then_some(at));
            }
        }
        assert_eq!(when, replaced, "{ends:?} {rules:?} {happens:?}");
    }
}

#[test]
fn ice_that_has_failed_is_restarted_as_often_as_the_rules_let_it() {
    let restarts = |rules: ClientRules, reconnects: bool| {
        let mut offerer = Offerer::new(rules).open();
        let mut restarts = 0;
        for round in 2..6 {
            offerer.happens(ConnectionEvent::IceState(TransportState::Failed));
            offerer.at(u64::from(round));
            let wanted = ConnectionCommand::Perform(ConnectionOperation::Offer { ice_restart: true });
            let wanted = LinkOutput::Connection(offerer.generation, wanted);
            if offerer.drain().contains(&wanted) {
                restarts += 1;
                offerer.offered(round, true);
                let answer = description(SdpType::Answer, round, "theirs");
                offerer.link.handle_description(answer.clone(), offerer.now);
                offerer.answer_is_set(answer);
            }
            if reconnects {
                offerer.happens(ConnectionEvent::State(TransportState::Connected));
            }
        }
        restarts
    };
    let never = ClientRules {
        restart_ice_after: None,
        restart_failed: false,
        replace_failed: false,
        ..ClientRules::default()
    };
    let rules = ClientRules {
        restart_failed: true,
        ..never
    };
    let twice = ClientRules {
        max_restarts: Some(2),
        ..rules
    };
    assert_eq!(restarts(never, false), 0);
    assert_eq!(restarts(rules, false), 4);
    assert_eq!(restarts(twice, false), 2);
    assert_eq!(restarts(twice, true), 4, "counted anew once it is connected");
}

/// The remote replaces a connection whose channel has closed before we do: our timer is still running.
#[test]
fn a_timer_of_a_replaced_connection_acts_on_its_successor_only_without_the_rule() {
    for check_generation in [true, false] {
        let rules = ClientRules {
            check_generation,
            ..ClientRules::default()
        };
        let mut offerer = Offerer::new(rules).open();
        offerer.happens(ConnectionEvent::ChannelClosed);
        let sdp = "a=ice-ufrag:new\r\na=fingerprint:sha-256 BB\r\n".into();
        let offer = Description {
            sdp_type: SdpType::Offer,
            sdp,
        };
        offerer.link.handle_description(offer, offerer.now);
        let successor = offerer.link.generation();
        assert_ne!(successor, offerer.generation);
        offerer.drain();
        offerer.at(10_000);
        let outputs = offerer.drain();
        assert_eq!(is_closed(&outputs, successor), !check_generation);
        let crossed = |kind: &EventKind| matches!(kind, EventKind::CrossedGeneration { .. });
        assert_eq!(events(outputs).iter().any(crossed), !check_generation);
    }
}

#[test]
fn replacements_in_vain_wait_longer_and_longer_until_the_link_is_given_up() {
    let rules = ClientRules {
        retry_max: Duration::from_secs(5),
        ..ClientRules::default()
    };
    let mut offerer = Offerer::between(rules, PeerId(1), PeerId(0)).open();
    for wait in [0, 1_000, 2_000, 4_000, 5_000] {
        assert_eq!(offerer.fails(), Ok(wait));
    }
    let why = "no candidate pair worked: none here, none there".to_owned();
    assert_eq!(offerer.fails(), Err((5, why)));
    assert!(offerer.link.is_given_up() && offerer.link.timers() == 0);
    assert!(offerer.drain().is_empty() && offerer.link.next_timeout().is_none());
    // The remote may still come back.
    let offer = description(SdpType::Offer, 9, "theirs anew");
    offerer.link.handle_description(offer, offerer.now);
    offerer.generation = offerer.link.generation();
    let pair = CandidateKind::Host;
    offerer.happens(ConnectionEvent::ChannelOpened { pair });
    assert!(!offerer.link.is_given_up());
    assert!(offerer.link.is_open());
}

#[test]
fn replacements_are_counted_anew_once_a_channel_has_opened() {
    let rules = ClientRules {
        give_up_after: Some(2),
        ..ClientRules::default()
    };
    let mut offerer = Offerer::between(rules, PeerId(1), PeerId(0));
    for _ in 0..3 {
        assert_eq!(offerer.fails(), Ok(0));
        assert_eq!(offerer.fails(), Ok(1_000));
        let pair = CandidateKind::Host;
        offerer.happens(ConnectionEvent::IceState(TransportState::Connected));
        offerer.happens(ConnectionEvent::ChannelOpened { pair });
    }
    let never = ClientRules {
        give_up_after: None,
        ..rules
    };
    let mut offerer = Offerer::between(never, PeerId(1), PeerId(0));
    for _ in 0..40 {
        assert!(offerer.fails().is_ok());
    }
}

#[test]
fn ice_that_does_not_connect_has_its_connection_replaced_and_a_restart_does_not() {
    let checking = || ConnectionEvent::IceState(TransportState::Checking);
    for (ends, ice_within, was_open, replaced) in [
        ([1, 0], Some(15), false, Some(15_000)),
        ([0, 1], Some(15), false, Some(17_000)),
        ([1, 0], None, false, None),
        ([1, 0], Some(15), true, None),
    ] {
        let rules = ClientRules {
            ice_within: ice_within.map(Duration::from_secs),
            ..ClientRules::default()
        };
        let mut offerer = Offerer::between(rules, PeerId(ends[0]), PeerId(ends[1]));
        if was_open {
            offerer = offerer.open();
        }
        offerer.happens(checking());
        let mut when = None;
        for at in [14_999, 15_000, 16_999, 17_000, 60_000] {
            offerer.at(at);
            let closed = is_closed(&offerer.drain(), offerer.generation);
            when = when.or(closed.then_some(at));
        }
        assert_eq!(when, replaced, "{ends:?} {ice_within:?} {was_open}");
    }
}
