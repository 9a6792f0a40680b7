//! What is shown on stderr while a run is under way.

use std::{
    io::IsTerminal,
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::readers::Shared;
use crate::plan::Plan;

/// Between two looks at a terminal.
const FRAME: Duration = Duration::from_millis(200);
/// Between two lines where there is none.
const LINE: Duration = Duration::from_secs(5);

/// Shows progress until it is dropped.
pub(super) struct Progress {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show; `quiet` shows nothing.
    pub fn start(plan: &Plan, gathered: Shared, quiet: bool) -> Self {
        if quiet {
            return Self {
                stop: None,
                thread: None,
            };
        }
        let planned = Planned {
            name: plan.scenario.clone(),
            peers: plan.peers.len(),
            links: plan
                .rooms
                .iter()
                .map(|room| room.peers.len() * room.peers.len().saturating_sub(1) / 2)
                .sum(),
        };
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if std::io::stderr().is_terminal() {
                draw(&planned, &gathered, &stopped);
            } else {
                print(&planned, &gathered, &stopped);
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Planned {
    name: String,
    peers: usize,
    links: usize,
}

impl Planned {
    fn line(&self, gathered: &Shared) -> Option<String> {
        let live = gathered.with(|gathered| gathered.recorder.live())?;
        let failures = match live.failures {
            0 => "no failures".to_owned(),
            1 => "1 failure".to_owned(),
            n => format!("{n} failures"),
        };
        // Who is kept out tries again for a while, and has not failed before that is over.
        let sockets = match live.lost_most_by {
            Some(most) => format!(", signaling sockets lost {} (most: {most})", live.sockets_lost),
            None => String::new(),
        };
        Some(format!(
            "peers joined {}/{}, links open {}/{}, messages {}, {failures}{sockets}",
            live.peers_joined, self.peers, live.links_open, self.links, live.messages_delivered
        ))
    }
}

fn draw(planned: &Planned, gathered: &Shared, stopped: &mpsc::Receiver<()>) {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed:>4}  {wide_msg}");
    bar.set_style(style.expect("the template is sound"));
    bar.set_prefix(planned.name.clone());
    while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
        bar.tick();
        if let Some(line) = planned.line(gathered) {
            bar.set_message(line);
        }
    }
    bar.finish_and_clear();
}

fn print(planned: &Planned, gathered: &Shared, stopped: &mpsc::Receiver<()>) {
    let started = Instant::now();
    while stopped.recv_timeout(LINE) == Err(RecvTimeoutError::Timeout) {
        if let Some(line) = planned.line(gathered) {
            eprintln!(
                "{} {:.0} s: {line}",
                planned.name,
                started.elapsed().as_secs_f64()
            );
        }
    }
}
