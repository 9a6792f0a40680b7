//! One run in virtual time, on this thread, and what broke in it.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
};

use super::place::sim_world;
use crate::{
    base::Instant,
    hunt::{self, Failure},
    metrics::RunEvent,
    plan::{self, Plan},
    run::{self, EventReader, Options},
    scenario::Scenario,
    sim::Schedule,
    world::{Census, Tricks, World},
};

thread_local! {
    /// What this thread simulates.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The seed that this thread simulates, if it does: who panics tells it.
pub(super) fn seed_at_hand() -> Option<u64> {
    SEED.get()
}

/// A run that is over.
pub(super) struct Simulated {
    pub events: Vec<RunEvent>,
    /// What broke first.
    pub failure: Option<Failure>,
}

/// Plays a scenario with a seed and judges it, by its thresholds, too, if it still has them.
pub(super) fn simulate(scenario: &Scenario, seed: u64, schedule: Schedule) -> Simulated {
    let plan = Arc::new(plan::expand(scenario, seed, &plan::Options::default()));
    SEED.set(Some(seed));
    let (events, ended) = play(&plan, schedule);
    SEED.set(None);
    let failure = match ended {
        Ok(ended) => hunt::judge(scenario, &plan, &events, ended),
        Err((stalled, at)) => Some(Failure::stalled(stalled, at)),
    };
    Simulated { events, failure }
}

fn play(plan: &Arc<Plan>, schedule: Schedule) -> (Vec<RunEvent>, Result<Instant, (String, Instant)>) {
    let world = sim_world(schedule, plan.seed);
    let census = Arc::new(Census::default());
    let events = Kept::default();
    let options = Options {
        ice_servers: Vec::new(),
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let readers: Vec<Box<dyn EventReader>> = vec![Box::new(events.clone())];
    let run = run::execute(world.clone(), census, plan.clone(), options, readers);
    let ended = match world.block_on(run) {
        Ok(summary) => Ok(Instant::START + summary.duration),
        Err(stalled) => Err((stalled.to_string(), world.now())),
    };
    (events.take(), ended)
}

/// Keeps every event.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<RunEvent>>>);

impl Kept {
    fn take(&self) -> Vec<RunEvent> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventReader for Kept {
    fn read(&mut self, event: &RunEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event.clone());
    }
}
