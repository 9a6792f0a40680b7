//! Scenario + seed + segment → what every peer will do and when, decided before anything runs.
//!
//! Pure. Knows scenarios, ids and what links can be like; knows nothing of signaling, connections or worlds.

mod arrivals;
mod expand;
mod limits;
mod merge;
mod network;
mod offered;
mod paths;
mod segment;
mod show;
mod types;
mod wire;

pub use expand::{Options, expand};
pub use limits::{Limit, LimitMistake, Machine, check_limits};
pub use merge::{Merged, Share, merge, plan_of};
pub use network::{Network, PathPlan};
pub use offered::OfferedLoad;
pub use paths::{NoPath, Relay};
pub use segment::{Segment, SegmentError};
pub use show::show;
pub use types::*;

/// Words that plans use as they are.
pub use crate::{
    impair::{AccessLink, FrameKind, FrameRule, FrameWay, Nat, NatKind, Profile, Treated},
    scenario::{
        Cut, RawFrames, RawSet, RelayMode, RestartLinks, Scope, ServerFault, SleepingClock, SocketOnRoam,
        Ways,
    },
    signaling::{Abilities, RosterBy, Topology},
};
