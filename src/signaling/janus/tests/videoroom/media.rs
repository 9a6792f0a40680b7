use super::*;

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
    let (_, replies) = ann.hear(&event(7, ROOM_HANDLE, unpublished));
    assert_eq!(asks(&replies), ["hangup"]);
    let done = r#"{"janus":"success","session_id":3247219785841319,"transaction":"8"}"#;
    assert!(ann.hear(done).1.is_empty(), "the connection is still there");
    let (messages, replies) = ann.hear(&hangup(ROOM_HANDLE, "Janus API"));
    assert_eq!(messages, [other("hangup")], "it was wanted");
    assert_eq!(asks(&replies), ["publish"]);
    assert_eq!(replies[0]["jsep"]["sdp"], OTHER_OFFER);
    // Its candidates may not overtake it.
    let (_, replies) = ann.hear(&ack(9));
    assert_eq!(asks(&replies), ["trickle"]);
    assert_eq!(replies[0]["candidate"]["candidate"], CANDIDATE);
}

#[test]
fn a_connection_that_was_never_up_is_hung_up() {
    let mut ann = joined();
    let offer = |sdp| described(Message::SERVER, SdpType::Offer, sdp);
    ann.say(offer(OFFER));
    assert!(ann.say(offer(OTHER_OFFER)).is_empty(), "it would overtake");
    assert!(
        ann.say(candidate(Message::SERVER, CANDIDATE, Some("0")))
            .is_empty()
    );
    assert!(
        ann.hear(&ack(5)).1.is_empty(),
        "the candidate is not of that offer"
    );
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
    assert_eq!(
        ann.hear(&hangup(ROOM_HANDLE, "Janus API")).0,
        [other("hangup")],
        "of the one before"
    );
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
fn an_answer_that_is_lost_holds_nothing_up() {
    let mut ann = joined();
    let offer = |sdp| described(Message::SERVER, SdpType::Offer, sdp);
    ann.say(offer(OFFER));
    assert!(
        ann.say(offer(OTHER_OFFER)).is_empty(),
        "the answer may still come"
    );
    let third = OTHER_OFFER.replace("o=", "o=third");
    assert_eq!(asks(&ann.say(offer(&third))), ["unpublish"]);
    let unpublished = r#"{"videoroom":"event","room":5550002,"unpublished":"ok"}"#;
    assert_eq!(asks(&ann.hear(&event(6, ROOM_HANDLE, unpublished)).1), ["hangup"]);
    let (_, replies) = ann.hear(&hangup(ROOM_HANDLE, "Janus API"));
    assert_eq!(asks(&replies), ["publish"]);
    assert_eq!(replies[0]["jsep"]["sdp"], third.as_str());
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
    let refused = r#"{"janus":"error","session_id":3247219785841319,"transaction":"6","error":{"code":459,"reason":"No such handle 6157126942851108 in session 3247219785841319"}}"#;
    assert_eq!(ann.hear(refused).0, [other("error")], "nobody waits for it");
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
