//! What a link costs and how long it takes, as ratios within one run: the machine cancels out, as far as
//! it can. Nothing is asserted; `cargo bench --bench links` prints a table.

mod bare;
mod harness;

use std::{fs, sync::Arc, thread};

use bare::Pair;
use harness::Load;
use rtcstorm::world::Tricks;

/// Pairs that are opened one at a time, per kind.
const PAIRS: usize = 15;
/// What is measured of CPU: 600 links each, so a clock tick is 2 % of a round or less. The first is what
/// harnesses do all day.
const LOADS: [(&str, Load); 3] = [
    (
        "rooms of 4, arriving over 5 s",
        Load {
            rooms: 100,
            peers: 4,
            over_s: 5,
        },
    ),
    (
        "rooms of 4, at once",
        Load {
            rooms: 100,
            peers: 4,
            over_s: 0,
        },
    ),
    (
        "rooms of 2, arriving over 5 s",
        Load {
            rooms: 600,
            peers: 2,
            over_s: 5,
        },
    ),
];
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
    println!("{}", machine());
    let woken = Tricks::default();
    let left_alone = Tricks {
        wake_driver: false,
        ..woken
    };
    let server = harness::Server::start();
    // What is set up once per process is not to be measured.
    let (_, warm_up) = LOADS[1];
    bare::open_all(&harness::world(&server, Arc::default()), &warm_up.begins()).await;
    harness::run(&server, warm_up).await;

    let mut open = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        for (tricks, took_ms) in [woken, left_alone].into_iter().zip(&mut open) {
            let pair = Pair::open(tricks).await;
            took_ms.push(pair.took.as_secs_f64() * 1e3);
            pair.close().await;
        }
    }
    let [woken_ms, alone_ms] = open.map(median);
    println!("\nFrom the offer to both ends open, one pair at a time: median of {PAIRS}");
    println!("  driver woken       {woken_ms:>8.2} ms");
    println!(
        "  driver left alone  {alone_ms:>8.2} ms  {:.0} ×",
        alone_ms / woken_ms
    );

    println!("\nCPU per link in ms, from nothing to closed: median of {ROUNDS}");
    println!(
        "  {:<32}{:>8}{:>10}{:>8}{:>22}",
        "", "webrtc", "harness", "ratio", "the server beside it"
    );
    for (what, load) in LOADS {
        let begins = load.begins();
        let mut costs: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            let before = [own_cpu_s(), cpu_s(server.id())];
            // On threads of its own, as each run of the harness has them: warm ones would be cheaper.
            bare::open_all(&harness::world(&server, Arc::default()), &begins).await;
            let between = own_cpu_s();
            harness::run(&server, load).await;
            let after = [own_cpu_s(), cpu_s(server.id())];
            let spent_s = [between - before[0], after[0] - between, after[1] - before[1]];
            for (cost, spent_s) in costs.iter_mut().zip(spent_s) {
                cost.push(spent_s / load.links() as f64 * 1e3);
            }
        }
        let [webrtc, harness, server] = costs.map(median);
        let ratio = harness / webrtc;
        println!("  {what:<32}{webrtc:>8.2}{harness:>10.2}{ratio:>6.2} ×{server:>22.2}");
    }
}

fn own_cpu_s() -> f64 {
    cpu_s(std::process::id())
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
