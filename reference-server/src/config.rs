use crate::{AllowOrigins, Tls, TurnConfig, limits::SocketLimits, room::HubConfig};

/// What a [`Server`](crate::Server) is told once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The rooms.
    pub hub: HubConfig,
    /// `WEBSOCKET_URL` of `/api/config`; `None`: `ws://` (with TLS `wss://`), the `Host` of the request, `/ws/`.
    pub websocket_url: Option<String>,
    /// `STUN_SERVERS` of `/api/config`.
    pub stun_servers: Vec<String>,
    /// Credentials of a TURN server that are given out; by default there are none.
    pub turn: Option<TurnConfig>,
    /// TLS; by default there is none.
    pub tls: Option<Tls>,
    /// Whose pages may open a socket; by default any may.
    pub allow_origins: AllowOrigins,
    /// What the sockets bear.
    pub sockets: SocketLimits,
}

impl Config {
    /// The scheme of the WebSocket's URL.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "wss",
            None => "ws",
        }
    }
}
