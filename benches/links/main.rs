//! What a link costs and how long it takes, as ratios within one run: the machine cancels out, as far as
//! it can. Nothing is asserted; `cargo bench --bench links` prints a table.

mod bare;
mod harness;

use std::{
    fs,
    future::Future,
    thread,
    time::{Duration, Instant},
};

use rtcstorm::world::Tricks;

/// Pairs that are opened one at a time, per kind.
const PAIRS: usize = 15;
/// Links that are opened at once, and how often: a clock tick of the CPU time is 1 % of a round or less.
const LINKS: usize = 100;
const ROUNDS: usize = 5;
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
    let woken = Tricks::default();
    let left_alone = Tricks {
        wake_driver: false,
        ..woken
    };
    // What is set up once per process is not to be measured.
    bare::open_and_close(woken).await;
    harness::run(LINKS).await;

    let mut open = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        open[0].push(bare::open_and_close(woken).await);
        open[1].push(bare::open_and_close(left_alone).await);
    }
    let mut bare_costs = Vec::new();
    let mut harness_costs = Vec::new();
    for _ in 0..ROUNDS {
        bare_costs.push(cost(bare::many(LINKS)).await);
        harness_costs.push(cost(harness::run(LINKS)).await);
    }

    println!("{}", machine());
    let [fast, slow] = open.map(|times| median(times.iter().map(Duration::as_secs_f64).collect()) * 1e3);
    println!("\nFrom the offer to both ends open, one pair at a time, median of {PAIRS}");
    row("driver woken", &format!("{fast:.1} ms"), "");
    row("driver left alone", &format!("{slow:.1} ms"), &times(slow / fast));

    let cpu = |costs: &[Cost]| median(costs.iter().map(|cost| cost.cpu_s / LINKS as f64 * 1e3).collect());
    let rate = |costs: &[Cost]| median(costs.iter().map(|cost| LINKS as f64 / cost.wall_s).collect());
    println!("\n{LINKS} links at once, from nothing to closed, median of {ROUNDS} rounds");
    let (bare, harness) = (cpu(&bare_costs), cpu(&harness_costs));
    row("CPU per link, webrtc alone", &format!("{bare:.1} ms"), "");
    row(
        "CPU per link, harness with its server",
        &format!("{harness:.1} ms"),
        &times(harness / bare),
    );
    let (bare, harness) = (rate(&bare_costs), rate(&harness_costs));
    row("links per second, webrtc alone", &format!("{bare:.0}"), "");
    row(
        "links per second, harness with its server",
        &format!("{harness:.0}"),
        &times(harness / bare),
    );
}

struct Cost {
    cpu_s: f64,
    wall_s: f64,
}

async fn cost(work: impl Future<Output = ()>) -> Cost {
    let (cpu, wall) = (cpu_s(), Instant::now());
    work.await;
    Cost {
        cpu_s: cpu_s() - cpu,
        wall_s: wall.elapsed().as_secs_f64(),
    }
}

/// User and system time of this process so far; NaN where there is no `/proc`.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
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

fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

fn row(what: &str, value: &str, ratio: &str) {
    println!("  {what:<44} {value:>10} {ratio:>10}");
}
