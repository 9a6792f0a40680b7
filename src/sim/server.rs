use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Sink, Stream, task::AtomicWaker};
use reference_server::room::{ClientId, Hub, HubConfig, Now, Output, RoomRoster};
use tokio::sync::oneshot;

use super::{
    executor::Executor,
    network::HOP,
    schedule::{Delays, Stream as Whose},
};
use crate::{
    base::{Instant, SignalingEnd, SignalingFailure},
    world::{ServerAct, ServerLoad},
};

/// The most frames that wait for a server that stands still.
const WAITING_MAX: usize = 1 << 20;
/// The frame that tells how many sockets there are, and how long it is with five digits.
const COUNT: &str = r#"{"type":"client_count","#;
const COUNT_BYTES: usize = 76;

/// The reference server: its room core, and sockets in memory.
pub(super) struct Server {
    executor: Arc<Executor>,
    delays: Arc<Delays>,
    epoch_unix_ms: u64,
    config: HubConfig,
    state: Mutex<State>,
}

struct State {
    hub: Hub,
    /// The next hub's.
    token_seed: [u8; 32],
    flow: Flow,
    /// Sockets that are not accepted yet, for it stands still. They are in their order, in which a `watch` would not wake
    /// them.
    at_door: Vec<oneshot::Sender<()>>,
    /// What has come in while it stands still.
    waiting: VecDeque<News>,
    /// So much longer it takes over each frame.
    slow: Duration,
    sockets: BTreeMap<ClientId, Arc<Inbox>>,
    last_client: u64,
    /// When the hub will be told that time has passed.
    alarm: Option<Instant>,
}

impl State {
    fn turn(&mut self, flow: Flow) {
        self.flow = flow;
        for flows in self.at_door.drain(..) {
            // Who has gone meanwhile need not be told.
            let _ = flows.send(());
        }
    }
}

/// Whether the server does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Runs,
    /// Sockets stay open, and all that comes waits.
    Stands,
    /// There is none.
    Gone,
}

/// What comes to the server.
enum News {
    Frame(ClientId, String),
    Disconnect(ClientId),
    /// The hub has to look at its clock.
    Alarm,
}

/// What comes to one client: frames, then an error that tells why there are no more.
#[derive(Default)]
struct Inbox {
    /// When the last frame on its way here is there.
    last: Mutex<Instant>,
    queue: Mutex<VecDeque<Result<String, SignalingEnd>>>,
    reader: AtomicWaker,
}

impl Inbox {
    fn push(&self, event: Result<String, SignalingEnd>) {
        self.queue().push_back(event);
        self.reader.wake();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Result<String, SignalingEnd>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    pub fn new(
        executor: Arc<Executor>,
        config: HubConfig,
        token_seed: [u8; 32],
        delays: Arc<Delays>,
        epoch_unix_ms: u64,
    ) -> Self {
        Self {
            executor,
            delays,
            epoch_unix_ms,
            config: config.clone(),
            state: Mutex::new(State {
                hub: Hub::new(config, token_seed),
                token_seed,
                flow: Flow::Runs,
                at_door: Vec::new(),
                waiting: VecDeque::new(),
                slow: Duration::ZERO,
                sockets: BTreeMap::new(),
                last_client: 0,
                alarm: None,
            }),
        }
    }

    /// A socket that is accepted as soon as the server does not stand still.
    ///
    /// # Errors
    /// There is no server at the moment, or it stands still for too long.
    pub async fn open(self: Arc<Self>) -> Result<Socket, SignalingEnd> {
        while let Some(flows) = self.stands() {
            // Whoever is let go is asked for again.
            let _ = flows.await;
        }
        self.connect()
    }

    /// What tells that it may not stand still any more, if it does.
    fn stands(&self) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        (state.flow == Flow::Stands).then(|| {
            let (flows, told) = oneshot::channel();
            state.at_door.push(flows);
            told
        })
    }

    fn connect(self: &Arc<Self>) -> Result<Socket, SignalingEnd> {
        let inbox = Arc::new(Inbox::default());
        let mut state = self.state();
        if state.flow == Flow::Gone {
            return Err(SignalingEnd::new(
                SignalingFailure::ConnectionRefused,
                "the bundled server: connection refused",
            ));
        }
        state.last_client += 1;
        let client = ClientId(state.last_client);
        state.sockets.insert(client, inbox.clone());
        state.hub.connect(client, self.now());
        self.follow(&mut state);
        Ok(Socket {
            server: self.clone(),
            client,
            inbox,
            last: Mutex::default(),
            closed: false,
        })
    }

    /// Does something to the server.
    pub fn act(self: &Arc<Self>, act: ServerAct) {
        match act {
            ServerAct::Start => self.state().turn(Flow::Runs),
            ServerAct::Stop => self.stop(),
            ServerAct::Pause => self.state().turn(Flow::Stands),
            ServerAct::Resume => self.resume(),
            ServerAct::Slow(by) => self.state().slow = by,
        }
    }

    /// What was on its way to clients still comes, what was on its way from them is lost, and nobody is known
    /// any more.
    fn stop(self: &Arc<Self>) {
        let mut state = self.state();
        // No token is given twice.
        state.token_seed = state.token_seed.map(|byte| byte.wrapping_add(1));
        state.hub = Hub::new(self.config.clone(), state.token_seed);
        state.waiting.clear();
        state.turn(Flow::Gone);
        for (client, inbox) in std::mem::take(&mut state.sockets) {
            let at = self.arrival(Whose::ToClient(client), &inbox.last);
            let reset = Err(SignalingEnd::new(
                SignalingFailure::ConnectionLost,
                "connection reset: the server has ended",
            ));
            self.executor.call_at(at, move || inbox.push(reset));
        }
    }

    /// All that has come in meanwhile is done now, in its order.
    fn resume(self: &Arc<Self>) {
        let mut state = self.state();
        state.turn(Flow::Runs);
        for news in std::mem::take(&mut state.waiting) {
            self.take(&mut state, news);
        }
    }

    /// What it holds.
    pub fn load(&self) -> ServerLoad {
        let state = self.state();
        let stats = state.hub.stats();
        ServerLoad {
            rooms: Some(stats.rooms as u64),
            members: Some(stats.members as u64),
            sockets: Some(stats.clients as u64),
            waiting_frames: Some(state.waiting.len() as u64),
            ..ServerLoad::default()
        }
    }

    /// The user ids in a room.
    pub fn roster(&self, room: &str) -> Vec<String> {
        let roster = self.state().hub.room(room);
        roster.map(RoomRoster::into_user_ids).unwrap_or_default()
    }

    /// Something has come in.
    fn hear(self: &Arc<Self>, news: News) {
        let mut state = self.state();
        if state.flow != Flow::Stands {
            return self.take(&mut state, news);
        }
        // The buffers of an operating system are not without end either: who overruns them is cut off.
        let full = state.waiting.len() >= WAITING_MAX;
        match news {
            News::Frame(client, _) if full => state.waiting.push_back(News::Disconnect(client)),
            news => state.waiting.push_back(news),
        }
    }

    fn take(self: &Arc<Self>, state: &mut State, news: News) {
        let now = self.now();
        match news {
            News::Frame(client, frame) => state.hub.frame(client, &frame, now),
            News::Disconnect(client) => {
                state.sockets.remove(&client);
                state.hub.disconnect(client, now);
            }
            News::Alarm => {
                state.alarm = None;
                state.hub.handle_timeout(now);
            }
        }
        self.follow(state);
    }

    /// Carries out what the hub wants after whatever it has been told.
    fn follow(self: &Arc<Self>, state: &mut State) {
        while let Some(output) = state.hub.poll_output() {
            let (client, inbox, event) = match output {
                Output::Send { to, frame } => (to, state.sockets.get(&to).cloned(), Ok(steady(&frame))),
                Output::Close { client, code, reason } => (
                    client,
                    state.sockets.remove(&client),
                    Err(SignalingEnd::new(
                        SignalingFailure::Closed,
                        format!("closed by the server: {code} {reason}"),
                    )),
                ),
            };
            if let Some(inbox) = inbox {
                let at = self.arrival(Whose::ToClient(client), &inbox.last);
                self.executor.call_at(at, move || inbox.push(event));
            }
        }
        let due = state
            .hub
            .poll_timeout()
            .map(|since_start| Instant::START + since_start);
        if let Some(due) = due
            && state.alarm.is_none_or(|alarm| due < alarm)
        {
            // An earlier alarm does no harm: the hub looks at its clock.
            state.alarm = Some(due);
            let server = self.clone();
            self.executor.call_at(due, move || server.hear(News::Alarm));
        }
    }

    /// When a frame that is sent now arrives; `last` is when the one before it on its socket does.
    fn arrival(&self, whose: Whose, last: &Mutex<Instant>) -> Instant {
        let takes = HOP + self.delays.next(whose);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(self.executor.now() + takes);
        *last
    }

    fn now(&self) -> Now {
        let since_start = self.executor.now().elapsed();
        let ms = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        Now {
            since_start,
            unix_ms: self.epoch_unix_ms.saturating_add(ms),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The frame with one length, however many sockets there are: those of other rooms are no matter of this one, or a room would
/// be another run in a segment of the plan. JSON may end with spaces.
fn steady(frame: &str) -> String {
    match frame.starts_with(COUNT) {
        true => format!("{frame:<COUNT_BYTES$}"),
        false => frame.to_owned(),
    }
}

/// A client's end of a socket.
pub(super) struct Socket {
    server: Arc<Server>,
    client: ClientId,
    inbox: Arc<Inbox>,
    /// When the last frame on its way to the server is there.
    last: Mutex<Instant>,
    closed: bool,
}

impl Socket {
    /// After everything that was sent before.
    fn tell(&self, what: impl FnOnce(ClientId) -> News + Send + 'static) {
        let (server, client) = (self.server.clone(), self.client);
        let slow = self.server.state().slow;
        let at = self.server.arrival(Whose::ToServer(client), &self.last) + slow;
        // The next one is looked at when this one is done.
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.server
            .executor
            .call_at(at, move || server.hear(what(client)));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.tell(News::Disconnect);
    }
}

impl Stream for Socket {
    type Item = Result<String, SignalingEnd>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.closed {
            return Poll::Ready(None);
        }
        self.inbox.reader.register(cx.waker());
        match self.inbox.queue().pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None => Poll::Pending,
        }
    }
}

impl Sink<String> for Socket {
    type Error = SignalingEnd;

    fn poll_ready(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: String) -> Result<(), SignalingEnd> {
        self.tell(move |client| News::Frame(client, frame));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        // The handshake takes no time: nobody measures it.
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_sockets_there_are_does_not_change_a_frames_length() {
        let frame = |count| {
            steady(&format!(
                r#"{COUNT}"count":{count},"timestamp":"2000-01-01T00:00:00.000Z"}}"#
            ))
        };
        assert_eq!(frame(20_000).len(), COUNT_BYTES);
        assert_eq!(frame(7).len(), COUNT_BYTES);
        assert!(serde_json::from_str::<serde_json::Value>(&frame(7)).is_ok());
        assert_eq!(steady("{}"), "{}");
    }
}
