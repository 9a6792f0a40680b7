//! A signaling socket in a world of its own: time passes when the test says so, and the server is the test.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{Sink, Stream};
use tokio::sync::mpsc;
use webrtc::runtime::{Runtime, TokioRuntime};

use crate::{
    base::{Instant, PeerId, RootSeed, Seat, SignalingEnd, SignalingFailure},
    impair::{Profile, Remotes, Scope},
    peer::PeerInput,
    plan::Cut,
    run::{
        connection::Stack,
        pace::Pace,
        signaling::{FRAMES, Signaling},
    },
    world::{BoxFuture, PeerNetwork, SignalingSocket, Tricks, Usage, World},
};

/// What the server sees of a client.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(String),
    /// The closing handshake.
    Closed,
    /// The end of the transport.
    Ended,
}

type Said = Result<String, SignalingEnd>;

/// The client's end of a socket.
struct Socket {
    said: mpsc::UnboundedReceiver<Said>,
    seen: mpsc::UnboundedSender<Seen>,
    /// The server does not read: nothing more can be written.
    full: Arc<AtomicBool>,
}

impl Stream for Socket {
    type Item = Said;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        self.said.poll_recv(cx)
    }
}

impl Sink<String> for Socket {
    type Error = SignalingEnd;

    fn poll_ready(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        if self.full.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: String) -> Result<(), SignalingEnd> {
        self.seen
            .send(Seen::Frame(frame))
            .map_err(|error| SignalingEnd::new(SignalingFailure::Other, error.to_string()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        let closed = self.seen.send(Seen::Closed);
        Poll::Ready(closed.map_err(|error| SignalingEnd::new(SignalingFailure::Other, error.to_string())))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Only fails when the test does not look any more.
        let _ = self.seen.send(Seen::Ended);
    }
}

#[derive(Default)]
struct StillWorld {
    now_ms: AtomicU64,
    next_socket: Mutex<Option<Socket>>,
    tasks: Mutex<Vec<BoxFuture<()>>>,
    /// The server answers nobody.
    stands: AtomicBool,
}

impl World for Arc<StillWorld> {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now_ms.load(Ordering::Relaxed))
    }

    fn epoch_unix_ms(&self) -> u64 {
        0
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<()> {
        let world = self.clone();
        Box::pin(std::future::poll_fn(move |_| {
            if world.now() < at {
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.tasks.lock().expect("no test panics with it").push(task);
    }

    fn rtc_runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }

    fn udp_addrs(&self, _peer: PeerId) -> Vec<String> {
        Vec::new()
    }

    fn open_signaling(&self, _peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingEnd>> {
        if self.stands.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        let socket = self.next_socket.lock().expect("no test panics with it").take();
        Box::pin(async {
            let socket: SignalingSocket = Box::pin(
                socket.ok_or_else(|| SignalingEnd::new(SignalingFailure::ConnectionRefused, "refused"))?,
            );
            Ok(socket)
        })
    }

    fn roster(&self, _room_wire_id: &str) -> Option<Vec<String>> {
        None
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// One signaling socket, and the server at its other end.
struct Stage {
    world: Arc<StillWorld>,
    network: Arc<PeerNetwork>,
    signaling: Signaling,
    /// What the server says; taken when it breaks off.
    say: Option<mpsc::UnboundedSender<Said>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    full: Arc<AtomicBool>,
    stack: Arc<Stack>,
}

impl Stage {
    /// The socket is wanted, and nothing has been done about it.
    fn new() -> Self {
        Self::paced(Pace::new(None))
    }

    /// The same, in a run that opens its sockets no faster than that.
    fn paced(pace: Pace) -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let (sees, seen) = mpsc::unbounded_channel();
        let full = Arc::new(AtomicBool::new(false));
        let world = Arc::new(StillWorld::default());
        let socket = Socket {
            said,
            seen: sees,
            full: full.clone(),
        };
        *world.next_socket.lock().expect("nobody else has it") = Some(socket);
        let clock = world.clone();
        let network = Arc::new(PeerNetwork::new(
            RootSeed(1),
            Seat::of_whole(PeerId(0)),
            move || clock.now(),
        ));
        let stack = Arc::new(Stack {
            world: Arc::new(world.clone()),
            census: Arc::default(),
            ice_servers: Vec::new(),
            tricks: Tricks::default(),
        });
        Self {
            signaling: Signaling::open(
                stack.clone(),
                (network.clone(), Arc::new(pace)),
                (PeerId(0), 1),
                Duration::from_secs(10),
            ),
            world,
            network,
            say: Some(say),
            seen,
            full,
            stack,
        }
    }

    /// The socket is open.
    fn open() -> Self {
        let mut stage = Self::new();
        assert_eq!(stage.heard(), [PeerInput::SignalingOpened(1)]);
        stage
    }

    /// The same, and the network is away for so long.
    fn without_network(ms: u64) -> Self {
        let stage = Self::new();
        let (now, until) = (Instant::START, Instant::from_millis(ms));
        let dropped = stage.network.drop_network(Scope::Both, Remotes::All, now, until);
        dropped.expect("one outage");
        stage
    }

    /// On a link that takes `delay_ms` each way.
    fn slow(delay_ms: u64) -> Self {
        let stage = Self::open();
        stage.network.set_profile(Profile {
            delay: Duration::from_millis(delay_ms),
            ..Profile::none()
        });
        stage
    }

    fn pass(&self, ms: u64) {
        self.world.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// All that the peer hears at this instant.
    fn heard(&mut self) -> Vec<PeerInput> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut heard = Vec::new();
        while let Poll::Ready(input) = self.signaling.poll(&mut cx) {
            heard.push(input);
        }
        run_tasks(&self.world);
        heard
    }

    fn say(&self, frame: &str) {
        let say = self.say.as_ref().expect("it has not broken off");
        say.send(Ok(frame.to_owned())).expect("the socket is open");
    }

    /// All that the server has seen since it last looked.
    fn seen(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// The peer hangs up; what the server sees of that in the next ten seconds.
    fn hang_up(mut self) -> Vec<Seen> {
        self.signaling.hang_up();
        for _ in 0..100 {
            run_tasks(&self.world);
            self.world.now_ms.fetch_add(100, Ordering::Relaxed);
        }
        assert!(self.stack.census.is_empty(), "nothing goes on");
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

/// Polls every task once.
fn run_tasks(world: &StillWorld) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut tasks = std::mem::take(&mut *world.tasks.lock().expect("no task panics"));
    tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
    world.tasks.lock().expect("no task panics").extend(tasks);
}

fn frame(text: &str) -> PeerInput {
    PeerInput::Frame(1, text.to_owned())
}

fn lost(failure: SignalingFailure, why: &str) -> PeerInput {
    PeerInput::SignalingLost(1, SignalingEnd::new(failure, why))
}

fn sent(text: &str) -> Seen {
    Seen::Frame(text.to_owned())
}

/// One socket in 15 s, and another peer's has just been opened.
fn crowded() -> Stage {
    let pace = Pace::new(Some("4/m".parse().expect("a rate")));
    assert_eq!(pace.admit(Instant::START), Instant::START);
    Stage::paced(pace)
}

#[test]
fn a_socket_waits_for_its_turn_and_the_servers_time_begins_then() {
    let mut stage = crowded();
    assert_eq!(stage.heard(), []);
    stage.pass(14_999);
    assert_eq!(stage.heard(), [], "it is not the server that does not answer");
    assert!(
        stage
            .world
            .next_socket
            .lock()
            .expect("nobody else has it")
            .is_some()
    );
    stage.pass(1);
    assert_eq!(stage.heard(), [PeerInput::SignalingOpened(1)]);
    let waited = stage.signaling.take_held_back();
    assert_eq!(waited, Some(Duration::from_secs(15)));
    assert_eq!(stage.signaling.take_held_back(), None, "told once");
}

#[test]
fn whose_network_is_away_when_its_turn_comes_waits_for_another() {
    let mut stage = crowded();
    assert_eq!(stage.heard(), []);
    let (from, until) = (Instant::from_millis(14_000), Instant::from_millis(15_500));
    let dropped = stage.network.drop_network(Scope::Both, Remotes::All, from, until);
    dropped.expect("one outage");
    for (ms, opened) in [(15_000, false), (1_000, false), (13_999, false), (1, true)] {
        stage.pass(ms);
        assert_eq!(!stage.heard().is_empty(), opened, "{ms}");
    }
}

#[test]
fn frames_go_both_ways_and_whoever_hangs_up_says_goodbye() {
    let mut stage = Stage::open();
    stage.signaling.send("a".to_owned());
    stage.signaling.send("b".to_owned());
    stage.say("c");
    assert_eq!(stage.heard(), [frame("c")]);
    assert_eq!(stage.seen(), [sent("a"), sent("b")]);
    assert_eq!(stage.hang_up(), [Seen::Closed, Seen::Ended]);
}

#[test]
fn a_socket_that_cannot_be_opened_is_lost() {
    let mut stage = Stage::new();
    drop(stage.world.next_socket.lock().expect("nobody else has it").take());
    assert_eq!(
        stage.heard(),
        [lost(SignalingFailure::ConnectionRefused, "refused")]
    );
    assert_eq!(stage.heard(), []);
}

/// What a client sends to open one is lost, and sent again after 1, 3 and 7 s: as TCP does.
#[test]
fn no_socket_opens_before_the_network_is_back_and_the_client_has_sent_again() {
    for (back, open) in [(500, 1_000), (1_000, 1_000), (1_001, 3_000), (6_999, 7_000)] {
        let mut stage = Stage::without_network(back);
        assert_eq!(stage.heard(), []);
        for _ in 1..open {
            stage.pass(1);
            assert_eq!(stage.heard(), [], "back after {back} ms");
        }
        stage.pass(1);
        assert_eq!(
            stage.heard(),
            [PeerInput::SignalingOpened(1)],
            "back after {back} ms"
        );
    }
}

#[test]
fn an_attempt_to_open_a_socket_fails_after_the_clients_patience() {
    let mut stage = Stage::without_network(7_001);
    assert_eq!(stage.heard(), []);
    for _ in 1..10_000 {
        stage.pass(1);
        assert_eq!(stage.heard(), []);
    }
    stage.pass(1);
    assert_eq!(
        stage.heard(),
        [lost(SignalingFailure::Unanswered, "no answer within 10s")]
    );
    assert_eq!(stage.heard(), []);
    // The network is there, and the server does not answer.
    let mut stage = Stage::new();
    stage.world.stands.store(true, Ordering::Relaxed);
    assert_eq!(stage.heard(), []);
    stage.pass(10_000);
    assert_eq!(
        stage.heard(),
        [lost(SignalingFailure::Unanswered, "no answer within 10s")]
    );
}

#[test]
fn what_crosses_a_slow_link_comes_later_in_order() {
    let mut stage = Stage::slow(30);
    stage.signaling.send("up".to_owned());
    stage.say("down");
    assert_eq!(stage.heard(), []);
    stage.pass(29);
    assert_eq!((stage.heard(), stage.seen()), (vec![], vec![]));
    stage.pass(1);
    assert_eq!(stage.heard(), [frame("down")]);
    assert_eq!(stage.seen(), [sent("up")]);
}

#[test]
fn what_is_on_its_way_arrives_before_the_goodbye() {
    let mut stage = Stage::slow(300);
    stage.signaling.send("last".to_owned());
    assert_eq!(stage.seen(), []);
    assert_eq!(stage.hang_up(), [sent("last"), Seen::Closed, Seen::Ended]);
}

/// A ping is stuck behind an outage, the peer has given the socket up, and the server closes it.
#[test]
fn a_socket_that_was_given_up_ends_when_the_server_ends_it_or_after_a_while() {
    for server_ends_it in [true, false] {
        let mut stage = Stage::open();
        let (now, until) = (Instant::START, Instant::from_millis(60_000));
        let dropped = stage.network.drop_network(Scope::Both, Remotes::All, now, until);
        dropped.expect("one outage");
        stage.signaling.send("ping".to_owned());
        assert_eq!(stage.heard(), []);
        if server_ends_it {
            stage.say = None;
        }
        let (world, census) = (stage.world.clone(), stage.stack.census.clone());
        stage.signaling.hang_up();
        run_tasks(&world);
        run_tasks(&world);
        assert_eq!(census.is_empty(), server_ends_it);
        world.now_ms.fetch_add(2_000, Ordering::Relaxed);
        run_tasks(&world);
        assert!(census.is_empty(), "it does not wait for the end of the outage");
    }
}

#[test]
fn what_the_server_says_last_is_heard_before_its_end() {
    let closed = SignalingEnd::new(SignalingFailure::Closed, "closed by the server: 1001 bye");
    for (end, failure, reason) in [
        (
            Some(closed),
            SignalingFailure::Closed,
            "closed by the server: 1001 bye",
        ),
        (None, SignalingFailure::ConnectionLost, "connection ended"),
    ] {
        let mut stage = Stage::slow(30);
        stage.say("last");
        let say = stage.say.take().expect("not yet broken off");
        if let Some(end) = end {
            say.send(Err(end)).expect("the socket is open");
        }
        drop(say);
        assert_eq!(stage.heard(), []);
        stage.pass(30);
        assert_eq!(stage.heard(), [frame("last"), lost(failure, reason)]);
        assert_eq!(stage.heard(), []);
        // The closing handshake has two sides.
        assert_eq!(stage.hang_up(), [Seen::Closed, Seen::Ended]);
    }
}

#[test]
fn whoever_closes_before_a_word_is_said_has_let_nobody_in() {
    for failure in [SignalingFailure::Closed, SignalingFailure::ConnectionLost] {
        let mut stage = Stage::open();
        let say = stage.say.take().expect("not yet broken off");
        say.send(Err(SignalingEnd::new(failure, "bye")))
            .expect("the socket is open");
        assert_eq!(stage.heard(), [lost(SignalingFailure::ClosedAtOnce, "bye")]);
    }
}

#[test]
fn a_closed_cut_says_goodbye_and_a_reset_does_not() {
    for (cut, reason, seen) in [
        (
            Cut::Closed,
            "cut by the script: closed",
            vec![Seen::Closed, Seen::Ended],
        ),
        (Cut::Reset, "cut by the script: reset", vec![Seen::Ended]),
    ] {
        let mut stage = Stage::open();
        stage.signaling.cut(cut);
        stage.signaling.send("too late".to_owned());
        assert_eq!(stage.heard(), [lost(SignalingFailure::Scripted, reason)]);
        assert_eq!(stage.heard(), []);
        assert_eq!(stage.hang_up(), seen);
    }
}

/// The server's pings are not read either, so nobody answers them.
#[test]
fn of_a_silent_or_crashed_socket_nobody_hears_anything() {
    let silences: [fn(&mut Stage); 2] = [
        |stage| stage.signaling.cut(Cut::Silent),
        |stage| stage.network.mute(),
    ];
    for silence in silences {
        let mut stage = Stage::open();
        stage.signaling.send("on its way".to_owned());
        silence(&mut stage);
        stage.signaling.send("later".to_owned());
        stage.say("anybody there?");
        assert_eq!(stage.heard(), []);
        assert!(
            !stage.say.as_ref().is_some_and(|say| say.is_closed()),
            "the transport stays"
        );
        stage.say = None;
        stage.pass(60_000);
        assert_eq!(stage.heard(), [], "nor of its end");
        assert_eq!(stage.seen(), []);
        assert_eq!(stage.hang_up(), [Seen::Ended], "no goodbye");
    }
}

#[test]
fn a_server_that_does_not_read_is_still_heard_and_given_up_when_too_much_waits() {
    let mut stage = Stage::open();
    stage.full.store(true, Ordering::Relaxed);
    for _ in 0..FRAMES {
        stage.signaling.send("more".to_owned());
    }
    stage.say("still here");
    assert_eq!(stage.heard(), [frame("still here")]);
    stage.signaling.send("too much".to_owned());
    assert_eq!(
        stage.heard(),
        [lost(
            SignalingFailure::NotReading,
            "the server has stopped reading"
        )]
    );
}
