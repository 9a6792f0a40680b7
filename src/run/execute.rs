use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::mpsc;
use tracing::Instrument;
use webrtc::peer_connection::RTCIceServer;

use super::{
    apart::Apart,
    connection::Stack,
    coordinator::Coordinator,
    directory::Directory,
    dispatcher::{EventReader, EventSink, dispatch},
    pace::Pace,
    peer::{self, INPUTS, Shared},
    server,
};
use crate::{
    base::{Instant, Rate},
    metrics::{EventKind, ServerHoldings},
    peer::PeerInput,
    plan::Plan,
    world::{BoxFuture, Census, Holding, Home, Tricks, Usage, World},
};

/// How often the generator looks at itself.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Every so many looks, what the run holds is told, too.
const HOLDINGS_EVERY: u32 = 5;
/// From so many rooms on, each stays in a lane.
const ROOMS_IN_LANES: usize = 64;
/// How long what peers have left behind may take to end before it counts as left over.
const WIND_DOWN: Duration = Duration::from_secs(3);

/// What a run is played with.
pub struct Options {
    /// STUN and TURN servers for every connection.
    pub ice_servers: Vec<RTCIceServer>,
    /// How fast signaling sockets may be opened, whatever for; `None`: as fast as they are wanted.
    pub max_rate: Option<Rate>,
    /// For tests: what happens without them.
    pub tricks: Tricks,
    /// Completes when the run has to stop early: everybody leaves then.
    pub interrupt: BoxFuture<()>,
}

/// How a run went, beside its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSummary {
    /// How long it took.
    pub duration: Duration,
    /// It was interrupted.
    pub interrupted: bool,
    /// `duration` of the plan was over before its scripts were.
    pub deadline_reached: bool,
    /// Events that happened and did not come to all readers: what they have gathered is not of the whole run.
    pub events_dropped: u64,
}

/// Plays `plan` in `world` and hands every event to `readers`. Returns when everybody has left and
/// nothing is under way any more.
pub async fn execute(
    world: Arc<dyn World>,
    census: Arc<Census>,
    plan: Arc<Plan>,
    options: Options,
    readers: Vec<Box<dyn EventReader>>,
) -> RunSummary {
    settle(&*world, &plan);
    let (sink, delivery, dispatched) = dispatch(&world, &census, readers);
    let kind = EventKind::RunStarted {
        world: world.name().to_owned(),
    };
    sink.tell(None, None, kind).await;
    let apart = Apart::default();
    apart.tell(&sink, plan.pairs_without_path()).await;

    let (inputs, receivers): (Vec<_>, Vec<_>) = plan.peers.iter().map(|_| mpsc::channel(INPUTS)).unzip();
    let _leaving = LeaveOnPanic(inputs.clone());
    let (alive, all_gone) = mpsc::channel(1);
    let (server, server_left) = server::look_after(&world, &census, &sink, &plan, &inputs);
    let shared = Arc::new(Shared {
        stack: Arc::new(Stack {
            world: world.clone(),
            census: census.clone(),
            ice_servers: options.ice_servers,
            tricks: options.tricks,
        }),
        sink: sink.clone(),
        apart,
        pace: Arc::new(Pace::new(options.max_rate)),
        coordinator: Mutex::new(Coordinator::new(&plan)),
        directory: Mutex::new(Directory::new(&plan)),
        server,
        inputs,
        plan: plan.clone(),
    });
    for (peer, receiver) in plan.peers.iter().zip(receivers) {
        let span = tracing::info_span!("peer", id = peer.id.0, room = peer.room.0);
        let task = peer::play(shared.clone(), peer.id, receiver, alive.clone()).instrument(span);
        // Peers of one room talk to each other. But a few rooms must not leave cores idle.
        let lane = if plan.rooms.len() < ROOMS_IN_LANES {
            peer.id.index()
        } else {
            peer.room.index()
        };
        world.spawn_in(lane, Box::pin(task));
    }
    drop(alive);
    let sampler = sample(&world, &census, &sink);

    let stopped = wait_for_all(&world, &shared, &plan, options.interrupt, all_gone).await;

    drop(sampler);
    drop(shared);
    wait_for_end(server_left).await;
    wind_down(&world, &census, &sink).await;
    sink.tell(None, None, EventKind::RunEnded).await;
    drop(sink);
    let _ = dispatched.await;
    RunSummary {
        duration: world.now().elapsed(),
        interrupted: stopped == Some(EventKind::Interrupted),
        deadline_reached: stopped == Some(EventKind::DeadlineReached),
        events_dropped: delivery.dropped(),
    }
}

/// Should a run panic, nobody would tell its peers anything any more: they leave.
struct LeaveOnPanic(Vec<mpsc::Sender<PeerInput>>);

impl Drop for LeaveOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for inputs in &self.0 {
                let _ = inputs.try_send(PeerInput::Leave);
            }
        }
    }
}

/// Gives every peer its place in the network, if anybody's is behind a NAT.
fn settle(world: &dyn World, plan: &Plan) {
    if plan.peers.iter().all(|peer| peer.nat.is_none()) {
        return;
    }
    // Of the peers that share one, the first.
    let mut shared = BTreeMap::new();
    let homes: Vec<Home> = plan
        .peers
        .iter()
        .map(|peer| {
            let shares = peer.nat.is_some_and(|nat| nat.shared);
            let first = *shared.entry((peer.room, &peer.group)).or_insert(peer.id);
            Home {
                peer: peer.id,
                number: peer.number,
                nat: peer.nat,
                with: (shares && first != peer.id).then_some(first),
            }
        })
        .collect();
    if !world.settle(&homes) {
        tracing::warn!("there are no NATs in a real network but its own");
    }
}

/// Waits until every peer is gone; tells them to leave if the run has to stop early.
async fn wait_for_all(
    world: &Arc<dyn World>,
    shared: &Arc<Shared>,
    plan: &Plan,
    interrupt: BoxFuture<()>,
    mut all_gone: mpsc::Receiver<Infallible>,
) -> Option<EventKind> {
    let deadline = plan.duration.map(|duration| Instant::START + duration);
    let deadline = async {
        match deadline {
            Some(at) => world.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let stop = async {
        tokio::select! {
            biased;
            () = interrupt => EventKind::Interrupted,
            () = deadline => EventKind::DeadlineReached,
        }
    };
    tokio::pin!(stop);
    let mut stopped = None;
    loop {
        tokio::select! {
            biased;
            // Nothing is ever said; it ends with the last peer.
            _ = all_gone.recv() => return stopped,
            kind = &mut stop, if stopped.is_none() => {
                shared.sink.tell(None, None, kind.clone()).await;
                for inputs in &shared.inputs {
                    let _ = inputs.send(PeerInput::Leave).await;
                }
                stopped = Some(kind);
            }
        }
    }
}

/// Waits until nobody is left who could say anything.
async fn wait_for_end<T>(mut of: mpsc::Receiver<T>) {
    while of.recv().await.is_some() {}
}

/// Samples the generator until the returned guard is dropped.
fn sample(world: &Arc<dyn World>, census: &Arc<Census>, sink: &EventSink) -> mpsc::Sender<()> {
    let (guard, mut ended) = mpsc::channel::<()>(1);
    let (world_, sink, counted) = (world.clone(), sink.clone(), census.count(Holding::Task));
    let census = census.clone();
    world.spawn(Box::pin(async move {
        let _counted = counted;
        let mut last = (world_.now(), world_.usage());
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                biased;
                _ = ended.recv() => break,
                () = world_.sleep_until(last.0 + SAMPLE_EVERY) => {}
            }
            let (now, usage) = (world_.now(), world_.usage());
            if let (Some(before), Some(after)) = (last.1, usage) {
                let kind = EventKind::Generator {
                    cpu_percent: (after.cpu_s - before.cpu_s) / now.since(last.0).as_secs_f64() * 100.0,
                    rss_bytes: after.rss_bytes,
                    open_files: after.open_files,
                };
                sink.tell(None, None, kind).await;
            }
            tell_lag(&*world_, &sink).await;
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(HOLDINGS_EVERY) {
                // One that takes its time must not hold up the end of the run.
                let server = tokio::select! {
                    biased;
                    _ = ended.recv() => break,
                    server = ask_server(&*world_, &sink) => server,
                };
                sink.tell(None, None, holdings(&census, usage, server)).await;
            }
            last = (now, usage);
        }
        tell_lag(&*world_, &sink).await;
    }));
    guard
}

/// How late the event loops were since this was last told.
async fn tell_lag(world: &dyn World, sink: &EventSink) {
    let late_us = world.event_loop_lag();
    if !late_us.is_empty() {
        sink.tell(None, None, EventKind::EventLoopLag { late_us }).await;
    }
}

/// What the server holds, if there is one to ask and it answers.
async fn ask_server(world: &dyn World, sink: &EventSink) -> Option<ServerHoldings> {
    match world.server_load()?.await {
        Ok(load) => Some(ServerHoldings {
            rooms: load.rooms,
            members: load.members,
            sockets: load.sockets,
            waiting_frames: load.waiting_frames,
            waiting_bytes: load.waiting_bytes,
            rss_bytes: load.rss_bytes,
        }),
        Err(why) => {
            sink.tell(None, None, EventKind::ServerMetricsFailed { why })
                .await;
            None
        }
    }
}

fn holdings(census: &Census, usage: Option<Usage>, server: Option<ServerHoldings>) -> EventKind {
    EventKind::Holdings {
        connections: census.held(Holding::Connection),
        tasks: census.held(Holding::Task),
        timers: census.held(Holding::Timer),
        sockets: census.held(Holding::Socket),
        open_files: usage.and_then(|usage| usage.open_files),
        server,
    }
}

/// Waits for what ends by itself, and tells what does not.
async fn wind_down(world: &Arc<dyn World>, census: &Arc<Census>, sink: &EventSink) {
    let until = world.now() + WIND_DOWN;
    // The dispatcher is the one task that has to be there.
    let is_over = || {
        census.held(Holding::Task) <= 1
            && [Holding::Connection, Holding::Timer, Holding::Socket]
                .into_iter()
                .all(|holding| census.held(holding) == 0)
    };
    while !is_over() && world.now() < until {
        world.sleep_until(world.now() + Duration::from_millis(5)).await;
    }
    let kind = EventKind::Leftovers {
        connections: census.held(Holding::Connection),
        tasks: census.held(Holding::Task).saturating_sub(1),
        timers: census.held(Holding::Timer),
        sockets: census.held(Holding::Socket),
    };
    sink.tell(None, None, kind).await;
}
