//! The local world, in this process: real connections over loopback, the bundled server, every event read.

use std::sync::{Arc, Mutex, PoisonError};

use reference_server::{
    Config,
    room::{HubConfig, RelayMode as ServerMode},
};
use rtcstorm::{
    base::Instant,
    metrics::{Recorder, RunEvent, Snapshot},
    net::{Bundled, IceSide, NetWorld, Target},
    plan::{self, RelayMode, expand},
    run::{self, EventReader, RunSummary},
    scenario::{ThresholdCheck, ThresholdMistake, parse},
    verdict::invariants::{Checkers, InvariantResult, Visibility},
    world::{Census, Tricks},
};

/// What a run was.
pub struct Played {
    pub events: Vec<RunEvent>,
    pub snapshot: Snapshot,
    pub invariants: Vec<InvariantResult>,
    pub summary: RunSummary,
}

/// Keeps every event.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<RunEvent>>>);

impl Events {
    pub fn take(&self) -> Vec<RunEvent> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventReader for Events {
    fn read(&mut self, event: &RunEvent) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

/// Takes every threshold: none is judged here.
pub struct Unjudged;

impl ThresholdCheck for Unjudged {
    fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
        Ok(())
    }
}

/// Plays a scenario to its end.
pub async fn play(text: &str) -> Played {
    let (summary, plan, events) = play_before(text, Vec::new()).await;
    let mut recorder = Recorder::new(&plan);
    let mut checkers = Checkers::new(&plan, Visibility::of(plan.abilities(), true));
    for event in &events {
        recorder.record(event);
        checkers.observe(event);
    }
    let ended = Instant::START + summary.duration;
    recorder.finish(ended);
    Played {
        snapshot: recorder.snapshot(),
        invariants: checkers.finish(ended),
        summary,
        events,
    }
}

/// The same before other readers, too.
async fn play_before(
    text: &str,
    more: Vec<Box<dyn EventReader>>,
) -> (run::RunSummary, Arc<plan::Plan>, Vec<RunEvent>) {
    let scenario = parse("scenario", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing()));
    let options = plan::Options::default();
    let plan = Arc::new(expand(&scenario, scenario.seed.unwrap_or(0), &options));
    let config = Config {
        hub: HubConfig {
            relay_mode: match plan.relay_mode {
                RelayMode::Rooms => ServerMode::Rooms,
                RelayMode::Deployed => ServerMode::Deployed,
            },
            ..HubConfig::default()
        },
        ..Config::default()
    };
    let server = Bundled::start(config).await.expect("a free port");
    let census = Arc::new(Census::default());
    let target = Target::Bundled(server.clone());
    let ice = IceSide::start(&scenario, &[]).await.expect("a free port");
    let world = Arc::new(NetWorld::new(target, ice, census.clone()).expect("threads can be started"));
    let events = Events::default();
    let options = run::Options {
        ice_servers: Vec::new(),
        max_rate: None,
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let mut readers: Vec<Box<dyn EventReader>> = vec![Box::new(events.clone())];
    readers.extend(more);
    let summary = run::execute(world, census.clone(), plan.clone(), options, readers).await;
    assert!(census.is_empty(), "still held: {census:?}");
    server.shutdown().await;
    (summary, plan, events.take())
}

/// A bug of ours.
struct Panics {
    after: u32,
}

impl EventReader for Panics {
    fn read(&mut self, _event: &RunEvent) {
        self.after = self.after.checked_sub(1).expect("the test wants it");
    }
}

#[test]
fn events_that_no_reader_gets_any_more_are_counted() {
    let text = "{ name: x, rooms: { peers: 2 }, steps: [join, { wait: connected }] }";
    let (summary, ..) = runtime().block_on(play_before(text, Vec::new()));
    assert_eq!(summary.events_dropped, 0);
    let panics: Vec<Box<dyn EventReader>> = vec![Box::new(Panics { after: 10 })];
    let (summary, _, events) = runtime().block_on(play_before(text, panics));
    assert_eq!(events.len(), 11, "the run goes on without its dispatcher");
    assert!(summary.events_dropped > 20, "{summary:?}");
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}
