use std::{
    cell::RefCell,
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::task::AtomicWaker;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, Transmit};

use super::queue::{Incoming, Outgoing, Queue};
use crate::{
    base::Instant,
    impair::Carrier,
    impair::Delivery,
    world::{
        Census, Counted, Direction, Holding, RemotePath, hand_up, is_stream_address,
        network::{Blame, TurnStreams},
        segments,
    },
};

/// Reads from the system before others get their turn, when none of them brings what can be handed up.
const MAX_READS: usize = 64;
/// The largest datagram, and the most that the system joins into one read (UDP GRO).
const MAX_READ_BYTES: usize = 65_536;
/// IP and UDP headers (RFC 791, RFC 8200, RFC 768).
const OVERHEAD_V4_BYTES: usize = 28;
const OVERHEAD_V6_BYTES: usize = 48;

thread_local! {
    /// What the system is read into. The system may join datagrams of one sender up to 64 KiB; the buffer of
    /// the driver holds one, and what did not fit would be lost in silence. Every connection having a buffer
    /// of that size would be 0.1 MB each.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A UDP socket and the link that its datagrams cross.
///
/// It has no task: whoever polls for datagrams (the driver always does) keeps the link going. Outgoing
/// datagrams that are not due yet are held; the poll for incoming ones sends them, and its waker is told
/// when the next is due. So a link costs one timer, and only while something is held. The price: what is
/// still held when the socket is dropped never arrives. `close()` of `webrtc` lingers for 100 ms, so the
/// goodbye of a connection gets lost on links that are slower than that.
///
/// Timers are as coarse as the world's: with tokio's, a datagram comes out up to about 1 ms late on each
/// link, never early.
pub(in crate::world) struct Wire {
    inner: Arc<dyn AsyncUdpSocket>,
    runtime: Arc<dyn Runtime>,
    census: Arc<Census>,
    path: Option<RemotePath>,
    /// The moves of the machine when this socket was bound: after another one it is of a network that was left.
    moves: u32,
    /// The upheavals of the machine that this socket has lived through.
    upheavals: AtomicU32,
    /// Something is held: even if the link does nothing any more, nobody may overtake that.
    holding: AtomicBool,
    held: Mutex<Held>,
    /// Who polls for datagrams.
    receiver: AtomicWaker,
}

#[derive(Default)]
struct Held {
    outgoing: Queue<Outgoing>,
    incoming: Queue<Incoming>,
    timer: Option<Timer>,
    /// What goes to a TURN server over TCP, once something has.
    streams: Option<TurnStreams>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.incoming.is_empty()
    }

    /// A datagram of so many bytes to or from `other_end` enters the link.
    fn admit(
        &mut self,
        path: &RemotePath,
        direction: Direction,
        other_end: SocketAddr,
        length: usize,
    ) -> [Option<Delivery>; 2] {
        match carrier_to(other_end) {
            Carrier::Udp => {
                let bytes = length + overhead_bytes(other_end);
                path.network.admit(direction, Carrier::Udp, path.remote, bytes)
            }
            Carrier::Tcp => {
                let streams = self
                    .streams
                    .get_or_insert_with(|| path.network.turn_streams(path.remote));
                path.network
                    .admit_to_stream(streams, direction, path.remote, length)
            }
        }
    }
}

/// Wakes the receiver at `due`.
struct Timer {
    due: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
    _counted: Counted,
}

impl Wire {
    pub fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        runtime: Arc<dyn Runtime>,
        census: Arc<Census>,
        path: Option<RemotePath>,
    ) -> Self {
        Self {
            inner,
            runtime,
            census,
            moves: path.as_ref().map_or(0, |path| path.network.host().moves()),
            upheavals: AtomicU32::new(path.as_ref().map_or(0, |path| path.network.host().upheavals())),
            path,
            holding: AtomicBool::new(false),
            held: Mutex::default(),
            receiver: AtomicWaker::new(),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Sends, as far as anybody can tell: what the link loses is sent, too.
    pub fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if let Some(path) = self.path.as_ref().filter(|path| self.is_left_behind(path)) {
            path.network.blame(Blame::Outage);
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        let Some(path) = self.path.as_ref().filter(|path| self.crosses(path)) else {
            return self.inner.poll_send(cx, transmit);
        };
        let held = &mut *self.held();
        for contents in segments(transmit) {
            let deliveries = held.admit(path, Direction::Up, transmit.destination, contents.len());
            for delivery in deliveries.into_iter().flatten() {
                let datagram = Outgoing {
                    to: transmit.destination,
                    from: transmit.src_ip,
                    ecn: transmit.ecn,
                    contents: crossed(&delivery, contents),
                };
                if !held.outgoing.push(delivery.at, datagram) {
                    path.network.blame(Blame::Overflow);
                }
            }
        }
        self.send_due(held, path.network.now(), &mut Context::from_waker(Waker::noop()));
        self.holding.store(!held.is_empty(), Ordering::Relaxed);
        if !held.outgoing.is_empty() {
            // The receiver arms the timer, or waits for the socket to take more.
            self.receiver.wake();
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    /// Receives what has crossed the link, and keeps the link going.
    pub fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let direct = match &self.path {
            Some(path) => {
                self.note_receiver(cx);
                !self.crosses(path)
            }
            None => !self.holding.load(Ordering::Relaxed),
        };
        if let Some(path) = self.path.as_ref().filter(|path| self.is_left_behind(path)) {
            return self.discard(path, cx);
        }
        if direct && self.inner.max_gro_segments() == 1 {
            return self.inner.poll_recv(cx, bufs, meta);
        }
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let held = &mut *self.held();
        let received = if direct {
            self.receive_directly(held, cx, buf, meta)
        } else {
            self.pump(held, cx, buf, meta)
        };
        self.holding.store(!held.is_empty(), Ordering::Relaxed);
        received.map(|result| result.map(|()| 1))
    }

    /// Whether datagrams have to cross the link.
    fn crosses(&self, path: &RemotePath) -> bool {
        self.note_upheavals(path);
        path.network.is_impaired() || self.holding.load(Ordering::Relaxed)
    }

    /// Whether the machine is in another network than this socket: nothing passes any more, and nobody is told.
    fn is_left_behind(&self, path: &RemotePath) -> bool {
        self.moves != path.network.host().moves()
    }

    /// Takes what still arrives, and nobody gets it.
    fn discard<T>(&self, path: &RemotePath, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        for _ in 0..MAX_READS {
            let read = self.read(cx, |read, contents| {
                for _ in contents.chunks(read.stride.max(1)) {
                    path.network.blame(Blame::Outage);
                }
            });
            if read.is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What was on its way when the machine moved or fell asleep is lost.
    fn note_upheavals(&self, path: &RemotePath) {
        let upheavals = path.network.host().upheavals();
        if self.upheavals.load(Ordering::Relaxed) == upheavals {
            return;
        }
        self.upheavals.store(upheavals, Ordering::Relaxed);
        let held = std::mem::take(&mut *self.held());
        for _ in 0..held.outgoing.len() + held.incoming.len() {
            path.network.blame(Blame::Outage);
        }
    }

    /// The driver also looks for more datagrams without wanting to be woken; that must not make us forget
    /// whom to wake.
    fn note_receiver(&self, cx: &Context<'_>) {
        if !cx.waker().will_wake(Waker::noop()) {
            self.receiver.register(cx.waker());
        }
    }

    /// A read that crosses no link; only what the system has joined is taken apart.
    fn receive_directly(
        &self,
        held: &mut Held,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        meta: &mut RecvMeta,
    ) -> Poll<io::Result<()>> {
        self.read(cx, |read, contents| {
            let mut segments = contents.chunks(read.stride.max(1));
            hand_up(read, segments.next().unwrap_or_default(), buf, meta);
            for segment in segments {
                // Never full: a read is 64 KiB at most, and nothing was held before.
                held.incoming.push(Instant::START, incoming(read, segment));
            }
        })
    }

    fn pump(
        &self,
        held: &mut Held,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        meta: &mut RecvMeta,
    ) -> Poll<io::Result<()>> {
        let mut reads = 0;
        loop {
            let now = self.now();
            let all_sent = self.send_due(held, now, cx);
            while let Some(datagram) = held.incoming.pop_due(now) {
                if self.lets_out(Direction::Down, datagram.meta.addr) {
                    hand_up(&datagram.meta, &datagram.contents, buf, meta);
                    return Poll::Ready(Ok(()));
                }
            }
            // Only when nothing can be handed up: what the system holds is bounded by the system.
            if reads == MAX_READS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            reads += 1;
            match self.read(cx, |read, contents| self.take_in(held, read, contents)) {
                Poll::Ready(Ok(())) => continue,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            // What the socket does not take now, it will ask for: its readiness wakes us, no timer.
            let outgoing_due = held.outgoing.due_at().filter(|_| all_sent);
            let due = [outgoing_due, held.incoming.due_at()].into_iter().flatten().min();
            if self.poll_timer(held, due, now, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// What arrives from the system enters the link.
    fn take_in(&self, held: &mut Held, read: &RecvMeta, contents: &[u8]) {
        for segment in contents.chunks(read.stride.max(1)) {
            let deliveries = match &self.path {
                Some(path) => held.admit(path, Direction::Down, read.addr, segment.len()),
                None => [Some(Delivery::at(Instant::START)), None],
            };
            for delivery in deliveries.into_iter().flatten() {
                let datagram = Incoming {
                    meta: *read,
                    contents: crossed(&delivery, segment),
                };
                if !held.incoming.push(delivery.at, datagram)
                    && let Some(path) = &self.path
                {
                    path.network.blame(Blame::Overflow);
                }
            }
        }
    }

    /// Sends what is due; `false` if the socket does not take all of it, then `cx` is woken when it does.
    fn send_due(&self, held: &mut Held, now: Instant, cx: &mut Context<'_>) -> bool {
        while let Some(datagram) = held.outgoing.first_due(now) {
            if self.lets_out(Direction::Up, datagram.to) {
                let transmit = Transmit {
                    destination: datagram.to,
                    ecn: datagram.ecn,
                    contents: &datagram.contents,
                    segment_size: None,
                    src_ip: datagram.from,
                };
                match self.inner.poll_send(cx, &transmit) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(_)) => {}
                    // Who sent it has long been told that it is on its way: one datagram lost.
                    Poll::Ready(Err(error)) => tracing::debug!(%error, "a datagram was not sent"),
                }
            }
            held.outgoing.pop_due(now);
        }
        true
    }

    /// Completes at `due`; never, if nothing is due.
    fn poll_timer(
        &self,
        held: &mut Held,
        due: Option<Instant>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(due) = due else {
            held.timer = None;
            return Poll::Pending;
        };
        // One that fires too early is only set again.
        let timer = match held.timer.take() {
            Some(timer) if timer.due <= due => timer,
            _ => Timer {
                due,
                sleep: self.runtime.sleep(due.since(now)),
                _counted: self.census.count(Holding::Timer),
            },
        };
        let timer = held.timer.insert(timer);
        let fired = timer.sleep.as_mut().poll(cx);
        if fired.is_ready() {
            held.timer = None;
        }
        fired
    }

    /// Reads once from the system.
    fn read(&self, cx: &mut Context<'_>, take: impl FnOnce(&RecvMeta, &[u8])) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(MAX_READ_BYTES, 0);
            let mut meta = [RecvMeta::default()];
            let received = self
                .inner
                .poll_recv(cx, &mut [IoSliceMut::new(scratch)], &mut meta);
            received.map(|result| result.map(|_| take(&meta[0], &scratch[..meta[0].len])))
        })
    }

    fn now(&self) -> Instant {
        self.path
            .as_ref()
            .map_or(Instant::START, |path| path.network.now())
    }

    fn lets_out(&self, direction: Direction, other_end: SocketAddr) -> bool {
        self.path.as_ref().is_none_or(|path| {
            path.network
                .lets_out(direction, carrier_to(other_end), path.remote)
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What takes a datagram to or from `other_end`.
fn carrier_to(other_end: SocketAddr) -> Carrier {
    match is_stream_address(other_end) {
        true => Carrier::Tcp,
        false => Carrier::Udp,
    }
}

fn overhead_bytes(remote: SocketAddr) -> usize {
    if remote.is_ipv4() {
        OVERHEAD_V4_BYTES
    } else {
        OVERHEAD_V6_BYTES
    }
}

/// What the link has made of a datagram.
fn crossed(delivery: &Delivery, contents: &[u8]) -> Vec<u8> {
    let mut contents = contents.to_vec();
    if let Some(flip) = delivery.flip {
        flip.apply(&mut contents);
    }
    contents
}

fn incoming(read: &RecvMeta, contents: &[u8]) -> Incoming {
    Incoming {
        meta: *read,
        contents: contents.to_vec(),
    }
}
