//! Whether a run may be begun at all, and what stops it.

use std::time::Duration;

use super::{args::RunArgs, load};
use crate::{
    base::Rate,
    plan::{OfferedLoad, Plan},
    scenario::{HostPattern, Scenario, UserConfig},
    verdict::Guards,
};

/// How fast peers may join a server that is not this machine, if nothing else is said.
const FOREIGN_RATE: &str = "20/s";

/// The hosts that may be tested although they are not this machine.
pub(super) struct Allowed(Vec<HostPattern>);

impl Allowed {
    pub fn new(given: &[HostPattern], config: UserConfig) -> Self {
        let given = given.iter().cloned();
        Self(given.chain(config.allowed_targets).collect())
    }

    /// All of them.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.0
    }

    fn holds(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(host))
    }
}

/// Whether the target may be tested at all.
pub(super) fn is_allowed(scenario: &Scenario, simulated: bool, allowed: &Allowed) -> bool {
    // In a simulation nobody's server is touched.
    if simulated {
        return true;
    }
    let target = &scenario.target;
    let own = load::is_loopback(scenario);
    let host = (!own).then(|| ("target", target.host().unwrap_or_default()));
    // Whoever may be loaded may be asked how it bears it.
    let metrics = target.metrics_host();
    let metrics = metrics.filter(|host| !load::is_this_machine(host) && target.host() != Some(host));
    let asked = load::foreign_ice_hosts(scenario).into_iter();
    let asked = asked.filter(|host| target.host() != Some(host));
    let mut refused = false;
    for (what, host) in host
        .into_iter()
        .chain(metrics.map(|host| ("target's metrics", host)))
        .chain(asked.map(|host| ("host that `fetch` asks for ICE servers,", host)))
    {
        if !allowed.holds(host) {
            eprintln!(
                "error: {}: the {what} `{host}` is not this machine\n  help: if it is yours to load, say so with `--allow-target {host}`, or for all your runs under `allowed_targets` in your configuration (`rtcstorm run --help`)",
                scenario.name
            );
            refused = true;
        }
    }
    !refused
}

/// Whether the plan keeps to the limits of the command line.
pub(super) fn is_within_limits(scenario: &Scenario, plan: &Plan, args: &RunArgs) -> bool {
    let name = &scenario.name;
    let peers = plan.peers.len() as u64;
    let too_many = args.guard.max_peers.filter(|most| peers > *most);
    if let Some(most) = too_many {
        eprintln!(
            "error: {name}: the plan has {peers} peers, more than {most} (`--max-peers`)\n  help: use fewer rooms or peers, or raise the limit"
        );
    }
    let too_fast = max_rate(scenario, args).filter(|limit| limit.is_passed_by(&OfferedLoad::of(plan)));
    if let Some(limit) = &too_fast {
        let why = match limit.is_default {
            true => "the limit against a target that is not this machine",
            false => "`--max-rate`",
        };
        let joins = OfferedLoad::of(plan).most_joins_within(limit.window());
        let window = crate::base::show_duration(limit.window());
        eprintln!(
            "error: {name}: {joins} joins would begin within {window}, more than {} ({why})\n  help: let peers arrive more slowly, for example `--set 'arrive={{rate: {}}}'`, or raise the limit with `--max-rate`",
            limit.rate, limit.rate
        );
    }
    too_many.is_none() && too_fast.is_none()
}

/// How fast peers may join.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RateLimit {
    pub rate: Rate,
    /// Nobody has asked for it.
    pub is_default: bool,
}

impl RateLimit {
    /// A second; of a rate below one in a second, the time of one.
    fn window(self) -> Duration {
        Duration::from_secs(1).max(self.rate.due(1))
    }

    fn is_passed_by(self, load: &OfferedLoad) -> bool {
        let most = (self.rate.per_second() * self.window().as_secs_f64()).ceil();
        load.most_joins_within(self.window()) as f64 > most
    }
}

/// The limit that holds: the user's, or that for somebody's server.
pub(super) fn max_rate(scenario: &Scenario, args: &RunArgs) -> Option<RateLimit> {
    let given = args.guard.max_rate.map(|rate| RateLimit {
        rate,
        is_default: false,
    });
    let own = load::is_loopback(scenario) && load::foreign_ice_hosts(scenario).is_empty();
    let is_foreign = !args.sim && !own;
    given.or_else(|| {
        is_foreign.then(|| RateLimit {
            rate: FOREIGN_RATE.parse().expect("it is a rate"),
            is_default: true,
        })
    })
}

/// What stops the run if it goes wrong. A limit that nobody has asked for is told.
pub(super) fn guards(scenario: &Scenario, args: &RunArgs) -> Guards {
    let limit = max_rate(scenario, args);
    if let Some(limit) = limit.filter(|limit| limit.is_default) {
        let asked = load::foreign_ice_hosts(scenario);
        let host = scenario.target.host().or(asked.first().copied());
        eprintln!(
            "note: {} is not this machine: at most {} joins may begin and sockets be opened (`--max-rate` sets another limit)",
            host.unwrap_or_default(),
            limit.rate
        );
    }
    Guards::new(limit.map(|limit| limit.rate), args.guard.max_error_rate)
}
