use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, error::ProtocolError, protocol::WebSocketConfig},
};

use super::dial::{Dialer, Transport, failure_of_io};
use crate::{
    base::{PeerId, SignalingEnd, SignalingFailure},
    world::{Census, Counted, Holding, SignalingSocket},
};

/// The largest frame that is read.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// What is read at once: the library fills that much with zeroes before each read, and its default is 128 KiB.
const READ_BYTES: usize = 4 << 10;

/// Opens a WebSocket; whoever waits for it knows how long.
pub(super) async fn open(
    dialer: Arc<Dialer>,
    peer: PeerId,
    census: Arc<Census>,
) -> Result<SignalingSocket, SignalingEnd> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    let inner = dialer.open(peer, config).await?;
    Ok(Box::pin(WebSocket {
        inner,
        dialer,
        peer,
        _counted: census.count(Holding::Socket),
    }))
}

/// Text frames in and out. Pings are answered by the library, as it reads.
struct WebSocket {
    inner: WebSocketStream<Transport>,
    /// Knows what of a server's words is a secret.
    dialer: Arc<Dialer>,
    peer: PeerId,
    _counted: Counted,
}

impl WebSocket {
    fn end(&self, failure: SignalingFailure, why: String) -> SignalingEnd {
        self.dialer.told(self.peer, SignalingEnd::new(failure, why))
    }

    fn broken(&self, error: &Error) -> SignalingEnd {
        let failure = match error {
            Error::ConnectionClosed | Error::AlreadyClosed => SignalingFailure::Closed,
            Error::Io(io) => failure_of_io(io),
            Error::Capacity(_) => SignalingFailure::FrameTooLarge,
            Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
            ) => SignalingFailure::ConnectionLost,
            Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => SignalingFailure::ProtocolError,
            Error::WriteBufferFull(_) => SignalingFailure::NotReading,
            _ => SignalingFailure::Other,
        };
        self.end(failure, error.to_string())
    }
}

impl Stream for WebSocket {
    type Item = Result<String, SignalingEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = match ready!(self.inner.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => Some(Ok(text.to_string())),
                Some(Ok(Message::Close(close))) => {
                    let why = close.map_or("closed by the server".to_owned(), |c| {
                        format!("closed by the server: {} {}", u16::from(c.code), c.reason)
                    });
                    Some(Err(self.end(SignalingFailure::Closed, why)))
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let why = format!("a binary message of {} bytes: the protocol is text", bytes.len());
                    Some(Err(self.end(SignalingFailure::UnsupportedData, why)))
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => Some(Err(self.broken(&error))),
                None => None,
            };
            return Poll::Ready(next);
        }
    }
}

impl Sink<String> for WebSocket {
    type Error = SignalingEnd;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        let ready = ready!(self.inner.poll_ready_unpin(cx));
        Poll::Ready(ready.map_err(|error| self.broken(&error)))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: String) -> Result<(), SignalingEnd> {
        let started = self.inner.start_send_unpin(Message::text(frame));
        started.map_err(|error| self.broken(&error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        let flushed = ready!(self.inner.poll_flush_unpin(cx));
        Poll::Ready(flushed.map_err(|error| self.broken(&error)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        let closed = ready!(self.inner.poll_close_unpin(cx));
        Poll::Ready(closed.map_err(|error| self.broken(&error)))
    }
}
