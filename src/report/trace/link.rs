use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    line::{Arguments, Lines, Nanos, Place, arguments},
    process::Threads,
    track::Track,
};
use crate::{
    base::{Generation, Instant, PeerId},
    metrics::{EventKind, RunEvent, SignalingState},
    report::{events::kind_name, redact::redacted, state_name, what},
};

const CONNECTION: &str = "connection";

/// What a connection goes through on its way, in this order; none comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    OfferAnswer,
    Ice,
    Dtls,
    Channel,
    Open,
    Closed,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::OfferAnswer => "offer/answer",
            Self::Ice => "ICE",
            Self::Dtls => "DTLS",
            Self::Channel => "channel, or first RTP",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// One end of a link: its connections, each on a thread on which no other is at that time.
#[derive(Debug)]
pub struct Link {
    remote: PeerId,
    /// The first is there from the beginning; others when connections overlap.
    lanes: Vec<Track>,
    generations: BTreeMap<Generation, Running>,
    /// Where what names no connection is drawn.
    current: usize,
    outages: Vec<(Nanos, String, Arguments)>,
}

#[derive(Debug)]
struct Running {
    lane: usize,
    phase: Phase,
    renegotiates: Option<Nanos>,
    ice_is_away: Option<Nanos>,
}

impl Link {
    pub fn new(remote: PeerId, pid: u64, threads: &mut Threads, lines: &mut Lines) -> Self {
        let mut link = Self {
            remote,
            lanes: Vec::new(),
            generations: BTreeMap::new(),
            current: 0,
            outages: Vec::new(),
        };
        link.add_lane(pid, threads, lines);
        link
    }

    fn add_lane(&mut self, pid: u64, threads: &mut Threads, lines: &mut Lines) {
        let name = match self.lanes.len() {
            0 => format!("link to {}", self.remote),
            nth => format!("link to {} ({})", self.remote, nth + 1),
        };
        // Below the peer's own threads; links by their remote, lanes one after the other.
        let place = 100 + u64::from(self.remote.0) * 10 + self.lanes.len().min(9) as u64;
        let thread = threads.add(pid, &name, place, lines);
        self.lanes.push(Track::new(thread));
    }

    /// A frame or message at this end.
    pub fn point(
        &mut self,
        at: Instant,
        name: &str,
        cat: &'static str,
        args: &Arguments,
        lines: &mut Lines,
    ) -> Place {
        self.lanes[self.current].point(at, name, cat, args, lines)
    }

    pub fn read(&mut self, event: &RunEvent, threads: &mut Threads, lines: &mut Lines) {
        let at = event.at;
        let pid = self.lanes[0].thread.pid;
        match &event.kind {
            EventKind::ConnectionCreated {
                generation, offerer, ..
            } => {
                let free = self.lanes.iter().position(|lane| lane.depth() == 0);
                let lane = free.unwrap_or(self.lanes.len());
                if lane == self.lanes.len() {
                    self.add_lane(pid, threads, lines);
                }
                let role = if *offerer { "offerer" } else { "answerer" };
                let args = arguments([("role", role.into())]);
                self.lanes[lane].begin(at, format!("connection {generation}"), CONNECTION, args);
                let first = Phase::OfferAnswer;
                self.lanes[lane].begin(at, first.name(), CONNECTION, Arguments::new());
                self.current = lane;
                let running = Running {
                    lane,
                    phase: first,
                    renegotiates: None,
                    ice_is_away: None,
                };
                self.generations.insert(*generation, running);
            }
            EventKind::ConnectionClosed { generation, cause } => {
                if let Some(running) = self.generations.remove(generation) {
                    let cause = Value::from(redacted(cause));
                    self.lanes[running.lane].end_to(0, at, &[("closed", cause)], lines);
                    self.finish(&running, at, lines);
                }
            }
            EventKind::SignalingStateChanged { generation, state } => {
                self.signaling(*generation, *state, at, lines);
                self.instant(event, lines);
            }
            EventKind::IceStateChanged { generation, state } => {
                self.ice(*generation, state, at, lines);
                self.instant(event, lines);
            }
            EventKind::ConnectionStateChanged { generation, state } => {
                if state == "connected" {
                    self.advance(*generation, Phase::Channel, at, lines);
                }
                self.instant(event, lines);
            }
            EventKind::ChannelOpened { generation, .. } => {
                self.advance(*generation, Phase::Open, at, lines);
                self.instant(event, lines);
            }
            EventKind::ChannelClosed { generation } => {
                self.advance(*generation, Phase::Closed, at, lines);
                self.instant(event, lines);
            }
            EventKind::FaultStarted { cause, ends, .. } => {
                self.instant(event, lines);
                let name = format!("{} with {}", cause.name(), self.remote);
                let said = arguments([("what", redacted(&what(&event.kind)).into())]);
                if *ends > at {
                    let span = (Nanos::of(at), Nanos::of(*ends));
                    lines.asynchronous(self.lanes[0].thread, &name, "fault", span, &said);
                }
                self.outages
                    .push((Nanos::of(at), format!("outage: {name}"), said));
            }
            EventKind::LinkRecovered { path, .. } => {
                self.instant(event, lines);
                self.outages_end(at, format!("recovered by {}", path.name()), lines);
            }
            EventKind::RecoveryFailed { .. } | EventKind::LinkGivenUp { .. } => {
                self.instant(event, lines);
                self.outages_end(at, "not recovered".to_owned(), lines);
            }
            _ => self.instant(event, lines),
        }
    }

    /// Whatever is going on ends here.
    pub fn end(&mut self, at: Instant, lines: &mut Lines) {
        for running in std::mem::take(&mut self.generations).into_values() {
            self.lanes[running.lane].end_to(0, at, &[("unfinished", true.into())], lines);
            self.finish(&running, at, lines);
        }
        self.outages_end(at, "not recovered when the run was over".to_owned(), lines);
    }

    fn instant(&mut self, event: &RunEvent, lines: &mut Lines) {
        let name = match &event.kind {
            EventKind::IceStateChanged { state, .. } => format!("ICE {}", redacted(state)),
            EventKind::ConnectionStateChanged { state, .. } => redacted(state),
            EventKind::SignalingStateChanged { state, .. } => state_name(*state).to_owned(),
            _ => kind_name(event),
        };
        let args = arguments([("what", redacted(&what(&event.kind)).into())]);
        self.lanes[self.current].instant(event.at, &name, CONNECTION, &args, lines);
    }

    fn advance(&mut self, generation: Generation, to: Phase, at: Instant, lines: &mut Lines) {
        let Some(running) = self.generations.get_mut(&generation) else {
            return;
        };
        if running.phase >= to {
            return;
        }
        running.phase = to;
        let lane = &mut self.lanes[running.lane];
        lane.end_to(1, at, &[], lines);
        if to != Phase::Closed {
            lane.begin(at, to.name(), CONNECTION, Arguments::new());
        }
    }

    fn signaling(&mut self, generation: Generation, state: SignalingState, at: Instant, lines: &mut Lines) {
        let Some(running) = self.generations.get_mut(&generation) else {
            return;
        };
        match state {
            SignalingState::HaveLocalOffer | SignalingState::HaveRemoteOffer => {
                if running.phase > Phase::OfferAnswer {
                    running.renegotiates.get_or_insert(Nanos::of(at));
                }
            }
            SignalingState::Stable | SignalingState::Closed => {
                let begun = running.renegotiates.take();
                self.overlapping(begun, "renegotiating", "negotiation", at, lines);
                if state == SignalingState::Stable {
                    self.advance(generation, Phase::Ice, at, lines);
                }
            }
        }
    }

    fn ice(&mut self, generation: Generation, state: &str, at: Instant, lines: &mut Lines) {
        let Some(running) = self.generations.get_mut(&generation) else {
            return;
        };
        match state {
            "connected" | "completed" => {
                let begun = running.ice_is_away.take();
                self.overlapping(begun, "ICE is away", "ice", at, lines);
                self.advance(generation, Phase::Dtls, at, lines);
            }
            "disconnected" | "failed" => {
                running.ice_is_away.get_or_insert(Nanos::of(at));
            }
            _ => {}
        }
    }

    fn overlapping(
        &self,
        begun: Option<Nanos>,
        name: &str,
        cat: &'static str,
        at: Instant,
        lines: &mut Lines,
    ) {
        let Some(begun) = begun else { return };
        let name = format!("{name}: {}", self.remote);
        let span = (begun, Nanos::of(at));
        lines.asynchronous(self.lanes[0].thread, &name, cat, span, &Arguments::new());
    }

    fn finish(&self, running: &Running, at: Instant, lines: &mut Lines) {
        self.overlapping(running.renegotiates, "renegotiating", "negotiation", at, lines);
        self.overlapping(running.ice_is_away, "ICE is away", "ice", at, lines);
    }

    fn outages_end(&mut self, at: Instant, how: String, lines: &mut Lines) {
        for (begun, name, mut args) in std::mem::take(&mut self.outages) {
            args.insert("ended".to_owned(), how.clone().into());
            let span = (begun, Nanos::of(at));
            lines.asynchronous(self.lanes[0].thread, &name, "outage", span, &args);
        }
    }
}
