//! What comes in over a peer's signaling sockets, and what of it is no use to its room.

use std::time::Duration;

use super::machine::Peer;
use crate::{base::Instant, metrics::EventKind, signaling::Waste};

/// How long what has come in may go untold: a run that is killed has lost no more than that.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Frames and the bytes of their texts.
#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    frames: u64,
    bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }
}

/// What has come in and is not told yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    all: Amount,
    other_room: Amount,
    other_member: Amount,
    server: Amount,
    /// When the first of it came in.
    since: Option<Instant>,
}

impl Peer {
    /// A frame of so many bytes has come in.
    pub(super) fn count_received(&mut self, bytes: usize, waste: Option<Waste>, now: Instant) {
        let incoming = &mut self.incoming;
        incoming.all.add(bytes);
        match waste {
            None => {}
            Some(Waste::OtherRoom) => incoming.other_room.add(bytes),
            Some(Waste::OtherMember) => incoming.other_member.add(bytes),
            Some(Waste::Server) => incoming.server.add(bytes),
        }
        if now.since(*incoming.since.get_or_insert(now)) >= TELL_EVERY {
            self.tell_received();
        }
    }

    /// Tells what has come in since it was last told, if anything has.
    pub(super) fn tell_received(&mut self) {
        let Incoming {
            all,
            other_room,
            other_member,
            server,
            since,
        } = std::mem::take(&mut self.incoming);
        if since.is_some() {
            self.event(EventKind::SignalingReceived {
                frames: all.frames,
                bytes: all.bytes,
                other_room_frames: other_room.frames,
                other_room_bytes: other_room.bytes,
                other_member_frames: other_member.frames,
                other_member_bytes: other_member.bytes,
                server_frames: server.frames,
                server_bytes: server.bytes,
            });
        }
    }
}
