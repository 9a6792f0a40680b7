use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a run holds at the moment. Everything that is counted is counted by a [`Counted`] that lives as
/// long as it does, so after a run every count is zero or something has leaked.
#[derive(Debug, Default)]
pub struct Census {
    connections: AtomicU64,
    tasks: AtomicU64,
    timers: AtomicU64,
    sockets: AtomicU64,
}

/// What a [`Counted`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// An `RTCPeerConnection`.
    Connection,
    /// A task of the run or of `webrtc`.
    Task,
    /// A timer that is armed.
    Timer,
    /// A UDP or signaling socket.
    Socket,
}

impl Census {
    /// Counts one more until the guard is dropped.
    pub fn count(self: &Arc<Self>, holding: Holding) -> Counted {
        self.of(holding).fetch_add(1, Ordering::Relaxed);
        Counted {
            census: self.clone(),
            holding,
        }
    }

    /// How many there are.
    pub fn held(&self, holding: Holding) -> u64 {
        self.of(holding).load(Ordering::Relaxed)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        [
            Holding::Connection,
            Holding::Task,
            Holding::Timer,
            Holding::Socket,
        ]
        .into_iter()
        .all(|holding| self.held(holding) == 0)
    }

    fn of(&self, holding: Holding) -> &AtomicU64 {
        match holding {
            Holding::Connection => &self.connections,
            Holding::Task => &self.tasks,
            Holding::Timer => &self.timers,
            Holding::Socket => &self.sockets,
        }
    }
}

/// Counts one until it is dropped.
#[derive(Debug)]
pub struct Counted {
    census: Arc<Census>,
    holding: Holding,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.of(self.holding).fetch_sub(1, Ordering::Relaxed);
    }
}
