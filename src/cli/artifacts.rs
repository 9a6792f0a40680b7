//! The run's folder: the one place that writes files.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::hunt::FINDINGS;
use crate::{
    base::{Fnv1a, Instant},
    metrics::RunEvent,
    report::{FileLine, Format, Launch, RunReport, SegmentLaunch, events, hlog, json, machine},
    scenario::Scenario,
};

/// Written events reach the disk at least this often.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Runs of one scenario and seed that may begin in one second and still have folders of their own.
const MAX_NAMESAKES: u32 = 1_000;

pub(super) const SUMMARY: &str = "summary.json";
pub(super) const MACHINE: &str = "machine.json";
pub(super) const HISTOGRAMS: &str = "histograms.hlog";
pub(super) const EVENTS: &str = "events.ndjson";
pub(super) const RUN: &str = "run.json";
pub(super) const SCENARIO: &str = "scenario.yaml";

/// So many bytes of a file tell whether it is one of ours.
const HEAD: u64 = 4_096;

/// What is replaced in a run's folder when another run begins there.
fn replaced() -> impl Iterator<Item = &'static str> {
    let own = [SUMMARY, HISTOGRAMS, MACHINE, RUN, SCENARIO, EVENTS];
    own.into_iter().chain(Format::ALL.map(Format::file_name))
}

/// A folder for one run.
pub(super) struct RunFolder {
    path: PathBuf,
    /// Why the event log is not whole, if it is not.
    log_trouble: Arc<Mutex<Option<String>>>,
}

impl RunFolder {
    /// Makes the folder, if it is not there. What an earlier run has left in it stays until this one begins.
    ///
    /// # Errors
    /// It can't be made, or it holds files that would be replaced and are no run's.
    pub fn at(path: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&path).map_err(|error| cannot("make the folder", &path, &error))?;
        let folder = Self {
            path,
            log_trouble: Arc::default(),
        };
        let there = |name: &&str| folder.path.join(name).symlink_metadata().is_ok();
        if !folder.is_a_runs()
            && let Some(name) = replaced().find(there)
        {
            return Err(format!(
                "{} holds {name}, and no run or hunt has written it: it would be replaced",
                folder.path.display()
            ));
        }
        Ok(folder)
    }

    /// The same, and what an earlier run has left in it goes.
    pub fn create(path: PathBuf) -> Result<Self, String> {
        let folder = Self::at(path)?;
        folder.clear()?;
        Ok(folder)
    }

    /// Whether a run or a hunt has written into it.
    fn is_a_runs(&self) -> bool {
        let begins_as_ours = |name: &str| {
            let mut head = Vec::new();
            let file = File::open(self.path.join(name));
            let read = file.and_then(|file| file.take(HEAD).read_to_end(&mut head));
            read.is_ok() && String::from_utf8_lossy(&head).contains("\"rtcstorm.")
        };
        // A run that was killed at once.
        let log = self.path.join(EVENTS).metadata().is_ok_and(|log| log.len() == 0);
        log || [RUN, SUMMARY, FINDINGS].into_iter().any(begins_as_ours)
    }

    /// Should the run that begins be killed, nobody must take an earlier one's report for its.
    fn clear(&self) -> Result<(), String> {
        for name in replaced() {
            let old = self.path.join(name);
            match fs::remove_file(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("replace", &old, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes a folder that was not there: `name`, or `name-2`, … if other runs began in the same second.
    pub fn create_new(parent: &Path, name: &str) -> Result<Self, String> {
        fs::create_dir_all(parent).map_err(|error| cannot("make the folder", parent, &error))?;
        let mut path = parent.join(name);
        for number in 2..=MAX_NAMESAKES {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = parent.join(format!("{name}-{number}"));
                }
                Err(error) => return Err(cannot("make the folder", &path, &error)),
                Ok(()) => break,
            }
        }
        Self::at(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what the run is begun with: with the event log it is enough for a report, whatever becomes of the run.
    pub fn begin(&self, launch: &Launch, scenario: &Scenario) -> Result<(), String> {
        self.begin_as(launch, scenario.without_secrets().to_yaml().as_bytes())
    }

    /// The same with a scenario's text. `run.json` comes first: it tells that the folder is a run's.
    pub fn begin_as(&self, launch: &Launch, scenario: &[u8]) -> Result<(), String> {
        self.clear()?;
        self.put(RUN, &launch.to_json())?;
        self.put(SCENARIO, scenario)
    }

    /// Opens `events.ndjson` in it, empty; the run has begun.
    pub fn event_log(&self) -> Result<EventLog, String> {
        let path = self.path.join(EVENTS);
        let file = File::create(&path).map_err(|error| cannot("write", &path, &error))?;
        Ok(EventLog {
            file: BufWriter::new(file),
            path,
            flushed_at: Instant::START,
            hash: Arc::default(),
            trouble: self.log_trouble.clone(),
            broken: false,
        })
    }

    /// Writes the report's files. Each appears whole or not at all.
    pub fn write(&self, report: &RunReport) -> Result<(), String> {
        self.write_merged(report, &[])
    }

    /// The same of a run that was merged from segments.
    pub fn write_merged(&self, report: &RunReport, segments: &[SegmentLaunch]) -> Result<(), String> {
        self.put(MACHINE, &machine::merged(report, segments))?;
        self.put(HISTOGRAMS, &hlog::histograms(report))?;
        self.put(SUMMARY, &json::summary(report))
    }

    /// Why the event log is not whole, if it is not. Known when it is dropped.
    pub fn log_trouble(&self) -> Option<String> {
        let trouble = self.log_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// Writes a file of that name into it; it appears whole or not at all.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        put(&self.path.join(name), bytes)
    }

    /// What a run writes into it, and what that is.
    pub const NAMES: [(&'static str, &'static str); 6] = [
        (SUMMARY, "all figures"),
        (HISTOGRAMS, "distributions, for HdrHistogram's tools"),
        (EVENTS, "every event"),
        (MACHINE, "where, when and how long it was played"),
        (RUN, "what it was begun with, for `rtcstorm report`"),
        (SCENARIO, "the scenario as it was played"),
    ];

    /// What is in it, for the summary.
    pub fn files(&self) -> Vec<FileLine> {
        Self::NAMES
            .map(|(name, what)| FileLine {
                path: self.path.join(name).display().to_string(),
                what: what.to_owned(),
            })
            .to_vec()
    }
}

/// Writes a file; it appears whole or not at all.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        cannot("write", path, &error)
    })
}

/// What could not be done with a file, in words.
pub(super) fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// The hash of the bytes of an event log so far.
pub(super) type LogHash = Arc<Mutex<Fnv1a>>;

/// Every event as a line, flushed as it goes: what a run that is killed leaves.
pub(super) struct EventLog {
    file: BufWriter<File>,
    path: PathBuf,
    flushed_at: Instant,
    hash: LogHash,
    trouble: Arc<Mutex<Option<String>>>,
    /// Something could not be written. Nothing more is: a log that ends early is one that can be read.
    broken: bool,
}

impl EventLog {
    /// Its hash, which is complete when the run is over.
    pub fn hash(&self) -> LogHash {
        self.hash.clone()
    }

    pub fn write(&mut self, event: &RunEvent) {
        let line = events::ndjson(event);
        self.hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .update(line.as_bytes());
        if self.broken {
            return;
        }
        let mut written = self.file.write_all(line.as_bytes());
        if event.at.since(self.flushed_at) >= FLUSH_EVERY {
            self.flushed_at = event.at;
            written = written.and_then(|()| self.file.flush());
        }
        self.note(written);
    }

    /// A full disk must not end the run: it is told in the verdict.
    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.broken = true;
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert_with(|| cannot("write", &self.path, &error));
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        if !self.broken {
            let flushed = self.file.flush();
            self.note(flushed);
        }
    }
}
