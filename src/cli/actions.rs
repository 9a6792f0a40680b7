//! What a run tells GitHub Actions: annotations beside the job, and the report in its summary.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::reread;
use crate::report::{
    Format, RunReport,
    annotations::{MAX_SHOWN, annotations},
};

/// What the summary of one step holds (1 MiB): GitHub shows nothing at all of a larger one.
const MAX_SUMMARY: u64 = 1 << 20;

/// The job that the program runs in, if it is one of GitHub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actions {
    /// The file that becomes the summary of the step.
    summary: Option<PathBuf>,
}

impl Actions {
    /// The job of the environment, unless it is not to be told.
    pub fn of_environment(is_off: bool) -> Option<Self> {
        let is_set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let in_actions = is_set("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        (in_actions && !is_off).then(|| Self {
            summary: is_set("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        })
    }

    /// Tells of a run, the `nth` (from 0) of `runs`, which share what GitHub shows of one step. What can't be told
    /// is no failure of the run: it is a warning.
    pub fn tell(&self, report: &RunReport, folder: &Path, nth: usize, runs: usize) {
        let most = if nth < MAX_SHOWN {
            (MAX_SHOWN / runs).max(1)
        } else {
            0
        };
        // GitHub reads both; stdout is data.
        for line in annotations(report, most) {
            eprintln!("{line}");
        }
        if let Some(file) = &self.summary
            && let Err(trouble) = append(file, folder)
        {
            eprintln!("warning: the job's summary lacks this run: {trouble}");
        }
    }
}

fn append(file: &Path, folder: &Path) -> Result<(), String> {
    let format = Format::Markdown;
    let run = reread::read(folder, &format.wanted())?;
    let mut report = format.render(&[run])?;
    report.push(b'\n');
    let there = match fs::metadata(file) {
        Ok(there) => there.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(super::artifacts::cannot("read", file, &error)),
    };
    if there + report.len() as u64 > MAX_SUMMARY {
        return Err(format!(
            "{} holds {there} bytes already, and GitHub takes {MAX_SUMMARY} of a step",
            file.display()
        ));
    }
    let mut open = OpenOptions::new();
    let opened = open.create(true).append(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(&report));
    written.map_err(|error| super::artifacts::cannot("write", file, &error))
}
