use std::fmt;

use crate::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent},
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
    /// An answer was sent.
    Answered,
    /// The exchange is complete at one end at least.
    AnswerReceived,
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
            Self::Answered => "answer sent, not received",
            Self::AnswerReceived => "answer received, no ICE",
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
        let mut phase = Self::NotOffered;
        for event in events.iter().take_while(|event| event.at <= until) {
            let (Some(peer), other) = (event.peer, event.remote) else {
                continue;
            };
            if matches!(event.kind, EventKind::JoinStarted { .. }) && (peer == a || peer == b) {
                phase = Self::NotOffered;
            }
            let between = (peer == a && other == Some(b)) || (peer == b && other == Some(a));
            if between && let Some(shown) = shown(&event.kind) {
                phase = phase.max(shown);
            }
        }
        phase
    }
}

fn shown(kind: &EventKind) -> Option<LinkPhase> {
    use DescriptionKind::{Answer, Offer};
    Some(match kind {
        EventKind::DescriptionSent {
            description: Offer, ..
        } => LinkPhase::Offered,
        EventKind::DescriptionReceived {
            description: Offer, ..
        } => LinkPhase::OfferReceived,
        EventKind::DescriptionSent {
            description: Answer, ..
        } => LinkPhase::Answered,
        EventKind::DescriptionReceived {
            description: Answer, ..
        } => LinkPhase::AnswerReceived,
        EventKind::IceStateChanged { state, .. } if matches!(state.as_str(), "connected" | "completed") => {
            LinkPhase::IceConnected
        }
        EventKind::ConnectionStateChanged { state, .. } if state == "connected" => LinkPhase::DtlsConnected,
        EventKind::ChannelOpened { .. } => LinkPhase::Open,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Incarnation;

    fn event(ms: u64, peer: u32, remote: Option<u32>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(ms),
            peer: Some(PeerId(peer)),
            remote: remote.map(PeerId),
            kind,
        }
    }

    fn got(description: DescriptionKind) -> EventKind {
        EventKind::DescriptionReceived {
            description,
            fingerprint: 1,
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

    #[test]
    fn a_phase_is_the_furthest_of_both_ends_and_begins_anew_with_a_join() {
        let events = [
            event(1, 0, None, joined()),
            event(2, 1, Some(0), got(DescriptionKind::Offer)),
            event(3, 0, Some(1), got(DescriptionKind::Answer)),
            event(
                4,
                0,
                Some(2),
                EventKind::ChannelClosed {
                    generation: crate::base::Generation(1),
                },
            ),
            event(5, 1, None, joined()),
            event(6, 1, Some(0), got(DescriptionKind::Offer)),
        ];
        let reached = |until| LinkPhase::reached(&events, PeerId(0), PeerId(1), Instant::from_millis(until));
        assert_eq!(
            [1, 2, 3, 5, 6].map(reached),
            [
                LinkPhase::NotOffered,
                LinkPhase::OfferReceived,
                LinkPhase::AnswerReceived,
                LinkPhase::NotOffered,
                LinkPhase::OfferReceived
            ]
        );
    }
}
