use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Generation, Instant, PeerId},
    metrics::{CandidateKind, DescriptionKind, EventKind, RunEvent, SignalingState},
    report::{describe::state_name, generation::generation_of},
};

use super::update::{Update, description, rollback};

/// Entries of one connection's log; what comes later is counted.
pub const MAX_UPDATES: usize = 2_000;
/// What comes for a link that has no connection yet, and is told by the next one; what is older is dropped.
const MAX_EARLY: usize = 64;

/// One `RTCPeerConnection`, from its making to its end.
#[derive(Debug)]
pub struct Connection {
    pub peer: PeerId,
    pub remote: PeerId,
    pub generation: Generation,
    pub offerer: bool,
    pub created: Instant,
    /// `None`: it was there at the end of what is known.
    pub closed: Option<Instant>,
    pub log: Vec<Update>,
    /// Entries that found no room in the log.
    pub more: u64,
    /// What has gone over its data channel, whenever that changed.
    pub traffic: Vec<(Instant, Traffic)>,
    /// How it was, whenever that changed.
    pub states: Vec<(Instant, States)>,
    signaling: SignalingState,
    /// Where the log tells of a state that a description of this end's has led to.
    awaits_local: Option<usize>,
}

/// Chat messages over a data channel and their bytes, both counted from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub messages_sent: u64,
    pub bytes_sent: u64,
    pub messages_received: u64,
    pub bytes_received: u64,
}

/// What is known of a connection at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States {
    /// `RTCIceTransportState`.
    pub ice: &'static str,
    /// `RTCDtlsTransportState`.
    pub dtls: &'static str,
    /// `RTCDataChannelState`.
    pub channel: &'static str,
    pub channels_opened: u64,
    pub channels_closed: u64,
    /// The local type of the selected pair.
    pub pair: Option<CandidateKind>,
}

impl Connection {
    fn push(&mut self, update: Update) {
        match self.log.len() < MAX_UPDATES {
            true => self.log.push(update),
            false => self.more += 1,
        }
    }

    fn was(&self) -> States {
        self.states
            .last()
            .map(|(_, states)| *states)
            .expect("it begins with one")
    }

    fn is(&mut self, at: Instant, states: States) {
        if states != self.was() {
            self.states.push((at, states));
        }
    }

    fn passed(&mut self, at: Instant, add: impl Fn(&mut Traffic)) {
        let mut traffic = self
            .traffic
            .last()
            .map(|(_, traffic)| *traffic)
            .unwrap_or_default();
        add(&mut traffic);
        match self.traffic.last_mut() {
            Some((then, last)) if *then == at => *last = traffic,
            _ => self.traffic.push((at, traffic)),
        }
    }

    /// What this end has set comes before the state that it led to.
    fn set_local(&mut self, at: Instant, kind: DescriptionKind, number: u64) {
        let Some(state) = self.awaits_local.take() else {
            return;
        };
        let (call, on_success) = match kind {
            DescriptionKind::Offer => ("createOffer", "createOfferOnSuccess"),
            DescriptionKind::Answer => ("createAnswer", "createAnswerOnSuccess"),
        };
        let when = self.log[state].at;
        let before = [
            Update::new(when, call, ""),
            Update::new(when, on_success, description(kind, number)),
            Update::new(when, "setLocalDescription", description(kind, number)),
        ];
        self.log.splice(state..state, before);
        self.log
            .insert(state + 4, Update::new(at, "setLocalDescriptionOnSuccess", ""));
    }

    fn signaling(&mut self, at: Instant, state: SignalingState, heard: &mut Heard) {
        let remote = match (self.signaling, state) {
            (_, SignalingState::HaveRemoteOffer) => heard.offer.take().map(|n| (DescriptionKind::Offer, n)),
            (SignalingState::HaveLocalOffer, SignalingState::Stable) => {
                heard.answer.take().map(|n| (DescriptionKind::Answer, n))
            }
            _ => None,
        };
        if let Some((kind, number)) = remote {
            self.push(Update::new(at, "setRemoteDescription", description(kind, number)));
        }
        let by_local = matches!(
            (self.signaling, state),
            (_, SignalingState::HaveLocalOffer) | (SignalingState::HaveRemoteOffer, SignalingState::Stable)
        );
        self.awaits_local = (by_local && self.log.len() + 4 < MAX_UPDATES).then_some(self.log.len());
        self.push(Update::new(at, "signalingstatechange", state_name(state)));
        if remote.is_some() {
            self.push(Update::new(at, "setRemoteDescriptionOnSuccess", ""));
        }
        self.signaling = state;
    }
}

/// Descriptions that came in and were not set so far.
#[derive(Debug, Default)]
struct Heard {
    offer: Option<u64>,
    answer: Option<u64>,
}

/// Events in, connections out.
#[derive(Debug, Default)]
pub struct Connections {
    pub all: Vec<Connection>,
    /// The last one of each direction of a link.
    current: BTreeMap<(PeerId, PeerId), usize>,
    by_generation: BTreeMap<(PeerId, PeerId, Generation), usize>,
    open: BTreeSet<usize>,
    heard: BTreeMap<(PeerId, PeerId), Heard>,
    early: BTreeMap<(PeerId, PeerId), Vec<Update>>,
    /// The latest instant that is known.
    pub last: Instant,
}

impl Connections {
    pub fn read(&mut self, event: &RunEvent) {
        self.last = self.last.max(event.at);
        match (event.peer, event.remote) {
            (Some(peer), Some(remote)) => self.of_link(peer, remote, event),
            (Some(peer), None) => self.of_peer(peer, event),
            (None, _) => {}
        }
    }

    /// What happens to a peer happens to all its connections that are there; what happens to the server, to all.
    fn of_peer(&mut self, peer: PeerId, event: &RunEvent) {
        let of_all = match event.kind {
            EventKind::ServerRestarted { .. }
            | EventKind::ServerCrashed { .. }
            | EventKind::ServerPaused { .. }
            | EventKind::ServerSlowed { .. }
            | EventKind::ServerCommand { .. } => true,
            EventKind::SignalingConnected
            | EventKind::SignalingLost { .. }
            | EventKind::SignalingError { .. }
            | EventKind::MembershipResumed { .. }
            | EventKind::LeaveStarted { .. }
            | EventKind::Crashed { .. } => false,
            _ => return,
        };
        for nth in &self.open {
            let connection = &mut self.all[*nth];
            if of_all || connection.peer == peer {
                connection.push(Update::own(event));
            }
        }
    }

    fn of_link(&mut self, peer: PeerId, remote: PeerId, event: &RunEvent) {
        if let EventKind::ConnectionCreated {
            generation, offerer, ..
        } = event.kind
        {
            return self.created((peer, remote, generation), offerer, event);
        }
        let nth = match generation_of(&event.kind) {
            Some(generation) => self.by_generation.get(&(peer, remote, generation)),
            None => self
                .current
                .get(&(peer, remote))
                .filter(|nth| self.open.contains(nth)),
        };
        let heard = self.heard.entry((peer, remote)).or_default();
        match event.kind {
            EventKind::DescriptionReceived {
                description,
                fingerprint,
            } => {
                let place = match description {
                    DescriptionKind::Offer => &mut heard.offer,
                    DescriptionKind::Answer => &mut heard.answer,
                };
                *place = Some(fingerprint);
            }
            EventKind::DescriptionIgnored { fingerprint, .. } => {
                for place in [&mut heard.offer, &mut heard.answer] {
                    place.take_if(|number| *number == fingerprint);
                }
            }
            _ => {}
        }
        let Some(nth) = nth.copied() else {
            let early = self.early.entry((peer, remote)).or_default();
            if early.len() >= MAX_EARLY {
                early.remove(0);
            }
            early.push(Update::own(event));
            return;
        };
        let connection = &mut self.all[nth];
        let at = event.at;
        let was = connection.was();
        match &event.kind {
            EventKind::SignalingStateChanged { state, .. } => connection.signaling(at, *state, heard),
            EventKind::DescriptionSent {
                description,
                fingerprint,
                ..
            } => {
                connection.set_local(at, *description, *fingerprint);
                connection.push(Update::own(event));
            }
            EventKind::Glare { polite, .. } => {
                connection.push(Update::own(event));
                if *polite {
                    connection.push(Update::new(at, "setLocalDescription", rollback()));
                    connection.signaling = SignalingState::Stable;
                }
            }
            EventKind::IceStateChanged { state, .. } => {
                connection.push(Update::new(
                    at,
                    "iceconnectionstatechange",
                    known(state, &ICE_STATES),
                ));
                let ice = known(state, &ICE_STATES);
                connection.is(at, States { ice, ..was });
            }
            EventKind::ConnectionStateChanged { state, .. } => {
                let state = known(state, &CONNECTION_STATES);
                connection.push(Update::new(at, "connectionstatechange", state));
                let dtls = match state {
                    "connected" | "failed" | "closed" => state,
                    // Without a word of ICE's it is none of DTLS, either.
                    _ if was.dtls == "new" => "connecting",
                    _ => was.dtls,
                };
                connection.is(at, States { dtls, ..was });
            }
            EventKind::ChannelOpened { pair, .. } => {
                if !connection.offerer {
                    connection.push(Update::new(at, "datachannel", CHANNEL));
                }
                connection.push(Update::own(event));
                let states = States {
                    channel: "open",
                    channels_opened: was.channels_opened + 1,
                    pair: Some(*pair),
                    ..was
                };
                connection.is(at, states);
            }
            EventKind::ChannelClosed { .. } => {
                connection.push(Update::own(event));
                let states = States {
                    channel: "closed",
                    channels_closed: was.channels_closed + 1,
                    ..was
                };
                connection.is(at, states);
            }
            EventKind::ConnectionClosed { .. } => {
                connection.push(Update::own(event));
                connection.push(Update::new(at, "close", ""));
                let states = States {
                    ice: "closed",
                    dtls: "closed",
                    channel: "closed",
                    ..was
                };
                connection.is(at, states);
                connection.closed = Some(at);
                self.open.remove(&nth);
            }
            EventKind::MessageSent { bytes, .. } => connection.passed(at, |traffic| {
                traffic.messages_sent += 1;
                traffic.bytes_sent += u64::from(*bytes);
            }),
            EventKind::MessageReceived { bytes, .. } => connection.passed(at, |traffic| {
                traffic.messages_received += 1;
                traffic.bytes_received += u64::from(*bytes);
            }),
            // What flows by the second stands in the series.
            EventKind::ProbeReceived { .. } => {}
            _ => {
                if let Some(refused) = Update::refused(event) {
                    connection.push(refused);
                } else {
                    connection.push(Update::own(event));
                }
            }
        }
    }

    fn created(
        &mut self,
        (peer, remote, generation): (PeerId, PeerId, Generation),
        offerer: bool,
        event: &RunEvent,
    ) {
        let states = States {
            ice: "new",
            dtls: "new",
            channel: "connecting",
            channels_opened: 0,
            channels_closed: 0,
            pair: None,
        };
        let mut connection = Connection {
            peer,
            remote,
            generation,
            offerer,
            created: event.at,
            closed: None,
            log: self.early.remove(&(peer, remote)).unwrap_or_default(),
            more: 0,
            traffic: Vec::new(),
            states: vec![(event.at, states)],
            signaling: SignalingState::Stable,
            awaits_local: None,
        };
        connection.push(Update::own(event));
        if offerer {
            connection.push(Update::new(event.at, "createDataChannel", CHANNEL));
        }
        let nth = self.all.len();
        self.all.push(connection);
        self.open.insert(nth);
        self.current.insert((peer, remote), nth);
        self.by_generation.insert((peer, remote, generation), nth);
    }
}

/// As Chrome tells of a data channel that an application makes.
const CHANNEL: &str = "label: chat, ordered: true, protocol: \"\"";
/// `RTCIceConnectionState`.
const ICE_STATES: [&str; 7] = [
    "new",
    "checking",
    "connected",
    "completed",
    "disconnected",
    "failed",
    "closed",
];
/// `RTCPeerConnectionState`.
const CONNECTION_STATES: [&str; 6] = [
    "new",
    "connecting",
    "connected",
    "disconnected",
    "failed",
    "closed",
];

/// The state by its name in the standard; `new` if the stack says something else.
fn known(state: &str, of: &[&'static str]) -> &'static str {
    let found = of.iter().find(|known| **known == state);
    found.copied().unwrap_or("new")
}
