//! Conversations with VideoRoom: what leads to each state that they begin in.

use proptest::prelude::*;
use serde_json::json;

use super::*;

mod media;
mod membership;

const SESSION: u64 = 3247219785841319;
const ROOM_HANDLE: u64 = 7750185812481115;
const BOBS: u64 = 6157126942851108;
const OFFER: &str = "v=0\r\na=fingerprint:sha-256 AA\r\n";
const OTHER_OFFER: &str = "v=0\r\na=fingerprint:sha-256 BB\r\n";
const CANDIDATE: &str = "candidate:1 1 udp 2015363327 10.77.19.1 20029 typ host";

fn success(transaction: u64, id: u64) -> String {
    format!(
        r#"{{"janus":"success","session_id":{SESSION},"transaction":"{transaction}","data":{{"id":{id}}}}}"#
    )
}

fn ack(transaction: u64) -> String {
    format!(r#"{{"janus":"ack","session_id":{SESSION},"transaction":"{transaction}"}}"#)
}

/// An event; 0 is no transaction.
fn event(transaction: u64, handle: u64, data: &str) -> String {
    let transaction = match transaction {
        0 => String::new(),
        number => format!(r#""transaction":"{number}","#),
    };
    format!(
        r#"{{"janus":"event","session_id":{SESSION},{transaction}"sender":{handle},"plugindata":{{"plugin":"janus.plugin.videoroom","data":{data}}}}}"#
    )
}

fn with_jsep(event: &str, kind: &str, sdp: &str) -> String {
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    event["jsep"] = json!({ "type": kind, "sdp": sdp });
    event.to_string()
}

fn hangup(handle: u64, reason: &str) -> String {
    format!(r#"{{"janus":"hangup","session_id":{SESSION},"sender":{handle},"reason":"{reason}"}}"#)
}

fn trickled(handle: u64) -> String {
    format!(
        r#"{{"janus":"trickle","session_id":{SESSION},"sender":{handle},"candidate":{{"sdpMid":"0","sdpMLineIndex":0,"candidate":"{CANDIDATE}"}}}}"#
    )
}

/// On a socket with a session, which transaction 1 was.
fn opened() -> Talk {
    let mut ann = Talk::new(JanusPlugin::VideoRoom);
    ann.open();
    let (messages, replies) =
        ann.hear(r#"{"janus":"success","transaction":"1","data":{"id":3247219785841319}}"#);
    assert_eq!((messages, replies), (vec![other("success")], vec![]));
    ann
}

/// The join is sent, in transaction 4.
fn joining() -> Talk {
    let mut ann = opened();
    assert_eq!(asks(&ann.say(join())), ["attach"]);
    let (_, replies) = ann.hear(&success(2, ROOM_HANDLE));
    assert_eq!(asks(&replies), ["create"]);
    assert_eq!(replies[0]["body"]["publishers"], 3);
    let exists = r#"{"janus":"success","session_id":3247219785841319,"transaction":"3","sender":7750185812481115,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","error_code":427,"error":"Room 5550002 already exists"}}}"#;
    let (_, replies) = ann.hear(exists);
    assert_eq!(asks(&replies), ["join"]);
    let body = &replies[0]["body"];
    assert_eq!(body["id"], number("user-1"));
    assert_eq!(body["room"], number("room-1"));
    assert_eq!(
        (&body["ptype"], &body["display"]),
        (&json!("publisher"), &json!("Ann"))
    );
    assert_eq!(
        (&replies[0]["session_id"], &replies[0]["handle_id"]),
        (&json!(SESSION), &json!(ROOM_HANDLE))
    );
    ann
}

const JOINED: &str = r#"{"videoroom":"joined","room":5550001,"description":"Room 5550001","id":33,"private_id":2183733363,"publishers":[{"id":11,"display":"Bob","audio_codec":"opus","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus","talking":false}],"talking":false}],"attendees":[{"id":22,"display":"Cas"}]}"#;

/// A member, with Bob who publishes and Cas who does not. The next transaction is 5.
fn joined() -> Talk {
    let mut ann = joining();
    let (messages, replies) = ann.hear(&event(4, ROOM_HANDLE, JOINED));
    let published = Message::Published { user_id: "11".into() };
    let members = vec![member("11", "Bob"), member("22", "Cas")];
    assert_eq!(messages, [welcome(members), published]);
    assert!(replies.is_empty());
    assert_eq!(ann.hear(&ack(4)).0, [other("ack")], "it may come before or after");
    ann
}

const CONFIGURED: &str = r#"{"videoroom":"event","room":5550002,"configured":"ok","audio_codec":"opus","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]}"#;

/// She publishes, from transaction 5 on. The next one is 6.
fn publishing() -> Talk {
    let mut ann = joined();
    let frames = ann.say(described(Message::SERVER, SdpType::Offer, OFFER));
    assert_eq!(asks(&frames), ["publish"]);
    assert_eq!(frames[0]["jsep"], json!({ "type": "offer", "sdp": OFFER }));
    let answer = with_jsep(&event(5, ROOM_HANDLE, CONFIGURED), "answer", "v=0\r\n");
    let (messages, _) = ann.hear(&answer);
    assert_eq!(messages, [described(Message::SERVER, SdpType::Answer, "v=0\r\n")]);
    ann
}

const ATTACHED: &str = r#"{"videoroom":"attached","room":5550002,"streams":[{"type":"audio","active":true,"mindex":0,"mid":"0","ready":false,"send":true,"feed_id":11,"feed_display":"Bob","feed_mid":"0","codec":"opus"}]}"#;

/// She has asked for what Bob publishes, and was offered it. The next transaction is 7.
fn subscribed() -> Talk {
    let mut ann = joined();
    assert_eq!(asks(&ann.say(request_offer("11", false))), ["attach"]);
    let (_, replies) = ann.hear(&success(5, BOBS));
    assert_eq!(asks(&replies), ["join"]);
    let body = &replies[0]["body"];
    assert_eq!(
        (&body["ptype"], &body["streams"]),
        (&json!("subscriber"), &json!([{ "feed": 11 }]))
    );
    assert_eq!(body["private_id"], 2_183_733_363_u32);
    // It trickles what its offer has not said yet.
    assert_eq!(ann.hear(&trickled(BOBS)).0, [other("trickle")]);
    let (messages, _) = ann.hear(&with_jsep(&event(6, BOBS, ATTACHED), "offer", OFFER));
    let late = candidate("11", CANDIDATE, Some("0"));
    assert_eq!(messages, [described("11", SdpType::Offer, OFFER), late]);
    ann
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".*") {
        subscribed().0.read(&text);
        joining().0.read(&text);
    }

    #[test]
    fn any_frame_is_survived_in_any_state(
        said in prop::collection::vec(0..9_usize, 0..8),
        heard in prop::collection::vec((0..8_usize, 0..9_u64, 0..10_usize, 0..3_usize), 1..24),
    ) {
        let mut ann = opened();
        for what in said {
            ann.say([
                join(),
                Message::Leave,
                Message::Ping,
                request_offer("11", false),
                request_offer("11", true),
                described(Message::SERVER, SdpType::Offer, OFFER),
                described("11", SdpType::Answer, OFFER),
                candidate("11", CANDIDATE, None),
                described(Message::SERVER, SdpType::Offer, OTHER_OFFER),
            ][what].clone());
        }
        for (kind, transaction, data, sender) in heard {
            let kind = ["success", "ack", "event", "error", "hangup", "detached", "trickle", "timeout"][kind];
            let data = [
                "null", "7", "\"x\"", "[]", "{}", JOINED, ATTACHED, CONFIGURED,
                r#"{"videoroom":"event","leaving":"ok","publishers":[7,{"id":11}],"joining":7,"error_code":"x"}"#,
                r#"{"id":7750185812481115,"code":458,"candidate":7,"completed":true}"#,
            ][data];
            let sender = [ROOM_HANDLE, BOBS, 7][sender];
            for text in [
                format!(r#"{{"janus":"{kind}","session_id":{SESSION},"transaction":"{transaction}","sender":{sender},"data":{data},"jsep":{{"type":"offer","sdp":"v=0"}}}}"#),
                format!(r#"{{"janus":"{kind}","transaction":"{transaction}","sender":{sender},"plugindata":{data},"error":{data},"candidate":{data}}}"#),
                format!(r#"{{"janus":"{kind}","sender":{sender},"plugindata":{{"data":{data}}},"jsep":{data}}}"#),
            ] {
                ann.0.read(&text);
            }
        }
    }
}
