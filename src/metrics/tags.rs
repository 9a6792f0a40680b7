use super::{
    FaultCause, Forgery, LimitOf, RecoveryPath,
    metric::{Tag, tag},
};
use crate::base::SignalingFailure;

impl FaultCause {
    /// As it is in tags, and in a scenario as the name of the step: `drop_network`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropNetwork => "drop_network",
            Self::IceRestart => "ice_restart",
            Self::CutSignaling => "cut_signaling",
            Self::Crash => "crash",
            Self::Rejoin => "rejoin",
            Self::ServerRestart => "server_restart",
            Self::BlockUdp => "block_udp",
            Self::Roam => "roam",
            Self::NatRebind => "nat_rebind",
            Self::Suspend => "suspend",
            Self::ServerCrash => "server_crash",
            Self::Turn => "turn",
        }
    }
}

impl Forgery {
    /// As it is in tags: `stale_offer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OfferCopy => "offer_copy",
            Self::AnswerCopy => "answer_copy",
            Self::StaleOffer => "stale_offer",
            Self::SecondJoin => "second_join",
            Self::Raw => "raw",
        }
    }
}

impl LimitOf {
    /// As it is in tags: `harness`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Harness => "harness",
            Self::Client => "client",
            Self::User => "user",
        }
    }
}

impl RecoveryPath {
    /// As it is in tags: `ice_restart`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::IceRestart => "ice_restart",
            Self::Replace => "replace",
            Self::Rejoin => "rejoin",
        }
    }
}

const YES_NO: &[&str] = &["yes", "no"];
pub(super) const CONNECT: &[Tag] = &[
    tag("glare", YES_NO),
    tag("pair", &["host", "srflx", "prflx", "relay", "unknown"]),
    tag("degraded", YES_NO),
];
const PATHS: Tag = tag("path", &["resume", "ice_restart", "replace", "rejoin"]);
const CAUSES: Tag = tag(
    "cause",
    &[
        "rejoin",
        "ice_restart",
        "drop_network",
        "roam",
        "nat_rebind",
        "cut_signaling",
        "crash",
        "suspend",
        "server_restart",
        "block_udp",
        "server_crash",
        "turn",
    ],
);
pub(super) const RECONNECT: &[Tag] = &[PATHS, CAUSES];
pub(super) const PATH: &[Tag] = &[PATHS];
pub(super) const CAUSE: &[Tag] = &[CAUSES];
pub(super) const AGAIN: &[Tag] = &[tag("again", YES_NO)];
pub(super) const BURST: &[Tag] = &[tag("burst", YES_NO)];
pub(super) const EXPECTED: &[Tag] = &[tag("expected", YES_NO)];
pub(super) const IGNORED: &[Tag] = &[tag(
    "reason",
    &[
        "duplicate",
        "glare",
        "unexpected",
        "not_a_member",
        "queue_full",
        "locked",
        "state",
        "broken",
        "stale",
    ],
)];
pub(super) const FAILURES: &[Tag] = &[tag("failure", SignalingFailure::NAMES)];
pub(super) const TREATED: &[Tag] = &[
    tag(
        "frame",
        &[
            "offer",
            "answer",
            "candidate",
            "join",
            "leave",
            "ping",
            "welcome",
            "join_rejected",
            "member_joined",
            "member_left",
            "roster",
            "pong",
            "error",
            "other",
        ],
    ),
    tag("treatment", &["drop", "delay", "reorder", "duplicate", "corrupt"]),
    tag("way", &["in", "out"]),
];
pub(super) const FORGED: &[Tag] = &[tag(
    "forgery",
    &["offer_copy", "answer_copy", "stale_offer", "second_join", "raw"],
)];

pub(super) const WASTE: &[Tag] = &[tag("whose", &["other_room", "other_member", "server"])];

pub(super) const LIMITS: &[Tag] = &[tag("of", &["harness", "client", "user"])];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A threshold on a cause that nothing has would wait for samples in vain.
    #[test]
    fn every_cause_that_a_threshold_may_name_is_one_of_a_fault() {
        use FaultCause::*;
        let causes = [
            DropNetwork,
            IceRestart,
            CutSignaling,
            Crash,
            Rejoin,
            ServerRestart,
            BlockUdp,
            Roam,
            NatRebind,
            Suspend,
            ServerCrash,
            Turn,
        ];
        let known: BTreeSet<_> = causes.map(FaultCause::name).into();
        assert_eq!(CAUSES.values.iter().copied().collect::<BTreeSet<_>>(), known);
    }
}
