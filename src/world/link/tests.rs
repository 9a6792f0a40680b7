//! The wire over a socket in memory, on a clock that the test turns.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, TokioRuntime, Transmit};

use super::{Wire, queue::MAX_HELD};
use crate::{
    base::{Instant, PeerId, RootSeed, Seat},
    impair::{Profile, Remotes, Scope},
    world::{Census, Holding, PeerNetwork, RemotePath, stream_address},
};

/// What the test hands to the wire, and what it gets.
#[derive(Debug, Default)]
struct Memory {
    /// A read: datagrams joined by the system, all as long as the first number but for the last.
    arrived: Mutex<VecDeque<(usize, Vec<u8>)>>,
    sent: Mutex<Vec<Vec<u8>>>,
    full: AtomicBool,
    gro: bool,
}

impl AsyncUdpSocket for Memory {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(remote())
    }

    fn max_gro_segments(&self) -> usize {
        if self.gro { 64 } else { 1 }
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.full.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.sent.lock().expect("sent").push(transmit.contents.to_vec());
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Some((stride, bytes)) = self.arrived.lock().expect("arrived").pop_front() else {
            return Poll::Pending;
        };
        let length = bytes.len().min(bufs[0].len());
        bufs[0][..length].copy_from_slice(&bytes[..length]);
        meta[0].addr = remote();
        meta[0].len = length;
        meta[0].stride = stride;
        Poll::Ready(Ok(1))
    }
}

#[derive(Default)]
struct CountsWakes(AtomicU64);

impl Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Bench {
    wire: Wire,
    memory: Arc<Memory>,
    network: Arc<PeerNetwork>,
    now_ms: Arc<AtomicU64>,
    census: Arc<Census>,
    wakes: Arc<CountsWakes>,
}

fn remote() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

impl Bench {
    fn new(profile: Profile) -> Self {
        Self::over(profile, Memory::default())
    }

    fn over(profile: Profile, memory: Memory) -> Self {
        let now_ms = Arc::new(AtomicU64::new(0));
        let clock = now_ms.clone();
        let network = Arc::new(PeerNetwork::new(
            RootSeed(7),
            Seat::of_whole(PeerId(0)),
            move || Instant::from_millis(clock.load(Ordering::Relaxed)),
        ));
        network.set_profile(profile);
        let (memory, census) = (Arc::new(memory), Arc::new(Census::default()));
        let path = RemotePath {
            network: network.clone(),
            remote: PeerId(1),
        };
        Self {
            wire: Wire::new(memory.clone(), Arc::new(TokioRuntime), census.clone(), Some(path)),
            memory,
            network,
            now_ms,
            census,
            wakes: Arc::default(),
        }
    }

    fn turn_clock_to(&self, millis: u64) {
        self.now_ms.store(millis, Ordering::Relaxed);
    }

    fn send(&self, contents: &[u8]) {
        self.send_to(remote(), contents);
    }

    fn send_to(&self, destination: SocketAddr, contents: &[u8]) {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        let sent = self
            .wire
            .poll_send(&mut Context::from_waker(Waker::noop()), &transmit);
        assert!(matches!(sent, Poll::Ready(Ok(length)) if length == contents.len()));
    }

    fn arrive(&self, stride: usize, bytes: &[u8]) {
        let mut arrived = self.memory.arrived.lock().expect("arrived");
        arrived.push_back((stride, bytes.to_vec()));
    }

    fn receive(&self) -> Option<Vec<u8>> {
        self.receive_with(&Waker::from(self.wakes.clone()))
    }

    fn receive_with(&self, waker: &Waker) -> Option<Vec<u8>> {
        let (mut buf, mut meta) = ([0; 1_500], [RecvMeta::default()]);
        let mut cx = Context::from_waker(waker);
        match self
            .wire
            .poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buf)], &mut meta)
        {
            Poll::Ready(received) => {
                assert_eq!(received.expect("no error"), 1);
                assert_eq!(meta[0].stride, meta[0].len, "one datagram at a time");
                Some(buf[..meta[0].len].to_vec())
            }
            Poll::Pending => None,
        }
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.memory.sent.lock().expect("sent"))
    }

    fn wakes(&self) -> u64 {
        self.wakes.0.load(Ordering::Relaxed)
    }

    /// Timers run on real time.
    async fn until_wakes(&self, wakes: u64) {
        let woken = async {
            while self.wakes() < wakes {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let woken = tokio::time::timeout(Duration::from_secs(60), woken).await;
        woken.expect("the timer fires");
    }
}

fn delayed(millis: u64) -> Profile {
    Profile {
        delay: Duration::from_millis(millis),
        ..Profile::none()
    }
}

#[tokio::test]
async fn datagrams_are_held_until_they_are_due_both_ways() {
    let bench = Bench::new(delayed(50));
    bench.arrive(1, b"a");
    assert_eq!(bench.receive(), None);
    bench.turn_clock_to(10);
    bench.send(b"b");
    assert_eq!(bench.census.held(Holding::Timer), 1);
    bench.turn_clock_to(49);
    assert_eq!((bench.receive(), bench.sent().len()), (None, 0));
    bench.turn_clock_to(50);
    assert_eq!((bench.receive(), bench.sent().len()), (Some(b"a".to_vec()), 0));
    bench.turn_clock_to(60);
    assert_eq!((bench.receive(), bench.sent()), (None, vec![b"b".to_vec()]));
    assert_eq!(bench.census.held(Holding::Timer), 0, "nothing is due any more");
}

#[tokio::test]
async fn a_held_datagram_wakes_who_polls_even_after_a_probe_without_a_waker() {
    let bench = Bench::new(Profile::none());
    assert_eq!(bench.receive(), None);
    bench.network.set_profile(delayed(50));
    assert_eq!(bench.receive_with(Waker::noop()), None);
    bench.send(b"a");
    assert_eq!(bench.wakes(), 1, "the timer is to be armed");
    // The driver polls once more, then only the timer can wake it: on a real clock, after 50 ms.
    assert_eq!(bench.receive(), None);
    assert_eq!(bench.receive_with(Waker::noop()), None);
    assert_eq!(bench.receive(), None);
    bench.until_wakes(2).await;
}

#[tokio::test]
async fn a_datagram_that_is_due_sooner_brings_the_timer_forward() {
    let bench = Bench::new(delayed(3_600_000));
    bench.arrive(1, b"a");
    assert_eq!(bench.receive(), None);
    // The other direction has nothing on its way that could hold this one up.
    bench.network.set_profile(delayed(1));
    bench.send(b"b");
    assert_eq!((bench.receive(), bench.wakes()), (None, 1));
    bench.until_wakes(2).await;
}

#[tokio::test]
async fn nothing_overtakes_what_is_held_when_the_link_gets_better() {
    let bench = Bench::new(delayed(50));
    bench.send(b"a");
    bench.arrive(1, b"x");
    assert_eq!(bench.receive(), None);
    bench.network.set_profile(Profile::none());
    bench.turn_clock_to(10);
    bench.send(b"b");
    bench.arrive(1, b"y");
    assert_eq!((bench.receive(), bench.sent().len()), (None, 0));
    bench.turn_clock_to(50);
    assert_eq!(bench.receive(), Some(b"x".to_vec()));
    assert_eq!(bench.receive(), Some(b"y".to_vec()));
    assert_eq!(bench.sent(), [b"a", b"b"]);
    // From here on the link is not asked any more.
    bench.send(b"c");
    assert_eq!(bench.sent(), [b"c"]);
}

#[tokio::test]
async fn a_socket_that_takes_no_more_delays_without_a_timer_and_loses_nothing() {
    let bench = Bench::new(delayed(50));
    bench.send(b"a");
    bench.memory.full.store(true, Ordering::Relaxed);
    bench.turn_clock_to(50);
    assert_eq!(bench.receive(), None);
    assert_eq!(
        bench.census.held(Holding::Timer),
        0,
        "it would fire again and again"
    );
    bench.memory.full.store(false, Ordering::Relaxed);
    assert_eq!((bench.receive(), bench.sent()), (None, vec![b"a".to_vec()]));
}

#[tokio::test]
async fn what_a_socket_holds_is_bounded_and_the_rest_counted() {
    let bench = Bench::new(delayed(50));
    for _ in 0..MAX_HELD + 3 {
        bench.send(b"a");
    }
    assert_eq!(bench.network.dropped().overflowed, 3);
    bench.turn_clock_to(50);
    bench.receive();
    assert_eq!(bench.sent().len(), MAX_HELD);
}

#[tokio::test]
async fn what_the_system_has_joined_is_handed_up_one_by_one() {
    let joined: Vec<u8> = (0..40_u8).flat_map(|i| [i; 1_000]).chain([40; 7]).collect();
    for profile in [Profile::none(), delayed(50)] {
        let memory = Memory {
            gro: true,
            ..Memory::default()
        };
        let bench = Bench::over(profile, memory);
        bench.arrive(1_000, &joined);
        bench.arrive(1, b"z");
        if !profile.is_none() {
            assert_eq!(bench.receive(), None);
            bench.turn_clock_to(50);
        }
        for i in 0..40 {
            assert_eq!(bench.receive(), Some(vec![i; 1_000]));
        }
        assert_eq!(bench.receive(), Some(vec![40; 7]));
        assert_eq!(bench.receive(), Some(b"z".to_vec()));
        assert_eq!(bench.receive(), None);
    }
}

#[tokio::test]
async fn nothing_passes_through_a_socket_of_a_network_that_was_left_and_what_was_on_its_way_is_lost() {
    for profile in [Profile::none(), delayed(50)] {
        let bench = Bench::new(profile);
        bench.send(b"before");
        bench.arrive(6, b"before");
        let got = bench.receive();
        let sent = bench.sent();
        let on_their_way = if profile.is_none() { 0 } else { 2 };
        assert_eq!(
            (got.is_none(), sent.is_empty()),
            (on_their_way > 0, on_their_way > 0)
        );
        bench.network.host().roam();
        bench.send(b"after");
        bench.arrive(5, b"after");
        bench.turn_clock_to(1_000);
        assert_eq!((bench.receive(), bench.sent()), (None, Vec::new()));
        assert_eq!(bench.network.dropped().blocked, 2 + on_their_way);
    }
}

#[tokio::test]
async fn what_was_on_its_way_when_the_machine_fell_asleep_is_lost() {
    let bench = Bench::new(delayed(50));
    bench.send(b"a");
    bench.arrive(1, b"b");
    assert_eq!(bench.receive(), None);
    bench.network.host().fall_asleep();
    bench.network.host().wake(Duration::ZERO);
    bench.turn_clock_to(1_000);
    assert_eq!((bench.receive(), bench.sent()), (None, Vec::new()));
    assert_eq!(bench.network.dropped().blocked, 2);
    bench.send(b"c");
    bench.turn_clock_to(1_050);
    assert_eq!((bench.receive(), bench.sent()), (None, vec![b"c".to_vec()]));
}

#[test]
fn blocked_udp_stops_datagrams_but_not_those_to_a_server_behind_tcp() {
    let bench = Bench::new(Profile::none());
    let until = Instant::from_millis(1_000);
    bench
        .network
        .drop_network(Scope::Udp, Remotes::All, Instant::START, until)
        .expect("room");
    bench.send(b"udp");
    assert_eq!(bench.sent(), Vec::<Vec<u8>>::new());
    let transmit = Transmit {
        destination: SocketAddr::from(([240, 83, 0, 1], 3478)),
        ecn: None,
        contents: b"tcp",
        segment_size: None,
        src_ip: None,
    };
    let mut cx = Context::from_waker(Waker::noop());
    assert!(bench.wire.poll_send(&mut cx, &transmit).is_ready());
    assert_eq!(bench.sent(), [b"tcp"]);
}

/// 100 messages, each lost with 30 %: without repetition 30 would be missing.
#[tokio::test]
async fn what_goes_to_a_turn_server_over_tcp_is_late_where_a_datagram_is_lost() {
    let lossy = Profile {
        loss: "30%".parse().expect("a share"),
        ..delayed(10)
    };
    let play = |to: SocketAddr| {
        let bench = Bench::new(lossy);
        let mut late = 0;
        let mut sent = Vec::new();
        for number in 0..100u8 {
            bench.turn_clock_to(u64::from(number) * 100);
            bench.send_to(to, &[number]);
            bench.turn_clock_to(u64::from(number) * 100 + 10);
            bench.receive();
            let out = bench.sent();
            late += usize::from(out.last() != Some(&vec![number]));
            sent.extend(out);
        }
        bench.turn_clock_to(1_000_000);
        bench.receive();
        sent.extend(bench.sent());
        (sent, late, bench.network.dropped().lost)
    };
    let (sent, late, lost) = play(stream_address(0, 3478));
    assert_eq!(sent, (0..100u8).map(|number| vec![number]).collect::<Vec<_>>());
    assert!(late >= 30 && lost == 0, "{late} late, {lost} lost");
    let (sent, late, lost) = play(remote());
    assert!(
        sent.len() == 100 - late && lost == late as u64,
        "datagrams are lost"
    );
    assert!((10..50).contains(&late), "{late}");
}

#[tokio::test]
async fn a_short_outage_delays_a_stream_and_swallows_datagrams() {
    let bench = Bench::new(Profile::none());
    bench
        .network
        .drop_network(
            Scope::Media,
            Remotes::All,
            Instant::from_millis(100),
            Instant::from_millis(250),
        )
        .expect("room");
    bench.turn_clock_to(120);
    bench.send_to(stream_address(0, 3478), b"stream");
    bench.send(b"datagram");
    // A time-out of 200 ms after 120.
    bench.turn_clock_to(319);
    bench.receive();
    assert_eq!(bench.sent().len(), 0);
    bench.turn_clock_to(320);
    bench.receive();
    assert_eq!(bench.sent(), [b"stream".to_vec()]);
    assert_eq!(bench.network.dropped().blocked, 1);
}

#[tokio::test]
async fn nothing_of_a_stream_comes_out_after_a_crash() {
    let bench = Bench::new(delayed(50));
    bench.send_to(stream_address(0, 3478), b"under way");
    bench.network.mute();
    bench.send_to(stream_address(0, 3478), b"after it");
    bench.turn_clock_to(1_000_000);
    bench.receive();
    assert_eq!(bench.sent().len(), 0);
    assert_eq!(bench.network.dropped().blocked, 2);
}
