//! What a link costs and how long it takes, as ratios within one run: the machine cancels out, as far as
//! it can. Nothing is asserted; `cargo bench --bench links` prints a table.

mod bare;
mod harness;

use std::{fs, future::Future, thread};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
use bare::Pair;
use harness::Mesh;
use rtcstorm::world::Tricks;

/// Pairs that are opened one at a time, per kind.
const PAIRS: usize = 15;
/// How many links are opened at once, how they are spread over rooms, and how often all of that is done: a
/// clock tick of the CPU time is 2 % of a round or less.
const LINKS: usize = 600;
const PAIRED: Mesh = Mesh { rooms: 600, peers: 2 };
const FOURS: Mesh = Mesh { rooms: 100, peers: 4 };
const ROUNDS: usize = 7;
/// Kernel clock ticks in a second: fixed at 100 in Linux's user interface (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

fn main() {
    // `cargo test --benches` starts this too, without the flag: it has no tests.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(measure());
}

async fn measure() {
    assert_eq!([PAIRED.links(), FOURS.links()], [LINKS; 2], "the same work");
    println!("{}", machine());
    let woken = Tricks::default();
    let left_alone = Tricks {
        wake_driver: false,
        ..woken
    };
    let server = harness::Server::start();
    // What is set up once per process is not to be measured.
    bare::many(LINKS).await;
    harness::run(&server, FOURS).await;

    let mut open = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        for (tricks, took_ms) in [woken, left_alone].into_iter().zip(&mut open) {
            let pair = Pair::open(tricks).await;
            took_ms.push(pair.took.as_secs_f64() * 1e3);
            pair.close().await;
        }
    }
    println!("\nFrom the offer to both ends open, one pair at a time, in ms: median of {PAIRS}");
    table(&[("driver woken", &open[0]), ("driver left alone", &open[1])]);

    let own = std::process::id();
    let mut cpu_ms: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        cpu_ms[0].push(cpu_per_link_ms(own, bare::many(LINKS)).await);
        let before = cpu_s(server.id());
        cpu_ms[1].push(cpu_per_link_ms(own, harness::run(&server, FOURS)).await);
        let served = cpu_s(server.id()) - before;
        cpu_ms[2].push(cpu_per_link_ms(own, harness::run(&server, PAIRED)).await);
        cpu_ms[3].push(served / LINKS as f64 * 1e3);
    }
    println!("\nCPU per link in ms, {LINKS} links at once, from nothing to closed: median of {ROUNDS}");
    table(&[
        ("webrtc alone", &cpu_ms[0]),
        ("harness, rooms of 4", &cpu_ms[1]),
        ("harness, rooms of 2", &cpu_ms[2]),
        ("the server beside it, rooms of 4", &cpu_ms[3]),
    ]);
}

/// What `work` costs this process for each of its links.
async fn cpu_per_link_ms(process: u32, work: impl Future<Output = ()>) -> f64 {
    let before = cpu_s(process);
    work.await;
    (cpu_s(process) - before) / LINKS as f64 * 1e3
}

/// User and system time of a process so far; NaN where there is no `/proc`.
fn cpu_s(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the command in brackets, which may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let tick = |n: usize| fields.split_whitespace().nth(n).and_then(|t| t.parse().ok());
    tick(11).unwrap_or(f64::NAN) / TICKS_PER_S + tick(12).unwrap_or(f64::NAN) / TICKS_PER_S
}

fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{cores} cores ({model}), load of the last minute {load}")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians, each beside its ratio to the first.
fn table(rows: &[(&str, &[f64])]) {
    let first = median(rows[0].1.to_vec());
    for (what, values) in rows {
        let value = median(values.to_vec());
        println!("  {what:<34} {value:>8.2} {:>8.2} ×", value / first);
    }
}
