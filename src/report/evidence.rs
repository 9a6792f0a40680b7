//! Where a run went wrong, and the story of each place: what reports for CI systems show of it.

use super::{Story, describe, describe::place, model::RunReport};
use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent},
    verdict::invariants::InvariantResult,
};

/// One place at which something broke or failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence<'a> {
    pub peer: Option<PeerId>,
    pub remote: Option<PeerId>,
    pub at: Instant,
    pub what: &'a str,
    /// What a finding rests on.
    pub last_events: &'a [RunEvent],
}

impl<'a> Evidence<'a> {
    /// What broke an invariant, in the order in which it was found.
    pub fn of_invariant(result: &'a InvariantResult) -> impl Iterator<Item = Self> {
        result.findings.iter().map(|finding| Self {
            peer: finding.peer,
            remote: finding.remote,
            at: finding.at,
            what: &finding.what,
            last_events: &finding.last_events,
        })
    }

    /// What failed by itself, in its order.
    pub fn of_failures(report: &'a RunReport) -> impl Iterator<Item = Self> {
        report.failures.iter().map(|failure| Self {
            peer: failure.peer,
            remote: failure.remote,
            at: failure.at,
            what: &failure.what,
            last_events: &[],
        })
    }

    /// Of all that went wrong, one for each link or peer: what broke an invariant before what failed, links before
    /// peers alone.
    pub fn by_place(report: &'a RunReport) -> Vec<Self> {
        let broken = report.invariants.iter().flat_map(Self::of_invariant);
        let mut all: Vec<Self> = broken.chain(Self::of_failures(report)).collect();
        // Stable: the order within each is kept.
        all.sort_by_key(|one| one.remote.is_none());
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|one| {
            let mut ends = [one.peer, one.remote];
            ends.sort_unstable();
            seen.insert(ends)
        });
        all
    }

    /// Who, when and what, on one line.
    pub fn line(&self) -> String {
        format!("{}: {}", place(self.peer, self.remote, self.at), self.what)
    }

    /// The story of its link, or of its peer; the run's own has none.
    pub fn story(&self, events: &'a [RunEvent]) -> Option<Story<'a>> {
        let story = Story {
            events,
            peer: self.peer?,
            remote: self.remote,
            point: Some((self.at, self.what)),
        };
        story.own().next().is_some().then_some(story)
    }

    /// The last `most` steps of its story, up to what it is about, as a Mermaid diagram; nothing if there is none.
    pub fn diagram(&self, events: &'a [RunEvent], most: usize) -> Option<String> {
        let story = self.story(events)?;
        let is_drawn =
            |event: &&RunEvent| event.peer.is_some() && event.at <= self.at && Story::draws(&event.kind);
        let all: Vec<&RunEvent> = story.own().filter(is_drawn).collect();
        let earlier = all.len().saturating_sub(most);
        let last: Vec<RunEvent> = all[earlier..].iter().map(|event| (*event).clone()).collect();
        let diagram = Story {
            events: &last,
            ..story
        }
        .mermaid();
        // The last line says what it is about.
        let lines = diagram.lines().filter(|line| !line.contains("participant"));
        if lines.count() <= 2 {
            return None;
        }
        if earlier == 0 {
            return Some(diagram);
        }
        let head = diagram.rfind("    participant").unwrap_or(0);
        let head = head + diagram[head..].find('\n').map_or(0, |feed| feed + 1);
        let (head, rest) = diagram.split_at(head);
        Some(format!(
            "{head}    Note over {}: {earlier} earlier steps are left out\n{rest}",
            story.peer
        ))
    }

    /// The last lines of its story, up to what it is about. Of chat messages only those that it rests on are told.
    pub fn last_lines(&self, events: &'a [RunEvent], most: usize) -> Vec<String> {
        let Some(story) = self.story(events) else {
            return Vec::new();
        };
        let is_told = |event: &&RunEvent| {
            let is_chat = matches!(
                event.kind,
                EventKind::MessageSent { .. }
                    | EventKind::MessageReceived { .. }
                    | EventKind::MessageUnsent { .. }
            );
            event.at <= self.at && (!is_chat || self.last_events.contains(event))
        };
        let told: Vec<&RunEvent> = story.own().filter(is_told).collect();
        let earlier = told.len().saturating_sub(most);
        let left_out = (earlier > 0).then(|| format!("… {earlier} earlier events are left out"));
        left_out
            .into_iter()
            .chain(told[earlier..].iter().map(|event| describe(event)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_link_is_named_once_and_what_broke_an_invariant_comes_first() {
        let report = samples::busy_run();
        let all = Evidence::by_place(&report);
        assert_eq!(
            all[0].what, report.invariants[1].findings[0].what,
            "the finding on the link of 0 and 1, not the failure there"
        );
        let links = all.iter().filter(|one| one.remote.is_some()).count();
        assert_eq!((links, all.len()), (6, 12));
        assert!(all[..links].iter().all(|one| one.remote.is_some()));
    }

    #[test]
    fn the_story_ends_with_its_point_and_says_what_is_left_out() {
        let run = samples::recorded(samples::faulty_run());
        let finding = Evidence::by_place(&run.report)[0];
        let all = finding.last_lines(&run.events, 100);
        assert_eq!(all.len(), 5);
        let last = finding.last_lines(&run.events, 2);
        assert_eq!(last[0], "… 3 earlier events are left out");
        assert_eq!(last[1..], all[3..]);
        let drawn = finding
            .diagram(&run.events, 2)
            .expect("there is something to draw");
        let drawn: Vec<&str> = drawn.lines().skip(4).map(str::trim).collect();
        assert_eq!(drawn[0], "Note over peer-1: 3 earlier steps are left out");
        assert_eq!(drawn.len(), 4, "that, two steps and the point: {drawn:#?}");
        let early = Evidence {
            at: Instant::from_millis(2_000),
            ..finding
        };
        assert_eq!(early.last_lines(&run.events, 100).len(), 2);
        let runs_own = Evidence {
            peer: None,
            remote: None,
            ..finding
        };
        assert!(runs_own.story(&run.events).is_none() && runs_own.last_lines(&run.events, 9).is_empty());
    }
}
