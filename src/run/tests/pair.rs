use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use tokio::sync::mpsc;
use webrtc::{peer_connection::RTCIceServer, runtime::Runtime};

use super::faulty::FaultyRuntime;
use crate::{
    base::{Generation, Incarnation, Instant, PeerId, RootSeed, Seat, SignalingEnd},
    metrics::{EventKind, SignalingState},
    peer::{Carries, ConnectionCommand, Link, LinkOutput, PeerInput},
    run::{
        connection::{self, Stack},
        ice,
    },
    scenario::ClientRules,
    signaling::{Candidate, Description},
    world::{BoxFuture, Census, PeerNetwork, SignalingSocket, Tricks, Usage, World},
};

/// Longer than anything takes that is going to happen at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than what is not going to happen would take if it did.
pub(super) const DOUBT: Duration = Duration::from_secs(3);

/// How long a description waits for the candidates that are there at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    /// As long as it takes on this machine.
    Patient,
    /// As in every run.
    AsUsual,
}

struct TestWorld {
    started: StdInstant,
    gathering: Gathering,
    runtime: FaultyRuntime,
}

impl World for TestWorld {
    fn name(&self) -> &'static str {
        "local"
    }

    fn now(&self) -> Instant {
        Instant::START + self.started.elapsed()
    }

    fn epoch_unix_ms(&self) -> u64 {
        0
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<()> {
        // A connection without media sleeps for nothing else.
        if self.gathering == Gathering::Patient {
            return Box::pin(std::future::pending());
        }
        Box::pin(tokio::time::sleep_until((self.started + at.elapsed()).into()))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn rtc_runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }

    fn udp_addrs(&self, _peer: PeerId) -> Vec<String> {
        vec!["127.0.0.1:0".to_owned()]
    }

    fn open_signaling(&self, _peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingEnd>> {
        unreachable!("links are joined directly")
    }

    fn roster(&self, _room_wire_id: &str) -> Option<Vec<String>> {
        None
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// A description without its candidates, and these as they would be trickled.
fn take_candidates(sdp: &str) -> (String, Vec<Candidate>) {
    let (with, without): (Vec<&str>, Vec<&str>) = sdp
        .split_inclusive('\n')
        .partition(|line| line.starts_with("a=candidate"));
    let candidates = with.iter().map(|line| Candidate {
        candidate: line.trim_start_matches("a=").trim_end().to_owned(),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: None,
    });
    (without.concat(), candidates.collect())
}

/// An access link that does nothing.
pub(super) fn network() -> Arc<PeerNetwork> {
    Arc::new(PeerNetwork::new(RootSeed(0), Seat::of_whole(PeerId(0)), || {
        Instant::START
    }))
}

/// What connections on `runtime` are made with.
pub(super) fn stack(
    runtime: FaultyRuntime,
    ice_servers: Vec<RTCIceServer>,
    tricks: Tricks,
    gathering: Gathering,
) -> Arc<Stack> {
    let world = TestWorld {
        started: StdInstant::now(),
        runtime,
        gathering,
    };
    Arc::new(Stack {
        world: Arc::new(world),
        census: Arc::default(),
        ice_servers,
        tricks,
    })
}

/// Two links that signal to each other directly.
pub(super) struct Pair {
    stack: Arc<Stack>,
    network: Arc<PeerNetwork>,
    pub(super) runtime: FaultyRuntime,
    ends: [End; 2],
    pub(super) events: Vec<(usize, EventKind)>,
    pub(super) descriptions: Vec<Description>,
    /// Packets of media that were asked for and have come in.
    pub(super) flowed: Vec<(usize, u32)>,
    /// Offers that were asked for, and whether to restart ICE.
    pub(super) requests: Vec<(usize, bool)>,
    /// Candidates are trickled only, by this end only, and only after both descriptions have been set.
    pub(super) only_trickles: Option<usize>,
    held: Vec<Candidate>,
    ice_connected: [bool; 2],
}

struct End {
    link: Link,
    sender: mpsc::Sender<PeerInput>,
    inputs: mpsc::Receiver<PeerInput>,
    commands: Option<mpsc::Sender<ConnectionCommand>>,
}

impl Pair {
    pub(super) fn new(tricks: Tricks, loses: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self::with_ice_servers(tricks, Vec::new(), loses)
    }

    pub(super) fn with_ice_servers(
        tricks: Tricks,
        ice_servers: Vec<RTCIceServer>,
        loses: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        let runtime = FaultyRuntime::new(loses);
        let end = |me, remote| {
            let (sender, inputs) = mpsc::channel(1024);
            End {
                link: Link::new(
                    ClientRules::default(),
                    PeerId(me),
                    PeerId(remote),
                    Incarnation(1),
                    Generation(0),
                ),
                sender,
                inputs,
                commands: None,
            }
        };
        Self {
            stack: stack(runtime.clone(), ice_servers, tricks, Gathering::Patient),
            network: network(),
            runtime,
            ends: [end(0, 1), end(1, 0)],
            events: Vec::new(),
            descriptions: Vec::new(),
            flowed: Vec::new(),
            requests: Vec::new(),
            only_trickles: None,
            held: Vec::new(),
            ice_connected: [false; 2],
        }
    }

    /// The same, with links that carry these. Media is sent by the clock.
    pub(super) fn carrying(mut self, carries: [Carries; 2]) -> Self {
        let tricks = self.stack.tricks;
        self.stack = stack(self.runtime.clone(), Vec::new(), tricks, Gathering::AsUsual);
        for ((me, end), carries) in (0..).zip(&mut self.ends).zip(carries) {
            let (me, remote) = (PeerId(me), PeerId(1 - me));
            let rules = ClientRules::default();
            end.link = Link::new(rules, me, remote, Incarnation(1), Generation(0)).carrying(carries);
        }
        self
    }

    pub(super) fn census(&self) -> &Arc<Census> {
        &self.stack.census
    }

    /// Whether both ends have set both descriptions.
    fn is_stable(&self) -> bool {
        let is_stable = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::SignalingStateChanged {
                    state: SignalingState::Stable,
                    ..
                }
            )
        };
        [0, 1].into_iter().all(|end| {
            let mut events = self.events.iter();
            events.any(|(me, kind)| *me == end && is_stable(kind))
        })
    }

    fn drain(&mut self) {
        loop {
            let mut idle = true;
            for me in 0..2 {
                while let Some(output) = self.ends[me].link.poll_output() {
                    idle = false;
                    match output {
                        LinkOutput::Connection(
                            generation,
                            ConnectionCommand::Create { offerer, carries },
                        ) => {
                            let ends = (Seat::of_whole(PeerId(me as u32)), PeerId(1 - me as u32));
                            let sender = self.ends[me].sender.clone();
                            self.ends[me].commands = Some(connection::start(
                                &self.stack,
                                &self.network,
                                ends,
                                generation,
                                connection::Begin::of(
                                    &ClientRules::default(),
                                    ice::Path::default(),
                                    (offerer, carries),
                                ),
                                sender,
                            ));
                        }
                        LinkOutput::Connection(_, command) => {
                            let commands = self.ends[me].commands.as_ref().expect("created first");
                            commands.try_send(command).expect("the queue is long enough");
                        }
                        LinkOutput::SendDescription(mut description) => {
                            self.descriptions.push(description.clone());
                            if let Some(end) = self.only_trickles {
                                let (rest, candidates) = take_candidates(&description.sdp);
                                description.sdp = rest.into();
                                if end == me {
                                    self.held.extend(candidates);
                                }
                            }
                            self.ends[1 - me]
                                .link
                                .handle_description(description, self.stack.world.now());
                        }
                        LinkOutput::SendCandidate(candidate) => match self.only_trickles {
                            None => self.ends[1 - me].link.handle_candidate(candidate),
                            Some(end) if end == me => self.held.push(candidate),
                            Some(_) => {}
                        },
                        LinkOutput::Event(kind) => {
                            if matches!(&kind, EventKind::IceStateChanged { state, .. } if state == "connected")
                            {
                                self.ice_connected[me] = true;
                            }
                            self.events.push((me, kind));
                        }
                        LinkOutput::Flowed(number) => self.flowed.push((me, number)),
                        LinkOutput::RequestOffer { ice_restart } => self.requests.push((me, ice_restart)),
                        LinkOutput::Opened(_)
                        | LinkOutput::Received(..)
                        | LinkOutput::Probe
                        | LinkOutput::Restarted
                        | LinkOutput::Acted(_)
                        | LinkOutput::GivenUp => {}
                    }
                }
            }
            if idle {
                return;
            }
        }
    }

    /// Lets things happen until both ends are open, or for `patience`. `stop_timers`: no timer fires
    /// any more once ICE is connected at both ends.
    pub(super) async fn open(&mut self, patience: Duration, stop_timers: bool) -> bool {
        let until = tokio::time::Instant::now() + patience;
        self.ends[0].link.offer();
        loop {
            self.drain();
            if let Some(end) = self.only_trickles.filter(|_| self.is_stable()) {
                for candidate in std::mem::take(&mut self.held) {
                    self.ends[1 - end].link.handle_candidate(candidate);
                }
                self.drain();
            }
            if self.ice_connected == [true; 2] && stop_timers {
                self.runtime.stop_timers();
            }
            if self.ends.iter().all(|end| end.link.is_open()) {
                return true;
            }
            if !self.turn(until).await {
                return false;
            }
        }
    }

    /// Lets one end offer anew, until each has made one more description.
    pub(super) async fn renegotiate(&mut self, me: usize) {
        let wanted = self.descriptions.len() + 2;
        let until = tokio::time::Instant::now() + PATIENCE;
        assert!(self.ends[me].link.renegotiate());
        self.drain();
        while self.descriptions.len() < wanted {
            assert!(self.turn(until).await);
            self.drain();
        }
    }

    /// The next thing happens; `false` if nothing does until then.
    async fn turn(&mut self, until: tokio::time::Instant) -> bool {
        let [a, b] = &mut self.ends;
        let (me, input) = tokio::select! {
            input = a.inputs.recv() => (0, input),
            input = b.inputs.recv() => (1, input),
            () = tokio::time::sleep_until(until) => return false,
        };
        if let Some(PeerInput::Connection {
            generation, event, ..
        }) = input
        {
            let now = self.stack.world.now();
            self.ends[me].link.handle_connection(generation, event, now);
        }
        true
    }

    /// Lets one end wait for a packet of media.
    pub(super) async fn flows(&mut self, me: usize) -> bool {
        assert!(self.ends[me].link.await_packet(7));
        self.has_flowed(me).await
    }

    /// Whether what that end waits for comes in, and nothing else does.
    pub(super) async fn has_flowed(&mut self, me: usize) -> bool {
        let until = tokio::time::Instant::now() + PATIENCE;
        self.drain();
        while self.flowed.is_empty() {
            if !self.turn(until).await {
                return false;
            }
            self.drain();
        }
        self.flowed == [(me, 7)]
    }

    /// Lets one end wait for a packet and restart ICE, until that is connected, and whatever comes of it come.
    pub(super) async fn awaits_and_restarts(&mut self, me: usize) {
        self.ice_connected = [false; 2];
        assert!(self.ends[me].link.await_packet(7));
        assert!(self.ends[me].link.restart_ice());
        self.drain();
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.ice_connected != [true; 2] {
            assert!(self.turn(until).await);
            self.drain();
        }
        let until = tokio::time::Instant::now() + DOUBT;
        while self.turn(until).await {
            self.drain();
        }
    }

    /// Lets one end ask the other for an offer that restarts ICE, and the other make it.
    pub(super) async fn restart_on_request(&mut self, me: usize) {
        let wanted = self.descriptions.len() + 2;
        let until = tokio::time::Instant::now() + PATIENCE;
        assert!(self.ends[me].link.restart_ice());
        self.drain();
        assert_eq!(self.requests, [(me, true)]);
        assert!(self.ends[1 - me].link.restart_ice());
        self.drain();
        while self.descriptions.len() < wanted {
            assert!(self.turn(until).await);
            self.drain();
        }
    }

    pub(super) async fn close(mut self) -> Arc<Census> {
        self.runtime.let_timers_go();
        for end in &mut self.ends {
            end.link.close("end");
        }
        self.drain();
        let census = self.census().clone();
        drop(self);
        for _ in 0..500 {
            if census.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        census
    }
}
