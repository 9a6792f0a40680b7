use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

use super::{
    executor::{Executor, Task},
    network::Network,
};

/// What `webrtc` runs on in the simulation.
pub(super) struct SimRuntime {
    pub executor: Arc<Executor>,
    pub network: Arc<Network>,
    /// What the stack takes for the system's clock begins here.
    pub epoch: StdInstant,
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimRuntime")
    }
}

type PinnedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for SimRuntime {
    fn spawn(&self, future: PinnedFuture<'static, ()>) -> Box<dyn JoinHandle> {
        Box::new(Handle(self.executor.spawn(future)))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.network.socket(socket)
    }

    fn wrap_tcp_listener(&self, _listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(no_tcp())
    }

    fn connect_tcp<'a>(
        &'a self,
        _remote: SocketAddr,
    ) -> PinnedFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(no_tcp()) })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> PinnedFuture<'a, io::Result<Vec<SocketAddr>>> {
        let literal = host.parse().map(|addr| vec![addr]);
        let no_names = |_| io::Error::new(io::ErrorKind::Unsupported, "the simulation has no names");
        Box::pin(async move { literal.map_err(no_names) })
    }

    fn now(&self) -> StdInstant {
        self.epoch + self.executor.now().elapsed()
    }

    fn sleep(&self, duration: Duration) -> PinnedFuture<'static, ()> {
        Box::pin(self.executor.sleep_until(self.executor.now() + duration))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        Box::new(Interval {
            executor: self.executor.clone(),
            next: self.executor.now(),
            period,
        })
    }

    fn block_on(&self, _future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        unreachable!("the stack blocks nowhere that the simulation gets to")
    }

    fn name(&self) -> &'static str {
        "rtcstorm-sim"
    }
}

fn no_tcp() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the simulation has no TCP")
}

struct Handle(Arc<Task>);

impl JoinHandle for Handle {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.has_ended()
    }
}

struct Interval {
    executor: Arc<Executor>,
    next: crate::base::Instant,
    period: Duration,
}

impl AsyncInterval for Interval {
    fn tick(&mut self) -> PinnedFuture<'_, ()> {
        Box::pin(async {
            self.executor.sleep_until(self.next).await;
            self.next += self.period;
        })
    }
}
