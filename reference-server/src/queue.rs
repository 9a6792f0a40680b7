use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{mpsc, oneshot};

use crate::SocketLimits;

/// How the server ends a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

/// What waits for one client: bounded in frames and in bytes, and nobody ever waits for room in it.
///
/// Pushed to under the server's lock only, so one push at a time; the client's task takes out.
pub(crate) struct Queue {
    frames: mpsc::Sender<Arc<str>>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    close: oneshot::Sender<Close>,
}

/// The client's end of its queue.
pub(crate) struct Inbox {
    pub(crate) frames: Frames,
    pub(crate) close: oneshot::Receiver<Close>,
}

/// The frames that wait.
pub(crate) struct Frames {
    frames: mpsc::Receiver<Arc<str>>,
    bytes: Arc<AtomicUsize>,
}

/// There was no room: the client does not read what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Queue {
    pub(crate) fn new(limits: &SocketLimits) -> (Self, Inbox) {
        let (frames, frames_out) = mpsc::channel(limits.queue_frames_max.max(1));
        let (close, close_out) = oneshot::channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox {
            frames: Frames {
                frames: frames_out,
                bytes: bytes.clone(),
            },
            close: close_out,
        };
        let queue = Self {
            frames,
            bytes,
            bytes_max: limits.queue_bytes_max,
            close,
        };
        (queue, inbox)
    }

    /// Queues a frame; one whose client is gone is dropped.
    pub(crate) fn push(&self, frame: Arc<str>) -> Result<(), Full> {
        let bytes = frame.len();
        let waiting = self.bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes > self.bytes_max {
            return Err(Full);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.frames.try_send(frame) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// How many frames wait.
    pub(crate) fn len(&self) -> usize {
        self.frames.max_capacity() - self.frames.capacity()
    }

    /// How many bytes wait, those included that are being written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self, close: Close) {
        // A socket that is gone already needs no closing.
        let _ = self.close.send(close);
    }
}

impl Frames {
    /// Takes some out, waiting for the first; 0: there will be no more. Each counts until [`Self::written`].
    pub(crate) async fn take_many(&mut self, batch: &mut Vec<Arc<str>>, frames_max: usize) -> usize {
        self.frames.recv_many(batch, frames_max).await
    }

    /// Takes one out, if there is one.
    pub(crate) fn take(&mut self) -> Option<Arc<str>> {
        self.frames.try_recv().ok()
    }

    /// A frame of so many bytes waits no longer.
    pub(crate) fn written(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_frames_max: usize, queue_bytes_max: usize) -> (Queue, Inbox) {
        Queue::new(&SocketLimits {
            queue_frames_max,
            queue_bytes_max,
            ..SocketLimits::default()
        })
    }

    #[tokio::test]
    async fn a_queue_is_full_by_frames_or_by_bytes_until_they_are_written() {
        let (frames, _inbox) = queue(2, 1_000);
        assert_eq!(
            [0; 3].map(|_| frames.push("x".into())),
            [Ok(()), Ok(()), Err(Full)]
        );
        assert_eq!(frames.len(), 2);

        let (bytes, mut inbox) = queue(100, 10);
        bytes
            .push("0123456789abcdef".into())
            .expect("one may always wait");
        assert_eq!(bytes.push("x".into()), Err(Full));
        assert_eq!(bytes.bytes(), 16);
        let mut batch = Vec::new();
        assert_eq!(inbox.frames.take_many(&mut batch, 8).await, 1);
        assert_eq!(bytes.push("x".into()), Err(Full), "taken out is not written");
        inbox.frames.written(batch[0].len());
        assert_eq!(bytes.bytes(), 0);
        assert_eq!(
            ["01234", "56789", "x"].map(|text| bytes.push(text.into())),
            [Ok(()), Ok(()), Err(Full)]
        );
    }

    #[test]
    fn a_client_that_is_gone_has_room_for_everything() {
        let (queue, inbox) = queue(1, 1_000);
        drop(inbox);
        assert_eq!([0; 3].map(|_| queue.push("x".into())), [Ok(()); 3]);
    }
}
