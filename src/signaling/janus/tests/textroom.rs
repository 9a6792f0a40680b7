use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::signaling::{LeaveReason, Reading};

const SESSION: u64 = 1252960750214471;
const HANDLE: u64 = 2843222169107095;
const CANDIDATE: &str = "candidate:1 1 udp 2015363327 10.77.19.1 20056 typ host";

fn success(transaction: u64, rest: &str) -> String {
    format!(r#"{{"janus":"success","session_id":{SESSION},"transaction":"{transaction}"{rest}}}"#)
}

fn event(transaction: u64, data: &str, offer: Option<&str>) -> String {
    let jsep = offer.map_or(String::new(), |sdp| {
        format!(r#","jsep":{{"type":"offer","sdp":"{sdp}"}}"#)
    });
    format!(
        r#"{{"janus":"event","session_id":{SESSION},"transaction":"{transaction}","sender":{HANDLE},"plugindata":{{"plugin":"janus.plugin.textroom","data":{data}}}{jsep}}}"#
    )
}

const DONE: &str = r#"{"textroom":"event","result":"ok"}"#;

impl Talk {
    fn say_there(&mut self, message: Message) -> Vec<Value> {
        parsed(&self.0.encode_on_channel(&message, 1))
    }

    fn hear_there(&mut self, text: &str) -> Vec<Message> {
        let reading = self.0.read_channel(text);
        assert!(reading.replies.is_empty());
        reading.messages
    }
}

fn server() -> String {
    Message::SERVER.to_owned()
}

/// A candidate of Janus, which does not know the mid.
fn trickled() -> String {
    format!(
        r#"{{"janus":"trickle","session_id":{SESSION},"sender":{HANDLE},"candidate":{{"sdpMLineIndex":0,"candidate":"{CANDIDATE}"}}}}"#
    )
}

/// A join has led to an offer. The next transaction is 5.
fn offered() -> Talk {
    let mut ann = Talk::new(JanusPlugin::TextRoom);
    assert_eq!(asks(&ann.open()), ["create"]);
    assert!(ann.say(join()).is_empty(), "there is no session");
    let (_, replies) = ann.hear(r#"{"janus":"success","transaction":"1","data":{"id":1252960750214471}}"#);
    assert_eq!(asks(&replies), ["attach"]);
    assert_eq!(replies[0]["plugin"], "janus.plugin.textroom");
    let (_, replies) = ann.hear(&success(2, &format!(r#","data":{{"id":{HANDLE}}}"#)));
    assert_eq!(asks(&replies), ["create"]);
    assert_eq!(replies[0]["body"]["room"], number("room-1"));
    let exists = r#","sender":2843222169107095,"plugindata":{"plugin":"janus.plugin.textroom","data":{"textroom":"error","error_code":418,"error":"Room 7770001 already exists"}}"#;
    let (_, replies) = ann.hear(&success(3, exists));
    assert_eq!(asks(&replies), ["setup"]);
    assert_eq!(ann.hear(&trickled()).0, [other("trickle")]);
    let (messages, _) = ann.hear(&event(4, DONE, Some("v=0")));
    let theirs = candidate(Message::SERVER, CANDIDATE, None);
    assert_eq!(
        messages,
        [described(Message::SERVER, SdpType::Offer, "v=0"), theirs]
    );
    ann
}

/// The channel is open, and the join sent on it in transaction 1. The next one on the socket is 6.
fn joining() -> Talk {
    let mut ann = offered();
    let frames = ann.say(described(Message::SERVER, SdpType::Answer, "v=0"));
    assert_eq!(asks(&frames), ["ack"]);
    assert_eq!(frames[0]["jsep"]["type"], "answer");
    assert!(
        ann.say(candidate(Message::SERVER, CANDIDATE, Some("0")))
            .is_empty()
    );
    let (_, replies) = ann.hear(&event(5, DONE, None));
    assert_eq!(asks(&replies), ["trickle"]);
    let joins = parsed(&ann.0.channel_opened());
    let body = json!({
        "textroom": "join", "transaction": "1", "room": number("room-1"), "username": "user-1", "display": "Ann",
    });
    assert_eq!(joins, [body]);
    ann
}

/// A member, with Bob. The next transactions are 7 on the socket and 2 on the channel.
fn joined() -> Talk {
    let mut ann = joining();
    let own = r#"{"textroom":"join","room":7770001,"username":"user-1","display":"Ann"}"#;
    assert_eq!(ann.0.read_channel(own), Reading::default());
    let success =
        r#"{"textroom":"success","participants":[{"username":"bob","display":"Bob"}],"transaction":"1"}"#;
    assert_eq!(ann.hear_there(success), [welcome(vec![member("bob", "Bob")])]);
    ann
}

#[test]
fn who_comes_and_goes_is_told() {
    let mut ann = joined();
    let cas = Message::MemberJoined {
        member: member("cas", "Cas"),
        again: false,
        knows_me: false,
    };
    let comes = r#"{"textroom":"join","room":7770001,"username":"cas","display":"Cas"}"#;
    assert_eq!(ann.hear_there(comes), [cas]);
    assert_eq!(ann.hear_there(comes), [other("join")]);
    let left = |id: &str, reason| Message::MemberLeft {
        user_id: id.into(),
        reason,
    };
    let leave = r#"{"textroom":"leave","room":7770001,"username":"bob"}"#;
    assert_eq!(ann.hear_there(leave), [left("bob", LeaveReason::Left)]);
    assert_eq!(ann.hear_there(leave), [other("leave")]);
    let kicked = r#"{"textroom":"kicked","room":7770001,"username":"cas"}"#;
    assert_eq!(ann.hear_there(kicked), [left("cas", LeaveReason::Evicted)]);
    for (data, code) in [
        (
            r#"{"textroom":"kicked","room":7770001,"username":"user-1"}"#,
            "kicked",
        ),
        (r#"{"textroom":"destroyed","room":7770001}"#, "destroyed"),
    ] {
        let mut ann = joined();
        let messages = ann.hear_there(data);
        assert!(
            matches!(&messages[..], [Message::Error { reason, about_membership: true, .. }] if reason == code),
            "{messages:?}"
        );
        assert_eq!(ann.hear_there(data).len(), 1, "Janus says it twice");
        assert!(ann.say(join()).is_empty(), "the channel is still there");
        assert_eq!(ann.say_there(join()).len(), 1);
    }
}

#[test]
fn what_is_said_before_the_answer_to_a_join_is_said_after_it() {
    let mut ann = joining();
    let leave = r#"{"textroom":"leave","room":7770001,"username":"bob"}"#;
    assert_eq!(ann.hear_there(leave), [other("leave")]);
    let success =
        r#"{"textroom":"success","participants":[{"username":"bob","display":"Bob"}],"transaction":"1"}"#;
    let left = Message::MemberLeft {
        user_id: "bob".into(),
        reason: LeaveReason::Left,
    };
    assert_eq!(
        ann.hear_there(success),
        [welcome(vec![member("bob", "Bob")]), left]
    );
}

fn is_dropped(messages: &[Message]) -> bool {
    matches!(messages, [Message::LimitHit { .. }])
}

#[test]
fn what_comes_too_early_and_is_too_much_is_told() {
    let mut ann = offered();
    let frames = ann.say(Message::RequestOffer {
        remote: Message::SERVER.into(),
        ice_restart: true,
    });
    assert!(!frames.is_empty(), "it waits for an offer");
    for _ in 0..256 {
        assert_eq!(ann.hear(&trickled()).0, [other("trickle")]);
    }
    assert!(is_dropped(&ann.hear(&trickled()).0));

    let mut ann = joining();
    let early = r#"{"textroom":"message","room":7770001,"from":"bob","text":"hello"}"#;
    for _ in 0..1_024 {
        assert_eq!(ann.hear_there(early), [other("message")]);
    }
    assert!(is_dropped(&ann.hear_there(early)));
}

#[test]
fn messages_are_passed_on_to_one_or_all() {
    let mut ann = joined();
    let relayed = |remote: Option<&str>, text: &str| Message::Relayed {
        remote: remote.map(str::to_owned),
        text: text.into(),
    };
    assert!(
        ann.say(relayed(None, "hi")).is_empty(),
        "it is not for the socket"
    );
    let room = number("room-1");
    let all = json!({ "textroom": "message", "transaction": "2", "room": room, "text": "hi", "ack": false });
    assert_eq!(ann.say_there(relayed(None, "hi")), [all]);
    let frames = ann.say_there(relayed(Some("bob"), "psst"));
    assert_eq!(frames[0]["to"], "bob");
    let whisper = r#"{"textroom":"message","room":7770001,"from":"bob","date":"2026-11-29T06:55:36+0000","text":"psst","whisper":true}"#;
    assert_eq!(ann.hear_there(whisper), [relayed(Some("bob"), "psst")]);
    let own = whisper.replace("bob", "user-1");
    assert_eq!(ann.0.read_channel(&own), Reading::default());
    let error = r#"{"textroom":"error","error_code":422,"error":"Not in room 7770001","transaction":"2"}"#;
    assert!(matches!(&ann.hear_there(error)[..], [Message::Error { reason, .. }] if reason == "422"));
    let mut ann = joining();
    assert!(
        ann.say_there(relayed(None, "hi")).is_empty(),
        "nobody would pass it on"
    );
}

#[test]
fn a_name_that_is_taken_is_refused_and_may_be_asked_for_again() {
    let mut ann = joining();
    let taken = r#"{"textroom":"error","error_code":420,"error":"Username already taken","transaction":"1"}"#;
    let rejected = Message::JoinRejected {
        reason: "420".into(),
        message: "Username already taken".into(),
    };
    assert_eq!(ann.hear_there(taken), [rejected]);
    assert!(ann.say(join()).is_empty());
    let frames = ann.say_there(join());
    assert_eq!(frames[0]["textroom"], "join");
    assert!(ann.say_there(join()).is_empty(), "it is under way");
}

#[test]
fn a_ping_asks_the_socket_also_where_there_is_a_channel() {
    for mut ann in [joining(), joined()] {
        assert!(ann.say_there(Message::Ping).is_empty());
        assert_eq!(asks(&ann.say(Message::Ping)), ["keepalive"]);
        let pong = format!(r#"{{"janus":"ack","session_id":{SESSION},"transaction":"7"}}"#);
        assert_eq!(ann.hear(&pong).0, [Message::Pong]);
    }
}

#[test]
fn ice_is_restarted_on_the_handle_and_a_new_connection_is_a_new_handle() {
    let mut ann = joined();
    let frames = ann.say(request_offer(Message::SERVER, true));
    assert_eq!(asks(&frames), ["restart"]);
    let (messages, _) = ann.hear(&event(7, DONE, Some("v=1")));
    assert_eq!(messages, [described(Message::SERVER, SdpType::Offer, "v=1")]);
    assert_eq!(
        asks(&ann.say(request_offer(Message::SERVER, false))),
        ["detach", "attach"]
    );
    ann.hear(&success(9, r#","data":{"id":7}"#));
    let (_, replies) = ann.hear(&success(10, ""));
    assert_eq!(asks(&replies), ["setup"]);
    // With the connection the membership has gone.
    assert!(ann.say_there(Message::Ping).is_empty());
    assert_eq!(ann.0.channel_opened().len(), 1);
}

#[test]
fn who_leaves_has_no_connection_any_more() {
    let mut ann = joined();
    assert_eq!(asks(&ann.say(Message::Leave)), ["detach"]);
    assert!(ann.say_there(Message::Leave).is_empty());
    assert!(ann.0.channel_opened().is_empty());
    assert_eq!(asks(&ann.say(join())), ["attach"]);
    for mut ann in [Talk::new(JanusPlugin::TextRoom), joining(), offered()] {
        ann.say(Message::Leave);
        assert!(ann.say(Message::Leave).is_empty());
    }
}

#[test]
fn a_connection_that_janus_hangs_up_has_ended_and_a_session_takes_it_along() {
    let mut ann = joined();
    let hangup =
        format!(r#"{{"janus":"hangup","session_id":{SESSION},"sender":{HANDLE},"reason":"DTLS alert"}}"#);
    let (messages, replies) = ann.hear(&hangup);
    assert_eq!(messages, [ended(&server(), "DTLS alert")]);
    assert_eq!(asks(&replies), ["detach"]);
    assert_eq!(asks(&ann.say(request_offer(&server(), false))), ["attach"]);
    let timeout = format!(r#"{{"janus":"timeout","session_id":{SESSION}}}"#);
    for (mut ann, was_member) in [(joined(), true), (joining(), false)] {
        let (messages, _) = ann.hear(&timeout);
        assert!(
            matches!(&messages[..], [Message::Error { about_membership, about_join, .. }]
                if *about_membership == was_member && *about_join != was_member),
            "{messages:?}"
        );
        assert_eq!(asks(&ann.say(join())), ["create"]);
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".*") {
        for mut ann in [joining(), joined()] {
            ann.0.read(&text);
            ann.0.read_channel(&text);
        }
    }

    #[test]
    fn any_frame_is_survived(
        kind in prop::sample::select(vec!["join", "leave", "kicked", "destroyed", "message", "success", "error"]),
        transaction in prop::sample::select(vec!["1", "2", "x"]),
        value in prop::sample::select(vec!["null", "7", "\"bob\"", "\"user-1\"", "[7]", "{}"]),
    ) {
        for mut ann in [offered(), joining(), joined()] {
            ann.say_there(Message::Ping);
            for text in [
                format!(r#"{{"textroom":"{kind}","username":{value},"from":{value},"text":{value},"participants":{value}}}"#),
                format!(r#"{{"textroom":"{kind}","transaction":"{transaction}","participants":[{value}],"error_code":{value}}}"#),
                format!(r#"{{"textroom":{value},"transaction":{value}}}"#),
            ] {
                ann.0.read_channel(&text);
            }
            ann.0.read(&event(4, value, Some(kind)));
        }
    }
}
