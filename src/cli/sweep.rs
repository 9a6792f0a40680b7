//! Many runs in virtual time, on all cores: over seeds, and over what a failing scenario can do without.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant as WallInstant},
};

use indicatif::ProgressBar;

use super::{
    load::Grammar,
    simulate::{Simulated, simulate},
};
use crate::{
    hunt::{Failure, Shrinker, Signature, Tally, with_reference},
    metrics::RunEvent,
    scenario::Scenario,
    sim::Schedule,
};

/// Seeds that a smaller scenario is given to break with: what depends on luck needs more than one.
const LUCK: u64 = 20;
/// Between two looks at whether the user wants an end.
const GLANCE: Duration = Duration::from_millis(100);

/// What is swept.
pub(super) struct Sweep<'a> {
    pub scenario: &'a Scenario,
    pub schedule: Schedule,
    pub first_seed: u64,
    pub seeds: u64,
    pub jobs: usize,
    /// No further run begins after that many have failed.
    pub max_failures: Option<u64>,
    /// No further run begins after that instant.
    pub until: Option<WallInstant>,
    /// Whether the user wants an end.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// Why a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every seed was tried.
    Whole,
    Failures,
    Time,
    Interrupted,
}

impl Sweep<'_> {
    /// Plays every seed, in no particular order.
    pub fn run(&self, bar: &ProgressBar) -> (Tally, End) {
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut tally = Tally::default();
        let mut end = End::Whole;
        std::thread::scope(|threads| {
            let (tell, told) = mpsc::channel();
            for _ in 0..self.jobs {
                let tell = tell.clone();
                threads.spawn(|| self.work(&next, &stop, tell));
            }
            drop(tell);
            loop {
                match told.recv_timeout(GLANCE) {
                    Ok((seed, failure)) => tally.add(seed, failure),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                bar.set_position(tally.runs());
                bar.set_message(match tally.failed() {
                    0 => "no failure".to_owned(),
                    failed => match tally.groups().len() {
                        1 => format!("{failed} failed"),
                        ways => format!("{failed} failed, in {ways} ways"),
                    },
                });
                if end == End::Whole && self.is_enough(&tally, &mut end) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        if tally.runs() == self.seeds && end != End::Interrupted {
            end = End::Whole;
        }
        (tally, end)
    }

    fn is_enough(&self, tally: &Tally, end: &mut End) -> bool {
        if (self.interrupted)() {
            *end = End::Interrupted;
        } else if self.max_failures.is_some_and(|most| tally.failed() >= most) {
            *end = End::Failures;
        } else if self.until.is_some_and(|until| WallInstant::now() >= until) {
            *end = End::Time;
        }
        *end != End::Whole
    }

    fn work(&self, next: &AtomicU64, stop: &AtomicBool, tell: mpsc::Sender<(u64, Option<Failure>)>) {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= self.seeds {
                return;
            }
            let seed = self.first_seed.wrapping_add(index);
            let simulated = simulate(self.scenario, seed, self.schedule);
            if tell.send((seed, simulated.failure)).is_err() {
                return;
            }
        }
    }
}

/// A scenario that breaks as the one that it comes from, as small as it got.
pub(super) struct Shrunk {
    pub scenario: Scenario,
    pub seed: u64,
    pub schedule: Schedule,
    pub size: [usize; 3],
    pub tries: u32,
    /// Known if nothing more can go.
    pub blamed: Option<Vec<(&'static str, String)>>,
    pub failure: Failure,
    pub events: Vec<RunEvent>,
}

/// What is to be made smaller.
pub(super) struct Breaking {
    pub failure: Failure,
    pub seed: u64,
}

/// Makes each as small as it gets, on that many threads; what is interrupted stays larger than it has to be.
/// `shrink`: whether they are made smaller at all.
pub(super) fn shrink_all(
    of: &Sweep<'_>,
    breaking: &[Breaking],
    shrink: bool,
    bar: &ProgressBar,
) -> Vec<Shrunk> {
    let next = AtomicU64::new(0);
    let found: Mutex<Vec<(usize, Shrunk)>> = Mutex::default();
    let at_once = of.jobs.min(breaking.len()).max(1);
    let jobs = (of.jobs / at_once).max(1);
    std::thread::scope(|threads| {
        for _ in 0..at_once {
            threads.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as usize;
                    let Some(breaking) = breaking.get(index) else {
                        return;
                    };
                    let smallest = shrink_one(of, breaking, jobs, shrink, bar);
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, smallest));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, smallest)| smallest).collect()
}

fn shrink_one(of: &Sweep<'_>, breaking: &Breaking, jobs: usize, shrink: bool, bar: &ProgressBar) -> Shrunk {
    let mut trial = Trial {
        jobs,
        signature: &breaking.failure.signature,
        schedule: of.schedule,
        spares_reference: false,
        interrupted: of.interrupted,
    };
    let scenario = Scenario {
        seed: Some(breaking.seed),
        ..of.scenario.clone()
    };
    trial.spares_reference = shrink && trial.is_survived_by_reference(&scenario, breaking.seed, of.schedule);
    let mut shrinker = Shrinker::new(scenario, &Grammar);
    if shrink {
        trial.try_fifo(shrinker.best());
        while let Some(attempt) = shrinker.attempt() {
            if (of.interrupted)() {
                break;
            }
            shrinker.tell(trial.breaks(&attempt));
            let [rooms, peers, steps] = shrinker.size();
            bar.set_message(format!(
                "{}: {rooms} rooms of {peers}, {steps} steps, {} tried",
                trial.signature,
                shrinker.tries()
            ));
        }
        trial.try_fifo(shrinker.best());
    }
    let seed = seed_of(shrinker.best());
    let Simulated { events, failure } = simulate(shrinker.best(), seed, trial.schedule);
    let mut scenario = shrinker.best().clone();
    if shrinker.tries() > 0 {
        scenario.about = Some(format!(
            "The smallest case of {} that was found for: {}",
            scenario.name, trial.signature
        ));
    }
    Shrunk {
        scenario,
        seed,
        schedule: trial.schedule,
        size: shrinker.size(),
        tries: shrinker.tries(),
        blamed: shrinker.blamed(),
        failure: failure.unwrap_or_else(|| breaking.failure.clone()),
        events,
    }
}

fn seed_of(scenario: &Scenario) -> u64 {
    scenario.seed.unwrap_or(0)
}

/// Whether smaller scenarios break in the same way.
struct Trial<'a> {
    /// How many runs go on at once.
    jobs: usize,
    signature: &'a Signature,
    schedule: Schedule,
    /// The reference survives what its clients do not: so it has to survive whatever that is made of, or it would
    /// end as another failure, which is nobody's or everybody's.
    spares_reference: bool,
    interrupted: &'a (dyn Fn() -> bool + Sync),
}

impl Trial<'_> {
    /// What breaks without luck is played without it: that is much easier to read.
    fn try_fifo(&mut self, scenario: &Scenario) {
        if self.breaks_in(scenario, seed_of(scenario), Schedule::Fifo) {
            self.schedule = Schedule::Fifo;
        }
    }

    /// The first seed with which it does, from its own on.
    fn breaks(&self, scenario: &Scenario) -> Option<u64> {
        let own = seed_of(scenario);
        if (self.interrupted)() {
            return None;
        }
        if self.breaks_in(scenario, own, self.schedule) {
            return Some(own);
        }
        // In the plain order a seed decides nothing but draws.
        if self.schedule == Schedule::Fifo {
            return None;
        }
        let (next, first) = (AtomicU64::new(1), AtomicU64::new(u64::MAX));
        let work = || {
            loop {
                let luck = next.fetch_add(1, Ordering::Relaxed);
                if luck > LUCK.min(first.load(Ordering::Relaxed)) || (self.interrupted)() {
                    return;
                }
                if self.breaks_in(scenario, own.wrapping_add(luck), self.schedule) {
                    first.fetch_min(luck, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|threads| {
            (0..self.jobs).for_each(|_| drop(threads.spawn(work)));
        });
        let first = first.into_inner();
        (first <= LUCK).then(|| own.wrapping_add(first))
    }

    fn breaks_in(&self, scenario: &Scenario, seed: u64, schedule: Schedule) -> bool {
        let failure = simulate(scenario, seed, schedule).failure;
        failure.is_some_and(|failure| failure.signature == *self.signature)
            && (!self.spares_reference || self.is_survived_by_reference(scenario, seed, schedule))
    }

    /// `false` as well if nobody but the reference is in it.
    fn is_survived_by_reference(&self, scenario: &Scenario, seed: u64, schedule: Schedule) -> bool {
        let reference = with_reference(scenario);
        reference.is_some_and(|reference| simulate(&reference, seed, schedule).failure.is_none())
    }
}
