//! The task that alone does to the server what steps want: one act after the other, so that what overlaps has an order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::dispatcher::EventSink;
use crate::{
    base::{Instant, PeerId},
    metrics::EventKind,
    peer::PeerInput,
    plan::{Action, Plan, ServerFault},
    world::{Census, Holding, ServerAct, World},
};

/// Steps that wait to be done.
const QUEUE: usize = 1_024;

/// A step that wants something done to the server.
pub(super) struct ServerStep {
    pub by: PeerId,
    pub fault: ServerFault,
    pub planned: Instant,
}

/// Starts the task, if the plan has anything for it to do. It ends when nobody holds a sender any more, and leaves
/// the server running, unless a step has ended it for good. The second receiver ends with it.
pub(super) fn look_after(
    world: &Arc<dyn World>,
    census: &Arc<Census>,
    sink: &EventSink,
    plan: &Plan,
    peers: &[mpsc::Sender<PeerInput>],
) -> (mpsc::Sender<ServerStep>, mpsc::Receiver<()>) {
    let (steps, incoming) = mpsc::channel(QUEUE);
    let (alive, ended) = mpsc::channel(1);
    let mut actions = plan.peers.iter().flat_map(|peer| &peer.script);
    if actions.any(|step| matches!(step.action, Action::Server(_))) {
        let warden = Warden {
            world: world.clone(),
            sink: sink.clone(),
            peers: peers.to_vec(),
            away: Away::No,
            until: BTreeMap::new(),
        };
        let counted = census.count(Holding::Task);
        world.spawn(Box::pin(async move {
            warden.work(incoming).await;
            drop((alive, counted));
        }));
    }
    (steps, ended)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    No,
    Until(Instant),
    ForGood,
}

/// What ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spell {
    Pause,
    Slow,
}

struct Warden {
    world: Arc<dyn World>,
    sink: EventSink,
    peers: Vec<mpsc::Sender<PeerInput>>,
    away: Away,
    /// When those that are under way are over.
    until: BTreeMap<Spell, Instant>,
}

impl Warden {
    async fn work(mut self, mut steps: mpsc::Receiver<ServerStep>) {
        loop {
            let due = self.until.values().copied().min();
            let back = match self.away {
                Away::Until(at) => Some(at),
                Away::No | Away::ForGood => None,
            };
            let next = [due, back].into_iter().flatten().min();
            let timer = async {
                match next {
                    Some(at) => self.world.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                step = steps.recv() => match step {
                    Some(step) => self.begin(step).await,
                    None => break,
                },
                () = timer => self.end_what_is_due(self.world.now()).await,
            }
        }
        // Nobody's server is left standing still, or away, because the run was over first.
        self.end_what_is_due(Instant::from_micros(u64::MAX)).await;
    }

    async fn begin(&mut self, step: ServerStep) {
        let ServerStep { by, fault, planned } = step;
        let done = match fault {
            ServerFault::Restart { away } => self.stop(Some(planned + away)).await,
            ServerFault::Crash { away } => self.stop(away.map(|away| planned + away)).await,
            ServerFault::Pause { lasting } => {
                self.spell(Spell::Pause, ServerAct::Pause, planned + lasting)
                    .await
            }
            ServerFault::Slow { by, lasting } => {
                self.spell(Spell::Slow, ServerAct::Slow(by), planned + lasting)
                    .await
            }
        };
        if done {
            self.sink.tell(Some(by), None, told(fault, planned)).await;
            for peer in &self.peers {
                // Only fails if the peer is gone.
                let _ = peer.send(PeerInput::ServerHit { fault, planned }).await;
            }
        }
    }

    /// Ends its process. One that is away already is so until the later instant; a restart brings back one that
    /// was away for good.
    async fn stop(&mut self, back: Option<Instant>) -> bool {
        if self.away == Away::No {
            // A process that stands still does not even hear that it is to end, and the next one is not slow.
            self.end_pause().await;
            self.end_slow().await;
            if !self.act(ServerAct::Stop).await {
                return false;
            }
        }
        self.away = match (self.away, back) {
            (_, None) => Away::ForGood,
            (Away::Until(known), Some(back)) => Away::Until(known.max(back)),
            (Away::No | Away::ForGood, Some(back)) => Away::Until(back),
        };
        true
    }

    async fn spell(&mut self, spell: Spell, act: ServerAct, until: Instant) -> bool {
        // There is nothing that could stand still while it is away.
        if self.away != Away::No {
            return false;
        }
        let known = self.until.get(&spell).copied();
        if (known.is_none() || spell == Spell::Slow) && !self.act(act).await {
            return false;
        }
        self.until
            .insert(spell, known.map_or(until, |known| known.max(until)));
        true
    }

    async fn end_what_is_due(&mut self, now: Instant) {
        if self.until.get(&Spell::Pause).is_some_and(|until| *until <= now) {
            self.end_pause().await;
        }
        if self.until.get(&Spell::Slow).is_some_and(|until| *until <= now) {
            self.end_slow().await;
        }
        if let Away::Until(back) = self.away
            && back <= now
        {
            // One that does not start is away for good: it is not tried again.
            self.away = match self.act(ServerAct::Start).await {
                true => Away::No,
                false => Away::ForGood,
            };
        }
    }

    async fn end_pause(&mut self) {
        if self.until.remove(&Spell::Pause).is_some() {
            self.act(ServerAct::Resume).await;
        }
    }

    async fn end_slow(&mut self) {
        if self.until.remove(&Spell::Slow).is_some() {
            self.act(ServerAct::Slow(Duration::ZERO)).await;
        }
    }

    /// Whether it worked. What a command did is told.
    async fn act(&self, act: ServerAct) -> bool {
        let began = self.world.now();
        let done = self.world.act_on_server(act).await;
        let worked = done.is_ok();
        if self.world.commands_server() || !worked {
            let took = self.world.now().since(began);
            let (output, failed) = match done {
                Ok(output) => (output, None),
                Err(why) => (String::new(), Some(why)),
            };
            let kind = EventKind::ServerCommand {
                command: name(act).to_owned(),
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                failed,
                output,
            };
            self.sink.tell(None, None, kind).await;
        }
        worked
    }
}

/// As a scenario names it.
fn name(act: ServerAct) -> &'static str {
    match act {
        ServerAct::Start => "start",
        ServerAct::Stop => "stop",
        ServerAct::Pause => "pause",
        ServerAct::Resume => "resume",
        ServerAct::Slow(Duration::ZERO) => "restore",
        ServerAct::Slow(_) => "slow",
    }
}

fn told(fault: ServerFault, planned: Instant) -> EventKind {
    match fault {
        ServerFault::Restart { away } => EventKind::ServerRestarted {
            planned,
            ends: planned + away,
        },
        ServerFault::Crash { away } => EventKind::ServerCrashed {
            planned,
            ends: away.map(|away| planned + away),
        },
        ServerFault::Pause { lasting } => EventKind::ServerPaused {
            planned,
            ends: planned + lasting,
        },
        ServerFault::Slow { by, lasting } => EventKind::ServerSlowed {
            planned,
            ends: planned + lasting,
            by_ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
        },
    }
}
