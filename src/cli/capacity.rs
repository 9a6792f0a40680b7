//! `rtcstorm capacity`: which load a server bears, and whose end it is that more is too much.

use std::{
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use clap::Parser;

use super::{
    args::{Args, ChangeArgs, Command, RunArgs},
    artifacts::{RunFolder, put},
    capacity_args::{CapacityArgs, Raise},
    capacity_server::OwnServer,
    capacity_step::Played,
    compare::look,
    compare_runs::Trouble,
    interrupt::Interrupt,
    load, machine, print_data,
    run::{RUNS, quoted, stamp},
    session::{Ended, RunCommand, runtime},
    simulate,
};
use crate::{
    capacity::{Limit, Range, Search, Tried},
    net::server_cpu_s,
    plan::Segment,
    report::capacity::{self as told, CapacityReport, StepLine},
    scenario::{RelayMode, url_without_secrets},
    verdict::{ExitCode, Threshold},
};

/// Between two looks at the server's CPU time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The runs' folder, in that of the search.
const RUNS_BELOW: &str = "runs";
/// What is written beside it.
const FILES: [&str; 3] = ["capacity.json", "capacity.csv", "capacity.html"];

pub(super) fn capacity(args: &CapacityArgs) -> ExitCode {
    match searched(args) {
        Ok(code) => code,
        Err(trouble) => {
            trouble.print();
            ExitCode::Configuration
        }
    }
}

/// The load, as the scenario has it.
struct Load {
    scenario: String,
    /// Peers of one unit.
    unit: u32,
    first_seed: u64,
    sim: bool,
    /// How the server relays.
    relay_mode: &'static str,
}

fn searched(args: &CapacityArgs) -> Result<ExitCode, Trouble> {
    let options = run_options(args)?;
    let Some(load) = load_of(args, &options) else {
        return Ok(ExitCode::Configuration);
    };
    let units = |peers: u32| (peers / load.unit).max(1);
    let (from, to) = (units(args.from), units(args.to));
    let step = units(args.step.unwrap_or(args.from));
    let range = Range::new(from, to, step, args.tries as usize).map_err(|mistake| {
        Trouble::new(
            format!("{mistake}; one unit of load is {} peers", load.unit),
            "give `--from` and `--to` in peers of all rooms, for example `--from 10 --to 1000`",
        )
    })?;
    if !fits(args, &options, to) {
        return Ok(ExitCode::Configuration);
    }
    let folder = match &args.out {
        Some(out) if out.join(RUNS_BELOW).exists() => {
            return Err(Trouble::new(
                format!("{} has runs already", out.join(RUNS_BELOW).display()),
                "choose another folder with `--out DIR`",
            ));
        }
        Some(out) => RunFolder::create(out.clone()),
        None => {
            let name = format!("{}-capacity-{}", stamp(SystemTime::now()), load.scenario);
            RunFolder::create_new(Path::new(RUNS), &name)
        }
    };
    let folder = folder.map_err(|trouble| Trouble::new(trouble, "choose another folder with `--out DIR`"))?;
    let started_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (steps, search, target, ended) = runtime()?.block_on(async {
        let mut site = Site::open(args, load, range, folder.path()).await?;
        let ended = site.play().await;
        Ok::<_, Trouble>((site.steps, site.search, site.target, (ended, site.load)))
    })?;
    let (ended, load) = ended;
    let grants = machine::grants();
    let cores = grants
        .cores
        .map_or(String::new(), |cores| format!(", {cores} cores"));
    let report = CapacityReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: load.scenario,
        target,
        started_at,
        machine: format!("{} {}{cores}", std::env::consts::OS, std::env::consts::ARCH),
        metrics: args.metrics.iter().map(ToString::to_string).collect(),
        p95_below_ms: p95_below_ms(args),
        unit: load.unit,
        raised: raised(args.raise),
        tries: args.tries,
        knee: search.knee(),
        steps,
        interrupted: !matches!(ended, Ok(false)),
        repeat: repeat(args),
    };
    write(&report, folder.path())?;
    let text = match args.json {
        true => told::capacity(&report),
        false => told::summary(&report, look(std::io::stdout().is_terminal())).into_bytes(),
    };
    print_data(text);
    if !args.quiet {
        eprintln!("files: {}: {}", folder.path().display(), FILES.join(", "));
    }
    // What was measured until then is written all the same.
    Ok(match ended? {
        true => ExitCode::Interrupted,
        false if report.knee.limit == Limit::Unproven => ExitCode::Invalid,
        false => ExitCode::Pass,
    })
}

/// The search with all that it needs.
struct Site<'a> {
    args: &'a CapacityArgs,
    load: Load,
    folder: &'a Path,
    search: Search,
    steps: Vec<StepLine>,
    server: Option<OwnServer>,
    /// The server, in words.
    target: String,
    metrics: Option<String>,
    interrupt: Interrupt,
}

impl<'a> Site<'a> {
    async fn open(
        args: &'a CapacityArgs,
        load: Load,
        range: Range,
        folder: &'a Path,
    ) -> Result<Self, Trouble> {
        let interrupt = Interrupt::listen("the run under way ends; what was played counts");
        let server = match (&args.url, load.sim) {
            (None, false) => Some(OwnServer::start(load.relay_mode, interrupt.children()).await?),
            _ => None,
        };
        let own = server.as_ref().map(OwnServer::metrics);
        let target = match (&args.url, &server) {
            (Some(url), _) => url_without_secrets(url),
            (None, Some(server)) => format!(
                "reference server in a process of its own at {}, relay mode {}",
                server.url, load.relay_mode
            ),
            (None, None) => format!(
                "reference server, in virtual time, relay mode {}",
                load.relay_mode
            ),
        };
        Ok(Self {
            args,
            load,
            folder,
            search: Search::new(range),
            steps: Vec::new(),
            metrics: args.server_metrics.clone().or(own),
            server,
            target,
            interrupt,
        })
    }

    /// Plays until the knee is found. `true`: the user has ended it early.
    async fn play(&mut self) -> Result<bool, Trouble> {
        while let Some(load) = self.search.next() {
            if self.interrupt.is_seen() {
                return Ok(true);
            }
            if !self.steps.is_empty() && !self.load.sim {
                tokio::select! {
                    () = tokio::time::sleep(self.args.settle) => {}
                    () = self.interrupt.first() => return Ok(true),
                }
            }
            let Some(step) = self.step(load).await? else {
                return Ok(true);
            };
            if !self.args.quiet {
                eprintln!("{}", told::step(&step));
            }
            let outcome = step.outcome;
            self.search.tell(Tried { load, outcome });
            self.steps.push(step);
        }
        Ok(false)
    }

    /// Plays one load; `None`: the user has ended it.
    async fn step(&mut self, load: u32) -> Result<Option<StepLine>, Trouble> {
        let nth = self.steps.len() as u64;
        let seed = self.load.first_seed.wrapping_add(nth);
        let peers = load * self.load.unit;
        let folder = self
            .folder
            .join(RUNS_BELOW)
            .join(format!("{:03}-{peers}", nth + 1));
        let words = words(self.args, self.server.as_ref(), load);
        let text = words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" ");
        let command = RunCommand::of(words, &text)?;
        let url = self.metrics.clone().filter(|_| !self.load.sim);
        let (ended, server_cpu_percent) = {
            let run = command.play(&folder, seed, &self.interrupt);
            tokio::pin!(run);
            let mut most = None;
            loop {
                tokio::select! {
                    biased;
                    ended = &mut run => break (ended, most),
                    percent = watch_cpu(url.as_deref()) => {
                        most = percent.into_iter().chain(most).reduce(f64::max);
                    }
                }
            }
        };
        if let Some(status) = self.server.as_mut().and_then(OwnServer::ended) {
            return Err(Trouble::new(
                format!("the reference server has ended with {status} while {peers} peers were there"),
                "try `rtcstorm serve` by itself, and name it with `--url`",
            ));
        }
        match ended? {
            Ended::Interrupted => Ok(None),
            Ended::Whole { .. } => Played {
                load,
                peers,
                seed,
                folder: &folder,
                server_cpu_percent,
                server_is_here: self.server.is_some(),
                cores: machine::grants().cores,
            }
            .step()
            .map(Some),
        }
    }
}

/// How much of a core the server uses in a second from now; `None`: it does not tell.
async fn watch_cpu(url: Option<&str>) -> Option<f64> {
    let Some(url) = url else {
        return std::future::pending().await;
    };
    let before = (Instant::now(), server_cpu_s(url).await);
    tokio::time::sleep(LOOK_EVERY).await;
    let after = (Instant::now(), server_cpu_s(url).await);
    let used = after.1.ok()? - before.1.ok()?;
    // A server that has begun anew counts from zero.
    (used >= 0.0).then(|| used / (after.0 - before.0).as_secs_f64() * 100.0)
}

/// The options that follow `--`, read as `run` reads them.
fn run_options(args: &CapacityArgs) -> Result<RunArgs, Trouble> {
    let line = ["rtcstorm", "run", &args.scenario].map(str::to_owned);
    let parsed = Args::try_parse_from(line.iter().chain(&args.options));
    let told = |what: String| Trouble::new(what, "after `--` stand options of `rtcstorm run`");
    let seeded = args.options.iter().any(|option| option.starts_with("--seed"));
    if seeded {
        return Err(told(
            "`--seed`: each run has a seed of its own, from the scenario's on".to_owned(),
        ));
    }
    match parsed.map_err(|error| told(error.to_string()))?.command {
        Command::Run(run) if run.no_thresholds => Err(told(
            "`--no-thresholds`: a search is for what does not hold".to_owned(),
        )),
        Command::Run(run) if run.scenarios.len() == 1 && run.baseline.runs == 1 => Ok(*run),
        _ => Err(told("a search plays one scenario, once each time".to_owned())),
    }
}

/// How the scenario is changed for so many units of load.
fn change(args: &CapacityArgs, options: &RunArgs, load: u32) -> ChangeArgs {
    let mut change = options.change.clone();
    let more = Some(load.to_string());
    match args.raise {
        Raise::Rooms => change.rooms = more,
        Raise::Peers => change.peers = more,
    }
    change
}

/// What one unit is. `None`: what is wrong has been printed.
fn load_of(args: &CapacityArgs, options: &RunArgs) -> Option<Load> {
    let mut change = options.change.clone();
    change.set.extend(relay_mode(args));
    let loaded = load::load(&args.scenario, &change, Segment::WHOLE, None)?;
    if args.url.is_none() && !simulate::speaks_its_protocol(&loaded.scenario) {
        return None;
    }
    let unit = match args.raise {
        Raise::Rooms => loaded.scenario.peers,
        Raise::Peers => loaded.scenario.rooms,
    };
    Some(Load {
        scenario: loaded.scenario.name.clone(),
        unit,
        first_seed: loaded.plan.seed,
        sim: options.sim,
        relay_mode: match loaded.scenario.target.relay_mode {
            RelayMode::Rooms => "rooms",
            RelayMode::Deployed => "deployed",
        },
    })
}

/// Whether the scenario can have that load on this machine; if not, that has been printed.
fn fits(args: &CapacityArgs, options: &RunArgs, load: u32) -> bool {
    load::load(&args.scenario, &change(args, options, load), Segment::WHOLE, None).is_some()
}

/// The command line of one run.
fn words(args: &CapacityArgs, server: Option<&OwnServer>, load: u32) -> Vec<String> {
    let mut words = ["rtcstorm", "run", &args.scenario].map(str::to_owned).to_vec();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    match args.raise {
        Raise::Rooms => add("--rooms", load.to_string()),
        Raise::Peers => add("--peers", load.to_string()),
    }
    add("--set", format!("thresholds={}", thresholds(args)));
    match (args.url.as_ref(), server) {
        (Some(url), _) => add("--url", url.clone()),
        (None, Some(server)) => add("--url", server.url.clone()),
        (None, None) => {}
    }
    if let Some(set) = relay_mode(args) {
        add("--set", set);
    }
    words.extend(args.options.iter().cloned());
    words
}

/// What the command line says of how the server relays, as a scenario has it.
fn relay_mode(args: &CapacityArgs) -> Option<String> {
    let mode = args.relay_mode.as_ref()?;
    Some(format!("target.relay_mode={mode}"))
}

/// What has to hold, as a scenario has it.
fn thresholds(args: &CapacityArgs) -> String {
    let mut by_metric: Vec<(String, Vec<String>)> = Vec::new();
    for threshold in &args.metrics {
        let (selector, expression) = (threshold.selector().to_string(), threshold.expression());
        match by_metric.iter_mut().find(|(known, _)| *known == selector) {
            Some((_, expressions)) => expressions.push(expression),
            None => by_metric.push((selector, vec![expression])),
        }
    }
    let map: serde_json::Map<String, serde_json::Value> = (by_metric.into_iter())
        .map(|(selector, expressions)| (selector, expressions.into()))
        .collect();
    serde_json::Value::Object(map).to_string()
}

/// What the percentile that the curve shows has to be below.
fn p95_below_ms(args: &CapacityArgs) -> Option<f64> {
    let bounds = args.metrics.iter().filter(|threshold| {
        threshold.selector().to_string() == "connect_ms" && threshold.expression().starts_with("p(95)<")
    });
    bounds.map(Threshold::limit).reduce(f64::min)
}

fn raised(raise: Raise) -> &'static str {
    match raise {
        Raise::Rooms => "rooms",
        Raise::Peers => "peers",
    }
}

/// The command line of the search.
fn repeat(args: &CapacityArgs) -> String {
    let mut words = ["rtcstorm", "capacity", &args.scenario]
        .map(str::to_owned)
        .to_vec();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    for threshold in &args.metrics {
        add(
            "--metric",
            format!("{} {}", threshold.selector(), threshold.expression()),
        );
    }
    add("--from", args.from.to_string());
    add("--to", args.to.to_string());
    if let Some(step) = args.step {
        add("--step", step.to_string());
    }
    if args.raise != Raise::default() {
        add("--raise", raised(args.raise).to_owned());
    }
    add("--tries", args.tries.to_string());
    add("--settle", crate::base::show_duration(args.settle));
    if let Some(url) = &args.server_metrics {
        add("--server-metrics", url_without_secrets(url));
    }
    if let Some(url) = &args.url {
        add("--url", url_without_secrets(url));
    }
    if let Some(mode) = &args.relay_mode {
        add("--relay-mode", mode.clone());
    }
    if !args.options.is_empty() {
        words.push("--".to_owned());
        words.extend(args.options.iter().cloned());
    }
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn write(report: &CapacityReport, folder: &Path) -> Result<(), Trouble> {
    let cannot = |trouble: String| Trouble::new(trouble, "choose another folder with `--out DIR`");
    let csv = told::steps(report).map_err(cannot)?;
    for (name, bytes) in FILES
        .into_iter()
        .zip([told::capacity(report), csv, told::page(report)])
    {
        put(&folder.join(name), &bytes).map_err(cannot)?;
    }
    Ok(())
}
