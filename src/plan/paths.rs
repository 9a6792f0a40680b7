//! Which pairs of peers can't connect, whatever their clients do.

use std::fmt;

use super::{PeerPlan, Plan};
use crate::{
    base::{IceUrl, PeerId},
    impair::{NatKind, can_connect},
    scenario::{IcePolicy, IceServers, TurnTransport},
};

/// Why two peers can't connect: nothing that a client does helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPath {
    /// No first datagram gets through their NATs.
    Nats {
        /// What each is behind.
        nats: [NatKind; 2],
        /// What has become of the relay.
        relay: Relay,
    },
    /// One of them may use relays only, and there is none any more.
    RelayOnly,
    /// No UDP of this one passes any more, and it has no relay that is reached over TCP or TLS.
    UdpBlocked(PeerId),
}

/// Why there is no relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relay {
    /// None is configured.
    NotConfigured,
    /// A step has stopped it for good.
    Stopped,
}

impl fmt::Display for NoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no path between them: ")?;
        match self {
            Self::Nats { nats, relay } => {
                let [one, other] = nats.map(|kind| kind.name().replace('_', "-"));
                match one == other {
                    true => write!(f, "both are behind {one} NATs")?,
                    false => write!(f, "one is behind a {one} NAT, the other behind a {other} one")?,
                }
                f.write_str(match relay {
                    Relay::NotConfigured => ", and no relay is configured",
                    Relay::Stopped => ", and the relay has been stopped for good",
                })
            }
            Self::RelayOnly => f.write_str("only a relay may be used, and it has been stopped for good"),
            Self::UdpBlocked(peer) => write!(
                f,
                "UDP of {peer} is blocked for good, and it has no relay over TCP or TLS"
            ),
        }
    }
}

impl Plan {
    /// Why two peers of one room can't connect, if they can't: their NATs let no first datagram through
    /// ([`can_connect`]), and neither has a relay.
    pub fn no_path(&self, one: PeerId, other: PeerId) -> Option<NoPath> {
        let (one, other) = self.roommates(one, other)?;
        let nats = one.nats_apart(other)?;
        let relay = Relay::NotConfigured;
        (!one.has_relay() && !other.has_relay()).then_some(NoPath::Nats { nats, relay })
    }

    /// Every pair of peers of one room that can't connect, the lower id first.
    pub fn pairs_without_path(&self) -> impl Iterator<Item = (PeerId, PeerId, NoPath)> {
        self.pairs()
            .filter_map(|(one, other)| Some((one, other, self.no_path(one, other)?)))
    }

    /// Every pair that can't connect once the bundled TURN server is gone for good, the lower id first; without those
    /// that never could.
    pub fn pairs_without_turn(&self) -> impl Iterator<Item = (PeerId, PeerId, NoPath)> {
        self.pairs()
            .filter_map(|(one, other)| Some((one, other, self.no_path_without_turn(one, other)?)))
    }

    fn no_path_without_turn(&self, one: PeerId, other: PeerId) -> Option<NoPath> {
        let (one, other) = self.roommates(one, other)?;
        let only_relays = |peer: &PeerPlan| peer.has_relay() && peer.ice.policy == IcePolicy::Relay;
        if only_relays(one) || only_relays(other) {
            return Some(NoPath::RelayOnly);
        }
        let nats = one.nats_apart(other)?;
        let relay = Relay::Stopped;
        (one.has_relay() || other.has_relay()).then_some(NoPath::Nats { nats, relay })
    }

    /// Every pair of a peer that can't connect once no UDP of that peer passes any more, the lower id first.
    pub fn pairs_without_udp(&self, peer: PeerId) -> Vec<(PeerId, PeerId, NoPath)> {
        let Some(plan) = self.peers.get(peer.index()) else {
            return Vec::new();
        };
        if plan.has_relay_by_stream() {
            return Vec::new();
        }
        let room = self.rooms.iter().find(|room| room.id == plan.room);
        let mates = room.into_iter().flat_map(|room| &room.peers);
        let others = mates.copied().filter(|mate| *mate != peer);
        let why = NoPath::UdpBlocked(peer);
        others.map(|mate| (mate.min(peer), mate.max(peer), why)).collect()
    }

    fn roommates(&self, one: PeerId, other: PeerId) -> Option<(&PeerPlan, &PeerPlan)> {
        let [one, other] = [one, other].map(|peer| self.peers.get(peer.index()));
        let (one, other) = one.zip(other)?;
        (one.room == other.room).then_some((one, other))
    }

    /// Of every room, the lower id first.
    fn pairs(&self) -> impl Iterator<Item = (PeerId, PeerId)> {
        self.rooms.iter().flat_map(|room| {
            let peers = room.peers.iter().enumerate();
            peers.flat_map(|(nth, one)| room.peers[nth + 1..].iter().map(|other| (*one, *other)))
        })
    }
}

impl PeerPlan {
    /// The NATs that keep the two apart, if they do.
    fn nats_apart(&self, other: &Self) -> Option<[NatKind; 2]> {
        let nats = [self.nat?.kind, other.nat?.kind];
        let apart = !can_connect(Some(nats[0]), Some(nats[1]));
        (apart && !self.shares_nat_with(other)).then_some(nats)
    }

    /// Whether both are behind the same NAT.
    fn shares_nat_with(&self, other: &Self) -> bool {
        let shared = |peer: &Self| peer.nat.is_some_and(|nat| nat.shared);
        shared(self) && shared(other) && self.group == other.group
    }

    /// Whether it has a TURN server. NATs are simulated, and there the bundled one is all that can be reached.
    fn has_relay(&self) -> bool {
        self.ice.servers == IceServers::Bundled
    }

    /// Whether it has a TURN server that is not reached by UDP. Of named servers nobody knows whether they are there:
    /// one is enough. What is offered is not known yet.
    fn has_relay_by_stream(&self) -> bool {
        match &self.ice.servers {
            IceServers::None => false,
            IceServers::Bundled => self.ice.transport != TurnTransport::Udp,
            IceServers::Offered => true,
            IceServers::Named(servers) => servers.iter().any(|server| {
                let by_stream = |url: &IceUrl| {
                    let url = url.to_string();
                    url.starts_with("turns:") || url.contains("transport=tcp")
                };
                // Where they are is known once they are fetched.
                server.relays().is_none() || server.urls.iter().any(by_stream)
            }),
        }
    }
}
