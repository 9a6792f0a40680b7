use maud::{Markup, html};

use crate::{
    base::{Instant, PeerId},
    metrics::RunEvent,
    report::{
        RunRecord, RunReport, Story, chart,
        describe::{describe, place},
    },
};

/// Links (or peers) whose stories are told; the rest are counted.
const MAX_STORIES: usize = 20;
/// Failures that are listed.
const MAX_LISTED: usize = 200;
/// Lines of a story's text: its beginning, and those before and after its point.
const FIRST_LINES: usize = 40;
const LINES_BEFORE: usize = 120;
const LINES_AFTER: usize = 40;

/// What went wrong with one link, or one peer.
struct Case<'a> {
    peer: PeerId,
    remote: Option<PeerId>,
    /// When, and what; the first is the point of the story.
    wrongs: Vec<(Instant, &'a str)>,
}

/// Where the story of a link or a peer is.
pub(super) fn story_id(prefix: &str, peer: PeerId, remote: Option<PeerId>) -> String {
    match remote {
        Some(remote) => format!("{prefix}-link-{}-{}", peer.0.min(remote.0), peer.0.max(remote.0)),
        None => format!("{prefix}-peer-{}", peer.0),
    }
}

/// Every failure and finding in a list, then the story of each link that had one.
pub(super) fn failures(record: &RunRecord, prefix: &str) -> Markup {
    let report = &record.report;
    let cases = cases(report);
    let more = report.failures.len().saturating_sub(MAX_LISTED) as u64 + report.more_failures;
    html! {
        @if !report.failures.is_empty() || !cases.is_empty() {
            section id={ (prefix) "-failures" } {
                h3 { "Failures" }
                @if !report.failures.is_empty() {
                    details open[report.failures.len() <= 12] {
                        summary { (report.failures.len() as u64 + report.more_failures) " failures in their order" }
                        ul.failures {
                            @for failure in report.failures.iter().take(MAX_LISTED) {
                                li {
                                    span.when { (place(failure.peer, failure.remote, failure.at)) } " " (failure.what)
                                }
                            }
                        }
                        @if more > 0 { p.more { "and " (more) " more: see summary.json and events.ndjson" } }
                    }
                }
                @for (nth, case) in cases.iter().take(MAX_STORIES).enumerate() { (case.story(record, prefix, nth == 0)) }
                @if cases.len() > MAX_STORIES {
                    p.more {
                        (cases.len() - MAX_STORIES) " more links or peers had failures; their events are in events.ndjson"
                    }
                }
            }
        }
    }
}

/// By link or peer, in the order in which they first went wrong.
fn cases(report: &RunReport) -> Vec<Case<'_>> {
    let failures = report
        .failures
        .iter()
        .map(|line| (line.peer, line.remote, line.at, &*line.what));
    let findings = report.invariants.iter().flat_map(|invariant| &invariant.findings);
    let findings = findings.map(|finding| (finding.peer, finding.remote, finding.at, &*finding.what));
    let mut wrongs: Vec<_> = failures.chain(findings).collect();
    wrongs.sort_by_key(|(_, _, at, _)| *at);
    let mut cases: Vec<Case> = Vec::new();
    for (peer, remote, at, what) in wrongs {
        let Some(peer) = peer else { continue };
        let id = story_id("", peer, remote);
        match cases
            .iter_mut()
            .find(|case| story_id("", case.peer, case.remote) == id)
        {
            Some(case) => case.wrongs.push((at, what)),
            None => cases.push(Case {
                peer,
                remote,
                wrongs: vec![(at, what)],
            }),
        }
    }
    cases
}

impl Case<'_> {
    fn story(&self, record: &RunRecord, prefix: &str, is_open: bool) -> Markup {
        let whose = match self.remote {
            Some(remote) => format!("{} with {remote}", self.peer),
            None => self.peer.to_string(),
        };
        let story = Story {
            events: &record.events,
            peer: self.peer,
            remote: self.remote,
            point: self.wrongs.first().copied(),
        };
        let sequence = story.sequence();
        html! {
            details.story id=(story_id(prefix, self.peer, self.remote)) open[is_open] {
                summary {
                    h4 { (whose) } " "
                    span.wrong { @for (_, what) in self.wrongs.iter().take(1) { (what) } } " "
                    @if self.wrongs.len() > 1 { span.count { (self.wrongs.len()) " times" } }
                }
                @if !sequence.steps.is_empty() {
                    (chart::sequence(&sequence, &format!("How it came to it: {whose}")))
                }
                @if story.own().next().is_none() {
                    p.about { "The run's log holds no event of it." }
                } @else {
                    // What is of messages alone is told by the text alone.
                    details open[sequence.steps.is_empty()] {
                        summary { "As text, with messages and with what came after" }
                        pre tabindex="0" { (text(&story)) }
                    }
                }
            }
        }
    }
}

/// One line an event, around the story's point; how many are not there is said.
fn text(story: &Story) -> String {
    let events: Vec<&RunEvent> = story.own().collect();
    let is_later = |event: &&RunEvent| story.point.is_some_and(|(at, _)| event.at > at);
    let point = events.iter().position(is_later).unwrap_or(events.len());
    let from = point.saturating_sub(LINES_BEFORE);
    let until = events.len().min(point + LINES_AFTER);
    let first = FIRST_LINES.min(from);
    let left_out = |count: usize| {
        (count > 0).then(|| format!("{:>15}  … {count} lines are left out; events.ndjson has all", ""))
    };
    let told = |events: &[&RunEvent]| events.iter().map(|event| describe(event)).collect::<Vec<_>>();
    let mut lines = told(&events[..first]);
    lines.extend(left_out(from - first));
    lines.extend(told(&events[from..until]));
    lines.extend(left_out(events.len() - until));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::EventKind, report::samples};

    #[test]
    fn a_links_failures_are_one_case_whoever_tells_them() {
        let mut report = samples::busy_run();
        let mut other = report.failures[0].clone();
        (other.peer, other.remote) = (Some(PeerId(1)), Some(PeerId(0)));
        report.failures.push(other);
        let cases = cases(&report);
        let of = |peer, remote| {
            cases
                .iter()
                .find(|case| story_id("", case.peer, case.remote) == story_id("", peer, remote))
        };
        let case = of(PeerId(0), Some(PeerId(1))).expect("there");
        assert_eq!(case.wrongs.len(), 3, "two failures and the finding");
        assert_eq!(
            case.wrongs[0].0,
            Instant::from_micros(1_202_311),
            "the earliest is first"
        );
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_what_is_around_its_point() {
        let event = |ms| RunEvent {
            at: Instant::from_millis(ms),
            peer: Some(PeerId(0)),
            remote: None,
            kind: EventKind::ScriptEnded,
        };
        let events: Vec<RunEvent> = (0..500).map(event).collect();
        let at = |ms| Story {
            events: &events,
            peer: PeerId(0),
            remote: None,
            point: Some((Instant::from_millis(ms), "gone")),
        };
        let middle = text(&at(300));
        assert_eq!(middle.lines().count(), 40 + 1 + 120 + 40 + 1);
        for line in [
            "39.000 ms",
            "… 141 lines",
            "300.000 ms",
            "340.000 ms",
            "… 159 lines",
        ] {
            assert!(middle.contains(line), "{line}");
        }
        let early = text(&at(3));
        assert!(
            early.starts_with("       0.000 ms") && early.contains("… 456 lines"),
            "{early}"
        );
    }
}
