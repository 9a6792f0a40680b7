use thiserror::Error;

use super::{Knee, Outcome, Tried};

/// More than this is not tried, whatever the runs say.
const MAX_TRIES: usize = 300;

/// Between which loads a knee is looked for, and how closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    from: u32,
    to: u32,
    step: u32,
    tries: usize,
}

/// A range that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Mistake {
    /// There is nothing between its ends.
    #[error("the smallest load has to be at least 1 and below the largest")]
    Empty,
    /// Steps that lead nowhere.
    #[error("a step has to be at least 1, and so has the number of tries")]
    NoStep,
}

impl Range {
    /// From the smallest load to the largest; two loads nearer than `step` are not told apart, and each end of the
    /// interval is tried `tries` times.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn new(from: u32, to: u32, step: u32, tries: usize) -> Result<Self, Mistake> {
        if from == 0 || from >= to {
            return Err(Mistake::Empty);
        }
        if step == 0 || tries == 0 {
            return Err(Mistake::NoStep);
        }
        Ok(Self {
            from,
            to,
            step,
            tries,
        })
    }
}

/// Looks for a knee: doubles the load until it breaks, halves the stretch in which it does, and then tries both ends
/// again, moving an end outwards that does not do the same each time.
#[derive(Debug, Clone)]
pub struct Search {
    range: Range,
    all: Vec<Tried>,
}

impl Search {
    /// Nothing has been tried.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            all: Vec::new(),
        }
    }

    /// The load to be tried next; `None`: the knee is found, or is not in the range, or nothing can be proved. A load
    /// whose run proves nothing is tried again, until as many runs as each end is tried have proved nothing.
    pub fn next(&self) -> Option<u32> {
        let unproven = self.all.len() - self.proven().count();
        if self.all.len() >= MAX_TRIES || unproven >= self.range.tries {
            return None;
        }
        self.rough()
            .or_else(|| self.end(true))
            .or_else(|| self.end(false))
    }

    /// What became of it.
    pub fn tell(&mut self, tried: Tried) {
        self.all.push(tried);
    }

    /// All tries, in their order.
    pub fn tried(&self) -> &[Tried] {
        &self.all
    }

    /// Where the knee lies by what was tried so far.
    pub fn knee(&self) -> Knee {
        Knee::of(&self.all, self.range.tries)
    }

    /// The tries that prove something.
    fn proven(&self) -> impl Iterator<Item = &Tried> + Clone {
        self.all.iter().filter(|tried| tried.outcome != Outcome::Unproven)
    }

    /// By the first try of each load: doubling, then halving.
    fn rough(&self) -> Option<u32> {
        let Range { from, to, step, .. } = self.range;
        let held = |load: u32| {
            let first = self.proven().find(|tried| tried.load == load);
            first.map(|tried| tried.outcome == Outcome::Held)
        };
        let (mut low, mut high) = (None, from);
        loop {
            match held(high) {
                None => return Some(high),
                Some(false) => break,
                Some(true) if high == to => return None,
                Some(true) => (low, high) = (Some(high), high.saturating_mul(2).min(to)),
            }
        }
        let mut low = low?;
        while high - low > step {
            let middle = low + (high - low) / 2;
            match held(middle) {
                None => return Some(middle),
                Some(true) => low = middle,
                Some(false) => high = middle,
            }
        }
        None
    }

    /// The next try at the end that is to hold each time, or at the one that is to break each time.
    fn end(&self, holds: bool) -> Option<u32> {
        let Range {
            from,
            to,
            step,
            tries,
        } = self.range;
        let is_so = |tried: &Tried| (tried.outcome == Outcome::Held) == holds;
        // The loads that tell against it are within the interval: it begins beyond the outermost of them.
        let against = self
            .proven()
            .filter(|tried| !is_so(tried))
            .map(|tried| tried.load);
        let within = if holds { against.min() } else { against.max() };
        let beyond = |load: u32| match within {
            None => true,
            Some(within) if holds => load < within,
            Some(within) => load > within,
        };
        let known = self.proven().map(|tried| tried.load).filter(|load| beyond(*load));
        let at = if holds { known.max() } else { known.min() };
        let at = match (at, within) {
            (Some(at), _) => at,
            // Farther out, and each time by more.
            (None, Some(within)) if holds => {
                let out = step.saturating_mul(self.moves(holds));
                let at = within.saturating_sub(out).max(from);
                (at < within).then_some(at)?
            }
            (None, Some(within)) => {
                let out = step.saturating_mul(self.moves(holds));
                let at = within.saturating_add(out).min(to);
                (at > within).then_some(at)?
            }
            (None, None) => return None,
        };
        let so_far = self.proven().filter(|tried| tried.load == at).count();
        (so_far < tries).then_some(at)
    }

    /// How often that end had to be moved, and once more.
    fn moves(&self, holds: bool) -> u32 {
        let mut mixed: Vec<u32> = self.proven().map(|tried| tried.load).collect();
        mixed.sort_unstable();
        mixed.dedup();
        mixed.retain(|load| {
            let here = self.proven().filter(|tried| tried.load == *load);
            let held = here
                .clone()
                .filter(|tried| tried.outcome == Outcome::Held)
                .count();
            let all = here.count();
            if holds { held < all } else { held > 0 }
        });
        u32::try_from(mixed.len()).unwrap_or(u32::MAX).clamp(1, 64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capacity::Limit;

    fn search(range: (u32, u32, u32), outcome: impl FnMut(u32) -> Outcome) -> Search {
        let mut search = Search::new(Range::new(range.0, range.1, range.2, 3).expect("a range"));
        let mut outcome = outcome;
        while let Some(load) = search.next() {
            let outcome = outcome(load);
            search.tell(Tried { load, outcome });
        }
        search
    }

    fn sharp(knee: u32) -> impl FnMut(u32) -> Outcome {
        move |load| match load <= knee {
            true => Outcome::Held,
            false => Outcome::Broke,
        }
    }

    #[test]
    fn it_doubles_then_halves_then_tries_both_ends_again() {
        let search = search((10, 1_000, 5), sharp(117));
        let loads: Vec<u32> = search.tried().iter().map(|tried| tried.load).collect();
        assert_eq!(
            loads,
            [10, 20, 40, 80, 160, 120, 100, 110, 115, 115, 115, 120, 120]
        );
        let knee = search.knee();
        assert_eq!(
            (knee.holds, knee.breaks, knee.limit),
            (Some(115), Some(120), Limit::Server)
        );
    }

    #[test]
    fn a_knee_outside_the_range_is_told_as_that() {
        let over = search((10, 100, 5), sharp(1_000)).knee();
        assert_eq!(
            (over.holds, over.breaks, over.limit),
            (Some(100), None, Limit::Neither)
        );
        let under = search((10, 100, 5), sharp(3)).knee();
        assert_eq!(
            (under.holds, under.breaks, under.limit),
            (None, Some(10), Limit::Server)
        );
    }

    #[test]
    fn a_generator_at_its_end_is_not_taken_for_the_server() {
        let knee = search((10, 1_000, 5), |load| match load {
            ..=60 => Outcome::Held,
            _ => Outcome::Saturated,
        });
        assert_eq!(knee.knee().limit, Limit::Generator);
        // Far above the knee the generator ends, too: that says nothing of the knee.
        let knee = search((10, 1_000, 5), |load| match load {
            ..=60 => Outcome::Held,
            61..=79 => Outcome::Broke,
            _ => Outcome::Saturated,
        });
        assert_eq!(knee.knee().limit, Limit::Server);
    }

    #[test]
    fn a_run_that_proves_nothing_is_no_try_and_changes_nothing() {
        let mut lost = false;
        let mut knee = sharp(117);
        let found = search((10, 1_000, 5), |load| {
            // Once, at the load where it matters most.
            if load == 120 && !lost {
                lost = true;
                return Outcome::Unproven;
            }
            knee(load)
        });
        assert_eq!(found.tried().len(), 14);
        assert_eq!(found.knee(), search((10, 1_000, 5), sharp(117)).knee());
    }

    #[test]
    fn where_nothing_can_be_proved_the_search_ends_and_blames_nobody() {
        let found = search((10, 1_000, 5), |load| match load {
            ..=40 => Outcome::Held,
            _ => Outcome::Unproven,
        });
        let loads: Vec<u32> = found.tried().iter().map(|tried| tried.load).collect();
        assert_eq!(loads, [10, 20, 40, 80, 80, 80]);
        let knee = found.knee();
        assert_eq!((knee.breaks, knee.limit), (None, Limit::Unproven));
    }

    #[test]
    fn an_end_that_does_not_do_the_same_each_time_is_moved_outwards() {
        let mut tries = 0;
        let search = search((10, 1_000, 2), |load| {
            tries += 1;
            match load {
                ..=90 => Outcome::Held,
                91..=110 if tries % 2 == 0 => Outcome::Held,
                _ => Outcome::Broke,
            }
        });
        let knee = search.knee();
        let (holds, breaks) = (knee.holds.expect("it holds"), knee.breaks.expect("it breaks"));
        assert!(holds <= 110 && breaks >= 91 && holds < breaks, "{knee:?}");
        for (load, held) in [(holds, true), (breaks, false)] {
            let here = search.tried().iter().filter(|tried| tried.load == load);
            let same = here.filter(|tried| (tried.outcome == Outcome::Held) == held);
            assert!(same.count() >= 3, "{knee:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(Range::new(0, 10, 1, 3), Err(Mistake::Empty));
        assert_eq!(Range::new(10, 10, 1, 3), Err(Mistake::Empty));
        assert_eq!(Range::new(1, 10, 0, 3), Err(Mistake::NoStep));
        assert_eq!(Range::new(1, 10, 1, 0), Err(Mistake::NoStep));
    }

    proptest! {
        #[test]
        fn a_sharp_knee_is_in_the_interval_and_two_searches_agree(
            from in 1_u32..50, more in 1_u32..2_000, step in 1_u32..40, knee in 0_u32..2_500,
        ) {
            let range = (from, from + more, step);
            let found = search(range, sharp(knee));
            let of = found.knee();
            prop_assert!(of.holds.is_none_or(|load| load <= knee), "{:?}", of);
            prop_assert!(of.breaks.is_none_or(|load| load > knee), "{:?}", of);
            if let (Some(holds), Some(breaks)) = (of.holds, of.breaks) {
                prop_assert!(breaks - holds <= step, "{:?}", of);
            }
            prop_assert!(found.tried().len() < 60);
            prop_assert!(of.agrees_with(&search(range, sharp(knee)).knee()));
        }

        #[test]
        fn luck_never_makes_it_go_on_for_ever(
            seed in any::<u64>(), from in 1_u32..50, more in 1_u32..500, step in 1_u32..10,
        ) {
            let mut luck = seed;
            let found = search((from, from + more, step), |_| {
                luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                [
                    Outcome::Held,
                    Outcome::Broke,
                    Outcome::Saturated,
                    Outcome::Unproven,
                ][(luck >> 33) as usize % 4]
            });
            prop_assert!(found.tried().len() <= MAX_TRIES);
            let of = found.knee();
            if let (Some(holds), Some(breaks)) = (of.holds, of.breaks) {
                prop_assert!(holds < breaks, "{:?}", of);
            }
        }
    }
}
