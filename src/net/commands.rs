//! The user's commands that act on a server that was not started for the run.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    process::Stdio,
    time::Duration,
};

use tokio::process;

use crate::world::ServerAct;

/// The most that is kept of what a command prints.
const OUTPUT_BYTES: usize = 4 << 10;
/// The variable of its environment that tells `slow` by how many milliseconds a frame.
const BY_MS: &str = "RTCSTORM_BY_MS";

/// One for each act, as far as there are any.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    pub start: Option<Command>,
    pub stop: Option<Command>,
    pub pause: Option<Command>,
    pub resume: Option<Command>,
    /// Told by how much in the variable `RTCSTORM_BY_MS` of its environment.
    pub slow: Option<Command>,
    pub restore: Option<Command>,
    /// How long each may take.
    pub within: Duration,
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub program: String,
    pub arguments: Vec<String>,
}

impl Commands {
    /// Runs the command for `act` to its end: what it has printed, or why it did not work.
    pub(super) async fn act(&self, act: ServerAct) -> Result<String, String> {
        let (command, by) = match act {
            ServerAct::Start => (&self.start, None),
            ServerAct::Stop => (&self.stop, None),
            ServerAct::Pause => (&self.pause, None),
            ServerAct::Resume => (&self.resume, None),
            ServerAct::Slow(Duration::ZERO) => (&self.restore, None),
            ServerAct::Slow(by) => (&self.slow, Some(by)),
        };
        match command {
            Some(command) => run(command, by, self.within).await,
            None => Err("there is no command for it".to_owned()),
        }
    }
}

async fn run(command: &Command, by: Option<Duration>, within: Duration) -> Result<String, String> {
    let broken = |error: io::Error| format!("`{}`: {error}", command.program);
    // A file, not a pipe: a server that the command leaves behind may write to it for as long as it lives.
    let mut printed = tempfile::tempfile().map_err(broken)?;
    let mut child = process::Command::new(&command.program)
        .args(&command.arguments)
        .envs(by.map(|by| (BY_MS, by.as_millis().max(1).to_string())))
        .stdin(Stdio::null())
        .stdout(printed.try_clone().map_err(broken)?)
        .stderr(printed.try_clone().map_err(broken)?)
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    let ended = tokio::time::timeout(within, child.wait()).await;
    let output = read(&mut printed);
    match ended {
        Ok(Ok(status)) if status.success() => Ok(output),
        Ok(Ok(status)) => Err(with_output(
            format!("`{}` ended with {status}", command.program),
            &output,
        )),
        Ok(Err(error)) => Err(broken(error)),
        Err(_) => {
            let _ = child.kill().await;
            let within = crate::base::show_duration(within);
            let why = format!(
                "`{}` was not over within {within}: a server has to be left in the background",
                command.program
            );
            Err(with_output(why, &output))
        }
    }
}

fn with_output(why: String, output: &str) -> String {
    match output.is_empty() {
        true => why,
        false => format!("{why}; it printed: {output}"),
    }
}

/// The first of what is there, without what a terminal would make of it.
fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let first = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(OUTPUT_BYTES as u64).read_to_end(&mut bytes));
    if let Err(error) = first {
        return format!("(its output can't be read: {error})");
    }
    let text = String::from_utf8_lossy(&bytes);
    let plain = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.trim_end().chars().map(plain).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(line: &str) -> Command {
        Command {
            program: "sh".to_owned(),
            arguments: vec!["-c".to_owned(), line.to_owned()],
        }
    }

    async fn ran(line: &str, within_ms: u64) -> Result<String, String> {
        run(&shell(line), None, Duration::from_millis(within_ms)).await
    }

    #[tokio::test]
    async fn what_a_command_prints_is_kept_and_what_it_leaves_behind_is_not_waited_for() {
        assert_eq!(
            ran("echo one; echo two >&2", 20_000).await,
            Ok("one\ntwo".to_owned())
        );
        assert_eq!(ran("sleep 3 & echo left", 20_000).await, Ok("left".to_owned()));
        let much = ran("yes | head -c 100000", 20_000).await.expect("it works");
        assert!(much.len() <= OUTPUT_BYTES);
    }

    #[tokio::test]
    async fn a_command_that_fails_says_why() {
        let failed = ran("echo no such server; exit 3", 20_000)
            .await
            .expect_err("it fails");
        assert!(
            failed.contains("exit status: 3; it printed: no such server"),
            "{failed}"
        );
        let unknown = Command {
            program: "there-is-no-such-program".to_owned(),
            arguments: Vec::new(),
        };
        assert!(run(&unknown, None, Duration::from_secs(1)).await.is_err());
        let late = ran("exec sleep 30", 50).await.expect_err("it takes too long");
        assert!(late.contains("within 50ms"), "{late}");
        let none = Commands::default().act(ServerAct::Stop).await;
        assert!(none.is_err_and(|why| why.contains("no command")));
    }
}
