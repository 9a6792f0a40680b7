use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reference_server::{TurnConfig, TurnSecret};
use rtc::crypto::default_provider;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::Instant as TokioInstant,
};
use tokio_rustls::TlsAcceptor;

use super::turn_tls::{Authority, acceptor};
use crate::{
    base::Instant,
    scenario::{TurnFault, TurnTransport},
    turn::{Client, Deframer, Output, Server, frame},
    world::ByteStream,
};

/// The longest UDP datagram.
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// What is read of a stream at once.
const READ_BYTES: usize = 16 << 10;
/// Messages that wait for a client's stream to take them; more are lost.
const MAX_OUTGOING: usize = 256;
/// How late an allocation may end.
const TICK: Duration = Duration::from_millis(100);
/// Between two attempts to get the ports back, and how often that is tried: for 10 s.
const PORT_PAUSE: Duration = Duration::from_millis(10);
const PORT_ATTEMPTS: u32 = 1_000;

/// The STUN and TURN server that is started for a run, in this process, at addresses that stay the same. It relays
/// to the loopback, which a server that others can reach must not.
pub struct BundledTurn {
    /// UDP and TCP.
    plain: SocketAddr,
    tls: SocketAddr,
    authority: Authority,
    acceptor: TlsAcceptor,
    secret: TurnSecret,
    runtime: tokio::runtime::Handle,
    started: TokioInstant,
    started_unix: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// What was last set, for the one that comes back.
    quota: Option<u32>,
    lifetime: Option<Duration>,
    back_at: Option<TokioInstant>,
    stopped: bool,
    restart: Option<JoinHandle<()>>,
}

/// One life of the server; ends when it is dropped.
struct Running {
    core: Arc<Core>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.core.end();
    }
}

impl BundledTurn {
    /// Starts it on free ports of the loopback, in the current tokio runtime. It takes the time-limited credentials
    /// that are signed with that secret.
    ///
    /// # Errors
    /// There are no ports, or no randomness.
    pub async fn start(secret: TurnSecret) -> io::Result<Arc<Self>> {
        let authority = Authority::new()?;
        let mut turn = Self {
            plain: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            acceptor: acceptor(&authority)?,
            authority,
            secret,
            runtime: tokio::runtime::Handle::current(),
            started: TokioInstant::now(),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            state: Mutex::default(),
        };
        let sockets = turn.bind().await?;
        turn.plain = sockets.tcp.local_addr()?;
        turn.tls = sockets.tls.local_addr()?;
        let turn = Arc::new(turn);
        let running = turn.run(sockets)?;
        turn.state().running = Some(running);
        Ok(turn)
    }

    /// How clients know that they speak TLS with it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where a client asks for relays.
    pub fn turn_url(&self, transport: TurnTransport) -> String {
        match transport {
            TurnTransport::Udp => format!("turn:{}?transport=udp", self.plain),
            TurnTransport::Tcp => format!("turn:{}?transport=tcp", self.plain),
            TurnTransport::Tls => format!("turns:{}?transport=tcp", self.tls),
        }
    }

    /// Where a client asks for its address.
    pub fn stun_url(&self) -> String {
        format!("stun:{}", self.plain)
    }

    /// What credentials are made with.
    pub fn config(&self, ttl: Duration) -> TurnConfig {
        let transports = [TurnTransport::Udp, TurnTransport::Tcp, TurnTransport::Tls];
        TurnConfig {
            secret: self.secret.clone(),
            urls: transports.map(|transport| self.turn_url(transport)).to_vec(),
            ttl,
        }
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        let state = self.state();
        state
            .running
            .as_ref()
            .map_or(0, |running| running.core.machine().allocations())
    }

    /// Does that to it; what is said of times counts from `at`.
    pub fn hit(self: &Arc<Self>, fault: TurnFault, at: TokioInstant) {
        let mut state = self.state();
        match fault {
            TurnFault::Quota(most) => {
                state.quota = Some(most);
                if let Some(running) = &state.running {
                    running.core.machine().set_quota(most);
                }
            }
            TurnFault::Lifetime(most) => {
                state.lifetime = Some(most);
                if let Some(running) = &state.running {
                    running.core.machine().set_lifetime_max(most);
                }
            }
            TurnFault::Stop { away } => {
                let was_running = state.running.take().is_some();
                match away {
                    None => state.stopped = true,
                    Some(away) => state.back_at = state.back_at.max(Some(at + away)),
                }
                if was_running && !state.stopped {
                    let turn = self.clone();
                    state.restart = Some(self.runtime.spawn(async move { turn.come_back().await }));
                }
            }
        }
    }

    async fn come_back(self: Arc<Self>) {
        loop {
            let until = self.state().back_at.filter(|at| *at > TokioInstant::now());
            let Some(until) = until else { break };
            tokio::time::sleep_until(until).await;
        }
        for _ in 0..PORT_ATTEMPTS {
            match self.bind().await {
                Ok(sockets) => {
                    let mut state = self.state();
                    if state.stopped {
                        return;
                    }
                    match self.run(sockets) {
                        Ok(running) => {
                            state
                                .quota
                                .into_iter()
                                .for_each(|most| running.core.machine().set_quota(most));
                            let lifetime = state.lifetime.into_iter();
                            lifetime.for_each(|most| running.core.machine().set_lifetime_max(most));
                            state.running = Some(running);
                        }
                        Err(error) => tracing::error!(%error, "the bundled TURN server does not come back"),
                    }
                    return;
                }
                Err(error) => tracing::debug!(%error, "the bundled TURN server's ports are not free yet"),
            }
            tokio::time::sleep(PORT_PAUSE).await;
        }
        tracing::error!("the bundled TURN server does not get its ports back");
    }

    /// Ends it for good.
    pub fn shutdown(&self) {
        let mut state = self.state();
        state.stopped = true;
        if let Some(restart) = state.restart.take() {
            restart.abort();
        }
        state.running = None;
    }

    async fn bind(&self) -> io::Result<Sockets> {
        let tcp = TcpListener::bind(self.plain).await?;
        Ok(Sockets {
            udp: UdpSocket::bind(tcp.local_addr()?).await?,
            tcp,
            tls: TcpListener::bind(self.tls).await?,
        })
    }

    fn run(self: &Arc<Self>, sockets: Sockets) -> io::Result<Running> {
        let crypto = default_provider().map_err(|error| io::Error::other(error.to_string()))?;
        let mut random = [0; 16];
        crypto
            .random()
            .fill(&mut random)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (secret, started_unix) = (self.secret.clone(), self.started_unix);
        let passwords = move |user: &str, now: Instant| {
            let ends: u64 = user.split(':').next()?.parse().ok()?;
            let now = started_unix + now.elapsed();
            (now.as_secs() < ends).then(|| secret.password(user))
        };
        let core = Arc::new(Core {
            machine: Mutex::new(Server::new(crypto, nonce, Box::new(passwords))),
            udp: sockets.udp,
            sockets: Mutex::default(),
            started: self.started,
            runtime: self.runtime.clone(),
        });
        let spawn = |task: crate::world::BoxFuture<()>| self.runtime.spawn(task).abort_handle();
        let acceptor = self.acceptor.clone();
        let tasks = vec![
            spawn(Box::pin(core.clone().serve_datagrams())),
            spawn(Box::pin(core.clone().accept(sockets.tcp, None))),
            spawn(Box::pin(core.clone().accept(sockets.tls, Some(acceptor)))),
            spawn(Box::pin(core.clone().keep_time())),
        ];
        Ok(Running { core, tasks })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    tls: TcpListener,
}

/// The machine, and the sockets that it speaks by.
struct Core {
    machine: Mutex<Server>,
    udp: UdpSocket,
    sockets: Mutex<Open>,
    started: TokioInstant,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct Open {
    streams: BTreeMap<Client, (mpsc::Sender<Vec<u8>>, AbortHandle)>,
    relays: BTreeMap<Client, (Arc<UdpSocket>, AbortHandle)>,
    ended: bool,
}

impl Core {
    fn machine(&self) -> MutexGuard<'_, Server> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant::START + self.started.elapsed()
    }

    /// As a process ends: every socket is gone.
    fn end(&self) {
        let mut open = self.open();
        open.ended = true;
        for (_, (_, task)) in std::mem::take(&mut open.streams) {
            task.abort();
        }
        for (_, (_, task)) in std::mem::take(&mut open.relays) {
            task.abort();
        }
    }

    /// Tells the machine something, and does what it wants.
    fn tell(self: &Arc<Self>, what: impl FnOnce(&mut Server, Instant)) {
        let mut machine = self.machine();
        what(&mut machine, self.now());
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send { client, bytes } => self.send(client, &bytes),
                Output::OpenRelay { client } => {
                    let relayed = self.open_relay(client);
                    if let Err(error) = &relayed {
                        tracing::debug!(%error, "no relayed address");
                    }
                    machine.relay_opened(client, relayed.ok());
                }
                Output::Relay { client, to, data } => {
                    if let Some((relay, _)) = self.open().relays.get(&client) {
                        let _ = relay.try_send_to(&data, to);
                    }
                }
                Output::CloseRelay { client } => {
                    if let Some((_, task)) = self.open().relays.remove(&client) {
                        task.abort();
                    }
                }
            }
        }
    }

    /// What the socket does not take is lost, as any datagram may be.
    fn send(&self, client: Client, bytes: &[u8]) {
        if !client.stream {
            let _ = self.udp.try_send_to(bytes, client.addr);
        } else if let (Some(framed), Some((stream, _))) = (frame(bytes), self.open().streams.get(&client)) {
            let _ = stream.try_send(framed);
        }
    }

    fn open_relay(self: &Arc<Self>, client: Client) -> io::Result<SocketAddr> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let relay = Arc::new(UdpSocket::from_std(socket)?);
        let (core, socket) = (self.clone(), relay.clone());
        let task = self.runtime.spawn(async move {
            let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
            loop {
                // An error is some peer's port that is closed by now.
                if let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                    core.tell(|machine, now| machine.from_peer(client, peer, &buffer[..length], now));
                }
            }
        });
        let relayed = relay.local_addr()?;
        let mut open = self.open();
        match open.ended {
            true => task.abort(),
            false => {
                open.relays.insert(client, (relay, task.abort_handle()));
            }
        }
        Ok(relayed)
    }

    async fn serve_datagrams(self: Arc<Self>) {
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            // An error is some client's port that is closed by now.
            if let Ok((length, addr)) = self.udp.recv_from(&mut buffer).await {
                let client = Client { addr, stream: false };
                self.tell(|machine, now| machine.from_client(client, &buffer[..length], now));
            }
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        loop {
            match listener.accept().await {
                Ok((stream, addr)) => self.serve_stream(stream, addr, tls.clone()),
                // No file is left to be opened: it will be, when others are closed.
                Err(_) => tokio::time::sleep(TICK).await,
            }
        }
    }

    fn serve_stream(self: &Arc<Self>, stream: TcpStream, addr: SocketAddr, tls: Option<TlsAcceptor>) {
        let client = Client { addr, stream: true };
        let (sender, outgoing) = mpsc::channel(MAX_OUTGOING);
        let core = self.clone();
        let mut open = self.open();
        if open.ended {
            return;
        }
        let task = self.runtime.spawn(async move {
            let _ = stream.set_nodelay(true);
            let served = match tls {
                None => core.clone().exchange(client, Box::new(stream), outgoing).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => core.clone().exchange(client, Box::new(stream), outgoing).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = served {
                tracing::debug!(%addr, %error, "a TURN client's stream has ended");
            }
            core.tell(|machine, _| machine.stream_closed(client));
            core.open().streams.remove(&client);
        });
        open.streams.insert(client, (sender, task.abort_handle()));
    }

    async fn exchange(
        self: Arc<Self>,
        client: Client,
        stream: Box<dyn ByteStream>,
        mut outgoing: mpsc::Receiver<Vec<u8>>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = async {
            let (mut deframer, mut bytes) = (Deframer::default(), vec![0; READ_BYTES]);
            loop {
                let length = reader.read(&mut bytes).await?;
                if length == 0 {
                    return Ok(());
                }
                deframer.take_in(&bytes[..length]);
                loop {
                    match deframer.next_message() {
                        Ok(Some(message)) => {
                            self.tell(|machine, now| machine.from_client(client, &message, now));
                        }
                        Ok(None) => break,
                        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                    }
                }
            }
        };
        let writing = async {
            while let Some(message) = outgoing.recv().await {
                writer.write_all(&message).await?;
                writer.flush().await?;
            }
            Ok(())
        };
        tokio::select! {
            ended = reading => ended,
            ended = writing => ended,
        }
    }

    async fn keep_time(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            self.tell(|machine, now| machine.handle_timeout(now));
        }
    }
}
