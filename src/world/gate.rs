//! One cause at a time for the driver of `webrtc`.
//!
//! Its `futures::select!` polls its arms in an order that it draws from the state of the thread, which is
//! another one in each run. Where two arms are ready at once, that decides which datagram leaves first, and
//! so which one a link loses or delays. The gate lets it find one ready: what its channel brings first, then
//! one read of a socket, then the timer.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// What the driver may find ready.
const ALL: u8 = 0;
const CHANNEL: u8 = 1;
const SOCKETS: u8 = 2;

/// Closed and opened by turns while the driver is polled; open to everybody at all other times.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Whether it does anything at all.
    on: bool,
    open: AtomicU8,
    /// Who has polled a socket while that was closed.
    readers: Mutex<Vec<Waker>>,
    timer_held: AtomicBool,
}

impl Gate {
    pub fn new(on: bool) -> Self {
        Self {
            on,
            ..Self::default()
        }
    }

    /// Polls the driver until neither of the three brings it any further.
    pub fn poll(&self, mut driver: impl FnMut() -> Poll<()>) -> Poll<()> {
        if !self.on {
            return driver();
        }
        loop {
            self.open(CHANNEL);
            if driver().is_ready() {
                return self.done(Poll::Ready(()));
            }
            let readers = std::mem::take(&mut *self.readers());
            if !readers.is_empty() {
                self.open(SOCKETS);
                readers.into_iter().for_each(Waker::wake);
                if driver().is_ready() {
                    return self.done(Poll::Ready(()));
                }
                if self.is(CHANNEL) {
                    continue;
                }
            }
            if !self.timer_held.swap(false, Ordering::Relaxed) {
                return self.done(Poll::Pending);
            }
            self.open(ALL);
            if driver().is_ready() {
                return self.done(Poll::Ready(()));
            }
            if self.is(ALL) {
                return Poll::Pending;
            }
        }
    }

    /// A read of a socket, if it is its turn; the one that brings something is the only one. Who looks for
    /// more of the same burst has a waker that does nothing, and always may.
    pub fn read<T>(&self, cx: &mut Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if !self.on || cx.waker().will_wake(Waker::noop()) {
            return read(cx);
        }
        if self.is(CHANNEL) {
            self.readers().push(cx.waker().clone());
            return Poll::Pending;
        }
        self.pass(read(cx))
    }

    /// The same for the timer.
    pub fn sleep(&self, sleep: impl FnOnce() -> Poll<()>) -> Poll<()> {
        if self.on && !self.is(ALL) {
            self.timer_held.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        self.pass(sleep())
    }

    /// What the driver got may have made its channel ready: that is next.
    fn pass<T>(&self, polled: Poll<T>) -> Poll<T> {
        if self.on && polled.is_ready() {
            self.open(CHANNEL);
        }
        polled
    }

    fn done(&self, polled: Poll<()>) -> Poll<()> {
        self.open(ALL);
        polled
    }

    fn open(&self, what: u8) {
        self.open.store(what, Ordering::Relaxed);
    }

    fn is(&self, what: u8) -> bool {
        self.open.load(Ordering::Relaxed) == what
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, sync::Arc, task::Wake};

    use super::*;

    struct Awake;

    impl Wake for Awake {
        fn wake(self: Arc<Self>) {}
    }

    /// A driver that looks at its arms in that order, as the shuffling one may, and takes the first that is
    /// ready.
    fn taken(order: [char; 3]) -> String {
        let gate = Gate::new(true);
        let waker = Waker::from(Arc::new(Awake));
        let mut cx = Context::from_waker(&waker);
        let channel = RefCell::new(VecDeque::from(["c"]));
        let packets = RefCell::new(VecDeque::from(["p", "q"]));
        let timers = RefCell::new(VecDeque::from(["t"]));
        let ready = |queue: &RefCell<VecDeque<&'static str>>| match queue.borrow_mut().pop_front() {
            Some(what) => Poll::Ready(what),
            None => Poll::Pending,
        };
        let mut taken = String::new();
        let polled = gate.poll(|| {
            loop {
                let found = order.iter().find_map(|arm| {
                    let polled = match arm {
                        'c' => ready(&channel),
                        'p' => gate.read(&mut cx, |_| ready(&packets)),
                        _ => {
                            let due = !timers.borrow().is_empty();
                            let sleep = || if due { Poll::Ready(()) } else { Poll::Pending };
                            gate.sleep(sleep)
                                .map(|()| timers.borrow_mut().pop_front().expect("due"))
                        }
                    };
                    match polled {
                        Poll::Ready(what) => Some(what),
                        Poll::Pending => None,
                    }
                });
                let Some(found) = found else { return Poll::Pending };
                taken += found;
                if found == "p" {
                    // What a datagram causes inside.
                    channel.borrow_mut().push_back("d");
                }
            }
        });
        assert!(polled.is_pending());
        taken
    }

    #[test]
    fn in_whatever_order_it_looks_it_finds_the_same() {
        for order in ["cpt", "ctp", "pct", "ptc", "tcp", "tpc"] {
            let arms: Vec<char> = order.chars().collect();
            assert_eq!(taken([arms[0], arms[1], arms[2]]), "cpdqt", "{order}");
        }
    }

    #[test]
    fn one_that_is_off_holds_nothing() {
        let gate = Gate::new(false);
        assert!(gate.poll(|| gate.sleep(|| Poll::Ready(()))).is_ready());
    }
}
