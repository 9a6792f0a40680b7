use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    base::{Generation, Instant, PeerId},
    metrics::{DescriptionKind, EventKind, IgnoreReason, RunEvent},
    report::ignored,
};

/// How far the link between two peers had come, by what either end told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkPhase {
    /// Neither has offered.
    NotOffered,
    /// An offer was sent.
    Offered,
    /// An offer came in, and was not answered.
    OfferReceived,
    /// An offer came in and was dropped.
    OfferDropped(IgnoreReason),
    /// An answer was sent.
    Answered,
    /// The exchange is complete at one end at least.
    AnswerReceived,
    /// An answer came in and was dropped.
    AnswerDropped(IgnoreReason),
    /// ICE is connected.
    IceConnected,
    /// DTLS is connected.
    DtlsConnected,
    /// The data channel was open.
    Open,
}

impl fmt::Display for LinkPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "not offered",
            Self::Offered => "offer sent, not received",
            Self::OfferReceived => "offer received, not answered",
            Self::OfferDropped(reason) => return write!(f, "offer dropped ({})", ignored(*reason)),
            Self::Answered => "answer sent, not received",
            Self::AnswerReceived => "answer received, no ICE",
            Self::AnswerDropped(reason) => return write!(f, "answer dropped ({})", ignored(*reason)),
            Self::IceConnected => "ICE connected, no DTLS",
            Self::DtlsConnected => "DTLS connected, no channel",
            Self::Open => "channel was open",
        })
    }
}

impl LinkPhase {
    /// The furthest that the link between `a` and `b` came by `until`, since the later of the two asked to
    /// join.
    pub fn reached(events: &[RunEvent], a: PeerId, b: PeerId, until: Instant) -> Self {
        let mut way = Way {
            phase: Self::NotOffered,
            generations: BTreeMap::new(),
            former: BTreeMap::new(),
            sent: BTreeSet::new(),
        };
        for event in events.iter().take_while(|event| event.at <= until) {
            match (event.peer, event.remote) {
                (Some(peer), None) if [a, b].contains(&peer) => {
                    if matches!(event.kind, EventKind::JoinStarted { .. }) {
                        way.begin_anew();
                    }
                }
                (Some(peer), Some(other)) if [(a, b), (b, a)].contains(&(peer, other)) => {
                    way.observe(peer, &event.kind);
                }
                _ => {}
            }
        }
        way.phase
    }
}

/// What the two have told so far.
struct Way {
    phase: LinkPhase,
    /// The last connection of each end.
    generations: BTreeMap<PeerId, Generation>,
    /// The last one of an earlier membership: what it still tells is about that.
    former: BTreeMap<PeerId, Generation>,
    /// Descriptions of these memberships.
    sent: BTreeSet<u64>,
}

impl Way {
    fn begin_anew(&mut self) {
        self.phase = LinkPhase::NotOffered;
        self.former.clone_from(&self.generations);
        self.sent.clear();
    }

    fn observe(&mut self, peer: PeerId, kind: &EventKind) {
        use DescriptionKind::{Answer, Offer};
        let phase = match kind {
            EventKind::ConnectionCreated { generation, .. } => {
                self.generations.insert(peer, *generation);
                return;
            }
            EventKind::DescriptionSent {
                description,
                fingerprint,
                generation,
                ..
            } if self.is_current(peer, *generation) => {
                self.sent.insert(*fingerprint);
                match description {
                    Offer => LinkPhase::Offered,
                    Answer => LinkPhase::Answered,
                }
            }
            EventKind::DescriptionReceived {
                description,
                fingerprint,
            } if self.sent.contains(fingerprint) => match description {
                Offer => LinkPhase::OfferReceived,
                Answer => LinkPhase::AnswerReceived,
            },
            EventKind::DescriptionIgnored {
                description,
                fingerprint,
                reason,
            } if self.sent.contains(fingerprint) => match description {
                Offer => LinkPhase::OfferDropped(*reason),
                Answer => LinkPhase::AnswerDropped(*reason),
            },
            EventKind::IceStateChanged { state, generation }
                if matches!(state.as_str(), "connected" | "completed")
                    && self.is_current(peer, *generation) =>
            {
                LinkPhase::IceConnected
            }
            EventKind::ConnectionStateChanged { state, generation }
                if state == "connected" && self.is_current(peer, *generation) =>
            {
                LinkPhase::DtlsConnected
            }
            EventKind::ChannelOpened { generation, .. } if self.is_current(peer, *generation) => {
                LinkPhase::Open
            }
            _ => return,
        };
        self.phase = self.phase.max(phase);
    }

    fn is_current(&self, peer: PeerId, generation: Generation) -> bool {
        self.former.get(&peer).is_none_or(|former| generation > *former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::Incarnation, metrics::CandidateKind};

    fn told(peer: u32, remote: Option<u32>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::START,
            peer: Some(PeerId(peer)),
            remote: remote.map(PeerId),
            kind,
        }
    }

    fn sent(description: DescriptionKind, fingerprint: u64, generation: u32) -> EventKind {
        EventKind::DescriptionSent {
            generation: Generation(generation),
            description,
            fingerprint,
            answers: None,
        }
    }

    fn joined() -> EventKind {
        EventKind::JoinStarted {
            planned: Instant::START,
            incarnation: Incarnation(1),
            name: String::new(),
            expect_rejected: false,
        }
    }

    fn created(generation: u32) -> EventKind {
        EventKind::ConnectionCreated {
            generation: Generation(generation),
            incarnation: Incarnation(1),
            offerer: true,
        }
    }

    fn opened(generation: u32) -> EventKind {
        EventKind::ChannelOpened {
            generation: Generation(generation),
            incarnation: Incarnation(1),
            pair: CandidateKind::Host,
        }
    }

    #[test]
    fn a_phase_is_the_furthest_of_both_ends_and_begins_anew_with_a_join() {
        use DescriptionKind::{Answer, Offer};
        let got = |description, fingerprint| EventKind::DescriptionReceived {
            description,
            fingerprint,
        };
        let locked = EventKind::DescriptionIgnored {
            description: Offer,
            fingerprint: 3,
            reason: IgnoreReason::Locked,
        };
        let events = [
            told(0, None, joined()),
            told(1, Some(0), created(1)),
            told(1, Some(0), sent(Offer, 1, 1)),
            told(0, Some(1), got(Offer, 1)),
            told(0, Some(2), opened(1)),
            told(0, Some(1), created(1)),
            told(0, Some(1), sent(Answer, 2, 1)),
            told(1, Some(0), got(Answer, 2)),
            told(1, Some(0), opened(1)),
            // What the first membership still has to say is not the second's.
            told(0, None, joined()),
            told(0, Some(1), opened(1)),
            told(0, Some(1), got(Answer, 2)),
            told(1, Some(0), created(2)),
            told(1, Some(0), sent(Offer, 3, 2)),
            told(0, Some(1), got(Offer, 3)),
            told(0, Some(1), locked),
        ];
        let reached =
            |count: usize| LinkPhase::reached(&events[..count], PeerId(0), PeerId(1), Instant::START);
        assert_eq!(
            [2, 3, 5, 7, 8, 9, 12, 15, 16].map(reached),
            [
                LinkPhase::NotOffered,
                LinkPhase::Offered,
                LinkPhase::OfferReceived,
                LinkPhase::Answered,
                LinkPhase::AnswerReceived,
                LinkPhase::Open,
                LinkPhase::NotOffered,
                LinkPhase::OfferReceived,
                LinkPhase::OfferDropped(IgnoreReason::Locked),
            ]
        );
    }
}
