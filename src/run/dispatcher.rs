use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::hiding::hide_secrets;
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
    delivery: Delivery,
}

/// What was told and what every reader has read. Nothing is dropped on purpose: whoever tells waits while the queue is
/// full. But a reader may end by a bug of ours, and a task while it waits, and then the figures are not of all that
/// happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivery(Arc<[AtomicU64; 2]>);

impl Delivery {
    fn told(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }

    /// Events that were told and not read, once the dispatcher has ended.
    pub fn dropped(&self) -> u64 {
        let [told, read] = self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        told.saturating_sub(read)
    }
}

impl EventSink {
    /// An event that happens now.
    pub async fn tell(&self, peer: Option<PeerId>, remote: Option<PeerId>, kind: EventKind) {
        self.tell_at(self.world.now(), peer, remote, kind).await;
    }

    /// An event that happened at `at`.
    pub async fn tell_at(
        &self,
        at: Instant,
        peer: Option<PeerId>,
        remote: Option<PeerId>,
        mut kind: EventKind,
    ) {
        hide_secrets(&*self.world, peer, &mut kind);
        tracing::debug!(at_ms = at.as_millis_f64(), remote = remote.map(|r| r.0), ?kind);
        let event = RunEvent {
            at,
            peer,
            remote,
            kind,
        };
        self.delivery.told();
        // Fails when the dispatcher has ended, which it does after the run's last event, or by a bug: that shows in
        // what was delivered.
        let _ = self.events.send(event).await;
    }
}

/// Starts the task that alone puts events in order and hands them to every reader. The receiver gets the
/// readers back once every sink is gone.
pub(super) fn dispatch(
    world: &Arc<dyn World>,
    census: &Arc<Census>,
    readers: Vec<Box<dyn EventReader>>,
) -> (EventSink, Delivery, oneshot::Receiver<()>) {
    let (events, mut incoming) = mpsc::channel(QUEUE);
    let (done, ended) = oneshot::channel();
    let counted = census.count(Holding::Task);
    let own_world = world.clone();
    let delivery = Delivery::default();
    let delivered = delivery.clone();
    world.spawn(Box::pin(async move {
        // The last to go, should a reader panic, too: who waits for the end takes apart what the run has used.
        let done = done;
        let (counted, own_world, mut readers) = (counted, own_world, readers);
        let mut batch = Vec::new();
        while incoming.recv_many(&mut batch, QUEUE).await > 0 {
            for event in batch.drain(..) {
                for reader in &mut readers {
                    reader.read(&event);
                }
                delivered.read();
            }
            own_world.sleep_until(own_world.now() + PAUSE).await;
        }
        drop((readers, own_world, counted));
        let _ = done.send(());
    }));
    let sink = EventSink {
        world: world.clone(),
        events,
        delivery: delivery.clone(),
    };
    (sink, delivery, ended)
}
