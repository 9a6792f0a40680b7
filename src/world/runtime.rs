use std::{
    cell::Cell,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

use super::{
    Census, Counted, Dial, Holding, RemotePath, gate::Gate, link::Wire, socket::Socket,
    turn_stream::StreamSocket,
};

/// What [`ConnectionRuntime`] does to a connection. The first two are always on but in the tests that show
/// what happens without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tricks {
    /// Let the driver's loop turn once more after each receive, and after [`DriverWaker::wake`]: it goes
    /// *write → events → read → sleep*, so what a read puts in the send queue would leave only with the
    /// next timer, up to 200 ms later; and a candidate that was added would be checked only then.
    pub wake_driver: bool,
    /// Send a lost DTLS flight again ([`FlightRepair`](super::FlightRepair)).
    pub repair_flights: bool,
    /// Let the driver find one thing ready at a time, in an order that is always the same: the simulation's.
    pub one_cause: bool,
}

impl Default for Tricks {
    fn default() -> Self {
        Self {
            wake_driver: true,
            repair_flights: true,
            one_cause: false,
        }
    }
}

/// The [`Runtime`] of one connection: a world's runtime with the driver woken after a receive, lost DTLS
/// flights repaired, datagrams sent across the peer's access link, and tasks, timers and sockets counted.
pub struct ConnectionRuntime {
    inner: Arc<dyn Runtime>,
    path: Option<RemotePath>,
    dial: Option<Dial>,
    state: Arc<State>,
}

/// What the runtime of a connection and its sockets share.
pub(super) struct State {
    id: u64,
    pub tricks: Tricks,
    /// How often the driver has to turn before it sleeps.
    pub turns: AtomicU8,
    /// The driver's task, while it sleeps.
    asleep: AtomicWaker,
    pub gate: Gate,
    pub census: Arc<Census>,
    pub on_repeat: Box<dyn Fn() + Send + Sync>,
}

thread_local! {
    /// The connection whose driver is being polled on this thread. Only that one's sleeps may be
    /// shortened: `close()` sleeps on the same runtime to let the last datagrams out.
    static POLLING: Cell<Option<u64>> = const { Cell::new(None) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl ConnectionRuntime {
    /// Puts `tricks` around `inner`. Datagrams cross the link of `path`, if there is one. `on_repeat` is called
    /// for every flight that is sent again.
    pub fn new(
        inner: Arc<dyn Runtime>,
        tricks: Tricks,
        census: Arc<Census>,
        path: Option<RemotePath>,
        on_repeat: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            path,
            dial: None,
            state: Arc::new(State {
                id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
                tricks,
                turns: AtomicU8::new(0),
                asleep: AtomicWaker::new(),
                gate: Gate::new(tricks.one_cause),
                census,
                on_repeat: Box::new(on_repeat),
            }),
        }
    }

    /// Lets TURN servers be reached by streams that are opened so.
    #[must_use]
    pub fn with_streams(mut self, dial: Option<Dial>) -> Self {
        self.dial = dial;
        self
    }

    /// What wakes the connection's driver.
    pub fn waker(&self) -> DriverWaker {
        DriverWaker(self.state.clone())
    }

    fn driver(
        &self,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Driver {
            state: self.state.clone(),
            future,
            _counted: self.state.census.count(Holding::Task),
        })
    }
}

impl fmt::Debug for ConnectionRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionRuntime")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl Runtime for ConnectionRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Box<dyn JoinHandle> {
        self.inner.spawn(self.driver(future))
    }

    fn spawn_reactor(
        &self,
        pool: usize,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Box<dyn JoinHandle> {
        self.inner.spawn_reactor(pool, self.driver(future))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut socket = self.inner.wrap_udp_socket(socket)?;
        if let Some(dial) = &self.dial {
            let (inner, census) = (self.inner.clone(), self.state.census.clone());
            socket = Arc::new(StreamSocket::new(socket, inner, dial.clone(), census));
        }
        let wire = Wire::new(
            socket,
            self.inner.clone(),
            self.state.census.clone(),
            self.path.clone(),
        );
        Ok(Arc::new(Socket::new(wire, self.state.clone())))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.inner.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        let inner = self.inner.sleep(duration);
        let counted = self.state.census.count(Holding::Timer);
        if self.state.tricks.wake_driver && POLLING.get() == Some(self.state.id) {
            return Box::pin(DriverSleep {
                inner,
                state: self.state.clone(),
                _counted: counted,
            });
        }
        Box::pin(async move {
            inner.await;
            drop(counted);
        })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        "rtcstorm"
    }
}

/// Wakes the driver of one connection from its sleep.
#[derive(Clone)]
pub struct DriverWaker(Arc<State>);

impl DriverWaker {
    /// Lets the driver's loop turn once more. `webrtc` 0.21 does not do so after `addIceCandidate`.
    pub fn wake(&self) {
        self.0.turns.fetch_max(1, Ordering::Release);
        self.0.asleep.wake();
    }
}

/// A sleep of the driver: over in time, or as soon as it has to turn once more.
struct DriverSleep {
    inner: Pin<Box<dyn Future<Output = ()> + Send>>,
    state: Arc<State>,
    _counted: Counted,
}

impl Future for DriverSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Registered before the flag is read: a wake in between is seen by one or the other.
        self.state.asleep.register(cx.waker());
        let Self { inner, state, .. } = &mut *self;
        state.gate.sleep(|| {
            let owed = |turns: u8| turns.checked_sub(1);
            let is_owed = state
                .turns
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, owed)
                .is_ok();
            match is_owed {
                true => Poll::Ready(()),
                false => inner.as_mut().poll(cx),
            }
        })
    }
}

/// A task of the connection: says so while it is polled.
struct Driver {
    state: Arc<State>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    _counted: Counted,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outer = POLLING.replace(Some(self.state.id));
        let Self { state, future, .. } = &mut *self;
        let polled = state.gate.poll(|| future.as_mut().poll(cx));
        POLLING.set(outer);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use webrtc::runtime::TokioRuntime;

    use super::*;

    /// Longer than any test: a sleep that ends has been shortened.
    const LONG: Duration = Duration::from_secs(3_600);

    struct CountsWakes(AtomicU64);

    impl Wake for CountsWakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn runtime() -> ConnectionRuntime {
        ConnectionRuntime::new(
            Arc::new(TokioRuntime),
            Tricks::default(),
            Arc::default(),
            None,
            || {},
        )
    }

    /// A sleep that is created, and polled once, as the driver's loop does it.
    fn sleep_of_driver(
        runtime: &ConnectionRuntime,
        cx: &mut Context<'_>,
    ) -> (Pin<Box<dyn Future<Output = ()> + Send>>, bool) {
        let outer = POLLING.replace(Some(runtime.state.id));
        let mut sleep = runtime.sleep(LONG);
        let ready = sleep.as_mut().poll(cx).is_ready();
        POLLING.set(outer);
        (sleep, ready)
    }

    #[tokio::test]
    async fn the_driver_turns_once_more_after_a_receive_and_then_sleeps() {
        let runtime = runtime();
        let mut cx = Context::from_waker(Waker::noop());
        runtime.state.turns.store(1, Ordering::Release);
        assert!(sleep_of_driver(&runtime, &mut cx).1);
        assert!(!sleep_of_driver(&runtime, &mut cx).1);
    }

    #[tokio::test]
    async fn a_wake_ends_the_sleep_of_the_driver() {
        let runtime = runtime();
        let wakes = Arc::new(CountsWakes(AtomicU64::new(0)));
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let (mut sleep, ready) = sleep_of_driver(&runtime, &mut cx);
        assert!(!ready);
        runtime.waker().wake();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
    }

    /// `close()` sleeps on the same runtime, so that the driver gets TURN's release out: cut short by a
    /// receive, it would abort the driver before.
    #[tokio::test]
    async fn a_sleep_of_anybody_else_is_never_shortened() {
        let runtime = runtime();
        let mut cx = Context::from_waker(Waker::noop());
        runtime.state.turns.store(1, Ordering::Release);
        let mut sleep = runtime.sleep(LONG);
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        assert!(
            sleep_of_driver(&runtime, &mut cx).1,
            "the driver's turn is still due"
        );
    }
}
