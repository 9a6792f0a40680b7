//! Which pairs of peers can't connect, whatever their clients do.

use std::fmt;

use super::{PeerPlan, Plan};
use crate::{
    base::PeerId,
    impair::{NatKind, can_connect},
    scenario::IceServers,
};

/// Why two peers can't connect: nothing that a client does helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPath {
    /// What each is behind.
    pub nats: [NatKind; 2],
}

impl fmt::Display for NoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.nats.map(|kind| kind.name().replace('_', "-"));
        let both = match one == other {
            true => format!("both are behind {one} NATs"),
            false => format!("one is behind a {one} NAT, the other behind a {other} one"),
        };
        write!(f, "no path between them: {both}, and no relay is configured")
    }
}

impl Plan {
    /// Why two peers of one room can't connect, if they can't: their NATs let no first datagram through
    /// ([`can_connect`]), and neither has a relay.
    pub fn no_path(&self, one: PeerId, other: PeerId) -> Option<NoPath> {
        let [one, other] = [one, other].map(|peer| self.peers.get(peer.index()));
        let (one, other) = one.zip(other)?;
        let nats = one.nat?.kind;
        let nats = [nats, other.nat?.kind];
        let apart = one.room == other.room && !can_connect(Some(nats[0]), Some(nats[1]));
        (apart && !one.shares_nat_with(other) && !one.has_relay() && !other.has_relay())
            .then_some(NoPath { nats })
    }

    /// Every pair of peers of one room that can't connect, the lower id first.
    pub fn pairs_without_path(&self) -> impl Iterator<Item = (PeerId, PeerId, NoPath)> {
        let pairs = self.rooms.iter().flat_map(|room| {
            let peers = room.peers.iter().enumerate();
            peers.flat_map(|(nth, one)| room.peers[nth + 1..].iter().map(|other| (*one, *other)))
        });
        pairs.filter_map(|(one, other)| Some((one, other, self.no_path(one, other)?)))
    }
}

impl PeerPlan {
    /// Whether both are behind the same NAT.
    fn shares_nat_with(&self, other: &Self) -> bool {
        let shared = |peer: &Self| peer.nat.is_some_and(|nat| nat.shared);
        shared(self) && shared(other) && self.group == other.group
    }

    /// Whether it has a TURN server. NATs are simulated, and there the bundled one is all that can be reached.
    fn has_relay(&self) -> bool {
        self.ice.servers == IceServers::Bundled
    }
}
