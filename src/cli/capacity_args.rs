use std::{path::PathBuf, time::Duration};

use crate::verdict::Threshold;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct CapacityArgs {
    /// Path, or name of a bundled scenario (see `rtcstorm scenarios`)
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,

    /// What has to hold: a metric and a condition of thresholds (`connect_ms p(95)<2000`); repeatable. The scenario's own
    /// thresholds are left out
    #[arg(long = "metric", env = "RTCSTORM_METRIC", value_name = "METRIC CONDITION", required = true, value_delimiter = '\n', value_parser = metric)]
    pub metrics: Vec<Threshold>,

    /// The smallest load, in peers of all rooms
    #[arg(long, env = "RTCSTORM_FROM", value_name = "PEERS", value_parser = clap::value_parser!(u32).range(1..))]
    pub from: u32,

    /// The largest load
    #[arg(long, env = "RTCSTORM_TO", value_name = "PEERS", value_parser = clap::value_parser!(u32).range(2..))]
    pub to: u32,

    /// How closely the knee is told [default: the smallest load]
    #[arg(long, env = "RTCSTORM_STEP", value_name = "PEERS", value_parser = clap::value_parser!(u32).range(1..))]
    pub step: Option<u32>,

    /// What is raised: the number of rooms, or of peers in each
    #[arg(long, env = "RTCSTORM_RAISE", value_enum, default_value_t)]
    pub raise: Raise,

    /// How often each end of the interval is tried: the more, the surer
    #[arg(long, env = "RTCSTORM_TRIES", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub tries: u32,

    /// How long the server is left alone between two runs
    #[arg(long, env = "RTCSTORM_SETTLE", value_name = "TIME", default_value = "2s", value_parser = crate::base::parse_duration)]
    pub settle: Duration,

    /// Signaling server [default: the bundled one, in a process of its own]
    #[arg(long, env = "RTCSTORM_URL", value_name = "URL")]
    pub url: Option<String>,

    /// Where the server tells its CPU time, as Prometheus reads it (`process_cpu_seconds_total`), like
    /// http://10.0.0.7:9100/metrics. Known of the bundled one
    #[arg(long, env = "RTCSTORM_SERVER_METRICS", value_name = "URL")]
    pub server_metrics: Option<String>,

    /// How the server relays, the bundled one or that at --url: `rooms`, or `deployed`, as the deployment does
    /// [default: what the scenario says]
    #[arg(
        long,
        env = "RTCSTORM_RELAY_MODE",
        value_name = "MODE",
        value_parser = ["rooms", "deployed"]
    )]
    pub relay_mode: Option<String>,

    /// Folder for the runs and what they came to [default: reports/runs/<time>-capacity-<name>]
    #[arg(long, env = "RTCSTORM_OUT", value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print capacity.json on stdout instead of the text
    #[arg(long, env = "RTCSTORM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,

    /// No progress on stderr
    #[arg(long, env = "RTCSTORM_QUIET", value_parser = clap::builder::FalseyValueParser::new())]
    pub quiet: bool,

    /// Options of `run` for every run, after `--` (--sim, --set, --allow-target, --max-rate, …)
    #[arg(last = true, value_name = "RUN_OPTIONS")]
    pub options: Vec<String>,
}

/// What becomes more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Raise {
    /// Rooms, each as large as the scenario has them
    #[default]
    Rooms,
    /// Peers of each room, of which there are as many as the scenario has
    Peers,
}

fn metric(text: &str) -> Result<Threshold, String> {
    let text = text.trim();
    let (selector, condition) = text
        .split_once([' ', ':'])
        .ok_or("a metric and a condition, like `connect_ms p(95)<2000`")?;
    let condition = condition.trim_start_matches([' ', ':']);
    Threshold::parse(selector.trim(), condition)
        .map_err(|error| format!("{error}; {}", error.help().unwrap_or_default()))
}
