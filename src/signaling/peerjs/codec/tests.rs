use proptest::prelude::*;

use super::*;

/// What `peer` 1.0.2 said to clients `run1-p00000` and `run1-p00001`, and to whom it did not let in.
const OPEN: &str = r#"{"type":"OPEN"}"#;
const TAKEN: &str = r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#;
const WRONG_KEY: &str = r#"{"type":"ERROR","payload":{"msg":"Invalid key provided"}}"#;
const LEAVE: &str = r#"{"type":"LEAVE","src":"run1-p00000","dst":"run1-p00001"}"#;
const EXPIRE: &str = r#"{"type":"EXPIRE","src":"absent","dst":"run1-p00000"}"#;
/// In the shape that the source of `peerjs` 1.5.5 gives them, as the server passes them on; the SDP is shortened. In
/// `tests/page/peerjs.rs` that client sends its own.
const OFFER: &str = r#"{"type":"OFFER","src":"page 1","dst":"run1-p00000","payload":{"sdp":{"type":"offer","sdp":"v=0\r\na=fingerprint:sha-256 AA\r\n"},"type":"data","connectionId":"dc_nwo8qp2r8v","label":"chat","reliable":true,"serialization":"json"}}"#;
const CANDIDATE: &str = r#"{"type":"CANDIDATE","src":"page 1","dst":"run1-p00000","payload":{"candidate":{"candidate":"candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"},"type":"data","connectionId":"dc_nwo8qp2r8v"}}"#;

const JOIN: Message = Message::Join {
    name: String::new(),
    token: None,
    capacity: 10,
    present: Vec::new(),
};

fn ann() -> PeerJs {
    with(Serialization::Binary, "run1-p00000")
}

fn bob() -> PeerJs {
    with(Serialization::Binary, "run1-p00001")
}

fn with(serialization: Serialization, user_id: &str) -> PeerJs {
    let options = PeerJsOptions {
        serialization,
        ..PeerJsOptions::default()
    };
    let mut codec = PeerJs::new(&options, user_id);
    assert_eq!(codec.opened(), Vec::<String>::new());
    codec
}

fn sdp(sdp_type: SdpType, certificate: &str) -> Description {
    Description {
        sdp_type,
        sdp: format!("v=0\r\na=fingerprint:sha-256 {certificate}\r\n").into(),
    }
}

fn to(remote: &str, description: Description) -> Message {
    Message::Description {
        remote: remote.to_owned(),
        description,
    }
}

fn only(codec: &mut PeerJs, message: &Message) -> String {
    let frames = codec.encode(message, 7);
    let [frame] = frames.as_slice() else {
        panic!("{message:?} is {frames:?}");
    };
    frame.clone()
}

/// As the server passes it on.
fn relayed(frame: &str, from: &str) -> String {
    let mut frame: Value = serde_json::from_str(frame).unwrap();
    frame["src"] = from.into();
    frame.to_string()
}

fn value(frame: &str) -> Value {
    serde_json::from_str(frame).unwrap()
}

#[test]
fn a_join_is_confirmed_once_by_the_server_or_by_what_comes_back() {
    let mut ann = ann();
    let join = relayed(&only(&mut ann, &JOIN), "run1-p00000");
    assert_eq!(ann.read(OPEN), welcome(false).into());
    assert_eq!(ann.read(&join), Reading::default());
    assert_eq!(ann.read(OPEN), Reading::default());
    let second = relayed(&only(&mut ann, &JOIN), "run1-p00000");
    assert_eq!(ann.read(&second), welcome(false).into(), "each join is answered");
    // The server says nothing where a socket takes the id over from another.
    ann.opened();
    let over = relayed(&only(&mut ann, &JOIN), "run1-p00000");
    assert_eq!(ann.read(&join), Reading::default(), "the last socket's");
    assert_eq!(ann.read(&over), welcome(true).into());
}

#[test]
fn refusals_say_why() {
    let rejected = Message::JoinRejected {
        reason: "ID-TAKEN".to_owned(),
        message: "ID is taken".to_owned(),
    };
    assert_eq!(ann().read(TAKEN), rejected.into());
    let error = |about_join| Message::Error {
        reason: "Invalid key provided".to_owned(),
        message: "Invalid key provided".to_owned(),
        about_join,
        about_membership: false,
    };
    let mut ann = ann();
    assert_eq!(ann.read(WRONG_KEY), error(true).into());
    ann.read(OPEN);
    assert_eq!(ann.read(WRONG_KEY), error(false).into());
}

#[test]
fn pings_come_back_over_the_socket_that_they_went_out_on() {
    let mut ann = ann();
    let ping = relayed(&only(&mut ann, &Message::Ping), "run1-p00000");
    assert_eq!(value(&ping)["dst"], "run1-p00000");
    assert_eq!(ann.read(&ping), Message::Pong.into());
    ann.opened();
    assert_eq!(ann.read(&ping), Reading::default());
    assert_eq!(ann.keepalive().unwrap().every, Duration::from_secs(5));
    assert_eq!(ann.keepalive().unwrap().frame, r#"{"type":"HEARTBEAT"}"#);
}

#[test]
fn an_offer_is_that_of_the_client() {
    let mut ann = with(Serialization::Json, "run1-p00000");
    let offer = sdp(SdpType::Offer, "AA");
    let frame = value(&only(&mut ann, &to("run1-p00001", offer.clone())));
    let id = frame["payload"]["connectionId"].clone();
    assert!(id.as_str().unwrap().starts_with("dc_"));
    let payload = json!({
        "sdp": { "type": "offer", "sdp": &*offer.sdp }, "type": "data", "connectionId": id,
        "label": "chat", "reliable": true, "serialization": "json",
    });
    assert_eq!(
        frame,
        json!({ "type": "OFFER", "payload": payload, "dst": "run1-p00001" })
    );
    assert_eq!(ann.channel_format("run1-p00001"), Some(ChannelFormat::PeerJsJson));
}

#[test]
fn what_a_page_sends_is_read_and_answered_on_its_connection() {
    let mut ann = ann();
    let reading = ann.read(OFFER);
    let [Message::Description { remote, description }] = reading.messages.as_slice() else {
        panic!("{reading:?}");
    };
    assert_eq!(
        (remote.as_str(), description),
        ("page 1", &sdp(SdpType::Offer, "AA"))
    );
    let candidate = Candidate {
        candidate: "candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host".to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("abcd".to_owned()),
    };
    let said = Message::Candidate {
        remote: "page 1".to_owned(),
        candidate: candidate.clone(),
    };
    assert_eq!(ann.read(CANDIDATE), said.clone().into());
    assert_eq!(ann.channel_format("page 1"), Some(ChannelFormat::PeerJsJson));
    let answer = sdp(SdpType::Answer, "BB");
    let frame = value(&only(&mut ann, &to("page 1", answer.clone())));
    let payload = json!({
        "sdp": { "type": "answer", "sdp": &*answer.sdp }, "type": "data", "connectionId": "dc_nwo8qp2r8v",
    });
    assert_eq!(
        frame,
        json!({ "type": "ANSWER", "payload": payload, "dst": "page 1" })
    );
    let mut trickled = value(CANDIDATE);
    trickled["dst"] = "page 1".into();
    trickled.as_object_mut().unwrap().remove("src");
    assert_eq!(value(&only(&mut ann, &said)), trickled);
    let end = Message::Candidate {
        remote: "page 1".to_owned(),
        candidate: Candidate {
            candidate: String::new(),
            ..candidate
        },
    };
    assert!(ann.encode(&end, 7).is_empty(), "the client says no end");
}

#[test]
fn an_answer_is_of_the_connection_that_its_offer_was_of() {
    let (mut ann, mut bob) = (ann(), bob());
    let (first, second) = (sdp(SdpType::Offer, "AA"), sdp(SdpType::Offer, "CC"));
    let offers = [&first, &second].map(|offer| {
        let frame = only(&mut ann, &to("run1-p00001", offer.clone()));
        relayed(&frame, "run1-p00000")
    });
    for offer in &offers {
        assert_eq!(bob.read(offer).messages.len(), 1);
    }
    let answer = sdp(SdpType::Answer, "BB");
    let mut answers = [&first, &second].map(|offer| {
        bob.answering("run1-p00000", offer.fingerprint());
        let frame = only(&mut bob, &to("run1-p00000", answer.clone()));
        relayed(&frame, "run1-p00001")
    });
    assert_eq!(ann.read(&answers[0]), Reading::default(), "that one was given up");
    assert_eq!(ann.read(&answers[1]), to("run1-p00001", answer).into());
    // What is negotiated anew on a connection is answered on it.
    let mut restart = second.clone();
    restart.sdp = format!("{}a=ice-ufrag:new\r\n", restart.sdp).into();
    only(&mut ann, &to("run1-p00001", restart));
    assert_eq!(ann.read(&answers[1]).messages.len(), 1);
    answers[1] = answers[1].replace("run1-p00000", "run1-p00007");
    assert_eq!(ann.read(&answers[1]), Waste::OtherMember.into());
}

#[test]
fn an_offer_that_a_later_one_has_overtaken_is_none() {
    let (mut ann, mut bob) = (ann(), bob());
    let [first, second] = ["AA", "CC"].map(|certificate| {
        let frame = only(&mut ann, &to("run1-p00001", sdp(SdpType::Offer, certificate)));
        ann.opened();
        relayed(&frame, "run1-p00000")
    });
    assert_eq!(bob.read(&second).messages.len(), 1);
    assert_eq!(bob.read(&first), Reading::default());
    assert_eq!(
        bob.read(&second).messages.len(),
        1,
        "a copy of the latest is read"
    );
}

#[test]
fn who_leaves_or_is_not_there_is_no_member() {
    assert_eq!(
        bob().read(LEAVE),
        left("run1-p00000".to_owned(), LeaveReason::Left)
    );
    assert_eq!(ann().read(EXPIRE), left("absent".to_owned(), LeaveReason::Closed));
    assert!(
        ann().encode(&Message::Leave, 7).is_empty(),
        "the client closes its socket"
    );
}

#[test]
fn a_call_is_nothing_to_a_client_of_data() {
    let call = OFFER.replace(r#""type":"data""#, r#""type":"media""#);
    let other = Message::Other {
        kind: "media".to_owned(),
    };
    assert_eq!(ann().read(&call), other.into());
}

#[test]
fn a_socket_is_opened_with_key_id_and_a_token_of_its_own() {
    let options = PeerJsOptions {
        key: "a key".to_owned(),
        ..PeerJsOptions::default()
    };
    let address = options.address("run1-room-0000", "run1-p0000");
    assert_eq!(address.path.as_deref(), Some("peerjs"));
    let [(_, key), (_, id), (_, token), (_, version)] = address.query.as_slice() else {
        panic!("{address:?}");
    };
    assert_eq!(
        (key.as_str(), id.as_str(), version.as_str()),
        ("a key", "run1-p0000", "1.5.5")
    );
    assert_eq!(
        options.address("run1-room-0000", "run1-p0000"),
        address,
        "it may be taken over"
    );
    for (room, user) in [("run1-room-0000", "run1-p0001"), ("run2-room-0000", "run1-p0000")] {
        assert_ne!(&options.address(room, user).query[2].1, token);
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,200}") {
        ann().read(&text);
    }

    #[test]
    fn any_json_of_a_known_type_is_survived(
        kind in prop_oneof![
            Just("OPEN"), Just("OFFER"), Just("ANSWER"), Just("CANDIDATE"), Just("LEAVE"), Just("EXPIRE"),
            Just("ID-TAKEN"), Just("ERROR"), Just("HEARTBEAT"),
        ],
        src in prop_oneof![Just("run1-p00000"), Just("page 1"), Just("")],
        payload in prop_oneof![
            Just("null"), Just("7"), Just("[]"), Just("{}"), Just(r#"{"sdp":7}"#), Just(r#"{"sdp":{}}"#),
            Just(r#"{"sdp":{"sdp":"v=0"},"connectionId":[]}"#), Just(r#"{"connectionId":"ping-1"}"#),
            Just(r#"{"connectionId":"join-1-0"}"#), Just(r#"{"candidate":{"candidate":1}}"#), Just(r#"{"msg":{}}"#),
        ],
    ) {
        let frame = format!(r#"{{"type":"{kind}","src":"{src}","payload":{payload}}}"#);
        let mut ann = ann();
        for message in ann.read(&frame).messages {
            ann.encode(&message, 7);
        }
    }
}
