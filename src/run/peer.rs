//! The task that alone owns one [`Peer`]: feeds it and carries out what it wants.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    apart::Apart,
    connection::{self, Stack},
    coordinator::{Coordinator, Release},
    directory::Directory,
    dispatcher::EventSink,
    ice,
    pace::Pace,
    peer_network::{Nap, network_of},
    server::ServerStep,
    signaling::Signaling,
};
use crate::{
    base::{Generation, Instant, PeerId, show_duration},
    metrics::{EventKind, LimitOf, SignalingState},
    peer::{ConnectionCommand, ConnectionEvent, Done, Peer, PeerInput, PeerOutput},
    plan::{self, Plan, ServerFault},
    scenario::TurnFault,
    signaling::LeaveReason,
    world::{Altered, BoxFuture, Dropped, Holding, PeerNetwork},
};

/// Inputs that wait for a peer. Those who have something to say wait for room; the peer itself never waits
/// for any of them.
pub(super) const INPUTS: usize = 4096;

/// Inputs that a peer takes before it asks its signaling socket again.
const INPUTS_IN_A_ROW: u32 = 16;

/// What all peers of a run share.
pub(super) struct Shared {
    pub plan: Arc<Plan>,
    pub stack: Arc<Stack>,
    pub sink: EventSink,
    /// Which links can't be.
    pub apart: Apart,
    /// How fast signaling sockets are opened.
    pub pace: Arc<Pace>,
    pub coordinator: Mutex<Coordinator>,
    /// Who is who on the wire, where the server does not tell.
    pub directory: Mutex<Directory>,
    /// Where steps go that do something to the server.
    pub server: mpsc::Sender<ServerStep>,
    /// How every peer is reached.
    pub inputs: Vec<mpsc::Sender<PeerInput>>,
}

/// Plays one peer to its end; `alive` is held until then.
pub(super) async fn play(
    shared: Arc<Shared>,
    id: PeerId,
    mut inputs: mpsc::Receiver<PeerInput>,
    alive: mpsc::Sender<Infallible>,
) {
    let world = shared.stack.world.clone();
    let counted = shared.stack.census.count(Holding::Task);
    let planned = shared.plan.peers[id.index()].network.clone();
    let mut task = PeerTask {
        peer: Peer::new(&shared.plan, id, world.epoch_unix_ms()),
        id,
        connections: BTreeMap::new(),
        signaling: None,
        network: network_of(&shared, id, &planned),
        former_networks: Vec::new(),
        dropped: (Dropped::default(), Altered::default()),
        planned,
        nap: None,
        backlog: VecDeque::new(),
        timer: None,
        inputs_in_a_row: 0,
        now: Instant::START,
        shared,
    };
    let arrive_at = task.shared.plan.peers[id.index()].arrive_at;
    let mut arrived = false;
    while !task.carry_out().await {
        if let Some(nap) = task.nap.take() {
            task.sleep_through(nap, &mut inputs).await;
            continue;
        }
        let deadline = if arrived {
            task.peer.next_timeout()
        } else {
            Some(arrive_at)
        };
        let input = task.next_input(&mut inputs, deadline).await;
        let now = world.now();
        task.now = now;
        task.tell_held_back().await;
        match input {
            Some(input) => {
                // What is due comes first, or a stream of inputs would hold it up.
                if arrived && task.peer.next_timeout().is_some_and(|at| at <= now) {
                    task.peer.handle_timeout(now);
                }
                task.peer.handle(input, now);
            }
            None if arrived => task.peer.handle_timeout(now),
            None => {
                arrived = true;
                task.peer.handle(PeerInput::Arrive, now);
            }
        }
    }
    task.hang_up();
    task.tell_dropped().await;
    // Who waits for the end takes apart what the run has used: nothing of it is held any more by then.
    drop((task, world, counted));
    drop(alive);
}

pub(super) struct PeerTask {
    pub(super) id: PeerId,
    pub(super) peer: Peer,
    pub(super) shared: Arc<Shared>,
    connections: BTreeMap<(PeerId, Generation), mpsc::Sender<ConnectionCommand>>,
    pub(super) signaling: Option<Signaling>,
    pub(super) network: Arc<PeerNetwork>,
    /// Those of its crashed lives that something still holds, and may yet drop something of.
    pub(super) former_networks: Vec<Arc<PeerNetwork>>,
    /// What those before them have dropped.
    pub(super) dropped: (Dropped, Altered),
    /// What its access link is like: the last that was set.
    pub(super) planned: plan::Network,
    /// It is about to sleep.
    pub(super) nap: Option<Nap>,
    /// What was said to it while it slept.
    pub(super) backlog: VecDeque<PeerInput>,
    /// Left where it is when the deadline moves on: to be woken early now and then costs less than to move it with
    /// every input.
    timer: Option<(Instant, BoxFuture<()>)>,
    /// Inputs that have been taken since the signaling socket was last asked.
    inputs_in_a_row: u32,
    /// When the peer was last told something. What it says then happened then: a step that follows a wait directly
    /// is planned for the very instant of the event that ended the wait, however late that event is told.
    pub(super) now: Instant,
}

/// A peer that panics can't be asked any more: what is left to do is to leave its room.
impl Drop for PeerTask {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let now = self.shared.stack.world.now();
            for frame in self.peer.farewell(now) {
                self.send_frame(frame);
            }
            self.withdraw(LeaveReason::Closed);
            self.hang_up();
        }
    }
}

impl PeerTask {
    /// What happens next; `None` once `deadline` has come.
    async fn next_input(
        &mut self,
        inputs: &mut mpsc::Receiver<PeerInput>,
        deadline: Option<Instant>,
    ) -> Option<PeerInput> {
        if let Some(deadline) = deadline
            && self.timer.as_ref().is_none_or(|(at, _)| *at > deadline)
        {
            self.set_timer(deadline);
        }
        poll_fn(|cx| {
            // Inputs first: what they make the peer send then leaves in one write. But not for ever.
            if self.inputs_in_a_row < INPUTS_IN_A_ROW
                && let Poll::Ready(input) = self.poll_inputs(inputs, cx)
            {
                return Poll::Ready(Some(input));
            }
            let waited = std::mem::take(&mut self.inputs_in_a_row) == INPUTS_IN_A_ROW;
            if let Poll::Ready(input) = self.poll_signaling(cx) {
                return Poll::Ready(Some(input));
            }
            if waited && let Poll::Ready(input) = self.poll_inputs(inputs, cx) {
                return Poll::Ready(Some(input));
            }
            while let Some((at, sleep)) = &mut self.timer {
                ready!(sleep.as_mut().poll(cx));
                let at = *at;
                self.timer = None;
                match deadline {
                    Some(deadline) if deadline <= at => return Poll::Ready(None),
                    Some(deadline) => self.set_timer(deadline),
                    None => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer = Some((at, self.shared.stack.world.sleep_until(at)));
    }

    /// Does all that the peer wants by now; `true` once it is gone.
    async fn carry_out(&mut self) -> bool {
        while let Some(output) = self.peer.poll_output() {
            match output {
                PeerOutput::Event { remote, kind } => {
                    let sink = &self.shared.sink;
                    sink.tell_at(self.now, Some(self.id), remote, kind).await;
                }
                PeerOutput::SendFrame(frame) => self.send_frame(frame),
                PeerOutput::OpenSignaling(number) => self.open_signaling(number),
                PeerOutput::CloseSignaling => self.hang_up(),
                PeerOutput::IceServersOffered(servers) => {
                    let servers = ice::offered(&servers);
                    self.shared.stack.world.offer_ice_servers(self.id, servers);
                }
                PeerOutput::Network(command) => self.change_network(command).await,
                PeerOutput::Connection {
                    remote,
                    generation,
                    command,
                } => self.command(remote, generation, command),
                PeerOutput::Server { fault, planned } => self.harm_server(fault, planned),
                PeerOutput::Turn { fault, planned } => self.turn(fault, planned).await,
                PeerOutput::OfferTogether(remotes) => {
                    for remote in remotes {
                        self.tell(remote, PeerInput::OfferTogether(self.id));
                    }
                }
                PeerOutput::Introduce(introduction) => {
                    // Told while the list is held: everybody hears of changes in the order in which they were made.
                    let mut directory = self.directory();
                    for (peer, input) in directory.introduce(self.id, &introduction) {
                        self.tell(peer, input);
                    }
                }
                PeerOutput::Withdraw(reason) => self.withdraw(reason),
                PeerOutput::ReachBarrier(barrier) => {
                    let release = self.coordinator().reach_barrier(self.id, barrier);
                    self.release(release).await;
                }
                PeerOutput::ScriptEnded => {
                    let release = self.coordinator().script_ended(self.id);
                    self.release(release).await;
                }
                PeerOutput::Settled => {
                    let release = self.coordinator().settled(self.id);
                    self.release(release).await;
                }
                PeerOutput::Gone => {
                    let release = self.coordinator().gone(self.id);
                    self.release(release).await;
                    return true;
                }
            }
        }
        false
    }

    fn withdraw(&self, reason: LeaveReason) {
        let mut directory = self.directory();
        for (peer, input) in directory.withdraw(self.id, reason) {
            self.tell(peer, input);
        }
    }

    fn directory(&self) -> std::sync::MutexGuard<'_, Directory> {
        self.shared
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn coordinator(&self) -> std::sync::MutexGuard<'_, Coordinator> {
        self.shared
            .coordinator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn release(&mut self, release: Release) {
        for (room, after_end) in [(release.settled, false), (release.ended, true)] {
            let Some(room) = room else { continue };
            let room = &self.shared.plan.rooms[room.index()];
            if let Some(roster) = self.shared.stack.world.roster(&room.wire_id) {
                let peers = &self.shared.plan.peers;
                let mut members: Vec<PeerId> = room
                    .peers
                    .iter()
                    .copied()
                    .filter(|peer| roster.contains(&peers[peer.index()].user_id))
                    .collect();
                members.sort_unstable();
                let kind = EventKind::ServerRoster {
                    room: room.wire_id.clone(),
                    members,
                    after_end,
                };
                self.shared.sink.tell(None, None, kind).await;
            }
        }
        for (peer, input) in release.inputs {
            self.tell(peer, input);
        }
    }

    fn tell(&self, peer: PeerId, input: PeerInput) {
        let inputs = &self.shared.inputs[peer.index()];
        if inputs.try_send(input.clone()).is_err() {
            // Its queue is full: wait for it from a task of our own, for it may be waiting for us.
            let inputs = inputs.clone();
            self.shared.stack.world.spawn(Box::pin(async move {
                let _ = inputs.send(input).await;
            }));
        }
    }

    fn harm_server(&self, fault: ServerFault, planned: Instant) {
        let by = self.id;
        let steps = &self.shared.server;
        if let Err(mpsc::error::TrySendError::Full(step)) = steps.try_send(ServerStep { by, fault, planned })
        {
            // The server is busy with what it was told before: it can wait, the peer can't.
            let steps = steps.clone();
            self.shared.stack.world.spawn(Box::pin(async move {
                let _ = steps.send(step).await;
            }));
        }
    }

    async fn turn(&mut self, fault: TurnFault, planned: Instant) {
        if !self.shared.stack.world.turn(fault, planned) {
            tracing::warn!("there is no TURN server of ours");
            return;
        }
        let TurnFault::Stop { away } = fault else { return };
        if away.is_none() {
            let Shared {
                apart, sink, plan, ..
            } = &*self.shared;
            apart.tell(sink, plan.pairs_without_turn()).await;
        }
        let ends = planned + away.unwrap_or_default();
        let others = self.shared.plan.peers.iter().map(|peer| peer.id);
        for peer in others.filter(|peer| *peer != self.id) {
            self.tell(peer, PeerInput::TurnStopped { planned, ends });
        }
    }

    fn send_frame(&mut self, frame: String) {
        if let Some(signaling) = &mut self.signaling {
            signaling.send(frame);
        }
    }

    fn open_signaling(&mut self, number: u32) {
        self.hang_up();
        let stack = self.shared.stack.clone();
        let planned = &self.shared.plan.peers[self.id.index()];
        let within = planned.rules.socket_within;
        let ways = (self.network.clone(), self.shared.pace.clone());
        let signaling = Signaling::open(stack, ways, (self.id, number), within);
        self.signaling = Some(signaling.by(planned.ice.clone()));
    }

    /// Tells that the socket had to wait for its turn, if it had: what is measured holds that wait.
    async fn tell_held_back(&mut self) {
        let Some(waited) = self.signaling.as_mut().and_then(Signaling::take_held_back) else {
            return;
        };
        let waited = show_duration(Duration::from_millis(waited.as_millis() as u64));
        let kind = EventKind::LimitHit {
            of: LimitOf::User,
            limit: format!("a signaling socket waited {waited} for its turn (--max-rate)"),
        };
        let sink = &self.shared.sink;
        sink.tell_at(self.now, Some(self.id), None, kind).await;
    }

    fn hang_up(&mut self) {
        if let Some(signaling) = self.signaling.take() {
            signaling.hang_up();
        }
    }

    fn poll_inputs(
        &mut self,
        inputs: &mut mpsc::Receiver<PeerInput>,
        cx: &mut Context<'_>,
    ) -> Poll<PeerInput> {
        if let Some(input) = self.backlog.pop_front() {
            self.inputs_in_a_row += 1;
            return Poll::Ready(input);
        }
        inputs.poll_recv(cx).map(|input| {
            self.inputs_in_a_row += 1;
            input.expect("the run holds a sender to every peer until all are gone")
        })
    }

    fn poll_signaling(&mut self, cx: &mut Context<'_>) -> Poll<PeerInput> {
        match &mut self.signaling {
            Some(signaling) => signaling.poll(cx),
            None => Poll::Pending,
        }
    }

    fn command(&mut self, remote: PeerId, generation: Generation, command: ConnectionCommand) {
        if let ConnectionCommand::Create { offerer, carries } = command {
            let inputs = self.shared.inputs[self.id.index()].clone();
            let planned = &self.shared.plan.peers[self.id.index()];
            let path = ice::Path {
                ice: planned.ice.clone(),
                user: planned.user_id.clone(),
                waits: ice::waits_for_answer(&planned.ice, &self.shared.plan.abilities(), offerer),
            };
            let begin =
                connection::Begin::of(&planned.rules, path, (offerer, carries)).roaming(planned.roams());
            let whose = (planned.seat(), remote);
            let (stack, network) = (&self.shared.stack, &self.network);
            let commands = connection::start(stack, network, whose, generation, begin, inputs);
            self.connections.insert((remote, generation), commands);
            return;
        }
        let key = (remote, generation);
        let closes = command == ConnectionCommand::Close;
        let Some(commands) = self.connections.get(&key) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(command)) = commands.try_send(command) {
            self.refuse(remote, generation, command);
        }
        if closes {
            // Dropping the sender closes too, should the command not have fitted.
            self.connections.remove(&key);
        }
    }

    /// A connection that is that far behind does what it was told no more: it has failed at it.
    fn refuse(&self, remote: PeerId, generation: Generation, command: ConnectionCommand) {
        let error = "the connection's queue of commands is full".to_owned();
        let event = match command {
            ConnectionCommand::Perform(operation) => ConnectionEvent::OperationDone(Done {
                operation,
                before: SignalingState::Closed,
                allowed: true,
                result: Err(error),
            }),
            ConnectionCommand::Transmit(_) => ConnectionEvent::TransmitFailed(error),
            ConnectionCommand::Create { .. }
            | ConnectionCommand::AwaitPacket(_)
            | ConnectionCommand::Close => return,
        };
        let inputs = self.shared.inputs[self.id.index()].clone();
        self.shared.stack.world.spawn(Box::pin(async move {
            let input = PeerInput::Connection {
                remote,
                generation,
                event,
            };
            let _ = inputs.send(input).await;
        }));
    }
}
