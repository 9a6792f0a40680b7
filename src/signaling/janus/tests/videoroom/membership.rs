use super::*;
use crate::signaling::LeaveReason;

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
