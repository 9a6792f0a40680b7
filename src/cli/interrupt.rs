//! Ctrl-C: once, everybody leaves and the report is written; twice, the process ends at once. Whoever asks it to end in
//! another way (SIGTERM, or SIGHUP when its terminal is gone) is heard as the first time, and only that. What the process
//! has started itself ends with it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use super::children::Children;
use crate::{verdict::ExitCode, world::BoxFuture};

#[cfg(windows)]
use tokio::signal::windows::ctrl_c;

/// Listens from one end of the process to the other: a signal that comes between two waits must not be
/// lost, since nobody else ends the process any more.
pub(super) struct Interrupt {
    seen: watch::Receiver<bool>,
    alone: Arc<AtomicBool>,
    children: Children,
}

impl Interrupt {
    /// Takes Ctrl-C over for the rest of the process, and says then what happens. To be called inside of a
    /// runtime.
    pub fn listen(what_happens: &'static str) -> Self {
        let (tell, seen) = watch::channel(false);
        // Listening begins here, not when the task is first polled.
        let signals = ctrl_c();
        let ending = endings();
        let alone = Arc::new(AtomicBool::new(false));
        let alone_ = alone.clone();
        let children = Children::default();
        let children_ = children.clone();
        tokio::spawn(async move {
            let Ok(mut signals) = signals else {
                // The system's own way of ending a process stays.
                return std::future::pending().await;
            };
            tokio::select! {
                _ = signals.recv() => {}
                by_itself = ending => alone_.store(by_itself, Ordering::Relaxed),
            }
            tell.send_replace(true);
            eprintln!("interrupted: {what_happens} (Ctrl-C again: at once)");
            signals.recv().await;
            // Nobody's destructor runs any more.
            children_.kill();
            std::process::exit(i32::from(ExitCode::Interrupted.number()));
        });
        Self {
            seen,
            alone,
            children,
        }
    }

    /// The processes that a second one ends, too.
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Whether there was a first one.
    pub fn is_seen(&self) -> bool {
        *self.seen.borrow()
    }

    /// Whether it was this process alone that was asked, and not all that its terminal has in front.
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// Completes at the first one, or at once if that has been.
    pub fn first(&self) -> BoxFuture<()> {
        let mut seen = self.seen.clone();
        Box::pin(async move {
            if seen.wait_for(|seen| *seen).await.is_err() {
                std::future::pending().await
            }
        })
    }
}

#[cfg(unix)]
fn ctrl_c() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

/// Completes when the process is asked to end by another signal than Ctrl-C's: from here on none of them ends it.
/// Whether only this process was asked.
#[cfg(unix)]
fn endings() -> BoxFuture<bool> {
    use std::io::IsTerminal;
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    // Who has started it with `nohup` wants it to go on without its terminal, and has taken that away beforehand.
    let has_terminal = std::io::stdin().is_terminal();
    let hang_up = has_terminal.then(|| signal(SignalKind::hangup()));
    Box::pin(async move {
        // What can't be listened to stays the system's.
        let (mut terminate, mut hang_up) = (terminate.ok(), hang_up.and_then(Result::ok));
        tokio::select! {
            Some(()) = next(&mut terminate) => true,
            Some(()) = next(&mut hang_up) => false,
            else => std::future::pending().await,
        }
    })
}

#[cfg(unix)]
async fn next(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

#[cfg(not(unix))]
fn endings() -> BoxFuture<bool> {
    Box::pin(std::future::pending())
}
