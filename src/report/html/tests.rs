//! The page as its readers and its browser take it.

use std::time::Duration;

use super::*;
use crate::{
    base::{Instant, PeerId, RoomId},
    metrics::{FaultBand, FaultCause, RoomCell, RoomLine, Slice, Timeline},
    report::{FailureLine, RunRecord, RunReport, VerdictWord, samples},
};

/// A run of so many rooms of four in which all that a timeline can tell is told.
fn times(rooms: u32, slices: usize) -> Timeline {
    let cell = |room: u32, nth: usize| RoomCell {
        members: 4,
        links_open: ((nth as u32 * 7 + room) % 7).min(6),
        links_possible: 6,
        failures: u32::from((nth as u32 + room).is_multiple_of(31)),
        faulty: (nth as u32 + room).is_multiple_of(5),
    };
    Timeline {
        slice: Duration::from_millis(250),
        slices: (0..slices)
            .map(|nth| Slice {
                peers_joined: rooms * 4,
                links_open: rooms * 6 - nth as u32 % 3,
                messages: nth as u64 * 13 % 40,
                failures: u64::from(nth % 6 == 5),
                cpu_percent: Some(40.0 + nth as f64),
                rss_bytes: Some(50_000_000),
                lag_ms: Some(0.4),
            })
            .collect(),
        rooms: (0..rooms)
            .map(|room| RoomLine {
                room: RoomId(room),
                cells: (0..slices).map(|nth| cell(room, nth)).collect(),
            })
            .collect(),
        faults: vec![FaultBand {
            cause: FaultCause::DropNetwork,
            room: Some(RoomId(0)),
            from: Instant::from_millis(500),
            until: Instant::from_millis(1_250),
        }],
        more_faults: 0,
    }
}

/// Everything that a page can hold: a timeline, phases, paths, outages, stories.
fn whole_run() -> RunReport {
    let mut report = samples::busy_run();
    report.timeline = times(3, 12);
    let faulty = samples::faulty_run();
    report.metrics.merge(&faulty.metrics);
    for name in ["offer_answer_ms", "dtls_ms", "channel_ms"] {
        let trend = report.metrics.trends.entry(samples::key(name, &[])).or_default();
        (0..150).for_each(|nth| trend.record(Duration::from_micros(400 + nth)));
    }
    report
}

fn html(runs: &[RunRecord]) -> String {
    String::from_utf8(page(runs).expect("a page")).expect("UTF-8")
}

/// As XML: HTML's void elements closed, and attributes without a value given one.
fn well_formed(html: &str) -> String {
    let html = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut xml = String::new();
    for (nth, piece) in html.split("<meta ").enumerate() {
        if nth == 0 {
            xml.push_str(piece);
        } else {
            xml.push_str("<meta ");
            xml.push_str(&piece.replacen('>', "/>", 1));
        }
    }
    xml.replace(" open>", " open=\"\">")
}

fn with_tree<T>(html: &str, look: impl FnOnce(&roxmltree::Document) -> T) -> T {
    let xml = well_formed(html);
    look(&roxmltree::Document::parse(&xml).expect("well-formed"))
}

fn check(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "../../../tests/data/report",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn every_sample_is_well_formed_and_ids_and_links_fit() {
    let mut torn = samples::empty_run();
    torn.verdict.word = VerdictWord::Incomplete;
    let samples = [whole_run(), samples::failed_run(), samples::faulty_run(), torn].map(samples::recorded);
    let alone = samples.iter().map(|run| html(std::slice::from_ref(run)));
    for page in alone.chain([html(&samples), html(&[])]) {
        with_tree(&page, |tree| {
            let mut ids: Vec<&str> = tree
                .descendants()
                .filter_map(|node| node.attribute("id"))
                .collect();
            let all = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all, "ids are unique");
            for link in tree.descendants().filter_map(|node| node.attribute("href")) {
                let target = link.strip_prefix('#').expect("links stay on the page");
                assert!(ids.contains(&target), "{link} leads nowhere");
            }
        });
    }
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    let page = html(&[samples::recorded(whole_run())]);
    for reference in [
        "http", "src=", "@import", "url(", "<script", "<link", "<object", "<iframe",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn every_chart_has_a_title_words_and_a_table() {
    let page = html(&[samples::recorded(whole_run())]);
    with_tree(&page, |tree| {
        let figures: Vec<_> = tree
            .descendants()
            .filter(|node| node.has_tag_name("figure"))
            .collect();
        assert!(figures.len() >= 8, "{}", figures.len());
        for figure in figures {
            let first = |name: &str| figure.descendants().find(|node| node.has_tag_name(name));
            let title = first("h4").and_then(|title| title.text()).expect("a heading");
            let drawing = first("svg").expect("a drawing");
            assert_eq!(drawing.attribute("role"), Some("img"));
            assert!(
                drawing
                    .first_element_child()
                    .is_some_and(|child| child.has_tag_name("title")),
                "{title}"
            );
            let table = first("table").unwrap_or_else(|| panic!("{title} has no table"));
            let wide = table
                .descendants()
                .find(|node| node.has_tag_name("tr"))
                .map(|row| row.children().count());
            for row in table.descendants().filter(|node| node.has_tag_name("tr")) {
                assert_eq!(
                    Some(row.children().count()),
                    wide,
                    "{title}: rows are as wide as their headings"
                );
            }
        }
    });
    assert!(!page.contains("NaN") && !page.contains("inf%"));
}

#[test]
fn headings_leave_no_level_out() {
    let runs = [
        samples::recorded(whole_run()),
        samples::recorded(samples::failed_run()),
    ];
    with_tree(&html(&runs), |tree| {
        let levels = tree.descendants().filter_map(|node| {
            let level = node.tag_name().name().strip_prefix('h')?;
            level.parse::<u32>().ok()
        });
        let mut last = 0;
        for level in levels {
            assert!(level <= last + 1, "h{level} under h{last}");
            last = level;
        }
        assert_eq!(
            tree.descendants().filter(|node| node.has_tag_name("h1")).count(),
            1
        );
    });
}

#[test]
fn other_peoples_words_are_never_markup() {
    let evil = "</title><script>alert('x')</script>&\"<svg onload=x>";
    let mut report = whole_run();
    report.scenario.name = evil.to_owned();
    report.scenario.about = Some(evil.to_owned());
    report.target = evil.to_owned();
    report.repeat = evil.to_owned();
    report.verdict.reasons = vec![evil.to_owned()];
    report.verdict.warnings = vec![evil.to_owned()];
    report.thresholds[0].selector = evil.to_owned();
    report.invariants[0].note = Some(evil.to_owned());
    report.failures[0].what = evil.to_owned();
    report
        .metrics
        .counters
        .insert(samples::key(evil, &[(evil, evil)]), 3);
    let mut run = samples::recorded(report);
    run.scenario = evil.to_owned();
    for event in &mut run.events {
        if let crate::metrics::EventKind::OperationFailed { error, .. } = &mut event.kind {
            *error = evil.to_owned();
        }
    }
    let page = html(&[run.clone(), run]);
    assert!(!page.contains("<script") && !page.contains("<svg onload"));
    assert!(page.contains("&lt;script&gt;"));
    with_tree(&page, |_| ());
}

#[test]
fn a_big_run_stays_small() {
    let mut report = whole_run();
    report.timeline = times(200, 240);
    report.timeline.faults = (0..500)
        .map(|nth| FaultBand {
            cause: FaultCause::Crash,
            room: None,
            from: Instant::from_millis(nth * 100),
            until: Instant::from_millis(nth * 100 + 50),
        })
        .collect();
    report.failures = (0..1_200)
        .map(|nth| FailureLine {
            peer: Some(PeerId(nth)),
            remote: Some(PeerId(nth + 1)),
            at: Instant::from_millis(u64::from(nth)),
            what: "wait: connected expired after 30 s".to_owned(),
        })
        .collect();
    let mut run = samples::recorded(report);
    let event = run.events[0].clone();
    for nth in 0..1_200_u32 {
        for step in 0..300 {
            run.events.push(crate::metrics::RunEvent {
                at: Instant::from_millis(step),
                peer: Some(PeerId(nth)),
                remote: Some(PeerId(nth + 1)),
                kind: crate::metrics::EventKind::MemberJoined { again: step % 2 == 0 },
            });
        }
    }
    run.events.push(event);
    let page = html(&[run]);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("class=\"story\"").count(), 20);
    assert!(page.contains("more links or peers had failures"));
}

#[test]
fn a_run_that_did_not_end_cannot_be_missed() {
    let mut report = samples::empty_run();
    report.verdict.word = VerdictWord::Incomplete;
    let page = html(&[samples::recorded(report)]);
    assert!(page.contains("<title>INCOMPLETE smoke"));
    assert!(page.contains("class=\"verdict bad incomplete\"") && page.contains("did not come to its end"));
}

#[test]
fn virtual_durations_are_said_to_be_such() {
    let mut report = samples::empty_run();
    assert!(!html(&[samples::recorded(report.clone())]).contains("virtual time"));
    report.world = "sim".to_owned();
    assert!(html(&[samples::recorded(report)]).contains("virtual time"));
}

#[test]
fn the_same_run_is_the_same_page() {
    let run = samples::recorded(whole_run());
    assert_eq!(page(std::slice::from_ref(&run)), page(std::slice::from_ref(&run)));
    assert_eq!(charts(&run.report), charts(&run.report));
}

#[test]
fn several_runs_have_an_index() {
    let runs = [
        samples::recorded(whole_run()),
        samples::recorded(samples::failed_run()),
    ];
    let page = html(&runs);
    assert!(page.contains("<title>2 runs") && page.contains("href=\"#run-2\""));
    assert!(!html(&runs[..1]).contains("aria-label=\"Runs\""));
}

/// Elements by their depth, without what is in drawings and rows: what a reader steps through.
fn outline(html: &str) -> String {
    fn walk(node: roxmltree::Node, depth: usize, outline: &mut String) {
        for child in node.children().filter(roxmltree::Node::is_element) {
            let name = child.tag_name().name();
            let class = child
                .attribute("class")
                .map(|class| format!(".{class}"))
                .unwrap_or_default();
            let id = child
                .attribute("id")
                .map(|id| format!("#{id}"))
                .unwrap_or_default();
            let is_heading = ["h1", "h2", "h3", "h4", "summary", "caption", "dt", "li"].contains(&name);
            let words: String = match is_heading {
                true => child
                    .descendants()
                    .filter_map(|node| node.text().filter(|_| node.is_text()))
                    .collect(),
                false => String::new(),
            };
            outline.push_str(format!("{}{name}{id}{class} {words}", "  ".repeat(depth)).trim_end());
            outline.push('\n');
            if !["svg", "tbody", "thead", "li", "summary", "h2", "h3", "head"].contains(&name) {
                walk(child, depth + 1, outline);
            }
        }
    }
    with_tree(html, |tree| {
        let mut text = String::new();
        walk(tree.root(), 0, &mut text);
        text
    })
}

#[test]
fn a_page_is_in_the_order_in_which_it_is_read() {
    check("html-outline", &outline(&html(&[samples::recorded(whole_run())])));
}

#[test]
fn pieces_are_drawn_as_they_were() {
    let report = whole_run();
    let pieces = [
        crate::report::chart::phases(&report.metrics)
            .expect("phases")
            .markup(),
        crate::report::chart::strip(&report.timeline, true)
            .expect("rooms")
            .markup(),
        super::verdict::banner(&samples::failed_run()),
    ];
    let text: String = pieces
        .into_iter()
        .map(|piece| piece.into_string().replace("><", ">\n<") + "\n\n")
        .collect();
    check("html-pieces", &text);
}
