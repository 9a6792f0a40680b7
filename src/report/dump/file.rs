use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{
    connection::{Connection, Connections},
    series::{MAX_SAMPLES, MAX_SAMPLES_OF_ALL, MIN_SAMPLES, Series, series},
    update::{OWN, Update},
};
use crate::{
    base::{Instant, PeerId},
    metrics::CandidateKind,
    plan::{PeerPlan, Plan},
    report::{RunRecord, redact::redacted, wall_clock::WallClock},
    scenario::{IcePolicy, IceServers},
};

/// Connections that a dump takes: viewers make a page of all of them.
pub const MAX_CONNECTIONS: usize = 5_000;

/// The dump of the runs' connections, each from one peer's side.
///
/// # Errors
/// If there are more than [`MAX_CONNECTIONS`].
pub fn dump(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let read: Vec<Connections> = runs.iter().map(read).collect();
    let count: usize = read.iter().map(|connections| connections.all.len()).sum();
    if count > MAX_CONNECTIONS {
        return Err(format!(
            "there are {count} connections, and a dump takes {MAX_CONNECTIONS} at most\n  help: narrow it with --link A,B or --room N"
        ));
    }
    let samples = MAX_SAMPLES_OF_ALL / u64::try_from(count.max(1)).unwrap_or(1);
    let samples = samples.clamp(MIN_SAMPLES, MAX_SAMPLES);
    let mut records = Vec::with_capacity(count);
    // Peers of later runs come after those of the ones before.
    let mut first_pid = 0;
    for (run, connections) in runs.iter().zip(&read) {
        add(&mut records, run, connections, first_pid, samples);
        first_pid += run.plan.peers.len() as u64;
    }
    let file = Dump::of(runs, records);
    let mut bytes = serde_json::to_vec(&file).expect("its fields are all JSON");
    bytes.push(b'\n');
    Ok(bytes)
}

fn read(run: &RunRecord) -> Connections {
    let mut connections = Connections::default();
    run.events.iter().for_each(|event| connections.read(event));
    let end =
        Instant::START + Duration::try_from_secs_f64(run.report.duration_ms / 1_000.0).unwrap_or_default();
    connections.last = connections.last.max(end);
    connections
}

fn add(
    records: &mut Vec<(String, Record)>,
    run: &RunRecord,
    read: &Connections,
    first_pid: u64,
    samples: u64,
) {
    let clock = WallClock::of(&run.launch);
    let mut nth_of_peer: BTreeMap<PeerId, u64> = BTreeMap::new();
    let pairs = pairs(&read.all);
    let mut in_order: Vec<&Connection> = read.all.iter().collect();
    in_order.sort_by_key(|connection| (connection.peer, connection.created));
    for connection in in_order {
        let nth = nth_of_peer.entry(connection.peer).or_default();
        *nth += 1;
        let pid = first_pid + u64::from(connection.peer.0);
        let remote_pair = pairs.get(&(connection.remote, connection.peer));
        let remote_pair = remote_pair.and_then(|opened| overlapping(opened, connection, read.last));
        let record = Record {
            pid,
            rid: pid,
            lid: *nth,
            url: url(&run.plan, &run.report.scenario.name, connection),
            rtc_configuration: configuration(run.plan.peers.get(connection.peer.index())),
            constraints: "",
            stats: series(connection, remote_pair, read.last, samples, clock),
            update_log: entries(connection, clock),
        };
        records.push((format!("{pid}-{nth}"), record));
    }
}

/// What each end of a link has told of its own candidate, and when.
type Pairs = BTreeMap<(PeerId, PeerId), Vec<(Instant, CandidateKind)>>;

fn pairs(all: &[Connection]) -> Pairs {
    let mut pairs = Pairs::new();
    for connection in all {
        let opened = connection
            .states
            .iter()
            .find_map(|(at, states)| Some((*at, states.pair?)));
        let of_link = pairs.entry((connection.peer, connection.remote)).or_default();
        of_link.extend(opened);
    }
    pairs
}

/// The other end's, of the time of this connection: the last one if there are several.
fn overlapping(
    opened: &[(Instant, CandidateKind)],
    connection: &Connection,
    end: Instant,
) -> Option<CandidateKind> {
    let (from, until) = (connection.created, connection.closed.unwrap_or(end));
    let within = opened.iter().rev().find(|(at, _)| (from..=until).contains(at));
    within.map(|(_, kind)| *kind)
}

/// Where a browser tells of a page, who it is with whom: `rtcstorm:smoke/room-0/peer-0/peer-1/g1`.
fn url(plan: &Plan, scenario: &str, connection: &Connection) -> String {
    let room = plan
        .peers
        .get(connection.peer.index())
        .map(|peer| peer.room.to_string());
    let name: String = scenario.chars().filter(|c| !c.is_control()).collect();
    format!(
        "rtcstorm:{name}/{}/{}/{}/{}",
        room.unwrap_or_default(),
        connection.peer,
        connection.remote,
        connection.generation
    )
}

/// The `RTCConfiguration`, as JSON, without credentials.
fn configuration(peer: Option<&PeerPlan>) -> String {
    let Some(PeerPlan { ice, .. }) = peer else {
        return "{}".to_owned();
    };
    let servers: Vec<String> = match &ice.servers {
        IceServers::None => Vec::new(),
        IceServers::Bundled => vec!["turn:bundled".to_owned()],
        IceServers::Offered => vec!["turn:offered".to_owned()],
        IceServers::Named(servers) => {
            let urls = servers.iter().flat_map(|server| &server.urls);
            let fetched = servers.iter().filter(|server| server.urls.is_empty());
            urls.map(ToString::to_string)
                .chain(fetched.map(|_| "turn:fetched".to_owned()))
                .collect()
        }
    };
    let servers: Vec<_> = servers.iter().map(|url| json!({ "urls": [url] })).collect();
    let policy = match ice.policy {
        IcePolicy::All => "all",
        IcePolicy::Relay => "relay",
    };
    json!({ "iceServers": servers, "iceTransportPolicy": policy }).to_string()
}

fn entries(connection: &Connection, clock: WallClock) -> Vec<Entry> {
    let entry = |update: &Update| Entry {
        time: clock.iso(update.at),
        timestamp: clock.unix_ms(update.at),
        kind: update.kind.to_string(),
        value: update.value.clone(),
    };
    let mut entries: Vec<Entry> = connection.log.iter().map(entry).collect();
    if let (1.., Some(last)) = (connection.more, connection.log.last()) {
        let update = Update {
            kind: format!("{OWN}left_out").into(),
            value: format!("{} more entries", connection.more),
            ..last.clone()
        };
        entries.push(entry(&update));
    }
    entries
}

/// The whole file, by the names that Chrome gives.
#[derive(Debug, Serialize)]
struct Dump {
    #[serde(rename = "getUserMedia")]
    get_user_media: [u8; 0],
    #[serde(rename = "PeerConnections", serialize_with = "in_order")]
    peer_connections: Vec<(String, Record)>,
    #[serde(rename = "UserAgent")]
    user_agent: String,
    /// Of a browser, its third brand is its own.
    #[serde(rename = "UserAgentData")]
    user_agent_data: [Brand; 3],
    timestamp: f64,
    #[serde(rename = "hardwareConcurrency")]
    hardware_concurrency: Option<usize>,
    /// No browser's: which runs these are.
    rtcstorm: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Serialize)]
struct Brand {
    brand: &'static str,
    version: String,
}

#[derive(Debug, Serialize)]
struct Record {
    pid: u64,
    rid: u64,
    lid: u64,
    url: String,
    #[serde(rename = "rtcConfiguration")]
    rtc_configuration: String,
    constraints: &'static str,
    #[serde(serialize_with = "in_order")]
    stats: Vec<(String, Series)>,
    #[serde(rename = "updateLog")]
    update_log: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    time: String,
    timestamp: f64,
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

impl Dump {
    fn of(runs: &[RunRecord], peer_connections: Vec<(String, Record)>) -> Self {
        let first = runs.first();
        let version = first.map(|run| run.launch.version.clone()).unwrap_or_default();
        let machine = first.map(|run| format!("{}; {}", run.launch.os, run.launch.arch));
        let brand = |brand| Brand {
            brand,
            version: version.clone(),
        };
        let about = |run: &RunRecord| {
            json!({
                "scenario": run.report.scenario.name,
                "seed": run.launch.seed,
                "world": run.launch.world,
                "target": redacted(&run.launch.target),
                "verdict": run.report.verdict.word.as_str(),
                "repeat": run.launch.repeat,
            })
        };
        Self {
            get_user_media: [],
            peer_connections,
            user_agent: format!("rtcstorm/{version} ({})", machine.unwrap_or_default()),
            user_agent_data: [brand("webrtc"), brand("headless"), brand("rtcstorm")],
            timestamp: first.map_or(0.0, |run| run.launch.started_at_unix_ms as f64),
            hardware_concurrency: first.and_then(|run| run.launch.cores),
            rtcstorm: runs.iter().map(about).collect(),
        }
    }
}

/// As an object whose members keep their order: viewers show them in it.
fn in_order<T: Serialize, S: Serializer>(members: &[(String, T)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(members.iter().map(|(name, value)| (name, value)))
}
