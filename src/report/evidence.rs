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

    /// Its story as a Mermaid diagram of at most `most` steps; nothing if there is none.
    pub fn diagram(&self, events: &'a [RunEvent], most: usize) -> Option<String> {
        let story = self.story(events)?;
        let window = self.window(&story, most, |event| {
            event.peer.is_some() && Story::draws(&event.kind)
        });
        if window.shown.is_empty() {
            return None;
        }
        let shown: Vec<RunEvent> = window.shown.iter().map(|event| (*event).clone()).collect();
        let diagram = Story {
            events: &shown,
            ..story
        }
        .mermaid();
        let note = |count: usize| format!("    Note over {}: {count} steps are left out", story.peer);
        let mut lines: Vec<String> = diagram.lines().map(str::to_owned).collect();
        // After the heading and the participants each step is a line.
        let first = lines
            .iter()
            .rposition(|line| line.starts_with("    participant"))
            .map_or(1, |at| at + 1);
        if window.left_out > 0 {
            lines.insert((first + window.gap_at).min(lines.len()), note(window.left_out));
        }
        if window.earlier > 0 {
            lines.insert(first, note(window.earlier));
        }
        Some(lines.join("\n") + "\n")
    }

    /// Its story as at most `most` lines of text. Of chat messages only those that it rests on are told.
    pub fn lines(&self, events: &'a [RunEvent], most: usize) -> Vec<String> {
        let Some(story) = self.story(events) else {
            return Vec::new();
        };
        let window = self.window(&story, most, |event| {
            let is_chat = matches!(
                event.kind,
                EventKind::MessageSent { .. }
                    | EventKind::MessageReceived { .. }
                    | EventKind::MessageUnsent { .. }
            );
            !is_chat || self.last_events.contains(event)
        });
        let note = |count: usize| format!("… {count} events are left out");
        let mut lines: Vec<String> = window.shown.iter().map(|event| describe(event)).collect();
        if window.left_out > 0 {
            lines.insert(window.gap_at, note(window.left_out));
        }
        if window.earlier > 0 {
            lines.insert(0, note(window.earlier));
        }
        lines
    }

    /// What matters of a story: from where the link was well for the last time to what it is about. If that is too much,
    /// its beginning, where the cause is, and its end.
    fn window(&self, story: &Story<'a>, most: usize, is_shown: impl Fn(&RunEvent) -> bool) -> Window<'a> {
        let all: Vec<&RunEvent> = story
            .own()
            .filter(|event| event.at <= self.at && is_shown(event))
            .collect();
        let is_well = |event: &&RunEvent| {
            matches!(
                event.kind,
                EventKind::ChannelOpened { .. } | EventKind::LinkRecovered { .. }
            )
        };
        let from = all
            .iter()
            .rposition(is_well)
            .filter(|_| all.len() > most)
            .unwrap_or(0);
        let mut shown = all[from..].to_vec();
        let left_out = shown.len().saturating_sub(most);
        let gap_at = shown.len().min(most) * 2 / 3;
        shown.drain(gap_at..gap_at + left_out);
        Window {
            earlier: from,
            shown,
            gap_at,
            left_out,
        }
    }
}

/// Events of a story, with what is left out of it.
struct Window<'a> {
    /// So many came before.
    earlier: usize,
    shown: Vec<&'a RunEvent>,
    /// Where in what is shown some are left out, and how many.
    gap_at: usize,
    left_out: usize,
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
        let all = finding.lines(&run.events, 100);
        assert_eq!(all.len(), 5);
        let some = finding.lines(&run.events, 3);
        let expected = [&*all[0], &all[1], "… 2 events are left out", &all[4]];
        assert_eq!(some, expected);
        let drawn = finding
            .diagram(&run.events, 3)
            .expect("there is something to draw");
        let drawn: Vec<&str> = drawn.lines().skip(4).map(str::trim).collect();
        assert_eq!(drawn[2], "Note over peer-1: 2 steps are left out");
        assert_eq!(drawn.len(), 5, "three steps, that and the point: {drawn:#?}");
        let early = Evidence {
            at: Instant::from_millis(2_000),
            ..finding
        };
        assert_eq!(early.lines(&run.events, 100).len(), 2);
        let runs_own = Evidence {
            peer: None,
            remote: None,
            ..finding
        };
        assert!(runs_own.story(&run.events).is_none() && runs_own.lines(&run.events, 9).is_empty());
    }

    #[test]
    fn a_long_story_begins_where_the_link_was_well_for_the_last_time() {
        let mut run = samples::recorded(samples::faulty_run());
        let well = RunEvent {
            at: Instant::from_millis(5_000),
            kind: EventKind::ChannelOpened {
                generation: crate::base::Generation(1),
                incarnation: crate::base::Incarnation(1),
                pair: crate::metrics::CandidateKind::Host,
            },
            ..run.events[0].clone()
        };
        run.events.insert(3, well);
        let finding = Evidence::by_place(&run.report)[0];
        let lines = finding.lines(&run.events, 5);
        assert_eq!(lines[0], "… 3 events are left out");
        assert!(lines[1].contains("5000.000 ms") && lines.len() == 4, "{lines:#?}");
        assert_eq!(
            finding.lines(&run.events, 6).len(),
            6,
            "short enough to be told whole"
        );
    }
}
