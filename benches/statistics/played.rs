//! Real runs, in virtual time: each of another seed, with random order.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use reference_server::room::HubConfig;
use rtcstorm::{
    base::{Instant, RootSeed},
    compare::{Gates, Reading, Readings},
    metrics::{Recorder, RunEvent, Snapshot},
    plan::{self, expand},
    run::{self, EventReader},
    scenario::{Scenario, ThresholdCheck, ThresholdMistake, parse},
    sim::{Schedule, SimWorld},
    world::{Census, Tricks},
};

/// Seven rooms of four, who talk, leave and come back: 42 links, 42 reconnects and 336 messages a run.
const SCENARIO: &str = "
name: statistics
rooms: { count: 7, peers: 4 }
arrive: { over: 1s }
steps:
  - join
  - wait: connected
  - chat: { every: 200ms, size: 256, count: 4 }
  - pause: 0s..500ms
  - rejoin
  - wait: connected
  - pause: 500ms
duration: 60s
";

struct Unjudged;

impl ThresholdCheck for Unjudged {
    fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
        Ok(())
    }
}

#[derive(Clone)]
struct Records(Arc<Mutex<Recorder>>);

impl EventReader for Records {
    fn read(&mut self, event: &RunEvent) {
        self.0.lock().expect("nobody panics").record(event);
    }
}

/// What so many runs have measured, of the seeds from 1 on.
pub fn play(runs: usize) -> Vec<Snapshot> {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised to what is allowed");
    let scenario =
        parse("bench", SCENARIO, &Unjudged).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Snapshot>>> = Mutex::new(vec![None; runs]);
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= runs {
                        return;
                    }
                    let measured = one(&scenario, nth as u64 + 1);
                    done.lock().expect("nobody panics")[nth] = Some(measured);
                }
            });
        }
    });
    let done = done.into_inner().expect("nobody panics");
    done.into_iter()
        .map(|run| run.expect("every run was played"))
        .collect()
}

fn one(scenario: &Scenario, seed: u64) -> Snapshot {
    let plan = Arc::new(expand(scenario, seed, &plan::Options::default()));
    let world = Arc::new(SimWorld::new(
        HubConfig::default(),
        [0; 32],
        Schedule::Random,
        RootSeed(seed),
    ));
    let options = run::Options {
        ice_servers: Vec::new(),
        max_rate: None,
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    let records = Records(Arc::new(Mutex::new(Recorder::new(&plan))));
    let run = run::execute(
        world.clone(),
        Arc::new(Census::default()),
        plan,
        options,
        vec![Box::new(records.clone())],
    );
    let summary = world.block_on(run).expect("it makes progress");
    let mut recorder = records.0.lock().expect("nobody panics");
    recorder.finish(Instant::START + summary.duration);
    let mut snapshot = recorder.snapshot();
    // A histogram takes 180 KB, and only these are compared.
    let gates = Gates::default().gates();
    snapshot
        .trends
        .retain(|key, _| gates.iter().any(|gate| gate.key == *key));
    snapshot
}

/// What the runs say to the gates that `compare` has if nobody names others, if all that the new ones have measured had
/// taken so many times as long.
pub fn readings(base: &[Snapshot], new: &[Snapshot], longer: f64) -> Vec<Readings> {
    let of = |side: &[Snapshot], gate: &rtcstorm::compare::Gate, longer: f64| -> Vec<Reading> {
        let read = |run: &Snapshot| match gate.figure.quantile() {
            Some(quantile) => {
                let trend = run.trends.get(&gate.key)?;
                Some(Reading::figure(
                    trend.quantile_ms(quantile)? * longer,
                    trend.count(),
                ))
            }
            None => run.rates.get(&gate.key).map(|rate| Reading::share(*rate)),
        };
        side.iter().filter_map(read).collect()
    };
    let all = Gates::default().gates().into_iter();
    all.map(|gate| Readings {
        base: of(base, &gate, 1.0),
        new: of(new, &gate, longer),
        gate,
    })
    .filter(|readings| !readings.base.is_empty() || !readings.new.is_empty())
    .collect()
}
