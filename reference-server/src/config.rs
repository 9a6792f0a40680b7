use crate::room::HubConfig;

/// What a [`Server`](crate::Server) is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The rooms.
    pub hub: HubConfig,
    /// `WEBSOCKET_URL` of `/api/config`; `None`: `ws://`, the `Host` of the request, `/ws/`.
    pub websocket_url: Option<String>,
    /// `STUN_SERVERS` of `/api/config`.
    pub stun_servers: Vec<String>,
    /// Frames that may wait for one client, at least 1. One more, and its socket is closed with 1013.
    pub queue_frames: usize,
}

impl Config {
    /// A member of a mesh of 1,000 that joins at once gets 2,000 notices and some thousand offers, answers
    /// and candidates; if it reads at all, far fewer of them wait at a time.
    pub const QUEUE_FRAMES_DEFAULT: usize = 8_192;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hub: HubConfig::default(),
            websocket_url: None,
            stun_servers: Vec::new(),
            queue_frames: Self::QUEUE_FRAMES_DEFAULT,
        }
    }
}
