//! The reference server in a process of its own, so that its CPU can be told from the generator's.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{
    children::{self, Children, Reach},
    compare_runs::Trouble,
};

/// How long it may take until it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// It leads a group of its own where there are such.
const REACH: Reach = if cfg!(unix) { Reach::Group } else { Reach::Alone };
/// The most lines of its log that are read for its address.
const MAX_LINES: usize = 100;

/// A server that ends with this value.
pub(super) struct OwnServer {
    child: Child,
    _noted: children::Child,
    /// `ws://`.
    pub url: String,
}

impl OwnServer {
    /// Starts one on a port that is free.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(relay_mode: &str, children: &Children) -> Result<Self, Trouble> {
        let trouble = |what: String| {
            Trouble::new(
                format!("the reference server does not start: {what}"),
                "try `rtcstorm serve` by itself, and name it with `--url`",
            )
        };
        let program = std::env::current_exe().map_err(|error| trouble(error.to_string()))?;
        let mut command = Command::new(program);
        // Ctrl-C of the terminal is not for it: peers that leave want to find it there.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--relay-mode", relay_mode])
            .env("RTCSTORM_LOG", "reference_server=info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| trouble(error.to_string()))?;
        let noted = children.note(child.id(), REACH);
        let log = child.stderr.take().expect("it is a pipe");
        let mut lines = BufReader::new(log).lines();
        let url = async {
            for _ in 0..MAX_LINES {
                let line = lines.next_line().await.ok().flatten()?;
                if let Some(url) = url_in(&line) {
                    return Some(url.to_owned());
                }
            }
            None
        };
        let url = tokio::time::timeout(STARTS_WITHIN, url).await.ok().flatten();
        let url = url.ok_or_else(|| trouble("it does not say where it listens".to_owned()))?;
        // Nobody else reads what it says; a pipe that is full would hold it up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            child,
            _noted: noted,
            url,
        })
    }

    /// Where it tells its figures.
    pub fn metrics(&self) -> String {
        let authority = self.url.trim_start_matches("ws://").split('/').next();
        format!("http://{}/metrics", authority.unwrap_or_default())
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// The address in a line of its log.
fn url_in(line: &str) -> Option<&str> {
    let from = line.find("ws://")?;
    let url = &line[from..];
    let end = url.find(['"', ' ']).unwrap_or(url.len());
    Some(&url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_tells_it() {
        let line = r#"2026-11-28T10:00:00Z  INFO reference_server::cli::serve: listening url="ws://127.0.0.1:41/ws/""#;
        assert_eq!(url_in(line), Some("ws://127.0.0.1:41/ws/"));
        assert_eq!(
            url_in("INFO listening url=ws://127.0.0.1:41/ws/ now"),
            Some("ws://127.0.0.1:41/ws/")
        );
        assert_eq!(url_in("INFO nothing yet"), None);
    }
}
