//! What the stack draws by itself, told so that it is the same in every run of a seed.

use std::{borrow::Cow, collections::BTreeMap};

use crate::metrics::{EventKind, RunEvent};

/// Descriptions that are remembered at least. One that comes again after so many others gets a new number.
const REMEMBERED: usize = 1 << 19;
/// A number with so many digits is nobody's count but a port or an id.
const ID_DIGITS: usize = 4;

/// Makes events comparable between runs: a description's hash becomes its number in the order of first
/// appearance, from 1, and numbers of four digits or more in the errors of the stack become `#`.
#[derive(Debug, Default)]
pub struct Normaliser {
    last: u64,
    recent: BTreeMap<u64, u64>,
    /// The ones before, so that nothing is forgotten the moment that there is too much.
    older: BTreeMap<u64, u64>,
}

impl Normaliser {
    /// The event as every reader gets it.
    pub fn normal<'a>(&mut self, event: &'a RunEvent) -> Cow<'a, RunEvent> {
        let mut event = Cow::Borrowed(event);
        match &event.kind {
            EventKind::DescriptionSent { .. }
            | EventKind::DescriptionReceived { .. }
            | EventKind::DescriptionIgnored { .. }
            | EventKind::OperationFailed { .. } => self.change(&mut event.to_mut().kind),
            _ => {}
        }
        event
    }

    fn change(&mut self, kind: &mut EventKind) {
        match kind {
            EventKind::DescriptionSent {
                fingerprint, answers, ..
            } => {
                // The offer was there first.
                *answers = answers.map(|offer| self.number(offer));
                *fingerprint = self.number(*fingerprint);
            }
            EventKind::DescriptionReceived { fingerprint, .. }
            | EventKind::DescriptionIgnored { fingerprint, .. } => *fingerprint = self.number(*fingerprint),
            EventKind::OperationFailed { error, .. } => *error = without_ids(error),
            _ => {}
        }
    }

    fn number(&mut self, fingerprint: u64) -> u64 {
        let known = self.recent.get(&fingerprint).or(self.older.get(&fingerprint));
        if let Some(number) = known {
            return *number;
        }
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.last += 1;
        self.recent.insert(fingerprint, self.last);
        self.last
    }
}

fn without_ids(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        let length = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (number, after) = from.split_at(length);
        clean += before;
        clean += if length < ID_DIGITS { number } else { "#" };
        rest = after;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Generation, Instant, PeerId},
        metrics::{DescriptionKind, Operation, SignalingState},
    };

    fn event(kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::START,
            peer: Some(PeerId(0)),
            remote: Some(PeerId(1)),
            kind,
        }
    }

    fn sent(fingerprint: u64, answers: Option<u64>) -> RunEvent {
        event(EventKind::DescriptionSent {
            generation: Generation(1),
            description: DescriptionKind::Offer,
            fingerprint,
            answers,
        })
    }

    fn received(fingerprint: u64) -> RunEvent {
        event(EventKind::DescriptionReceived {
            description: DescriptionKind::Offer,
            fingerprint,
        })
    }

    fn normal(events: &[RunEvent]) -> Vec<RunEvent> {
        let mut normaliser = Normaliser::default();
        events.iter().map(|e| normaliser.normal(e).into_owned()).collect()
    }

    #[test]
    fn descriptions_are_numbered_in_order_of_appearance() {
        let events = [sent(77, None), received(77), sent(5, Some(77)), received(5)];
        let expected = [sent(1, None), received(1), sent(2, Some(1)), received(2)];
        assert_eq!(normal(&events), expected);
    }

    #[test]
    fn an_answer_to_an_offer_that_was_never_seen_counts_the_offer_first() {
        assert_eq!(normal(&[sent(9, Some(8))]), [sent(2, Some(1))]);
    }

    #[test]
    fn errors_lose_ports_and_ids_and_keep_small_numbers() {
        let failed = |error: &str| {
            event(EventKind::OperationFailed {
                generation: Generation(1),
                operation: Operation::Send,
                state: SignalingState::Stable,
                allowed: true,
                error: error.to_owned(),
            })
        };
        assert_eq!(
            normal(&[failed("127.0.0.1:49152: os error 24 é 1234")]),
            [failed("127.0.0.1:#: os error 24 é #")]
        );
    }

    #[test]
    fn what_was_seen_shortly_before_is_not_forgotten() {
        let mut normaliser = Normaliser::default();
        for hash in 1..=(REMEMBERED as u64 + 1) {
            normaliser.number(hash);
        }
        assert_eq!(normaliser.number(REMEMBERED as u64), REMEMBERED as u64);
        assert_eq!(normaliser.number(1), 1);
    }
}
