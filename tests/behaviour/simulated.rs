//! The simulated world, in this process, every event read.

use std::{sync::Arc, time::Duration};

use reference_server::room::{HubConfig, RelayMode as ServerMode};
use rtcstorm::{
    base::RootSeed,
    metrics::RunEvent,
    plan::{Plan, RelayMode},
    run::{self, EventReader},
    sim::{Schedule, SimWorld},
    world::{Census, Tricks},
};

use crate::local::Events;

/// Plays a plan to its end, and how long that took in virtual time. Nothing may be left.
pub fn play(plan: &Arc<Plan>, schedule: Schedule) -> (Vec<RunEvent>, Duration) {
    let seed = RootSeed(plan.seed);
    let hub = HubConfig {
        relay_mode: match plan.relay_mode {
            RelayMode::Rooms => ServerMode::Rooms,
            RelayMode::Deployed => ServerMode::Deployed,
        },
        ..HubConfig::default()
    };
    let world = Arc::new(SimWorld::new(hub, [7; 32], schedule, seed));
    let census = Arc::new(Census::default());
    let events = Events::default();
    let options = run::Options {
        ice_servers: Vec::new(),
        max_rate: None,
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let readers: Vec<Box<dyn EventReader>> = vec![Box::new(events.clone())];
    let run = run::execute(world.clone(), census.clone(), plan.clone(), options, readers);
    let summary = world
        .block_on(run)
        .unwrap_or_else(|stalled| panic!("{}, seed {}: {stalled}", plan.scenario, plan.seed));
    assert!(census.is_empty(), "still held: {census:?}");
    (events.take(), summary.duration)
}
