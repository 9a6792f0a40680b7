use super::{EventKind, RunEvent};
use crate::base::{BarrierId, PeerId};

/// What the ids in the events of a segment are in the plan that it was merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// By the peer's id in the segment.
    pub peers: Vec<PeerId>,
    /// By the barrier's id in the segment.
    pub barriers: Vec<BarrierId>,
    /// Which of so many segments it is, from 0: descriptions of two are never the same.
    pub place: (u64, u64),
}

impl Numbers {
    /// The event as one of the merged run.
    ///
    /// # Errors
    /// In words: it is of somebody whom the segment does not have.
    pub fn renumber(&self, event: &mut RunEvent) -> Result<(), String> {
        for peer in event.peer.iter_mut().chain(&mut event.remote) {
            self.peer(peer)?;
        }
        match &mut event.kind {
            EventKind::BarrierReleased { barrier } | EventKind::BarrierExpired { barrier } => {
                let known = self.barriers.get(barrier.index()).copied();
                *barrier = known.ok_or_else(|| format!("there is no {barrier} in the segment"))?;
            }
            EventKind::RosterSeen { server, believed } => {
                for peer in server.iter_mut().chain(believed) {
                    self.peer(peer)?;
                }
            }
            EventKind::ServerRoster { members, .. } => {
                for peer in members {
                    self.peer(peer)?;
                }
            }
            EventKind::DescriptionSent {
                fingerprint, answers, ..
            } => {
                self.description(fingerprint);
                answers.iter_mut().for_each(|offer| self.description(offer));
            }
            EventKind::DescriptionReceived { fingerprint, .. }
            | EventKind::DescriptionIgnored { fingerprint, .. } => self.description(fingerprint),
            _ => {}
        }
        Ok(())
    }

    fn peer(&self, peer: &mut PeerId) -> Result<(), String> {
        if *peer == PeerId::SERVER {
            return Ok(());
        }
        let known = self.peers.get(peer.index()).copied();
        *peer = known.ok_or_else(|| format!("there is no {peer} in the segment"))?;
        Ok(())
    }

    fn description(&self, fingerprint: &mut u64) {
        let (place, of) = self.place;
        *fingerprint = fingerprint.wrapping_mul(of).wrapping_add(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Generation, Instant},
        metrics::DescriptionKind,
    };

    fn numbers() -> Numbers {
        Numbers {
            peers: vec![PeerId(2), PeerId(3)],
            barriers: vec![BarrierId(1)],
            place: (1, 2),
        }
    }

    fn event(peer: u32, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::START,
            peer: Some(PeerId(peer)),
            remote: Some(PeerId(1 - peer.min(1))),
            kind,
        }
    }

    #[test]
    fn everybody_in_an_event_gets_the_number_in_the_whole() {
        let seen = |ids: [u32; 2]| EventKind::RosterSeen {
            server: ids.map(PeerId).to_vec(),
            believed: ids.map(PeerId).to_vec(),
        };
        let mut roster = event(0, seen([0, 1]));
        assert_eq!(numbers().renumber(&mut roster), Ok(()));
        assert_eq!((roster.peer, roster.remote), (Some(PeerId(2)), Some(PeerId(3))));
        assert_eq!(roster.kind, seen([2, 3]));
        let mut stranger = event(7, EventKind::ScriptEnded);
        assert!(numbers().renumber(&mut stranger).is_err());
        let released = |barrier| EventKind::BarrierReleased {
            barrier: BarrierId(barrier),
        };
        let mut barrier = event(0, released(0));
        assert_eq!(numbers().renumber(&mut barrier), Ok(()));
        assert_eq!(barrier.kind, released(1));
        assert!(numbers().renumber(&mut event(0, released(1))).is_err());
    }

    #[test]
    fn the_server_is_the_same_in_every_segment() {
        let mut event = RunEvent {
            remote: Some(PeerId::SERVER),
            ..event(1, EventKind::ScriptEnded)
        };
        assert_eq!(numbers().renumber(&mut event), Ok(()));
        assert_eq!(
            (event.peer, event.remote),
            (Some(PeerId(3)), Some(PeerId::SERVER))
        );
    }

    #[test]
    fn no_two_segments_share_a_description() {
        let sent = |fingerprint, answers| EventKind::DescriptionSent {
            generation: Generation(1),
            description: DescriptionKind::Answer,
            fingerprint,
            answers,
        };
        let first = Numbers {
            place: (0, 2),
            ..numbers()
        };
        let (mut one, mut other) = (event(0, sent(8, Some(7))), event(0, sent(8, Some(7))));
        assert_eq!(
            (first.renumber(&mut one), numbers().renumber(&mut other)),
            (Ok(()), Ok(()))
        );
        assert_eq!((one.kind, other.kind), (sent(16, Some(14)), sent(17, Some(15))));
    }
}
