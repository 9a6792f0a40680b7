use std::collections::{BTreeMap, VecDeque};

use crate::{
    base::{Generation, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent},
};

use super::{
    checkers::{Check, Story},
    last_events::Explains,
    result::{About, Finding, Findings},
};

/// How many answered offers of one link are remembered, the latest ones.
const MAX_ANSWERED: usize = 64;

/// 7: one offer is answered at most once by the connection that took it.
///
/// An offer is known by the fingerprint of its whole description. Answers that do not name their offer
/// prove nothing and are passed over.
#[derive(Debug, Default)]
pub(super) struct Answers {
    answered: BTreeMap<(PeerId, PeerId), VecDeque<(Generation, u64)>>,
}

impl Check for Answers {
    fn about(&self) -> About {
        About {
            number: 7,
            name: "one offer is answered at most once",
            cases_are: "answers",
            no_case: "no offer was answered",
        }
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings) {
        let EventKind::DescriptionSent {
            generation,
            description: DescriptionKind::Answer,
            answers: Some(offer),
            ..
        } = event.kind
        else {
            return;
        };
        let (Some(peer), Some(remote)) = (event.peer, event.remote) else {
            return;
        };
        found.case();
        let answered = self.answered.entry((peer, remote)).or_default();
        if answered.contains(&(generation, offer)) {
            found.breach(|| Finding {
                peer: Some(peer),
                remote: Some(remote),
                at: event.at,
                what: format!("offer {offer} was answered again on {generation}"),
                last_events: story.last.of_link(peer, remote, Explains::Control),
            });
            return;
        }
        if answered.len() == MAX_ANSWERED {
            answered.pop_front();
        }
        answered.push_back((generation, offer));
    }
}

#[cfg(test)]
mod tests {
    use crate::verdict::invariants::story::Tale;

    #[test]
    fn a_second_answer_to_one_offer_breaks() {
        let mut tale = Tale::of_two();
        tale.answer(1, 0, 42).assert_broken(&[]);
        tale.answer(1, 0, 42).assert_broken(&[7]);
    }

    #[test]
    fn each_of_many_offers_may_be_answered_once() {
        let mut tale = Tale::of_two();
        for offer in 0..200 {
            tale.answer(1, 0, offer);
        }
        tale.assert_broken(&[]);
        assert_eq!(tale.result(7).cases, 201);
    }
}
