//! The network between access links, where it is more than a wire: NATs, and STUN and TURN servers outside of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::{
    relay::{PORT, Relay, Sent, TURN},
    router::{Lost, Router, own_address},
    stun::binding,
};
use crate::{
    base::{Instant, PeerId, Purpose, RootSeed},
    world::{Home, is_stream_address},
};

/// Where the STUN server is that every network with NATs has: 192.0.2.0/24 is for documentation (RFC 5737).
pub(super) const STUN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), PORT);

/// Where a datagram goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the socket of that address.
    Socket,
    /// To the outside of a NAT: [`Internet::arrive`] tells where it comes out, at the instant at which it gets there.
    Nat,
    /// To a server: [`Internet::serve`].
    Server,
}

/// Nothing of it is there before somebody asks for it.
#[derive(Default)]
pub(super) struct Internet {
    homes: BTreeMap<PeerId, IpAddr>,
    router: Router,
    turn: Option<Relay>,
}

impl Internet {
    /// Gives peers their addresses, and puts them behind their NATs.
    pub fn settle(&mut self, homes: &[Home], seed: RootSeed) {
        let mut boxes: BTreeMap<PeerId, usize> = BTreeMap::new();
        for home in homes {
            let Some(ip) = own_address(home.number) else {
                continue;
            };
            self.homes.insert(home.peer, ip);
            let Some(nat) = home.nat else { continue };
            let shared = home.with.and_then(|other| boxes.get(&other)).copied();
            let number = shared.unwrap_or_else(|| {
                let rng = seed.peer(home.number, Purpose::Nat);
                self.router.add(nat, rng)
            });
            boxes.insert(home.peer, number);
            self.router.put_inside(ip, number);
        }
    }

    /// The TURN server; it is started if it is not there.
    pub fn start_turn(&mut self, epoch_unix_ms: u64, seed: RootSeed) -> &mut Relay {
        self.turn
            .get_or_insert_with(|| Relay::new(epoch_unix_ms, seed.run(Purpose::Nat)))
    }

    /// Whether datagrams go from socket to socket, and nothing else is in their way.
    pub fn is_plain(&self) -> bool {
        self.homes.is_empty() && self.turn.is_none()
    }

    /// The address of a peer's own; `None`: it has none.
    pub fn home(&self, peer: PeerId) -> Option<IpAddr> {
        self.homes.get(&peer).copied()
    }

    /// Whether a peer is behind a NAT.
    pub fn is_inside(&self, peer: PeerId) -> bool {
        self.home(peer).is_some_and(|ip| self.router.is_inside(ip))
    }

    /// The NAT of a peer gives it other ports from now on. `false`: it is behind none.
    pub fn rebind(&mut self, peer: PeerId) -> bool {
        let home = self.home(peer);
        home.is_some_and(|ip| self.router.rebind(ip))
    }

    /// A datagram is sent; its source address as the receiver will see it, and which way it goes.
    pub fn depart(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        now: Instant,
    ) -> Result<(SocketAddr, Way), Lost> {
        let from = self.router.depart(from, to, now)?;
        let way = match to.ip() {
            ip if ip == STUN.ip() || ip == TURN.ip() || is_stream_address(to) => Way::Server,
            ip if self.router.is_outer(ip) => Way::Nat,
            _ => Way::Socket,
        };
        Ok((from, way))
    }

    /// A datagram is at the outside of a NAT; where it comes out.
    pub fn arrive(&self, from: SocketAddr, to: SocketAddr, now: Instant) -> Result<SocketAddr, Lost> {
        self.router.arrive(from, to, now)
    }

    /// A datagram is at a server; what that sends.
    pub fn serve(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now: Instant) -> Vec<Sent> {
        if to == STUN {
            let answer = binding(datagram, from);
            let answer = answer.map(|datagram| Sent {
                from: STUN,
                to: from,
                datagram,
            });
            return answer.into_iter().collect();
        }
        match &mut self.turn {
            Some(turn) => turn.handle(from, to, datagram, now),
            None => Vec::new(),
        }
    }

    /// The socket at that address is closed: whoever gets its port is somebody else.
    pub fn forget(&mut self, socket: SocketAddr) {
        self.router.forget(socket);
        if let Some(turn) = &mut self.turn {
            turn.forget(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::PeerNumber,
        impair::{Nat, NatKind},
    };

    const NOW: Instant = Instant::START;

    fn at(ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, 40_000)
    }

    /// Peer 0 behind a full-cone NAT, 1 behind none; and where they are.
    fn two() -> (Internet, [SocketAddr; 2]) {
        let mut internet = Internet::default();
        let home = |peer, nat| Home {
            peer: PeerId(peer),
            number: PeerNumber(peer),
            nat,
            with: None,
        };
        let nat = Nat::of(NatKind::FullCone);
        internet.settle(&[home(0, Some(nat)), home(1, None)], RootSeed(7));
        let places = [0, 1].map(|peer| at(internet.home(PeerId(peer)).expect("it has one")));
        (internet, places)
    }

    #[test]
    fn a_network_without_anything_in_it_is_plain() {
        assert!(Internet::default().is_plain());
        assert!(!two().0.is_plain());
    }

    #[test]
    fn a_peer_behind_a_nat_is_seen_from_another_port_once_that_was_rebound() {
        let (mut internet, [inside, outside]) = two();
        let (before, _) = internet.depart(inside, outside, NOW).expect("it leaves");
        assert_eq!(internet.depart(outside, before, NOW), Ok((outside, Way::Nat)));
        assert_eq!(internet.arrive(outside, before, NOW), Ok(inside));
        assert!(internet.rebind(PeerId(0)));
        assert!(internet.arrive(outside, before, NOW).is_err());
        let (after, _) = internet.depart(inside, outside, NOW).expect("it leaves");
        assert_ne!(before, after);
        assert_eq!(internet.arrive(outside, after, NOW), Ok(inside));
        assert!(!internet.rebind(PeerId(1)));
    }

    #[test]
    fn the_stun_server_tells_the_outer_address() {
        use rtc::stun::{
            message::{BINDING_REQUEST, Getter, Message, TransactionId},
            xoraddr::XorMappedAddress,
        };
        let (mut internet, [inside, _]) = two();
        let mut request = Message::new();
        request
            .build(&[Box::new(TransactionId([7; 12])), Box::new(BINDING_REQUEST)])
            .expect("it is short");
        let (seen, way) = internet.depart(inside, STUN, NOW).expect("it leaves");
        assert_eq!(way, Way::Server);
        let sent = internet.serve(seen, STUN, &request.raw, NOW);
        assert_eq!((sent[0].from, sent[0].to), (STUN, seen));
        let mut answer = Message::new();
        answer
            .unmarshal_binary(&sent[0].datagram)
            .expect("it is a message");
        let mut told = XorMappedAddress::default();
        told.get_from(&answer).expect("it is there");
        assert_eq!(SocketAddr::new(told.ip, told.port), seen);
        // Where no TURN server was started, nobody answers.
        assert_eq!(internet.serve(seen, TURN, &request.raw, NOW), []);
    }
}
