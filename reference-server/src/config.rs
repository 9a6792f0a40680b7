use crate::{AllowOrigins, limits::SocketLimits, room::HubConfig};

/// What a [`Server`](crate::Server) is told once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The rooms.
    pub hub: HubConfig,
    /// `WEBSOCKET_URL` of `/api/config`; `None`: `ws://`, the `Host` of the request, `/ws/`.
    pub websocket_url: Option<String>,
    /// `STUN_SERVERS` of `/api/config`.
    pub stun_servers: Vec<String>,
    /// Whose pages may open a socket; by default any may.
    pub allow_origins: AllowOrigins,
    /// What the sockets bear.
    pub sockets: SocketLimits,
}
