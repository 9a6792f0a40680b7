//! The folder of a case: everything that one needs to see a failure again and to understand it.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    artifacts::cannot,
    load::Grammar,
    schedule::{ScheduleArg, ScheduleError},
};
use crate::{
    base::PeerId,
    hunt::Failure,
    metrics::RunEvent,
    report::{Story, events},
    scenario::{Scenario, parse},
};

/// The value of `schema` in `case.json`.
const SCHEMA: &str = "rtcstorm.case/1";
const SCENARIO: &str = "scenario.yaml";
const CASE: &str = "case.json";
const STORY: &str = "story.md";
const EVENTS: &str = "events.ndjson";

/// A scenario with the seed and the order that it breaks in.
pub(super) struct Case {
    pub scenario: Scenario,
    pub seed: u64,
    pub schedule: ScheduleArg,
    /// As it was when the case was written.
    pub outcome: Outcome,
}

/// What a run came to, as far as two runs can be compared by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// What broke first; `None`: nothing.
    pub signature: Option<String>,
    pub what: Option<String>,
    pub at_ms: Option<f64>,
}

impl Outcome {
    /// Whether a later run came to the same, as far as this one is known.
    pub fn is_met_by(&self, later: &Self) -> bool {
        self.signature == later.signature
            && self
                .what
                .as_ref()
                .is_none_or(|what| Some(what) == later.what.as_ref())
            && self.at_ms.is_none_or(|at| Some(at) == later.at_ms)
    }

    pub fn of(failure: Option<&Failure>) -> Self {
        Self {
            signature: failure.map(|failure| failure.signature.to_string()),
            what: failure.map(|failure| failure.what.clone()),
            at_ms: failure.map(|failure| failure.at.as_millis_f64()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct CaseJson {
    schema: String,
    rtcstorm: String,
    seed: u64,
    schedule: String,
    outcome: Outcome,
}

impl Case {
    /// Writes the case and its story into a new folder.
    pub fn write(
        &self,
        folder: &Path,
        failure: &Failure,
        blame: Option<&str>,
        played: &[RunEvent],
    ) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(|error| cannot("make the folder", folder, &error))?;
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| cannot("write", &path, &error))
        };
        put(SCENARIO, &self.scenario.to_yaml())?;
        let case = CaseJson {
            schema: SCHEMA.to_owned(),
            rtcstorm: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            schedule: self.schedule.to_string(),
            outcome: self.outcome.clone(),
        };
        let case = serde_json::to_string_pretty(&case).expect("its fields are all JSON");
        put(CASE, &(case + "\n"))?;
        let log: String = played.iter().map(events::ndjson).collect();
        put(EVENTS, &log)?;
        put(STORY, &self.story(folder, failure, blame, played))
    }

    fn story(&self, folder: &Path, failure: &Failure, blame: Option<&str>, played: &[RunEvent]) -> String {
        let mut text = format!("# {}\n\n", failure.signature);
        let ends = match (failure.peer, failure.remote) {
            (Some(peer), Some(remote)) => format!("{peer} – {remote}"),
            (Some(peer), None) => peer.to_string(),
            (None, _) => "the run".to_owned(),
        };
        let at = failure.at.as_millis_f64();
        let _ = writeln!(text, "{ends} at {at:.3} ms of virtual time: {}.\n", failure.what);
        if let Some(blame) = blame {
            let _ = writeln!(
                text,
                "The client's part in it: `{blame}`. With all its other rules as in `reference` it breaks still.\n"
            );
        }
        let _ = writeln!(text, "```\nrtcstorm replay {}\n```\n", folder.display());
        let _ = writeln!(text, "```yaml\n{}```\n", self.scenario.to_yaml());
        let story = Story {
            events: played,
            peer: failure.peer.unwrap_or(PeerId(0)),
            remote: failure.remote,
            point: Some((failure.at, &failure.what)),
        };
        let _ = writeln!(text, "```mermaid\n{}```\n", story.mermaid());
        let _ = writeln!(text, "```text\n{}```", story.text());
        text
    }

    /// Reads the case in a folder, and which rtcstorm has written it.
    pub fn read(folder: &Path) -> Result<(Self, String), String> {
        let text = |name: &str| {
            let path: PathBuf = folder.join(name);
            fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))
        };
        let case: CaseJson = serde_json::from_str(&text(CASE)?)
            .map_err(|error| format!("{} is no case: {error}", folder.join(CASE).display()))?;
        if case.schema != SCHEMA {
            return Err(format!(
                "{} has the schema {}, and this rtcstorm knows {SCHEMA}",
                folder.join(CASE).display(),
                case.schema
            ));
        }
        let name = folder.join(SCENARIO).display().to_string();
        let scenario = parse(&name, &text(SCENARIO)?, &Grammar).map_err(|mistakes| mistakes.listing())?;
        let read = Self {
            scenario,
            seed: case.seed,
            schedule: case
                .schedule
                .parse()
                .map_err(|error: ScheduleError| error.to_string())?,
            outcome: case.outcome,
        };
        Ok((read, case.rtcstorm))
    }
}
