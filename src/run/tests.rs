//! Two links over two real connections on loopback, without a signaling server, on a runtime that loses
//! datagrams or timers as each test wants.

use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

use tokio::sync::mpsc;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use super::connection::{self, Stack};
use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::EventKind,
    peer::{ConnectionCommand, Link, LinkOutput, PeerInput},
    scenario::ClientRules,
    world::{BoxFuture, Census, SignalingError, SignalingSocket, Tricks, Usage, World},
};

/// Which datagram is lost: decided by what it holds.
type Loses = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// tokio's runtime, but datagrams can be lost and timers can stop.
#[derive(Clone)]
struct FaultyRuntime {
    loses: Loses,
    timers_stopped: Arc<AtomicBool>,
}

impl fmt::Debug for FaultyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyRuntime")
    }
}

impl Runtime for FaultyRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(FaultySocket {
            inner: TokioRuntime.wrap_udp_socket(socket)?,
            loses: self.loses.clone(),
        }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        TokioRuntime.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        if self.timers_stopped.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

struct FaultySocket {
    inner: Arc<dyn AsyncUdpSocket>,
    loses: Loses,
}

impl fmt::Debug for FaultySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for FaultySocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if (self.loses)(transmit.contents) {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.inner.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }
}

struct TestWorld {
    started: StdInstant,
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
        Box::pin(tokio::time::sleep_until((self.started + at.elapsed()).into()))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn rtc_runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }

    fn udp_addrs(&self) -> Vec<String> {
        vec!["127.0.0.1:0".to_owned()]
    }

    fn open_signaling(&self, _peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingError>> {
        unreachable!("links are joined directly")
    }

    fn roster(&self, _room_wire_id: &str) -> Option<Vec<String>> {
        None
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// Two links that signal to each other directly.
struct Pair {
    stack: Arc<Stack>,
    timers_stopped: Arc<AtomicBool>,
    ends: [End; 2],
    events: Vec<(usize, EventKind)>,
    ice_connected: [bool; 2],
}

struct End {
    link: Link,
    sender: mpsc::Sender<PeerInput>,
    inputs: mpsc::Receiver<PeerInput>,
    commands: Option<mpsc::Sender<ConnectionCommand>>,
}

impl Pair {
    fn new(tricks: Tricks, loses: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        let timers_stopped = Arc::new(AtomicBool::new(false));
        let runtime = FaultyRuntime {
            loses: Arc::new(loses),
            timers_stopped: timers_stopped.clone(),
        };
        let world = TestWorld {
            started: StdInstant::now(),
            runtime,
        };
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
            stack: Arc::new(Stack {
                world: Arc::new(world),
                census: Arc::default(),
                ice_servers: Vec::new(),
                tricks,
            }),
            timers_stopped,
            ends: [end(0, 1), end(1, 0)],
            events: Vec::new(),
            ice_connected: [false; 2],
        }
    }

    fn census(&self) -> &Arc<Census> {
        &self.stack.census
    }

    fn drain(&mut self) {
        loop {
            let mut idle = true;
            for me in 0..2 {
                while let Some(output) = self.ends[me].link.poll_output() {
                    idle = false;
                    match output {
                        LinkOutput::Connection(generation, ConnectionCommand::Create { offerer }) => {
                            let remote = PeerId(1 - me as u32);
                            let sender = self.ends[me].sender.clone();
                            self.ends[me].commands = Some(connection::start(
                                &self.stack,
                                remote,
                                generation,
                                offerer,
                                sender,
                            ));
                        }
                        LinkOutput::Connection(_, command) => {
                            let commands = self.ends[me].commands.as_ref().expect("created first");
                            commands.try_send(command).expect("the queue is long enough");
                        }
                        LinkOutput::SendDescription(description) => {
                            self.ends[1 - me].link.handle_description(description);
                        }
                        LinkOutput::SendCandidate(candidate) => {
                            self.ends[1 - me].link.handle_candidate(candidate);
                        }
                        LinkOutput::Event(kind) => {
                            if matches!(&kind, EventKind::IceStateChanged { state, .. } if state == "connected")
                            {
                                self.ice_connected[me] = true;
                            }
                            self.events.push((me, kind));
                        }
                        LinkOutput::Opened(_) | LinkOutput::Received(..) => {}
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
    async fn open(&mut self, patience: Duration, stop_timers: bool) -> bool {
        let until = tokio::time::Instant::now() + patience;
        self.ends[0].link.offer();
        loop {
            self.drain();
            if self.ice_connected == [true; 2] && stop_timers {
                self.timers_stopped.store(true, Ordering::Relaxed);
            }
            if self.ends.iter().all(|end| end.link.is_open()) {
                return true;
            }
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
                self.ends[me].link.handle_connection(generation, event);
            }
        }
    }

    async fn close(mut self) -> Arc<Census> {
        self.timers_stopped.store(false, Ordering::Relaxed);
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

/// Longer than anything takes that is going to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than what is not going to happen would take if it did.
const DOUBT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_link_opens_on_loopback_and_leaves_nothing_behind() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, false).await);
    let census = pair.close().await;
    assert!(census.is_empty(), "{census:?}");
}

/// Between ICE and the open channel the stack has nothing to wait for: with the driver woken after each
/// receive no timer is needed, without it nothing goes on.
#[tokio::test]
async fn after_a_receive_the_driver_needs_no_timer() {
    let mut pair = Pair::new(Tricks::default(), |_| false);
    assert!(pair.open(PATIENCE, true).await);
    pair.close().await;

    let mut pair = Pair::new(
        Tricks {
            wake_driver: false,
            ..Tricks::default()
        },
        |_| false,
    );
    assert!(!pair.open(DOUBT, true).await, "the trick is no longer needed");
    pair.close().await;
}

/// The flights of a DTLS handshake (RFC 6347 §4.2.4), told by what their datagram begins with: each is one
/// datagram here.
const FLIGHTS: [(&str, u8, u8); 6] = [
    ("1: ClientHello", 22, 1),
    ("2: HelloVerifyRequest", 22, 3),
    ("3: ClientHello with cookie", 22, 1),
    ("4: ServerHello to ServerHelloDone", 22, 2),
    ("5: Certificate to Finished", 22, 11),
    ("6: ChangeCipherSpec and Finished", 20, 1),
];

fn is_flight(datagram: &[u8], (_, content, message): (&str, u8, u8)) -> bool {
    datagram.first() == Some(&content) && datagram.get(13) == Some(&message)
}

/// Loses the first datagram of a flight.
fn loses_first(flight: usize) -> impl Fn(&[u8]) -> bool + Send + Sync {
    // Flights 1 and 3 begin alike; they differ in their message_seq.
    let sequence = if flight == 2 { 1 } else { 0 };
    let lost = Mutex::new(false);
    move |datagram| {
        let mut lost = lost.lock().expect("not poisoned");
        let is_it = is_flight(datagram, FLIGHTS[flight])
            && (FLIGHTS[flight].2 != 1 || flight == 5 || datagram.get(18) == Some(&sequence));
        is_it && !std::mem::replace(&mut *lost, true)
    }
}

/// Loses the first datagram of a flight, and those that the stack makes anew when its own timer fires:
/// as if the remote's repetition had stopped that timer, which is what the stack does, but whichever of
/// the two is faster. Copies of the first one pass.
fn loses_first_and_remade(flight: usize) -> impl Fn(&[u8]) -> bool + Send + Sync {
    let first: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    move |datagram| {
        if !is_flight(datagram, FLIGHTS[flight]) {
            return false;
        }
        let mut first = first.lock().expect("not poisoned");
        match &*first {
            None => {
                *first = Some(datagram.to_vec());
                true
            }
            Some(first) => first != datagram,
        }
    }
}

#[tokio::test]
async fn one_lost_datagram_of_any_dtls_flight_is_survived() {
    for (flight, (name, ..)) in FLIGHTS.iter().enumerate() {
        let mut pair = Pair::new(Tricks::default(), loses_first(flight));
        assert!(pair.open(PATIENCE, false).await, "{name}");
        pair.close().await;
    }
}

#[tokio::test]
async fn a_lost_flight_is_repeated_when_the_remote_repeats_its_own() {
    for (flight, (name, ..)) in FLIGHTS.iter().enumerate().skip(3) {
        let mut pair = Pair::new(Tricks::default(), loses_first_and_remade(flight));
        assert!(pair.open(PATIENCE, false).await, "{name}");
        let repeated = |(_, kind): &(usize, EventKind)| matches!(kind, EventKind::DtlsFlightRepeated { .. });
        assert!(pair.events.iter().any(repeated), "{name}");
        pair.close().await;

        let without = Tricks {
            repair_flights: false,
            ..Tricks::default()
        };
        let mut pair = Pair::new(without, loses_first_and_remade(flight));
        assert!(!pair.open(DOUBT, false).await, "{name}: no longer needed");
        pair.close().await;
    }
}
