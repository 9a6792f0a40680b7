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

use crate::{
    protocol::limits::FRAME_BYTES_MAX,
    room::ClientId,
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
    let closed = {
        let reading = pin!(read(&mut stream, &shared, client));
        let writing = pin!(write(&mut sink, &mut inbox));
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
) {
    while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE_MAX, stream.next()).await {
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
) -> Option<Close> {
    let Inbox { frames, close } = inbox;
    let writing = async {
        let mut batch = Vec::with_capacity(BATCH_FRAMES_MAX);
        loop {
            match tokio::time::timeout(PING_EVERY, frames.recv_many(&mut batch, BATCH_FRAMES_MAX)).await {
                // The queue's other end goes together with `close`.
                Ok(0) => return std::future::pending().await,
                Ok(_) => {
                    for frame in batch.drain(..) {
                        sink.feed(Message::Text((*frame).into())).await?;
                    }
                }
                Err(_) => sink.feed(Message::Ping(Default::default())).await?,
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
