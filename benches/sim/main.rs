//! What a simulation costs: how many times faster than real time it is on one core, how many seeds a second
//! that makes, and whether many runs in one process leave anything behind. Nothing is asserted;
//! `cargo bench --bench sim` prints a table, `cargo bench --bench sim -- 10000` plays that many seeds for the last
//! one.

use std::{fs, sync::Arc, time::Instant};

use reference_server::room::HubConfig;
use rtcstorm::{
    base::RootSeed,
    plan::{Options, expand},
    run,
    scenario::{Scenario, ThresholdCheck, ThresholdMistake, parse},
    sim::{Schedule, SimWorld},
    world::{Census, Tricks},
};

/// A minute in a room: everybody talks.
const ROOM_OF_4: &str = "
name: room-of-4
rooms: { peers: 4 }
steps:
  - join
  - wait: connected
  - chat: { every: 1s, size: 256, for: 59s }
";
/// The same, but everybody leaves and comes back five times: 36 links instead of 6.
const RESTLESS: &str = "
name: restless
rooms: { peers: 4 }
steps:
  - join
  - wait: connected
  - repeat: 5
    steps: [{ chat: { every: 1s, size: 256, for: 10s } }, { pause: 0s..1s }, rejoin, { wait: connected }]
  - chat: { every: 1s, size: 256, for: 5s }
duration: 60s
";
const RACE: &str = "
name: race
rooms: { peers: 2 }
steps:
  - join
  - wait: connected
  - repeat: 3
    steps: [{ pause: 0s..1s }, { duplicate_offer: { copies: 2 } }, { pause: 1s }, rejoin, { wait: connected }]
  - pause: 5s
duration: 10s
";
const CROWD: &str = "
name: crowd
rooms: { count: 25, peers: 4 }
arrive: { over: 5s }
steps:
  - join
  - wait: connected
  - chat: { every: 1s, size: 256, for: 54s }
duration: 60s
";
/// Seeds of each load; the median is told.
const SEEDS: u64 = 11;
/// Seeds after each other in one process, unless another number is given.
const MANY: u64 = 1_000;

struct Unjudged;

impl ThresholdCheck for Unjudged {
    fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
        Ok(())
    }
}

fn main() {
    // `cargo test --benches` starts this too, without the flag: it has no tests.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let many = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(MANY);
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised to what is allowed");

    println!(
        "{:<34} {:>12} {:>10} {:>12}",
        "one core, random order", "virtual time", "CPU time", "times faster"
    );
    for (what, text) in [
        ("room of 4", ROOM_OF_4),
        ("room of 4, five rejoins each", RESTLESS),
        ("race of 2", RACE),
        ("100 peers in 25 rooms", CROWD),
    ] {
        let scenario = read(text);
        play(&scenario, 0);
        let mut played: Vec<(f64, f64)> = (1..=SEEDS).map(|seed| play(&scenario, seed)).collect();
        played.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (virtual_s, took_s) = played[played.len() / 2];
        println!(
            "{what:<34} {virtual_s:>10.1} s {:>7.1} ms {:>12.0}",
            took_s * 1e3,
            virtual_s / took_s
        );
    }

    let scenario = read(RACE);
    let began = Instant::now();
    println!("\nmemory while {many} seeds of the race are played in one process");
    for seed in 0..many {
        if seed % (many / 10).max(1) == 0 {
            println!("  after {seed:>6} seeds {:>7.1} MB", rss_mb());
        }
        play(&scenario, seed);
    }
    println!("  after {many:>6} seeds {:>7.1} MB", rss_mb());
    println!("  {:.0} seeds/s", many as f64 / began.elapsed().as_secs_f64());
}

fn read(text: &str) -> Scenario {
    parse("bench", text, &Unjudged).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
}

/// Virtual and CPU time, in s.
fn play(scenario: &Scenario, seed: u64) -> (f64, f64) {
    let before = cpu_s();
    let plan = Arc::new(expand(scenario, seed, &Options::default()));
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
    let run = run::execute(
        world.clone(),
        Arc::new(Census::default()),
        plan,
        options,
        Vec::new(),
    );
    let summary = world.block_on(run).expect("it makes progress");
    (summary.duration.as_secs_f64(), cpu_s() - before)
}

/// What this thread has used, in s.
fn cpu_s() -> f64 {
    // Time on the processor in ns is the first of three figures.
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    let ns: f64 = stat
        .split(' ')
        .next()
        .and_then(|ns| ns.parse().ok())
        .expect("a number");
    ns / 1e9
}

fn rss_mb() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages: f64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4_096.0 / 1e6
}
