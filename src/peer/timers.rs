use std::{collections::BTreeMap, time::Duration};

use crate::base::Instant;

/// All deadlines of a machine in one table: `K` is the machine's enum of what can be due.
///
/// Setting a timer again moves it. What is due at the same instant fires in the order of `K`.
#[derive(Debug, Clone)]
pub(super) struct Timers<K> {
    due: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(super) fn new() -> Self {
        Self { due: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, timer: K, at: Instant) {
        self.due.insert(timer, at);
    }

    pub(super) fn is_set(&self, timer: K) -> bool {
        self.due.contains_key(&timer)
    }

    pub(super) fn stop(&mut self, timer: K) {
        self.due.remove(&timer);
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
    }

    pub(super) fn stop_all_but(&mut self, kept: impl Fn(K) -> bool) {
        self.due.retain(|timer, _| kept(*timer));
    }

    /// Those are due so much later.
    pub(super) fn put_off(&mut self, by: Duration, which: impl Fn(K) -> bool) {
        for (timer, at) in &mut self.due {
            if which(*timer) {
                *at += by;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Takes the earliest timer that is due at `now`, with the instant it was due at.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(K, Instant)> {
        let (timer, at) = self
            .due
            .iter()
            .map(|(timer, at)| (*timer, *at))
            .filter(|(_, at)| *at <= now)
            .min_by_key(|(timer, at)| (*at, *timer))?;
        self.due.remove(&timer);
        Some((timer, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_by_instant_then_by_kind_and_only_when_due() {
        let mut timers = Timers::new();
        timers.set('b', Instant::from_millis(5));
        timers.set('a', Instant::from_millis(5));
        timers.set('c', Instant::from_millis(1));
        timers.set('d', Instant::from_millis(9));
        timers.set('c', Instant::from_millis(2));
        let mut fired = Vec::new();
        while let Some((timer, at)) = timers.expire(Instant::from_millis(6)) {
            fired.push((timer, at.as_micros() / 1000));
        }
        assert_eq!(fired, [('c', 2), ('a', 5), ('b', 5)]);
        assert_eq!(timers.next(), Some(Instant::from_millis(9)));
    }

    #[test]
    fn what_is_put_off_is_due_so_much_later_and_nothing_else_is() {
        let mut timers = Timers::new();
        timers.set('a', Instant::from_millis(5));
        timers.set('b', Instant::from_millis(6));
        timers.put_off(Duration::from_millis(10), |timer| timer == 'a');
        assert_eq!(timers.next(), Some(Instant::from_millis(6)));
        assert_eq!(timers.due[&'a'], Instant::from_millis(15));
    }
}
