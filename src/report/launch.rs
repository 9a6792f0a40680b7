//! `run.json`, schema `rtcstorm.run/1`: what a run was begun with. It is there from the run's start, beside `scenario.yaml`,
//! so that the event log alone is enough for a report, whatever becomes of the run.

use serde::{Deserialize, Serialize};

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.run/1";

/// What a run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// [`SCHEMA`].
    pub schema: String,
    /// rtcstorm's own version.
    pub version: String,
    /// The scenario's hash; its text is in `scenario.yaml`.
    pub scenario_hash: String,
    /// The root seed.
    pub seed: u64,
    /// The part of the plan that was played: `1/1` is all of it.
    pub segment: String,
    /// What ids on the wire begin with, against a server that was not started for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// `local`, `live` or `sim`.
    pub world: String,
    /// Whom the peers talked to, without secrets.
    pub target: String,
    /// Whether the server was started for the run: only that one tells its rosters.
    pub own_server: bool,
    /// By the wall clock (RFC 3339).
    pub started_at: String,
    /// Milliseconds since the Unix epoch.
    pub started_at_unix_ms: u64,
    /// Operating system and processor, as Rust names them.
    pub os: String,
    /// See `os`.
    pub arch: String,
    /// Cores that the process may use.
    pub cores: Option<usize>,
    /// Files that it may have open at a time.
    pub open_files: Option<u64>,
    /// Whether the scenario's thresholds are judged.
    pub judge_thresholds: bool,
    /// How late the generator may be at the 99th percentile.
    pub lag_limit_ms: f64,
    /// How much of all cores the generator may use for long.
    pub cpu_limit_percent: f64,
    /// The command line that repeats the run.
    pub repeat: String,
    /// Of a merged run, the runs that it was made of; of any other, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentLaunch>,
}

/// What one segment of a merged run was begun with, where that may differ, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentLaunch {
    /// `K/N`.
    pub segment: String,
    /// Its folder when it was merged.
    pub folder: String,
    /// See [`Launch::run_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// See [`Launch::target`].
    pub target: String,
    /// By the wall clock of its machine (RFC 3339).
    pub started_at: String,
    /// Milliseconds since the Unix epoch.
    pub started_at_unix_ms: u64,
    /// How long it took by its machine's clock, in ms.
    pub took_ms: f64,
    /// See [`Launch::os`].
    pub os: String,
    /// See [`Launch::arch`].
    pub arch: String,
    /// See [`Launch::cores`].
    pub cores: Option<usize>,
    /// See [`Launch::open_files`].
    pub open_files: Option<u64>,
    /// See [`Launch::lag_limit_ms`].
    pub lag_limit_ms: f64,
    /// See [`Launch::cpu_limit_percent`].
    pub cpu_limit_percent: f64,
    /// How long it took by its own clock, in ms: virtual ones in a simulation.
    pub duration_ms: f64,
    /// What it was found to be: `PASS`, `INCOMPLETE`, …
    pub verdict: String,
    /// Why it was no PASS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What its reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Launch {
    /// The file, indented, with a line feed at its end.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("its fields are all JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the file.
    ///
    /// # Errors
    /// In words, if it is something else.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let launch: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match launch.schema == SCHEMA {
            true => Ok(launch),
            false => Err(format!("its schema is `{}`, not `{SCHEMA}`", launch.schema)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was_and_another_schema_is_refused() {
        let launch = Launch {
            schema: SCHEMA.to_owned(),
            version: "0.1.0".to_owned(),
            scenario_hash: "ab".to_owned(),
            seed: u64::MAX,
            segment: "1/1".to_owned(),
            run_id: None,
            world: "sim".to_owned(),
            target: "bundled".to_owned(),
            own_server: true,
            started_at: "2026-11-28T18:00:00Z".to_owned(),
            started_at_unix_ms: 1,
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cores: Some(2),
            open_files: None,
            judge_thresholds: true,
            lag_limit_ms: 100.0,
            cpu_limit_percent: 90.0,
            repeat: "rtcstorm run smoke".to_owned(),
            segments: Vec::new(),
        };
        assert_eq!(Launch::from_json(&launch.to_json()), Ok(launch.clone()));
        let later = Launch {
            schema: "rtcstorm.run/2".to_owned(),
            ..launch
        };
        assert!(Launch::from_json(&later.to_json()).is_err_and(|why| why.contains("rtcstorm.run/2")));
        assert!(Launch::from_json(b"{\"schema\":").is_err());
    }
}
