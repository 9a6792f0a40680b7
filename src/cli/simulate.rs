//! One run in virtual time, on this thread, and what broke in it.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
};

use super::{place::sim_world, readers::Normal};
use crate::{
    base::{Instant, Rate},
    hunt::{self, Failure},
    metrics::RunEvent,
    plan::{self, Plan},
    run::{self, EventReader, Options, RunSummary},
    scenario::{RelayMode, Scenario},
    sim::{Schedule, Stalled},
    world::{Census, Tricks},
};

thread_local! {
    /// What this thread simulates.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The seed that this thread simulates, if it does: who panics tells it.
pub(super) fn seed_at_hand() -> Option<u64> {
    SEED.get()
}

/// Whether the bundled server, with which simulations play, speaks what the scenario's peers do. `false`: it has been
/// printed.
pub(super) fn speaks_its_protocol(scenario: &Scenario) -> bool {
    let deployed = scenario.target.relay_mode == RelayMode::Deployed;
    let foreign = scenario.target.protocol.foreign_to_bundled(deployed);
    if let Some(what) = &foreign {
        eprintln!(
            "error: {}: the bundled server, which simulations play with, does not speak `protocol: {}` ({what})\n  help: name the `--url` of one that does, without `--sim`; or leave the `protocol` out",
            scenario.name, scenario.target.protocol
        );
    }
    foreign.is_none()
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
    let events = Kept::default();
    let played = play(scenario, &plan, (schedule, None), Box::new(events.clone()));
    let events = events.take();
    let failure = match played {
        Ok(summary) => hunt::judge(scenario, &plan, &events, Instant::START + summary.duration),
        Err(stalled) => {
            let at = events.last().map_or(Instant::START, |event| event.at);
            Some(Failure::stalled(stalled.to_string(), at))
        }
    };
    Simulated { events, failure }
}

/// Plays a plan of a scenario's; the reader gets normalised events.
pub(super) fn play(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    (schedule, max_rate): (Schedule, Option<Rate>),
    reader: Box<dyn EventReader>,
) -> Result<RunSummary, Stalled> {
    let world = Arc::new(sim_world(&scenario.target, schedule, plan.seed));
    let options = Options {
        ice_servers: Vec::new(),
        max_rate,
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let readers: Vec<Box<dyn EventReader>> = vec![Box::new(Normal::new(vec![reader]))];
    let census = Arc::new(Census::default());
    SEED.set(Some(plan.seed));
    let played = world.block_on(run::execute(
        world.clone(),
        census,
        plan.clone(),
        options,
        readers,
    ));
    SEED.set(None);
    played
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::load::Grammar, scenario::parse};

    struct Asks(Arc<Mutex<Vec<Option<u64>>>>);

    impl EventReader for Asks {
        fn read(&mut self, _event: &RunEvent) {
            self.0.lock().expect("nobody panics").push(seed_at_hand());
        }
    }

    #[test]
    fn whoever_panics_in_a_simulation_can_tell_its_seed() {
        let text = "{ name: short, rooms: { peers: 2 }, steps: [join] }";
        let scenario = parse("short", text, &Grammar).expect("it is sound");
        let plan = Arc::new(plan::expand(&scenario, 7, &plan::Options::default()));
        let told = Arc::new(Mutex::new(Vec::new()));
        play(
            &scenario,
            &plan,
            (Schedule::Fifo, None),
            Box::new(Asks(told.clone())),
        )
        .expect("it makes progress");
        let told = told.lock().expect("nobody panics");
        assert!(
            !told.is_empty() && told.iter().all(|seed| *seed == Some(7)),
            "{told:?}"
        );
        assert_eq!(seed_at_hand(), None);
    }
}
