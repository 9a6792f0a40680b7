use std::{collections::BTreeMap, time::Duration};

use reference_server::room::{ClientId, Hub, HubConfig, Now, Output};
use rtcstorm::{
    base::{Generation, Instant, PeerId, RoomId},
    metrics::{CandidateKind, EventKind, RunEvent},
    peer::{ConnectionCommand, ConnectionEvent, Peer, PeerInput, PeerOutput, TransportState},
    plan::{Action, Condition, JoinOutcome, PeerPlan, Plan, PlannedStep, RoomPlan},
    run::{Coordinator, Release},
    scenario::ClientRules,
    verdict::invariants::{Checkers, Visibility},
};

use super::connection::Connection;

/// One way between a peer and the server, or between two peers.
const HOP: Duration = Duration::from_millis(1);
/// What a call on a connection takes.
const CALL: Duration = Duration::from_micros(100);
/// More than any of these plays needs; a play that goes on for longer does not end at all.
const MAX_STEPS: usize = 200_000;

/// What becomes of a frame on its way from a peer to the server.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    Deliver,
    Drop,
    /// It comes as many times, all at once.
    Repeat(u32),
    /// It comes, and again that much later.
    Again(Duration),
    /// It comes later.
    Delay(Duration),
}

type Rule = Box<dyn FnMut(PeerId, &str) -> Fate>;

enum Delivery {
    ToServer(ClientId, String),
    ToPeer(PeerId, PeerInput),
    Perform(PeerId, PeerId, Generation, ConnectionCommand),
    FailAll,
}

/// Everything that plays, and the clock.
pub struct Stage {
    pub plan: Plan,
    pub events: Vec<RunEvent>,
    hub: Hub,
    peers: Vec<Peer>,
    coordinator: Coordinator,
    connections: BTreeMap<(PeerId, PeerId, Generation), Connection>,
    sockets: BTreeMap<PeerId, ClientId>,
    next_socket: u64,
    certificates: u32,
    now: Instant,
    sequence: u64,
    due: BTreeMap<(Instant, u64), Delivery>,
    rule: Rule,
    gone: usize,
}

/// What one peer does.
pub struct Script {
    pub steps: Vec<PlannedStep>,
    pub ends_after: Duration,
}

/// A script from `(offset in ms, action)` that ends `ends_after` ms after its last anchor.
pub fn script(steps: &[(u64, Action)], ends_after: u64) -> Script {
    let planned = |(after, action): &(u64, Action)| PlannedStep {
        after: Duration::from_millis(*after),
        action: action.clone(),
    };
    Script {
        steps: steps.iter().map(planned).collect(),
        ends_after: Duration::from_millis(ends_after),
    }
}

impl Stage {
    /// One room, a script for each peer; the n-th arrives `arrivals[n]` ms after the start.
    pub fn new(rules: ClientRules, arrivals: &[u64], scripts: Vec<Script>) -> Self {
        let ids: Vec<PeerId> = (0..scripts.len() as u32).map(PeerId).collect();
        let peers = ids
            .iter()
            .zip(arrivals)
            .zip(scripts)
            .map(|((id, at), script)| PeerPlan {
                id: *id,
                room: RoomId(0),
                group: None,
                user_id: format!("p{:04}", id.0),
                arrive_at: Instant::from_millis(*at),
                rules,
                script: script.steps,
                ends_after: script.ends_after,
            })
            .collect();
        let plan = Plan {
            scenario: "stage".into(),
            seed: 1,
            rooms: vec![RoomPlan {
                id: RoomId(0),
                wire_id: "room-0000".into(),
                peers: ids.clone(),
            }],
            peers,
            barriers: Vec::new(),
            duration: None,
            burst: None,
            connect_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(30),
        };
        let mut stage = Self {
            hub: Hub::new(HubConfig::default(), [7; 32]),
            peers: ids.iter().map(|id| Peer::new(&plan, *id, 0)).collect(),
            coordinator: Coordinator::new(&plan),
            connections: BTreeMap::new(),
            sockets: BTreeMap::new(),
            next_socket: 0,
            certificates: 0,
            now: Instant::START,
            sequence: 0,
            due: BTreeMap::new(),
            rule: Box::new(|_, _| Fate::Deliver),
            gone: 0,
            events: Vec::new(),
            plan,
        };
        for id in ids {
            let at = stage.plan.peers[id.index()].arrive_at;
            stage.push(at, Delivery::ToPeer(id, PeerInput::Arrive));
        }
        stage
    }

    /// Two peers that join `apart` ms after each other, wait for their link, and end.
    pub fn pair(rules: ClientRules, apart: u64) -> Self {
        let steps = [
            (
                0,
                Action::Join {
                    name: String::new(),
                    expect: JoinOutcome::Accepted,
                    again: false,
                },
            ),
            (
                0,
                Action::Wait {
                    condition: Condition::Connected,
                    within: Duration::from_secs(10),
                },
            ),
        ];
        let named = |name: &str| {
            let mut script = script(&steps, 0);
            if let Action::Join { name: own, .. } = &mut script.steps[0].action {
                name.clone_into(own);
            }
            script
        };
        Self::new(rules, &[0, apart], vec![named("Ann"), named("Bob")])
    }

    /// Decides what becomes of frames from peers.
    pub fn with_rule(mut self, rule: impl FnMut(PeerId, &str) -> Fate + 'static) -> Self {
        self.rule = Box::new(rule);
        self
    }

    /// Every connection that is open `at` ms fails, at both ends.
    pub fn with_failure(mut self, at: u64) -> Self {
        self.push(Instant::from_millis(at), Delivery::FailAll);
        self
    }

    /// Plays until every peer is gone.
    pub fn play(mut self) -> Self {
        for _ in 0..MAX_STEPS {
            if self.gone == self.peers.len() {
                return self;
            }
            self.step();
        }
        panic!(
            "the play does not end: {:#?}",
            self.events.iter().rev().take(20).collect::<Vec<_>>()
        );
    }

    fn step(&mut self) {
        let delivery = self.due.first_key_value().map(|((at, _), _)| *at);
        let timer = self.peers.iter().filter_map(Peer::next_timeout).min();
        let hub = self.hub.poll_timeout().map(|d| Instant::START + d);
        let next = [delivery, timer, hub].into_iter().flatten().min();
        self.now = next
            .expect("something is always due until all are gone")
            .max(self.now);
        if hub.is_some_and(|at| at <= self.now) {
            let now = self.hub_now();
            self.hub.handle_timeout(now);
            self.drain_hub();
        } else if delivery.is_some_and(|at| at <= self.now) {
            let (_, delivery) = self.due.pop_first().expect("it was there");
            self.deliver(delivery);
        } else {
            for id in 0..self.peers.len() {
                if self.peers[id].next_timeout().is_some_and(|at| at <= self.now) {
                    self.peers[id].handle_timeout(self.now);
                    self.drain_peer(PeerId(id as u32));
                }
            }
        }
        self.join_ends();
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToServer(client, frame) => {
                let now = self.hub_now();
                self.hub.frame(client, &frame, now);
                self.drain_hub();
            }
            Delivery::ToPeer(peer, input) => {
                self.peers[peer.index()].handle(input, self.now);
                self.drain_peer(peer);
            }
            Delivery::Perform(me, remote, generation, command) => {
                self.perform(me, remote, generation, command);
            }
            Delivery::FailAll => {
                let open: Vec<_> = self
                    .connections
                    .iter()
                    .filter(|(_, c)| c.open && !c.closed)
                    .map(|(k, _)| *k)
                    .collect();
                for key in open {
                    if let Some(connection) = self.connections.get_mut(&key) {
                        connection.open = false;
                        connection.failed = true;
                    }
                    self.tell(key, HOP, ConnectionEvent::State(TransportState::Failed));
                    self.tell(key, HOP, ConnectionEvent::ChannelClosed);
                }
            }
        }
    }

    fn drain_peer(&mut self, me: PeerId) {
        while let Some(output) = self.peers[me.index()].poll_output() {
            match output {
                PeerOutput::Event { remote, kind } => self.event(Some(me), remote, kind),
                PeerOutput::OpenSignaling => {
                    self.next_socket += 1;
                    let client = ClientId(self.next_socket);
                    self.sockets.insert(me, client);
                    let now = self.hub_now();
                    self.hub.connect(client, now);
                    self.drain_hub();
                    self.push(self.now + HOP, Delivery::ToPeer(me, PeerInput::SignalingOpened));
                }
                PeerOutput::CloseSignaling => {
                    if let Some(client) = self.sockets.remove(&me) {
                        let now = self.hub_now();
                        self.hub.disconnect(client, now);
                        self.drain_hub();
                    }
                }
                PeerOutput::SendFrame(frame) => self.send_frame(me, frame),
                PeerOutput::Connection {
                    remote,
                    generation,
                    command,
                } => self.push(
                    self.now + CALL,
                    Delivery::Perform(me, remote, generation, command),
                ),
                PeerOutput::ReachBarrier(barrier) => {
                    let release = self.coordinator.reach_barrier(me, barrier);
                    self.release(release);
                }
                PeerOutput::ScriptEnded => {
                    let release = self.coordinator.script_ended(me);
                    self.release(release);
                }
                PeerOutput::Settled => {
                    let release = self.coordinator.settled(me);
                    self.release(release);
                }
                PeerOutput::Gone => {
                    let release = self.coordinator.gone(me);
                    self.release(release);
                    self.gone += 1;
                }
            }
        }
    }

    fn send_frame(&mut self, me: PeerId, frame: String) {
        let Some(client) = self.sockets.get(&me).copied() else {
            return;
        };
        let mut send = |after: Duration, frame: String| {
            self.sequence += 1;
            self.due.insert(
                (self.now + after, self.sequence),
                Delivery::ToServer(client, frame),
            );
        };
        match (self.rule)(me, &frame) {
            Fate::Deliver => send(HOP, frame),
            Fate::Drop => {}
            Fate::Repeat(copies) => (0..copies).for_each(|_| send(HOP, frame.clone())),
            Fate::Again(later) => {
                send(HOP, frame.clone());
                send(HOP + later, frame);
            }
            Fate::Delay(by) => send(HOP + by, frame),
        }
    }

    fn drain_hub(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            if let Output::Send { to, frame } = output
                && let Some((peer, _)) = self.sockets.iter().find(|(_, client)| **client == to)
            {
                let delivery = Delivery::ToPeer(*peer, PeerInput::Frame(frame.to_string()));
                self.push(self.now + HOP, delivery);
            }
        }
    }

    fn release(&mut self, release: Release) {
        for (room, after_end) in [(release.settled, false), (release.ended, true)] {
            if room.is_some() {
                let roster = self.hub.room("room-0000");
                let is_in =
                    |peer: &PeerPlan| roster.as_ref().is_some_and(|r| r.member(&peer.user_id).is_some());
                let members = self
                    .plan
                    .peers
                    .iter()
                    .filter(|p| is_in(p))
                    .map(|p| p.id)
                    .collect();
                let kind = EventKind::ServerRoster {
                    room: "room-0000".into(),
                    members,
                    after_end,
                };
                self.event(None, None, kind);
            }
        }
        for (peer, input) in release.inputs {
            self.push(self.now, Delivery::ToPeer(peer, input));
        }
    }

    fn perform(&mut self, me: PeerId, remote: PeerId, generation: Generation, command: ConnectionCommand) {
        let key = (me, remote, generation);
        match command {
            ConnectionCommand::Create { offerer } => {
                self.certificates += 1;
                self.connections
                    .insert(key, Connection::new(self.certificates, offerer));
            }
            ConnectionCommand::Perform(operation) => {
                let events = match self.connections.get_mut(&key) {
                    Some(connection) if !connection.closed => connection.perform(operation),
                    _ => Vec::new(),
                };
                for event in events {
                    self.tell(key, CALL, event);
                }
            }
            ConnectionCommand::Transmit(text) => {
                let other = self.other_end(key);
                if let Some(other) = other {
                    self.tell(other, HOP, ConnectionEvent::Received(text));
                }
            }
            ConnectionCommand::Close => {
                if let Some(connection) = self.connections.get_mut(&key) {
                    connection.closed = true;
                }
                self.tell(key, CALL, ConnectionEvent::State(TransportState::Closed));
                self.tell(key, CALL, ConnectionEvent::Closed);
            }
        }
    }

    /// The open connection at the other end.
    fn other_end(
        &self,
        (me, remote, generation): (PeerId, PeerId, Generation),
    ) -> Option<(PeerId, PeerId, Generation)> {
        let mine = &self.connections[&(me, remote, generation)];
        let open = |key: &(PeerId, PeerId, Generation)| {
            let other = &self.connections[key];
            key.0 == remote && key.1 == me && mine.open && other.open && !other.closed
        };
        self.connections.keys().rev().copied().find(open)
    }

    /// Opens what can reach each other.
    fn join_ends(&mut self) {
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for (n, a) in keys.iter().enumerate() {
            for b in &keys[n + 1..] {
                let faces = a.0 == b.1 && a.1 == b.0;
                if faces && self.connections[a].matches(&self.connections[b]) {
                    for key in [*a, *b] {
                        if let Some(connection) = self.connections.get_mut(&key) {
                            connection.open = true;
                        }
                        self.tell(key, HOP, ConnectionEvent::IceState(TransportState::Connected));
                        self.tell(key, HOP, ConnectionEvent::State(TransportState::Connected));
                        let pair = CandidateKind::Host;
                        self.tell(key, HOP, ConnectionEvent::ChannelOpened { pair });
                    }
                }
            }
        }
    }

    fn tell(
        &mut self,
        (me, remote, generation): (PeerId, PeerId, Generation),
        after: Duration,
        event: ConnectionEvent,
    ) {
        let input = PeerInput::Connection {
            remote,
            generation,
            event,
        };
        self.push(self.now + after, Delivery::ToPeer(me, input));
    }

    fn push(&mut self, at: Instant, delivery: Delivery) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), delivery);
    }

    fn event(&mut self, peer: Option<PeerId>, remote: Option<PeerId>, kind: EventKind) {
        self.events.push(RunEvent {
            at: self.now,
            peer,
            remote,
            kind,
        });
    }

    fn hub_now(&self) -> Now {
        Now {
            since_start: self.now.elapsed(),
            unix_ms: self.now.as_micros() / 1_000,
        }
    }

    /// Connections that were made and never closed.
    pub fn unclosed(&self) -> usize {
        self.connections.values().filter(|c| !c.closed).count()
    }

    /// The numbers of the invariants that were broken.
    pub fn broken(&self) -> Vec<u8> {
        let mut checkers = Checkers::new(&self.plan, Visibility::BUNDLED);
        for event in &self.events {
            checkers.observe(event);
        }
        let results = checkers.finish(self.now);
        results
            .iter()
            .filter(|r| r.is_broken())
            .map(|r| r.number)
            .collect()
    }

    /// How many events satisfy `is`.
    pub fn count(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.kind)).count()
    }
}
