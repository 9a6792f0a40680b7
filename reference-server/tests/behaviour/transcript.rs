//! A recording of a deployment, played to the core in deployed mode.

use std::{collections::BTreeMap, fs, time::Duration};

use reference_server::room::{ClientId, Hub, HubConfig, Now, Output, RelayMode};
use serde::Deserialize;

/// The deployment's 5 s interval fired at 2,393 ms of the recording's clock, so it started before that clock.
const STARTED_BEFORE_MS: u64 = 2_610;
/// A recorded frame reached its client at most so much later than the core says it: the network, and Node.
const LATE_MS_MAX: u64 = 15;

/// What happened to sockets leaves no line of its own in the recording.
const UNRECORDED: [(u64, char, Act); 5] = [
    (25, 'A', Act::Connect),
    (37, 'B', Act::Connect),
    (747, 'C', Act::Connect),
    (1_812, 'B', Act::Send("not json")),
    (2_325, 'A', Act::Disconnect),
];

#[derive(Debug, Clone, Copy)]
enum Act<'a> {
    Connect,
    Send(&'a str),
    Disconnect,
}

#[derive(Deserialize)]
struct Line {
    t_ms: u64,
    who: char,
    dir: String,
}

#[test]
fn every_frame_the_deployment_sent_comes_out_of_the_core() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/transcript.jsonl");
    let recording = fs::read_to_string(path).expect("the recording is beside the tests");
    let mut acts: Vec<_> = UNRECORDED.to_vec();
    let mut expected: BTreeMap<char, Vec<(u64, String)>> = BTreeMap::new();
    for text in recording.lines() {
        let line: Line = serde_json::from_str(text).expect("a line of the recording");
        // The frame as it was written, not as a parser would write it again.
        let (_, frame) = text.split_once(r#""frame":"#).expect("a frame");
        let frame = frame.strip_suffix('}').expect("the end of the line");
        match line.dir.as_str() {
            "send" => acts.push((line.t_ms, line.who, Act::Send(frame))),
            _ => expected
                .entry(line.who)
                .or_default()
                .push((line.t_ms, without_clock(frame))),
        }
    }
    acts.sort_by_key(|(t_ms, ..)| *t_ms);

    let received = play(&acts, 2_400);
    assert_eq!(
        expected.values().map(Vec::len).sum::<usize>(),
        33,
        "the recording is whole"
    );
    for (who, expected) in expected {
        let received = &received[&who];
        let texts =
            |frames: &[(u64, String)]| frames.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(received), texts(&expected), "what {who} receives");
        for ((said_ms, text), (seen_ms, _)) in received.iter().zip(&expected) {
            assert!(
                (*said_ms..=said_ms + LATE_MS_MAX).contains(seen_ms),
                "said at {said_ms} ms, seen by {who} at {seen_ms} ms: {text}"
            );
        }
    }
}

fn play(acts: &[(u64, char, Act<'_>)], until_ms: u64) -> BTreeMap<char, Vec<(u64, String)>> {
    let config = HubConfig {
        relay_mode: RelayMode::Deployed,
        ..HubConfig::default()
    };
    let mut hub = Hub::new(config, 0);
    let mut received: BTreeMap<char, Vec<(u64, String)>> = BTreeMap::new();
    let mut drain = |hub: &mut Hub, t_ms| {
        while let Some(output) = hub.poll_output() {
            let Output::Send { to, frame } = output else {
                panic!("the deployment closes nobody: {output:?}")
            };
            let who = char::from(u8::try_from(to.0).expect("a letter"));
            received
                .entry(who)
                .or_default()
                .push((t_ms, without_clock(&frame)));
        }
    };
    let end = (until_ms, '-', Act::Send(""));
    for &(t_ms, who, act) in acts.iter().chain([&end]) {
        while let Some(due) = hub.poll_timeout().filter(|due| *due <= at(t_ms).since_start) {
            let due_ms = u64::try_from(due.as_millis()).expect("short") - STARTED_BEFORE_MS;
            hub.handle_timeout(at(due_ms));
            drain(&mut hub, due_ms);
        }
        let client = ClientId(u64::from(u32::from(who)));
        match act {
            Act::Connect => hub.connect(client, at(t_ms)),
            Act::Send(frame) => hub.frame(client, frame, at(t_ms)),
            Act::Disconnect => hub.disconnect(client, at(t_ms)),
        }
        drain(&mut hub, t_ms);
    }
    let room = hub.room("room-1").expect("its ghost keeps the room open");
    assert_eq!(room.members.len(), 1, "{room:?}");
    received
}

fn at(t_ms: u64) -> Now {
    Now {
        since_start: Duration::from_millis(t_ms + STARTED_BEFORE_MS),
        unix_ms: 1_795_470_040_961 + t_ms,
    }
}

/// The text with the server's clock blotted out: `2026-11-23T21:40:41.309Z` becomes `…`.
fn without_clock(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some(start) = rest.find("\"2026-11-23T") {
        let stamp = &rest[start + 1..start + 25];
        assert!(
            stamp.ends_with('Z') && stamp.as_bytes()[19] == b'.',
            "ISO 8601 with milliseconds: {stamp}"
        );
        out.push_str(&rest[..=start]);
        out.push('…');
        rest = &rest[start + 25..];
    }
    out + rest
}
