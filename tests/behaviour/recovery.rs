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

fn description(sdp_type: SdpType, version: u32, ufrag: &str) -> Description {
    let sdp = format!("o=- 1 {version}\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 AA\r\n");
    Description {
        sdp_type,
        sdp: sdp.into(),
    }
}

/// An offering link and what it wants, step by step.
struct Offerer {
    link: Link,
    generation: Generation,
}

impl Offerer {
    fn new() -> Self {
        let rules = ClientRules::default();
        let mut link = Link::new(rules, PeerId(0), PeerId(1), Incarnation(1), Generation(0));
        link.offer();
        let generation = link.generation();
        Self { link, generation }
    }

    fn happens(&mut self, event: ConnectionEvent) {
        self.link
            .handle_connection(self.generation, event, Instant::START);
    }

    fn done(&mut self, operation: ConnectionOperation, before: SignalingState, made: Option<Description>) {
        self.happens(ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result: Ok(made),
        }));
    }

    /// Everything that the link wants by now.
    fn drain(&mut self) -> Vec<LinkOutput> {
        std::iter::from_fn(|| self.link.poll_output()).collect()
    }

    fn offered(&mut self, version: u32, ice_restart: bool) {
        let offer = description(SdpType::Offer, version, "ours");
        let operation = ConnectionOperation::Offer { ice_restart };
        self.done(operation, SignalingState::Stable, Some(offer));
    }

    fn answer_is_set(&mut self, answer: Description) {
        let operation = ConnectionOperation::SetRemote(answer);
        self.done(operation, SignalingState::HaveLocalOffer, None);
    }

    /// Through the first exchange to an open channel.
    fn open(mut self) -> Self {
        self.offered(1, false);
        let answer = description(SdpType::Answer, 1, "theirs");
        self.link.handle_description(answer.clone(), Instant::START);
        self.answer_is_set(answer);
        self.happens(ConnectionEvent::IceState(TransportState::Checking));
        self.happens(ConnectionEvent::IceState(TransportState::Connected));
        let pair = CandidateKind::Host;
        self.happens(ConnectionEvent::ChannelOpened { pair });
        self.drain();
        self
    }
}

fn is_restarted(outputs: &[LinkOutput]) -> bool {
    outputs.contains(&LinkOutput::Restarted)
}

#[test]
fn a_restart_is_done_whichever_of_ice_and_the_answer_comes_first() {
    for ice_first in [false, true] {
        let mut offerer = Offerer::new().open();
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
