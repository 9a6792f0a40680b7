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
    scenario::{Scenario, ThresholdCheck, ThresholdMistake, parse},
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
    judged(&plan, summary, events)
}

/// What a run was, by its events.
fn judged(plan: &plan::Plan, summary: RunSummary, events: Vec<RunEvent>) -> Played {
    let mut recorder = Recorder::new(plan);
    let mut checkers = Checkers::new(plan, Visibility::of(plan.abilities(), true));
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
    let server = serve(plan.relay_mode).await;
    let (summary, events) = play_on(&server, &scenario, plan.clone(), more).await;
    server.shutdown().await;
    (summary, plan, events)
}

/// A server.
async fn serve(relay_mode: RelayMode) -> Arc<Bundled> {
    let config = Config {
        hub: HubConfig {
            relay_mode: match relay_mode {
                RelayMode::Rooms => ServerMode::Rooms,
                RelayMode::Deployed => ServerMode::Deployed,
            },
            ..HubConfig::default()
        },
        ..Config::default()
    };
    Bundled::start(config).await.expect("a free port")
}

/// Plays several scenarios at once on one server, in rooms of the same names. Nobody of one is in the plan of another.
pub async fn play_together<const N: usize>(texts: [&str; N]) -> [Played; N] {
    let scenarios =
        texts.map(|text| parse("scenario", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing())));
    let server = serve(scenarios[0].target.relay_mode).await;
    let runs = scenarios.iter().enumerate().map(|(number, scenario)| {
        let mut plan = expand(scenario, 0, &plan::Options::default());
        for peer in &mut plan.peers {
            peer.user_id = format!("{number}-{}", peer.user_id);
        }
        let (server, plan) = (&server, Arc::new(plan));
        async move {
            let (summary, events) = play_on(server, scenario, plan.clone(), Vec::new()).await;
            judged(&plan, summary, events)
        }
    });
    let played = futures_util::future::join_all(runs).await;
    server.shutdown().await;
    played.try_into().unwrap_or_else(|_| unreachable!("one for each"))
}

async fn play_on(
    server: &Arc<Bundled>,
    scenario: &Scenario,
    plan: Arc<plan::Plan>,
    more: Vec<Box<dyn EventReader>>,
) -> (RunSummary, Vec<RunEvent>) {
    let census = Arc::new(Census::default());
    let target = Target::Bundled(server.clone());
    let ice = IceSide::start(scenario, &[]).await.expect("a free port");
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
    let summary = run::execute(world, census.clone(), plan, options, readers).await;
    assert!(census.is_empty(), "still held: {census:?}");
    (summary, events.take())
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
