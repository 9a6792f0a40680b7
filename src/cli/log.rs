//! `events.ndjson`, read line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
};

use super::{
    artifacts::{EVENTS, SUMMARY, cannot},
    reread::alien,
};
use crate::{metrics::RunEvent, report::events};

/// What of a log is read at once.
const BUFFER: usize = 1 << 18;

/// An event log, from its beginning.
pub(super) struct Log {
    path: PathBuf,
    /// `None`: the run was killed before it had a log.
    file: Option<BufReader<File>>,
    line: Vec<u8>,
    number: u64,
}

impl Log {
    /// That of a run's folder.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(EVENTS);
        let file = match File::open(&path) {
            Ok(file) => Some(BufReader::with_capacity(BUFFER, file)),
            Err(error) if error.kind() == ErrorKind::NotFound && !folder.join(SUMMARY).exists() => None,
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        Ok(Self {
            path,
            file,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next event, and of a merged run's the number of its segment; `None`: there is none. A last line that is cut off
    /// was being written when the run was killed.
    ///
    /// # Errors
    /// A line is no event of ours.
    pub fn next(&mut self) -> Result<Option<(RunEvent, Option<u32>)>, String> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        self.line.clear();
        let read = file.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| cannot("read", &self.path, &error))?;
        if read == 0 || self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.number += 1;
        let event = std::str::from_utf8(&self.line)
            .map_err(|error| error.to_string())
            .and_then(events::parse_merged);
        event.map(Some).map_err(|why| self.alien(&why))
    }

    /// Hands every event on, with the number of its segment and its line.
    ///
    /// # Errors
    /// A line is no event of ours, or `with` says so.
    pub fn each(
        mut self,
        mut with: impl FnMut(RunEvent, Option<u32>, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        while let Some((event, segment)) = self.next()? {
            with(event, segment, &self.line).map_err(|why| self.alien(&why))?;
        }
        Ok(())
    }

    /// The event that was read last can't be used.
    pub fn alien(&self, why: &str) -> String {
        alien(&self.path, &format!("line {}: {why}", self.number))
    }
}
