use std::collections::BTreeSet;

use crate::base::{Instant, PeerId};

/// Outages that are remembered at once, past ones and merged ones not counted.
pub const MAX_OUTAGES: usize = 256;

/// One outage more than [`MAX_OUTAGES`] was asked for; it is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_OUTAGES} outages of one peer at once")]
pub struct TooManyOutages;

/// Which of a peer's sockets an outage stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The UDP sockets of its connections.
    Media,
    /// The socket to the signaling server.
    Signaling,
    /// All of them.
    Both,
    /// The UDP sockets of its connections, but not what they carry over TCP or TLS to a TURN server.
    Udp,
}

impl Scope {
    fn stalls_media(self, carrier: Carrier) -> bool {
        match self {
            Self::Media | Self::Both => true,
            Self::Udp => carrier == Carrier::Udp,
            Self::Signaling => false,
        }
    }

    fn stalls_signaling(self) -> bool {
        matches!(self, Self::Signaling | Self::Both)
    }
}

/// Which way something passes, as its peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the peer.
    Out,
    /// To the peer.
    In,
}

/// What takes a datagram of a connection over the peer's access link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// UDP itself.
    Udp,
    /// A TCP or TLS connection to a TURN server (RFC 8656 section 3.1).
    Tcp,
}

/// Whom an outage cuts a peer off from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remotes {
    /// Everybody, the server included.
    All,
    /// These peers. The way to the server stays open: it is none of them.
    Only(BTreeSet<PeerId>),
}

impl Remotes {
    fn include(&self, remote: PeerId) -> bool {
        match self {
            Self::All => true,
            Self::Only(remotes) => remotes.contains(&remote),
        }
    }
}

/// How the way to the signaling server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalingPath {
    /// It carries.
    Open,
    /// Nothing passes before this instant.
    BlockedUntil(Instant),
    /// Nothing passes any more.
    Muted,
}

/// One thing that an outage cuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutting {
    /// Which of the peer's sockets.
    pub scope: Scope,
    /// From whom.
    pub remotes: Remotes,
    /// Which way; `None` is both.
    pub way: Option<Way>,
}

impl Cutting {
    /// These sockets from these, both ways.
    pub fn both_ways(scope: Scope, remotes: Remotes) -> Self {
        Self {
            scope,
            remotes,
            way: None,
        }
    }

    fn passes(&self, way: Option<Way>) -> bool {
        // Who asks about no way needs both.
        self.way.is_some() && way.is_some() && self.way != way
    }
}

/// A peer's network while it is away: every outage that was asked for, as a machine that is told the time.
///
/// An outage holds from its first instant up to, but not including, its last. Overlapping ones merge: the
/// network is back when the last of them is over.
#[derive(Debug, Clone, Default)]
pub struct Outages {
    outages: Vec<Outage>,
    muted: bool,
}

#[derive(Debug, Clone)]
struct Outage {
    what: Cutting,
    from: Instant,
    until: Instant,
}

impl Outage {
    fn holds(&self, at: Instant) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether the other one only makes this one longer.
    fn adjoins(&self, other: &Self) -> bool {
        self.what == other.what && self.from <= other.until && other.from <= self.until
    }
}

impl Outages {
    /// Cuts the network, both ways, from `from` until `until`. An empty interval cuts nothing.
    pub fn drop_network(
        &mut self,
        scope: Scope,
        remotes: Remotes,
        from: Instant,
        until: Instant,
    ) -> Result<(), TooManyOutages> {
        self.cut(Cutting::both_ways(scope, remotes), from, until)
    }

    /// Cuts that from `from` until `until`. An empty interval cuts nothing.
    pub fn cut(&mut self, what: Cutting, from: Instant, until: Instant) -> Result<(), TooManyOutages> {
        if until <= from || self.muted {
            return Ok(());
        }
        let mut outage = Outage { what, from, until };
        // What is over before this one begins can't be asked about any more: time only goes on.
        self.outages.retain(|earlier| earlier.until > from);
        while let Some(at) = self.outages.iter().position(|other| other.adjoins(&outage)) {
            let other = self.outages.swap_remove(at);
            outage.from = outage.from.min(other.from);
            outage.until = outage.until.max(other.until);
        }
        if self.outages.len() >= MAX_OUTAGES {
            return Err(TooManyOutages);
        }
        self.outages.push(outage);
        Ok(())
    }

    /// Cuts everything off for ever: a crashed peer answers nothing.
    pub fn mute(&mut self) {
        self.muted = true;
        self.outages = Vec::new();
    }

    /// Whether everything is cut off for ever.
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether datagrams of UDP to and from `remote` vanish, one way or the other.
    pub fn media_blocked(&self, remote: PeerId, now: Instant) -> bool {
        [Way::Out, Way::In]
            .into_iter()
            .any(|way| self.blocks(remote, way, Carrier::Udp, now))
    }

    /// Whether what passes between the peer and `remote` in that way, and is carried like that, vanishes.
    pub fn blocks(&self, remote: PeerId, way: Way, carrier: Carrier, now: Instant) -> bool {
        let cut = |o: &Outage| {
            o.what.scope.stalls_media(carrier)
                && o.holds(now)
                && o.what.remotes.include(remote)
                && !o.what.passes(Some(way))
        };
        self.muted || self.outages.iter().any(cut)
    }

    /// How the way to the server is there and back, and when it opens again if nothing else happens until then.
    pub fn signaling(&self, now: Instant) -> SignalingPath {
        self.signaling_one_way(None, now)
    }

    /// The same for what passes in that way; `None` is there and back, which a new connection needs.
    pub fn signaling_one_way(&self, way: Option<Way>, now: Instant) -> SignalingPath {
        self.one_way(now, |what| {
            what.scope.stalls_signaling() && what.remotes == Remotes::All && !what.passes(way)
        })
    }

    /// How the way between the peer and `remote` is for what is carried over TCP to a TURN server.
    pub fn relayed_one_way(&self, remote: PeerId, way: Way, now: Instant) -> SignalingPath {
        self.one_way(now, |what| {
            what.scope.stalls_media(Carrier::Tcp) && what.remotes.include(remote) && !what.passes(Some(way))
        })
    }

    fn one_way(&self, now: Instant, cut: impl Fn(&Cutting) -> bool) -> SignalingPath {
        if self.muted {
            return SignalingPath::Muted;
        }
        let mut open_at = now;
        // One outage may begin before another is over: follow the chain to its end.
        while let Some(outage) = self.outages.iter().find(|o| o.holds(open_at) && cut(&o.what)) {
            open_at = outage.until;
        }
        if open_at == now {
            SignalingPath::Open
        } else {
            SignalingPath::BlockedUntil(open_at)
        }
    }

    /// Whether nothing is cut at `now` or later.
    pub fn are_over(&self, now: Instant) -> bool {
        !self.muted && self.outages.iter().all(|outage| outage.until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: PeerId = PeerId(1);
    const BOB: PeerId = PeerId(2);

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn only(remote: PeerId) -> Remotes {
        Remotes::Only([remote].into())
    }

    #[test]
    fn an_outage_holds_from_its_first_instant_to_before_its_last() {
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, Remotes::All, ms(10), ms(20))
            .expect("room");
        for (now, blocked) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(outages.media_blocked(ALICE, ms(now)), blocked, "{now}");
            let path = if blocked {
                SignalingPath::BlockedUntil(ms(20))
            } else {
                SignalingPath::Open
            };
            assert_eq!(outages.signaling(ms(now)), path, "{now}");
        }
        assert!(!outages.are_over(ms(5)), "it is still to come");
        assert!(outages.are_over(ms(20)));
    }

    #[test]
    fn each_scope_stalls_its_own_sockets() {
        for (scope, media, signaling) in [
            (Scope::Media, true, false),
            (Scope::Signaling, false, true),
            (Scope::Both, true, true),
        ] {
            let mut outages = Outages::default();
            outages
                .drop_network(scope, Remotes::All, ms(0), ms(10))
                .expect("room");
            assert_eq!(outages.media_blocked(ALICE, ms(5)), media, "{scope:?}");
            assert_eq!(
                outages.signaling(ms(5)) != SignalingPath::Open,
                signaling,
                "{scope:?}"
            );
        }
    }

    #[test]
    fn named_remotes_are_cut_off_and_nobody_else_the_server_neither() {
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, only(ALICE), ms(0), ms(10))
            .expect("room");
        assert!(outages.media_blocked(ALICE, ms(5)));
        assert!(!outages.media_blocked(BOB, ms(5)));
        assert_eq!(outages.signaling(ms(5)), SignalingPath::Open);
    }

    #[test]
    fn overlapping_outages_are_over_with_the_last() {
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, Remotes::All, ms(0), ms(10))
            .expect("room");
        outages
            .drop_network(Scope::Signaling, Remotes::All, ms(8), ms(30))
            .expect("room");
        outages
            .drop_network(Scope::Both, Remotes::All, ms(5), ms(20))
            .expect("room");
        outages
            .drop_network(Scope::Both, only(BOB), ms(15), ms(40))
            .expect("room");
        assert_eq!(outages.signaling(ms(1)), SignalingPath::BlockedUntil(ms(30)));
        assert_eq!(outages.outages.len(), 3, "the two alike are one");
        assert!(outages.media_blocked(ALICE, ms(19)) && !outages.media_blocked(ALICE, ms(20)));
        assert!(outages.media_blocked(BOB, ms(39)) && !outages.media_blocked(BOB, ms(40)));
    }

    #[test]
    fn an_outage_of_one_way_lets_the_other_pass() {
        for (cut, other) in [(Way::Out, Way::In), (Way::In, Way::Out)] {
            let mut outages = Outages::default();
            let what = Cutting {
                way: Some(cut),
                ..Cutting::both_ways(Scope::Both, Remotes::All)
            };
            outages.cut(what, ms(0), ms(10)).expect("room");
            assert!(outages.blocks(ALICE, cut, Carrier::Udp, ms(5)));
            assert!(!outages.blocks(ALICE, other, Carrier::Udp, ms(5)));
            assert!(!outages.blocks(ALICE, cut, Carrier::Udp, ms(10)));
            let signaling = |way| outages.signaling_one_way(way, ms(5));
            assert_eq!(signaling(Some(cut)), SignalingPath::BlockedUntil(ms(10)));
            assert_eq!(signaling(Some(other)), SignalingPath::Open);
            assert_eq!(
                signaling(None),
                SignalingPath::BlockedUntil(ms(10)),
                "a handshake needs both"
            );
        }
    }

    #[test]
    fn blocked_udp_lets_pass_what_is_carried_over_tcp_and_signaling() {
        let mut outages = Outages::default();
        let never = Instant::from_micros(u64::MAX);
        outages
            .drop_network(Scope::Udp, Remotes::All, ms(0), never)
            .expect("room");
        for way in [Way::Out, Way::In] {
            assert!(outages.blocks(ALICE, way, Carrier::Udp, ms(1_000_000)));
            assert!(!outages.blocks(ALICE, way, Carrier::Tcp, ms(1_000_000)));
        }
        assert_eq!(outages.signaling(ms(5)), SignalingPath::Open);
        outages
            .drop_network(Scope::Media, Remotes::All, ms(5), ms(10))
            .expect("room");
        assert!(outages.blocks(ALICE, Way::Out, Carrier::Tcp, ms(5)));
    }

    #[test]
    fn a_shorter_outage_does_not_end_a_longer_one() {
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, Remotes::All, ms(0), ms(100))
            .expect("room");
        outages
            .drop_network(Scope::Both, Remotes::All, ms(10), ms(20))
            .expect("room");
        assert!(outages.media_blocked(ALICE, ms(99)));
    }

    #[test]
    fn mute_is_for_ever() {
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, Remotes::All, ms(0), ms(10))
            .expect("room");
        outages.mute();
        assert!(outages.media_blocked(ALICE, ms(1_000_000)));
        assert_eq!(outages.signaling(ms(5)), SignalingPath::Muted);
        assert!(!outages.are_over(ms(1_000_000)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_over_makes_room() {
        let mut outages = Outages::default();
        let mut cut = |remote, from, until| {
            outages.drop_network(Scope::Both, only(PeerId(remote)), ms(from), ms(until))
        };
        for remote in 0..MAX_OUTAGES as u32 {
            assert_eq!(cut(remote, 0, 10), Ok(()));
        }
        assert_eq!(cut(1_000, 5, 15), Err(TooManyOutages));
        assert_eq!(cut(0, 5, 20), Ok(()), "it only makes an earlier one longer");
        assert_eq!(cut(1_000, 10, 15), Ok(()));
        assert!(outages.media_blocked(PeerId(0), ms(19)));
    }
}
