use std::path::PathBuf;

use crate::{
    base::{Fraction, Rate},
    scenario::HostPattern,
};

/// What keeps a run from doing harm.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct GuardArgs {
    /// Host that may be tested although it is not this machine, or `*.DOMAIN` for all below a domain; repeatable. Only
    /// what you own!
    #[arg(
        long,
        env = "RTCSTORM_ALLOW_TARGET",
        value_name = "HOST",
        value_delimiter = ',',
        value_parser = host
    )]
    pub allow_target: Vec<HostPattern>,

    /// What holds for all your runs: `allowed_targets`, a list of such hosts
    /// [default: rtcstorm/config.yaml in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, env = "RTCSTORM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The most peers that a run may have; a plan with more is not begun
    #[arg(long, env = "RTCSTORM_MAX_PEERS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_peers: Option<u64>,

    /// The most joins that may begin in a second (20/s): a plan with more is not begun, and a run that comes to more ends.
    /// No more signaling sockets than that are opened either, again and in vain as well: each waits for its turn
    /// [default: 20/s against a target that is not this machine]
    #[arg(long, env = "RTCSTORM_MAX_RATE", value_name = "RATE")]
    pub max_rate: Option<Rate>,

    /// End the run when more than this share of joins and links fails (10%), in any 10 s with 20 of them or more
    #[arg(long, env = "RTCSTORM_MAX_ERROR_RATE", value_name = "SHARE")]
    pub max_error_rate: Option<Fraction>,

    /// Say what would be done to whom, and do nothing: no socket is opened, and no file written
    #[arg(long, env = "RTCSTORM_DRY_RUN", conflicts_with_all = ["verify", "only_log", "json"], value_parser = clap::builder::FalseyValueParser::new())]
    pub dry_run: bool,
}

pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    text.parse::<HostPattern>()
        .map_err(|error| format!("{error}; {}", HostPattern::HELP))
}
