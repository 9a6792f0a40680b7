use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::{
    capacity_args::CapacityArgs,
    compare_args::{BaselineArgs, CalibrateArgs, CompareArgs},
    guard_args::GuardArgs,
    live::LiveAddress,
    otlp::OtlpUrl,
    probe::ProbeArgs,
    schedule::ScheduleArg,
    target_args::TargetArgs,
};
use crate::{base::Fraction, plan::Segment, report::Format};

/// Headless WebRTC test harness and load simulator.
///
/// Real WebRTC peers play a scenario against a signaling server; what they go through is measured and judged.
#[derive(Debug, Parser)]
#[command(
    name = "rtcstorm",
    version,
    after_help = "Begin with:  rtcstorm run smoke\n\nExit codes: 0 pass, 99 a threshold or invariant failed, 98 the run proves nothing, 97 a regression,\n104 a mistake in a scenario or the configuration, 105 interrupted, 108 ended by a threshold\nwith abortOnFail or by --max-rate or --max-error-rate, 2 wrong usage, 1 a bug of ours. Of several scenarios, the worst.\n\nEvery option can be set in the environment: see `rtcstorm help environment`."
)]
pub(super) struct Args {
    /// Say more on stderr: -v what happens, -vv why
    #[arg(short, long, global = true, env = "RTCSTORM_VERBOSE", action = clap::ArgAction::Count)]
    pub verbose: u8,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Play scenarios, measure and judge them
    #[command(
        after_help = "Example:  rtcstorm run smoke --set client.dedupe_offers=false\nExample:  rtcstorm run join-storm chat-load --out results --segment 1/2\nExample:  rtcstorm run my.yaml --url wss://rtc.example.org/ws/ --allow-target rtc.example.org"
    )]
    Run(Box<RunArgs>),
    /// Sweep seeds in virtual time, and make what fails as small as it gets
    #[command(
        after_help = "Example:  rtcstorm hunt leave-rejoin --rooms 1 --seeds 1000\nExample:  rtcstorm hunt my.yaml --time 5m --failures 10 --set client.dedupe_offers=false\n\nExit codes: 0 nothing failed, 99 something did, 105 interrupted (what was found is written)."
    )]
    Hunt(Box<HuntArgs>),
    /// Play once more what a hunt has found
    #[command(
        after_help = "Example:  rtcstorm replay reports/runs/20261124-101500-hunt-smoke/failures/01-wait-connected\nExample:  rtcstorm replay 417\n\nExit codes: 99 it fails, 0 it does not any more."
    )]
    Replay(ReplayArgs),
    /// Write what runs have left as a page, JUnit XML, Markdown, CSV, JSON, a dump, a trace or text
    #[command(
        after_help = "Example:  rtcstorm report reports/runs/20261124-101500-smoke-7 --format html --out report.html\nExample:  rtcstorm report results/* --format junit,markdown --out reports\nExample:  rtcstorm report results --format signaling --link 0,1\n\nA run that was killed is reported as far as it came."
    )]
    Report(ReportArgs),
    /// Add the runs of one plan's segments into one, exactly
    #[command(
        after_help = "Example:  rtcstorm merge results/one results/two results/three --out results/all\n\nEach RUN is the folder of `rtcstorm run … --segment K/N`, of one scenario, seed, version and world. What comes out is\na run's folder: `report` and `compare` take it like any other. Exit codes are those of `rtcstorm run`."
    )]
    Merge(MergeArgs),
    /// Say whether runs are worse than others, not worse, or nobody can tell
    #[command(
        after_help = "Example:  rtcstorm compare main results\nExample:  rtcstorm compare --ab 'old/rtcstorm run smoke' 'new/rtcstorm run smoke' --pairs 10\n\nIt takes five runs a side. Exit codes: 0 no regression, 97 a regression, 98 nobody can tell (yet),\n104 the runs are not to be compared, 105 interrupted. What is promised: docs/STATISTICS.md."
    )]
    Compare(Box<CompareArgs>),
    /// Compare a scenario with itself, to see what `compare` sees on this machine
    #[command(
        after_help = "Example:  rtcstorm calibrate chat-load --runs 20\nExample:  rtcstorm calibrate smoke --runs 40 -- --rooms 10 --sim --schedule random\nExample:  rtcstorm calibrate --from reports/baselines/main/smoke"
    )]
    Calibrate(Box<CalibrateArgs>),
    /// Raise the load until a threshold breaks, and say where that is and whose end it is
    #[command(
        after_help = "Example:  rtcstorm capacity join-storm --metric 'connect_ms p(95)<2000' --from 10 --to 1000 --step 10\nExample:  rtcstorm capacity my.yaml --metric 'connect_failed rate<0.01' --from 20 --to 400 --url wss://rtc.example.org/ws/ --server-metrics http://10.0.0.7:9100/metrics -- --allow-target rtc.example.org --max-rate 50/s\n\nExit codes: 0 searched to its end, 98 too many runs proved nothing, 104 a mistake, 105 interrupted\n(what was measured is written).\nWhat the interval means: docs/CAPACITY.md."
    )]
    Capacity(Box<CapacityArgs>),
    /// Report every mistake in scenarios, and run nothing
    #[command(after_help = "Example:  rtcstorm check scenarios/*.yaml")]
    Check(CheckArgs),
    /// Show what every peer will do and when
    #[command(
        after_help = "Example:  rtcstorm plan smoke --seed 7\nExample:  rtcstorm plan chat-load --segment 2/3 --json"
    )]
    Plan(PlanArgs),
    /// Connect a peer to a signaling server and show the conversation step by step, to describe its protocol
    #[command(
        after_help = "Example:  rtcstorm probe ws://127.0.0.1:8080/ws/ --for 5s\nExample:  rtcstorm probe wss://rtc.example.org/ --protocol mine.yaml --peers 2 --allow-target rtc.example.org\n\nExit codes: 0 everybody joined, 99 somebody could not, 104 a mistake. How to write a description: docs/PROTOCOLS.md."
    )]
    Probe(Box<ProbeArgs>),
    /// List the scenarios that come with the program
    #[command(after_help = "Example:  rtcstorm scenarios")]
    Scenarios,
    /// Run the bundled reference signaling server
    #[command(after_help = "Example:  rtcstorm serve --listen 127.0.0.1:8080")]
    Serve(reference_server::cli::Args),
    /// Print the scenario language as a JSON Schema, for editors, or what a run writes, for programs
    #[command(
        after_help = "Example:  rtcstorm schema > rtcstorm.schema.json\nExample:  rtcstorm schema summary > summary.schema.json\n\nIn a scenario, editors with yaml-language-server then want as its first line:\n# yaml-language-server: $schema=rtcstorm.schema.json"
    )]
    Schema(SchemaArgs),
    /// Print what a shell needs to complete command lines
    #[command(
        after_help = "Example:  source <(rtcstorm completions bash)\nExample:  rtcstorm completions fish > ~/.config/fish/completions/rtcstorm.fish"
    )]
    Completions(CompletionsArgs),
    /// List the variables that can stand in for options
    #[command(after_help = "Example:  RTCSTORM_SEED=7 RTCSTORM_QUIET=1 rtcstorm run smoke")]
    Environment,
}

/// What changes a scenario from outside; flag before environment before file.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ChangeArgs {
    /// Signaling server to use instead of the bundled one (ws:// or wss://; http:// or https:// where HTTP carries the
    /// protocol)
    #[arg(long, env = "RTCSTORM_URL", value_name = "URL")]
    pub url: Option<String>,

    /// What its clients speak: a name, or a file that describes it (.yaml, .yml, .json; docs/PROTOCOLS.md)
    #[arg(long, env = "RTCSTORM_PROTOCOL", value_name = "NAME|FILE")]
    pub protocol: Option<String>,

    /// Number of rooms
    #[arg(long, env = "RTCSTORM_ROOMS", value_name = "N")]
    pub rooms: Option<String>,

    /// Peers per room
    #[arg(long, env = "RTCSTORM_PEERS", value_name = "N")]
    pub peers: Option<String>,

    /// Root seed of everything that is drawn
    #[arg(long, env = "RTCSTORM_SEED", value_name = "N")]
    pub seed: Option<String>,

    /// Deadline after which everybody leaves and the run is judged (30s, 5m)
    #[arg(long, env = "RTCSTORM_DURATION", value_name = "TIME")]
    pub duration: Option<String>,

    /// Set any value of the scenario (rooms.count=3, client.dedupe_offers=false); repeatable, in the
    /// environment one a line
    #[arg(long, env = "RTCSTORM_SET", value_name = "PATH=VALUE", value_delimiter = '\n')]
    pub set: Vec<String>,

    #[command(flatten)]
    pub target: TargetArgs,
}

/// What part of the plan is played.
#[derive(Debug, clap::Args)]
pub(super) struct SegmentArgs {
    /// Only the rooms that fall to the K-th of N processes: room i (from 0) to the (i mod N + 1)-th. Nothing
    /// in a scenario reaches over rooms, barriers neither, so each can be cut so
    #[arg(long, env = "RTCSTORM_SEGMENT", value_name = "K/N", default_value_t)]
    pub segment: Segment,
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Paths, or names of bundled scenarios (see `rtcstorm scenarios`)
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub segment: SegmentArgs,

    #[command(flatten)]
    pub baseline: BaselineArgs,

    /// Play in virtual time, on a network in memory, with the room core of the bundled server; one seed is one
    /// run. A target of the scenario's is left alone
    #[arg(long, env = "RTCSTORM_SIM", conflicts_with_all = ["url", "ice_server"], value_parser = clap::builder::FalseyValueParser::new())]
    pub sim: bool,

    /// With --sim: `fifo` is the plainest order of things; with `random` the seed decides who goes first of
    /// those who are ready in the same instant, how long each signaling frame takes (up to 20 ms more), and
    /// each operation of a connection (up to 5 ms); with `pct:DEPTH` (1 to 10) each socket and connection has
    /// a priority, of which DEPTH - 1 drop while it runs
    #[arg(
        long,
        env = "RTCSTORM_SCHEDULE",
        value_name = "ORDER",
        default_value_t,
        requires = "sim"
    )]
    pub schedule: ScheduleArg,

    /// With --sim: play each scenario four times (at once, after 50 other seeds of its first room, on another
    /// thread, in a fresh process) and compare the event logs. Nothing is judged, and no file is written
    #[arg(long, env = "RTCSTORM_VERIFY", requires = "sim", value_parser = clap::builder::FalseyValueParser::new())]
    pub verify: bool,

    /// Play the first scenario and print its event log
    #[arg(long, hide = true, requires = "sim")]
    pub only_log: bool,

    /// Folder for the results [default: reports/runs/<time>-<name>-<seed>]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Also write into the run's folder, when it is over: html, junit, markdown, csv, json, dump, trace, signaling;
    /// repeatable, or with commas
    #[arg(long, env = "RTCSTORM_REPORT", value_name = "FORMAT", value_delimiter = ',')]
    pub report: Vec<Format>,

    /// While it runs, serve a page that shows it, and /metrics for Prometheus: 127.0.0.1:9090, or only a port of this
    /// machine's (0: any that is free). Who can reach the address can read along
    #[arg(long, env = "RTCSTORM_LIVE", value_name = "ADDR")]
    pub live: Option<LiveAddress>,

    /// Send metrics, and a trace of each join that fails, to an OpenTelemetry collector (OTLP over HTTP), like
    /// http://127.0.0.1:4318
    #[arg(long, env = "RTCSTORM_OTLP", value_name = "URL")]
    pub otlp: Option<OtlpUrl>,

    /// No annotations and no summary of the job, although it runs in GitHub Actions
    #[arg(long, env = "RTCSTORM_NO_GITHUB", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_github: bool,

    /// Print summary.json on stdout instead of the text; everything else goes to stderr
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,

    /// No progress on stderr
    #[arg(long, env = "RTCSTORM_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,

    /// Measure without judging: the scenario's thresholds are left out
    #[arg(long, env = "RTCSTORM_NO_THRESHOLDS", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_thresholds: bool,

    /// How late the generator's steps and event loops may be at the 99th percentile before a failed run counts as invalid
    #[arg(long, env = "RTCSTORM_LAG_LIMIT", value_name = "TIME", default_value = "100ms", value_parser = crate::base::parse_duration)]
    pub lag_limit: Duration,

    /// How much of all cores the generator may use for 10 s on end before a failed run counts as invalid
    #[arg(long, env = "RTCSTORM_CPU_LIMIT", value_name = "SHARE", default_value = "90%")]
    pub cpu_limit: Fraction,

    /// STUN or TURN server, over UDP; repeatable, in the environment with spaces between. With credentials:
    /// turn:host:3478,USER,CREDENTIAL
    #[arg(
        long,
        env = "RTCSTORM_ICE_SERVER",
        value_name = "URL[,USER,CREDENTIAL]",
        value_delimiter = ' '
    )]
    pub ice_server: Vec<String>,

    /// Certificates (PEM) that `turns:` servers are trusted by, beside the system's
    #[arg(long, env = "RTCSTORM_ICE_CA", value_name = "FILE")]
    pub ice_ca: Option<PathBuf>,

    #[command(flatten)]
    pub guard: GuardArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct HuntArgs {
    /// Path, or name of a bundled scenario (see `rtcstorm scenarios`)
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,

    #[command(flatten)]
    pub change: ChangeArgs,

    /// How many seeds are tried, from the scenario's own (or --seed) on
    #[arg(long, env = "RTCSTORM_SEEDS", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,

    /// How many runs go on at once [default: one for each core]
    #[arg(long, env = "RTCSTORM_JOBS", value_name = "N", value_parser = count)]
    pub jobs: Option<usize>,

    /// No further run begins after this (5m)
    #[arg(long, env = "RTCSTORM_TIME", value_name = "TIME", value_parser = crate::base::parse_duration)]
    pub time: Option<Duration>,

    /// No further run begins after so many have failed
    #[arg(long, env = "RTCSTORM_FAILURES", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub failures: Option<u64>,

    /// How every peer negotiates, instead of what the scenario says: a profile's name
    #[arg(long, env = "RTCSTORM_CLIENT", value_name = "PROFILE")]
    pub client: Option<String>,

    /// Who goes first of those who are ready in the same instant, and how long frames take: see `run --help`
    #[arg(
        long,
        env = "RTCSTORM_SCHEDULE",
        value_name = "ORDER",
        default_value = "random"
    )]
    pub schedule: ScheduleArg,

    /// Hunt the scenario's own client, which must not fail, then each of its `mutants` until its first failing
    /// seed. 0: every mutant was caught, and the client is innocent
    #[arg(long, env = "RTCSTORM_MUTANTS", value_parser = clap::builder::FalseyValueParser::new())]
    pub mutants: bool,

    /// A threshold that does not hold is a failure, too. They are made for whole runs: look at what they say of
    /// one room before you judge each seed by them
    #[arg(long, env = "RTCSTORM_THRESHOLDS", value_parser = clap::builder::FalseyValueParser::new())]
    pub thresholds: bool,

    /// Leave what fails as large as it is
    #[arg(long, env = "RTCSTORM_NO_SHRINK", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_shrink: bool,

    /// Folder for the findings [default: reports/runs/<time>-hunt-<name>]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print hunt.json on stdout instead of the text
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,

    /// No progress on stderr
    #[arg(long, env = "RTCSTORM_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number from 1 on".to_owned()),
        Ok(count) => Ok(count),
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The folder of a case, that of a hunt with one case, or a seed of a hunt
    #[arg(value_name = "DIR|SEED")]
    pub what: String,

    /// The hunt that the seed is of [default: the last one in reports/runs]
    #[arg(long, env = "RTCSTORM_HUNT", value_name = "DIR")]
    pub hunt: Option<PathBuf>,

    /// Show what happened up to the first event of that kind (`channel_opened`, `wait_expired`, …)
    #[arg(long, env = "RTCSTORM_UNTIL", value_name = "EVENT")]
    pub until: Option<String>,

    /// Show every event of every peer, not only those of the link that fails, and log what the stack does
    #[arg(long, env = "RTCSTORM_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    pub trace: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Folders of runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,

    /// What is written: html, junit, markdown, csv, json, dump, trace, signaling; repeatable, or with commas
    #[arg(
        long,
        env = "RTCSTORM_FORMAT",
        value_name = "FORMAT",
        value_delimiter = ',',
        required = true
    )]
    pub format: Vec<Format>,

    /// The file, or for several formats the folder [default: stdout, or this folder]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "PATH")]
    pub out: Option<PathBuf>,

    /// Of dump, trace and signaling: only the link between two peers, by their numbers (0,1)
    #[arg(long, env = "RTCSTORM_LINK", value_name = "A,B", value_parser = link, conflicts_with = "room")]
    pub link: Option<(u32, u32)>,

    /// Of dump, trace and signaling: only that room, by its number
    #[arg(long, env = "RTCSTORM_ROOM", value_name = "N")]
    pub room: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// Folders of the segments' runs, or of runs that were merged in part
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,

    /// Folder for the merged run [default: reports/runs/<time>-<name>-<seed>-merged]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Merge what is there although segments are missing; the verdict is INCOMPLETE
    #[arg(long, env = "RTCSTORM_PARTIAL", value_parser = clap::builder::FalseyValueParser::new())]
    pub partial: bool,

    /// Also write into the merged run's folder: html, junit, markdown, csv, json, dump, trace, signaling; repeatable, or
    /// with commas
    #[arg(long, env = "RTCSTORM_REPORT", value_name = "FORMAT", value_delimiter = ',')]
    pub report: Vec<Format>,

    /// Print summary.json on stdout instead of the text; everything else goes to stderr
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,
}

fn link(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.trim().trim_start_matches("peer-").parse::<u32>().ok();
    let ends = text.split_once(',').and_then(|(a, b)| number(a).zip(number(b)));
    ends.filter(|(a, b)| a != b)
        .ok_or_else(|| "two peers like 0,1".to_owned())
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Paths, or names of bundled scenarios
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,

    #[command(flatten)]
    pub change: ChangeArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Path, or name of a bundled scenario
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub segment: SegmentArgs,

    /// Print the plan as JSON
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t)]
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum SchemaOf {
    /// The scenario language
    #[default]
    Scenario,
    /// summary.json
    Summary,
    /// machine.json
    Machine,
    /// run.json
    Run,
    /// A line of events.ndjson
    Event,
    /// comparison.json, and `compare --json`
    Comparison,
    /// capacity.json
    Capacity,
}

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_limits_of_the_generator_are_the_verdicts() {
        let line = ["rtcstorm", "run", "smoke"];
        let Command::Run(args) = Args::parse_from(line).command else {
            unreachable!("it says run");
        };
        assert_eq!(args.lag_limit, crate::verdict::LAG_LIMIT);
        let percent = args.cpu_limit.as_f64() * 100.0;
        assert!(
            (percent - crate::verdict::CPU_LIMIT_PERCENT).abs() < 1e-9,
            "{percent}"
        );
    }
}
