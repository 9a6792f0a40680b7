use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::mpsc;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// Which datagram is lost: decided by what it holds.
type Loses = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// tokio's runtime, but datagrams can be lost, timers can stop, and what happens can be watched.
#[derive(Clone)]
pub(super) struct FaultyRuntime(Arc<Faults>);

struct Faults {
    loses: Loses,
    stopped_from_ms: AtomicU64,
    watcher: Option<mpsc::UnboundedSender<Seen>>,
}

/// What the stack did on the runtime.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It received a datagram.
    Received(Vec<u8>),
    /// It asked for a timer.
    Sleep,
}

impl FaultyRuntime {
    pub(super) fn new(loses: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Faults {
            loses: Box::new(loses),
            stopped_from_ms: AtomicU64::new(u64::MAX),
            watcher: None,
        }))
    }

    /// Loses nothing and tells what it sees.
    pub(super) fn watched() -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (watcher, seen) = mpsc::unbounded_channel();
        let faults = Faults {
            loses: Box::new(|_| false),
            stopped_from_ms: AtomicU64::new(u64::MAX),
            watcher: Some(watcher),
        };
        (Self(Arc::new(faults)), seen)
    }

    /// No timer fires any more that is asked for from now on.
    pub(super) fn stop_timers(&self) {
        self.stop_timers_from_ms(0);
    }

    /// The same for timers of that length or longer.
    pub(super) fn stop_timers_from_ms(&self, ms: u64) {
        self.0.stopped_from_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn let_timers_go(&self) {
        self.stop_timers_from_ms(u64::MAX);
    }
}

impl Faults {
    fn tell(&self, seen: impl FnOnce() -> Seen) {
        if let Some(watcher) = &self.watcher {
            // The test may have seen enough.
            let _ = watcher.send(seen());
        }
    }
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
            faults: self.0.clone(),
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
        self.0.tell(|| Seen::Sleep);
        if duration.as_millis() >= u128::from(self.0.stopped_from_ms.load(Ordering::Relaxed)) {
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
    faults: Arc<Faults>,
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
        if (self.faults.loses)(transmit.contents) {
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
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = &received {
            for (buf, meta) in bufs.iter().zip(meta.iter()).take(*count) {
                self.faults.tell(|| Seen::Received(buf[..meta.len].to_vec()));
            }
        }
        received
    }
}
