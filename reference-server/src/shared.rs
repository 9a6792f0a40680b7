use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    Config, ServerStats,
    flow::FlowSwitch,
    gate::{Line, LogGate},
    queue::{Close, Inbox, Queue},
    room::{ClientId, Hub, Now, Output, RefusalCause, TokenSeed, Violation, close_code},
};

/// What all tasks of a server share: the hub behind one lock, and a bounded queue for each client.
///
/// Under the lock nothing waits: a frame is handled and its outputs are queued before the next one is
/// looked at, so the order of the hub is the order of every queue.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) flow: FlowSwitch,
    /// Microseconds that each frame takes longer.
    slow_us: AtomicU64,
    started: Instant,
    state: Mutex<State>,
    log: Mutex<LogGate>,
    earlier: Notify,
}

struct State {
    hub: Hub,
    queues: BTreeMap<ClientId, Queue>,
    /// All but what is computed when it is asked for.
    counted: ServerStats,
    /// What the timer sleeps until.
    armed: Option<Duration>,
    /// Every WebSocket task holds a clone; taken when the server shuts down.
    alive: Option<Alive>,
}

/// Held by a task that a shutdown has to wait for.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// Why a request for a socket gets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSocket {
    ForeignOrigin,
    TooMany,
    ShuttingDown,
}

impl NoSocket {
    fn as_str(self) -> &'static str {
        match self {
            Self::ForeignOrigin => "origin",
            Self::TooMany => "sockets",
            Self::ShuttingDown => "shutdown",
        }
    }

    fn close(self) -> Close {
        match self {
            Self::ShuttingDown => SHUTDOWN,
            Self::ForeignOrigin | Self::TooMany => Close {
                code: close_code::TRY_AGAIN_LATER,
                reason: "too many clients",
            },
        }
    }
}

const SHUTDOWN: Close = Close {
    code: close_code::GOING_AWAY,
    reason: "the server shuts down",
};

const SLOW: Close = Close {
    code: close_code::TRY_AGAIN_LATER,
    reason: "the client reads too slowly",
};

impl Shared {
    pub(crate) fn new(config: Config, token_seed: TokenSeed, alive: Alive) -> Self {
        let state = State {
            hub: Hub::new(config.hub.clone(), token_seed),
            queues: BTreeMap::new(),
            counted: ServerStats::default(),
            armed: None,
            alive: Some(alive),
        };
        Self {
            config,
            flow: FlowSwitch::new(),
            slow_us: AtomicU64::new(0),
            started: Instant::now(),
            state: Mutex::new(state),
            log: Mutex::default(),
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
        let limits = &self.config.sockets;
        let refusal = match &state.alive {
            None => Some(NoSocket::ShuttingDown),
            Some(_) if state.queues.len() >= limits.sockets_max => Some(NoSocket::TooMany),
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            drop(state);
            self.refuse_socket(refusal);
            return Err(refusal.close());
        }
        state.counted.sockets_opened += 1;
        let client = ClientId(state.counted.sockets_opened);
        let (queue, inbox) = Queue::new(limits);
        state.queues.insert(client, queue);
        state.hub.connect(client, self.now());
        self.deliver(&mut state);
        Ok((client, inbox))
    }

    /// Counts a request for a socket that gets none, and says so.
    pub(crate) fn refuse_socket(&self, why: NoSocket) {
        *self
            .lock()
            .counted
            .sockets_refused
            .entry(why.as_str())
            .or_default() += 1;
        if let Some(suppressed) = self.may_log(Line::Upgrade) {
            tracing::warn!(why = why.as_str(), suppressed, "no socket for a client");
        }
    }

    pub(crate) fn frame(&self, client: ClientId, text: &str) {
        let mut state = self.lock();
        state.hub.frame(client, text, self.now());
        self.deliver(&mut state);
        let refusal = state.hub.last_refusal();
        drop(state);
        self.log_refusal(client, refusal, text.len());
    }

    pub(crate) fn slow(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.slow_us.store(by, Ordering::Relaxed);
    }

    /// Takes as long over a frame as it was told to.
    pub(crate) async fn dawdle(&self) {
        match self.slow_us.load(Ordering::Relaxed) {
            0 => {}
            by => tokio::time::sleep(Duration::from_micros(by)).await,
        }
    }

    /// Something has come in that is no text frame; the client's queue says how its socket is closed.
    pub(crate) fn violation(&self, client: ClientId, violation: Violation) {
        let mut state = self.lock();
        state.hub.violation(client, violation, self.now());
        self.deliver(&mut state);
        let refusal = state.hub.last_refusal();
        drop(state);
        self.log_refusal(client, refusal, 0);
    }

    fn log_refusal(&self, client: ClientId, refusal: Option<RefusalCause>, bytes: usize) {
        let Some(cause) = refusal else { return };
        let reason = cause.as_str();
        if cause.is_limit() {
            if let Some(suppressed) = self.may_log(Line::FrameLimit) {
                tracing::warn!(%client, reason, bytes, suppressed, "a frame hit a limit");
            }
        } else if tracing::enabled!(tracing::Level::DEBUG)
            && let Some(suppressed) = self.may_log(Line::Refused)
        {
            tracing::debug!(%client, reason, bytes, suppressed, "a frame was refused");
        }
    }

    /// A socket has ended: how, in a word of [`ServerStats::sockets_closed`].
    pub(crate) fn disconnect(&self, client: ClientId, how: &'static str) {
        let mut state = self.lock();
        *state.counted.sockets_closed.entry(how).or_default() += 1;
        state.queues.remove(&client);
        state.hub.disconnect(client, self.now());
        self.deliver(&mut state);
    }

    /// Closes every client and takes no new one.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.alive = None;
        for queue in std::mem::take(&mut state.queues).into_values() {
            queue.end(SHUTDOWN);
        }
    }

    /// Takes no new client, and closes none: their tasks end by themselves.
    pub(crate) fn forget_clients(&self) {
        self.lock().alive = None;
    }

    /// Counts what a request or a connection came to.
    pub(crate) fn count(&self, count: impl FnOnce(&mut ServerStats)) {
        count(&mut self.lock().counted);
    }

    /// Whether a line that clients can cause may be logged; then with how many like it were left out.
    pub(crate) fn may_log(&self, line: Line) -> Option<u64> {
        let mut gate = self.log.lock().expect("counting does not panic");
        gate.pass(line, self.started.elapsed())
    }

    /// Serves the hub's timers for ever.
    pub(crate) async fn run_timers(&self) {
        let mut flow = self.flow.watch();
        loop {
            flow.unpaused().await;
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
                    flow.unpaused().await;
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
            queue_frames: state.queues.values().map(Queue::len).sum(),
            queue_bytes: state.queues.values().map(Queue::bytes).sum(),
            ..state.counted.clone()
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
                    let Some(queue) = state.queues.get(&to) else {
                        continue;
                    };
                    if queue.push(frame).is_ok() {
                        let high = &mut state.counted.queue_frames_high_water;
                        *high = queue.len().max(*high);
                        continue;
                    }
                    state.counted.slow_clients += 1;
                    if let Some(suppressed) = self.may_log(Line::SlowClient) {
                        let waiting = queue.len();
                        tracing::warn!(client = %to, waiting, suppressed, "does not read: closed");
                    }
                    if let Some(queue) = state.queues.remove(&to) {
                        queue.end(SLOW);
                    }
                }
                Output::Close { client, code, reason } => {
                    if let Some(queue) = state.queues.remove(&client) {
                        queue.end(Close { code, reason });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketLimits;

    fn shared(sockets: SocketLimits) -> Shared {
        let config = Config {
            sockets,
            ..Config::default()
        };
        Shared::new(config, 7.into(), mpsc::channel(1).0)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_out_of_its_queue_is_closed_with_1013() {
        let shared = shared(SocketLimits {
            queue_frames_max: 2,
            ..SocketLimits::default()
        });
        let (client, mut inbox) = shared.connect().expect("there is room");
        let ping = r#"{"type":"ping"}"#;
        shared.frame(client, ping);
        assert!(inbox.close.try_recv().is_err(), "two may wait");
        shared.frame(client, ping);
        assert_eq!(inbox.close.await, Ok(SLOW));
        let stats = shared.stats();
        assert_eq!((stats.slow_clients, stats.queue_frames_high_water), (1, 2));
        assert_eq!(
            stats.queue_frames, 0,
            "a queue that is closed is nobody's any more"
        );
    }

    #[tokio::test]
    async fn one_socket_too_many_is_closed_with_1013_until_one_ends() {
        let shared = shared(SocketLimits {
            sockets_max: 1,
            ..SocketLimits::default()
        });
        let (client, _inbox) = shared.connect().expect("there is room");
        assert_eq!(shared.connect().err().map(|close| close.code), Some(1013));
        assert_eq!(shared.stats().sockets_refused, BTreeMap::from([("sockets", 1)]));
        shared.disconnect(client, "left");
        assert!(shared.connect().is_ok());
        let stats = shared.stats();
        assert_eq!((stats.sockets_opened, stats.hub.clients), (2, 1));
        assert_eq!(stats.sockets_closed, BTreeMap::from([("left", 1)]));
    }
}
