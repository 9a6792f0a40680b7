//! Runs in processes of their own, one after the other: each has its folder, and what it says on stderr beside it.

use std::{
    fs::File,
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::Command;

use super::{children::Reach, compare_runs::Trouble, interrupt::Interrupt, spoken};

/// What a run must not take over from the session that starts it.
const NOT_INHERITED: [&str; 10] = [
    "RTCSTORM_RUNS",
    "RTCSTORM_BASELINE",
    "RTCSTORM_SAVE_BASELINE",
    "RTCSTORM_REPLACE_BASELINE",
    "RTCSTORM_METRIC",
    "RTCSTORM_MARGIN",
    "RTCSTORM_FORMAT",
    "RTCSTORM_JSON",
    "RTCSTORM_VERIFY",
    "RTCSTORM_DRY_RUN",
];
/// Of what a run that went wrong has said, so much is shown.
const MAX_SHOWN: usize = 2_000;

/// A command line that plays one scenario once.
pub(super) struct RunCommand {
    program: PathBuf,
    arguments: Vec<String>,
    /// This program, which asks no terminal for anything.
    is_own: bool,
    /// As the user wrote it.
    text: String,
}

/// How a run of a session came to its end.
pub(super) enum Ended {
    /// Its files are in its folder.
    Whole { took: Duration },
    /// By the user.
    Interrupted,
}

impl RunCommand {
    /// Takes a line apart as a shell does, without what else a shell does. `rtcstorm` alone is this program.
    pub fn parse(text: &str) -> Result<Self, Trouble> {
        let words = shlex::split(text).filter(|words| !words.is_empty());
        let Some(words) = words else {
            return Err(Trouble::new(
                format!("`{text}` is no command"),
                "for example `rtcstorm run smoke`; a quote that is opened has to be closed",
            ));
        };
        Self::of(words, text)
    }

    /// Of words.
    pub fn of(mut words: Vec<String>, text: &str) -> Result<Self, Trouble> {
        let first = words.remove(0);
        let program = match first.as_str() {
            "rtcstorm" => std::env::current_exe().map_err(|error| {
                Trouble::new(
                    format!("this program does not find itself: {error}"),
                    "name it by its path",
                )
            })?,
            other => PathBuf::from(other),
        };
        Ok(Self {
            program,
            arguments: words,
            is_own: first == "rtcstorm",
            text: text.to_owned(),
        })
    }

    /// As it may be kept with what it came to, and told to anybody.
    pub fn told(&self) -> String {
        spoken::line_without_secrets(&self.text)
    }

    /// Plays it with that seed, into `folder`.
    pub async fn play(&self, folder: &Path, seed: u64, interrupt: &Interrupt) -> Result<Ended, Trouble> {
        let broken = |what: String| {
            Trouble::new(
                what,
                "the command has to play one scenario, once, and without `--out`: try it by itself",
            )
        };
        let said = folder.with_extension("stderr.txt");
        let cannot = |error: std::io::Error| broken(format!("cannot write {}: {error}", said.display()));
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent).map_err(cannot)?;
        }
        let stderr = File::create(&said).map_err(cannot)?;
        let mut command = Command::new(&self.program);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let reach = self.reach(&mut command);
        let began = Instant::now();
        let mut child = command
            .args(&self.arguments)
            .env("RTCSTORM_OUT", folder)
            .env("RTCSTORM_SEED", seed.to_string())
            .env("RTCSTORM_QUIET", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(format!("`{}` cannot be started: {error}", self.text)))?;
        let noted = interrupt.children().note(child.id(), reach);
        let ended = tokio::select! {
            ended = child.wait() => ended,
            () = interrupt.first() => {
                if reach == Reach::Group || is_told_by_us_alone(interrupt) {
                    noted.interrupt();
                }
                child.wait().await
            }
        };
        drop(noted);
        let status = ended.map_err(|error| broken(format!("`{}`: {error}", self.text)))?;
        if interrupt.is_seen() {
            return Ok(Ended::Interrupted);
        }
        let is_verdict = [0, 98, 99].map(Some).contains(&status.code());
        if !is_verdict || !folder.join(super::artifacts::SUMMARY).is_file() {
            let what = match is_verdict {
                false => format!("`{}` ended with {status}", self.text),
                true => format!("`{}` has left no summary.json in {}", self.text, folder.display()),
            };
            let said = shown(&said);
            return Err(broken(match said.is_empty() {
                true => what,
                false => format!("{what}; it said:\n    {}", said.replace('\n', "\n    ")),
            }));
        }
        // It has nothing to say that its report does not.
        let _ = std::fs::remove_file(&said);
        Ok(Ended::Whole {
            took: began.elapsed(),
        })
    }

    /// A run of this program has a group of its own, so that Ctrl-C comes to it once, whoever sends it to whom. Another
    /// command stays in the terminal's foreground group, or it could not ask there for a password.
    #[cfg(unix)]
    fn reach(&self, command: &mut Command) -> Reach {
        match self.is_own {
            true => {
                command.process_group(0);
                Reach::Group
            }
            false => Reach::Alone,
        }
    }

    #[cfg(not(unix))]
    fn reach(&self, _command: &mut Command) -> Reach {
        Reach::Alone
    }
}

/// Ctrl-C of a terminal goes to all processes in front; a signal from elsewhere to this one alone.
fn is_told_by_us_alone(interrupt: &Interrupt) -> bool {
    interrupt.is_alone() || !std::io::stdin().is_terminal()
}

/// The last that a run has said.
fn shown(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let from = text.len().saturating_sub(MAX_SHOWN);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text[from..]
        .trim()
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

/// The runtime of a session.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(format!("no runtime: {error}"), "see what the system runs out of"))
}

/// The seed of a session's first run.
pub(super) fn first_seed() -> u64 {
    let given = std::env::var("RTCSTORM_SEED").ok();
    given.and_then(|seed| seed.trim().parse().ok()).unwrap_or(1)
}
