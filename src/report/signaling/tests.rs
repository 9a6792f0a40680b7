use super::text;
use crate::{
    base::PeerId,
    metrics::{DescriptionKind::*, EventKind, Forgery, IgnoreReason, RunEvent},
    plan::{FrameKind, FrameWay, Treated},
    report::record_samples::*,
};

/// The rows, without the heading.
fn rows(events: Vec<RunEvent>) -> Vec<String> {
    let bytes = text(&[record(events)]).expect("it is not too much");
    let text = String::from_utf8(bytes).expect("it is text");
    let rows = text.lines().skip_while(|line| !line.ends_with("with    what"));
    rows.skip(1).map(str::to_owned).collect()
}

#[test]
fn what_becomes_of_a_frame_is_a_row() {
    let treated = |treatment, way| EventKind::FrameTreated {
        treatment,
        frame: FrameKind::Offer,
        way,
    };
    let ignored = EventKind::DescriptionIgnored {
        description: Answer,
        fingerprint: 2,
        reason: IgnoreReason::Unexpected,
    };
    let forged = EventKind::FrameForged {
        forgery: Forgery::StaleOffer,
    };
    assert_eq!(
        rows(vec![
            link(1, 0, sent(1, Offer, 1, None)),
            link(1, 0, treated(Treated::Delay, FrameWay::Out)),
            link(3, 1, treated(Treated::Drop, FrameWay::In)),
            link(4, 0, sent(1, Offer, 1, None)),
            link(9, 1, received(Offer, 1)),
            link(10, 1, sent(1, Answer, 2, Some(1))),
            link(11, 0, received(Answer, 2)),
            link(11, 0, ignored),
            at(12, 1, forged),
        ]),
        [
            "   1.000  peer-0 → srv → peer-1  offer 1 (g1)",
            "!  1.000  peer-0 → srv → peer-1  offer is delayed by a fault",
            "!  3.000  peer-1 ← srv ← peer-0  offer is dropped by a fault",
            "   4.000  peer-0 → srv → peer-1  offer 1 once more, 2 times by now (g1)",
            "   9.000  peer-1 ← srv ← peer-0  offer 1, 5.00ms on its way",
            "  10.000  peer-1 → srv → peer-0  answer 2 to offer 1, after 1.00ms (g1)",
            "  11.000  peer-0 ← srv ← peer-1  answer 2, 1.00ms on its way",
            "! 11.000  peer-0         peer-1  answer 2 is ignored: it answers nothing",
            "! 12.000  peer-1 → srv           forged by a step: stale offer",
        ]
    );
}

#[test]
fn what_is_for_the_server_itself_names_it_once() {
    let of_server = |ms, kind| RunEvent {
        remote: Some(PeerId::SERVER),
        ..at(ms, 0, kind)
    };
    assert_eq!(
        rows(vec![
            of_server(1, sent(1, Offer, 1, None)),
            of_server(3, received(Answer, 2))
        ]),
        [
            "  1.000  peer-0 → srv           offer 1 (g1)",
            "  3.000  peer-0 ← srv           answer 2",
        ]
    );
}

#[test]
fn what_a_server_says_is_told_on_one_line_and_without_secrets() {
    let error = EventKind::SignalingError {
        reason: "DENIED".to_owned(),
        message: "bad token=abc\nat wss://u:p@h/ws?k=v\u{1b}[2J".to_owned(),
    };
    assert_eq!(
        rows(vec![at(1, 0, error)]),
        ["! 1.000  peer-0 ← srv           error DENIED: bad token=[hidden] at wss://h/ws [2J"]
    );
}

#[test]
fn a_run_without_signaling_says_so() {
    let bytes = text(&[record(Vec::new())]).expect("it is not too much");
    let text = String::from_utf8(bytes).expect("it is text");
    assert!(
        text.ends_with("There is nothing to tell: no event of the run is one of signaling's.\n"),
        "{text}"
    );
}
