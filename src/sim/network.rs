use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{
    executor::Executor,
    internet::{Internet, Way},
    relay::Sent,
};
use crate::world::{hand_up, read_from, segments};

/// How long a datagram or a frame takes between two access links: what loopback takes. Whatever more there is
/// to cross, the peers' own links add.
pub(super) const HOP: Duration = Duration::from_micros(50);

/// Where datagrams go: from one socket of the simulation to another. Nothing is lost here, and nothing
/// overtakes.
///
/// Addresses are the operating system's, which gives the port of a closed socket to somebody else when it
/// likes. So a sender reaches who had the address when it first sent there, and nobody after: whether a peer
/// that looks for a crashed one meets a stranger would be another thing in each run.
pub(super) struct Network {
    executor: Arc<Executor>,
    mailboxes: Mutex<BTreeMap<SocketAddr, Arc<Mailbox>>>,
    internet: Mutex<Internet>,
    served: Mutex<Served>,
}

/// Whom servers have sent to or heard from, by their own address and that one's.
type Served = BTreeMap<(SocketAddr, SocketAddr), Weak<Mailbox>>;

/// Destinations of servers that are remembered; past these, those that are gone are forgotten.
const MAX_SERVED: usize = 65_536;

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
            internet: Mutex::default(),
            served: Mutex::default(),
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
            remotes: Mutex::default(),
            held: Some(held),
        }))
    }

    /// What there is between access links.
    pub fn internet(&self) -> std::sync::MutexGuard<'_, Internet> {
        self.internet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a datagram; `socket` tells whom it means where that is a socket's address.
    fn send(
        self: &Arc<Self>,
        (from, to): (SocketAddr, SocketAddr),
        datagram: Vec<u8>,
        socket: impl FnOnce() -> Weak<Mailbox>,
    ) {
        let now = self.executor.now();
        let (from, way) = match self.internet().depart(from, to, now) {
            Ok(departed) => departed,
            Err(lost) => return tracing::trace!(%from, %to, ?lost, "not sent"),
        };
        let at = now + HOP;
        match way {
            Way::Socket => {
                let to = socket();
                self.executor.call_at(at, move || {
                    // Nobody there: lost, as on any network.
                    if let Some(mailbox) = to.upgrade() {
                        mailbox.put(from, datagram);
                    }
                });
            }
            Way::Nat => {
                let network = self.clone();
                let enter = move || network.enter(from, to, datagram);
                self.executor.call_at(at, enter);
            }
            Way::Server => {
                let network = self.clone();
                let serve = move || network.serve(from, to, &datagram);
                self.executor.call_at(at, serve);
            }
        }
    }

    /// A datagram is at the outside of a NAT.
    fn enter(&self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let inner = self.internet().arrive(from, to, self.executor.now());
        match inner {
            // A mapping ends with its socket, so this is the one that it was made for.
            Ok(inner) => {
                if let Some(mailbox) = self.mailbox(inner).upgrade() {
                    mailbox.put(from, datagram);
                }
            }
            Err(lost) => tracing::trace!(%from, %to, ?lost, "did not get in"),
        }
    }

    /// A datagram is at a server.
    fn serve(self: &Arc<Self>, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        // Whoever asks from an address has it, whoever had it before.
        self.remembered().insert((to, from), self.mailbox(from));
        let sent = self.internet().serve(from, to, datagram, self.executor.now());
        for Sent { from, to, datagram } in sent {
            self.send((from, to), datagram, || self.served(from, to));
        }
    }

    fn served(&self, from: SocketAddr, to: SocketAddr) -> Weak<Mailbox> {
        let mut served = self.remembered();
        let mailbox = served.entry((from, to)).or_insert_with(|| self.mailbox(to));
        mailbox.clone()
    }

    /// With room for one more.
    fn remembered(&self) -> std::sync::MutexGuard<'_, Served> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= MAX_SERVED {
            served.retain(|_, mailbox| mailbox.strong_count() > 0);
        }
        served
    }

    fn mailboxes(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has that address now.
    fn mailbox(&self, addr: SocketAddr) -> Weak<Mailbox> {
        self.mailboxes()
            .get(&addr)
            .map(Arc::downgrade)
            .unwrap_or_default()
    }
}

impl Mailbox {
    fn put(&self, from: SocketAddr, datagram: Vec<u8>) {
        self.datagrams().push_back((from, datagram));
        self.reader.wake();
    }

    fn datagrams(&self) -> std::sync::MutexGuard<'_, VecDeque<(SocketAddr, Vec<u8>)>> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Socket {
    addr: SocketAddr,
    mailbox: Arc<Mailbox>,
    network: Arc<Network>,
    /// Whom it has sent to.
    remotes: Mutex<BTreeMap<SocketAddr, Weak<Mailbox>>>,
    held: Option<std::net::UdpSocket>,
}

impl Socket {
    fn remote(&self, addr: SocketAddr) -> Weak<Mailbox> {
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = remotes.entry(addr).or_insert_with(|| self.network.mailbox(addr));
        remote.clone()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated socket {}", self.addr)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.mailboxes().remove(&self.addr);
        if self.network.internet().is_plain() {
            return;
        }
        // What it sent last is on its way to a server, which is to know it. Until then nobody gets its port.
        let (network, addr, held) = (self.network.clone(), self.addr, self.held.take());
        let at = self.network.executor.now() + HOP;
        self.network.executor.call_at(at, move || {
            network.internet().forget(addr);
            drop(held);
        });
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn poll_send(&self, _cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let ends = (self.addr, transmit.destination);
        for contents in segments(transmit) {
            self.network
                .send(ends, contents.to_vec(), || self.remote(transmit.destination));
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
        hand_up(&read_from(from), &datagram, buf, meta);
        Poll::Ready(Ok(1))
    }
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{BINDING_REQUEST, Message, TransactionId};

    use super::*;
    use crate::sim::{executor::Order, internet::STUN};

    fn bound(network: &Arc<Network>, addr: &str) -> (Arc<dyn AsyncUdpSocket>, SocketAddr) {
        let socket = std::net::UdpSocket::bind(addr).expect("a free port");
        let addr = socket.local_addr().expect("it has one");
        (network.socket(socket).expect("it has an address"), addr)
    }

    fn send(from: &Arc<dyn AsyncUdpSocket>, to: SocketAddr, contents: &[u8]) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: None,
        };
        let sent = from.poll_send(&mut Context::from_waker(Waker::noop()), &transmit);
        assert!(matches!(sent, Poll::Ready(Ok(bytes)) if bytes == contents.len()));
    }

    fn has_something(socket: &Arc<dyn AsyncUdpSocket>) -> bool {
        let mut buf = [0; 100];
        let mut meta = [RecvMeta::default()];
        let mut cx = Context::from_waker(Waker::noop());
        socket
            .poll_recv(&mut cx, &mut [IoSliceMut::new(&mut buf)], &mut meta)
            .is_ready()
    }

    #[test]
    fn who_gets_a_closed_sockets_port_hears_nobody_that_meant_the_other() {
        let executor = Executor::new(Order::Fifo);
        let network = Network::new(executor.clone());
        let bound = |addr: &str| bound(&network, addr);
        let (acquaintance, _) = bound("127.0.0.1:0");
        let (other, _) = bound("127.0.0.1:0");
        let (old, addr) = bound("127.0.0.1:0");
        let a_while = || executor.block_on(executor.sleep_until(executor.now() + HOP * 2));
        send(&acquaintance, addr, b"datagram");
        assert_eq!(a_while(), Ok(()));
        assert!(has_something(&old));
        drop(old);
        let (new, _) = bound(&addr.to_string());
        send(&acquaintance, addr, b"datagram");
        assert_eq!(a_while(), Ok(()));
        assert!(!has_something(&new));
        send(&other, addr, b"datagram");
        assert_eq!(a_while(), Ok(()));
        assert!(has_something(&new));
    }

    #[test]
    fn who_gets_a_closed_sockets_port_is_answered_by_the_servers_that_the_other_asked() {
        let executor = Executor::new(Order::Fifo);
        let network = Network::new(executor.clone());
        let bound = |addr: &str| bound(&network, addr);
        let answered = |socket: &Arc<dyn AsyncUdpSocket>| {
            let mut request = Message::new();
            request
                .build(&[Box::new(TransactionId([7; 12])), Box::new(BINDING_REQUEST)])
                .expect("it is short");
            send(socket, STUN, &request.raw);
            let a_while = executor.sleep_until(executor.now() + HOP * 3);
            assert_eq!(executor.block_on(a_while), Ok(()));
            has_something(socket)
        };
        let (old, addr) = bound("127.0.0.1:0");
        assert!(answered(&old));
        drop(old);
        let (new, _) = bound(&addr.to_string());
        assert!(answered(&new));
    }
}
