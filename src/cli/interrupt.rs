//! Ctrl-C: once, everybody leaves and the report is written; twice, the process ends at once.

use tokio::sync::watch;

use crate::{verdict::ExitCode, world::BoxFuture};

#[cfg(windows)]
use tokio::signal::windows::ctrl_c;

/// Listens from one end of the process to the other: a signal that comes between two waits must not be
/// lost, since nobody else ends the process any more.
pub(super) struct Interrupt {
    seen: watch::Receiver<bool>,
}

impl Interrupt {
    /// Takes Ctrl-C over for the rest of the process, and says then what happens. To be called inside of a
    /// runtime.
    pub fn listen(what_happens: &'static str) -> Self {
        let (tell, seen) = watch::channel(false);
        // Listening begins here, not when the task is first polled.
        let signals = ctrl_c();
        tokio::spawn(async move {
            let Ok(mut signals) = signals else {
                // The system's own way of ending a process stays.
                return std::future::pending().await;
            };
            signals.recv().await;
            tell.send_replace(true);
            eprintln!("interrupted: {what_happens} (Ctrl-C again: at once)");
            signals.recv().await;
            std::process::exit(i32::from(ExitCode::Interrupted.number()));
        });
        Self { seen }
    }

    /// Whether there was a first one.
    pub fn is_seen(&self) -> bool {
        *self.seen.borrow()
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
