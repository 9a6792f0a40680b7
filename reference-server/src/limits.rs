//! The limits that a server is told, by name, with their defaults. Those of single fields, which are part of
//! the protocol, are in [`protocol::limits`](crate::protocol::limits).
//!
//! A limit that is hit is answered to whoever hit it, or closes its socket; it is counted, and nobody else
//! notices.

use std::time::Duration;

use crate::protocol::limits::{FRAME_BYTES_MAX, PARTICIPANTS_MAX, ROOMS_MAX};

/// Frames that one socket may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Frames at once, at least 1.
    pub burst: u32,
    /// Frames per second in the long run.
    pub per_second: u32,
}

impl RateLimit {
    /// Seconds' worth of frames that [`RateLimit::per_second_in_bursts`] lets through at once.
    pub const BURST_SECONDS: u32 = 10;

    /// A rate, with bursts of ten seconds' worth.
    pub fn per_second_in_bursts(per_second: u32) -> Self {
        Self {
            burst: per_second.saturating_mul(Self::BURST_SECONDS),
            per_second,
        }
    }
}

impl Default for RateLimit {
    /// Who joins a mesh of 1,000 answers as many offers and sends some candidates for each: that passes.
    fn default() -> Self {
        Self::per_second_in_bursts(2_000)
    }
}

/// What the rooms bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomLimits {
    /// Bytes of a text frame from a client; a longer one closes its socket with 1009.
    pub frame_bytes_max: usize,
    /// Frames of one socket; further ones are refused with `rate-limited`. `None`: no limit. Without meaning
    /// in deployed mode, which has none.
    pub rate: Option<RateLimit>,
    /// Rooms; opening one more is refused with `limit-reached`.
    pub rooms_max: usize,
    /// Members that a room may ask for with `maxParticipants`: more are refused with `limit-reached`. A room
    /// that asks for none gets [`PARTICIPANTS_DEFAULT`](crate::protocol::limits::PARTICIPANTS_DEFAULT), or
    /// this if it is less. In deployed mode, where rooms are never full, the member that is one too many.
    pub members_per_room_max: u32,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            rate: Some(RateLimit::default()),
            rooms_max: ROOMS_MAX,
            members_per_room_max: PARTICIPANTS_MAX,
        }
    }
}

/// What the sockets bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketLimits {
    /// Sockets at once; a further one is closed with 1013.
    pub sockets_max: usize,
    /// Frames that may wait for one client, at least 1. One more, and its socket is closed with 1013.
    pub queue_frames_max: usize,
    /// Bytes of the frames that may wait for one client; one frame may always wait. More, and its socket is
    /// closed with 1013.
    pub queue_bytes_max: usize,
    /// How often a client is pinged; `None`: never. Without meaning in deployed mode, which pings nobody.
    pub ping_every: Option<Duration>,
    /// A client from which nothing came for so long, not even a pong, is gone: a half-open socket is no
    /// member. `None`: it stays as long as the OS keeps it, as it does in deployed mode.
    pub silence_max: Option<Duration>,
}

impl SocketLimits {
    /// Sockets at once.
    pub const SOCKETS_MAX_DEFAULT: usize = 100_000;
    /// A member of a mesh of 1,000 that joins at once gets 2,000 notices and some thousand offers, answers
    /// and candidates; if it reads at all, far fewer of them wait at a time.
    pub const QUEUE_FRAMES_MAX_DEFAULT: usize = 8_192;
    /// 128 frames of the greatest length. The limit of frames alone would let 2 GiB wait for one client.
    pub const QUEUE_BYTES_MAX_DEFAULT: usize = 32 * 1024 * 1024;
    /// Well below the idle time-outs of proxies, which begin at 60 s.
    pub const PING_EVERY_DEFAULT: Duration = Duration::from_secs(20);
    /// Three pings without an answer.
    pub const SILENCE_MAX_DEFAULT: Duration = Duration::from_secs(60);
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            sockets_max: Self::SOCKETS_MAX_DEFAULT,
            queue_frames_max: Self::QUEUE_FRAMES_MAX_DEFAULT,
            queue_bytes_max: Self::QUEUE_BYTES_MAX_DEFAULT,
            ping_every: Some(Self::PING_EVERY_DEFAULT),
            silence_max: Some(Self::SILENCE_MAX_DEFAULT),
        }
    }
}
