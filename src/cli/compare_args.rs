//! Arguments of `compare` and `calibrate`, and what `run` has of them.

use std::path::PathBuf;

use clap::ValueEnum;

/// Where baselines are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct BaselineDirArgs {
    /// Folder of the baselines
    #[arg(
        long,
        env = "RTCSTORM_BASELINE_DIR",
        value_name = "DIR",
        default_value = "reports/baselines"
    )]
    pub baseline_dir: PathBuf,
}

/// What is compared, and how much worse is the same.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct GateArgs {
    /// Compare this trend or rate instead of connect, reconnect and message times and failures (and what the
    /// scenario has thresholds on); with tags: reconnect_ms{path:rejoin}; `all` is every one. Repeatable, in the
    /// environment with spaces between
    #[arg(long, env = "RTCSTORM_METRIC", value_name = "METRIC", value_delimiter = ' ')]
    pub metric: Vec<String>,

    /// How much worse is the same: the larger of a share and an amount. Of all trends, all rates, or one metric:
    /// trend=5%,1ms (the default), rate=10%,1% (the default), connect_ms=15%,20ms. Repeatable, in the environment
    /// one a line
    #[arg(
        long,
        env = "RTCSTORM_MARGIN",
        value_name = "METRIC=MARGIN",
        value_delimiter = '\n'
    )]
    pub margin: Vec<String>,
}

/// What `run` has of baselines.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct BaselineArgs {
    /// Play each scenario so many times, each time with the next seed
    #[arg(long, env = "RTCSTORM_RUNS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000), conflicts_with_all = ["verify", "only_log"])]
    pub runs: u32,

    /// Compare the runs with that baseline when they are over: exit code 97 for a regression, 98 for what nobody
    /// can tell. It takes five runs (--runs 5) and five in the baseline
    #[arg(long, env = "RTCSTORM_BASELINE", value_name = "NAME", conflicts_with_all = ["verify", "only_log"])]
    pub baseline: Option<String>,

    /// Add the runs to that baseline when they are over; those that prove nothing are left out
    #[arg(long, env = "RTCSTORM_SAVE_BASELINE", value_name = "NAME", conflicts_with_all = ["verify", "only_log"])]
    pub save_baseline: Option<String>,

    /// With --save-baseline: what the baseline has of the scenario goes
    #[arg(long, env = "RTCSTORM_REPLACE_BASELINE", requires = "save_baseline", value_parser = clap::builder::FalseyValueParser::new())]
    pub replace_baseline: bool,

    #[command(flatten)]
    pub folder: BaselineDirArgs,

    #[command(flatten)]
    pub gates: GateArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct CompareArgs {
    /// What was: a run's folder, a folder of runs, or a baseline's name
    #[arg(value_name = "BASE", requires = "new_runs")]
    pub base_runs: Option<String>,

    /// What is: the same
    #[arg(value_name = "NEW")]
    pub new_runs: Option<String>,

    /// One more run, or folder of runs, of what was; repeatable
    #[arg(long, env = "RTCSTORM_BASE", value_name = "DIR", value_delimiter = '\n')]
    pub base: Vec<String>,

    /// One more run, or folder of runs, of what is; repeatable
    #[arg(long, env = "RTCSTORM_NEW", value_name = "DIR", value_delimiter = '\n')]
    pub new: Vec<String>,

    /// Play both commands by turns (ABBA) on this machine, and compare. Each is a command that runs one scenario once:
    /// 'rtcstorm run FILE …', where `rtcstorm` alone is this very program, or your own script around it. Folder, seed
    /// and quiet are given to it as RTCSTORM_OUT, RTCSTORM_SEED and RTCSTORM_QUIET
    #[arg(
        long,
        env = "RTCSTORM_AB",
        num_args = 2,
        value_names = ["BASE_COMMAND", "NEW_COMMAND"],
        value_delimiter = '\n',
        conflicts_with_all = ["base_runs", "new_runs", "base", "new"]
    )]
    pub ab: Vec<String>,

    /// With --ab: how many runs of each
    #[arg(long, env = "RTCSTORM_PAIRS", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub pairs: u32,

    /// With --ab: folder for the runs and the comparison [default: reports/runs/<time>-ab]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub gates: GateArgs,

    /// Compare what is not the same (scenario, version, world, machine), and runs that prove nothing. The report
    /// says so
    #[arg(long, env = "RTCSTORM_FORCE", value_parser = clap::builder::FalseyValueParser::new())]
    pub force: bool,

    #[command(flatten)]
    pub folder: BaselineDirArgs,

    /// What is printed on stdout
    #[arg(
        long,
        env = "RTCSTORM_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub format: Format,

    /// The same as --format json
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,

    /// With --ab: no progress on stderr
    #[arg(long, env = "RTCSTORM_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For a pull request, or $GITHUB_STEP_SUMMARY
    Markdown,
    /// For programs
    Json,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct CalibrateArgs {
    /// Path, or name of a bundled scenario (see `rtcstorm scenarios`)
    #[arg(
        value_name = "SCENARIO",
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    pub scenario: Option<String>,

    /// How many times it is played
    #[arg(long, env = "RTCSTORM_RUNS", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    pub runs: u32,

    /// Use runs that are there instead: a folder of runs, or a baseline's name; repeatable
    #[arg(long, env = "RTCSTORM_FROM", value_name = "DIR", value_delimiter = '\n')]
    pub from: Vec<String>,

    /// Runs a side in each comparison [default: half of the runs]
    #[arg(long, env = "RTCSTORM_PER_SIDE", value_name = "K", value_parser = clap::value_parser!(u32).range(5..))]
    pub per_side: Option<u32>,

    /// Folder for the runs [default: reports/runs/<time>-calibrate]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub gates: GateArgs,

    #[command(flatten)]
    pub folder: BaselineDirArgs,

    /// Use runs that prove nothing, too
    #[arg(long, env = "RTCSTORM_FORCE", value_parser = clap::builder::FalseyValueParser::new())]
    pub force: bool,

    /// Print figures as JSON
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,

    /// No progress on stderr
    #[arg(long, env = "RTCSTORM_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,

    /// Options of `run` for every run, after `--`
    #[arg(last = true, value_name = "RUN_OPTIONS")]
    pub options: Vec<String>,
}
