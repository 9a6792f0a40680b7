//! The same datagrams at the same instants have the same fate in every world: the model alone says it, the sockets of
//! the local world do it, and those of the simulated world do it.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reference_server::room::HubConfig;
use rtcstorm::{
    base::{Instant, PeerId, RootSeed, Seat},
    impair::{AccessLink, Carrier, Delivery, Distribution, GilbertElliott, Loss, Profile},
    sim::{Schedule, SimWorld},
    world::{Census, ConnectionRuntime, Direction, PeerNetwork, RemotePath, Tricks, World},
};
use webrtc::runtime::{AsyncUdpSocket, Runtime, TokioRuntime};

const ALICE: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);
/// IPv4 and UDP headers.
const HEADERS: usize = 28;
const DATAGRAMS: usize = 200;
/// Looks for what must happen, a millisecond apart.
const PATIENCE: u32 = 60_000;

/// A clock that the test turns, in µs.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn turn_to(&self, micros: u64) {
        self.0.store(micros, Ordering::Relaxed);
    }

    /// The network of a peer, with what is between it and each other one.
    fn network(&self, peer: PeerId, link: AccessLink, beyond: AccessLink) -> Arc<PeerNetwork> {
        let read = self.0.clone();
        let now = move || Instant::from_micros(read.load(Ordering::Relaxed));
        let network = PeerNetwork::new(RootSeed(11), Seat::of_whole(peer), now);
        let remote = if peer == ALICE { BOB } else { ALICE };
        network.set(link, &[(remote, beyond)]);
        Arc::new(network)
    }
}

/// Everything at once; what takes long enough that nothing comes out while datagrams still go in.
fn everything() -> AccessLink {
    AccessLink::both(Profile {
        delay: Duration::from_secs(2),
        jitter: Duration::from_millis(300),
        distribution: Distribution::Pareto,
        loss: Loss::Bursts(GilbertElliott {
            good_to_bad: "5%".parse().expect("a share"),
            bad_to_good: "25%".parse().expect("a share"),
            in_good: "1%".parse().expect("a share"),
            in_bad: "80%".parse().expect("a share"),
        }),
        duplicate: "20%".parse().expect("a share"),
        corrupt: "20%".parse().expect("a share"),
        rate_bits_per_s: std::num::NonZeroU64::new(300_000),
        queue: Duration::from_millis(150),
        ..Profile::none()
    })
}

/// The way beyond it lets some overtake.
fn overtaking() -> AccessLink {
    AccessLink::both(Profile {
        delay: Duration::from_secs(1),
        reorder: "20%".parse().expect("a share"),
        loss: "3%".parse().expect("a share"),
        ..Profile::none()
    })
}

fn datagram(i: usize) -> Vec<u8> {
    let mut contents = vec![i as u8; 40 + i % 50];
    contents[0] = 0xff;
    contents
}

/// When each datagram goes in, in µs: up, one after the other; down, all at once.
fn instant(direction: Direction, i: usize) -> u64 {
    match direction {
        Direction::Up => 1_000 * i as u64 + (i * i) as u64 % 700,
        Direction::Down => 5_000,
    }
}

/// What the model alone says: the datagrams in the order in which they come out, as they do. And how many of those that go
/// in have been counted when the last of them is in.
fn foretold(direction: Direction) -> (Vec<Vec<u8>>, Arc<PeerNetwork>) {
    let clock = Clock::default();
    let network = clock.network(ALICE, everything(), overtaking());
    let mut out: Vec<(Delivery, Vec<u8>)> = Vec::new();
    for i in 0..DATAGRAMS {
        clock.turn_to(instant(direction, i));
        let contents = datagram(i);
        for delivery in network
            .admit(direction, Carrier::Udp, BOB, contents.len() + HEADERS)
            .into_iter()
            .flatten()
        {
            let mut crossed = contents.clone();
            if let Some(flip) = delivery.flip {
                flip.apply(&mut crossed);
            }
            out.push((delivery, crossed));
        }
    }
    // What comes out in one instant comes as it went in.
    out.sort_by_key(|(delivery, _)| delivery.at);
    (out.into_iter().map(|(_, contents)| contents).collect(), network)
}

struct End {
    socket: Arc<dyn AsyncUdpSocket>,
    addr: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl End {
    fn new(runtime: &Arc<dyn Runtime>, network: &Arc<PeerNetwork>, remote: PeerId) -> Self {
        let path = RemotePath {
            network: network.clone(),
            remote,
        };
        let connection = ConnectionRuntime::new(
            runtime.clone(),
            Tricks::default(),
            Arc::new(Census::default()),
            Some(path),
            || {},
        );
        let bound = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let addr = bound.local_addr().expect("bound");
        let socket = connection.wrap_udp_socket(bound).expect("a socket");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (polled, into) = (socket.clone(), received.clone());
        drop(runtime.spawn(Box::pin(async move {
            let mut buf = [0; 2_000];
            while let Ok((length, _)) = polled.recv_from(&mut buf).await {
                into.lock().expect("nobody panics").push(buf[..length].to_vec());
            }
        })));
        Self {
            socket,
            addr,
            received,
        }
    }

    fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().expect("nobody panics").clone()
    }
}

/// What comes out of sockets of `runtime`, and in which order; the other end has no link. The last of what goes down is counted
/// as dropped, so it is in when the counts are those of the model.
async fn played(
    runtime: Arc<dyn Runtime>,
    direction: Direction,
    expected: usize,
    model: Arc<PeerNetwork>,
) -> Vec<Vec<u8>> {
    let clock = Clock::default();
    let network = clock.network(ALICE, everything(), overtaking());
    let plain = clock.network(BOB, AccessLink::none(), AccessLink::none());
    let alice = End::new(&runtime, &network, BOB);
    let bob = End::new(&runtime, &plain, ALICE);
    let (from, to) = match direction {
        Direction::Up => (&alice, &bob),
        Direction::Down => (&bob, &alice),
    };
    for i in 0..DATAGRAMS {
        clock.turn_to(instant(direction, i));
        let contents = datagram(i);
        let sent = from.socket.send_to(&contents, to.addr).await;
        assert_eq!(sent.expect("sent"), contents.len());
    }
    // Everything is in.
    let told = |network: &PeerNetwork| (network.dropped(), network.altered());
    until(&runtime, || told(&network) == told(&model)).await;
    clock.turn_to(60_000_000);
    until(&runtime, || to.received().len() >= expected).await;
    to.received()
}

async fn until(runtime: &Arc<dyn Runtime>, holds: impl Fn() -> bool) {
    for _ in 0..PATIENCE {
        if holds() {
            return;
        }
        let pause: Pin<Box<dyn Future<Output = ()> + Send>> = runtime.sleep(Duration::from_millis(1));
        pause.await;
    }
    panic!("it does not come to be");
}

#[test]
fn the_model_and_the_sockets_of_both_worlds_agree_on_every_datagram() {
    for direction in [Direction::Up, Direction::Down] {
        let (foretold, model) = foretold(direction);
        let (dropped, altered) = (model.dropped(), model.altered());
        assert!(dropped.lost > 5 && dropped.queue_full > 5, "{dropped:?}");
        assert!(
            altered.duplicated > 5 && altered.corrupted > 5 && altered.reordered > 5,
            "{altered:?}"
        );
        let expected = foretold.len();

        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let local = tokio.expect("a runtime").block_on(played(
            Arc::new(TokioRuntime),
            direction,
            expected,
            model.clone(),
        ));
        assert_eq!(local, foretold, "local, {direction:?}");

        let seed = RootSeed(11);
        let world = SimWorld::new(HubConfig::default(), [7; 32], Schedule::Fifo, seed);
        let sim = world.block_on(played(world.rtc_runtime(), direction, expected, model));
        assert_eq!(sim.expect("it goes on"), foretold, "sim, {direction:?}");
    }
}
