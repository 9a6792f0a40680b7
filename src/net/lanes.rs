use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};

use super::probe::{Lateness, probe};
use crate::world::BoxFuture;

/// One thread a core, each with a runtime of its own. What begins on one stays there with all that it spawns,
/// so that nobody is woken on another core to look for work: with hundreds of sockets that each have little to
/// say, that costs more than the work itself.
///
/// The threads end when this is dropped, and with them whatever they still run.
pub(super) struct Lanes {
    runtimes: Vec<Handle>,
    _alive: watch::Sender<()>,
}

impl Lanes {
    /// Each of them tells `lateness` how late it is.
    pub fn new(lateness: &Lateness) -> io::Result<Self> {
        let (alive, ended) = watch::channel(());
        let count = thread::available_parallelism().map_or(1, usize::from);
        let start = |lane| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            handle.spawn(probe(lateness.clone()));
            let mut ended = ended.clone();
            thread::Builder::new()
                .name(format!("lane-{lane}"))
                // Nothing is ever said; it ends with the sender.
                .spawn(move || runtime.block_on(async { while ended.changed().await.is_ok() {} }))?;
            Ok(handle)
        };
        Ok(Self {
            runtimes: (0..count).map(start).collect::<io::Result<_>>()?,
            _alive: alive,
        })
    }

    pub fn spawn(&self, lane: usize, task: BoxFuture<()>) {
        self.runtimes[lane % self.runtimes.len()].spawn(task);
    }
}
