//! What a TURN server (RFC 8656) keeps for one client: permissions and channels, each with its end.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rtc::stun::message::TransactionId;

use crate::base::Instant;

/// How long a permission lasts (RFC 8656, section 9).
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// How long a channel lasts (section 12).
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Permissions, and channels, that one allocation has at most.
pub(super) const MAX_PEERS_OF_ALLOCATION: usize = 256;

/// There is no room for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The client's or the peer's end of a channel is in use for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelRefused {
    Taken,
    Full,
}

/// One relayed address.
pub(super) struct Allocation {
    pub relayed: SocketAddr,
    /// Whose credentials it was made with.
    pub user: String,
    /// That of the request that made it: repeated, it has its answer again.
    pub made_by: TransactionId,
    pub until: Instant,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

impl Allocation {
    pub fn new(relayed: SocketAddr, user: String, made_by: TransactionId, until: Instant) -> Self {
        Self {
            relayed,
            user,
            made_by,
            until,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }

    /// Makes or renews a permission.
    pub fn permit(&mut self, peer: IpAddr, now: Instant) -> Result<(), Full> {
        self.permissions.retain(|_, until| now < *until);
        if self.permissions.len() >= MAX_PEERS_OF_ALLOCATION && !self.permissions.contains_key(&peer) {
            return Err(Full);
        }
        self.permissions.insert(peer, now + PERMISSION_LIFETIME);
        Ok(())
    }

    pub fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.get(&peer).is_some_and(|until| now < *until)
    }

    /// Binds a channel or renews it, and the permission with it.
    pub fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) -> Result<(), ChannelRefused> {
        self.channels.retain(|_, (_, until)| now < *until);
        let other =
            |(taken, (bound, _)): (&u16, &(SocketAddr, Instant))| (*taken == number) != (*bound == peer);
        if self.channels.iter().any(other) {
            return Err(ChannelRefused::Taken);
        }
        if self.channels.len() >= MAX_PEERS_OF_ALLOCATION && !self.channels.contains_key(&number) {
            return Err(ChannelRefused::Full);
        }
        self.permit(peer.ip(), now).map_err(|Full| ChannelRefused::Full)?;
        self.channels.insert(number, (peer, now + CHANNEL_LIFETIME));
        Ok(())
    }

    /// Whom a channel leads to.
    pub fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let (peer, until) = self.channels.get(&number)?;
        (now < *until).then_some(*peer)
    }

    /// The channel that leads to a peer.
    pub fn channel_to(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let mut channels = self.channels.iter();
        let found = channels.find(|(_, (bound, until))| *bound == peer && now < *until);
        found.map(|(number, _)| *number)
    }
}
