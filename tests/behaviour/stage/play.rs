use std::{collections::BTreeMap, time::Duration};

use reference_server::room::{ClientId, Hub, HubConfig, Now, Output};
use rtcstorm::{
    base::{Instant, PeerId, SignalingEnd, SignalingFailure},
    metrics::{EventKind, RunEvent},
    peer::{Carries, Peer, PeerInput, PeerOutput},
    plan::{Action, Condition, JoinOutcome, PeerPlan, Plan},
    run::{Coordinator, Directory, Release},
    scenario::ClientRules,
    signaling::{ChannelData, PeerJsOptions, Protocol},
};

use super::{
    Latency, Script, Way,
    agenda::{Agenda, Delivery, End, Lane, calm},
    connection::Connection,
    far_ends::FarServer,
    peer_server::PeerServer,
    plan::plan,
    script,
};

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
    /// It comes so much later, and again that much after that.
    Delays(Duration, Duration),
}

type Rule = Box<dyn FnMut(PeerId, &str) -> Fate>;

/// Everything that plays, and the clock.
pub struct Stage {
    pub plan: Plan,
    pub events: Vec<RunEvent>,
    hub: Hub,
    /// The server, where it is one of PeerJS.
    peer_server: Option<PeerServer>,
    /// The server, where it is the other end of connections.
    pub(super) far_server: Option<Box<dyn FarServer>>,
    /// It is away.
    pub(super) is_down: bool,
    /// What was said to it, on sockets and channels.
    pub heard: Vec<(Instant, PeerId, String)>,
    /// Packets that are asked for.
    pub(super) awaited: BTreeMap<End, u32>,
    /// What carries that has no packets come in, from then until then.
    pub(super) muted: Vec<(Carries, [Instant; 2])>,
    pub(super) peers: Vec<Peer>,
    coordinator: Coordinator,
    directory: Directory,
    pub(super) connections: BTreeMap<End, Connection>,
    pub(super) sockets: BTreeMap<PeerId, ClientId>,
    /// The peer's own number of each socket.
    pub(super) numbers: BTreeMap<ClientId, u32>,
    next_socket: u64,
    pub(super) certificates: u32,
    pub(super) now: Instant,
    pub(super) agenda: Agenda,
    rule: Rule,
    latency: Latency,
    pub(super) repeats_callbacks: bool,
    /// How many links are still to connect without their channel's opening.
    pub(super) stuck: u32,
    /// What fails is ICE; `for_good`: no restart brings it back.
    pub(super) ice_fails: bool,
    pub(super) for_good: bool,
    /// Messages on channels whose ICE has failed, and who has sent them.
    pub(super) parked: Vec<(End, ChannelData)>,
    /// Every script is over.
    pub(super) room_ended: bool,
    gone: usize,
}

impl Stage {
    /// One room, a script for each peer; the n-th arrives `arrivals[n]` ms after the start.
    pub fn new(rules: ClientRules, arrivals: &[u64], scripts: Vec<Script>) -> Self {
        let plan = plan(rules, arrivals, scripts);
        let mut agenda = Agenda::default();
        for peer in &plan.peers {
            agenda.push(peer.arrive_at, Delivery::ToPeer(peer.id, PeerInput::Arrive));
        }
        Self {
            hub: Hub::new(HubConfig::default(), [7; 32]),
            peer_server: None,
            far_server: None,
            is_down: false,
            heard: Vec::new(),
            awaited: BTreeMap::new(),
            muted: Vec::new(),
            peers: plan
                .peers
                .iter()
                .map(|peer| Peer::new(&plan, peer.id, 0))
                .collect(),
            coordinator: Coordinator::new(&plan),
            directory: Directory::new(&plan),
            connections: BTreeMap::new(),
            sockets: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_socket: 0,
            certificates: 0,
            now: Instant::START,
            agenda,
            rule: Box::new(|_, _| Fate::Deliver),
            latency: calm(),
            repeats_callbacks: false,
            stuck: 0,
            ice_fails: false,
            for_good: false,
            parked: Vec::new(),
            room_ended: false,
            gone: 0,
            events: Vec::new(),
            plan,
        }
    }

    /// Two peers that join `apart` ms after each other, wait for their link, and end.
    pub fn pair(rules: ClientRules, apart: u64) -> Self {
        let wait = Action::Wait {
            condition: Condition::Connected,
            within: Duration::from_secs(10),
        };
        let join = |name: &str| Action::Join {
            name: name.into(),
            expect: JoinOutcome::Accepted,
            again: false,
        };
        let scripts = ["Ann", "Bob"].map(|name| script(&[(0, join(name)), (0, wait.clone())], 0));
        Self::new(rules, &[0, apart], scripts.into())
    }

    /// The same at a server of PeerJS.
    pub fn at_peer_server(mut self) -> Self {
        self.plan.protocol = Protocol::PeerJs(PeerJsOptions::default());
        let peers = self.plan.peers.iter();
        self.peers = peers.map(|peer| Peer::new(&self.plan, peer.id, 0)).collect();
        self.peer_server = Some(PeerServer::default());
        self
    }

    /// Decides what becomes of frames from peers.
    pub fn with_rule(mut self, rule: impl FnMut(PeerId, &str) -> Fate + 'static) -> Self {
        self.rule = Box::new(rule);
        self
    }

    /// Decides how long everything takes.
    pub fn with_latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// Connections tell each of their states twice.
    pub fn with_repeated_callbacks(mut self) -> Self {
        self.repeats_callbacks = true;
        self
    }

    /// The channels of the first links that connect do not open.
    pub fn with_stuck(mut self, links: u32) -> Self {
        self.stuck = links;
        self
    }

    /// Every connection that is open `at` ms fails, at both ends.
    pub fn with_failure(mut self, at: u64) -> Self {
        self.agenda.push(Instant::from_millis(at), Delivery::FailAll);
        self
    }

    /// One of the connections that are open `at` ms fails, at both ends: the n-th, counted round.
    pub fn with_failure_of(mut self, at: u64, nth: usize) -> Self {
        self.agenda.push(Instant::from_millis(at), Delivery::FailOne(nth));
        self
    }

    /// What fails is ICE, which a restart brings back, or, `for_good`, only another connection does; not DTLS.
    pub fn with_ice_failing(mut self, for_good: bool) -> Self {
        (self.ice_fails, self.for_good) = (true, for_good);
        self
    }

    /// The signaling socket of a peer breaks at `at` ms.
    pub fn with_cut(mut self, at: u64, peer: PeerId) -> Self {
        self.agenda.push(Instant::from_millis(at), Delivery::Cut(peer));
        self
    }

    /// At `at` ms a frame comes in on a peer's first socket, so many times.
    pub fn with_frames(mut self, at: u64, peer: PeerId, frame: &str, times: usize) -> Self {
        for _ in 0..times {
            let input = PeerInput::Frame(1, frame.to_owned());
            self.agenda
                .push(Instant::from_millis(at), Delivery::ToPeer(peer, input));
        }
        self
    }

    /// At `at` ms a peer's ICE is disconnected, until it is restarted.
    pub fn with_silence(mut self, at: u64, peer: PeerId) -> Self {
        self.agenda
            .push(Instant::from_millis(at), Delivery::FallSilent(peer));
        self
    }

    /// Plays until every peer is gone.
    pub fn play(mut self) -> Self {
        assert!(
            self.play_on(),
            "the play does not end: {:#?}",
            self.events.iter().rev().take(20).collect::<Vec<_>>()
        );
        self.let_server_hear();
        self
    }

    /// Plays; whether every peer is gone in the end.
    pub fn play_on(&mut self) -> bool {
        for _ in 0..MAX_STEPS {
            if self.gone == self.peers.len() {
                return true;
            }
            if !self.step() {
                return false;
            }
        }
        false
    }

    /// `false`: nothing is due any more.
    pub fn step(&mut self) -> bool {
        let delivery = self.agenda.next();
        let timer = self.peers.iter().filter_map(Peer::next_timeout).min();
        let hub = match &self.peer_server {
            Some(server) => server.next_timeout(),
            None => self.hub.poll_timeout().map(|d| Instant::START + d),
        };
        let Some(next) = [delivery, timer, hub].into_iter().flatten().min() else {
            return false;
        };
        self.now = next.max(self.now);
        if hub.is_some_and(|at| at <= self.now) {
            let now = self.hub_now();
            match &mut self.peer_server {
                Some(server) => server.expire(self.now),
                None => self.hub.handle_timeout(now),
            }
            self.drain_hub();
        } else if delivery.is_some_and(|at| at <= self.now) {
            let delivery = self.agenda.pop().expect("it was there");
            self.deliver(delivery);
            self.let_flow();
        } else {
            for id in 0..self.peers.len() {
                if self.peers[id].next_timeout().is_some_and(|at| at <= self.now) {
                    self.peers[id].handle_timeout(self.now);
                    self.drain_peer(PeerId(id as u32));
                }
            }
        }
        true
    }

    pub(super) fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToServer(client, frame) if self.far_server.is_some() => {
                self.ask_server(|server, ends| server.frame(client, &frame, ends));
            }
            Delivery::ToServer(client, frame) => {
                let now = self.hub_now();
                match &mut self.peer_server {
                    Some(server) => server.frame(client, &frame, self.now),
                    None => self.hub.frame(client, &frame, now),
                }
                self.drain_hub();
            }
            Delivery::Disconnect(client) => self.disconnect(client),
            Delivery::FromServer(peer, client, input) => {
                if self.sockets.get(&peer) == Some(&client) {
                    if matches!(input, PeerInput::SignalingLost(..)) {
                        self.sockets.remove(&peer);
                    }
                    self.tell_peer(peer, input);
                }
            }
            Delivery::ToPeer(peer, input) => self.tell_peer(peer, input),
            Delivery::ToFarEnd(end, event) => self.tell_far_end(end, event),
            Delivery::Perform(end, command) => self.perform(end, command),
            Delivery::Deed(deed) => self.ask_server(deed),
            Delivery::ServerBack => self.is_down = false,
            Delivery::FailAll => self.fail_all(),
            Delivery::FailOne(nth) => self.fail_one(nth),
            Delivery::Cut(peer) => self.cut(peer),
            Delivery::FallSilent(peer) => self.fall_silent(peer),
            Delivery::Silent(end) => self.notice_silence(end),
            Delivery::GiveUp(end) => self.give_up(end),
        }
    }

    pub(super) fn tell_peer(&mut self, peer: PeerId, input: PeerInput) {
        self.peers[peer.index()].handle(input, self.now);
        self.drain_peer(peer);
    }

    fn drain_peer(&mut self, me: PeerId) {
        while let Some(output) = self.peers[me.index()].poll_output() {
            match output {
                PeerOutput::Event { remote, kind } => self.event(Some(me), remote, kind),
                PeerOutput::OpenSignaling(number) => self.open_signaling(me, number),
                // The stage has faults of its own.
                PeerOutput::Network(_) | PeerOutput::IceServersOffered(_) => {}
                PeerOutput::Server { fault, planned } => self.harm_server(me, fault, planned),
                PeerOutput::Turn { .. } => panic!("nothing is relayed here"),
                PeerOutput::OfferTogether(_) => panic!("nobody offers together here"),
                PeerOutput::CloseSignaling => {
                    if let Some(client) = self.sockets.remove(&me) {
                        let at = self.after(Way::Up);
                        self.agenda
                            .follow(Lane::Up(client), at, Delivery::Disconnect(client));
                    }
                }
                PeerOutput::SendFrame(frame) => self.send_frame(me, frame),
                PeerOutput::Connection {
                    remote,
                    generation,
                    command,
                } => {
                    let end = (me, remote, generation);
                    let at = self.after(Way::Call);
                    self.agenda
                        .follow(Lane::Calls(end), at, Delivery::Perform(end, command));
                }
                PeerOutput::Introduce(introduction) => {
                    for (peer, input) in self.directory.introduce(me, &introduction) {
                        self.tell_peer(peer, input);
                    }
                }
                PeerOutput::Withdraw(reason) => {
                    for (peer, input) in self.directory.withdraw(me, reason) {
                        self.tell_peer(peer, input);
                    }
                }
                PeerOutput::ReachBarrier(barrier) => {
                    let release = self.coordinator.reach_barrier(me, barrier);
                    self.release(release);
                }
                PeerOutput::ScriptEnded => {
                    let release = self.coordinator.script_ended(me);
                    self.room_ended |= !release.inputs.is_empty();
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

    // ---- signaling

    fn open_signaling(&mut self, me: PeerId, number: u32) {
        self.next_socket += 1;
        let client = ClientId(self.next_socket);
        self.sockets.insert(me, client);
        self.numbers.insert(client, number);
        let at = self.after(Way::Opening);
        if self.is_down {
            let refused = SignalingEnd::new(SignalingFailure::ConnectionRefused, "nobody listens");
            let refused = Delivery::FromServer(me, client, PeerInput::SignalingLost(number, refused));
            return self.agenda.follow(Lane::Down(client), at, refused);
        }
        let opened = Delivery::FromServer(me, client, PeerInput::SignalingOpened(number));
        self.agenda.follow(Lane::Down(client), at, opened);
        if let Some(server) = &mut self.far_server {
            return server.connect(client, me);
        }
        let now = self.hub_now();
        match &mut self.peer_server {
            Some(server) => {
                let peer = &self.plan.peers[me.index()];
                let user_id = &peer.user_id;
                let address = self.plan.protocol.address(self.plan.client(peer));
                let token = address.query.iter().find(|(name, _)| *name == "token");
                server.connect(client, user_id, &token.expect("it has one").1);
            }
            None => self.hub.connect(client, now),
        }
        self.drain_hub();
    }

    fn disconnect(&mut self, client: ClientId) {
        if self.far_server.is_some() {
            return self.ask_server(|server, ends| server.disconnect(client, ends));
        }
        let now = self.hub_now();
        match &mut self.peer_server {
            Some(server) => server.disconnect(client),
            None => self.hub.disconnect(client, now),
        }
        self.drain_hub();
    }

    fn send_frame(&mut self, me: PeerId, frame: String) {
        let Some(client) = self.sockets.get(&me).copied() else {
            return;
        };
        if self.far_server.is_some() {
            self.heard.push((self.now, me, frame.clone()));
        }
        let fate = (self.rule)(me, &frame);
        let at = self.after(Way::Up);
        let mut send = |frame| {
            let delivery = Delivery::ToServer(client, frame);
            self.agenda.follow(Lane::Up(client), at, delivery);
        };
        match fate {
            Fate::Deliver => send(frame),
            Fate::Drop => {}
            Fate::Repeat(copies) => (0..copies).for_each(|_| send(frame.clone())),
            Fate::Again(later) => {
                send(frame.clone());
                self.agenda.push(at + later, Delivery::ToServer(client, frame));
            }
            // What comes after it overtakes it.
            Fate::Delay(by) => self.agenda.push(at + by, Delivery::ToServer(client, frame)),
            Fate::Delays(by, again) => {
                self.agenda
                    .push(at + by, Delivery::ToServer(client, frame.clone()));
                self.agenda
                    .push(at + by + again, Delivery::ToServer(client, frame));
            }
        }
    }

    fn drain_hub(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            let (to, input) = match output {
                Output::Send { to, frame } => (to, PeerInput::Frame(self.numbers[&to], frame.to_string())),
                Output::Close { client, .. } => {
                    let reason = SignalingEnd::new(SignalingFailure::Closed, "closed by the server");
                    (client, PeerInput::SignalingLost(self.numbers[&client], reason))
                }
            };
            self.tell_socket(to, input);
        }
        while let Some((to, said)) = self.peer_server.as_mut().and_then(PeerServer::poll) {
            let number = self.numbers[&to];
            let closed = || SignalingEnd::new(SignalingFailure::Closed, "closed by the server");
            self.tell_socket(
                to,
                match said {
                    Some(frame) => PeerInput::Frame(number, frame),
                    None => PeerInput::SignalingLost(number, closed()),
                },
            );
        }
    }

    pub(super) fn tell_socket(&mut self, to: ClientId, input: PeerInput) {
        let whose = self.sockets.iter().find(|(_, client)| **client == to);
        if let Some(peer) = whose.map(|(peer, _)| *peer) {
            let at = self.after(Way::Down);
            let delivery = Delivery::FromServer(peer, to, input);
            self.agenda.follow(Lane::Down(to), at, delivery);
        }
    }

    /// The server sees it at once, the peer a little later; what is on its way is lost.
    pub(super) fn cut(&mut self, peer: PeerId) {
        if let Some(client) = self.sockets.remove(&peer) {
            self.disconnect(client);
            let at = self.after(Way::Down);
            let lost = PeerInput::SignalingLost(
                self.numbers[&client],
                SignalingEnd::new(SignalingFailure::ConnectionLost, "cut"),
            );
            self.agenda.push(at, Delivery::ToPeer(peer, lost));
        }
    }

    // ---- the end of the room

    fn release(&mut self, release: Release) {
        for (room, after_end) in [(release.settled, false), (release.ended, true)] {
            if room.is_some() && self.peer_server.is_none() && self.far_server.is_none() {
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
            self.agenda.push(self.now, Delivery::ToPeer(peer, input));
        }
    }

    // ---- parts

    pub(super) fn after(&mut self, way: Way) -> Instant {
        self.now + (self.latency)(way)
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
}
