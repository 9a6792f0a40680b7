//! What a hunt has found, as text and as JSON.

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use super::{failure::Failure, tally::Share};
use crate::base::PeerId;

/// The value of `schema` in `hunt.json`.
pub const SCHEMA: &str = "rtcstorm.hunt/1";
/// Seeds that the text names for a group.
const SEEDS_SHOWN: usize = 8;

/// A whole hunt.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The scenario's name.
    pub scenario: String,
    /// How tasks and frames were put in order.
    pub schedule: String,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds were to be tried.
    pub seeds: u64,
    /// Runs that failed, of those that were played.
    pub failed: Share,
    /// How long the sweep took, by the wall clock.
    pub took: Duration,
    /// The most frequent first.
    pub groups: Vec<Found>,
    /// How many more there are, all of them rarer.
    pub more_groups: usize,
    /// The hunt was ended before its last seed, and by what.
    pub ended_by: Option<String>,
}

/// A group of runs that broke in the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// How many they are.
    pub share: Share,
    /// The lowest of their seeds.
    pub seeds: Vec<u64>,
    /// What the smallest case breaks by.
    pub failure: Failure,
    /// The smallest case.
    pub case: Case,
    /// Where it was written.
    pub folder: String,
}

/// The smallest scenario that was found to break so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its rooms, peers of a room, and steps of all peers of a room with every repetition.
    pub size: [usize; 3],
    /// With which seed.
    pub seed: u64,
    /// In which order.
    pub schedule: String,
    /// How many scenarios were tried.
    pub tries: u32,
    /// Whether nothing more can go.
    pub smallest: bool,
    /// The rules of the clients that it takes; known of the smallest case alone.
    pub blamed: Vec<(String, String)>,
}

impl Case {
    /// The rules that it takes, as a scenario writes them; `None` if the reference client breaks so.
    pub fn blame(&self) -> Option<String> {
        let rules: Vec<String> = self
            .blamed
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        (!rules.is_empty()).then(|| rules.join(", "))
    }
}

impl Findings {
    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let word = if self.groups.is_empty() { "PASS" } else { "FAIL" };
        let took = self.took.as_secs_f64().max(1e-3);
        let _ = writeln!(
            text,
            "{word}  {}  {} from {} on, {} order; {took:.1} s, {:.0} runs/s\n",
            self.scenario,
            counted(self.seeds, "seed", "seeds"),
            self.first_seed,
            self.schedule,
            self.failed.of as f64 / took,
        );
        let _ = match self.groups.len() {
            0 => writeln!(text, "No run failed: {}", self.failed),
            1 => writeln!(text, "Runs that failed: {}", self.failed),
            n => writeln!(
                text,
                "Runs that failed: {}, in {} ways",
                self.failed,
                n + self.more_groups
            ),
        };
        if let Some(ended_by) = &self.ended_by {
            let _ = writeln!(text, "Ended by {ended_by}, before the last seed");
        }
        for (index, found) in self.groups.iter().enumerate() {
            found.tell(index + 1, &mut text);
        }
        if self.more_groups > 0 {
            let _ = writeln!(text, "\nAnd {} ways that are rarer", self.more_groups);
        }
        text
    }

    /// `hunt.json`: indented, with a line feed at its end.
    pub fn json(&self) -> Vec<u8> {
        let groups = self.groups.iter().map(|found| GroupJson {
            signature: found.failure.signature.to_string(),
            runs: found.share.hits,
            share: interval(found.share),
            seeds: &found.seeds,
            peer: found.failure.peer,
            remote: found.failure.remote,
            at_ms: found.failure.at.as_millis_f64(),
            what: &found.failure.what,
            case_seed: found.case.seed,
            case_schedule: &found.case.schedule,
            case_rooms: found.case.size[0],
            case_peers: found.case.size[1],
            case_steps: found.case.size[2],
            tries: found.case.tries,
            smallest: found.case.smallest,
            blamed: found
                .case
                .blamed
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            folder: &found.folder,
        });
        let whole = HuntJson {
            schema: SCHEMA,
            rtcstorm: env!("CARGO_PKG_VERSION"),
            scenario: &self.scenario,
            schedule: &self.schedule,
            first_seed: self.first_seed,
            seeds: self.seeds,
            runs: self.failed.of,
            failed: self.failed.hits,
            share: interval(self.failed),
            took_ms: self.took.as_secs_f64() * 1_000.0,
            ended_by: self.ended_by.as_deref(),
            groups: groups.collect(),
            more_groups: self.more_groups,
        };
        let mut bytes = serde_json::to_vec_pretty(&whole).expect("its fields are all JSON");
        bytes.push(b'\n');
        bytes
    }
}

impl Found {
    fn tell(&self, number: usize, text: &mut String) {
        let _ = writeln!(text, "\n{number}. {}", self.failure.signature);
        let seeds: Vec<String> = self.seeds.iter().take(SEEDS_SHOWN).map(u64::to_string).collect();
        let more = if self.share.hits as usize > seeds.len() {
            ", …"
        } else {
            ""
        };
        let word = if self.share.hits == 1 { "seed" } else { "seeds" };
        let _ = writeln!(text, "   {}, {word} {}{more}", self.share, seeds.join(", "));
        let ends = match (self.failure.peer, self.failure.remote) {
            (Some(peer), Some(remote)) => format!("{peer} – {remote}"),
            (Some(peer), None) => peer.to_string(),
            (None, _) => "the run".to_owned(),
        };
        let at = self.failure.at.as_millis_f64();
        let _ = writeln!(text, "   {ends} at {at:.1} ms: {}", self.failure.what);
        let case = &self.case;
        let _ = writeln!(
            text,
            "   {}: {}, {}, {}; seed {}, {} order ({} tried)",
            if case.smallest { "smallest case" } else { "case" },
            counted(case.size[0] as u64, "room", "rooms"),
            counted(case.size[1] as u64, "peer", "peers"),
            counted(case.size[2] as u64, "step", "steps"),
            case.seed,
            case.schedule,
            case.tries,
        );
        if let Some(blame) = case.blame() {
            let _ = writeln!(text, "   the client's part in it: {blame}");
        }
        let _ = writeln!(text, "   rtcstorm replay {}", self.folder);
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn interval(share: Share) -> ShareJson {
    let (low, high) = share.interval();
    ShareJson { low, high }
}

#[derive(Serialize)]
struct HuntJson<'a> {
    schema: &'static str,
    rtcstorm: &'static str,
    scenario: &'a str,
    schedule: &'a str,
    first_seed: u64,
    seeds: u64,
    runs: u64,
    failed: u64,
    /// Where the probability of a failure lies, with a confidence of 95 %.
    share: ShareJson,
    took_ms: f64,
    ended_by: Option<&'a str>,
    groups: Vec<GroupJson<'a>>,
    more_groups: usize,
}

#[derive(Serialize)]
struct ShareJson {
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct GroupJson<'a> {
    signature: String,
    runs: u64,
    share: ShareJson,
    seeds: &'a [u64],
    peer: Option<PeerId>,
    remote: Option<PeerId>,
    at_ms: f64,
    what: &'a str,
    case_seed: u64,
    case_schedule: &'a str,
    case_rooms: usize,
    case_peers: usize,
    case_steps: usize,
    tries: u32,
    smallest: bool,
    blamed: Vec<String>,
    folder: &'a str,
}
