use maud::{Markup, html};

use crate::{
    base::{Instant, PeerId},
    report::{RunRecord, RunReport, Story, chart, describe::place},
};

/// Links (or peers) whose stories are told; the rest are counted.
const MAX_STORIES: usize = 20;
/// Failures that are listed.
const MAX_LISTED: usize = 200;
/// Lines of a story's text at its beginning and at its end.
const FIRST_LINES: usize = 40;
const LAST_LINES: usize = 160;

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
                    h4 { (whose) }
                    span.wrong { @for (_, what) in self.wrongs.iter().take(1) { (what) } }
                    @if self.wrongs.len() > 1 { span.count { (self.wrongs.len()) " times" } }
                }
                @if sequence.steps.is_empty() {
                    p.about { "The run's log holds no event of it." }
                } @else {
                    (chart::sequence(&sequence, &format!("How it came to it: {whose}")))
                    details {
                        summary { "The same as text, with what came after" }
                        pre tabindex="0" { (bounded(&story.text())) }
                    }
                }
            }
        }
    }
}

/// The beginning and the end of a text, and how many lines are not there.
fn bounded(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= FIRST_LINES + LAST_LINES {
        return text.to_owned();
    }
    let left_out = lines.len() - FIRST_LINES - LAST_LINES;
    let gap = format!("             … {left_out} lines are left out; events.ndjson has all");
    let mut kept = lines[..FIRST_LINES].to_vec();
    kept.push(&gap);
    kept.extend(&lines[lines.len() - LAST_LINES..]);
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

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
    fn long_texts_keep_both_ends() {
        let text: String = (0..500).map(|nth| format!("line {nth}\n")).collect();
        let kept = bounded(&text);
        assert_eq!(kept.lines().count(), 201);
        assert!(kept.contains("… 300 lines") && kept.ends_with("line 499"));
    }
}
