//! Who reaches whom in a network with NATs: addresses as they are inside and outside of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use rand_chacha::ChaCha8Rng;

use super::nat::{NatBox, Refused};
use crate::{
    base::{Instant, PeerNumber},
    impair::Nat,
};

/// Peers that can have an address of their own: 22 bits of 127.64.0.0/10.
const MAX_ADDRESSES: u32 = 1 << 22;

/// Why a datagram is lost on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// To an address inside of a NAT, from outside of it.
    NotRoutable,
    /// A NAT did not let it through.
    Refused(Refused),
}

/// All NATs, and which IP addresses are on which side of them. Who is not behind one is outside of all.
#[derive(Default)]
pub(super) struct Router {
    boxes: Vec<NatBox>,
    inside: BTreeMap<IpAddr, usize>,
    outside: BTreeMap<IpAddr, usize>,
}

/// The address that a peer binds in a network with NATs: 127.64.0.1 for the first, and so on. `None` past the
/// last one.
pub(super) fn own_address(peer: PeerNumber) -> Option<IpAddr> {
    let number = peer.0.checked_add(1).filter(|number| *number < MAX_ADDRESSES)?;
    let [_, high, mid, low] = number.to_be_bytes();
    Some(Ipv4Addr::new(127, 64 | high, mid, low).into())
}

/// Where who has moved to this address was at first, if it is one of those. Peers past the 65,535th have none that could
/// be told apart, and are behind nothing there.
fn home_of(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V4(v4) = ip else { return None };
    match v4.octets() {
        [127, 128..=255, third, fourth] => Some(Ipv4Addr::new(127, 64, third, fourth).into()),
        _ => None,
    }
}

/// The outer address of the n-th NAT: in 198.18.0.0/15, which is for tests of network devices (RFC 2544).
fn outer_address(number: usize) -> IpAddr {
    let [_, high, mid, low] = (number as u32 + 1).to_be_bytes();
    Ipv4Addr::new(198, 18 | (high & 1), mid, low).into()
}

impl Router {
    /// Puts a NAT into the network; `rng` draws its ports. What it returns is its number.
    pub fn add(&mut self, settings: Nat, rng: ChaCha8Rng) -> usize {
        let number = self.boxes.len();
        let outer = outer_address(number);
        self.boxes.push(NatBox::new(settings, outer, rng));
        self.outside.insert(outer, number);
        number
    }

    /// Puts an IP address inside of a NAT.
    pub fn put_inside(&mut self, ip: IpAddr, number: usize) {
        self.inside.insert(ip, number);
    }

    /// Whether an address is behind a NAT.
    pub fn is_inside(&self, ip: IpAddr) -> bool {
        self.inside.contains_key(&ip)
    }

    /// The NAT that an address is behind. Who has moved to another network (127.128.0.0/9, with the same last numbers)
    /// is behind another one of the kind that it has at home.
    fn home(&mut self, ip: IpAddr) -> Option<usize> {
        if let Some(number) = self.inside.get(&ip) {
            return Some(*number);
        }
        let at_home = self.inside.get(&home_of(ip)?).copied()?;
        let (settings, rng) = self.boxes[at_home].fork();
        let number = self.add(settings, rng);
        self.put_inside(ip, number);
        Some(number)
    }

    /// Whether an address is a NAT's outside.
    pub fn is_outer(&self, ip: IpAddr) -> bool {
        self.outside.contains_key(&ip)
    }

    /// A datagram is sent; its source address as the receiver will see it.
    pub fn depart(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) -> Result<SocketAddr, Lost> {
        let (home, goal) = (self.home(from.ip()), self.inside.get(&to.ip()).copied());
        match (home, goal) {
            (home, Some(goal)) if home != Some(goal) => Err(Lost::NotRoutable),
            // Past no NAT, or from one peer to another behind the same.
            (None, None) | (_, Some(_)) => Ok(from),
            (Some(home), None) => self.boxes[home].outbound(from, to, now).map_err(Lost::Refused),
        }
    }

    /// A datagram arrives; where it goes on to. `from` is its source address as [`Router::depart`] made it.
    pub fn arrive(&self, from: SocketAddr, to: SocketAddr, now: Instant) -> Result<SocketAddr, Lost> {
        match self.outside.get(&to.ip()) {
            Some(number) => {
                let inner = self.boxes[*number].inbound(from, to.port(), now);
                inner.map_err(Lost::Refused)
            }
            None => Ok(to),
        }
    }

    /// The socket at that address is closed.
    pub fn forget(&mut self, inner: SocketAddr) {
        if let Some(number) = self.inside.get(&inner.ip()) {
            self.boxes[*number].forget(inner);
        }
    }

    /// The NAT in front of an inner IP address loses what it knows of it: see [`NatBox::rebind`]. `false`: there
    /// is none.
    pub fn rebind(&mut self, inside: IpAddr) -> bool {
        let number = self.inside.get(&inside).copied();
        if let Some(number) = number {
            self.boxes[number].rebind(Some(inside));
        }
        number.is_some()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::impair::NatKind;

    const NOW: Instant = Instant::START;

    fn host(peer: u32) -> SocketAddr {
        SocketAddr::new(own_address(PeerNumber(peer)).expect("there is one"), 40_000)
    }

    /// Peers 0 and 1 behind one port-restricted NAT, 2 behind another, 3 behind none.
    fn router() -> Router {
        let mut router = Router::default();
        let nat = Nat::of(NatKind::PortRestricted);
        for inside in [&[0, 1][..], &[2]] {
            let number = router.add(nat, ChaCha8Rng::seed_from_u64(inside.len() as u64));
            for peer in inside {
                router.put_inside(host(*peer).ip(), number);
            }
        }
        router
    }

    #[test]
    fn addresses_inside_are_reached_from_inside_alone() {
        let mut router = router();
        assert_eq!(router.depart(host(0), host(1), NOW), Ok(host(0)));
        assert_eq!(router.arrive(host(0), host(1), NOW), Ok(host(1)));
        assert_eq!(router.depart(host(2), host(0), NOW), Err(Lost::NotRoutable));
        assert_eq!(router.depart(host(3), host(0), NOW), Err(Lost::NotRoutable));
        assert_eq!(router.depart(host(3), host(3), NOW), Ok(host(3)));
    }

    #[test]
    fn who_leaves_is_seen_at_the_outer_address_and_answered_there() {
        let mut router = router();
        let seen = router.depart(host(0), host(3), NOW).expect("it leaves");
        assert!(router.is_outer(seen.ip()));
        assert_eq!(router.arrive(host(3), seen, NOW), Ok(host(0)));
        let stranger = SocketAddr::new(host(3).ip(), 40_001);
        assert_eq!(
            router.arrive(stranger, seen, NOW),
            Err(Lost::Refused(Refused::Filtered))
        );
        assert!(router.rebind(host(0).ip()));
        assert_eq!(
            router.arrive(host(3), seen, NOW),
            Err(Lost::Refused(Refused::NoMapping))
        );
        assert!(!router.rebind(host(3).ip()));
    }

    #[test]
    fn two_behind_one_nat_meet_at_its_outside_with_outer_source_addresses() {
        let mut router = router();
        let [a, b] = [0, 1].map(|peer| router.depart(host(peer), host(3), NOW).expect("it leaves"));
        assert_eq!(router.depart(host(0), b, NOW), Ok(a));
        assert_eq!(router.arrive(a, b, NOW), Err(Lost::Refused(Refused::Filtered)));
        assert_eq!(router.depart(host(1), a, NOW), Ok(b));
        assert_eq!(router.arrive(a, b, NOW), Ok(host(1)));
    }

    #[test]
    fn who_moves_is_behind_another_nat_of_the_same_kind() {
        let mut router = router();
        let before = router.depart(host(0), host(3), NOW).expect("it leaves");
        let abroad: SocketAddr = "127.193.0.1:40000".parse().expect("an address");
        let seen = router.depart(abroad, host(3), NOW).expect("it leaves");
        assert!(router.is_outer(seen.ip()) && seen.ip() != before.ip());
        assert_eq!(router.arrive(host(3), seen, NOW), Ok(abroad));
        assert_eq!(router.depart(abroad, host(3), NOW), Ok(seen));
        assert_eq!(router.depart(host(3), abroad, NOW), Err(Lost::NotRoutable));
        // Peer 3 is behind nothing, wherever it is.
        let other: SocketAddr = "127.193.0.4:40000".parse().expect("an address");
        assert_eq!(router.depart(other, host(3), NOW), Ok(other));
    }

    #[test]
    fn every_peer_has_an_address_of_its_own() {
        assert_eq!(host(0).ip().to_string(), "127.64.0.1");
        assert_eq!(host(255).ip().to_string(), "127.64.1.0");
        assert_eq!(host(19_999).ip().to_string(), "127.64.78.32");
        assert_eq!(own_address(PeerNumber(MAX_ADDRESSES - 1)), None);
        assert_eq!(own_address(PeerNumber(u32::MAX)), None);
        assert_eq!(outer_address(19_999).to_string(), "198.18.78.32");
    }
}
