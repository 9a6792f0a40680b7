use std::{collections::BTreeMap, time::Duration};

use crate::protocol::{RoomId, UserId};

/// Everything that a hub waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// The deployment lists its rooms every 5 s.
    RoomList,
    /// A member's socket is away and does not come back. The membership's number is the generation: a later
    /// membership of the same user is not meant.
    Grace {
        room: RoomId,
        user: UserId,
        membership: u64,
    },
}

/// Names one timer that was set, to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey {
    due: Duration,
    sequence: u64,
}

/// The one table of deadlines; ties go by the order of setting.
#[derive(Debug, Default)]
pub(super) struct Timers {
    table: BTreeMap<TimerKey, Timer>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, due: Duration, timer: Timer) -> TimerKey {
        self.set += 1;
        let key = TimerKey {
            due,
            sequence: self.set,
        };
        self.table.insert(key, timer);
        key
    }

    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.table.remove(&key);
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.table.keys().next().map(|key| key.due)
    }

    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Timer> {
        let first = self.table.first_entry()?;
        (first.key().due <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_when_due_and_not_when_cancelled() {
        let ms = Duration::from_millis;
        let mut timers = Timers::default();
        let grace = |membership| Timer::Grace {
            room: RoomId::new("r").expect("fair"),
            user: UserId::new("u").expect("fair"),
            membership,
        };
        timers.set(ms(20), Timer::RoomList);
        let cancelled = timers.set(ms(10), grace(1));
        timers.set(ms(10), grace(2));
        timers.cancel(cancelled);
        assert_eq!(timers.next_due(), Some(ms(10)));
        assert_eq!(timers.pop_due(ms(9)), None);
        assert_eq!(timers.pop_due(ms(10)), Some(grace(2)));
        assert_eq!(timers.pop_due(ms(10)), None);
        assert_eq!(timers.pop_due(ms(99)), Some(Timer::RoomList));
        assert_eq!(timers.next_due(), None);
    }
}
