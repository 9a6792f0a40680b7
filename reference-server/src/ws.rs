//! One WebSocket: what comes in goes to the hub, what is queued goes out.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{
    Sink, SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};

use tokio::time::Instant;

use crate::{
    protocol::limits::FRAME_BYTES_MAX,
    room::{ClientId, RelayMode},
    shared::{Alive, Close, Inbox, Shared},
};

/// A frame longer than [`FRAME_BYTES_MAX`] is answered with close code 1009; of one longer than this not even
/// the rest is read.
const MESSAGE_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
/// Frames written before the socket is flushed.
const BATCH_FRAMES_MAX: usize = 64;
/// How long a client may take to acknowledge that it is closed.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// A client is pinged at this interval …
const PING_EVERY: Duration = Duration::from_secs(20);
/// … and gone when nothing came from it, not even pongs, for so long: a half-open socket is no member.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The route `/ws/`.
pub(crate) async fn upgrade(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    let Some(alive) = shared.alive() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| serve(alive, socket, shared))
}

/// Serves one client until it or the server closes. A shutdown waits for `_alive`: the first parameter, it is
/// dropped last, when the socket is closed.
async fn serve(_alive: Alive, socket: WebSocket, shared: Arc<Shared>) {
    let (mut sink, mut stream) = socket.split();
    let (client, mut inbox) = match shared.connect() {
        Ok(connected) => connected,
        Err(close) => return say_goodbye(sink, stream, None, close).await,
    };
    tracing::debug!(%client, "connected");
    // The deployment keeps half-open sockets as long as the OS does.
    let heartbeat = shared.config.hub.relay_mode == RelayMode::Rooms;
    let closed = {
        let reading = pin!(read(&mut stream, &shared, client, heartbeat));
        let writing = pin!(write(&mut sink, &mut inbox, heartbeat));
        tokio::select! {
            () = reading => None,
            closed = writing => closed,
        }
    };
    shared.disconnect(client);
    tracing::debug!(%client, "disconnected");
    if let Some(close) = closed {
        say_goodbye(sink, stream, Some(inbox), close).await;
    }
}

/// Reads until the client closes, breaks off or falls silent.
async fn read(
    stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
    shared: &Shared,
    client: ClientId,
    heartbeat: bool,
) {
    let silence_max = if heartbeat { SILENCE_MAX } else { Duration::MAX };
    while let Ok(Some(Ok(message))) = tokio::time::timeout(silence_max, stream.next()).await {
        match message {
            Message::Text(text) => shared.frame(client, text.as_str()),
            // The deployment reads binary frames as text, too.
            Message::Binary(bytes) => shared.frame(client, &String::from_utf8_lossy(&bytes)),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }
}

/// Writes what is queued until the server closes the client (then how), or the socket breaks.
async fn write(
    sink: &mut (impl Sink<Message, Error = axum::Error> + Unpin),
    inbox: &mut Inbox,
    heartbeat: bool,
) -> Option<Close> {
    let Inbox { frames, close } = inbox;
    let writing = async {
        let mut batch = Vec::with_capacity(BATCH_FRAMES_MAX);
        let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            tokio::select! {
                queued = frames.recv_many(&mut batch, BATCH_FRAMES_MAX) => match queued {
                    // The queue's other end goes together with `close`.
                    0 => return std::future::pending().await,
                    _ => {
                        for frame in batch.drain(..) {
                            sink.feed(Message::Text((*frame).into())).await?;
                        }
                    }
                },
                _ = pings.tick(), if heartbeat => sink.feed(Message::Ping(Default::default())).await?,
            }
            sink.flush().await?;
        }
    };
    tokio::select! {
        biased;
        closed = close => closed.ok(),
        broken = writing => {
            let _: Result<(), axum::Error> = broken;
            None
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
            while let Ok(frame) = inbox.frames.try_recv() {
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
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::Config;

    fn shared() -> Shared {
        Shared::new(Config::default(), 7.into(), mpsc::channel(1).0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_given_up_after_a_minute_and_a_pong_counts() {
        let shared = shared();
        let (start, client) = (Instant::now(), ClientId(1));
        read(&mut stream::pending(), &shared, client, true).await;
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
        read(&mut pongs, &shared, client, true).await;
        assert_eq!(start.elapsed().as_secs(), 3 * 40 + 60);
        let mut silence = stream::pending();
        let for_ever = read(&mut silence, &shared, client, false);
        assert!(
            tokio::time::timeout(SILENCE_MAX * 100, for_ever).await.is_err(),
            "the deployment never does"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_pinged_however_much_it_is_sent() {
        let (frames, frames_out) = mpsc::channel(8);
        let (close, close_out) = oneshot::channel();
        let mut inbox = Inbox {
            frames: frames_out,
            close: close_out,
        };
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
                frames.send("frame".into()).await.expect("the writer reads");
            }
            close
                .send(Close {
                    code: 1001,
                    reason: "over",
                })
                .expect("the writer waits for it");
        };
        let (closed, ()) = tokio::join!(write(&mut sink, &mut inbox, true), feeding);
        assert_eq!(closed.expect("the server closed it").code, 1001);
        drop(sink);
        let mut pings = 0;
        while pings_out.recv().await.is_some() {
            pings += 1;
        }
        assert!((4..=5).contains(&pings), "{pings}");
    }
}
