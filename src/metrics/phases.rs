use std::time::Duration;

use crate::base::Instant;

use super::{CandidateKind, SignalingState, tally::Began};

/// What the connection in use at one end has reached, each for the first time.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) stable: Option<Instant>,
    pub(super) ice: Option<Instant>,
    pub(super) connected: Option<Instant>,
    /// The data channel is open, and the local type of the selected pair.
    pub(super) opened: Option<(Instant, CandidateKind)>,
    /// Data has come in.
    pub(super) probed: Option<Instant>,
}

impl Marks {
    /// `stable` completes the exchange, unless a description follows before ICE is connected: then it was
    /// the rollback of a polite peer, and the exchange has only begun.
    pub(super) fn signaling(&mut self, state: SignalingState, at: Instant) {
        match state {
            SignalingState::Stable => _ = self.stable.get_or_insert(at),
            SignalingState::HaveLocalOffer | SignalingState::HaveRemoteOffer if self.ice.is_none() => {
                self.stable = None;
            }
            _ => {}
        }
    }
}

/// `connect_ms` cut into four, which add up to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phases([Duration; 4]);

impl Phases {
    /// The later end decides when a phase is over. Only if all marks are known; one that is reported out
    /// of order (a state change after the channel's own callback) gives a phase of length zero.
    pub(super) fn between(start: Instant, ends: [&Marks; 2], opened: Instant) -> Option<Self> {
        let later = |mark: fn(&Marks) -> Option<Instant>| Some(mark(ends[0])?.max(mark(ends[1])?));
        let marks = [
            later(|m| m.stable)?,
            later(|m| m.ice)?,
            later(|m| m.connected)?,
            opened,
        ];
        let mut from = start;
        Some(Self(marks.map(|mark| {
            let until = mark.min(opened).max(from);
            let took = until.since(from);
            from = until;
            took
        })))
    }

    pub(super) fn count(&self, tally: &mut Began<'_>) {
        let names = ["offer_answer_ms", "ice_ms", "dtls_ms", "channel_ms"];
        for (name, took) in names.into_iter().zip(self.0) {
            tally.took(name, took);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(at: u64) -> Instant {
        Instant::from_millis(at)
    }

    fn marks(stable: u64, ice: u64, connected: u64) -> Marks {
        Marks {
            stable: Some(ms(stable)),
            ice: Some(ms(ice)),
            connected: Some(ms(connected)),
            ..Marks::default()
        }
    }

    #[test]
    fn the_later_end_ends_a_phase() {
        let phases = Phases::between(ms(10), [&marks(12, 30, 31), &marks(15, 20, 40)], ms(50));
        assert_eq!(phases, Some(Phases([5, 15, 10, 10].map(Duration::from_millis))));
    }

    #[test]
    fn the_stable_of_a_rollback_is_not_the_end_of_the_exchange() {
        let mut marks = Marks::default();
        marks.signaling(SignalingState::HaveLocalOffer, ms(1));
        marks.signaling(SignalingState::Stable, ms(2));
        marks.signaling(SignalingState::HaveRemoteOffer, ms(2));
        assert_eq!(marks.stable, None);
        marks.signaling(SignalingState::Stable, ms(3));
        assert_eq!(marks.stable, Some(ms(3)));

        marks.ice = Some(ms(4));
        marks.signaling(SignalingState::HaveLocalOffer, ms(5));
        assert_eq!(marks.stable, Some(ms(3)), "a renegotiation changes nothing");
    }

    #[test]
    fn an_unknown_mark_leaves_the_phases_out() {
        let unknown = Marks {
            ice: None,
            ..marks(1, 1, 1)
        };
        assert_eq!(Phases::between(ms(0), [&marks(1, 2, 3), &unknown], ms(9)), None);
    }

    proptest! {
        #[test]
        fn phases_add_up_to_the_whole(times in prop::array::uniform6(0_u64..1000), start in 0_u64..500, took in 0_u64..500) {
            let [a, b, c, d, e, f] = times;
            let opened = ms(start + took);
            let phases = Phases::between(ms(start), [&marks(a, b, c), &marks(d, e, f)], opened).expect("all known");
            prop_assert_eq!(phases.0.iter().sum::<Duration>(), Duration::from_millis(took));
        }
    }
}
