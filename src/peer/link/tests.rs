//! Links whose other end is the server: it is asked for offers, and never for copies.

use std::time::Duration;

use super::{Link, LinkOutput};
use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, RecoveryPath, SignalingState},
    peer::connection::{
        Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, TransportState,
    },
    scenario::ClientRules,
    signaling::{Description, SdpType},
};

const SUBSCRIBED: Carries = Carries::Subscribed;
const PUBLISHED: Carries = Carries::Published;

/// A link of peer 0, who is polite towards everybody, and the clock.
struct Played {
    link: Link,
    now: Instant,
}

impl Played {
    fn new(carries: Carries) -> Self {
        let (me, remote) = (PeerId(0), PeerId(1));
        let link = Link::new(ClientRules::default(), me, remote, Incarnation(1), Generation(0));
        Self {
            link: link.carrying(carries),
            now: Instant::START,
        }
    }

    fn drain(&mut self) -> Vec<LinkOutput> {
        std::iter::from_fn(|| self.link.poll_output()).collect()
    }

    /// What it wants `ms` after the start.
    fn at(&mut self, ms: u64) -> Vec<LinkOutput> {
        self.now = Instant::from_millis(ms);
        self.link.handle_timeout(self.now);
        self.drain()
    }

    fn happens(&mut self, event: ConnectionEvent) -> Vec<LinkOutput> {
        let generation = self.link.generation();
        self.link.handle_connection(generation, event, self.now);
        self.drain()
    }

    fn done(&mut self, operation: ConnectionOperation, before: SignalingState, made: Option<SdpType>) {
        let result = Ok(made.map(|sdp_type| description(sdp_type, "ours")));
        self.happens(ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result,
        }));
    }

    /// The server has offered, and is answered.
    fn answers(&mut self, version: &str) {
        let offer = description(SdpType::Offer, version);
        self.link.handle_description(offer.clone(), self.now);
        let answers = offer.fingerprint();
        let (stable, offered) = (SignalingState::Stable, SignalingState::HaveRemoteOffer);
        self.done(ConnectionOperation::SetRemote(offer), stable, None);
        self.done(
            ConnectionOperation::Answer { answers },
            offered,
            Some(SdpType::Answer),
        );
    }

    /// An offer is made, and not answered.
    fn offers(&mut self) {
        self.link.offer();
        let operation = ConnectionOperation::Offer { ice_restart: false };
        self.done(operation, SignalingState::Stable, Some(SdpType::Offer));
    }

    fn opens(&mut self) {
        let pair = CandidateKind::Host;
        self.happens(ConnectionEvent::IceState(TransportState::Connected));
        self.happens(ConnectionEvent::ChannelOpened { pair });
    }
}

fn description(sdp_type: SdpType, version: &str) -> Description {
    let sdp = format!("a=ice-ufrag:{version}\r\na=fingerprint:sha-256 {version}\r\n");
    Description {
        sdp_type,
        sdp: sdp.into(),
    }
}

/// Whether each request for an offer restarts ICE.
fn requests(outputs: &[LinkOutput]) -> Vec<bool> {
    let requests = outputs.iter().filter_map(|output| match output {
        LinkOutput::RequestOffer { ice_restart } => Some(*ice_restart),
        _ => None,
    });
    requests.collect()
}

fn descriptions(outputs: &[LinkOutput]) -> usize {
    let sent = |output: &&LinkOutput| matches!(output, LinkOutput::SendDescription(_));
    outputs.iter().filter(sent).count()
}

fn commands(outputs: &[LinkOutput]) -> Vec<&ConnectionCommand> {
    let commands = outputs.iter().filter_map(|output| match output {
        LinkOutput::Connection(_, command) => Some(command),
        _ => None,
    });
    commands.collect()
}

fn is_closed(outputs: &[LinkOutput]) -> bool {
    commands(outputs).contains(&&ConnectionCommand::Close)
}

#[test]
fn a_server_that_offers_is_asked_for_that_and_no_connection_is_made_before() {
    for carries in [SUBSCRIBED, Carries::ServerChannel("label")] {
        let mut played = Played::new(carries);
        played.link.offer();
        let outputs = played.drain();
        assert_eq!(requests(&outputs), [false]);
        assert!(commands(&outputs).is_empty(), "{outputs:?}");
        played.answers("theirs");
        assert!(played.link.generation() == Generation(1) && !played.link.is_exchanging());
    }
    for carries in [PUBLISHED, Carries::Received] {
        let mut played = Played::new(carries);
        played.link.offer();
        let outputs = played.drain();
        let create = ConnectionCommand::Create {
            offerer: true,
            carries,
        };
        assert_eq!(requests(&outputs), [false; 0]);
        assert_eq!(commands(&outputs)[0], &create);
    }
}

#[test]
fn an_offer_that_does_not_come_is_asked_for_again_every_five_seconds() {
    let mut played = Played::new(SUBSCRIBED);
    played.link.offer();
    played.link.expect_offer(Instant::START);
    played.drain();
    for at in [5_000, 10_000, 15_000] {
        assert_eq!(requests(&played.at(at - 1)), [false; 0]);
        assert_eq!(requests(&played.at(at)), [false]);
    }
    played.answers("theirs");
    assert_eq!(requests(&played.at(60_000)), [false; 0]);
}

#[test]
fn an_offer_to_a_server_is_not_repeated_but_its_connection_replaced_in_the_end() {
    let mut played = Played::new(PUBLISHED);
    played.offers();
    let wait = 8_000;
    assert_eq!(descriptions(&played.at(wait - 1)), 0);
    played.link.signaling_resumed();
    played.link.signaling_renewed();
    assert_eq!(descriptions(&played.drain()), 0, "a new socket is no reason");
    let outputs = played.at(wait + wait / 4);
    assert_eq!(descriptions(&outputs), 0);
    assert!(is_closed(&outputs), "{outputs:?}");
    assert!(outputs.contains(&LinkOutput::Acted(RecoveryPath::Replace)));
}

#[test]
fn nobody_is_polite_towards_a_server() {
    for (carries, waits) in [(Carries::Channel, true), (PUBLISHED, false)] {
        let mut played = Played::new(carries);
        played.offers();
        let answer = description(SdpType::Answer, "theirs");
        played.link.handle_description(answer.clone(), played.now);
        played.done(
            ConnectionOperation::SetRemote(answer),
            SignalingState::HaveLocalOffer,
            None,
        );
        played.opens();
        let outputs = played.happens(ConnectionEvent::State(TransportState::Failed));
        assert_eq!(is_closed(&outputs), !waits, "{carries:?} {outputs:?}");
    }
    // The same of ICE that is disconnected: it is restarted as soon as the impolite end of two peers does.
    let rules = ClientRules::default();
    let after = rules.restart_ice_after.expect("it is") + Duration::from_millis(1);
    let mut played = Played::new(SUBSCRIBED);
    played.answers("theirs");
    played.opens();
    played.happens(ConnectionEvent::IceState(TransportState::Disconnected));
    let latest = after + rules.recovery_jitter;
    assert_eq!(requests(&played.at(latest.as_millis() as u64)), [true]);
}

#[test]
fn what_the_server_has_ended_is_replaced_by_what_it_is_asked_for() {
    let mut played = Played::new(SUBSCRIBED);
    played.answers("theirs");
    played.opens();
    played.link.ended(played.now);
    let outputs = played.drain();
    assert!(is_closed(&outputs));
    assert_eq!(requests(&outputs), [false]);
    let detected = |output: &LinkOutput| matches!(output, LinkOutput::Event(EventKind::FaultDetected { .. }));
    assert!(outputs.iter().any(detected));
    assert!(played.link.is_unwell() && !played.link.is_open());
    // What has not come about is asked for later.
    played.link.ended(played.now);
    assert!(played.drain().is_empty());
    assert_eq!(requests(&played.at(5_000)), [false]);
}

#[test]
fn a_publication_that_the_server_has_ended_is_followed_by_another_until_it_is_given_up() {
    let mut played = Played::new(PUBLISHED);
    played.offers();
    let most = ClientRules::default().give_up_after.expect("it is");
    let mut replaced = 0;
    played.link.ended(played.now);
    for second in 1..600 {
        let outputs = played.at(second * 1_000);
        if outputs.contains(&LinkOutput::Acted(RecoveryPath::Replace)) {
            replaced += 1;
            played.link.ended(played.now);
        }
    }
    assert!(played.link.is_given_up());
    assert_eq!(replaced, most);
    assert_eq!(played.link.timers(), 0);
}

#[test]
fn what_the_server_passes_on_has_no_connection_to_be_mended() {
    let mut played = Played::new(Carries::Relayed);
    played.link.open_relayed(played.now);
    assert!(played.link.is_open());
    let generation = played.link.generation();
    played.link.open_relayed(played.now);
    assert_eq!(played.link.generation(), generation, "it is open");
    played.drain();
    assert!(!played.link.renegotiate() && !played.link.restart_ice());
    assert!(played.drain().is_empty());
    assert!(
        played
            .link
            .transmit(crate::signaling::ChannelData::Text("hi".to_owned()))
    );
}
