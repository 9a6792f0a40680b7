use crate::metrics::{EventKind, RunEvent};

use super::{
    checkers::{Check, Story},
    last_events::Explains,
    result::{About, Finding, Findings},
};

/// 4: a callback or timer of a replaced connection changes nothing.
#[derive(Debug)]
pub(super) struct Generations;

impl Check for Generations {
    fn about(&self) -> About {
        About {
            number: 4,
            name: "a replaced connection changes nothing",
            cases_are: "connections",
            no_case: "no connection was made",
        }
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings) {
        match &event.kind {
            EventKind::ConnectionCreated { .. } => found.case(),
            EventKind::CrossedGeneration { from, on } => {
                found.breach(|| Finding {
                    peer: event.peer,
                    remote: event.remote,
                    at: event.at,
                    what: format!("a callback or timer of {from} took effect on {on}"),
                    last_events: story.last.around(event, Explains::Control),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{base::Generation, metrics::EventKind, verdict::invariants::story::Tale};

    #[test]
    fn a_stale_callback_that_is_ignored_holds_and_one_that_takes_effect_breaks() {
        let mut tale = Tale::of_two();
        let (generation, input) = (Generation(1), "timer".to_owned());
        tale.connect(0, 1)
            .event(0, 1, EventKind::StaleIgnored { generation, input });
        tale.assert_broken(&[]);
        let (from, on) = (Generation(1), Generation(2));
        tale.event(0, 1, EventKind::CrossedGeneration { from, on });
        tale.assert_broken(&[4]);
    }
}
