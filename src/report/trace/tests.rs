use serde_json::Value;

use super::{flows::MAX_FLOWS, trace};
use crate::{
    metrics::{DescriptionKind::*, EventKind, RunEvent},
    report::{RunRecord, record_samples::*},
};

fn events_of(run: RunRecord) -> (Value, Vec<Value>) {
    let bytes = trace(&[run]).expect("it is not too much");
    let mut root: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let events = root["traceEvents"].take();
    (root, events.as_array().cloned().expect("there are events"))
}

fn events(of: Vec<RunEvent>) -> Vec<Value> {
    events_of(record(of)).1
}

fn of<'a>(events: &'a [Value], ph: &str, name: &str) -> Vec<&'a Value> {
    let named = events.iter().filter(|event| event["ph"] == ph);
    named
        .filter(|event| event["name"].as_str().is_some_and(|n| n.starts_with(name)))
        .collect()
}

#[test]
fn connections_that_overlap_have_threads_of_their_own() {
    let events = events(vec![
        link(1, 0, created(1, true)),
        link(2, 0, created(2, true)),
        link(3, 0, closed(1)),
        link(4, 0, created(3, true)),
        link(5, 0, closed(3)),
        link(6, 0, closed(2)),
    ]);
    let spans = of(&events, "X", "connection g");
    let threads: Vec<&Value> = spans.iter().map(|span| &span["tid"]).collect();
    assert_eq!(spans.len(), 3);
    assert!(
        threads[0] != threads[1] && threads[2] == threads[0],
        "{threads:?}"
    );
}

#[test]
fn an_offer_flows_to_the_other_end_and_its_answer_back() {
    let events = events(vec![
        link(1, 0, sent(1, Offer, 1, None)),
        link(2, 1, received(Offer, 1)),
        link(3, 1, sent(1, Answer, 2, Some(1))),
        link(4, 0, received(Answer, 2)),
        // Of this one, the answer was lost.
        link(5, 0, sent(1, Offer, 3, None)),
        // And this one came from nowhere.
        link(6, 0, received(Answer, 9)),
    ]);
    let flow: Vec<(&str, f64)> = events
        .iter()
        .filter(|event| ["s", "t", "f"].contains(&event["ph"].as_str().unwrap_or_default()))
        .map(|event| {
            (
                event["ph"].as_str().unwrap_or_default(),
                event["ts"].as_f64().unwrap_or_default().floor(),
            )
        })
        .collect();
    assert_eq!(
        flow,
        [("s", 1_000.0), ("t", 2_000.0), ("t", 3_000.0), ("f", 4_000.0)]
    );
}

#[test]
fn flows_beyond_the_limit_are_counted() {
    let many = u32::try_from(MAX_FLOWS).expect("a small number") + 5;
    let run = (0..many).flat_map(|seq| [link(1, 0, message(seq)), link(2, 1, came(1, seq))]);
    let (root, events) = events_of(record(run.collect()));
    assert_eq!(root["otherData"]["flows_left_out"], 5);
    assert_eq!(of(&events, "s", "message ").len(), MAX_FLOWS);
    assert_eq!(of(&events, "X", "received message ").len(), many as usize);
}

#[test]
fn what_the_report_has_found_stands_where_it_was() {
    let mut run = record(vec![at(1, 0, EventKind::SignalingConnected)]);
    let busy = crate::report::samples::busy_run();
    (run.report.failures, run.report.invariants) = (busy.failures, busy.invariants);
    let others = run
        .report
        .failures
        .iter()
        .filter(|line| line.peer.is_some_and(|peer| peer.0 > 0));
    let (others, all) = (others.count(), run.report.failures.len());
    let (_, events) = events_of(run);
    assert_eq!(
        of(&events, "i", "failure").len(),
        all - others,
        "nobody's process stands for others"
    );
}

#[test]
fn hostile_words_are_text_and_secrets_are_not_told() {
    let lost = EventKind::SignalingLost {
        failure: crate::base::SignalingFailure::Http401,
        reason: "\"]}</script>\u{1b}[31m wss://me:pass1@h/?token=pass2 password=pass3".to_owned(),
    };
    let told = events(vec![at(1, 0, EventKind::SignalingConnected), at(2, 0, lost)]);
    let whole = Value::from(told).to_string();
    assert!(
        whole.contains("</script>") && !whole.contains("pass") || whole.contains("password=[hidden]"),
        "{whole}"
    );
    assert!(
        !["pass1", "pass2", "pass3", "\\u001b"]
            .iter()
            .any(|it| whole.contains(it)),
        "{whole}"
    );
}
