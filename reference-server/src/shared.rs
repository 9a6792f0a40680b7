use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use crate::{
    Config,
    room::{ClientId, Hub, HubStats, Now, Output, TokenSeed, close_code},
};

/// What a server has counted since it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerStats {
    /// What the rooms counted.
    pub hub: HubStats,
    /// Clients closed with 1013 because they did not read what they were sent.
    pub slow_clients: u64,
}

/// What all tasks of a server share: the hub behind one lock, and a bounded queue for each client.
///
/// Under the lock nothing waits: a frame is handled and its outputs are queued before the next one is
/// looked at, so the order of the hub is the order of every queue.
pub(crate) struct Shared {
    pub(crate) config: Config,
    started: Instant,
    state: Mutex<State>,
    earlier: Notify,
}

struct State {
    hub: Hub,
    queues: BTreeMap<ClientId, Queue>,
    connected: u64,
    slow_clients: u64,
    /// What the timer sleeps until.
    armed: Option<Duration>,
    /// Every WebSocket task holds a clone; taken when the server shuts down.
    alive: Option<Alive>,
}

/// Held by a task that a shutdown has to wait for.
pub(crate) type Alive = mpsc::Sender<Infallible>;

struct Queue {
    frames: mpsc::Sender<Arc<str>>,
    close: oneshot::Sender<Close>,
}

/// How the server ends a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

/// The other end of a client's queue.
pub(crate) struct Inbox {
    pub(crate) frames: mpsc::Receiver<Arc<str>>,
    pub(crate) close: oneshot::Receiver<Close>,
}

impl Shared {
    pub(crate) fn new(config: Config, token_seed: TokenSeed, alive: Alive) -> Self {
        let state = State {
            hub: Hub::new(config.hub.clone(), token_seed),
            queues: BTreeMap::new(),
            connected: 0,
            slow_clients: 0,
            armed: None,
            alive: Some(alive),
        };
        Self {
            config,
            started: Instant::now(),
            state: Mutex::new(state),
            earlier: Notify::new(),
        }
    }

    /// What a task holds that a shutdown has to wait for; `None` once it has begun.
    pub(crate) fn alive(&self) -> Option<Alive> {
        self.lock().alive.clone()
    }

    /// A new client, or how its socket is to be closed at once.
    pub(crate) fn connect(&self) -> Result<(ClientId, Inbox), Close> {
        let mut state = self.lock();
        if state.alive.is_none() {
            return Err(Close {
                code: close_code::GOING_AWAY,
                reason: "the server shuts down",
            });
        }
        if state.queues.len() >= self.config.sockets.sockets_max {
            return Err(Close {
                code: close_code::TRY_AGAIN_LATER,
                reason: "too many clients",
            });
        }
        state.connected += 1;
        let client = ClientId(state.connected);
        let (frames, frames_out) = mpsc::channel(self.config.sockets.queue_frames_max.max(1));
        let (close, close_out) = oneshot::channel();
        state.queues.insert(client, Queue { frames, close });
        state.hub.connect(client, self.now());
        self.deliver(&mut state);
        Ok((
            client,
            Inbox {
                frames: frames_out,
                close: close_out,
            },
        ))
    }

    pub(crate) fn frame(&self, client: ClientId, text: &str) {
        let mut state = self.lock();
        state.hub.frame(client, text, self.now());
        self.deliver(&mut state);
    }

    pub(crate) fn disconnect(&self, client: ClientId) {
        let mut state = self.lock();
        state.queues.remove(&client);
        state.hub.disconnect(client, self.now());
        self.deliver(&mut state);
    }

    /// Closes every client and takes no new one.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.alive = None;
        for queue in std::mem::take(&mut state.queues).into_values() {
            queue.end(close_code::GOING_AWAY, "the server shuts down");
        }
    }

    /// Serves the hub's timers for ever.
    pub(crate) async fn run_timers(&self) {
        loop {
            let due = {
                let mut state = self.lock();
                state.armed = state.hub.poll_timeout();
                state.armed
            };
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(self.started + due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {
                    let mut state = self.lock();
                    state.hub.handle_timeout(self.now());
                    self.deliver(&mut state);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Reads the hub.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Hub) -> T) -> T {
        read(&self.lock().hub)
    }

    pub(crate) fn stats(&self) -> ServerStats {
        let state = self.lock();
        ServerStats {
            hub: state.hub.stats(),
            slow_clients: state.slow_clients,
        }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            since_start: self.started.elapsed(),
            unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Queues what the hub has to say. A client whose queue is full is closed, never waited for: its task
    /// tells the hub.
    fn deliver(&self, state: &mut State) {
        while let Some(output) = state.hub.poll_output() {
            match output {
                Output::Send { to, frame } => {
                    let queue = state.queues.get(&to).map(|queue| queue.frames.try_send(frame));
                    if let Some(Err(mpsc::error::TrySendError::Full(_))) = queue {
                        tracing::warn!(client = %to, "does not read what it is sent: closed");
                        state.slow_clients += 1;
                        if let Some(queue) = state.queues.remove(&to) {
                            queue.end(close_code::TRY_AGAIN_LATER, "the client reads too slowly");
                        }
                    }
                }
                Output::Close { client, code, reason } => {
                    tracing::debug!(%client, code, reason, "closed");
                    if let Some(queue) = state.queues.remove(&client) {
                        queue.end(code, reason);
                    }
                }
            }
        }
        let due = state.hub.poll_timeout();
        if due.is_some_and(|due| state.armed.is_none_or(|armed| due < armed)) {
            self.earlier.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("the hub panics on no input, so the lock is never poisoned")
    }
}

impl Queue {
    fn end(self, code: u16, reason: &'static str) {
        // A socket that is gone already needs no closing.
        let _ = self.close.send(Close { code, reason });
    }
}
