use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::signaling::LeaveReason;

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

#[test]
fn what_the_room_says_before_the_answer_to_a_join_is_said_after_it() {
    let mut ann = joining();
    let unpublished = event(
        0,
        ROOM_HANDLE,
        r#"{"videoroom":"event","room":5550001,"unpublished":11}"#,
    );
    let joining = event(
        0,
        ROOM_HANDLE,
        r#"{"videoroom":"event","room":5550002,"joining":{"id":44,"display":"Dan"}}"#,
    );
    assert_eq!(ann.hear(&unpublished).0, [other("event")]);
    ann.hear(&joining);
    let (messages, _) = ann.hear(&event(4, ROOM_HANDLE, JOINED));
    let dan = Message::MemberJoined {
        member: member("44", "Dan"),
        again: false,
        knows_me: false,
    };
    let user_id = "11".to_owned();
    assert_eq!(messages[2..], [Message::Unpublished { user_id }, dan]);
}

#[test]
fn a_join_that_is_refused_leaves_nothing_behind() {
    let mut ann = joining();
    let taken = event(
        4,
        ROOM_HANDLE,
        r#"{"videoroom":"event","error_code":436,"error":"User ID 11 already exists"}"#,
    );
    let (messages, replies) = ann.hear(&taken);
    let rejected = Message::JoinRejected {
        reason: "436".into(),
        message: "User ID 11 already exists".into(),
    };
    assert_eq!(messages, [rejected]);
    assert_eq!(asks(&replies), ["detach"]);
    assert_eq!(asks(&ann.say(join())), ["attach"], "the session is the same");
}

#[test]
fn a_room_that_may_not_be_created_is_joined_and_why_is_told_if_it_is_not_there() {
    let mut ann = opened();
    ann.say(join());
    ann.hear(&success(2, ROOM_HANDLE));
    let refused = r#"{"janus":"success","session_id":3247219785841319,"transaction":"3","sender":7750185812481115,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","error_code":429,"error":"Missing mandatory element (admin_key)"}}}"#;
    assert_eq!(asks(&ann.hear(refused).1), ["join"]);
    let no_room = event(
        4,
        ROOM_HANDLE,
        r#"{"videoroom":"event","error_code":426,"error":"No such room (99)"}"#,
    );
    let (messages, _) = ann.hear(&no_room);
    assert!(
        matches!(&messages[..], [Message::JoinRejected { reason, message }] if reason == "429" && message.contains("admin_key"))
    );
}

#[test]
fn a_room_that_is_full_refuses_who_publishes() {
    let mut ann = joined();
    ann.say(described(Message::SERVER, SdpType::Offer, OFFER));
    let full = event(
        5,
        ROOM_HANDLE,
        r#"{"videoroom":"event","error_code":432,"error":"Maximum number of publishers (1) already reached"}"#,
    );
    let (messages, replies) = ann.hear(&full);
    assert!(matches!(&messages[..], [Message::JoinRejected { reason, .. }] if reason == "432"));
    assert_eq!(asks(&replies), ["detach"]);
}

#[test]
fn members_are_told_of_once() {
    let mut ann = joined();
    let mut hear = |data: &str| ann.hear(&event(0, ROOM_HANDLE, data));
    let dan = Message::MemberJoined {
        member: member("44", "Dan"),
        again: false,
        knows_me: false,
    };
    let published = |id: &str| Message::Published { user_id: id.into() };
    let publishers = r#"{"videoroom":"event","room":5550002,"publishers":[{"id":44,"display":"Dan","audio_codec":"opus","streams":[{"type":"audio","mindex":0,"mid":"0","codec":"opus"}]}]}"#;
    assert_eq!(
        hear(publishers).0,
        [dan, published("44")],
        "nobody has announced him"
    );
    assert_eq!(hear(publishers).0, [other("event")]);
    let unpublished = r#"{"videoroom":"event","room":5550001,"unpublished":44}"#;
    assert_eq!(
        hear(unpublished).0,
        [Message::Unpublished { user_id: "44".into() }]
    );
    assert_eq!(hear(unpublished).0, [other("event")], "Janus says it twice");
    let left = |id: &str, reason| Message::MemberLeft {
        user_id: id.into(),
        reason,
    };
    assert_eq!(
        hear(r#"{"videoroom":"event","room":5550001,"leaving":44}"#).0,
        [left("44", LeaveReason::Left)]
    );
    assert_eq!(
        hear(r#"{"videoroom":"event","room":5550002,"kicked":22}"#).0,
        [left("22", LeaveReason::Evicted)]
    );
}

#[test]
fn who_leaves_and_joins_again_waits_until_the_id_is_free() {
    let mut ann = subscribed();
    assert_eq!(asks(&ann.say(Message::Leave)), ["detach", "leave"]);
    assert!(ann.say(join()).is_empty());
    assert!(
        ann.say(Message::Ping).is_empty(),
        "it would be answered before the join"
    );
    let (_, replies) = ann.hear(&event(
        8,
        ROOM_HANDLE,
        r#"{"videoroom":"event","room":5550001,"leaving":"ok"}"#,
    ));
    assert_eq!(asks(&replies), ["detach", "attach"]);
    assert_eq!(replies[0]["handle_id"], ROOM_HANDLE);
    ann.hear(&success(10, 869976107486560));
    let (_, replies) = ann.hear(&event(11, 869976107486560, "{}"));
    assert_eq!(asks(&replies), ["join"]);
    let (messages, replies) = ann.hear(&event(12, 869976107486560, JOINED));
    assert!(matches!(messages[0], Message::Welcome { .. }));
    assert_eq!(asks(&replies), ["configure"], "the ping");
}

#[test]
fn a_join_under_way_is_given_up_by_who_leaves() {
    // Janus has not given the handle.
    let mut ann = opened();
    ann.say(join());
    assert!(ann.say(Message::Leave).is_empty());
    let (_, replies) = ann.hear(&success(2, ROOM_HANDLE));
    assert_eq!(asks(&replies), ["detach"]);
    assert_eq!(asks(&ann.say(join())), ["attach"]);
    // The join is sent, and may be read already.
    let mut ann = joining();
    assert_eq!(asks(&ann.say(Message::Leave)), ["detach"]);
    assert!(ann.say(join()).is_empty());
    ann.hear(&event(4, ROOM_HANDLE, JOINED));
    let (_, replies) = ann.hear(r#"{"janus":"success","session_id":3247219785841319,"transaction":"5"}"#);
    assert_eq!(asks(&replies), ["attach"]);
    // In no other state is there anything to leave.
    assert!(Talk::new(JanusPlugin::VideoRoom).say(Message::Leave).is_empty());
    assert!(opened().say(Message::Leave).is_empty());
}

#[test]
fn the_same_connection_is_configured_and_another_one_published() {
    let mut ann = publishing();
    let offer = |sdp| described(Message::SERVER, SdpType::Offer, sdp);
    let restarted = format!("{OFFER}a=ice-ufrag:new\r\n");
    assert_eq!(asks(&ann.say(offer(&restarted))), ["configure"]);
    ann.hear(&with_jsep(
        &event(6, ROOM_HANDLE, CONFIGURED),
        "answer",
        "v=0\r\n",
    ));

    assert_eq!(asks(&ann.say(offer(OTHER_OFFER))), ["unpublish"]);
    assert!(
        ann.say(candidate(Message::SERVER, CANDIDATE, Some("0")))
            .is_empty()
    );
    let unpublished = r#"{"videoroom":"event","room":5550002,"unpublished":"ok"}"#;
    assert!(ann.hear(&event(7, ROOM_HANDLE, unpublished)).1.is_empty());
    // Until now the connection was still there.
    let (messages, replies) = ann.hear(&hangup(ROOM_HANDLE, "Close PC"));
    assert_eq!(messages, [other("hangup")], "it was wanted");
    assert_eq!(asks(&replies), ["publish"]);
    assert_eq!(replies[0]["jsep"]["sdp"], OTHER_OFFER);
    // Its candidates may not overtake it.
    let (_, replies) = ann.hear(&ack(8));
    assert_eq!(asks(&replies), ["trickle"]);
    assert_eq!(replies[0]["candidate"]["candidate"], CANDIDATE);
}

#[test]
fn a_connection_that_was_never_up_is_hung_up() {
    let mut ann = joined();
    let offer = |sdp| described(Message::SERVER, SdpType::Offer, sdp);
    ann.say(offer(OFFER));
    assert!(ann.say(offer(OTHER_OFFER)).is_empty(), "it would overtake");
    let answer = with_jsep(&event(5, ROOM_HANDLE, CONFIGURED), "answer", "v=0\r\n");
    let (messages, replies) = ann.hear(&answer);
    assert_eq!(messages, [other("event")], "nobody waits for that answer");
    assert_eq!(asks(&replies), ["unpublish"]);
    let refused = r#"{"videoroom":"event","error_code":435,"error":"Can't unpublish, not published"}"#;
    assert_eq!(asks(&ann.hear(&event(6, ROOM_HANDLE, refused)).1), ["hangup"]);
    assert_eq!(ann.hear(&hangup(ROOM_HANDLE, "Janus API")).0, [other("hangup")]);
    let (_, replies) = ann.hear(r#"{"janus":"success","session_id":3247219785841319,"transaction":"7"}"#);
    assert_eq!(asks(&replies), ["publish"]);
    assert_eq!(replies[0]["jsep"]["sdp"], OTHER_OFFER);
}

#[test]
fn candidates_wait_for_the_descriptions_that_they_belong_to() {
    let mut ann = joined();
    ann.say(described(Message::SERVER, SdpType::Offer, OFFER));
    assert!(
        ann.say(candidate(Message::SERVER, CANDIDATE, Some("0")))
            .is_empty()
    );
    assert!(ann.say(candidate(Message::SERVER, "", None)).is_empty());
    assert_eq!(ann.hear(&trickled(ROOM_HANDLE)).0, [other("trickle")]);
    let end = format!(
        r#"{{"janus":"trickle","session_id":{SESSION},"sender":{ROOM_HANDLE},"candidate":{{"completed":true}}}}"#
    );
    ann.hear(&end);
    let answer = with_jsep(&event(5, ROOM_HANDLE, CONFIGURED), "answer", "v=0\r\n");
    let (messages, replies) = ann.hear(&answer);
    let server = Message::SERVER;
    let theirs = [
        candidate(server, CANDIDATE, Some("0")),
        candidate(server, "", None),
    ];
    assert_eq!(messages[1..], theirs);
    let ours: Vec<&Value> = replies.iter().map(|frame| &frame["candidate"]).collect();
    let first = json!({ "candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0 });
    assert_eq!(ours, [&first, &json!({ "completed": true })]);
    // From now on nothing waits.
    assert_eq!(ann.hear(&end).0, [candidate(server, "", None)]);
    assert_eq!(asks(&ann.say(candidate(server, "", None))), ["trickle"]);
}

#[test]
fn an_offer_is_answered_once_and_ice_is_restarted_by_another() {
    let mut ann = subscribed();
    let answer = || described("11", SdpType::Answer, "v=0\r\n");
    let frames = ann.say(answer());
    assert_eq!(asks(&frames), ["start"]);
    assert_eq!(frames[0]["handle_id"], BOBS);
    assert!(ann.say(answer()).is_empty(), "there is no other offer");
    let frames = ann.say(request_offer("11", true));
    assert_eq!(asks(&frames), ["configure"]);
    assert_eq!(frames[0]["body"]["restart"], true);
    // What is trickled now is of the new offer.
    assert_eq!(ann.hear(&trickled(BOBS)).0, [other("trickle")]);
    let data = r#"{"videoroom":"event","room":5550001,"configured":"ok"}"#;
    let (messages, _) = ann.hear(&with_jsep(&event(8, BOBS, data), "offer", OTHER_OFFER));
    let late = candidate("11", CANDIDATE, Some("0"));
    assert_eq!(messages, [described("11", SdpType::Offer, OTHER_OFFER), late]);
    assert_eq!(asks(&ann.say(answer())), ["start"]);
}

#[test]
fn a_new_connection_to_what_is_published_is_a_new_handle() {
    let mut ann = subscribed();
    let frames = ann.say(request_offer("11", false));
    assert_eq!(asks(&frames), ["detach", "attach"]);
    assert_eq!(frames[0]["handle_id"], BOBS);
    assert!(
        ann.say(described("11", SdpType::Answer, "v=0\r\n")).is_empty(),
        "of the one before"
    );
    assert_eq!(ann.hear(&hangup(BOBS, "Detach")).0, [other("hangup")]);
    // Given up before Janus has given the handle.
    ann.say(request_offer("11", false));
    let (_, replies) = ann.hear(&success(8, BOBS));
    assert_eq!(asks(&replies), ["detach"]);
}

#[test]
fn what_is_not_to_be_had_ends() {
    let mut ann = joined();
    ann.say(request_offer("33", false));
    ann.hear(&success(5, BOBS));
    let data = r#"{"videoroom":"event","error_code":428,"error":"No such feed (33)"}"#;
    let (messages, replies) = ann.hear(&event(6, BOBS, data));
    assert_eq!(messages, [ended("33", "428")]);
    assert_eq!(asks(&replies), ["detach"]);
}

#[test]
fn who_publishes_no_more_is_had_no_more() {
    let mut ann = subscribed();
    let updated = r#"{"videoroom":"updated","room":5550002,"streams":[{"type":"audio","active":false,"mindex":0,"mid":"0","ready":false,"send":true}]}"#;
    let updated = with_jsep(&event(0, BOBS, updated), "offer", OTHER_OFFER);
    assert_eq!(ann.hear(&updated).0, [other("updated")], "the room tells that");
    let data = r#"{"videoroom":"event","room":5550001,"unpublished":11}"#;
    let (messages, replies) = ann.hear(&event(0, ROOM_HANDLE, data));
    assert_eq!(messages, [Message::Unpublished { user_id: "11".into() }]);
    assert_eq!(asks(&replies), ["detach"]);
    assert_eq!(replies[0]["handle_id"], BOBS);
    let gone = format!(r#"{{"janus":"detached","session_id":{SESSION},"sender":{BOBS}}}"#);
    assert_eq!(ann.hear(&gone).0, [other("detached")], "it was wanted");
}

#[test]
fn a_connection_that_janus_hangs_up_has_ended() {
    let mut ann = publishing();
    let reason = "DTLS alert";
    assert_eq!(
        ann.hear(&hangup(ROOM_HANDLE, reason)).0,
        [ended(Message::SERVER, reason)]
    );
    let frames = ann.say(described(Message::SERVER, SdpType::Offer, OTHER_OFFER));
    assert_eq!(asks(&frames), ["publish"], "there is nothing to unpublish");
    let mut ann = subscribed();
    let (messages, replies) = ann.hear(&hangup(BOBS, "ICE failed"));
    assert_eq!(messages, [ended("11", "ICE failed")]);
    assert_eq!(asks(&replies), ["detach"]);
    let mut ann = subscribed();
    let gone = format!(r#"{{"janus":"detached","session_id":{SESSION},"sender":{BOBS}}}"#);
    assert_eq!(ann.hear(&gone).0, [ended("11", "detached")]);
}

#[test]
fn a_session_that_is_gone_takes_the_membership_along() {
    let timeout = r#"{"janus":"timeout","session_id":3247219785841319}"#;
    let refused = r#"{"janus":"error","session_id":3247219785841319,"transaction":"5","error":{"code":458,"reason":"No such session 3247219785841319"}}"#;
    for (gone, code) in [(timeout, "timeout"), (refused, "458")] {
        let mut ann = joined();
        let (messages, replies) = ann.hear(gone);
        assert!(
            matches!(&messages[..], [Message::Error { reason, about_membership: true, about_join: false, .. }] if reason == code),
            "{messages:?}"
        );
        assert!(replies.is_empty());
        let frames = ann.say(join());
        assert_eq!(asks(&frames), ["create"]);
        let created = format!(
            r#"{{"janus":"success","transaction":{},"data":{{"id":2771898581142397}}}}"#,
            frames[0]["transaction"]
        );
        let (_, replies) = ann.hear(&created);
        assert_eq!(asks(&replies), ["attach"]);
        assert_eq!(replies[0]["session_id"], 2_771_898_581_142_397_u64);
        assert_eq!(ann.hear(gone).0.len(), 1, "of the one before");
        assert_eq!(
            ann.0.keepalive().map(|k| k.frame.contains("2771898581142397")),
            Some(true)
        );
    }
    let (messages, _) = joining().hear(timeout);
    assert!(matches!(messages[..], [Message::Error { about_join: true, .. }]));
    assert_eq!(opened().hear(timeout).0, [other("timeout")]);
}

#[test]
fn who_is_removed_is_told() {
    for (data, code) in [
        (
            r#"{"videoroom":"event","room":5550002,"leaving":"ok","reason":"kicked"}"#,
            "kicked",
        ),
        (r#"{"videoroom":"destroyed","room":5550002}"#, "destroyed"),
    ] {
        let mut ann = subscribed();
        let (messages, replies) = ann.hear(&event(0, ROOM_HANDLE, data));
        assert!(
            matches!(&messages[..], [Message::Error { reason, about_membership: true, .. }] if reason == code)
        );
        assert_eq!(asks(&replies), ["detach", "detach"]);
        assert_eq!(ann.hear(&hangup(ROOM_HANDLE, "Close PC")).0, [other("hangup")]);
        assert_eq!(asks(&ann.say(join())), ["attach"]);
    }
}

#[test]
fn a_ping_is_answered_in_the_room_by_the_room_and_outside_by_janus() {
    let mut ann = joined();
    let frames = ann.say(Message::Ping);
    assert_eq!(frames[0]["body"], json!({ "request": "configure" }));
    assert_eq!(ann.hear(&ack(5)).0, [other("ack")]);
    let data = r#"{"videoroom":"event","room":5550001,"configured":"ok"}"#;
    assert_eq!(ann.hear(&event(5, ROOM_HANDLE, data)).0, [Message::Pong]);
    assert_eq!(
        ann.hear(&event(5, ROOM_HANDLE, data)).0,
        [other("event")],
        "it answers one"
    );
    let mut ann = opened();
    assert_eq!(asks(&ann.say(Message::Ping)), ["keepalive"]);
    assert_eq!(ann.hear(&ack(2)).0, [Message::Pong]);
    let mut ann = Talk::new(JanusPlugin::VideoRoom);
    ann.open();
    assert_eq!(asks(&ann.say(Message::Ping)), ["ping"]);
    assert_eq!(
        ann.hear(r#"{"janus":"pong","transaction":"2"}"#).0,
        [Message::Pong]
    );
    // Those that nobody answers any more are asked elsewhere.
    let mut ann = joined();
    ann.say(Message::Ping);
    let kicked = r#"{"videoroom":"event","room":5550002,"leaving":"ok","reason":"kicked"}"#;
    let (_, replies) = ann.hear(&event(0, ROOM_HANDLE, kicked));
    assert_eq!(asks(&replies), ["detach", "keepalive"]);
}

#[test]
fn what_is_of_no_use_says_what_it_is() {
    let mut ann = publishing();
    for kind in ["webrtcup", "media", "slowlink", "of-tomorrow"] {
        let text = format!(r#"{{"janus":"{kind}","session_id":{SESSION},"sender":{ROOM_HANDLE}}}"#);
        assert_eq!(ann.hear(&text).0, [other(kind)]);
    }
    let data = r#"{"videoroom":"talking","room":5550001,"id":11}"#;
    assert_eq!(ann.hear(&event(0, ROOM_HANDLE, data)).0, [other("talking")]);
    let unread =
        r#"{"janus":"error","error":{"code":456,"reason":"Missing mandatory element (transaction)"}}"#;
    assert!(matches!(&ann.hear(unread).0[..], [Message::Error { reason, .. }] if reason == "456"));
    assert!(ann.hear("{}").0.is_empty());
}

#[test]
fn a_pin_and_a_key_are_told_where_there_are_any() {
    let options = JanusOptions {
        pin: Some("secret".into()),
        admin_key: Some("key".into()),
        ..JanusOptions::default()
    };
    let mut ann = Talk(Janus::new(&options, "room-1", "user-1"));
    ann.open();
    ann.say(join());
    ann.hear(r#"{"janus":"success","transaction":"1","data":{"id":3247219785841319}}"#);
    let (_, replies) = ann.hear(&success(2, ROOM_HANDLE));
    let body = &replies[0]["body"];
    assert_eq!(
        (&body["pin"], &body["admin_key"]),
        (&json!("secret"), &json!("key"))
    );
    let (_, replies) = ann.hear(&event(3, ROOM_HANDLE, "{}"));
    assert_eq!(replies[0]["body"]["pin"], "secret");
    assert!(replies[0]["body"]["admin_key"].is_null());
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
