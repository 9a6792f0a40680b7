//! What goes over signaling sockets, for whoever looks on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant as StdInstant,
};

use futures_util::{Sink, Stream};

use super::dial::Dialer;
use crate::{
    base::{Instant, PeerId, SignalingEnd},
    world::SignalingSocket,
};

/// Looks on.
pub trait Tap: Send + Sync {
    /// A socket of that peer is open.
    fn opened(&self, at: Instant, peer: PeerId);

    /// A frame has come in or goes out. `shown`: without the secrets that let the peer in.
    fn frame(&self, at: Instant, peer: PeerId, comes_in: bool, text: &str, shown: &str);
}

/// A socket that is looked at.
pub(super) struct Tapped {
    pub inner: SignalingSocket,
    pub tap: Arc<dyn Tap>,
    pub dialer: Arc<Dialer>,
    pub peer: PeerId,
    pub started: StdInstant,
}

impl Tapped {
    fn tell(&self, comes_in: bool, text: &str) {
        let at = Instant::START + self.started.elapsed();
        let shown = self.dialer.secrets().hide(Some(self.peer), text);
        self.tap.frame(at, self.peer, comes_in, text, &shown);
    }
}

impl Stream for Tapped {
    type Item = Result<String, SignalingEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.inner.as_mut().poll_next(cx));
        if let Some(Ok(text)) = &next {
            self.tell(true, text);
        }
        Poll::Ready(next)
    }
}

impl Sink<String> for Tapped {
    type Error = SignalingEnd;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.inner.as_mut().poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: String) -> Result<(), SignalingEnd> {
        self.tell(false, &frame);
        self.inner.as_mut().start_send(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.inner.as_mut().poll_close(cx)
    }
}
