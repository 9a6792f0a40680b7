use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into the plan's list of its kind.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match Self::NAMED {
                    Some((named, name)) if named == self.0 => f.write_str(name),
                    _ => write!(f, concat!($prefix, "{}"), self.0),
                }
            }
        }
    };
}

/// Ids that stand for somebody in particular.
trait Named {
    /// Which, and what it is called.
    const NAMED: Option<(u32, &'static str)> = None;
}

impl Named for PeerNumber {}
impl Named for RoomId {}
impl Named for BarrierId {}
impl Named for Generation {}
impl Named for Incarnation {}

impl Named for PeerId {
    const NAMED: Option<(u32, &'static str)> = Some((Self::SERVER.0, "the server"));
}

id!(
    /// A scripted peer: its index in [`Plan::peers`](crate::plan::Plan::peers). The order of peer ids is
    /// the order of their user ids on the wire, so "the lower id" means the same on both sides.
    PeerId,
    "peer-"
);
id!(
    /// A peer's place in the whole plan, whatever segment of it is played: the same as its [`PeerId`] where all is. What a
    /// peer draws comes from this one, so that it has the same luck in a segment.
    PeerNumber,
    "number-"
);
id!(
    /// A room: its index in [`Plan::rooms`](crate::plan::Plan::rooms).
    RoomId,
    "room-"
);
id!(
    /// A barrier: its index in [`Plan::barriers`](crate::plan::Plan::barriers).
    BarrierId,
    "barrier-"
);
id!(
    /// Which `RTCPeerConnection` of a link is meant: 1 is the first to that remote in the run, each
    /// replacement (and each new connection after a leave) counts one up and never repeats.
    Generation,
    "g"
);
id!(
    /// How often a peer has started to join: 1 is its first membership, refused joins count.
    Incarnation,
    "i"
);

/// A peer by both of its numbers. Rooms are never cut, so those of its roommates follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// In what is played.
    pub id: PeerId,
    /// In the whole plan.
    pub number: PeerNumber,
}

impl Seat {
    /// Where all of a plan is played: both numbers are one.
    pub fn of_whole(id: PeerId) -> Self {
        Self {
            id,
            number: PeerNumber(id.0),
        }
    }

    /// Where a roommate is in the whole plan.
    pub fn number_of(self, roommate: PeerId) -> PeerNumber {
        let shift = self.number.0.wrapping_sub(self.id.0);
        PeerNumber(roommate.0.wrapping_add(shift))
    }
}

impl PeerId {
    /// Where ids begin that no plan gives away: those of members who join from outside.
    pub const FIRST_EXTERNAL: u32 = 1 << 31;

    /// Stands for the server where it is the other end of a link.
    pub const SERVER: Self = Self(Self::FIRST_EXTERNAL - 1);

    /// Whether it is of a member who is not in the plan. Only the peer that met it knows the id.
    pub fn is_external(self) -> bool {
        self.0 >= Self::FIRST_EXTERNAL
    }
}

impl Generation {
    /// The generation that replaces this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Incarnation {
    /// The membership that follows this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
