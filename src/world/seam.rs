use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::{mpsc, oneshot};
use webrtc::{peer_connection::crypto::RTCCryptoProvider, runtime::Runtime};

use crate::base::{Instant, PeerId};

/// A future that a world can run.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Everything outside of the process's own logic that a run depends on.
///
/// Tasks of a run use nothing else: no `tokio::spawn`, no clock of the system. So the same run plays in
/// real time over sockets, and in virtual time on one thread.
pub trait World: Send + Sync + 'static {
    /// `local`, `live` or `sim`: how reports name it.
    fn name(&self) -> &'static str;

    /// Time since the run's start.
    fn now(&self) -> Instant;

    /// The wall clock at the run's start, in ms since 1970-01-01 UTC.
    fn epoch_unix_ms(&self) -> u64;

    /// Completes at `at`, or at once if that has passed.
    fn sleep_until(&self, at: Instant) -> BoxFuture<()>;

    /// Runs a task to its end.
    fn spawn(&self, task: BoxFuture<()>);

    /// What `webrtc` runs on, before [`ConnectionRuntime`](super::ConnectionRuntime) is put around it.
    fn rtc_runtime(&self) -> Arc<dyn Runtime>;

    /// Where connections take ICE credentials, tie-breakers and keys from; `None` is the OS's randomness.
    fn crypto_provider(&self) -> Option<Arc<dyn RTCCryptoProvider>> {
        None
    }

    /// Where connections bind their UDP sockets (`127.0.0.1:0`, or a wildcard for every interface).
    fn udp_addrs(&self) -> Vec<String>;

    /// Opens the signaling socket of a peer. Frames arrive in order.
    fn open_signaling(&self, peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingError>>;

    /// The user ids in a room as the server itself knows them; `None` where the server can't be asked.
    fn roster(&self, room_wire_id: &str) -> Option<Vec<String>>;

    /// What the process has used so far; `None` where that means nothing.
    fn usage(&self) -> Option<Usage>;
}

/// CPU time and memory of the generator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User and system time since the process began, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
}

/// An open signaling socket: dropping `outgoing` closes it.
#[derive(Debug)]
pub struct SignalingSocket {
    /// Frames to the server.
    pub outgoing: mpsc::Sender<String>,
    /// What comes from it; ends after [`SignalingEvent::Closed`].
    pub incoming: mpsc::Receiver<SignalingEvent>,
    /// Ends the transport when it is dropped by [`SignalingSocket::reset`].
    pub resets: Option<oneshot::Sender<()>>,
}

impl SignalingSocket {
    /// Ends the transport at once, without a closing handshake.
    pub fn reset(&mut self) {
        if let Some(reset) = self.resets.take() {
            // Only fails if it is over already.
            let _ = reset.send(());
        }
    }
}

/// What a signaling socket tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalingEvent {
    /// A text frame.
    Frame(String),
    /// It is closed, with the reason as far as there is one.
    Closed(String),
}

/// A signaling socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct SignalingError {
    /// What was tried.
    pub url: String,
    /// What came of it.
    pub reason: String,
}
