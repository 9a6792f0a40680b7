//! A peer's signaling socket behind its access link, with the cuts of its script. It has no task: the peer's
//! task polls it.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};

use crate::{
    base::{Instant, PeerId, SignalingEnd, SignalingFailure, show_duration},
    impair::SignalingPath,
    peer::PeerInput,
    plan::Cut,
    scenario::Ice,
    world::{BoxFuture, Direction, Holding, PeerNetwork, SignalingSocket},
};

use super::{connection::Stack, pace::Pace};

/// Frames that are on their way across the peer's link in one direction, or wait for the socket.
pub(super) const FRAMES: usize = 1024;
/// How long after its first packet a connection of TCP sends that again, if nothing answers it; each further one
/// comes after twice as long (RFC 6298, sections 2 and 5).
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a socket that is not wanted any more may take to send what is on its way and to shake hands.
const LINGER: Duration = Duration::from_secs(2);

/// A signaling socket, from the wish for it to its end.
///
/// Both ways go on while the other one waits: a server that writes before it reads must not lock both.
pub(super) struct Signaling {
    stack: Arc<Stack>,
    network: Arc<PeerNetwork>,
    pace: Arc<Pace>,
    /// How long it was held back, until that is told.
    held_back: Duration,
    peer: PeerId,
    number: u32,
    /// How long it may take to open, and when it has taken so long.
    within: Duration,
    gives_up: Instant,
    state: State,
    /// Frames that cross the link, with the instant at which they are through.
    up: VecDeque<(Instant, String)>,
    /// What the server says, likewise; an error says why the socket is over.
    down: VecDeque<(Instant, Result<String, SignalingEnd>)>,
    /// What is written has still to be flushed.
    unflushed: bool,
    timer: Option<(Instant, BoxFuture<()>)>,
    /// Whether the server has said anything.
    heard: bool,
    /// How the peer's connections will find a path.
    ice: Ice,
}

enum State {
    /// Nothing has answered yet. Its first packet is sent at `at`, and so long after that again if it is lost.
    Knocking {
        at: Instant,
        again: Duration,
    },
    /// What it sends would be answered, but its turn comes only then.
    HeldBack {
        until: Instant,
        again: Duration,
    },
    /// Somebody is asked for the ICE servers without which the peer does not come in.
    Fetching {
        fetching: BoxFuture<Result<(), SignalingEnd>>,
        again: Duration,
    },
    Opening(BoxFuture<Result<SignalingSocket, SignalingEnd>>),
    Open(SignalingSocket),
    /// The server says nothing any more; what it said last is still on its way.
    Ending,
    /// Nothing passes any more, in either direction, and nothing is said about it.
    Silent {
        _socket: Option<SignalingSocket>,
    },
    /// Over, and the peer is to hear why.
    Lost(SignalingEnd),
    Over,
}

impl Signaling {
    /// Opens the socket of that number when its turn has come, or has failed to `within` so long from then on. While the
    /// network is away, what it sends to open it is lost.
    pub fn open(
        stack: Arc<Stack>,
        (network, pace): (Arc<PeerNetwork>, Arc<Pace>),
        (peer, number): (PeerId, u32),
        within: Duration,
    ) -> Self {
        let at = stack.world.now();
        Self {
            within,
            gives_up: at + within,
            stack,
            network,
            pace,
            held_back: Duration::ZERO,
            peer,
            number,
            state: State::Knocking {
                at,
                again: SENT_AGAIN_AFTER,
            },
            up: VecDeque::new(),
            down: VecDeque::new(),
            unflushed: false,
            timer: None,
            heard: false,
            ice: Ice::default(),
        }
    }

    /// The same of a peer whose connections find a path in that way.
    pub fn by(self, ice: Ice) -> Self {
        Self { ice, ..self }
    }

    /// Sends a frame; one that is sent while the socket is not open is lost.
    pub fn send(&mut self, frame: String) {
        if !matches!(self.state, State::Open(_)) {
            return;
        }
        if self.up.len() == FRAMES {
            // As good as lost.
            self.state = State::Lost(SignalingEnd::new(
                SignalingFailure::NotReading,
                "the server has stopped reading",
            ));
            return;
        }
        match self.crosses(frame.len(), Direction::Up) {
            Some(at) => self.up.push_back((at, frame)),
            None => self.silence(),
        }
    }

    /// Cuts it, if it is open.
    pub fn cut(&mut self, how: Cut) {
        match (how, std::mem::replace(&mut self.state, State::Over)) {
            (Cut::Silent, State::Open(socket)) => self.silence_with(Some(socket)),
            (Cut::Closed, State::Open(socket)) => {
                self.state = State::Lost(scripted("cut by the script: closed"));
                linger(&self.stack, close(socket));
            }
            (Cut::Reset, State::Open(_)) => {
                self.state = State::Lost(scripted("cut by the script: reset"));
            }
            (_, state) => self.state = state,
        }
    }

    /// Its connection is of an address that the peer does not have any more: the peer hears so at once, the server
    /// nothing at all for as long as its own time-outs take.
    pub fn leave_behind(&mut self) {
        let why = "its address is gone: the peer has moved to another network";
        let reason = SignalingEnd::new(SignalingFailure::AddressGone, why);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Open(socket) => {
                self.state = State::Lost(reason);
                self.up.clear();
                self.down.clear();
                linger(&self.stack, async move {
                    let _silent = socket;
                    std::future::pending().await
                });
            }
            State::Knocking { .. } | State::HeldBack { .. } | State::Fetching { .. } | State::Opening(_) => {
                self.state = State::Lost(reason)
            }
            state => self.state = state,
        }
    }

    /// The peer wants it no more: what is on its way still arrives, and then it is closed.
    pub fn hang_up(mut self) {
        let stack = self.stack.clone();
        linger(&stack, async move {
            // An error means that it is over already.
            let written = std::future::poll_fn(|cx| self.poll_written(cx)).await;
            if let (Ok(()), State::Open(socket)) = (written, self.state) {
                close(socket).await;
            }
        });
    }

    /// What happens next, as an input for its peer. Keeps the socket going meanwhile; ready for nothing any
    /// more once the peer knows that it is lost.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<PeerInput> {
        loop {
            if let State::Knocking { at, again } = self.state {
                let now = self.stack.world.now();
                if now < at.min(self.gives_up) {
                    ready!(self.poll_timer(at.min(self.gives_up), cx));
                    continue;
                }
                match self.network.signaling_path(now) {
                    SignalingPath::Muted => return Poll::Pending,
                    _ if self.gives_up <= now => self.state = State::Lost(self.unanswered()),
                    SignalingPath::Open => match self.stack.world.fetch_ice_servers(self.peer, &self.ice) {
                        Some(fetching) => self.state = State::Fetching { fetching, again },
                        None => self.take_turn(now, again),
                    },
                    SignalingPath::BlockedUntil(_) => {
                        self.state = State::Knocking {
                            at: at + again,
                            again: again * 2,
                        };
                    }
                }
            } else if let State::HeldBack { until, again } = self.state {
                let now = self.stack.world.now();
                if now < until {
                    ready!(self.poll_timer(until, cx));
                    continue;
                }
                // The network may be away by now.
                match self.network.signaling_path(now) {
                    SignalingPath::Muted => return Poll::Pending,
                    SignalingPath::Open => self.connect(),
                    SignalingPath::BlockedUntil(_) => {
                        self.state = State::Knocking {
                            at: now + again,
                            again: again * 2,
                        };
                    }
                }
            } else if let State::Fetching { fetching, again } = &mut self.state {
                let again = *again;
                match fetching.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => self.take_turn(self.stack.world.now(), again),
                    Poll::Ready(Err(error)) => {
                        tracing::info!(%error, "no ICE servers");
                        self.state = State::Lost(error);
                    }
                    Poll::Pending => {
                        ready!(self.poll_timer(self.gives_up, cx));
                        let end = self.unanswered();
                        let failure = SignalingFailure::IceServersUnanswered;
                        self.state = State::Lost(SignalingEnd { failure, ..end });
                    }
                }
            } else if let State::Opening(opening) = &mut self.state {
                match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(socket)) => {
                        self.network.signaling_opened();
                        self.timer = None;
                        self.state = State::Open(socket);
                        return Poll::Ready(PeerInput::SignalingOpened(self.number));
                    }
                    Poll::Ready(Err(error)) => {
                        tracing::info!(%error, "no signaling socket");
                        self.state = State::Lost(error);
                    }
                    Poll::Pending => {
                        ready!(self.poll_timer(self.gives_up, cx));
                        self.state = State::Lost(self.unanswered());
                    }
                }
            } else if let State::Lost(end) = &self.state {
                let end = self.named(end.clone());
                self.state = State::Over;
                return Poll::Ready(PeerInput::SignalingLost(self.number, end));
            } else if let State::Open(_) | State::Ending = self.state {
                match ready!(self.poll_open(cx)) {
                    Ok(frame) => {
                        self.heard = true;
                        return Poll::Ready(PeerInput::Frame(self.number, frame));
                    }
                    Err(reason) => self.state = State::Lost(reason),
                }
            } else {
                return Poll::Pending;
            }
        }
    }

    /// Opens it, or waits for its turn. The server is not to blame for that: the time that it has begins afterwards.
    fn take_turn(&mut self, now: Instant, again: Duration) {
        let until = self.pace.admit(now);
        if until == now {
            return self.connect();
        }
        self.held_back += until.since(now);
        self.gives_up += until.since(now);
        self.state = State::HeldBack { until, again };
    }

    fn connect(&mut self) {
        self.state = State::Opening(self.stack.world.open_signaling(self.peer));
    }

    /// How long it was held back, told once; `None`: not at all.
    pub fn take_held_back(&mut self) -> Option<Duration> {
        let held_back = std::mem::take(&mut self.held_back);
        (!held_back.is_zero()).then_some(held_back)
    }

    fn unanswered(&self) -> SignalingEnd {
        let why = format!("no answer within {}", show_duration(self.within));
        SignalingEnd::new(SignalingFailure::Unanswered, why)
    }

    /// Who closes before a word is said has not let the peer in.
    fn named(&self, end: SignalingEnd) -> SignalingEnd {
        match end.failure {
            SignalingFailure::Closed | SignalingFailure::ConnectionLost if !self.heard => {
                SignalingEnd::new(SignalingFailure::ClosedAtOnce, end.why)
            }
            _ => end,
        }
    }

    /// The next frame that is through; an error says why the socket is over.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, SignalingEnd>> {
        if self.network.signaling_path(self.stack.world.now()) == SignalingPath::Muted {
            self.silence();
            return Poll::Pending;
        }
        loop {
            self.poll_read(cx);
            let now = self.stack.world.now();
            if let Poll::Ready(Err(reason)) = self.poll_write(now, cx) {
                self.end(reason);
            }
            if let Some((_, event)) = self.down.pop_front_if(|(at, _)| *at <= now) {
                return Poll::Ready(event);
            }
            // What is due to be written waits for the socket, not for the clock.
            let up = self.up.front().map(|(at, _)| *at).filter(|at| *at > now);
            let down = self.down.front().map(|(at, _)| *at);
            match up.into_iter().chain(down).min() {
                Some(at) => ready!(self.poll_timer(at, cx)),
                None => return Poll::Pending,
            }
        }
    }

    /// Takes in what the server says.
    fn poll_read(&mut self, cx: &mut Context<'_>) {
        while self.down.len() < FRAMES {
            let State::Open(socket) = &mut self.state else {
                return;
            };
            let Poll::Ready(event) = socket.poll_next_unpin(cx) else {
                return;
            };
            match event {
                Some(Ok(frame)) => match self.crosses(frame.len(), Direction::Down) {
                    Some(at) => self.down.push_back((at, Ok(frame))),
                    None => return self.silence(),
                },
                Some(Err(end)) => return self.end(end),
                None => {
                    let end = SignalingEnd::new(SignalingFailure::ConnectionLost, "connection ended");
                    return self.end(end);
                }
            }
        }
    }

    /// The socket is over; the peer hears of it after all that came before.
    fn end(&mut self, reason: SignalingEnd) {
        let Some(at) = self.crosses(0, Direction::Down) else {
            return self.silence();
        };
        self.up.clear();
        self.down.push_back((at, Err(reason)));
        if let State::Open(socket) = std::mem::replace(&mut self.state, State::Ending) {
            // Whoever closes waits for the other's word.
            linger(&self.stack, close(socket));
        }
    }

    /// Writes what is through at `now`; ready when that is done, or nothing can be written any more.
    fn poll_write(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        let State::Open(socket) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let mut socket = socket.as_mut();
        while self.up.front().is_some_and(|(at, _)| *at <= now) {
            ready!(socket.as_mut().poll_ready(cx))?;
            if let Some((_, frame)) = self.up.pop_front() {
                socket.as_mut().start_send(frame)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(socket.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Completes when all has been written that was sent, or the server has closed.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        loop {
            self.poll_read(cx);
            // Nobody listens any more.
            self.down.clear();
            if self.network.signaling_path(self.stack.world.now()) == SignalingPath::Muted {
                self.silence();
            }
            ready!(self.poll_write(self.stack.world.now(), cx))?;
            match (&self.state, self.up.front()) {
                (State::Open(_), Some(&(at, _))) => ready!(self.poll_timer(at, cx)),
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Completes at `at`.
    fn poll_timer(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.as_ref().is_none_or(|(due, _)| *due != at) {
            self.timer = Some((at, self.stack.world.sleep_until(at)));
        }
        let Some((_, sleep)) = &mut self.timer else {
            return Poll::Ready(());
        };
        ready!(sleep.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
    }

    /// When a frame that enters the link now is through; `None`: never, nor anything after it.
    fn crosses(&self, bytes: usize, direction: Direction) -> Option<Instant> {
        self.network.signaling(bytes, direction, self.stack.world.now())
    }

    fn silence(&mut self) {
        let socket = match std::mem::replace(&mut self.state, State::Over) {
            State::Open(socket) => Some(socket),
            _ => None,
        };
        self.silence_with(socket);
    }

    /// The transport stays: nobody tells the server anything, not even that its pings are not answered.
    fn silence_with(&mut self, socket: Option<SignalingSocket>) {
        self.up.clear();
        self.down.clear();
        self.timer = None;
        self.state = State::Silent { _socket: socket };
    }
}

fn scripted(why: &str) -> SignalingEnd {
    SignalingEnd::new(SignalingFailure::Scripted, why)
}

/// The closing handshake, read to its end so that the server sees a clean close.
async fn close(mut socket: SignalingSocket) {
    let _ = socket.close().await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Lets a socket end by itself, if that does not take too long: a network that is away would hold it for ever.
fn linger(stack: &Arc<Stack>, goodbye: impl Future<Output = ()> + Send + 'static) {
    let counted = stack.census.count(Holding::Task);
    let world = stack.world.clone();
    let late = world.sleep_until(world.now() + LINGER);
    world.spawn(Box::pin(async move {
        tokio::select! {
            biased;
            () = goodbye => {}
            () = late => {}
        }
        drop(counted);
    }));
}
