//! What the known races have found in the reference client and in our checks, kept found.

use std::time::Duration;

use rtcstorm::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::SignalingState,
    peer::{ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, Link, LinkOutput},
    signaling::{Description, SdpType},
};

use crate::{
    negotiation::{NONE, connected, join, reference},
    rules::renegotiate,
    stage::{Stage, Way, script},
};

const ANN: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);

/// The certificate tells whose description it is, the ufrag of which ICE generation.
fn description(sdp_type: SdpType, certificate: &str, ufrag: &str) -> Description {
    Description {
        sdp_type,
        sdp: format!("v=0\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 {certificate}\r\n").into(),
    }
}

/// Ann's link to Bob, open; commands that are given to it are carried out by hand.
struct OpenLink(Link);

impl OpenLink {
    fn new(me: PeerId, remote: PeerId) -> Self {
        let mut open = Self(Link::new(reference(), me, remote, Incarnation(1), Generation(0)));
        open.0.offer();
        open.offered("first");
        open.0
            .handle_description(description(SdpType::Answer, "BB", "b"), Instant::START);
        let answer = ConnectionOperation::SetRemote(description(SdpType::Answer, "BB", "b"));
        open.done(answer, SignalingState::HaveLocalOffer, None);
        open.happens(ConnectionEvent::ChannelOpened {
            pair: rtcstorm::metrics::CandidateKind::Host,
        });
        open.outputs();
        open
    }

    fn happens(&mut self, event: ConnectionEvent) {
        self.0
            .handle_connection(self.0.generation(), event, Instant::START);
    }

    fn done(&mut self, operation: ConnectionOperation, before: SignalingState, made: Option<Description>) {
        self.happens(ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result: Ok(made),
        }));
    }

    fn offered(&mut self, ufrag: &str) {
        let offer = ConnectionOperation::Offer { ice_restart: false };
        let made = description(SdpType::Offer, "AA", ufrag);
        self.done(offer, SignalingState::Stable, Some(made));
    }

    fn outputs(&mut self) -> Vec<LinkOutput> {
        std::iter::from_fn(|| self.0.poll_output()).collect()
    }
}

/// Found by races/ice-restart.
#[test]
fn a_restart_that_is_rolled_back_for_a_renegotiation_is_made_again() {
    for (theirs, restarts) in [("b", 1), ("new", 0)] {
        let mut link = OpenLink::new(ANN, BOB);
        link.0.restart_ice();
        link.offered("second");
        // Bob's renegotiation meets it, or a restart of his own, which is one for both.
        let offer = description(SdpType::Offer, "BB", theirs);
        link.0.handle_description(offer.clone(), Instant::START);
        link.outputs();
        link.done(
            ConnectionOperation::SetRemote(offer.clone()),
            SignalingState::HaveLocalOffer,
            None,
        );
        let answers = offer.fingerprint();
        link.done(
            ConnectionOperation::Answer { answers },
            SignalingState::HaveRemoteOffer,
            Some(description(SdpType::Answer, "AA", "third")),
        );
        let again = |output: &&LinkOutput| {
            let restart = ConnectionOperation::Offer { ice_restart: true };
            matches!(output, LinkOutput::Connection(_, ConnectionCommand::Perform(operation)) if *operation == restart)
        };
        assert_eq!(link.outputs().iter().filter(again).count(), restarts, "{theirs}");
    }
}

/// Found by races/stale-connection.
#[test]
fn an_answer_of_another_client_than_the_connection_is_with_replaces_it() {
    for (certificate, replaced) in [("BB", false), ("CC", true)] {
        let mut link = OpenLink::new(BOB, ANN);
        link.0.renegotiate();
        link.offered("second");
        let before = link.0.generation();
        let answer = description(SdpType::Answer, certificate, "c");
        link.0.handle_description(answer, Instant::START);
        assert_eq!(link.0.generation() != before, replaced, "{certificate}");
    }
}

/// Found by races/ice-restart.
#[test]
fn a_room_settles_when_its_last_exchange_is_over() {
    let ann = [(0, join("Ann")), (0, connected()), (500, renegotiate())];
    let bob = [(0, join("Bob")), (0, connected())];
    let stage = Stage::new(reference(), &[0, 10], vec![script(&ann, 500), script(&bob, 500)])
        .with_latency(Box::new(|way| match way {
            Way::Up | Way::Down => Duration::from_millis(20),
            // The answer takes longer than everything else that is waited for.
            Way::Return => Duration::from_millis(50),
            _ => Duration::from_millis(1),
        }))
        .play();
    assert_eq!(stage.broken(), NONE);
}
