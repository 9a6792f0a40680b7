use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reference_server::{Config, Handle, Server, room::RoomRoster};
use tokio::{net::TcpSocket, task::JoinHandle, time::Instant};

/// Between two attempts to get the port back.
const PORT_PAUSE: Duration = Duration::from_millis(10);
/// How often that is tried: for 10 s.
const PORT_ATTEMPTS: u32 = 1_000;

/// The server that is started for a run, in this process, at an address that stays the same.
pub struct Bundled {
    addr: SocketAddr,
    url: String,
    config: Config,
    /// Where its tasks are: those of peers, who ask for a restart, end before it does.
    runtime: tokio::runtime::Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` while it is away.
    server: Option<Handle>,
    back_at: Option<Instant>,
    /// Brings it back.
    restart: Option<JoinHandle<()>>,
}

impl Bundled {
    /// Starts it on a free port of the loopback, in the current tokio runtime.
    ///
    /// # Errors
    /// There is no port, or no randomness.
    pub async fn start(config: Config) -> io::Result<Arc<Self>> {
        let server = Server::bind("127.0.0.1:0", config.clone()).await?.spawn();
        Ok(Arc::new(Self {
            addr: server.local_addr(),
            url: server.url(),
            config,
            runtime: tokio::runtime::Handle::current(),
            state: Mutex::new(State {
                server: Some(server),
                ..State::default()
            }),
        }))
    }

    /// The WebSocket's URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The user ids in a room; nobody is in a room that is not there.
    pub fn roster(&self, room: &str) -> Vec<String> {
        let state = self.state();
        let roster = state.server.as_ref().and_then(|server| server.room(room));
        roster.map(RoomRoster::into_user_ids).unwrap_or_default()
    }

    /// Ends as a killed process does, and is back at `until`, knowing nothing.
    pub(super) fn restart(self: &Arc<Self>, until: Instant) {
        let mut state = self.state();
        state.back_at = state.back_at.max(Some(until));
        // Without one it is away already, and comes back at the later instant.
        if let Some(server) = state.server.take() {
            server.kill();
            let bundled = self.clone();
            state.restart = Some(self.runtime.spawn(async move { bundled.come_back(server).await }));
        }
    }

    async fn come_back(self: Arc<Self>, killed: Handle) {
        killed.shutdown().await;
        // Nobody else gets the port meanwhile, and who asks for it is refused.
        let reserved = reserve(self.addr);
        loop {
            let until = self.state().back_at.filter(|at| *at > Instant::now());
            let Some(until) = until else { break };
            tokio::time::sleep_until(until).await;
        }
        drop(reserved);
        for _ in 0..PORT_ATTEMPTS {
            match Server::bind(self.addr, self.config.clone()).await {
                Ok(server) => {
                    self.state().server = Some(server.spawn());
                    return;
                }
                Err(error) => tracing::debug!(%error, "the bundled server's port is not free yet"),
            }
            tokio::time::sleep(PORT_PAUSE).await;
        }
        tracing::error!("the bundled server does not get its port back");
    }

    /// Ends it for good; nothing of it is left then.
    pub async fn shutdown(&self) {
        let restart = self.state().restart.take();
        if let Some(restart) = restart {
            restart.abort();
            let _ = restart.await;
        }
        let server = self.state().server.take();
        if let Some(server) = server {
            server.shutdown().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a port without listening on it.
fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
