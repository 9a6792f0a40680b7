//! How much the server relays on one core: 2,000 idle sockets beside 50 rooms of four, whose members send
//! 5,000 offers a second to each other.
//!
//! `cargo bench -p reference-server --bench relay` (about 20 s). The server has one thread, the clients
//! another; latencies start at the *planned* instant of a frame, so a late generator makes them longer, not
//! fewer. Ends with exit code 1 when frames are missing or the server's queues grow.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use hdrhistogram::Histogram;
use reference_server::{Config, Server, ServerStats};
use serde_json::json;
use tokio::{net::TcpStream, runtime, sync::oneshot, time};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const IDLE_SOCKETS: usize = 2_000;
const ROOMS: usize = 50;
const MEMBERS_PER_ROOM: usize = 4;
const FRAMES_PER_SECOND: u64 = 5_000;
/// What an offer for one data channel has, more or less.
const SDP_BYTES: usize = 800;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(15);
/// The generator's clock: so many frames are due at once.
const TICK: Duration = Duration::from_millis(1);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// How long the last frames may take.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the server's own thread sees at one instant.
struct Sample {
    at: Instant,
    cpu: Duration,
    queue_frames: usize,
}

struct Observed {
    samples: Vec<Sample>,
    stats: ServerStats,
}

/// What came in at the clients within the measured time.
struct Inbox {
    latency_us: Histogram<u64>,
    received: u64,
}

fn main() -> ExitCode {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    let wanted = 2 * (IDLE_SOCKETS + ROOMS * MEMBERS_PER_ROOM) as u64 + 100;
    if files < wanted {
        eprintln!("{wanted} open files are needed, {files} are allowed: raise the hard limit (ulimit -Hn)");
        return ExitCode::FAILURE;
    }
    let (url, url_out) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let server = thread::spawn(move || one_thread().block_on(serve(url, stopped)));
    let url = url_out.recv().expect("the server starts");
    let load = thread::spawn(move || one_thread().block_on(load(&url)));
    let (sent, from, inbox) = load.join().expect("the clients finish");
    stop.send(()).expect("the server waits for it");
    let observed = server.join().expect("the server finishes");
    report(sent, from, &inbox, &observed)
}

fn one_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Serves and samples until it is told to stop.
async fn serve(url: mpsc::Sender<String>, mut stopped: oneshot::Receiver<()>) -> Observed {
    let server = Server::bind("127.0.0.1:0", Config::default())
        .await
        .expect("a free port");
    let handle = server.spawn();
    url.send(handle.url()).expect("it is waited for");
    let mut samples = Vec::new();
    let mut ticks = time::interval(SAMPLE_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => samples.push(Sample {
                at: Instant::now(),
                cpu: thread_cpu(),
                queue_frames: handle.stats().queue_frames,
            }),
            _ = &mut stopped => break,
        }
    }
    let stats = handle.stats();
    handle.shutdown().await;
    Observed { samples, stats }
}

/// The CPU time of the calling thread.
#[cfg(unix)]
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Not measured here: shown as 0 %.
#[cfg(not(unix))]
fn thread_cpu() -> Duration {
    Duration::ZERO
}

/// Connects everybody, sends, and waits for what is under way. Returns how many frames were sent in the
/// measured time, and when that began.
async fn load(url: &str) -> (u64, Instant, Arc<Mutex<Inbox>>) {
    for _ in 0..IDLE_SOCKETS {
        let (mut socket, _) = connect_async(url).await.expect("the server accepts");
        // Reads what there is, so that pings are answered.
        tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    let inbox = Arc::new(Mutex::new(Inbox {
        latency_us: Histogram::new(3).expect("a fair precision"),
        received: 0,
    }));
    // Before anybody can hear a frame: frames tell their planned instant in µs since then.
    let start = Instant::now();
    let mut senders = Vec::new();
    for room in 0..ROOMS {
        for member in 0..MEMBERS_PER_ROOM {
            senders.push(enter(url, room, member, start, inbox.clone()).await);
        }
    }
    let per_tick = FRAMES_PER_SECOND * u64::try_from(TICK.as_millis()).expect("short") / 1_000;
    let first = start.elapsed() + Duration::from_millis(100);
    let (mut sent, mut turn) = (0, 0);
    let mut due = first;
    while due < first + WARM_UP + MEASURED {
        time::sleep_until((start + due).into()).await;
        let measured = due >= first + WARM_UP;
        for _ in 0..per_tick {
            send(&mut senders, turn, due, measured).await;
            turn += 1;
            sent += u64::from(measured);
        }
        due += TICK;
    }
    let drained = async {
        while inbox.lock().expect("whole").received < sent {
            time::sleep(TICK).await;
        }
    };
    // Missing frames show in the report.
    let _ = time::timeout(DRAIN_WAIT, drained).await;
    (sent, start + first + WARM_UP, inbox)
}

/// Joins a room and leaves the reading to a task.
async fn enter(
    url: &str,
    room: usize,
    member: usize,
    start: Instant,
    inbox: Arc<Mutex<Inbox>>,
) -> SplitSink<Socket, Message> {
    let (socket, _) = connect_async(url).await.expect("the server accepts");
    let (mut sink, mut stream) = socket.split();
    let join = json!({"type": "user-joined-room", "roomId": format!("r{room}"), "userId": format!("u{member}"),
                      "userName": format!("U{member}"), "create": true});
    sink.send(Message::text(join.to_string())).await.expect("open");
    loop {
        let message = stream.next().await.expect("open").expect("a message");
        if message
            .into_text()
            .is_ok_and(|text| text.contains("existing-participants"))
        {
            break;
        }
    }
    tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Text(text) = message else { continue };
            let Some(planned_us) = planned_us(&text) else {
                continue;
            };
            let now_us = u64::try_from(start.elapsed().as_micros()).expect("a short run");
            let mut inbox = inbox.lock().expect("whole");
            inbox.received += 1;
            inbox
                .latency_us
                .record(now_us.saturating_sub(planned_us))
                .expect("it resizes");
        }
    });
    sink
}

/// Sends the next frame of the next member, to another one of its room.
async fn send(senders: &mut [SplitSink<Socket, Message>], turn: usize, due: Duration, measured: bool) {
    let sender = turn % senders.len();
    let (room, from) = (sender / MEMBERS_PER_ROOM, sender % MEMBERS_PER_ROOM);
    let to = (from + 1 + turn / senders.len() % (MEMBERS_PER_ROOM - 1)) % MEMBERS_PER_ROOM;
    let mark = if measured { "t=" } else { "w=" };
    let offer = json!({"type": "webrtc-offer", "channel": "webrtc-signaling", "sender": "bench",
        "data": {"roomId": format!("r{room}"), "fromUserId": format!("u{from}"), "toUserId": format!("u{to}"),
                 "offer": {"type": "offer", "sdp": format!("{mark}{} {}", due.as_micros(), "x".repeat(SDP_BYTES))}}});
    senders[sender]
        .send(Message::text(offer.to_string()))
        .await
        .expect("open");
}

/// The planned instant that a measured frame carries.
fn planned_us(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("\"sdp\":\"t=")?;
    rest.split_once(' ')?.0.parse().ok()
}

fn report(sent: u64, from: Instant, inbox: &Mutex<Inbox>, observed: &Observed) -> ExitCode {
    let inbox = inbox.lock().expect("whole");
    let until = from + MEASURED;
    let samples: Vec<_> = observed
        .samples
        .iter()
        .filter(|sample| (from..until).contains(&sample.at))
        .collect();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        eprintln!("the server's thread was not scheduled");
        return ExitCode::FAILURE;
    };
    let cpu = (last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64();
    let thirds: Vec<usize> = samples
        .chunks(samples.len().div_ceil(3))
        .map(|third| third.iter().map(|sample| sample.queue_frames).max().unwrap_or(0))
        .collect();
    let ms = |quantile| inbox.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
    println!("idle sockets            {IDLE_SOCKETS}");
    println!("rooms x members         {ROOMS} x {MEMBERS_PER_ROOM}");
    println!("frames sent, received   {sent}, {}", inbox.received);
    println!(
        "relayed                 {:.0} frames/s",
        inbox.received as f64 / MEASURED.as_secs_f64()
    );
    println!(
        "latency p50, p99, max   {:.2} ms, {:.2} ms, {:.2} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    println!("server CPU              {:.0} % of one core", cpu * 100.0);
    println!("queued, max by third    {thirds:?} frames, over all clients");
    println!("queued at the end       {} frames", observed.stats.queue_frames);
    println!(
        "queue high-water mark   {} frames for one client",
        observed.stats.queue_frames_high_water
    );
    println!("slow clients            {}", observed.stats.slow_clients);
    let is_complete = inbox.received == sent && observed.stats.slow_clients == 0;
    // A queue that grows has far more in its last third than in its first; one that is drained has not.
    let grows = observed.stats.queue_frames > 0
        || thirds
            .last()
            .is_some_and(|last| *last > 10 * thirds[0].max(FRAMES_PER_SECOND as usize / 100));
    if !is_complete || grows {
        eprintln!("frames are missing, or the queue grows");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
