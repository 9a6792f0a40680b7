//! One WebSocket: what comes in goes to the hub, what is queued goes out.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::{
    Sink, SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    answer,
    flow::FlowWatch,
    queue::{Close, Inbox},
    room::{ClientId, RelayMode, Violation, close_code},
    shared::{Alive, NoSocket, Shared},
};

/// A frame that is too long is read up to so many times the limit, and answered with close code 1009; of one
/// longer than that not even the rest is read.
const READ_BEYOND_LIMIT: usize = 4;
/// What is read at once: the library fills that much with zeroes before each read, and its default is 128 KiB.
const READ_BYTES: usize = 4 << 10;
/// Frames written before the socket is flushed.
const BATCH_FRAMES_MAX: usize = 64;
/// How long a client may take to acknowledge that it is closed.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The route `/ws/`.
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(foreign) = shared.config.allow_origins.check(&headers) {
        shared.refuse_socket(NoSocket::ForeignOrigin);
        return foreign.into();
    }
    let Some(alive) = shared.alive() else {
        shared.refuse_socket(NoSocket::ShuttingDown);
        return answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting-down",
            "this server shuts down",
        );
    };
    let bytes_max = shared
        .config
        .hub
        .limits
        .frame_bytes_max
        .saturating_mul(READ_BEYOND_LIMIT);
    upgrade
        .read_buffer_size(READ_BYTES)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| serve(alive, socket, shared))
}

/// Serves one client until it or the server closes. A shutdown waits for `_alive`: the first parameter, it is
/// dropped last, when the socket is closed.
async fn serve(_alive: Alive, socket: WebSocket, shared: Arc<Shared>) {
    tokio::select! {
        biased;
        // Everything is dropped where it is, the socket without a word.
        () = async { shared.flow.watch().killed().await } => {}
        () = converse(socket, &shared) => {}
    }
}

async fn converse(socket: WebSocket, shared: &Shared) {
    let (mut sink, mut stream) = socket.split();
    let (client, mut inbox) = match shared.connect() {
        Ok(connected) => connected,
        Err(close) => return say_goodbye(sink, stream, None, close).await,
    };
    tracing::debug!(%client, "connected");
    let limits = &shared.config.sockets;
    let (ping_every, silence_max) = match shared.config.hub.relay_mode {
        RelayMode::Rooms => (limits.ping_every, limits.silence_max),
        // The deployment keeps half-open sockets as long as the OS does.
        RelayMode::Deployed => (None, None),
    };
    let end = {
        let reading = pin!(read(&mut stream, shared, client, silence_max));
        let writing = pin!(write(&mut sink, &mut inbox, ping_every, shared.flow.watch()));
        tokio::select! {
            end = reading => end,
            end = writing => end,
        }
    };
    shared.disconnect(client, end.as_str());
    tracing::debug!(%client, how = end.as_str(), "disconnected");
    if let End::Closed(close) = end {
        say_goodbye(sink, stream, Some(inbox), close).await;
    }
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed it.
    Left,
    /// It broke off without a close frame.
    Broken,
    /// Nothing came for too long.
    Silent,
    /// The server closes it.
    Closed(Close),
}

impl End {
    /// The word for it in logs and metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Closed(Close { code, .. }) => match code {
                close_code::GOING_AWAY => "shutdown",
                close_code::PROTOCOL_ERROR => Violation::BrokenFrame.as_str(),
                close_code::NOT_UTF8 => Violation::NotUtf8.as_str(),
                close_code::TOO_BIG => Violation::TooBig.as_str(),
                close_code::TRY_AGAIN_LATER => "slow",
                close_code::TAKEN_OVER => "taken-over",
                _ => "closed",
            },
        }
    }
}

/// Reads until the client closes, breaks off or falls silent. While the server is paused it reads nothing,
/// and nobody counts as silent.
async fn read(
    stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
    shared: &Shared,
    client: ClientId,
    silence_max: Option<Duration>,
) -> End {
    let mut flow = shared.flow.watch();
    let silence_max = silence_max.unwrap_or(Duration::MAX);
    let mut left = false;
    loop {
        flow.unpaused().await;
        let message = tokio::select! {
            biased;
            () = flow.changed() => continue,
            message = tokio::time::timeout(silence_max, stream.next()) => message,
        };
        if matches!(message, Ok(Some(Ok(Message::Text(_) | Message::Binary(_))))) {
            shared.dawdle().await;
        }
        match message {
            Ok(Some(Ok(Message::Text(text)))) => shared.frame(client, text.as_str()),
            // The deployment reads binary frames as text, too.
            Ok(Some(Ok(Message::Binary(bytes)))) => shared.frame(client, &String::from_utf8_lossy(&bytes)),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
            Ok(Some(Ok(Message::Close(_)))) => left = true,
            Ok(Some(Err(error))) => match violation(error) {
                Some(violation) if !left => {
                    shared.violation(client, violation);
                    // The hub has closed it: the writer is told how.
                    return std::future::pending().await;
                }
                _ if left => return End::Left,
                _ => return End::Broken,
            },
            Ok(None) if left => return End::Left,
            Ok(None) => return End::Broken,
            Err(_) => return End::Silent,
        }
    }
}

/// What the client did wrong, if the stream did not just break off.
fn violation(error: axum::Error) -> Option<Violation> {
    use tungstenite::{Error, error::ProtocolError};
    match error.into_inner().downcast_ref::<Error>()? {
        Error::Utf8(_) => Some(Violation::NotUtf8),
        Error::Capacity(_) => Some(Violation::TooBig),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(Violation::BrokenFrame),
        _ => None,
    }
}

/// Writes what is queued until the server closes the client, or the socket breaks.
async fn write(
    sink: &mut (impl Sink<Message, Error = axum::Error> + Unpin),
    inbox: &mut Inbox,
    ping_every: Option<Duration>,
    mut flow: FlowWatch,
) -> End {
    let Inbox { frames, close } = inbox;
    let writing = async {
        let mut batch = Vec::with_capacity(BATCH_FRAMES_MAX);
        let period = ping_every.unwrap_or(Duration::from_secs(1));
        let mut pings = tokio::time::interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            flow.unpaused().await;
            tokio::select! {
                biased;
                () = flow.changed() => continue,
                _ = pings.tick(), if ping_every.is_some() => sink.feed(Message::Ping(Default::default())).await?,
                queued = frames.take_many(&mut batch, BATCH_FRAMES_MAX) => match queued {
                    // The queue's other end goes together with `close`.
                    0 => return std::future::pending().await,
                    _ => {
                        for frame in batch.drain(..) {
                            sink.feed(Message::Text((*frame).into())).await?;
                            frames.written(frame.len());
                        }
                    }
                },
            }
            sink.flush().await?;
        }
    };
    tokio::select! {
        biased;
        closed = close => closed.map_or(End::Broken, End::Closed),
        broken = writing => {
            let _: Result<(), axum::Error> = broken;
            End::Broken
        }
    }
}

/// Sends what is still queued and the close frame, and waits a moment for the client's own.
async fn say_goodbye(
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
    inbox: Option<Inbox>,
    close: Close,
) {
    let goodbye = async {
        if let Some(mut inbox) = inbox {
            while let Some(frame) = inbox.frames.take() {
                sink.feed(Message::Text((*frame).into())).await?;
            }
        }
        let frame = CloseFrame {
            code: close.code,
            reason: close.reason.into(),
        };
        sink.send(Message::Close(Some(frame))).await?;
        while let Some(Ok(_)) = stream.next().await {}
        Ok::<(), axum::Error>(())
    };
    // Whoever does not answer in time, or is gone already, is dropped.
    let _ = tokio::time::timeout(CLOSE_WAIT, goodbye).await;
}

#[cfg(test)]
mod tests {
    use futures_util::{sink, stream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{Config, SocketLimits, flow::FlowSwitch, queue::Queue};

    const SILENCE_MAX: Duration = SocketLimits::SILENCE_MAX_DEFAULT;
    const PING_EVERY: Duration = SocketLimits::PING_EVERY_DEFAULT;

    const OVER: Close = Close {
        code: 1001,
        reason: "over",
    };

    fn shared() -> Shared {
        Shared::new(Config::default(), 7.into(), mpsc::channel(1).0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_given_up_after_a_minute_and_a_pong_counts() {
        let shared = shared();
        let (start, client) = (Instant::now(), ClientId(1));
        let end = read(&mut stream::pending(), &shared, client, Some(SILENCE_MAX)).await;
        assert_eq!(end, End::Silent);
        assert_eq!(start.elapsed().as_secs(), SILENCE_MAX.as_secs());

        let start = Instant::now();
        let mut pongs = Box::pin(stream::unfold(0, |sent| async move {
            let wait = if sent < 3 {
                SILENCE_MAX - PING_EVERY
            } else {
                Duration::MAX
            };
            tokio::time::sleep(wait).await;
            Some((Ok(Message::Pong(Default::default())), sent + 1))
        }));
        read(&mut pongs, &shared, client, Some(SILENCE_MAX)).await;
        assert_eq!(start.elapsed().as_secs(), 3 * 40 + 60);
        let mut silence = stream::pending();
        let for_ever = read(&mut silence, &shared, client, None);
        assert!(
            tokio::time::timeout(SILENCE_MAX * 100, for_ever).await.is_err(),
            "the deployment never does"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_pinged_however_much_it_is_sent() {
        let (queue, mut inbox) = Queue::new(&SocketLimits::default());
        let (pings, mut pings_out) = mpsc::unbounded_channel();
        let mut sink = Box::pin(sink::unfold(pings, |pings, message| async move {
            if matches!(message, Message::Ping(_)) {
                pings.send(Instant::now()).expect("the test listens");
            }
            Ok::<_, axum::Error>(pings)
        }));
        let feeding = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                queue.push("frame".into()).expect("the writer reads");
            }
            queue.end(OVER);
        };
        let watch = FlowSwitch::new().watch();
        let (end, ()) = tokio::join!(write(&mut sink, &mut inbox, Some(PING_EVERY), watch), feeding);
        assert_eq!(end, End::Closed(OVER));
        drop(sink);
        let mut pings = 0;
        while pings_out.recv().await.is_some() {
            pings += 1;
        }
        assert!((4..=5).contains(&pings), "{pings}");
    }

    #[tokio::test]
    async fn what_is_written_makes_room_for_more() {
        let (queue, mut inbox) = Queue::new(&SocketLimits {
            queue_bytes_max: 1,
            ..SocketLimits::default()
        });
        let mut sink = Box::pin(sink::drain().sink_map_err(|never| match never {}));
        let writing = write(&mut sink, &mut inbox, None, FlowSwitch::new().watch());
        let pushing = async {
            for _ in 0..3 {
                while queue.push("frame".into()).is_err() {
                    tokio::task::yield_now().await;
                }
            }
            queue.end(OVER);
        };
        let both = async { tokio::join!(writing, pushing) };
        let (end, ()) = tokio::time::timeout(SILENCE_MAX, both)
            .await
            .expect("there is room again");
        assert_eq!(end, End::Closed(OVER));
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_server_is_paused_nobody_is_read_and_nobody_is_silent() {
        let shared = shared();
        let client = shared.connect().expect("there is room").0;
        shared.flow.pause(true);
        let mut frames = stream::iter([Ok(Message::text("{}"))]).chain(stream::pending());
        let start = Instant::now();
        let reading = read(&mut frames, &shared, client, Some(SILENCE_MAX));
        let pausing = async {
            tokio::time::sleep(SILENCE_MAX * 3).await;
            assert_eq!(shared.stats().hub.frames_in, 0);
            shared.flow.pause(false);
        };
        let (end, ()) = tokio::join!(reading, pausing);
        assert_eq!((end, start.elapsed()), (End::Silent, SILENCE_MAX * 4));
        assert_eq!(shared.stats().hub.frames_in, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_server_is_paused_nothing_is_written() {
        let switch = FlowSwitch::new();
        switch.pause(true);
        let (queue, mut inbox) = Queue::new(&SocketLimits::default());
        queue.push("frame".into()).expect("there is room");
        let (written, mut written_out) = mpsc::unbounded_channel();
        let mut sink = Box::pin(sink::unfold(written, |written, message| async move {
            written.send(message).expect("the test listens");
            Ok::<_, axum::Error>(written)
        }));
        let mut writing = pin!(write(&mut sink, &mut inbox, Some(PING_EVERY), switch.watch()));
        assert!(tokio::time::timeout(PING_EVERY * 5, &mut writing).await.is_err());
        assert!(written_out.try_recv().is_err());
        switch.pause(false);
        assert!(tokio::time::timeout(PING_EVERY / 2, &mut writing).await.is_err());
        let mut got = Vec::new();
        while let Ok(message) = written_out.try_recv() {
            got.push(message);
        }
        assert!(got.contains(&Message::text("frame")), "{got:?}");
        assert!(got.len() <= 2, "missed pings are not made up for: {got:?}");
    }
}
