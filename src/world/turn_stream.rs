//! TURN over TCP and TLS. `webrtc` 0.21 asks TURN servers by datagrams alone. So it gets an address that nobody has
//! (class E, RFC 1112 §4), and what it sends there goes through a stream: STUN messages and ChannelData, framed as
//! RFC 8656 says. Above, link and DTLS repair see datagrams as they always do.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, Transmit};

use super::{BoxFuture, Census, Holding, hand_up, read_from, segments};
use crate::turn::{Deframer, frame};

/// Messages that wait for a stream to take them; more are dropped, as a socket's full buffer drops datagrams.
const MAX_OUTGOING: usize = 256;
/// Messages that came in and wait to be read; more are dropped.
const MAX_INCOMING: usize = 1_024;
/// Between the ends of a stream and the next attempt.
const DIAL_PAUSE: Duration = Duration::from_millis(500);
/// What is read at once.
const READ_BYTES: usize = 16 << 10;

/// The address under which `webrtc` knows a TURN server that is reached by a stream.
pub fn stream_address(index: u16, port: u16) -> SocketAddr {
    let [high, low] = index.to_be_bytes();
    SocketAddr::from(([240, 83, high, low], port))
}

/// Whether a datagram that goes there or comes from there travels in a stream: not UDP to a network.
pub fn is_stream_address(addr: SocketAddr) -> bool {
    matches!(addr.ip(), IpAddr::V4(v4) if is_ours(v4))
}

fn is_ours(v4: Ipv4Addr) -> bool {
    matches!(v4.octets(), [240, 83, ..])
}

/// An open stream to a TURN server.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens the stream to the TURN server that has this [`stream_address`].
pub type Dial = Arc<dyn Fn(SocketAddr) -> BoxFuture<io::Result<Box<dyn ByteStream>>> + Send + Sync>;

/// A UDP socket, and the streams beside it.
pub(super) struct StreamSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    runtime: Arc<dyn Runtime>,
    dial: Dial,
    census: Arc<Census>,
    streams: Mutex<BTreeMap<SocketAddr, Stream>>,
    incoming: Arc<Incoming>,
}

struct Stream {
    sender: mpsc::Sender<Vec<u8>>,
    dialled: Instant,
}

#[derive(Default)]
struct Incoming {
    messages: Mutex<VecDeque<(SocketAddr, Vec<u8>)>>,
    receiver: AtomicWaker,
}

impl Incoming {
    fn messages(&self) -> MutexGuard<'_, VecDeque<(SocketAddr, Vec<u8>)>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, from: SocketAddr, message: Vec<u8>) {
        let mut messages = self.messages();
        if messages.len() < MAX_INCOMING {
            messages.push_back((from, message));
        }
        drop(messages);
        self.receiver.wake();
    }
}

impl StreamSocket {
    pub fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        runtime: Arc<dyn Runtime>,
        dial: Dial,
        census: Arc<Census>,
    ) -> Self {
        Self {
            inner,
            runtime,
            dial,
            census,
            streams: Mutex::default(),
            incoming: Arc::default(),
        }
    }

    /// What no stream takes is lost; so is what is sent while one that has ended is not to be dialled again yet.
    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let Some(framed) = frame(datagram) else {
            tracing::debug!(%to, "no message to a TURN server");
            return;
        };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.runtime.now();
        let ended = streams.get(&to).is_none_or(|stream| {
            stream.sender.is_closed() && now.saturating_duration_since(stream.dialled) >= DIAL_PAUSE
        });
        if ended {
            let sender = self.open(to);
            streams.insert(to, Stream { sender, dialled: now });
        }
        if let Some(stream) = streams.get(&to) {
            let _ = stream.sender.try_send(framed);
        }
    }

    fn open(&self, to: SocketAddr) -> mpsc::Sender<Vec<u8>> {
        let (sender, outgoing) = mpsc::channel(MAX_OUTGOING);
        let dialling = (self.dial)(to);
        let incoming = self.incoming.clone();
        let counted = self.census.count(Holding::Task);
        let task = async move {
            if let Err(error) = carry(to, dialling, outgoing, &incoming).await {
                tracing::debug!(%to, %error, "the stream to a TURN server has ended");
            }
            drop(counted);
        };
        self.runtime.spawn(Box::pin(task)).detach();
        sender
    }
}

/// Both ways, until the server ends the stream, or the socket is dropped and all that it sent is out.
async fn carry(
    server: SocketAddr,
    mut dialling: BoxFuture<io::Result<Box<dyn ByteStream>>>,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    incoming: &Incoming,
) -> io::Result<()> {
    let mut early = Vec::new();
    let mut stream = loop {
        tokio::select! {
            biased;
            stream = &mut dialling => break stream?,
            message = outgoing.recv() => match message {
                Some(message) if early.len() < MAX_OUTGOING => early.push(message),
                Some(_) => {}
                None => return Ok(()),
            },
        }
    };
    for message in early {
        stream.write_all(&message).await?;
    }
    stream.flush().await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = async {
        let (mut deframer, mut bytes) = (Deframer::default(), vec![0; READ_BYTES]);
        loop {
            let length = reader.read(&mut bytes).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            deframer.take_in(&bytes[..length]);
            while let Some(message) = deframer
                .next_message()
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
            {
                incoming.push(server, message);
            }
        }
    };
    let writing = async {
        while let Some(message) = outgoing.recv().await {
            writer.write_all(&message).await?;
            writer.flush().await?;
        }
        writer.shutdown().await
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for StreamSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if !is_stream_address(transmit.destination) {
            return self.inner.poll_send(cx, transmit);
        }
        for datagram in segments(transmit) {
            self.send(transmit.destination, datagram);
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // Registered before it is looked: what comes in between is seen by one or the other.
        if !cx.waker().will_wake(Waker::noop()) {
            self.incoming.receiver.register(cx.waker());
        }
        if let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut())
            && let Some((from, message)) = self.incoming.messages().pop_front()
        {
            hand_up(&read_from(from), &message, buf, meta);
            return Poll::Ready(Ok(1));
        }
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
