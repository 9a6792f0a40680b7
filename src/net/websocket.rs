use std::{sync::Arc, time::Duration};

use futures_util::{Sink, SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use crate::world::{Census, Holding, SignalingError, SignalingEvent, SignalingSocket};

/// Frames that wait to be written or read.
const QUEUE: usize = 256;
/// The largest frame that is read.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// What is read at once: the library fills that much with zeroes before each read, and its default is 128 KiB.
const READ_BYTES: usize = 4 << 10;
/// How long a socket may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the closing handshake may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Opens a WebSocket and pumps it from a task of its own.
pub(super) async fn open(url: String, census: Arc<Census>) -> Result<SignalingSocket, SignalingError> {
    let failed = |reason: String| SignalingError {
        url: url.clone(),
        reason,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    let opening = connect_async_with_config(&url, Some(config), true);
    let (socket, _) = tokio::time::timeout(OPEN_WITHIN, opening)
        .await
        .map_err(|_| failed(format!("no answer within {} s", OPEN_WITHIN.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;

    let (outgoing, mut to_send) = mpsc::channel::<String>(QUEUE);
    let (received, incoming) = mpsc::channel(QUEUE);
    let (resets, mut reset) = oneshot::channel();
    let counted = (census.count(Holding::Task), census.count(Holding::Socket));
    tokio::spawn(async move {
        let _counted = counted;
        let (mut sink, mut stream) = socket.split();
        // Each way goes on while the other one waits: a server that writes before it reads must not lock both.
        let reading = async {
            loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame = SignalingEvent::Frame(text.to_string());
                        if received.send(frame).await.is_err() {
                            break None;
                        }
                    }
                    Some(Ok(Message::Close(close))) => {
                        break Some(close.map_or("closed by the server".to_owned(), |c| {
                            format!("closed by the server: {} {}", u16::from(c.code), c.reason)
                        }));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Some(error.to_string()),
                    None => break Some("connection ended".to_owned()),
                }
            }
        };
        let writing = async {
            while let Some(frame) = to_send.recv().await {
                if let Err(error) = write(&mut sink, frame, &mut to_send).await {
                    return Some(error.to_string());
                }
            }
            None
        };
        let reason = tokio::select! {
            biased;
            Ok(()) = &mut reset => return,
            reason = reading => reason,
            reason = writing => reason,
        };
        let closing = async {
            let _ = sink.close().await;
            // Read to the end, so that the server sees a clean close.
            while let Some(Ok(_)) = stream.next().await {}
        };
        let _ = tokio::time::timeout(CLOSE_WITHIN, closing).await;
        if let Some(reason) = reason {
            let _ = received.send(SignalingEvent::Closed(reason)).await;
        }
    });
    Ok(SignalingSocket {
        outgoing,
        incoming,
        resets: Some(resets),
    })
}

/// Writes a frame, and with it those that wait already.
async fn write(
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
    frame: String,
    waiting: &mut mpsc::Receiver<String>,
) -> Result<(), Error> {
    sink.feed(Message::text(frame)).await?;
    while let Ok(frame) = waiting.try_recv() {
        sink.feed(Message::text(frame)).await?;
    }
    sink.flush().await
}
