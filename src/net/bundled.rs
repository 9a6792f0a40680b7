use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reference_server::{Config, Handle, Server, room::RoomRoster};
use tokio::net::TcpSocket;

/// Between two attempts to get the port back.
const PORT_PAUSE: Duration = Duration::from_millis(10);
/// How often that is tried: for 10 s.
const PORT_ATTEMPTS: u32 = 1_000;

/// The server that is started for a run, in this process, at an address that stays the same.
pub struct Bundled {
    addr: SocketAddr,
    url: String,
    page: String,
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` while it is away.
    server: Option<Handle>,
    /// Its port meanwhile.
    reserved: Option<TcpSocket>,
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
            page: server.page(),
            config,
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

    /// Its page for people.
    pub fn page(&self) -> String {
        self.page.clone()
    }

    /// Where it tells what it holds.
    pub(super) fn metrics(&self) -> String {
        format!("http://{}/metrics", self.addr)
    }

    /// The user ids in a room; nobody is in a room that is not there.
    pub fn roster(&self, room: &str) -> Vec<String> {
        let state = self.state();
        let roster = state.server.as_ref().and_then(|server| server.room(room));
        roster.map(RoomRoster::into_user_ids).unwrap_or_default()
    }

    /// Ends as a killed process does. Nobody else gets the port until there is another one, and who asks for it is
    /// refused.
    pub(super) async fn stop(&self) {
        let server = self.state().server.take();
        if let Some(server) = server {
            server.kill();
            server.shutdown().await;
            let reserved = reserve(self.addr);
            self.state().reserved = reserved.ok();
        }
    }

    /// Another one, which knows nothing, at the same address.
    ///
    /// # Errors
    /// The port is not to be had again.
    pub(super) async fn come_back(&self) -> Result<(), String> {
        drop(self.state().reserved.take());
        for _ in 0..PORT_ATTEMPTS {
            match Server::bind(self.addr, self.config.clone()).await {
                Ok(server) => {
                    self.state().server = Some(server.spawn());
                    return Ok(());
                }
                Err(error) => tracing::debug!(%error, "the bundled server's port is not free yet"),
            }
            tokio::time::sleep(PORT_PAUSE).await;
        }
        Err("the bundled server does not get its port back".to_owned())
    }

    /// It stands still, or goes on.
    pub(super) fn pause(&self, paused: bool) {
        if let Some(server) = &self.state().server {
            server.pause(paused);
        }
    }

    /// Over each frame it takes so much longer from here on.
    pub(super) fn slow(&self, by: Duration) {
        if let Some(server) = &self.state().server {
            server.slow(by);
        }
    }

    /// Ends it for good; nothing of it is left then.
    pub async fn shutdown(&self) {
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
