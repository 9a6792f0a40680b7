use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent},
    world::{Census, Holding, World},
};

/// Events that wait for the dispatcher: three a microsecond while it rests. Peers that run into it wait, which
/// shows as lag.
const QUEUE: usize = 65_536;

/// The dispatcher rests between two looks, so that not every event wakes it: with hundreds of peers on few
/// cores, most of what an event costs is that.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody who reads the event stream. Readers never talk back.
pub trait EventReader: Send {
    /// The next event, in order.
    fn read(&mut self, event: &RunEvent);
}

/// Where events go in.
#[derive(Clone)]
pub struct EventSink {
    world: Arc<dyn World>,
    events: mpsc::Sender<RunEvent>,
}

impl EventSink {
    /// An event that happens now.
    pub async fn tell(&self, peer: Option<PeerId>, remote: Option<PeerId>, kind: EventKind) {
        self.tell_at(self.world.now(), peer, remote, kind).await;
    }

    /// An event that happened at `at`.
    pub async fn tell_at(&self, at: Instant, peer: Option<PeerId>, remote: Option<PeerId>, kind: EventKind) {
        tracing::debug!(at_ms = at.as_millis_f64(), remote = remote.map(|r| r.0), ?kind);
        let event = RunEvent {
            at,
            peer,
            remote,
            kind,
        };
        // Only fails when the dispatcher has ended, which it does after the run's last event.
        let _ = self.events.send(event).await;
    }
}

/// Starts the task that alone puts events in order and hands them to every reader. The receiver gets the
/// readers back once every sink is gone.
pub(super) fn dispatch(
    world: &Arc<dyn World>,
    census: &Arc<Census>,
    mut readers: Vec<Box<dyn EventReader>>,
) -> (EventSink, oneshot::Receiver<()>) {
    let (events, mut incoming) = mpsc::channel(QUEUE);
    let (done, ended) = oneshot::channel();
    let counted = census.count(Holding::Task);
    let own_world = world.clone();
    world.spawn(Box::pin(async move {
        let mut batch = Vec::new();
        while incoming.recv_many(&mut batch, QUEUE).await > 0 {
            for event in batch.drain(..) {
                for reader in &mut readers {
                    reader.read(&event);
                }
            }
            own_world.sleep_until(own_world.now() + PAUSE).await;
        }
        // Who waits for the end takes apart what the run has used.
        drop((readers, own_world, counted));
        let _ = done.send(());
    }));
    let sink = EventSink {
        world: world.clone(),
        events,
    };
    (sink, ended)
}
