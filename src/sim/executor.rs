use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{base::Instant, world::BoxFuture};

thread_local! {
    /// What the simulation that this thread runs takes for now.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Virtual time, on a thread that runs a simulation: what is logged there happens then.
pub fn virtual_now() -> Option<Instant> {
    NOW.get()
}

/// Polls within one instant, after which no time will ever pass.
const MAX_POLLS_AT_ONCE: u64 = 10_000_000;

/// The simulation makes no progress any more: that is a bug, of rtcstorm's or of what it simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stalled {
    /// Everybody waits for somebody.
    #[error("after {0:?} of virtual time everybody waits and nothing is due")]
    Deadlock(Duration),
    /// Tasks wake each other without end.
    #[error("after {0:?} of virtual time tasks wake each other and no time passes")]
    Livelock(Duration),
}

/// Who goes first of those who are ready in the same instant.
#[derive(Debug)]
pub(super) enum Order {
    /// Who was woken first.
    Fifo,
    /// Whoever it draws.
    Random(Box<ChaCha8Rng>),
}

impl Order {
    fn choose(&mut self, ready: &mut VecDeque<Arc<Task>>) -> Option<Arc<Task>> {
        match self {
            Self::Random(rng) if ready.len() > 1 => ready.remove(rng.random_range(..ready.len())),
            _ => ready.pop_front(),
        }
    }
}

/// Runs tasks one at a time, in the order that it is made with. When none is ready, time jumps to what is
/// due next: one thing at a time, in the order in which it was asked for, so that what one of them causes is
/// over before the next happens.
pub(super) struct Executor {
    core: Mutex<Core>,
    own: Weak<Self>,
}

struct Core {
    order: Order,
    now: Instant,
    sequence: u64,
    ready: VecDeque<Arc<Task>>,
    due: BTreeMap<Key, Due>,
    /// All that have not ended.
    tasks: BTreeMap<u64, Arc<Task>>,
}

/// When, and then in which order.
type Key = (Instant, u64);

enum Due {
    Timer(Arc<Timer>),
    Call(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Timer {
    fired: AtomicBool,
    waker: AtomicWaker,
}

impl Executor {
    pub fn new(order: Order) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            core: Mutex::new(Core {
                order,
                now: Instant::START,
                sequence: 0,
                ready: VecDeque::new(),
                due: BTreeMap::new(),
                tasks: BTreeMap::new(),
            }),
            own: own.clone(),
        })
    }

    pub fn now(&self) -> Instant {
        self.core().now
    }

    pub fn spawn(&self, future: BoxFuture<()>) -> Arc<Task> {
        let mut core = self.core();
        core.sequence += 1;
        let task = Arc::new(Task {
            id: core.sequence,
            executor: self.own.clone(),
            future: Mutex::new(Some(future)),
            queued: AtomicBool::new(true),
            aborted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        core.tasks.insert(task.id, task.clone());
        core.ready.push_back(task.clone());
        task
    }

    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep {
            executor: self.own.clone(),
            at,
            set: None,
        }
    }

    /// Calls `what` at `at`.
    pub fn call_at(&self, at: Instant, what: impl FnOnce() + Send + 'static) {
        self.core().push(at, Due::Call(Box::new(what)));
    }

    /// Runs `root` to its end, and everything else as far as it gets until then. What has not ended is
    /// dropped.
    pub fn block_on<T: Send + 'static>(
        &self,
        root: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stalled> {
        let output = Arc::new(Mutex::new(None));
        let slot = output.clone();
        self.spawn(Box::pin(async move {
            let value = root.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        NOW.set(Some(self.now()));
        let ran = loop {
            if let Err(stalled) = self.run_ready(MAX_POLLS_AT_ONCE) {
                break Err(stalled);
            }
            if let Some(value) = output.lock().unwrap_or_else(PoisonError::into_inner).take() {
                break Ok(value);
            }
            if !self.let_next_happen() {
                break Err(Stalled::Deadlock(self.now().elapsed()));
            }
        };
        self.clear();
        NOW.set(None);
        ran
    }

    fn run_ready(&self, max_polls: u64) -> Result<(), Stalled> {
        for _ in 0..max_polls {
            // A statement of its own: the lock must be free while the task is polled.
            let next = self.core().choose();
            let Some(task) = next else { return Ok(()) };
            if task.poll() {
                self.core().tasks.remove(&task.id);
            }
        }
        Err(Stalled::Livelock(self.now().elapsed()))
    }

    fn let_next_happen(&self) -> bool {
        let mut core = self.core();
        let Some(((at, _), due)) = core.due.pop_first() else {
            return false;
        };
        core.now = core.now.max(at);
        NOW.set(Some(core.now));
        drop(core);
        match due {
            Due::Timer(timer) => {
                timer.fired.store(true, Ordering::Relaxed);
                timer.waker.wake();
            }
            Due::Call(call) => call(),
        }
        true
    }

    /// Tasks hold the executor, and it holds them.
    fn clear(&self) {
        loop {
            // Dropping a task may wake others, and cancels timers.
            let (tasks, ready, due) = {
                let mut core = self.core();
                (
                    std::mem::take(&mut core.tasks),
                    std::mem::take(&mut core.ready),
                    std::mem::take(&mut core.due),
                )
            };
            if tasks.is_empty() && ready.is_empty() && due.is_empty() {
                return;
            }
            for task in tasks.values() {
                task.forget();
            }
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn choose(&mut self) -> Option<Arc<Task>> {
        self.order.choose(&mut self.ready)
    }

    fn push(&mut self, at: Instant, due: Due) -> Key {
        self.sequence += 1;
        let key = (at.max(self.now), self.sequence);
        self.due.insert(key, due);
        key
    }
}

pub(super) struct Task {
    id: u64,
    executor: Weak<Executor>,
    future: Mutex<Option<BoxFuture<()>>>,
    queued: AtomicBool,
    aborted: AtomicBool,
    ended: AtomicBool,
}

impl Task {
    /// Drops the task when it is its turn.
    pub fn abort(self: &Arc<Self>) {
        self.aborted.store(true, Ordering::Relaxed);
        self.clone().wake();
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// `true` once it has ended.
    fn poll(self: &Arc<Self>) -> bool {
        self.queued.store(false, Ordering::Relaxed);
        let Some(mut future) = self.take() else {
            return true;
        };
        let waker = Waker::from(self.clone());
        let ended = self.aborted.load(Ordering::Relaxed)
            || future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if ended {
            self.ended.store(true, Ordering::Relaxed);
        } else {
            *self.future.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        }
        ended
    }

    fn forget(&self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(self.take());
    }

    fn take(&self) -> Option<BoxFuture<()>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::Relaxed) || self.has_ended() {
            return;
        }
        if let Some(executor) = self.executor.upgrade() {
            executor.core().ready.push_back(self);
        }
    }
}

/// Completes at its instant. Not set before it is polled; dropped, it is taken back.
pub(super) struct Sleep {
    executor: Weak<Executor>,
    at: Instant,
    set: Option<(Key, Arc<Timer>)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(executor) = self.executor.upgrade() else {
            return Poll::Pending;
        };
        if let Some((_, timer)) = &self.set {
            timer.waker.register(cx.waker());
            if timer.fired.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
        let mut core = executor.core();
        if self.at <= core.now {
            return Poll::Ready(());
        }
        let timer = Arc::new(Timer::default());
        timer.waker.register(cx.waker());
        let key = core.push(self.at, Due::Timer(timer.clone()));
        drop(core);
        self.set = Some((key, timer));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some((key, _)), Some(executor)) = (&self.set, self.executor.upgrade()) {
            let due = executor.core().due.remove(key);
            drop(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    type Log = Arc<Mutex<Vec<(u64, Instant)>>>;

    /// Logs its number at each of those times.
    async fn sleeper(executor: Arc<Executor>, log: Log, number: u64, times: [u64; 2]) {
        for at in times {
            executor.sleep_until(ms(at)).await;
            log.lock().expect("nobody panics").push((number, executor.now()));
        }
    }

    fn slept(order: Order) -> Vec<(u64, Instant)> {
        let executor = Executor::new(order);
        let log = Log::default();
        for number in 0..6 {
            let task = sleeper(executor.clone(), log.clone(), number, [20, 10 + number]);
            executor.spawn(Box::pin(task));
        }
        let end = executor.sleep_until(ms(60_000));
        assert_eq!(executor.block_on(end), Ok(()));
        assert_eq!(executor.now(), ms(60_000));
        std::mem::take(&mut *log.lock().expect("nobody panics"))
    }

    #[test]
    fn time_jumps_and_what_is_due_at_once_happens_in_the_order_in_which_it_was_asked_for() {
        let log = slept(Order::Fifo);
        // 10 to 15 ms have passed by then: those sleeps take no time.
        let expected: Vec<_> = (0..6).flat_map(|number| [(number, ms(20)); 2]).collect();
        assert_eq!(log, expected);
    }

    #[test]
    fn a_random_order_is_the_seeds() {
        let seeded = |seed| slept(Order::Random(Box::new(ChaCha8Rng::seed_from_u64(seed))));
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), slept(Order::Fifo));
    }

    #[test]
    fn a_sleep_that_is_dropped_is_taken_back() {
        let executor = Executor::new(Order::Fifo);
        let mut sleep = Box::pin(executor.sleep_until(ms(5)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        drop(sleep);
        assert!(!executor.let_next_happen());
    }

    #[test]
    fn who_waits_for_ever_and_who_never_stops_is_found_out() {
        let executor = Executor::new(Order::Fifo);
        let waiting = executor.block_on(std::future::pending::<()>());
        assert_eq!(waiting, Err(Stalled::Deadlock(Duration::ZERO)));
        executor.spawn(Box::pin(std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        assert_eq!(executor.run_ready(1_000), Err(Stalled::Livelock(Duration::ZERO)));
    }

    #[test]
    fn what_has_not_ended_is_dropped_and_an_aborted_task_before() {
        let executor = Executor::new(Order::Fifo);
        let held = Arc::new(());
        let hold = |held: Arc<()>| async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        let aborted = executor.spawn(Box::pin(hold(held.clone())));
        executor.spawn(Box::pin(hold(held.clone())));
        aborted.abort();
        let (own, counted) = (executor.clone(), held.clone());
        let still_held = executor.block_on(async move {
            own.sleep_until(ms(1)).await;
            Arc::strong_count(&counted)
        });
        assert_eq!(still_held, Ok(3), "the test's, the root's and the other task's");
        assert!(aborted.has_ended());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
