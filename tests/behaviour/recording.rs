//! The adapter against a recording of the deployment: what each of its clients received is read as it was meant, and
//! what ours send has the shape of what they sent.

use std::{collections::BTreeMap, fs};

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::EventKind,
    peer::{Peer, PeerInput, PeerOutput},
    plan::{self, expand},
    scenario::parse,
    signaling::{Candidate, Dashboard, Description, Member, Message, Received, SdpType, Waste},
};
use serde_json::Value;

use crate::local::Unjudged;

const ROOM: &str = "room-1";

struct Line {
    who: char,
    received: bool,
    frame: String,
}

/// Each frame as it was written, not as a parser would write it again.
fn recording() -> Vec<Line> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/dashboard/transcript.jsonl"
    );
    let text = fs::read_to_string(path).expect("the recording is beside the tests");
    let line = |text: &str| {
        let parsed: Value = serde_json::from_str(text).expect("a line of the recording");
        let (_, frame) = text.split_once(r#""frame":"#).expect("a frame");
        Line {
            who: parsed["who"]
                .as_str()
                .expect("a letter")
                .chars()
                .next()
                .expect("one"),
            received: parsed["dir"] == "recv",
            frame: frame.strip_suffix('}').expect("the end of the line").to_owned(),
        }
    };
    text.lines().map(line).collect()
}

fn client(who: char) -> Dashboard {
    Dashboard::new(ROOM, &format!("user-{}", who.to_ascii_lowercase()))
}

fn description(remote: &str, sdp_type: SdpType) -> Message {
    Message::Description {
        remote: remote.to_owned(),
        description: Description {
            sdp_type,
            sdp: "v=0\r\n".into(),
        },
    }
}

fn candidate(remote: &str) -> Message {
    Message::Candidate {
        remote: remote.to_owned(),
        candidate: Candidate {
            candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_m_line_index: Some(0),
            username_fragment: Some("x".to_owned()),
        },
    }
}

fn bob_joins(knows_me: bool) -> Message {
    Message::MemberJoined {
        member: Member {
            user_id: "user-b".to_owned(),
            name: "Bob".to_owned(),
        },
        again: false,
        knows_me,
    }
}

/// In a few words.
fn word(received: &Received) -> String {
    match received {
        Received::Message(Message::Other { kind }) => kind.clone(),
        Received::Message(message) => format!("{message:?}"),
        Received::Waste(waste) => format!("{waste:?}"),
        Received::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn every_frame_that_a_client_of_the_deployment_received_is_read_as_it_was_meant() {
    let mut heard: BTreeMap<char, Vec<Received>> = BTreeMap::new();
    for line in recording().iter().filter(|line| line.received) {
        let received = client(line.who).read(&line.frame);
        heard.entry(line.who).or_default().push(received);
    }
    let message = Received::Message;
    let server = || Received::Waste(Waste::Server);
    let elsewhere = || Received::Waste(Waste::OtherRoom);
    let joined_chat = || {
        message(Message::Other {
            kind: "participant-joined".to_owned(),
        })
    };
    let bob_leaves = || {
        message(Message::MemberLeft {
            user_id: "user-b".to_owned(),
            reason: rtcstorm::signaling::LeaveReason::Left,
        })
    };
    let refused = message(Message::JoinRejected {
        reason: "DUPLICATE_USERNAME".to_owned(),
        message: "Username \"bOB\" already exists in this room. Please choose a different name.".to_owned(),
    });
    // Counts, Bob's flat join as a list, Carol's of a room that nobody has, Bob's enveloped one.
    let ann = [
        vec![server(), server(), server(), message(Message::Pong)],
        vec![server(), server(), server(), elsewhere()],
        vec![message(bob_joins(true))],
        vec![message(description("user-b", SdpType::Answer))],
        vec![server(), bob_leaves()],
    ];
    let bob = [
        vec![server(), server(), server(), server(), server(), elsewhere()],
        vec![message(description("user-a", SdpType::Offer))],
        vec![message(candidate("user-a")), joined_chat()],
        vec![server(), server(), server(), server()],
    ];
    let carol = [
        vec![server(), server(), refused],
        vec![
            message(bob_joins(false)),
            server(),
            bob_leaves(),
            server(),
            server(),
        ],
    ];
    for (who, meant) in [('A', ann.concat()), ('B', bob.concat()), ('C', carol.concat())] {
        let words = |all: &[Received]| all.iter().map(word).collect::<Vec<_>>();
        assert_eq!(words(&heard[&who]), words(&meant), "what {who} hears");
    }
}

/// Frames and bytes: of all, and of those that are of no use to the client's room, by whose they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    all: (u64, u64),
    other_room: (u64, u64),
    other_member: (u64, u64),
    server: (u64, u64),
}

/// By what the frames say, not by how the adapter reads them.
fn counted_by_hand<'a>(me: &str, frames: impl Iterator<Item = &'a str>) -> Counted {
    let mut counted = Counted::default();
    for text in frames {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        let body = frame.get("data").unwrap_or(&frame);
        let room = body.get("roomId").and_then(Value::as_str).unwrap_or(ROOM);
        let to = body.get("toUserId").and_then(Value::as_str).unwrap_or(me);
        let mut add = |to: fn(&mut Counted) -> &mut (u64, u64)| {
            let amount = to(&mut counted);
            *amount = (amount.0 + 1, amount.1 + text.len() as u64);
        };
        add(|counted| &mut counted.all);
        match frame["type"].as_str() {
            Some("client_count" | "server-room-list" | "echo") => add(|counted| &mut counted.server),
            _ if room != ROOM => add(|counted| &mut counted.other_room),
            _ if to != me => add(|counted| &mut counted.other_member),
            _ => {}
        }
    }
    counted
}

/// What a peer in the place of that client tells of what it got.
fn counted_by_a_peer(me: &str, frames: &[&str]) -> Counted {
    let text =
        "{ name: x, target: { relay_mode: deployed }, rooms: { peers: 1 }, steps: [join, { pause: 1m }] }";
    let scenario = parse("scenario", text, &Unjudged).unwrap_or_else(|e| panic!("{}", e.listing()));
    let mut plan = expand(&scenario, 1, &plan::Options::default());
    plan.rooms[0].wire_id = ROOM.to_owned();
    plan.peers[0].user_id = me.to_owned();
    let mut peer = Peer::new(&plan, PeerId(0), 0);
    let mut counted = Counted::default();
    let mut socket = 0;
    // They are told with the first frame that comes 5 s later.
    let (last, before) = frames.split_last().expect("it has got some");
    let frame = |text: &&str| (PeerInput::Frame(1, (*text).to_owned()), Instant::START);
    let last = (frame(last).0, Instant::from_millis(5_000));
    let inputs = [PeerInput::Arrive, PeerInput::SignalingOpened(1)].map(|input| (input, Instant::START));
    for (input, at) in inputs.into_iter().chain(before.iter().map(frame)).chain([last]) {
        peer.handle(input, at);
        while let Some(output) = peer.poll_output() {
            match output {
                PeerOutput::OpenSignaling(number) => socket = number,
                PeerOutput::Event {
                    kind:
                        EventKind::SignalingReceived {
                            frames,
                            bytes,
                            other_room_frames,
                            other_room_bytes,
                            other_member_frames,
                            other_member_bytes,
                            server_frames,
                            server_bytes,
                        },
                    ..
                } => {
                    counted = Counted {
                        all: (frames, bytes),
                        other_room: (other_room_frames, other_room_bytes),
                        other_member: (other_member_frames, other_member_bytes),
                        server: (server_frames, server_bytes),
                    };
                }
                _ => {}
            }
        }
    }
    assert_eq!(socket, 1);
    counted
}

#[test]
fn what_of_the_recording_is_of_no_use_to_a_client_is_counted_in_frames_and_bytes() {
    let recording = recording();
    for (who, other_room, server) in [('A', 1, 7), ('B', 1, 9), ('C', 0, 5)] {
        let me = format!("user-{}", who.to_ascii_lowercase());
        let received = recording.iter().filter(|line| line.received && line.who == who);
        let frames: Vec<&str> = received.map(|line| line.frame.as_str()).collect();
        let counted = counted_by_a_peer(&me, &frames);
        assert_eq!(counted, counted_by_hand(&me, frames.iter().copied()), "{who}");
        assert_eq!(
            (counted.other_room.0, counted.server.0),
            (other_room, server),
            "{who}"
        );
    }
    // All that A and B say to each other is nothing to another member of their room.
    let theirs = recording
        .iter()
        .filter(|line| line.received && line.frame.contains("webrtc-signaling"));
    let frames: Vec<&str> = theirs.map(|line| line.frame.as_str()).collect();
    let counted = counted_by_a_peer("user-d", &frames);
    assert_eq!(counted, counted_by_hand("user-d", frames.iter().copied()));
    assert_eq!((counted.all.0, counted.other_member.0), (3, 3));
}

/// The keys at every level, in order; ids that a client gives itself may be others.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
        Value::Array(all) => all.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => 0.into(),
        other => other.clone(),
    }
}

/// What ours add is for servers that read it, and every recorded client ignores it.
const ADDED: [&str; 2] = ["create", "maxParticipants"];

#[test]
fn what_ours_send_has_the_shape_of_what_clients_of_the_deployment_sent() {
    let recorded: Vec<(char, Value)> = recording()
        .iter()
        .filter(|line| !line.received)
        .map(|line| (line.who, serde_json::from_str(&line.frame).expect("JSON")))
        .collect();
    let ann = Member {
        user_id: "user-a".to_owned(),
        name: "Alice".to_owned(),
    };
    let join = Message::Join {
        name: "Bob".to_owned(),
        token: None,
        capacity: 10,
        present: vec![ann],
    };
    let sent = [
        ('B', join),
        ('A', description("user-b", SdpType::Offer)),
        ('B', description("user-a", SdpType::Answer)),
        ('A', candidate("user-b")),
        ('B', Message::Leave),
        ('A', Message::Ping),
    ];
    for (who, message) in sent {
        let frame = client(who)
            .encode(&message, 1_795_470_042_168)
            .expect("peers send it");
        let mut ours: Value = serde_json::from_str(&frame).expect("JSON");
        if let Some(data) = ours.get_mut("data").and_then(Value::as_object_mut) {
            ADDED.iter().for_each(|key| drop(data.remove(*key)));
        }
        // Real clients send the enveloped form; the recording has flat ones of the same type beside it.
        let theirs = recorded.iter().find(|(sender, frame)| {
            *sender == who
                && frame["type"] == ours["type"]
                && frame.get("data").is_some() == ours.get("data").is_some()
        });
        let (_, theirs) = theirs.unwrap_or_else(|| panic!("{who} has sent none like {frame}"));
        assert_eq!(shape(&ours), shape(theirs), "{frame}");
        assert_eq!(ours.get("data"), theirs.get("data"), "{frame}");
        assert_eq!(ours.get("channel"), theirs.get("channel"), "{frame}");
    }
    let hello: Vec<Value> = client('A')
        .hello()
        .iter()
        .map(|frame| serde_json::from_str(frame).expect("JSON"))
        .collect();
    let theirs: Vec<Value> = recorded
        .iter()
        .filter(|(who, frame)| *who == 'A' && frame["type"] == "subscribe")
        .map(|(_, frame)| frame.clone())
        .collect();
    assert_eq!(hello, theirs);
}
