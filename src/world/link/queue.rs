use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use webrtc::runtime::{EcnCodepoint, RecvMeta};

use crate::base::Instant;

/// Datagrams on their way through one socket in one direction; one more is dropped and counted. About 5 MB
/// of full datagrams: 100 ms at 400 Mbit/s.
pub(super) const MAX_HELD: usize = 4_096;

/// Datagrams in the order in which they come out: when they are due, then as they went in.
pub(super) struct Queue<T> {
    datagrams: BTreeMap<(Instant, u64), T>,
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            datagrams: BTreeMap::new(),
            sequence: 0,
        }
    }
}

impl<T> Queue<T> {
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Takes a datagram in; `false` if there is no room.
    pub fn push(&mut self, due: Instant, datagram: T) -> bool {
        let room = self.datagrams.len() < MAX_HELD;
        if room {
            self.datagrams.insert((due, self.sequence), datagram);
            self.sequence += 1;
        }
        room
    }

    /// When the first is due.
    pub fn due_at(&self) -> Option<Instant> {
        self.datagrams.first_key_value().map(|((due, _), _)| *due)
    }

    /// The first, if it is due.
    pub fn first_due(&self, now: Instant) -> Option<&T> {
        let ((due, _), datagram) = self.datagrams.first_key_value()?;
        (*due <= now).then_some(datagram)
    }

    /// Takes the first out, if it is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let first = self.datagrams.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

pub(super) struct Outgoing {
    pub to: SocketAddr,
    pub from: Option<IpAddr>,
    pub ecn: Option<EcnCodepoint>,
    pub contents: Vec<u8>,
}

pub(super) struct Incoming {
    pub meta: RecvMeta,
    pub contents: Vec<u8>,
}
