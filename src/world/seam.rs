use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Sink, Stream};
use webrtc::{
    peer_connection::{RTCIceServer, crypto::RTCCryptoProvider},
    runtime::Runtime,
};

use super::Dial;
use crate::{
    base::{Generation, Instant, PeerId, PeerNumber, SignalingEnd},
    impair::Nat,
    scenario::{Ice, IceServer, TurnFault},
};

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

    /// Runs a task to its end, beside the one that spawns it.
    fn spawn(&self, task: BoxFuture<()>);

    /// Runs a task, and all that it spawns, beside everything else in that lane. Lanes have nothing in common;
    /// a world may give each a thread.
    fn spawn_in(&self, _lane: usize, task: BoxFuture<()>) {
        self.spawn(task);
    }

    /// What `webrtc` runs on, before [`ConnectionRuntime`](super::ConnectionRuntime) is put around it.
    fn rtc_runtime(&self) -> Arc<dyn Runtime>;

    /// Where a peer's connection takes ICE credentials, tie-breakers and keys from; `None` is the OS's
    /// randomness.
    fn crypto_provider(
        &self,
        _peer: PeerNumber,
        _remote: PeerNumber,
        _generation: Generation,
    ) -> Option<Arc<dyn RTCCryptoProvider>> {
        None
    }

    /// How long an operation of a connection (`createOffer`, `setRemoteDescription`, …) takes beside what the
    /// stack needs: what comes in meanwhile meets one that is under way.
    fn operation_takes(&self, _peer: PeerId, _remote: PeerId, _generation: Generation) -> Duration {
        Duration::ZERO
    }

    /// Whether a run has to be the same again, so that nothing may be left to the state of a thread.
    fn repeats(&self) -> bool {
        false
    }

    /// Gives every peer its place in the network. Asked once, before the first connection, and only if somebody
    /// is behind a NAT; `false` where the network is what it is.
    fn settle(&self, _homes: &[Home]) -> bool {
        false
    }

    /// The STUN server (`stun:host:port`) by which this peer learns its address outside of its NAT.
    fn stun_url(&self, _peer: PeerId) -> Option<String> {
        None
    }

    /// The NAT of a peer loses what it knows of it: what leaves next is seen from another port, and what is sent to the
    /// old one is lost. `false` where no NAT of ours is in front of that peer.
    fn rebind_nat(&self, _peer: PeerId) -> bool {
        false
    }

    /// Where a peer's connections bind their UDP sockets (`127.0.0.1:0`, or a wildcard for every interface).
    fn udp_addrs(&self, peer: PeerId) -> Vec<String>;

    /// Opens the signaling socket of a peer. It may take for ever: whoever waits for it knows how long.
    fn open_signaling(&self, peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingEnd>>;

    /// What somebody has said to that peer without the secrets that let it in; `None`: there is none in it.
    fn without_secrets(&self, _peer: Option<PeerId>, _text: &str) -> Option<String> {
        None
    }

    /// The user ids in a room as the server itself knows them; `None` where the server can't be asked.
    fn roster(&self, room_wire_id: &str) -> Option<Vec<String>>;

    /// Does something to the server: what it has printed if a command of the user's has done it, or why it could
    /// not be done.
    fn act_on_server(&self, _act: ServerAct) -> BoxFuture<Result<String, String>> {
        Box::pin(std::future::ready(Err("this server is not ours".to_owned())))
    }

    /// Whether the server is acted on by commands of the user's.
    fn commands_server(&self) -> bool {
        false
    }

    /// Does something to the STUN and TURN server of the run, as planned for `at`; `false` where there is none.
    fn turn(&self, _fault: TurnFault, _at: Instant) -> bool {
        false
    }

    /// Fetches what that peer's connections will need of STUN and TURN servers and does not have yet: who gets none does not
    /// come in. It takes no longer than the scenario says. `None`: there is nothing to be fetched.
    fn fetch_ice_servers(&self, _peer: PeerId, _ice: &Ice) -> Option<BoxFuture<Result<(), SignalingEnd>>> {
        None
    }

    /// A signaling server has offered these STUN and TURN servers to that peer, in the place of those before. Their
    /// credentials are secrets.
    fn offer_ice_servers(&self, _peer: PeerId, _servers: Vec<IceServer>) {}

    /// The STUN and TURN servers of a connection that a peer, on the wire `user`, begins now, with credentials of their
    /// own. Fetched ones that have ended are fetched anew, which may fail.
    fn ice_servers(
        &self,
        _peer: PeerId,
        _ice: &Ice,
        _user: &str,
    ) -> BoxFuture<Result<Vec<RTCIceServer>, SignalingEnd>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Opens streams to TURN servers, where connections may reach some by them.
    fn turn_streams(&self) -> Option<Dial> {
        None
    }

    /// Asks what the server holds, or fails to; `None` where there is nobody to ask.
    fn server_load(&self) -> Option<BoxFuture<Result<ServerLoad, String>>> {
        None
    }

    /// What the process has used so far; `None` where that means nothing.
    fn usage(&self) -> Option<Usage>;

    /// How late the timers of its event loops fired since this was last asked: µs, and how many, the least late first.
    /// Empty where time is virtual and nothing is late.
    fn event_loop_lag(&self) -> Vec<(u64, u64)> {
        Vec::new()
    }
}

/// What can be done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerAct {
    /// Its process starts, and knows nothing.
    Start,
    /// It ends as a killed process does, with all that it knows.
    Stop,
    /// It stands still from here on: it reads, answers and writes nothing. Its sockets stay open.
    Pause,
    /// It goes on, with all that has waited.
    Resume,
    /// From here on it takes so much longer over each frame; zero: no longer than it needs.
    Slow(Duration),
}

/// A peer's place in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// Whose.
    pub peer: PeerId,
    /// Its place in the whole plan.
    pub number: PeerNumber,
    /// What it is behind; `None`: nothing.
    pub nat: Option<Nat>,
    /// An earlier one whose NAT it is behind; `None`: one of its own.
    pub with: Option<PeerId>,
}

/// CPU time and memory of the generator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User and system time since the process began, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// Files and sockets that it has open.
    pub open_files: Option<u64>,
}

/// What a server holds at the moment, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLoad {
    /// Rooms that are open.
    pub rooms: Option<u64>,
    /// Memberships, those of sockets that are away included.
    pub members: Option<u64>,
    /// Sockets of clients.
    pub sockets: Option<u64>,
    /// Frames that wait for clients, or for the server.
    pub waiting_frames: Option<u64>,
    /// The bytes of these.
    pub waiting_bytes: Option<u64>,
    /// Resident memory of its process.
    pub rss_bytes: Option<u64>,
}

/// An open signaling socket: text frames both ways, in order.
///
/// What comes in ends after an error, which tells why the socket is over. [`SinkExt::close`] closes it with
/// the handshake of its protocol; dropping it ends the transport without a word.
///
/// [`SinkExt::close`]: futures_util::SinkExt::close
pub type SignalingSocket = Pin<Box<dyn SignalingTransport>>;

/// What a [`SignalingSocket`] is. Whatever can do it all is one.
pub trait SignalingTransport:
    Stream<Item = Result<String, SignalingEnd>> + Sink<String, Error = SignalingEnd> + Send
{
}

impl<T> SignalingTransport for T where
    T: Stream<Item = Result<String, SignalingEnd>> + Sink<String, Error = SignalingEnd> + Send
{
}
