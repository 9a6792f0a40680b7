//! The impaired link over real sockets on loopback: what was asked of it is what is measured.
//!
//! No test depends on how fast the machine is: a lower bound is exact, an upper one is [`PATIENCE`], and
//! where it matters in which interval something happens the test turns the clock itself.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rtcstorm::{
    base::{Instant, PeerId, RootSeed, Seat},
    impair::{Profile, Remotes, Scope},
    world::{Census, ConnectionRuntime, Holding, PeerNetwork, RemotePath, Tricks},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use webrtc::runtime::{AsyncUdpSocket, Runtime, TokioRuntime};

/// For what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
const ALICE: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);
const CAROL: PeerId = PeerId(2);
/// IPv4 and UDP headers, which the link carries, too.
const HEADERS: usize = 28;

/// A socket of a connection, with a task that polls it for datagrams as a driver does.
struct End {
    socket: Arc<dyn AsyncUdpSocket>,
    received: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    driver: JoinHandle<()>,
    census: Arc<Census>,
    repeats: Arc<Notify>,
}

impl End {
    /// One end of a connection with `remote`, across `network`.
    fn new(network: &Arc<PeerNetwork>, remote: PeerId, clock: &Clock) -> Self {
        let path = RemotePath {
            network: network.clone(),
            remote,
        };
        let census = Arc::new(Census::default());
        let tricks = Tricks::default();
        let repeats = Arc::new(Notify::new());
        let told = repeats.clone();
        let runtime = ConnectionRuntime::new(
            Arc::new(TokioRuntime),
            tricks,
            census.clone(),
            Some(path),
            move || told.notify_one(),
        );
        let bound = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let socket = runtime.wrap_udp_socket(bound).expect("a socket");
        let (sender, received) = mpsc::unbounded_channel();
        let (polled, clock) = (socket.clone(), clock.clone());
        let driver = tokio::spawn(async move {
            let mut buf = [0; 2_000];
            while let Ok((length, _)) = polled.recv_from(&mut buf).await {
                if sender.send((clock.now(), buf[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        Self {
            socket,
            received,
            driver,
            census,
            repeats,
        }
    }

    async fn send(&self, to: &Self, contents: &[u8]) {
        let to = to.socket.local_addr().expect("bound");
        let sent = timeout(PATIENCE, self.socket.send_to(contents, to)).await;
        assert_eq!(
            sent.expect("the socket takes it").expect("no error"),
            contents.len()
        );
    }

    async fn receive(&mut self) -> (Instant, Vec<u8>) {
        let received = timeout(PATIENCE, self.received.recv()).await;
        received.expect("something arrives").expect("the driver runs")
    }

    /// Waits until so many timers are armed: what has arrived is in the link.
    async fn until_timers(&self, timers: u64) {
        let armed = async {
            while self.census.held(Holding::Timer) != timers {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, armed)
            .await
            .expect("they are armed and counted");
    }

    /// What has arrived, up to the datagram `last`.
    async fn receive_until(&mut self, last: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.last().map(Vec::as_slice) != Some(last) {
            all.push(self.receive().await.1);
        }
        all
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Real time, or an instant that the test sets.
#[derive(Clone)]
enum Clock {
    Real(std::time::Instant),
    Turned(Arc<AtomicU64>),
}

impl Clock {
    fn real() -> Self {
        Self::Real(std::time::Instant::now())
    }

    fn turned() -> Self {
        Self::Turned(Arc::default())
    }

    fn now(&self) -> Instant {
        match self {
            Self::Real(started) => Instant::START + started.elapsed(),
            Self::Turned(millis) => Instant::from_millis(millis.load(Ordering::Relaxed)),
        }
    }

    fn turn_to(&self, millis: u64) {
        match self {
            Self::Real(_) => unreachable!("nobody turns real time"),
            Self::Turned(now) => now.store(millis, Ordering::Relaxed),
        }
    }

    fn network(&self, peer: PeerId) -> Arc<PeerNetwork> {
        let clock = self.clone();
        Arc::new(PeerNetwork::new(RootSeed(7), Seat::of_whole(peer), move || {
            clock.now()
        }))
    }
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn delayed(millis: u64) -> Profile {
    Profile {
        delay: Duration::from_millis(millis),
        ..Profile::none()
    }
}

/// Waits until the network has counted `blocked` datagrams as vanished in an outage.
async fn until_blocked(network: &PeerNetwork, blocked: u64) {
    let counted = async {
        while network.dropped().blocked < blocked {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("they vanish");
    assert_eq!(network.dropped().blocked, blocked);
}

#[tokio::test]
async fn a_datagram_takes_the_delays_of_both_links_and_stays_in_order() {
    let clock = Clock::real();
    let (up, down) = (clock.network(ALICE), clock.network(BOB));
    let (alice, mut bob) = (End::new(&up, BOB, &clock), End::new(&down, ALICE, &clock));
    up.set_profile(delayed(30));
    down.set_profile(Profile {
        jitter: Duration::from_millis(5),
        ..delayed(20)
    });
    let mut sent_at = Vec::new();
    for i in 0..100_u8 {
        sent_at.push(clock.now());
        alice.send(&bob, &[i]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for i in 0..100_u8 {
        let (at, contents) = bob.receive().await;
        assert_eq!(contents, [i]);
        let took = at.since(sent_at[usize::from(i)]);
        assert!(took >= Duration::from_millis(30 + 20 - 5), "{i} took {took:?}");
        assert!(took < PATIENCE, "{i} took {took:?}");
    }
    for end in [&alice, &bob] {
        assert_eq!(end.census.held(Holding::Timer), 0, "nothing is on its way");
    }
}

/// 4,000 datagrams at 20 %: the share strays from it by more than 4 standard errors, √(p(1−p)/n) = 0.63 %,
/// once in 15,800 times; and none vanishes that the link has not counted.
#[tokio::test]
async fn the_link_loses_the_share_asked_for_and_nothing_else_does() {
    const SENT: usize = 4_000;
    const BATCH: usize = 50;
    let clock = Clock::real();
    for sender_loses in [true, false] {
        let (up, down) = (clock.network(ALICE), clock.network(BOB));
        let (alice, mut bob) = (End::new(&up, BOB, &clock), End::new(&down, ALICE, &clock));
        let lossy = if sender_loses { &up } else { &down };
        lossy.set_profile(Profile {
            loss: "20%".parse().expect("a share"),
            ..Profile::none()
        });
        let mut received = 0;
        // In batches, so that the system's buffers lose nothing.
        for batch in 1..=SENT / BATCH {
            for _ in 0..BATCH {
                alice.send(&bob, b"datagram").await;
            }
            let all = async {
                while received + (lossy.dropped().lost as usize) < batch * BATCH {
                    match timeout(Duration::from_millis(1), bob.received.recv()).await {
                        Ok(datagram) => received += usize::from(datagram.is_some()),
                        Err(_) => tokio::task::yield_now().await,
                    }
                }
            };
            timeout(PATIENCE, all).await.expect("each arrives or is counted");
        }
        let lost = lossy.dropped().lost as usize;
        assert_eq!(received + lost, SENT);
        let share = lost as f64 / SENT as f64;
        let interval = 4.0 * (0.2 * 0.8 / SENT as f64).sqrt();
        assert!(
            (share - 0.2).abs() <= interval,
            "asked 20 %, measured {share}, which is not within ±{interval}"
        );
    }
}

#[tokio::test]
async fn the_link_is_as_slow_as_asked_and_its_queue_as_long() {
    let clock = Clock::real();
    let network = clock.network(ALICE);
    let (alice, mut bob) = (
        End::new(&network, BOB, &clock),
        End::new(&clock.network(BOB), ALICE, &clock),
    );
    network.set_profile(Profile {
        rate_bits_per_s: NonZeroU64::new(1_000_000),
        queue: Duration::from_millis(200),
        ..Profile::none()
    });
    // 1,250 bytes on the wire: 10 ms each.
    let started = clock.now();
    for i in 0..60 {
        alice.send(&bob, &[i; 1_250 - HEADERS]).await;
    }
    let sending = clock.now().since(started);
    let dropped = network.dropped().queue_full as usize;
    let arriving = 60 - dropped;
    // One is being sent, and the queue holds 20; it drains while we send.
    let drained = sending.as_millis() as usize / 10 + 1;
    assert!(
        (21..=21 + drained).contains(&arriving) || arriving == 60,
        "{arriving} were let in within {sending:?}"
    );
    for i in 0..arriving {
        let (at, _) = bob.receive().await;
        let least = Duration::from_millis(10) * (i as u32 + 1);
        assert!(
            at.since(started) >= least,
            "{i} came after {:?}",
            at.since(started)
        );
    }
}

/// The clock is turned by hand: "in between" is in between on any machine.
#[tokio::test]
async fn a_drop_loses_everything_in_between_and_nothing_after() {
    for sender_is_cut in [true, false] {
        let clock = Clock::turned();
        let (up, down) = (clock.network(ALICE), clock.network(BOB));
        let (mut alice, mut bob) = (End::new(&up, BOB, &clock), End::new(&down, ALICE, &clock));
        let cut = if sender_is_cut { &up } else { &down };
        cut.drop_network(Scope::Media, Remotes::All, ms(100), ms(400))
            .expect("room");
        clock.turn_to(99);
        alice.send(&bob, b"before").await;
        assert_eq!(bob.receive().await.1, b"before");
        for (i, now) in [100, 250, 399].into_iter().enumerate() {
            clock.turn_to(now);
            alice.send(&bob, b"in between").await;
            bob.send(&alice, b"in between").await;
            until_blocked(cut, 2 * (i as u64 + 1)).await;
        }
        clock.turn_to(400);
        alice.send(&bob, b"after").await;
        bob.send(&alice, b"after").await;
        assert_eq!(bob.receive_until(b"after").await, [b"after"]);
        assert_eq!(alice.receive_until(b"after").await, [b"after"]);
    }
}

#[tokio::test]
async fn what_is_on_its_way_when_the_network_goes_never_arrives() {
    let clock = Clock::turned();
    let network = clock.network(ALICE);
    let (alice, mut bob) = (
        End::new(&network, BOB, &clock),
        End::new(&clock.network(BOB), ALICE, &clock),
    );
    network.set_profile(delayed(20));
    alice.send(&bob, b"on its way").await;
    network
        .drop_network(Scope::Both, Remotes::All, ms(10), ms(1_000))
        .expect("room");
    clock.turn_to(30);
    until_blocked(&network, 1).await;
    clock.turn_to(1_000);
    alice.send(&bob, b"after").await;
    clock.turn_to(1_020);
    assert_eq!(bob.receive_until(b"after").await, [b"after"]);
}

#[tokio::test]
async fn named_remotes_are_cut_off_and_nobody_else() {
    let clock = Clock::turned();
    let network = clock.network(ALICE);
    let (to_bob, to_carol) = (End::new(&network, BOB, &clock), End::new(&network, CAROL, &clock));
    let mut bob = End::new(&clock.network(BOB), ALICE, &clock);
    let mut carol = End::new(&clock.network(CAROL), ALICE, &clock);
    network
        .drop_network(Scope::Media, Remotes::Only([BOB].into()), ms(0), ms(100))
        .expect("room");
    to_bob.send(&bob, b"in between").await;
    to_carol.send(&carol, b"to carol").await;
    assert_eq!(carol.receive().await.1, b"to carol");
    until_blocked(&network, 1).await;
    clock.turn_to(100);
    to_bob.send(&bob, b"after").await;
    assert_eq!(bob.receive_until(b"after").await, [b"after"]);
}

#[tokio::test]
async fn a_crashed_peer_hears_and_answers_nothing_for_ever() {
    let clock = Clock::turned();
    let network = clock.network(ALICE);
    let (mut alice, mut bob) = (
        End::new(&network, BOB, &clock),
        End::new(&clock.network(BOB), ALICE, &clock),
    );
    alice.send(&bob, b"before").await;
    assert_eq!(bob.receive().await.1, b"before");
    network.mute();
    for (i, now) in [0, 1_000, 100_000_000].into_iter().enumerate() {
        clock.turn_to(now);
        alice.send(&bob, b"an answer").await;
        bob.send(&alice, b"a question").await;
        until_blocked(&network, 2 * (i as u64 + 1)).await;
    }
    assert!(alice.received.try_recv().is_err() && bob.received.try_recv().is_err());
}

/// A handshake record of no body, as `FlightRepair` reads it.
fn handshake(kind: u8, seq: u8) -> Vec<u8> {
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
    record.extend([kind, 0, 0, 0, 0, seq, 0, 0, 0, 0, 0, 0]);
    record
}

/// What the link loses is repaired like what the real network loses, and the repair crosses the link.
#[tokio::test]
async fn a_dtls_flight_that_the_link_has_lost_is_repeated_across_it() {
    let clock = Clock::turned();
    let network = clock.network(ALICE);
    let (mut alice, mut bob) = (
        End::new(&network, BOB, &clock),
        End::new(&clock.network(BOB), ALICE, &clock),
    );
    bob.send(&alice, &handshake(1, 0)).await;
    alice.receive().await;
    network
        .drop_network(Scope::Media, Remotes::All, ms(0), ms(100))
        .expect("room");
    alice.send(&bob, &handshake(2, 0)).await;
    until_blocked(&network, 1).await;

    clock.turn_to(100);
    network.set_profile(delayed(20));
    bob.send(&alice, &handshake(1, 0)).await;
    alice.until_timers(1).await;
    // It comes out at 120, and the copy goes in then, to come out at 140.
    clock.turn_to(120);
    let repeated = timeout(PATIENCE, alice.repeats.notified()).await;
    repeated.expect("it is repeated");
    assert!(alice.received.try_recv().is_err(), "the stack had it");
    assert!(bob.received.try_recv().is_err(), "the copy is on its way");
    clock.turn_to(140);
    assert_eq!(bob.receive().await.1, handshake(2, 0));
}

#[tokio::test]
async fn a_closed_socket_leaves_no_timer() {
    let clock = Clock::real();
    let network = clock.network(ALICE);
    let (alice, bob) = (
        End::new(&network, BOB, &clock),
        End::new(&clock.network(BOB), ALICE, &clock),
    );
    network.set_profile(delayed(3_600_000));
    alice.send(&bob, b"held").await;
    alice.until_timers(1).await;
    let census = alice.census.clone();
    drop(alice);
    let empty = async {
        while !census.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, empty).await.expect("nothing is left");
}
