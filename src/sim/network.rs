use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::executor::Executor;

/// How long a datagram or a frame takes between two access links: what loopback takes. Whatever more there is
/// to cross, the peers' own links add.
pub(super) const HOP: Duration = Duration::from_micros(50);

/// Where datagrams go: from one socket of the simulation to another, by address. Nothing is lost here, and
/// nothing overtakes.
pub(super) struct Network {
    executor: Arc<Executor>,
    mailboxes: Mutex<BTreeMap<SocketAddr, Arc<Mailbox>>>,
}

#[derive(Default)]
struct Mailbox {
    datagrams: Mutex<VecDeque<(SocketAddr, Vec<u8>)>>,
    reader: AtomicWaker,
}

impl Network {
    pub fn new(executor: Arc<Executor>) -> Arc<Self> {
        Arc::new(Self {
            executor,
            mailboxes: Mutex::default(),
        })
    }

    /// `held` keeps its address from being given to anybody else; nothing is sent through it.
    pub fn socket(self: &Arc<Self>, held: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let addr = held.local_addr()?;
        let mailbox = Arc::new(Mailbox::default());
        self.mailboxes().insert(addr, mailbox.clone());
        Ok(Arc::new(Socket {
            addr,
            mailbox,
            network: self.clone(),
            _held: held,
        }))
    }

    fn mailboxes(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        // Nobody there: lost, as on any network.
        let Some(mailbox) = self.mailboxes().get(&to).cloned() else {
            return;
        };
        mailbox.datagrams().push_back((from, datagram));
        mailbox.reader.wake();
    }
}

impl Mailbox {
    fn datagrams(&self) -> std::sync::MutexGuard<'_, VecDeque<(SocketAddr, Vec<u8>)>> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Socket {
    addr: SocketAddr,
    mailbox: Arc<Mailbox>,
    network: Arc<Network>,
    _held: std::net::UdpSocket,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated socket {}", self.addr)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.mailboxes().remove(&self.addr);
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn poll_send(&self, _cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let at = self.network.executor.now() + HOP;
        for contents in transmit.contents.chunks(segment) {
            let (from, to, datagram) = (self.addr, transmit.destination, contents.to_vec());
            let network = self.network.clone();
            self.network
                .executor
                .call_at(at, move || network.deliver(from, to, datagram));
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // Who only looks whether there is more does not want to be woken; that must not make us forget whom to.
        if !cx.waker().will_wake(Waker::noop()) {
            self.mailbox.reader.register(cx.waker());
        }
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let Some((from, datagram)) = self.mailbox.datagrams().pop_front() else {
            return Poll::Pending;
        };
        let length = datagram.len().min(buf.len());
        buf[..length].copy_from_slice(&datagram[..length]);
        *meta = RecvMeta::default();
        meta.addr = from;
        meta.len = length;
        meta.stride = length.max(1);
        Poll::Ready(Ok(1))
    }
}
