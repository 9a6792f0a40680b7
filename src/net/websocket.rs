use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::world::{Census, Counted, Holding, SignalingError, SignalingSocket};

/// The largest frame that is read.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// What is read at once: the library fills that much with zeroes before each read, and its default is 128 KiB.
const READ_BYTES: usize = 4 << 10;

/// Opens a WebSocket; whoever waits for it knows how long.
pub(super) async fn open(url: String, census: Arc<Census>) -> Result<SignalingSocket, SignalingError> {
    let failed = |reason: String| SignalingError {
        url: url.clone(),
        reason,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    let (inner, _) = connect_async_with_config(&url, Some(config), true)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(Box::pin(WebSocket {
        inner,
        _counted: census.count(Holding::Socket),
    }))
}

/// Text frames in and out. Pings are answered by the library, as it reads.
struct WebSocket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
    _counted: Counted,
}

impl Stream for WebSocket {
    type Item = Result<String, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = match ready!(self.inner.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => Some(Ok(text.to_string())),
                Some(Ok(Message::Close(close))) => Some(Err(close
                    .map_or("closed by the server".to_owned(), |c| {
                        format!("closed by the server: {} {}", u16::from(c.code), c.reason)
                    }))),
                Some(Ok(_)) => continue,
                Some(Err(error)) => Some(Err(error.to_string())),
                None => None,
            };
            return Poll::Ready(next);
        }
    }
}

impl Sink<String> for WebSocket {
    type Error = String;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        self.inner.poll_ready_unpin(cx).map_err(|error| error.to_string())
    }

    fn start_send(mut self: Pin<&mut Self>, frame: String) -> Result<(), String> {
        self.inner
            .start_send_unpin(Message::text(frame))
            .map_err(|error| error.to_string())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        self.inner.poll_flush_unpin(cx).map_err(|error| error.to_string())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        self.inner.poll_close_unpin(cx).map_err(|error| error.to_string())
    }
}
