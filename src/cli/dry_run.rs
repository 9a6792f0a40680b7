//! `run --dry-run`: what would be done to whom.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use super::{
    args::RunArgs,
    artifacts::RunFolder,
    guard,
    load::{self, Loaded},
    print_data,
    run::{RUNS, folder_named},
};
use crate::{
    base::{IceUrl, Size, show_duration},
    plan::{OfferedLoad, Plan},
    scenario::{IceServers, RelayMode, Scenario, Target, url_without_secrets},
    verdict::{ERROR_CASES, ERROR_WINDOW, ExitCode},
};

/// Tells of every run. Nothing is asked of anybody: names are not resolved either.
pub(super) fn show(args: &RunArgs, all: &[Loaded]) -> ExitCode {
    let texts = all
        .iter()
        .enumerate()
        .map(|(index, loaded)| text(args, loaded, index));
    print_data(texts.collect::<Vec<_>>().join("\n"));
    ExitCode::Pass
}

fn text(args: &RunArgs, Loaded { scenario, plan }: &Loaded, index: usize) -> String {
    let load = OfferedLoad::of(plan);
    let rooms = plan.rooms.len();
    let most = plan.rooms.iter().map(|room| room.peers.len()).max().unwrap_or(0);
    let second = Duration::from_secs(1);
    let lines = [
        ("target", target(scenario, args)),
        ("rooms", format!("{rooms}, with up to {most} peers each")),
        (
            "peers",
            format!(
                "{}, with {} at most at a time",
                plan.peers.len(),
                connections(plan)
            ),
        ),
        (
            "joins",
            format!(
                "{}, at most {} within a second",
                load.joins,
                load.most_joins_within(second)
            ),
        ),
        (
            "messages",
            format!(
                "at most {:.0} a second, {} a second, between the peers",
                load.peak_messages_per_s.ceil(),
                Size(load.peak_bytes_per_s.ceil() as u64)
            ),
        ),
        ("lasts", lasts(scenario, &load)),
        ("STUN, TURN", ice(scenario, args)),
        ("limits", limits(scenario, args)),
        ("files", files(args, scenario, index, plan.seed)),
    ];
    let mut text = format!(
        "{}, seed {}: nothing is done (--dry-run). It would be:\n",
        scenario.name, plan.seed
    );
    for (what, told) in lines {
        writeln!(text, "  {what:10}  {told}").expect("a string takes everything");
    }
    text.push_str("Joins and messages are those of the script, as if every wait were over at once.\n");
    text
}

/// The connections that there are when everybody is in: of each two members, or to the server.
fn connections(plan: &Plan) -> String {
    let topology = plan.abilities().topology;
    let sum = |of: &dyn Fn(usize) -> usize| plan.rooms.iter().map(|room| of(room.peers.len())).sum::<usize>();
    match topology.has_server_link() {
        true => format!(
            "{} connections to the server",
            sum(&|members| topology.server_connections(members))
        ),
        false => format!(
            "{} links",
            sum(&|members| members * members.saturating_sub(1) / 2)
        ),
    }
}

fn target(scenario: &Scenario, args: &RunArgs) -> String {
    let Target { url, relay_mode, .. } = &scenario.target;
    if args.sim {
        return "none: it is simulated".to_owned();
    }
    let Some(url) = url else {
        let mode = match relay_mode {
            RelayMode::Rooms => "",
            RelayMode::Deployed => ", relaying as the deployment does",
        };
        return format!("the bundled server, on this machine{mode}");
    };
    let host = scenario.target.host().unwrap_or_default();
    let whose = match load::is_loopback(scenario) {
        true => "this machine",
        false => "allowed, and not this machine",
    };
    let mut told = format!("{} (host {host}: {whose})", url_without_secrets(url));
    if let Some(metrics) = &scenario.target.metrics {
        write!(
            told,
            ", whose metrics are read at {}",
            url_without_secrets(metrics)
        )
        .expect("a string takes everything");
    }
    if scenario.target.control.is_some() {
        told.push_str(", with commands of the scenario's that act on it");
    }
    told
}

fn lasts(scenario: &Scenario, load: &OfferedLoad) -> String {
    match scenario.duration {
        Some(duration) => format!("{} at most: everybody leaves then", show_duration(duration)),
        None => format!(
            "{} and what its waits take",
            show_duration(Duration::from_millis(load.ends_after.as_millis() as u64))
        ),
    }
}

/// Servers by their URLs; accounts are nobody's to read.
fn ice(scenario: &Scenario, args: &RunArgs) -> String {
    let mut servers: BTreeSet<String> = (args.ice_server.iter())
        .map(|server| server.split(',').next().unwrap_or_default().to_owned())
        .collect();
    for group in &scenario.groups {
        match &group.ice.servers {
            IceServers::None => {}
            IceServers::Bundled => {
                servers.insert("the bundled one, on this machine".to_owned());
            }
            IceServers::Offered => {
                servers.insert("what the signaling server offers to each peer".to_owned());
            }
            IceServers::Named(named) => {
                let urls = named.iter().flat_map(|server| &server.urls);
                servers.extend(urls.map(IceUrl::to_string));
                let asked = group.ice.fetches().map(|fetch| {
                    let url = url_without_secrets(&fetch.url);
                    format!("each peer asks {url} before it comes in")
                });
                servers.extend(asked.filter(|_| !args.sim));
            }
        }
    }
    match servers.is_empty() {
        true => "none".to_owned(),
        false => servers.into_iter().collect::<Vec<_>>().join(", "),
    }
}

fn limits(scenario: &Scenario, args: &RunArgs) -> String {
    let peers = args.guard.max_peers.map(|most| format!("{most} peers"));
    let rate = guard::max_rate(scenario, args).map(|limit| match limit.is_default {
        true => format!(
            "{} joins and sockets, the default against a target that is not this machine",
            limit.rate
        ),
        false => format!("{} joins and sockets", limit.rate),
    });
    let errors = (args.guard.max_error_rate).map(|share| {
        format!(
            "{share} of joins and links may fail in {}, of {ERROR_CASES} or more",
            show_duration(ERROR_WINDOW)
        )
    });
    let all: Vec<String> = [peers, rate, errors].into_iter().flatten().collect();
    match all.is_empty() {
        true => "none but the plan".to_owned(),
        false => all.join("; "),
    }
}

fn files(args: &RunArgs, scenario: &Scenario, index: usize, seed: u64) -> String {
    let folder = match folder_named(args, &scenario.name, seed, index) {
        Some(folder) => folder.display().to_string(),
        None => format!("{RUNS}/<time>-{}-{seed}", scenario.name),
    };
    let own = RunFolder::NAMES.map(|(name, _)| name);
    let more = args.report.iter().map(|format| format.file_name());
    let names: Vec<&str> = own.into_iter().chain(more).collect();
    let baseline = match &args.baseline.save_baseline {
        Some(name) => format!("; and the baseline {name}"),
        None => String::new(),
    };
    format!("in {folder}: {}{baseline}", names.join(", "))
}
