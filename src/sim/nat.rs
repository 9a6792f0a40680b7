//! One network address translator: RFC 4787 as a machine.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    base::Instant,
    impair::{Dependence, Nat},
};

/// Mappings that one box keeps at a time.
pub(super) const MAX_MAPPINGS: usize = 16_384;
/// Remotes that one mapping has sent to and still lets in.
pub(super) const MAX_REMOTES: usize = 1_024;
/// Ports that are drawn: registered ports and above, with five digits, so that no description is longer than another.
const PORTS: std::ops::RangeInclusive<u16> = 10_000..=65_535;
/// Draws for a free port; with a full table one in four is free.
const MAX_DRAWS: u32 = 200;

/// Why a datagram did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// To an outer port that is nobody's, or not any more.
    NoMapping,
    /// From somebody whom the mapping does not let in.
    Filtered,
    /// To its own outer address from inside, and it does not do that.
    NoHairpin,
    /// All that it can keep is in use.
    Full,
}

/// A NAT with one outer IP address.
pub(super) struct NatBox {
    settings: Nat,
    outer: IpAddr,
    rng: ChaCha8Rng,
    /// By inner address and what the mapping depends on.
    ports: BTreeMap<(SocketAddr, Towards), u16>,
    mappings: BTreeMap<u16, Mapping>,
}

/// What of a remote something depends on: nothing, its IP address, its address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Towards {
    Anybody,
    Host(IpAddr),
    Endpoint(SocketAddr),
}

impl Towards {
    fn of(remote: SocketAddr, dependence: Dependence) -> Self {
        match dependence {
            Dependence::EndpointIndependent => Self::Anybody,
            Dependence::AddressDependent => Self::Host(remote.ip()),
            Dependence::AddressAndPortDependent => Self::Endpoint(remote),
        }
    }
}

struct Mapping {
    inner: SocketAddr,
    towards: Towards,
    until: Instant,
    /// Whom it lets in, and until when.
    remotes: BTreeMap<Towards, Instant>,
}

impl NatBox {
    /// `rng` draws its ports.
    pub fn new(settings: Nat, outer: IpAddr, rng: ChaCha8Rng) -> Self {
        Self {
            settings,
            outer,
            rng,
            ports: BTreeMap::new(),
            mappings: BTreeMap::new(),
        }
    }

    /// What another one like it is made of.
    pub fn fork(&mut self) -> (Nat, ChaCha8Rng) {
        (self.settings, ChaCha8Rng::from_rng(&mut self.rng))
    }

    /// A datagram leaves from `inner` to `remote`; its outer source address. Makes or refreshes the mapping, and
    /// lets the remote in.
    pub fn outbound(
        &mut self,
        inner: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<SocketAddr, Refused> {
        if remote.ip() == self.outer && !self.settings.hairpinning {
            return Err(Refused::NoHairpin);
        }
        let towards = Towards::of(remote, self.settings.kind.mapping());
        let until = now + self.settings.lifetime;
        let known = self.ports.get(&(inner, towards)).copied();
        let living = known.filter(|port| self.mappings.get(port).is_some_and(|m| now < m.until));
        let port = match living {
            Some(port) => port,
            None => self.map(inner, towards, now)?,
        };
        let mapping = self.mappings.get_mut(&port).expect("it was found or made");
        mapping.until = until;
        if mapping.remotes.len() >= MAX_REMOTES {
            mapping.remotes.retain(|_, until| now < *until);
        }
        let lets_in = Towards::of(remote, self.settings.kind.filtering());
        if mapping.remotes.len() < MAX_REMOTES || mapping.remotes.contains_key(&lets_in) {
            mapping.remotes.insert(lets_in, until);
        }
        Ok(SocketAddr::new(self.outer, port))
    }

    /// A datagram from `remote` comes to the outer `port`; the inner address that it goes on to.
    pub fn inbound(&self, remote: SocketAddr, port: u16, now: Instant) -> Result<SocketAddr, Refused> {
        let living = self.mappings.get(&port).filter(|mapping| now < mapping.until);
        let mapping = living.ok_or(Refused::NoMapping)?;
        let lets_in = Towards::of(remote, self.settings.kind.filtering());
        let until = mapping.remotes.get(&lets_in);
        match until.is_some_and(|until| now < *until) {
            true => Ok(mapping.inner),
            false => Err(Refused::Filtered),
        }
    }

    /// Forgets the mappings of one inner address, as at the end of the socket: nobody who has its port later
    /// hears what was meant for it.
    pub fn forget(&mut self, inner: SocketAddr) {
        self.remove(|mapping| mapping.inner == inner);
    }

    /// Forgets the mappings of everything at one inner IP address, or all (`None`): what leaves next gets another
    /// port, as after a restart of the box.
    pub fn rebind(&mut self, inside: Option<IpAddr>) {
        self.remove(|mapping| inside.is_none_or(|ip| mapping.inner.ip() == ip));
    }

    fn remove(&mut self, which: impl Fn(&Mapping) -> bool) {
        let ports = &mut self.ports;
        self.mappings.retain(|_, mapping| {
            let goes = which(mapping);
            if goes {
                ports.remove(&(mapping.inner, mapping.towards));
            }
            !goes
        });
    }

    fn map(&mut self, inner: SocketAddr, towards: Towards, now: Instant) -> Result<u16, Refused> {
        // An expired one may come back with another port, as it does where ports are drawn.
        self.remove(|mapping| mapping.inner == inner && mapping.towards == towards);
        if self.mappings.len() >= MAX_MAPPINGS {
            self.remove(|mapping| mapping.until <= now);
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            return Err(Refused::Full);
        }
        let port = self.free_port(inner.port()).ok_or(Refused::Full)?;
        self.ports.insert((inner, towards), port);
        let mapping = Mapping {
            inner,
            towards,
            until: now,
            remotes: BTreeMap::new(),
        };
        self.mappings.insert(port, mapping);
        Ok(port)
    }

    fn free_port(&mut self, inner: u16) -> Option<u16> {
        if self.settings.preserves_ports && !self.mappings.contains_key(&inner) {
            return Some(inner);
        }
        (0..MAX_DRAWS)
            .map(|_| self.rng.random_range(PORTS))
            .find(|port| !self.mappings.contains_key(port))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::impair::NatKind;

    const INNER: &str = "127.64.0.1:40000";
    const OUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 1));

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn s(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn nat(kind: NatKind) -> NatBox {
        with(Nat::of(kind))
    }

    fn with(settings: Nat) -> NatBox {
        NatBox::new(settings, OUTER, ChaCha8Rng::seed_from_u64(7))
    }

    /// Whether these come in after one datagram to 192.0.2.1:1000: that one, another port of it, another host.
    fn lets_in(kind: NatKind) -> [bool; 3] {
        let mut nat = nat(kind);
        let outer = nat.outbound(at(INNER), at("192.0.2.1:1000"), s(0)).expect("room");
        ["192.0.2.1:1000", "192.0.2.1:1001", "192.0.2.2:1000"]
            .map(|remote| nat.inbound(at(remote), outer.port(), s(1)) == Ok(at(INNER)))
    }

    #[test]
    fn each_kind_lets_in_whom_its_name_says() {
        assert_eq!(lets_in(NatKind::FullCone), [true, true, true]);
        assert_eq!(lets_in(NatKind::AddressRestricted), [true, true, false]);
        assert_eq!(lets_in(NatKind::PortRestricted), [true, false, false]);
        assert_eq!(lets_in(NatKind::Symmetric), [true, false, false]);
    }

    #[test]
    fn only_a_symmetric_one_has_a_port_for_each_destination() {
        for (_, kind) in NatKind::NAMES {
            let mut nat = nat(kind);
            let mut to = |remote: &str| nat.outbound(at(INNER), at(remote), s(0)).expect("room");
            let outer = to("192.0.2.1:1000");
            assert_eq!(outer.ip(), OUTER);
            assert_eq!(to("192.0.2.1:1000"), outer, "{kind}");
            let same = kind != NatKind::Symmetric;
            assert_eq!(to("192.0.2.1:1001") == outer, same, "{kind}");
            assert_eq!(to("192.0.2.2:1000") == outer, same, "{kind}");
        }
    }

    #[test]
    fn a_mapping_lives_from_what_leaves_and_not_from_what_comes_in() {
        let mut nat = nat(NatKind::FullCone);
        let (inner, remote) = (at(INNER), at("192.0.2.1:1000"));
        let first = nat.outbound(inner, remote, s(0)).expect("room");
        assert_eq!(nat.outbound(inner, remote, s(119)), Ok(first));
        assert_eq!(nat.inbound(remote, first.port(), s(238)), Ok(inner));
        assert_eq!(nat.inbound(remote, first.port(), s(239)), Err(Refused::NoMapping));
        let second = nat.outbound(inner, remote, s(239)).expect("room");
        assert_ne!(first, second);
        assert_eq!(nat.inbound(remote, first.port(), s(239)), Err(Refused::NoMapping));
    }

    #[test]
    fn whom_a_mapping_lets_in_is_forgotten_too() {
        let mut nat = nat(NatKind::PortRestricted);
        let (inner, old, young) = (at(INNER), at("192.0.2.1:1000"), at("192.0.2.2:1000"));
        let outer = nat.outbound(inner, old, s(0)).expect("room");
        assert_eq!(nat.outbound(inner, young, s(60)), Ok(outer));
        assert_eq!(nat.inbound(old, outer.port(), s(120)), Err(Refused::Filtered));
        assert_eq!(nat.inbound(young, outer.port(), s(120)), Ok(inner));
    }

    #[test]
    fn a_rebinding_gives_another_port_and_the_old_one_is_dead() {
        let mut nat = nat(NatKind::FullCone);
        let (inner, other, remote) = (at(INNER), at("127.64.0.2:40000"), at("192.0.2.1:1000"));
        let before = nat.outbound(inner, remote, s(0)).expect("room");
        let others = nat.outbound(other, remote, s(0)).expect("room");
        nat.rebind(Some(inner.ip()));
        assert_eq!(nat.inbound(remote, before.port(), s(1)), Err(Refused::NoMapping));
        assert_eq!(nat.outbound(other, remote, s(1)), Ok(others));
        assert_ne!(nat.outbound(inner, remote, s(1)), Ok(before));
        nat.rebind(None);
        assert_eq!(nat.inbound(remote, others.port(), s(1)), Err(Refused::NoMapping));
    }

    #[test]
    fn ports_are_kept_where_that_is_asked_for_and_nobody_else_has_them() {
        let mut nat = with(Nat {
            preserves_ports: true,
            ..Nat::of(NatKind::PortRestricted)
        });
        let remote = at("192.0.2.1:1000");
        let first = nat.outbound(at(INNER), remote, s(0)).expect("room");
        assert_eq!(first.port(), 40_000);
        let second = nat.outbound(at("127.64.0.2:40000"), remote, s(0)).expect("room");
        assert_ne!(second.port(), 40_000);
    }

    #[test]
    fn the_way_back_in_can_be_closed() {
        let hairpin = SocketAddr::new(OUTER, 20_000);
        assert!(nat(NatKind::FullCone).outbound(at(INNER), hairpin, s(0)).is_ok());
        let mut closed = with(Nat {
            hairpinning: false,
            ..Nat::of(NatKind::FullCone)
        });
        assert_eq!(closed.outbound(at(INNER), hairpin, s(0)), Err(Refused::NoHairpin));
    }

    #[test]
    fn a_full_table_takes_nobody_until_something_has_expired() {
        let mut nat = with(Nat {
            lifetime: Duration::from_secs(10),
            ..Nat::of(NatKind::Symmetric)
        });
        let remote =
            |n: usize| SocketAddr::from(([192, 0, 2, (n / 1_000) as u8], 10_000 + (n % 1_000) as u16));
        for n in 0..MAX_MAPPINGS {
            assert!(nat.outbound(at(INNER), remote(n), s(0)).is_ok(), "{n}");
        }
        assert_eq!(
            nat.outbound(at(INNER), remote(MAX_MAPPINGS), s(9)),
            Err(Refused::Full)
        );
        assert!(nat.outbound(at(INNER), remote(MAX_MAPPINGS), s(10)).is_ok());
    }
}
