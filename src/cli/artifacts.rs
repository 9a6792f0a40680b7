//! The run's folder: the one place that writes files.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    base::{Fnv1a, Instant},
    metrics::RunEvent,
    report::{FileLine, RunReport, events, hlog, json, machine},
};

/// Written events reach the disk at least this often.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Runs of one scenario and seed that may begin in one second and still have folders of their own.
const MAX_NAMESAKES: u32 = 1_000;

pub(super) const SUMMARY: &str = "summary.json";
pub(super) const MACHINE: &str = "machine.json";
pub(super) const HISTOGRAMS: &str = "histograms.hlog";
pub(super) const EVENTS: &str = "events.ndjson";

/// A folder for one run.
pub(super) struct RunFolder {
    path: PathBuf,
    /// The first thing that could not be written.
    trouble: Arc<Mutex<Option<String>>>,
}

impl RunFolder {
    /// Makes the folder, if it is not there. What an earlier run has left in it goes: should this run be
    /// killed, nobody must take that run's report for this one's.
    pub fn create(path: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&path).map_err(|error| cannot("make the folder", &path, &error))?;
        for name in [SUMMARY, HISTOGRAMS, MACHINE] {
            let old = path.join(name);
            match fs::remove_file(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("replace", &old, &error));
                }
                _ => {}
            }
        }
        Ok(Self {
            path,
            trouble: Arc::default(),
        })
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
        Self::create(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens `events.ndjson` in it, empty.
    pub fn event_log(&self) -> Result<EventLog, String> {
        let path = self.path.join(EVENTS);
        let file = File::create(&path).map_err(|error| cannot("write", &path, &error))?;
        Ok(EventLog {
            file: BufWriter::new(file),
            path,
            flushed_at: Instant::START,
            hash: Arc::default(),
            trouble: self.trouble.clone(),
        })
    }

    /// Writes the report's files. Each appears whole or not at all.
    pub fn write(&self, report: &RunReport) -> Result<(), String> {
        self.put(SUMMARY, &json::summary(report))?;
        self.put(HISTOGRAMS, &hlog::histograms(report))?;
        self.put(MACHINE, &machine::machine(report))?;
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(trouble) => Err(trouble),
            None => Ok(()),
        }
    }

    /// Writes a file of that name into it; it appears whole or not at all.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.path.join(name);
        let part = self.path.join(format!(".{name}.part"));
        fs::write(&part, bytes)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|error| cannot("write", &path, &error))
    }

    /// What is in it, for the summary.
    pub fn files(&self) -> Vec<FileLine> {
        [
            (SUMMARY, "all figures"),
            (HISTOGRAMS, "distributions, for HdrHistogram's tools"),
            (EVENTS, "every event"),
            (MACHINE, "where, when and how long it was played"),
        ]
        .map(|(name, what)| FileLine {
            path: self.path.join(name).display().to_string(),
            what: what.to_owned(),
        })
        .to_vec()
    }
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
        let mut written = self.file.write_all(line.as_bytes());
        if event.at.since(self.flushed_at) >= FLUSH_EVERY {
            self.flushed_at = event.at;
            written = written.and_then(|()| self.file.flush());
        }
        self.note(written);
    }

    /// A full disk must not end the run: it is told once, at the end.
    fn note(&self, written: io::Result<()>) {
        if let Err(error) = written {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert_with(|| cannot("write", &self.path, &error));
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        let flushed = self.file.flush();
        self.note(flushed);
    }
}
