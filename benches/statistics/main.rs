//! What `compare` promises, measured: how often it cries wolf where nothing has changed, and how often it finds what
//! has. `cargo bench --bench statistics` prints the tables of docs/STATISTICS.md; `-- --played 20 --synthetic 200`
//! does a tenth of it. One seed is one outcome.

mod played;
mod rival;
mod synthetic;

use std::time::Instant;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rtcstorm::compare::{Figure, Gate, Margins, Outcome, Readings, Verdict, judge};

use synthetic::{Noise, Source, Worse};

/// Comparisons of synthetic runs, of each kind.
const SYNTHETIC: u32 = 2_000;
/// Comparisons of runs that were played.
const PLAYED: u32 = 200;
/// Runs a side of those.
const PLAYED_RUNS: usize = 5;
/// Runs a side that are tried with synthetic ones.
const SIDES: [usize; 4] = [5, 10, 15, 20];

fn main() {
    // `cargo test --benches` starts this too, without the flag: it has no tests.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let began = Instant::now();

    let comparisons = given("--played").unwrap_or(PLAYED);
    let runs = played::play(comparisons as usize * 2 * PLAYED_RUNS);
    eprintln!(
        "{} runs were played in {:.0} s",
        runs.len(),
        began.elapsed().as_secs_f64()
    );
    println!("## {comparisons} comparisons of real runs, {PLAYED_RUNS} runs a side, no run in two\n");
    println!(
        "| new is | margins | REGRESSION | NO REGRESSION | INCONCLUSIVE | REGRESSION of the p95 of connect_ms |\n|---|---|--:|--:|--:|--:|"
    );
    for (name, margins, longer) in [
        ("the same", Margins::default(), 1.0),
        ("the same", no_margins(), 1.0),
        ("a fifth longer", Margins::default(), 1.2),
    ] {
        let mut verdicts = Verdicts::default();
        for nth in 0..comparisons as usize {
            let from = nth * 2 * PLAYED_RUNS;
            let (base, new) = runs[from..from + 2 * PLAYED_RUNS].split_at(PLAYED_RUNS);
            verdicts.add(&played::readings(base, new, longer), &margins);
        }
        let of_margins = if margins == Margins::default() {
            "default"
        } else {
            "none"
        };
        let found = verdicts.share(verdicts.connect_p95);
        println!("| {name} | {of_margins} | {} | {found} |", verdicts.cells());
    }

    let comparisons = given("--synthetic").unwrap_or(SYNTHETIC);
    let source = Source::of(&runs);
    println!("\n## {comparisons} comparisons of synthetic runs with themselves\n");
    println!(
        "| runs differ | runs a side | margins | REGRESSION | NO REGRESSION | INCONCLUSIVE |\n|---|--:|---|--:|--:|--:|"
    );
    for noise in Noise::ALL {
        for side in SIDES {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let (mut none, mut default) = (Verdicts::default(), Verdicts::default());
            for _ in 0..comparisons {
                let all = source.comparison(side, noise, Worse::Nothing, &mut rng);
                none.add(&all, &no_margins());
                default.add(&all, &Margins::default());
            }
            println!("| {} | {side} | none | {} |", noise.name(), none.cells());
            println!("| {} | {side} | default | {} |", noise.name(), default.cells());
        }
    }

    println!("\n## {comparisons} comparisons with something that got worse by a fifth, default margins\n");
    println!(
        "| runs differ | worse | runs a side | REGRESSION | of the p95 of connect_ms |\n|---|---|--:|--:|--:|"
    );
    for noise in Noise::ALL {
        for worse in [Worse::Everything, Worse::SlowestTenthOfConnects] {
            for side in SIDES {
                let mut rng = ChaCha8Rng::seed_from_u64(2);
                let mut verdicts = Verdicts::default();
                for _ in 0..comparisons {
                    let all = source.comparison(side, noise, worse, &mut rng);
                    verdicts.add(&all, &Margins::default());
                }
                println!(
                    "| {} | {} | {side} | {} | {} |",
                    noise.name(),
                    worse.name(),
                    verdicts.share(verdicts.regression),
                    verdicts.share(verdicts.connect_p95)
                );
            }
        }
    }

    println!(
        "\n## The method, by its rivals: one figure (p95 of connect_ms), no margin, no Holm, 5 % promised, {comparisons} comparisons\n"
    );
    println!("| runs differ | runs a side | {} |", rival::NAMES.join(" | "));
    println!("|---|--:|{}", "--:|".repeat(rival::NAMES.len()));
    for noise in Noise::ALL {
        for side in SIDES {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut alarms = [0_u32; rival::NAMES.len()];
            for _ in 0..comparisons {
                let [base, new] = source.connects(side, noise, &mut rng);
                for (alarms, is_alarm) in alarms.iter_mut().zip(rival::alarms(&base, &new, &mut rng)) {
                    *alarms += u32::from(is_alarm);
                }
            }
            let cells: Vec<String> = alarms.iter().map(|alarms| share(*alarms, comparisons)).collect();
            println!("| {} | {side} | {} |", noise.name(), cells.join(" | "));
        }
    }
    eprintln!("all of it took {:.0} s", began.elapsed().as_secs_f64());
}

/// The number behind that flag.
fn given(flag: &str) -> Option<u32> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    arguments.nth(1)?.parse().ok()
}

/// Without a margin the least difference counts: nothing is harder on the rate of false alarms.
fn no_margins() -> Margins {
    let mut margins = Margins::default();
    for kind in ["trend=0%", "rate=0%"] {
        margins.set(kind).expect("a margin");
    }
    margins
}

/// What comparisons came to.
#[derive(Default)]
struct Verdicts {
    all: u32,
    regression: u32,
    no_regression: u32,
    connect_p95: u32,
}

impl Verdicts {
    fn add(&mut self, readings: &[Readings], margins: &Margins) {
        let judged = judge(readings, margins);
        self.all += 1;
        match Verdict::of(judged.iter().map(|judged| &judged.outcome)) {
            Verdict::Regression => self.regression += 1,
            Verdict::NoRegression => self.no_regression += 1,
            Verdict::Inconclusive => {}
        }
        let is_connect = |gate: &Gate| gate.key.name == "connect_ms" && gate.figure == Figure::P95;
        let connect = readings.iter().position(|readings| is_connect(&readings.gate));
        if connect.is_some_and(|at| judged[at].outcome == Outcome::Regression) {
            self.connect_p95 += 1;
        }
    }

    fn share(&self, count: u32) -> String {
        share(count, self.all)
    }

    fn cells(&self) -> String {
        let open = self.all - self.regression - self.no_regression;
        [self.regression, self.no_regression, open]
            .map(|count| self.share(count))
            .join(" | ")
    }
}

fn share(count: u32, of: u32) -> String {
    format!("{:.1} %", 100.0 * f64::from(count) / f64::from(of))
}
