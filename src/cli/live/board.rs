use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::view::View;
use crate::{
    cli::{readers::Shared, so_far::SoFar},
    report::{Launch, RunReport},
    scenario::Scenario,
    verdict::ExitCode,
};

/// A report so far is good for so long: a little less than a second, for whoever asks each second.
const GOOD_FOR: Duration = Duration::from_millis(900);
/// The part of the time that may go into making them: one that takes long is good for longer.
const SHARE: u32 = 20;

/// Runs that are over are remembered up to so many; their distributions take some megabytes each.
const MAX_ENDED: usize = 32;

/// What a run is begun with, as far as its report so far tells it.
pub(in crate::cli) struct Outset {
    pub scenario: Scenario,
    pub launch: Launch,
    pub target: String,
    pub folder: String,
}

/// What there is to be seen of a command's runs: those that are over, and the one that is under way. Everybody who
/// looks within a second sees the same.
pub(in crate::cli) struct Board(Mutex<State>);

struct State {
    scenarios: usize,
    current: Option<(Outset, Shared)>,
    /// Reports of those that are over, in order.
    ended: Vec<Arc<RunReport>>,
    newest: Option<Arc<View>>,
    /// When the newest was made, and for how long it is good.
    made: Option<(Instant, Duration)>,
    over: Option<ExitCode>,
}

impl Board {
    /// For a command that plays so many scenarios.
    pub fn new(scenarios: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            scenarios,
            current: None,
            ended: Vec::new(),
            newest: None,
            made: None,
            over: None,
        })))
    }

    /// A run begins.
    pub fn begin(&self, outset: Outset, gathered: Shared) {
        let mut state = self.lock();
        state.current = Some((outset, gathered));
        state.made = None;
    }

    /// The run is over, and has been judged.
    pub fn end(&self, report: &RunReport) {
        let mut state = self.lock();
        state.current = None;
        if state.ended.len() == MAX_ENDED {
            state.ended.remove(0);
        }
        state.ended.push(Arc::new(report.clone()));
        state.made = None;
    }

    /// All is over. Nothing changes from here on.
    pub fn over(&self, code: ExitCode) {
        let mut state = self.lock();
        state.current = None;
        state.over = Some(code);
        state.made = None;
    }

    /// How things stand; `None` before the first run.
    pub fn view(&self) -> Option<Arc<View>> {
        let mut state = self.lock();
        let over = state.over.is_some();
        let good = |(made, good_for): (Instant, Duration)| over || made.elapsed() < good_for;
        if !state.made.is_some_and(good) {
            let began = Instant::now();
            state.look();
            let took = began.elapsed();
            state.made = Some((Instant::now(), GOOD_FOR.max(took * SHARE)));
        }
        state.newest.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self) {
        let current = self.current.as_ref().and_then(|(outset, gathered)| {
            // The run waits while it is looked at: only what must be is done then.
            let so_far = gathered.with(SoFar::of)?;
            Some(Arc::new(so_far.report(outset)))
        });
        // Between the end of a run and its verdict the last look stands.
        let waits = self.current.is_some() && current.is_none();
        if waits || (current.is_none() && self.ended.is_empty() && self.over.is_none()) {
            return;
        }
        let number = self.newest.as_ref().map_or(1, |newest| newest.number + 1);
        let view = View::new(number, self.scenarios, &self.ended, current, self.over);
        if self
            .newest
            .as_ref()
            .is_none_or(|newest| !newest.shows_the_same(&view))
        {
            self.newest = Some(Arc::new(view));
        }
    }
}
