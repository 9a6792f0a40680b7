use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::{Context, Poll},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{Counted, FlightRepair, Holding, Received, link::Wire, runtime::State};

/// How often the driver's loop turns until all that a datagram brings is out. Through TURN it is unpacked
/// in one turn, and its answer leaves the TURN client's queue in the turn after it was made.
fn turns_after(datagram: &[u8]) -> u8 {
    // ChannelData, or a Data indication (RFC 8656).
    match datagram {
        [0x40..=0x4f, ..] | [0x00, 0x17, ..] => 3,
        _ => 1,
    }
}

/// Datagrams that are kept from the stack before others get their turn.
const MAX_KEPT_BACK: usize = 64;

/// The UDP socket of a connection: marks receives and repairs flights, above the link that its datagrams
/// cross. So a flight that the link loses is repaired like one that the real network loses, its copies cross
/// the link, and a receive is one when the datagram comes out of the link.
pub(super) struct Socket {
    wire: Wire,
    state: Arc<State>,
    repair: Mutex<FlightRepair>,
    _counted: Counted,
}

impl Socket {
    pub fn new(wire: Wire, state: Arc<State>) -> Self {
        Self {
            wire,
            repair: Mutex::default(),
            _counted: state.census.count(Holding::Socket),
            state,
        }
    }

    fn repair(&self) -> MutexGuard<'_, FlightRepair> {
        self.repair.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives what the stack is to see.
    fn poll_repaired(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if !self.state.tricks.repair_flights || bufs.is_empty() || meta.is_empty() {
            return self.wire.poll_recv(cx, bufs, meta);
        }
        for _ in 0..MAX_KEPT_BACK {
            // One at a time: what is kept back must not leave a gap.
            let received = self.wire.poll_recv(cx, &mut bufs[..1], &mut meta[..1]);
            let Poll::Ready(Ok(1)) = received else {
                return received;
            };
            let (from, datagram) = (meta[0].addr, &bufs[0][..meta[0].len]);
            match self.repair().received(from, datagram) {
                Received::HandUp => return received,
                Received::Repeat(flight) if flight.is_empty() => {}
                Received::Repeat(flight) => self.repeat(cx, from, &flight),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends a flight again; what the socket does not take is lost, as any datagram may be.
    fn repeat(&self, cx: &mut Context<'_>, to: SocketAddr, flight: &[Vec<u8>]) {
        for datagram in flight {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: datagram,
                segment_size: None,
                src_ip: None,
            };
            let _ = self.wire.poll_send(cx, &transmit);
        }
        (self.state.on_repeat)();
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wire.fmt(f)
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.wire.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.wire.poll_send(cx, transmit);
        if self.state.tricks.repair_flights && matches!(sent, Poll::Ready(Ok(_))) {
            self.repair().sent(transmit.destination, transmit.contents);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self
            .state
            .gate
            .read(cx, |cx| self.poll_repaired(cx, &mut *bufs, &mut *meta));
        if let Poll::Ready(Ok(count)) = &received {
            let datagrams = bufs.iter().zip(meta.iter()).take(*count);
            let turns = datagrams.map(|(buf, meta)| turns_after(&buf[..meta.len])).max();
            self.state.turns.fetch_max(turns.unwrap_or(1), Ordering::Release);
        }
        received
    }
}
