use serde_json::Value;

use super::{dump, file::MAX_CONNECTIONS};
use crate::{
    base::{Generation, Incarnation, Instant},
    metrics::{
        CandidateKind, DescriptionKind::*, EventKind, IgnoreReason, Operation, RunEvent, SignalingState::*,
    },
    report::record_samples::*,
};

fn connections(events: Vec<RunEvent>) -> Value {
    let bytes = dump(&[record(events)]).expect("it is not too much");
    let mut dump: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    dump["PeerConnections"].take()
}

/// Types and values of a log, of descriptions only which one it is.
fn log(connection: &Value) -> Vec<String> {
    let entries = connection["updateLog"].as_array().expect("there is a log");
    let entries = entries.iter().map(|entry| {
        let (kind, value) = (&entry["type"], entry["value"].as_str().expect("text"));
        let value = match serde_json::from_str::<Value>(value) {
            Ok(it) if it["sdp"] == "" => "rollback".to_owned(),
            Ok(it) => {
                let name = it["sdp"].as_str().and_then(|sdp| sdp.split("s=").nth(1));
                let name = name.and_then(|name| name.split(',').next());
                name.unwrap_or_default().to_owned()
            }
            Err(_) => value.to_owned(),
        };
        format!("{} {value}", kind.as_str().expect("text"))
            .trim_end()
            .to_owned()
    });
    entries.filter(|entry| !entry.starts_with("rtcstorm.")).collect()
}

#[test]
fn what_an_end_sets_comes_before_the_state_that_it_leads_to() {
    let told = connections(vec![
        link(1, 0, created(1, true)),
        link(2, 0, signaling(1, HaveLocalOffer)),
        link(3, 0, sent(1, Offer, 1, None)),
        link(4, 1, received(Offer, 1)),
        link(4, 1, created(1, false)),
        link(4, 1, signaling(1, HaveRemoteOffer)),
        link(4, 1, signaling(1, Stable)),
        link(4, 1, sent(1, Answer, 2, Some(1))),
        link(5, 0, received(Answer, 2)),
        link(5, 0, signaling(1, Stable)),
        link(6, 0, closed(1)),
    ]);
    assert_eq!(
        log(&told["0-1"])[1..],
        [
            "createOffer",
            "createOfferOnSuccess offer 1",
            "setLocalDescription offer 1",
            "signalingstatechange have-local-offer",
            "setLocalDescriptionOnSuccess",
            "setRemoteDescription answer 2",
            "signalingstatechange stable",
            "setRemoteDescriptionOnSuccess",
            "close",
        ]
    );
    assert_eq!(
        log(&told["1-1"]),
        [
            "setRemoteDescription offer 1",
            "signalingstatechange have-remote-offer",
            "setRemoteDescriptionOnSuccess",
            "createAnswer",
            "createAnswerOnSuccess answer 2",
            "setLocalDescription answer 2",
            "signalingstatechange stable",
            "setLocalDescriptionOnSuccess",
        ]
    );
}

#[test]
fn a_polite_end_takes_its_offer_back() {
    let told = connections(vec![
        link(1, 0, created(1, true)),
        link(2, 0, signaling(1, HaveLocalOffer)),
        link(2, 0, sent(1, Offer, 1, None)),
        link(3, 0, received(Offer, 2)),
        link(
            3,
            0,
            EventKind::Glare {
                generation: Generation(1),
                polite: true,
            },
        ),
        link(3, 0, signaling(1, HaveRemoteOffer)),
    ]);
    let log = log(&told["0-1"]);
    let back = log
        .iter()
        .position(|entry| entry == "setLocalDescription rollback");
    let theirs = log
        .iter()
        .position(|entry| entry.starts_with("setRemoteDescription"));
    assert!(back.is_some() && back < theirs, "{log:?}");
}

#[test]
fn what_is_ignored_is_not_set() {
    let ignored = EventKind::DescriptionIgnored {
        description: Offer,
        fingerprint: 1,
        reason: IgnoreReason::Duplicate,
    };
    let told = connections(vec![
        link(1, 0, created(1, false)),
        link(2, 0, received(Offer, 1)),
        link(2, 0, ignored),
        // By whatever it has come to that.
        link(3, 0, signaling(1, HaveRemoteOffer)),
    ]);
    let whole = told["0-1"]["updateLog"].to_string();
    assert!(whole.contains("ignored offer 1: a duplicate"), "{whole}");
    assert!(!whole.contains("setRemoteDescription"), "{whole}");
}

#[test]
fn no_text_of_a_stack_is_taken_for_json_or_a_description() {
    for error in [
        "{\"type\":\"offer\"",
        "[",
        "\"",
        "<script>",
        "type: offer, sdp: v=0",
        "a\r\nb\u{0}",
    ] {
        let refused = EventKind::OperationFailed {
            generation: Generation(1),
            operation: Operation::SetRemoteDescription,
            state: Stable,
            allowed: true,
            error: error.to_owned(),
        };
        let no_path = EventKind::NoPath {
            reason: error.to_owned(),
        };
        let told = connections(vec![
            link(1, 0, created(1, true)),
            link(2, 0, refused),
            link(3, 0, no_path),
        ]);
        let entries = told["0-1"]["updateLog"].as_array().expect("there is a log");
        assert!(
            entries
                .iter()
                .any(|entry| entry["type"] == "setRemoteDescriptionOnFailure")
        );
        for entry in entries {
            let value = entry["value"].as_str().expect("text");
            assert!(!value.starts_with(['{', '[', '"']), "{value}");
            assert!(!value.contains(", sdp: "), "{value}");
        }
    }
}

#[test]
fn each_end_tells_what_the_other_is_reached_by() {
    let opened = |pair| EventKind::ChannelOpened {
        generation: Generation(1),
        incarnation: Incarnation(1),
        pair,
    };
    let told = connections(vec![
        link(1, 0, created(1, true)),
        link(1, 1, created(1, false)),
        link(2, 0, opened(CandidateKind::Relay)),
        link(2, 1, opened(CandidateKind::Srflx)),
        link(9, 0, closed(1)),
    ]);
    let last = |connection: &str, series: &str| {
        let values = told[connection]["stats"][series]["values"]
            .as_str()
            .expect("text");
        let values: Vec<Value> = serde_json::from_str(values).expect("it is JSON");
        values.last().cloned()
    };
    assert_eq!(last("0-1", "Ilocal-candidateType"), Some("relay".into()));
    assert_eq!(last("0-1", "Iremote-candidateType"), Some("srflx".into()));
    assert_eq!(last("1-1", "Iremote-candidateType"), Some("relay".into()));
}

#[test]
fn too_many_connections_are_refused_with_what_to_do() {
    let generations = 1..=u32::try_from(MAX_CONNECTIONS + 1).expect("a small number");
    let events = generations.flat_map(|nth| [link(1, 0, created(nth, true)), link(1, 0, closed(nth))]);
    let refused = dump(&[record(events.collect())]).expect_err("it is too much");
    assert!(
        refused.contains("5001") && refused.contains("help: narrow it with --link A,B or --room N"),
        "{refused}"
    );
}

#[test]
fn a_long_log_ends_with_how_much_more_there_was() {
    let mut events = vec![link(1, 0, created(1, true))];
    events.extend((0..5_000).map(|nth| RunEvent {
        at: Instant::from_millis(nth),
        ..link(1, 0, received(Offer, 1))
    }));
    let told = connections(events);
    let entries = told["0-1"]["updateLog"].as_array().expect("there is a log");
    let last = entries.last().expect("it is not empty");
    assert_eq!(last["type"], "rtcstorm.left_out");
    assert_eq!(last["value"], "3002 more entries");
}
