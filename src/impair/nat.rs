use std::{fmt, time::Duration};

/// How long a mapping that nothing crosses outwards lives where nobody says otherwise: the least that RFC 4787
/// (REQ-5) allows.
pub const DEFAULT_MAPPING_LIFETIME: Duration = Duration::from_secs(120);

/// What a NAT looks at beside the inner address, in the terms of RFC 4787: for which destinations an inner
/// address keeps its outer one (section 4.1), and whom it lets in through a mapping (section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    /// At nothing.
    EndpointIndependent,
    /// At the other's IP address.
    AddressDependent,
    /// At its IP address and port.
    AddressAndPortDependent,
}

/// The four NATs of RFC 3489, section 5, by the names under which people know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NatKind {
    /// One mapping for all destinations, which lets everybody in.
    FullCone,
    /// One mapping for all destinations, which lets in whose IP address it has sent to.
    AddressRestricted,
    /// One mapping for all destinations, which lets in whose address and port it has sent to.
    PortRestricted,
    /// A mapping for each destination, which lets in nobody else.
    Symmetric,
}

impl NatKind {
    /// Every kind by its name in scenarios, from the most open to the most closed.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("full_cone", Self::FullCone),
        ("address_restricted", Self::AddressRestricted),
        ("port_restricted", Self::PortRestricted),
        ("symmetric", Self::Symmetric),
    ];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        named.map_or("none", |(name, _)| name)
    }

    /// For which destinations an inner address keeps its outer one.
    pub fn mapping(self) -> Dependence {
        match self {
            Self::Symmetric => Dependence::AddressAndPortDependent,
            _ => Dependence::EndpointIndependent,
        }
    }

    /// Whom a mapping lets in.
    pub fn filtering(self) -> Dependence {
        match self {
            Self::FullCone => Dependence::EndpointIndependent,
            Self::AddressRestricted => Dependence::AddressDependent,
            Self::PortRestricted | Self::Symmetric => Dependence::AddressAndPortDependent,
        }
    }
}

impl fmt::Display for NatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The NAT that a peer is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat {
    /// Which mappings it makes, and whom they let in.
    pub kind: NatKind,
    /// How long a mapping lives after the last datagram that left through it (RFC 4787 REQ-5 and REQ-6: what
    /// comes in does not refresh it).
    pub lifetime: Duration,
    /// Whether who is behind it reaches its outer addresses (REQ-9).
    pub hairpinning: bool,
    /// Whether a mapping gets the inner port, while that is free (section 4.2.1); otherwise one is drawn.
    pub preserves_ports: bool,
    /// Whether the peers of its group, room by room, are behind the same one.
    pub shared: bool,
}

impl Nat {
    /// Of that kind, with what RFC 4787 asks for.
    pub fn of(kind: NatKind) -> Self {
        Self {
            kind,
            lifetime: DEFAULT_MAPPING_LIFETIME,
            hairpinning: true,
            preserves_ports: false,
            shared: false,
        }
    }
}

/// Whether two peers who know each other's addresses from a STUN server can connect without a relay; `None` is
/// who is behind no NAT. For two that are behind the same one, this says nothing.
///
/// The first datagram from somebody whose NAT makes a mapping for each destination comes from a port that nobody
/// has heard of: who lets in only ports that it has sent to never sees it, and has nowhere to send to.
pub fn can_connect(one: Option<NatKind>, other: Option<NatKind>) -> bool {
    let new_port = |kind: Option<NatKind>| {
        kind.is_some_and(|kind| kind.mapping() == Dependence::AddressAndPortDependent)
    };
    let by_port = |kind: Option<NatKind>| {
        kind.is_some_and(|kind| kind.filtering() == Dependence::AddressAndPortDependent)
    };
    !(new_port(one) && by_port(other) || new_port(other) && by_port(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_symmetric_nat_and_one_that_filters_ports_need_a_relay() {
        let all = || {
            [None]
                .into_iter()
                .chain(NatKind::NAMES.map(|(_, kind)| Some(kind)))
        };
        let mut apart = Vec::new();
        for one in all() {
            for other in all() {
                assert_eq!(can_connect(one, other), can_connect(other, one));
                if !can_connect(one, other) {
                    apart.push((one, other));
                }
            }
        }
        let (symmetric, restricted) = (Some(NatKind::Symmetric), Some(NatKind::PortRestricted));
        assert_eq!(
            apart,
            [
                (restricted, symmetric),
                (symmetric, restricted),
                (symmetric, symmetric)
            ]
        );
    }
}
