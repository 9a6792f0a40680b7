//! An offering link alone, told what happens to it: what recovery does is seen step by step.

use rtcstorm::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, RecoveryPath, SignalingState},
    peer::{ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, Link, LinkOutput, TransportState},
    scenario::ClientRules,
    signaling::{Description, SdpType},
};

pub fn description(sdp_type: SdpType, version: u32, ufrag: &str) -> Description {
    let sdp = format!("o=- 1 {version}\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 AA\r\n");
    Description {
        sdp_type,
        sdp: sdp.into(),
    }
}

/// An offering link and what it wants, step by step.
pub struct Offerer {
    pub link: Link,
    pub generation: Generation,
    pub now: Instant,
}

impl Offerer {
    pub fn new(rules: ClientRules) -> Self {
        Self::between(rules, PeerId(0), PeerId(1))
    }

    pub fn between(rules: ClientRules, me: PeerId, remote: PeerId) -> Self {
        let mut link = Link::new(rules, me, remote, Incarnation(1), Generation(0));
        link.offer();
        let generation = link.generation();
        Self {
            link,
            generation,
            now: Instant::START,
        }
    }

    pub fn happens(&mut self, event: ConnectionEvent) {
        self.link.handle_connection(self.generation, event, self.now);
    }

    pub fn done(
        &mut self,
        operation: ConnectionOperation,
        before: SignalingState,
        made: Option<Description>,
    ) {
        self.happens(ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result: Ok(made),
        }));
    }

    /// Fires what is due `ms` after the start.
    pub fn at(&mut self, ms: u64) {
        self.now = Instant::from_millis(ms);
        self.link.handle_timeout(self.now);
    }

    /// Everything that the link wants by now.
    pub fn drain(&mut self) -> Vec<LinkOutput> {
        std::iter::from_fn(|| self.link.poll_output()).collect()
    }

    pub fn offered(&mut self, version: u32, ice_restart: bool) {
        let offer = description(SdpType::Offer, version, "ours");
        let operation = ConnectionOperation::Offer { ice_restart };
        self.done(operation, SignalingState::Stable, Some(offer));
    }

    pub fn answer_is_set(&mut self, answer: Description) {
        let operation = ConnectionOperation::SetRemote(answer);
        self.done(operation, SignalingState::HaveLocalOffer, None);
    }

    /// Through the first exchange to an open channel.
    pub fn open(mut self) -> Self {
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

pub fn is_restarted(outputs: &[LinkOutput]) -> bool {
    outputs.contains(&LinkOutput::Restarted)
}

pub fn is_closed(outputs: &[LinkOutput], generation: Generation) -> bool {
    outputs.contains(&LinkOutput::Connection(generation, ConnectionCommand::Close))
}

pub fn events(outputs: Vec<LinkOutput>) -> Vec<EventKind> {
    let events = outputs.into_iter().filter_map(|output| match output {
        LinkOutput::Event(kind) => Some(kind),
        _ => None,
    });
    events.collect()
}

impl Offerer {
    /// The current connection fails: how long until it is replaced, or what the link says when it is not any more.
    pub fn fails(&mut self) -> Result<u64, (u32, String)> {
        let failed = self.now;
        self.happens(ConnectionEvent::State(TransportState::Failed));
        loop {
            for output in self.drain() {
                if let LinkOutput::Event(EventKind::LinkGivenUp { attempts, why, .. }) = output {
                    return Err((attempts, why));
                }
            }
            if self.link.generation() != self.generation {
                self.generation = self.link.generation();
                return Ok(self.now.since(failed).as_millis() as u64);
            }
            let due = self.link.next_timeout().expect("something is to be done");
            self.at(due.as_micros().div_ceil(1_000));
        }
    }
}

impl Offerer {
    /// What the link does by itself, in ms after the start, until `end`.
    pub fn acts_until(&mut self, end: u64) -> Vec<(u64, RecoveryPath)> {
        let mut acts = Vec::new();
        loop {
            let acted = events(self.drain()).into_iter().filter_map(|kind| match kind {
                EventKind::RecoveryStarted { path, .. } => Some(path),
                _ => None,
            });
            acts.extend(acted.map(|path| (self.now.as_micros() / 1_000, path)));
            match self.link.next_timeout() {
                Some(due) if due <= Instant::from_millis(end) => self.at(due.as_micros().div_ceil(1_000)),
                _ => {
                    self.at(end);
                    return acts;
                }
            }
        }
    }

    /// ICE fails after it was disconnected. Browsers tell of ICE first, this stack of the connection.
    pub fn fails_ice(&mut self, ice_first: bool) {
        let failed = TransportState::Failed;
        let mut states = [ConnectionEvent::State(failed), ConnectionEvent::IceState(failed)];
        if ice_first {
            states.reverse();
        }
        self.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        states.into_iter().for_each(|state| self.happens(state));
    }

    /// The restart that was wanted goes through its exchange.
    pub fn restarts(&mut self, version: u32) {
        self.offered(version, true);
        let answer = description(SdpType::Answer, version, "theirs anew");
        self.link.handle_description(answer.clone(), self.now);
        self.happens(ConnectionEvent::IceState(TransportState::Checking));
        self.answer_is_set(answer);
    }
}
