//! Conversations. What Janus says was recorded: Janus 1.1.2.

use serde_json::Value;

use super::{Janus, JanusOptions, JanusPlugin, number};
use crate::signaling::{Candidate, Codec, Description, Member, Message, Protocol, SdpType};

mod textroom;
mod videoroom;

/// A client, and what it says as JSON.
struct Talk(Janus);

impl Talk {
    fn new(plugin: JanusPlugin) -> Self {
        let options = JanusOptions { plugin };
        Self(Janus::new(&options, "room-1", "user-1"))
    }

    fn open(&mut self) -> Vec<Value> {
        parsed(&self.0.opened())
    }

    fn say(&mut self, message: Message) -> Vec<Value> {
        parsed(&self.0.encode(&message, 1))
    }

    /// The messages that a frame is, and what is replied.
    fn hear(&mut self, text: &str) -> (Vec<Message>, Vec<Value>) {
        assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
        let reading = self.0.read(text);
        (reading.messages, parsed(&reading.replies))
    }
}

fn parsed(frames: &[String]) -> Vec<Value> {
    let frames = frames.iter();
    frames
        .map(|frame| serde_json::from_str(frame).expect("JSON"))
        .collect()
}

/// What frames ask for: the request, or Janus's own word.
fn asks(frames: &[Value]) -> Vec<&str> {
    let ask = |frame: &'_ Value| match frame["body"]["request"].as_str() {
        Some(_) => "/body/request",
        None => "/janus",
    };
    frames
        .iter()
        .map(|frame| {
            frame
                .pointer(ask(frame))
                .and_then(Value::as_str)
                .unwrap_or_default()
        })
        .collect()
}

fn join() -> Message {
    Message::Join {
        name: "Ann".into(),
        token: None,
        capacity: 3,
        present: Vec::new(),
    }
}

fn request_offer(remote: &str, ice_restart: bool) -> Message {
    Message::RequestOffer {
        remote: remote.into(),
        ice_restart,
    }
}

fn described(remote: &str, sdp_type: SdpType, sdp: &str) -> Message {
    Message::Description {
        remote: remote.into(),
        description: Description {
            sdp_type,
            sdp: sdp.into(),
        },
    }
}

fn candidate(remote: &str, text: &str, mid: Option<&str>) -> Message {
    Message::Candidate {
        remote: remote.into(),
        candidate: Candidate {
            candidate: text.into(),
            sdp_mid: mid.map(str::to_owned),
            sdp_m_line_index: (!text.is_empty()).then_some(0),
            username_fragment: None,
        },
    }
}

fn member(user_id: &str, name: &str) -> Member {
    Member {
        user_id: user_id.into(),
        name: name.into(),
    }
}

fn welcome(members: Vec<Member>) -> Message {
    Message::Welcome {
        members,
        token: None,
        resumed: false,
        user_id: None,
    }
}

fn ended(remote: &str, reason: &str) -> Message {
    Message::Ended {
        remote: remote.into(),
        reason: reason.into(),
    }
}

fn other(kind: &str) -> Message {
    Message::Other { kind: kind.into() }
}

#[test]
fn ids_are_numbers_of_53_bits_in_video_rooms_and_texts_elsewhere() {
    let janus = |plugin| Protocol::Janus(JanusOptions { plugin });
    let id = janus(JanusPlugin::VideoRoom).id_on_wire("user-1");
    assert_eq!(id, number("user-1").to_string());
    assert!((1..1 << 53).contains(&number("user-1")) && number("user-1") != number("user-2"));
    assert_eq!(janus(JanusPlugin::TextRoom).id_on_wire("user-1"), "user-1");
    assert_eq!(Protocol::Dashboard.id_on_wire("user-1"), "user-1");
}

#[test]
fn a_session_is_kept_from_the_moment_that_there_is_one() {
    let mut ann = Talk::new(JanusPlugin::VideoRoom);
    let frame = |ann: &Talk| ann.0.keepalive().expect("one").frame;
    assert!(frame(&ann).contains(r#""janus":"ping""#));
    assert_eq!(asks(&ann.open()), ["create"]);
    ann.hear(r#"{"janus":"success","transaction":"1","data":{"id":3247219785841319}}"#);
    let kept: Value = serde_json::from_str(&frame(&ann)).expect("JSON");
    assert_eq!(
        (&kept["janus"], &kept["session_id"]),
        (&"keepalive".into(), &3_247_219_785_841_319_u64.into())
    );
    // Another socket knows nothing of it, and ends it, for Janus may hold the last one for alive.
    let frames = ann.open();
    assert_eq!(asks(&frames), ["destroy", "create"]);
    assert_eq!(frames[0]["session_id"], 3_247_219_785_841_319_u64);
    let gone = r#"{"janus":"error","session_id":3247219785841319,"transaction":"ghost","error":{"code":458,"reason":"No such session"}}"#;
    assert_eq!(ann.hear(gone).0, [other("error")]);
    assert!(frame(&ann).contains(r#""janus":"ping""#));
}
