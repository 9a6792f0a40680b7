use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs, UdpSocket},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant as StdInstant},
};

use webrtc::runtime::Runtime;

use super::BoxFuture;

/// The machine that a peer runs on, as far as steps of its script happen to it: where it is in the network, how
/// the NAT in front of it maps its sockets, and whether it is awake.
///
/// Shared by all that runs on it. One that no step happens to ([`Host::default`]) costs nothing.
#[derive(Debug, Default)]
pub struct Host {
    /// Something is going to happen to it.
    restless: bool,
    /// How often it has moved to another network.
    moves: AtomicU32,
    /// How often the NAT in front of it has forgotten its mappings.
    remappings: AtomicU32,
    /// How often it has fallen asleep.
    naps: AtomicU32,
    asleep: AtomicBool,
    /// For how long its clock has stood still so far.
    stood_still_us: AtomicU64,
    /// Who waits for it to wake up, or for its sockets to change; in the order in which they came to be.
    waiting: Mutex<BTreeMap<u64, Waker>>,
    waiters: AtomicU64,
}

impl Host {
    /// One that moves, sleeps, or loses its mappings.
    pub fn restless() -> Self {
        Self {
            restless: true,
            ..Self::default()
        }
    }

    pub(super) fn is_restless(&self) -> bool {
        self.restless
    }

    /// It is in another network from now on: its address is a new one, and nothing passes through the sockets of
    /// the old one any more.
    pub fn roam(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.wake_waiters();
    }

    /// The NAT in front of it maps all its sockets anew: they look as if they had other ports.
    pub fn remap(&self) {
        self.remappings.fetch_add(1, Ordering::AcqRel);
        self.wake_waiters();
    }

    /// Nothing on it runs from now on. What arrives meanwhile is lost.
    pub fn fall_asleep(&self) {
        self.naps.fetch_add(1, Ordering::AcqRel);
        self.asleep.store(true, Ordering::Release);
    }

    /// Everything runs again; its clock has stood still for so long.
    pub fn wake(&self, stood_still: Duration) {
        let micros = u64::try_from(stood_still.as_micros()).unwrap_or(u64::MAX);
        self.stood_still_us.fetch_add(micros, Ordering::AcqRel);
        let mut waiting = self.waiting();
        self.asleep.store(false, Ordering::Release);
        let woken = std::mem::take(&mut *waiting);
        drop(waiting);
        woken.into_values().for_each(Waker::wake);
    }

    pub(super) fn moves(&self) -> u32 {
        self.moves.load(Ordering::Acquire)
    }

    pub(super) fn remappings(&self) -> u32 {
        self.remappings.load(Ordering::Acquire)
    }

    /// How often what was on its way to or from it was lost as a whole.
    pub(super) fn upheavals(&self) -> u32 {
        self.moves().wrapping_add(self.naps())
    }

    pub(super) fn naps(&self) -> u32 {
        self.naps.load(Ordering::Acquire)
    }

    /// For how long its clock has stood still so far.
    pub(super) fn stood_still(&self) -> Duration {
        Duration::from_micros(self.stood_still_us.load(Ordering::Acquire))
    }

    /// A number for somebody who may have to be woken.
    pub(super) fn waiter(&self) -> u64 {
        self.waiters.fetch_add(1, Ordering::Relaxed)
    }

    /// Wakes that one at the next change.
    pub(super) fn wait(&self, waiter: u64, waker: &Waker) {
        self.waiting().insert(waiter, waker.clone());
    }

    /// That one is not there any more.
    pub(super) fn forget(&self, waiter: u64) {
        self.waiting().remove(&waiter);
    }

    /// Ready while it is awake.
    fn poll_awake(&self, waiter: u64, cx: &Context<'_>) -> Poll<()> {
        if !self.asleep.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting();
        // It may have woken up in between; who wakes it holds the lock.
        if !self.asleep.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        waiting.insert(waiter, cx.waker().clone());
        Poll::Pending
    }

    fn wake_waiters(&self) {
        let woken = std::mem::take(&mut *self.waiting());
        woken.into_values().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `runtime` tells the machine of the time.
    pub(super) fn now(&self, runtime: &dyn Runtime) -> StdInstant {
        runtime.now() - self.stood_still()
    }

    /// A task that runs on it: not while it sleeps.
    pub fn run<T: 'static>(self: &Arc<Self>, task: BoxFuture<T>) -> BoxFuture<T> {
        if !self.restless {
            return task;
        }
        Box::pin(Awake {
            waiter: self.waiter(),
            host: self.clone(),
            task,
        })
    }

    /// A sleep by its clock.
    pub(super) async fn sleep(self: Arc<Self>, runtime: Arc<dyn Runtime>, duration: Duration) {
        let due = self.now(&*runtime) + duration;
        let mut left = duration;
        loop {
            runtime.sleep(left).await;
            left = due.saturating_duration_since(self.now(&*runtime));
            if left.is_zero() {
                return;
            }
        }
    }
}

/// A task of a machine.
struct Awake<T> {
    host: Arc<Host>,
    waiter: u64,
    task: BoxFuture<T>,
}

impl<T> Future for Awake<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        ready!(self.host.poll_awake(self.waiter, cx));
        self.task.as_mut().poll(cx)
    }
}

impl<T> Drop for Awake<T> {
    fn drop(&mut self) {
        self.host.forget(self.waiter);
    }
}

/// Where a connection binds a UDP socket: an address of its world's, moved to where the machine is when the socket
/// is bound.
#[derive(Debug, Clone)]
pub struct UdpAddr {
    /// `127.0.0.1:0`.
    pub home: String,
    /// Whose sockets they are.
    pub host: Arc<Host>,
}

/// The second octet of addresses that somebody has moved to.
const ABROAD: u8 = 128;

impl ToSocketAddrs for UdpAddr {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let moves = self.host.moves();
        let home = self.home.to_socket_addrs()?;
        let here: Vec<SocketAddr> = home.map(|home| moved(home, moves)).collect();
        Ok(here.into_iter())
    }
}

/// A loopback address after so many moves; another one each time, as long as there are. Others stay what they are:
/// the machine has no more of them, and only the port is new.
fn moved(home: SocketAddr, moves: u32) -> SocketAddr {
    let IpAddr::V4(ip) = home.ip() else { return home };
    if moves == 0 || !ip.is_loopback() {
        return home;
    }
    let [first, second, third, fourth] = ip.octets();
    let step = u8::try_from(moves % u32::from(ABROAD)).unwrap_or_default();
    let second = ABROAD + (second % ABROAD + step) % ABROAD;
    let abroad = SocketAddr::V4(SocketAddrV4::new(
        Ipv4Addr::new(first, second, third, fourth),
        home.port(),
    ));
    // Linux has all of 127.0.0.0/8, others have what was configured.
    match UdpSocket::bind(SocketAddr::new(abroad.ip(), 0)) {
        Ok(_) => abroad,
        Err(_) => home,
    }
}

#[cfg(test)]
mod tests {
    use webrtc::runtime::TokioRuntime;

    use super::*;

    #[test]
    fn each_move_leads_to_another_address_of_loopback_and_to_none_elsewhere() {
        let home: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let places: Vec<SocketAddr> = (0..100).map(|moves| moved(home, moves)).collect();
        let different: std::collections::BTreeSet<_> = places.iter().collect();
        assert_eq!(different.len(), if cfg!(target_os = "linux") { 100 } else { 1 });
        assert_eq!(places[0], home);
        assert!(places.iter().all(|place| place.ip().is_loopback()));
        for elsewhere in ["192.0.2.1:0", "0.0.0.0:0", "[::1]:0"] {
            let elsewhere: SocketAddr = elsewhere.parse().expect("an address");
            assert_eq!(moved(elsewhere, 3), elsewhere);
        }
    }

    #[tokio::test]
    async fn a_task_stands_still_while_its_machine_sleeps() {
        let host = Arc::new(Host::restless());
        host.fall_asleep();
        let (tell, told) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(host.run(Box::pin(async move { tell.send(()) })));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!task.is_finished());
        host.wake(Duration::ZERO);
        assert_eq!(told.await, Ok(()));
        task.await.expect("it ends").expect("somebody listens");
        assert!(host.waiting().is_empty(), "nobody is left");
    }

    #[tokio::test]
    async fn a_sleep_is_longer_by_what_the_clock_stood_still() {
        let host = Arc::new(Host::restless());
        let began = StdInstant::now();
        let sleeper = host
            .clone()
            .sleep(Arc::new(TokioRuntime), Duration::from_millis(20));
        // Before it is over by any clock: nothing has run yet.
        let mut sleeper = Box::pin(sleeper);
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        host.wake(Duration::from_millis(50));
        sleeper.await;
        assert!(began.elapsed() >= Duration::from_millis(70));
    }
}
