use std::{fmt::Display, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    Config, ServerStats,
    flow::Flow,
    gate::Line,
    http,
    room::{RoomRoster, TokenSeed},
    shared::{Alive, Shared},
};

/// Connections that the OS completes before they are accepted; it may have a lower limit of its own
/// (`net.core.somaxconn`, 4096 on Linux). One more gets no answer, and asks again only after a second.
const BACKLOG: u32 = 4_096;
/// How long a client may take to send the head of a request.
const REQUEST_HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long a client may take to shake hands.
const TLS_HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long requests that are under way at a shutdown may take.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(1);
/// The pause after the OS could not accept a connection (no file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that has its port and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    config: Config,
    token_seed: TokenSeed,
}

/// A server that serves.
///
/// Dropped, it stops without waiting for anything; [`Handle::shutdown`] stops it and waits.
pub struct Handle {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tasks: JoinSet<()>,
    alive: mpsc::Receiver<std::convert::Infallible>,
}

impl Server {
    /// Takes the address; port 0 takes a free one. Membership tokens are seeded by the OS.
    ///
    /// # Errors
    /// The address is not to be had, or the OS has no randomness.
    pub async fn bind(addr: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let listener = listen(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self {
            listener,
            addr,
            config,
            token_seed: seed.into(),
        })
    }

    /// The address that it has.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts to serve, in tasks of the current tokio runtime.
    pub fn spawn(self) -> Handle {
        let (alive, alive_out) = mpsc::channel(1);
        let shared = Arc::new(Shared::new(self.config, self.token_seed, alive.clone()));
        let mut tasks = JoinSet::new();
        let timers = shared.clone();
        tasks.spawn(async move {
            let mut flow = timers.flow.watch();
            tokio::select! {
                () = timers.run_timers() => {}
                _ = flow.over() => {}
            }
        });
        tasks.spawn(accept(self.listener, shared.clone(), alive));
        Handle {
            shared,
            addr: self.addr,
            tasks,
            alive: alive_out,
        }
    }
}

impl Handle {
    /// The address that it serves.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The WebSocket's URL, as a client on this machine writes it.
    pub fn url(&self) -> String {
        format!("{}://{}/ws/", self.shared.config.scheme(), self.addr)
    }

    /// The URL of the page for people, as a browser on this machine opens it.
    pub fn page(&self) -> String {
        let scheme = self.shared.config.scheme().replace("ws", "http");
        format!("{scheme}://{}/", self.addr)
    }

    /// All rooms by id, with their members in the order in which they joined.
    pub fn rooms(&self) -> Vec<RoomRoster> {
        self.shared.read(|hub| hub.rooms())
    }

    /// One room.
    pub fn room(&self, id: &str) -> Option<RoomRoster> {
        self.shared.read(|hub| hub.room(id))
    }

    /// The counters.
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// Paused, the server stands still like a process that is stopped: it accepts, reads, answers and writes
    /// nothing, and no time-out of its own runs out. What clients send waits in the buffers of the OS. When
    /// it goes on, it does so with all of that. A shutdown ends a pause.
    pub fn pause(&self, paused: bool) {
        self.shared.flow.pause(paused);
    }

    /// From here on it takes so much longer over each frame of a client's; those of others it reads beside. Zero is
    /// no longer than it needs.
    pub fn slow(&self, by: Duration) {
        self.shared.slow(by);
    }

    /// Drops the port and every socket where they are, without a close frame, as if the process had been
    /// killed. It does not wait; [`Handle::shutdown`] afterwards does, and then the port is free. The rosters
    /// and counters stay as they were.
    pub fn kill(&self) {
        self.shared.flow.kill();
        self.shared.forget_clients();
    }

    /// Closes every client with 1001 and the port; when it returns, no task, socket or timer is left.
    /// Clients that do not answer are dropped after a second.
    pub async fn shutdown(mut self) {
        self.shared.flow.stop();
        self.shared.close();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the server failed");
            }
        }
        // Ends when the last WebSocket task has dropped its end.
        while self.alive.recv().await.is_some() {}
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.flow.stop();
        self.shared.close();
    }
}

/// Listens at the first address that is to be had.
async fn listen(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for addr in lookup_host(addr).await? {
        match listen_at(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_at(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As the OS's own listeners do: a port whose last connections are still winding down can be had.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, _alive: Alive) {
    let router = http::router(shared.clone());
    let mut connections = JoinSet::new();
    let mut flow = shared.flow.watch();
    let end = loop {
        match flow.unpaused().await {
            Flow::Running | Flow::Paused => {}
            end @ (Flow::Stopping | Flow::Killed) => break end,
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), shared.clone()));
                }
                Err(error) => {
                    if let Some(suppressed) = shared.may_log(Line::Connection) {
                        tracing::warn!(%error, suppressed, "cannot accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = flow.changed() => {}
        }
    };
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let patience = match end {
        Flow::Killed => Duration::ZERO,
        _ => SHUTDOWN_WAIT,
    };
    tokio::select! {
        ended = tokio::time::timeout(patience, ended) => drop(ended),
        () = flow.killed() => {}
    }
    connections.shutdown().await;
}

/// Serves the requests of one connection. One that becomes a WebSocket goes on in a task of its own.
async fn connection(stream: TcpStream, router: Router, shared: Arc<Shared>) {
    // Small frames must not wait for acknowledgements of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection is gone already");
    }
    match &shared.config.tls {
        None => serve(stream, router, &shared).await,
        Some(tls) => {
            let stream = tokio::select! {
                stream = tokio::time::timeout(TLS_HANDSHAKE_WAIT, tls.accept(stream)) => stream,
                _ = async { shared.flow.watch().over().await } => return,
            };
            match stream {
                Ok(Ok(stream)) => serve(stream, router, &shared).await,
                Ok(Err(error)) => broke_off(&shared, &error),
                Err(_) => broke_off(&shared, &"the TLS handshake took too long"),
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    shared: &Shared,
) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_WAIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = async { shared.flow.watch().over().await } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        broke_off(shared, &error);
    }
}

fn broke_off(shared: &Shared, error: &dyn Display) {
    shared.count(|stats| stats.connections_failed += 1);
    if tracing::enabled!(tracing::Level::DEBUG)
        && let Some(suppressed) = shared.may_log(Line::Connection)
    {
        tracing::debug!(%error, suppressed, "a connection broke off");
    }
}
