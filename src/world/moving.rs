use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, Transmit};

use super::{RemotePath, network::Blame};

/// Datagrams that are thrown away in one go: more than a system keeps for a socket.
const MAX_THROWN_AWAY: usize = 65_536;

/// The UDP socket of a machine that moves, sleeps, or sits behind a NAT that forgets: to the driver one socket with
/// one address for as long as it lives, whatever becomes of what is behind it.
///
/// After a move it is dead: what is sent vanishes, and so does what still arrives. After a remapping it goes on
/// from another port, which only its remotes can see. What has arrived while its machine slept is thrown away.
pub(super) struct MovingSocket {
    /// What the driver knows it by: the address that it was first bound to.
    addr: SocketAddr,
    path: RemotePath,
    runtime: Arc<dyn Runtime>,
    /// The moves of the machine when it was made.
    moves: u32,
    /// The naps that it has noticed.
    naps: AtomicU32,
    behind: Mutex<Behind>,
    waiter: u64,
}

struct Behind {
    socket: Arc<dyn AsyncUdpSocket>,
    remappings: u32,
}

impl MovingSocket {
    /// Puts it around a socket that was just bound.
    pub fn new(
        socket: Arc<dyn AsyncUdpSocket>,
        runtime: Arc<dyn Runtime>,
        path: RemotePath,
    ) -> io::Result<Self> {
        let host = path.network.host();
        Ok(Self {
            addr: socket.local_addr()?,
            runtime,
            moves: host.moves(),
            naps: AtomicU32::new(host.naps()),
            behind: Mutex::new(Behind {
                socket,
                remappings: host.remappings(),
            }),
            waiter: host.waiter(),
            path,
        })
    }

    fn is_dead(&self) -> bool {
        self.moves != self.path.network.host().moves()
    }

    fn blame(&self) {
        self.path.network.blame(Blame::Outage);
    }

    /// The socket as it is now, behind another port if it has been mapped anew.
    fn current(&self) -> Arc<dyn AsyncUdpSocket> {
        let remappings = self.path.network.host().remappings();
        let behind = &mut *self.behind();
        if behind.remappings != remappings {
            behind.remappings = remappings;
            // The old one is still bound meanwhile, so the port is another one.
            match self.another() {
                Ok(socket) => behind.socket = socket,
                Err(error) => tracing::warn!(%error, "a socket keeps its mapping"),
            }
        }
        behind.socket.clone()
    }

    fn another(&self) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = std::net::UdpSocket::bind(SocketAddr::new(self.addr.ip(), 0))?;
        socket.set_nonblocking(true)?;
        self.runtime.wrap_udp_socket(socket)
    }

    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has arrived and tells nobody.
    fn throw_away(&self, socket: &dyn AsyncUdpSocket, cx: &mut Context<'_>, buf: &mut IoSliceMut<'_>) {
        for _ in 0..MAX_THROWN_AWAY {
            let mut meta = [RecvMeta::default()];
            let read = socket.poll_recv(cx, std::slice::from_mut(buf), &mut meta);
            match read {
                Poll::Ready(Ok(_)) => {
                    for _ in 0..meta[0].len.div_ceil(meta[0].stride.max(1)).max(1) {
                        self.blame();
                    }
                }
                // An error is what came back for an earlier datagram.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => return,
            }
        }
    }
}

impl Drop for MovingSocket {
    fn drop(&mut self) {
        self.path.network.host().forget(self.waiter);
    }
}

impl fmt::Debug for MovingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.behind().socket.fmt(f)
    }
}

impl AsyncUdpSocket for MovingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.is_dead() {
            self.blame();
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.current().poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let host = self.path.network.host();
        if !cx.waker().will_wake(Waker::noop()) {
            // Before anything is looked at: a change after that is heard of.
            host.wait(self.waiter, cx.waker());
        }
        let socket = self.current();
        let naps = host.naps();
        let has_slept = self.naps.swap(naps, Ordering::Relaxed) != naps;
        if let Some(buf) = bufs.first_mut().filter(|_| has_slept || self.is_dead()) {
            self.throw_away(&*socket, cx, buf);
        }
        if self.is_dead() {
            return Poll::Pending;
        }
        socket.poll_recv(cx, bufs, meta)
    }

    fn max_gso_segments(&self) -> usize {
        self.behind().socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.behind().socket.max_gro_segments()
    }
}
