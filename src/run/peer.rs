//! The task that alone owns one [`Peer`]: feeds it and carries out what it wants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;

use super::{
    connection::{self, Stack},
    coordinator::{Coordinator, Release},
    dispatcher::EventSink,
};
use crate::{
    base::{Generation, PeerId},
    metrics::EventKind,
    peer::{ConnectionCommand, ConnectionEvent, Peer, PeerInput, PeerOutput},
    plan::Plan,
    world::{Holding, SignalingEvent, SignalingSocket},
};

/// Inputs that wait for a peer. Those who have something to say wait for room; the peer itself never waits
/// for any of them.
pub(super) const INPUTS: usize = 4096;

/// What all peers of a run share.
pub(super) struct Shared {
    pub plan: Arc<Plan>,
    pub stack: Arc<Stack>,
    pub sink: EventSink,
    pub coordinator: Mutex<Coordinator>,
    /// How every peer is reached.
    pub inputs: Vec<mpsc::Sender<PeerInput>>,
    /// Told when a peer is gone.
    pub gone: mpsc::Sender<PeerId>,
}

/// Plays one peer to its end.
pub(super) async fn play(shared: Arc<Shared>, id: PeerId, mut inputs: mpsc::Receiver<PeerInput>) {
    let world = shared.stack.world.clone();
    let counted = shared.stack.census.count(Holding::Task);
    let mut task = PeerTask {
        peer: Peer::new(&shared.plan, id, world.epoch_unix_ms()),
        id,
        connections: BTreeMap::new(),
        frames: None,
        shared,
    };
    let arrive_at = task.shared.plan.peers[id.index()].arrive_at;
    let mut arrived = false;
    while !task.carry_out().await {
        let deadline = if arrived {
            task.peer.next_timeout()
        } else {
            Some(arrive_at)
        };
        let sleep = async {
            match deadline {
                Some(at) => world.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            input = inputs.recv() => {
                let input = input.expect("the run holds a sender to every peer until all are gone");
                let now = world.now();
                task.peer.handle(input, now);
            }
            () = sleep => {
                let now = world.now();
                if arrived {
                    task.peer.handle_timeout(now);
                } else {
                    arrived = true;
                    task.peer.handle(PeerInput::Arrive, now);
                }
            }
        }
    }
    let shared = task.shared.clone();
    drop(task);
    drop(counted);
    let _ = shared.gone.send(id).await;
}

struct PeerTask {
    id: PeerId,
    peer: Peer,
    shared: Arc<Shared>,
    connections: BTreeMap<(PeerId, Generation), mpsc::Sender<ConnectionCommand>>,
    frames: Option<mpsc::Sender<String>>,
}

impl PeerTask {
    /// Does all that the peer wants by now; `true` once it is gone.
    async fn carry_out(&mut self) -> bool {
        while let Some(output) = self.peer.poll_output() {
            match output {
                PeerOutput::Event { remote, kind } => {
                    self.shared.sink.tell(Some(self.id), remote, kind).await;
                }
                PeerOutput::SendFrame(frame) => self.send_frame(frame),
                PeerOutput::OpenSignaling => self.open_signaling(),
                PeerOutput::CloseSignaling => self.frames = None,
                PeerOutput::Connection {
                    remote,
                    generation,
                    command,
                } => self.command(remote, generation, command),
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

    fn coordinator(&self) -> std::sync::MutexGuard<'_, Coordinator> {
        self.shared
            .coordinator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn release(&self, release: Release) {
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
            let inputs = &self.shared.inputs[peer.index()];
            if inputs.try_send(input.clone()).is_err() {
                // Its queue is full: wait for it from a task of our own, for it may be waiting for us.
                let inputs = inputs.clone();
                self.shared.stack.world.spawn(Box::pin(async move {
                    let _ = inputs.send(input).await;
                }));
            }
        }
    }

    fn send_frame(&mut self, frame: String) {
        let lost = self
            .frames
            .as_ref()
            .is_some_and(|frames| frames.try_send(frame).is_err());
        if lost {
            // The server does not read any more: as good as lost.
            self.frames = None;
            let inputs = self.shared.inputs[self.id.index()].clone();
            let _ = inputs.try_send(PeerInput::SignalingLost(
                "the server has stopped reading".to_owned(),
            ));
        }
    }

    fn open_signaling(&mut self) {
        let inputs = self.shared.inputs[self.id.index()].clone();
        let opening = self.shared.stack.world.open_signaling(self.id);
        let counted = self.shared.stack.census.count(Holding::Task);
        let (frames, mut to_send) = mpsc::channel::<String>(FRAMES);
        self.frames = Some(frames);
        self.shared.stack.world.spawn(Box::pin(async move {
            let _counted = counted;
            let SignalingSocket {
                outgoing,
                mut incoming,
            } = match opening.await {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::info!(%error, "no signaling socket");
                    let _ = inputs.send(PeerInput::SignalingLost(error.to_string())).await;
                    return;
                }
            };
            let _ = inputs.send(PeerInput::SignalingOpened).await;
            loop {
                tokio::select! {
                    biased;
                    frame = to_send.recv() => match frame {
                        Some(frame) => if outgoing.send(frame).await.is_err() { break },
                        None => return,
                    },
                    event = incoming.recv() => match event {
                        Some(SignalingEvent::Frame(frame)) => {
                            let _ = inputs.send(PeerInput::Frame(frame)).await;
                        }
                        Some(SignalingEvent::Closed(reason)) => {
                            let _ = inputs.send(PeerInput::SignalingLost(reason)).await;
                            return;
                        }
                        None => break,
                    },
                }
            }
            let _ = inputs
                .send(PeerInput::SignalingLost("connection ended".to_owned()))
                .await;
        }));
    }

    fn command(&mut self, remote: PeerId, generation: Generation, command: ConnectionCommand) {
        if let ConnectionCommand::Create { offerer } = command {
            let inputs = self.shared.inputs[self.id.index()].clone();
            let commands = connection::start(&self.shared.stack, remote, generation, offerer, inputs);
            self.connections.insert((remote, generation), commands);
            return;
        }
        let key = (remote, generation);
        let closes = command == ConnectionCommand::Close;
        let Some(commands) = self.connections.get(&key) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = commands.try_send(command) {
            let inputs = self.shared.inputs[self.id.index()].clone();
            let _ = inputs.try_send(PeerInput::Connection {
                remote,
                generation,
                event: ConnectionEvent::TransmitFailed("its queue of commands is full".to_owned()),
            });
        }
        if closes {
            // Dropping the sender closes too, should the command not have fitted.
            self.connections.remove(&key);
        }
    }
}

/// Frames that wait for the signaling socket.
const FRAMES: usize = 1024;
