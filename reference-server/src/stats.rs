use std::collections::BTreeMap;

use crate::room::HubStats;

/// What a server has counted since it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerStats {
    /// What the rooms counted.
    pub hub: HubStats,
    /// Sockets that were opened.
    pub sockets_opened: u64,
    /// Sockets that ended, by how: `left`, `broken`, `silent`, `slow`, `taken-over`, `too-big`, `not-utf8`,
    /// `broken-frame`, `shutdown`.
    pub sockets_closed: BTreeMap<&'static str, u64>,
    /// Requests for a socket that got none, by why: `origin`, `sockets` (there are too many), `shutdown`.
    pub sockets_refused: BTreeMap<&'static str, u64>,
    /// Clients closed with 1013 because they did not read what they were sent.
    pub slow_clients: u64,
    /// Frames that wait now, for all clients.
    pub queue_frames: usize,
    /// What they are long, in bytes: until it is written to its socket, a frame waits.
    pub queue_bytes: usize,
    /// The most frames that ever waited for one client.
    pub queue_frames_high_water: usize,
    /// Connections that came to no request: no TLS, or no HTTP.
    pub connections_failed: u64,
    /// TURN credentials that were given out.
    pub turn_credentials: u64,
}
