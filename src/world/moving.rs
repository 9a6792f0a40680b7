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

/// The UDP socket of a machine that sleeps, or sits behind a NAT that forgets: to the driver one socket with one
/// address for as long as it lives, whatever becomes of what is behind it.
///
/// After a remapping it goes on from another port, which only its remotes can see. What has arrived while its
/// machine slept is thrown away. (That nothing passes after a move, the link sees to: it carries more than UDP.)
pub(super) struct MovingSocket {
    /// What the driver knows it by: the address that it was first bound to.
    addr: SocketAddr,
    path: RemotePath,
    runtime: Arc<dyn Runtime>,
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
            naps: AtomicU32::new(host.naps()),
            behind: Mutex::new(Behind {
                socket,
                remappings: host.remappings(),
            }),
            waiter: host.waiter(),
            path,
        })
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
        if let Some(buf) = bufs.first_mut().filter(|_| has_slept) {
            self.throw_away(&*socket, cx, buf);
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

#[cfg(test)]
mod tests {
    use std::{
        net::UdpSocket,
        time::{Duration, Instant as StdInstant},
    };

    use webrtc::runtime::TokioRuntime;

    use super::*;
    use crate::{
        base::{Instant, PeerId, RootSeed, Seat},
        world::{Host, PeerNetwork},
    };

    fn moving() -> (MovingSocket, Arc<Host>, UdpSocket) {
        let network =
            PeerNetwork::new(RootSeed(1), Seat::of_whole(PeerId(0)), || Instant::START).on(Host::restless());
        let path = RemotePath {
            network: Arc::new(network),
            remote: PeerId(1),
        };
        let host = path.network.host().clone();
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let socket = bind();
        socket.set_nonblocking(true).expect("it can be");
        let inner = TokioRuntime.wrap_udp_socket(socket).expect("a runtime");
        let remote = bind();
        let wait = Some(Duration::from_secs(10));
        remote.set_read_timeout(wait).expect("it can be");
        let moving = MovingSocket::new(inner, Arc::new(TokioRuntime), path).expect("it is bound");
        (moving, host, remote)
    }

    async fn next(socket: &MovingSocket) -> Vec<u8> {
        let mut buf = [0; 100];
        let (length, _) = tokio::time::timeout(Duration::from_secs(10), socket.recv_from(&mut buf))
            .await
            .expect("in time")
            .expect("received");
        buf[..length].to_vec()
    }

    #[tokio::test]
    async fn a_remapped_socket_looks_new_to_its_remotes_and_the_same_to_its_owner() {
        let (moving, host, remote) = moving();
        let addr = moving.local_addr().expect("it has one");
        let mut buf = [0; 100];
        let to = remote.local_addr().expect("it has one");
        moving.send_to(b"before", to).await.expect("sent");
        let (_, before) = remote.recv_from(&mut buf).expect("received");
        assert_eq!(before, addr);
        host.remap();
        remote.send_to(b"to the old port", before).expect("sent");
        moving.send_to(b"after", to).await.expect("sent");
        let (_, after) = remote.recv_from(&mut buf).expect("received");
        assert_ne!(after.port(), before.port());
        assert_eq!(moving.local_addr().expect("it has one"), addr);
        remote.send_to(b"to the new port", after).expect("sent");
        assert_eq!(next(&moving).await, b"to the new port");
    }

    #[tokio::test]
    async fn what_arrives_during_a_nap_is_lost_and_counted() {
        let (moving, host, remote) = moving();
        let addr = moving.local_addr().expect("it has one");
        host.fall_asleep();
        remote.send_to(b"during", addr).expect("sent");
        // Loopback: it is there once the system has taken it, but that may take a moment.
        let began = StdInstant::now();
        while began.elapsed() < Duration::from_millis(50) {
            tokio::task::yield_now().await;
        }
        host.wake(Duration::ZERO);
        let mut cx = Context::from_waker(Waker::noop());
        let mut buf = [0; 100];
        // tokio learns of the datagram with the first turn of its reactor: look until it has been thrown away.
        while moving.path.network.dropped().blocked == 0 && began.elapsed() < Duration::from_secs(10) {
            moving.naps.store(0, Ordering::Relaxed);
            let polled = moving.poll_recv(
                &mut cx,
                &mut [IoSliceMut::new(&mut buf)],
                &mut [RecvMeta::default()],
            );
            assert!(polled.is_pending(), "nobody gets it");
            tokio::task::yield_now().await;
        }
        assert_eq!(moving.path.network.dropped().blocked, 1);
        remote.send_to(b"after", addr).expect("sent");
        assert_eq!(next(&moving).await, b"after");
    }
}
