//! Exchanges as `simple-whip-server` (in front of Janus) and the RFC's examples have them.

use proptest::prelude::*;

use super::*;
use crate::signaling::{Candidate, Client, Codec, Description, Message, OfferedIceServer, Reading, SdpType};

const ANSWER: &str = "v=0\r\no=- 5 1 IN IP4 10.77.9.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:zDkl\r\na=ice-pwd:janus\r\na=fingerprint:sha-256 AA\r\na=candidate:1 1 udp 2015363327 10.77.9.1 40000 typ host\r\na=end-of-candidates\r\n";

fn client(endpoint: &str) -> Whip {
    let options = WhipOptions {
        endpoint: endpoint.to_owned(),
    };
    let client = Client {
        room_id: "a room/1",
        user_id: "ann",
        number: 7,
    };
    Whip::new(&options, client)
}

/// Of the connection with that certificate, in that ICE generation.
fn offer(fingerprint: &str, ufrag: &str) -> Message {
    let sdp = format!(
        "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\na=fingerprint:sha-256 {fingerprint}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:pwd-{ufrag}\r\n"
    );
    Message::Description {
        remote: Message::SERVER.to_owned(),
        description: Description {
            sdp_type: SdpType::Offer,
            sdp: sdp.into(),
        },
    }
}

fn candidate(text: &str) -> Message {
    Message::Candidate {
        remote: Message::SERVER.to_owned(),
        candidate: Candidate {
            candidate: text.to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_m_line_index: Some(0),
            username_fragment: None,
        },
    }
}

fn join() -> Message {
    Message::Join {
        name: "Ann".to_owned(),
        token: None,
        capacity: 1,
        present: Vec::new(),
    }
}

fn answer(sdp: &str) -> Message {
    Message::Description {
        remote: Message::SERVER.to_owned(),
        description: Description {
            sdp_type: SdpType::Answer,
            sdp: sdp.into(),
        },
    }
}

fn welcome() -> Message {
    Message::Welcome {
        members: Vec::new(),
        token: None,
        resumed: false,
        user_id: None,
    }
}

fn ended(reason: &str) -> Message {
    Message::Ended {
        remote: Message::SERVER.to_owned(),
        reason: reason.to_owned(),
    }
}

fn created() -> String {
    format!(
        "HTTP/1.1 201 Created\r\nAccept-Patch: application/trickle-ice-sdpfrag\r\nLocation: /whip/resource/s1\r\nETag: \"e1\"\r\nContent-Type: application/sdp\r\n\r\n{ANSWER}"
    )
}

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\n\r\n")
}

/// The only frame, without its number.
fn one(frames: Vec<String>) -> String {
    assert_eq!(frames.len(), 1, "{frames:?}");
    let (first, rest) = frames[0].split_once("\r\nExchange: ").expect("it has a number");
    let (_, rest) = rest.split_once("\r\n").expect("other lines");
    format!("{first}\r\n{rest}")
}

/// The same response to the request of that number.
fn to(number: u64, response: &str) -> String {
    response.replacen("\r\n", &format!("\r\nExchange: {number}\r\n"), 1)
}

/// A client that has joined with the offer `A a`.
fn joined() -> Whip {
    let mut whip = client("/whip/endpoint/s1");
    assert_eq!(whip.encode(&join(), 0), Vec::<String>::new());
    one(whip.encode(&offer("A", "a"), 0));
    assert_eq!(whip.read(&created()).messages, [welcome(), answer(ANSWER)]);
    whip
}

#[test]
fn an_offer_is_posted_and_its_answer_is_the_welcome() {
    let mut whip = client("${room}/${user}?n=${peer}");
    assert!(whip.encode(&join(), 0).is_empty());
    let Message::Description { description, .. } = offer("A", "a") else {
        unreachable!("it is one");
    };
    let expected = format!(
        "POST a%20room%2F1/ann?n=7 HTTP/1.1\r\nContent-Type: application/sdp\r\n\r\n{}",
        description.sdp
    );
    assert_eq!(one(whip.encode(&offer("A", "a"), 0)), expected);
    assert!(whip.encode(&offer("A", "a"), 0).is_empty(), "it is on its way");
    let reading = whip.read(&created());
    assert_eq!(reading.messages, [welcome(), answer(ANSWER)]);
    assert!(reading.replies.is_empty());
    assert_eq!(whip.settles_within().map(|within| within.as_millis()), Some(300));
}

#[test]
fn candidates_wait_for_the_session_and_go_together() {
    let mut whip = client("/whip/endpoint/s1");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    for port in 1..=2 {
        let text = format!("candidate:1 1 udp 5 10.0.0.1 {port} typ host");
        assert!(whip.encode(&candidate(&text), 0).is_empty(), "no session yet");
    }
    let patch = one(whip.read(&created()).replies);
    let head = "PATCH /whip/resource/s1 HTTP/1.1\r\nContent-Type: application/trickle-ice-sdpfrag\r\nIf-Match: \"e1\"\r\n\r\n";
    assert_eq!(
        patch.strip_prefix(head),
        Some(
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:a\r\na=ice-pwd:pwd-a\r\na=candidate:1 1 udp 5 10.0.0.1 1 typ host\r\na=candidate:1 1 udp 5 10.0.0.1 2 typ host\r\n"
        ),
        "{patch}"
    );
    assert!(
        whip.encode(&candidate("candidate:3"), 0).is_empty(),
        "one at a time"
    );
    assert!(whip.encode(&candidate(""), 0).is_empty());
    let second = one(whip.read(&status("204 No Content")).replies);
    assert!(
        second.ends_with("a=candidate:3\r\na=end-of-candidates\r\n"),
        "{second}"
    );
    assert_eq!(whip.read(&status("204 No Content")), Reading::default());
}

#[test]
fn a_refusal_is_told_by_its_status_and_its_own_words() {
    for (response, reason, message) in [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\nUnauthorized",
            "403",
            "Unauthorized",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\nEndpoint ID already in use",
            "403",
            "Endpoint ID already in use",
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404", "Not Found"),
        (
            "HTTP/1.1 406 Not Acceptable\r\n\r\nUnsupported content type",
            "406",
            "Unsupported content type",
        ),
        (
            "HTTP/1.1 409 Conflict\r\nRetry-After: 5\r\n\r\n",
            "409",
            "Conflict (Retry-After: 5)",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nv=0", "200", "v=0"),
        (
            "HTTP/1.1 303 See Other\r\nLocation: /x\r\n\r\n",
            "303",
            "See Other",
        ),
        ("<html>", "no_http", "what has come is no response of HTTP"),
    ] {
        let mut whip = client("");
        whip.encode(&join(), 0);
        let post = one(whip.encode(&offer("A", "a"), 0));
        assert!(
            post.starts_with("POST  HTTP/1.1\r\n"),
            "the target's own URL: {post}"
        );
        whip.encode(&candidate("candidate:1"), 0);
        let reading = whip.read(response);
        let rejected = Message::JoinRejected {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(reading, rejected.into(), "{response}");
        assert!(
            whip.encode(&candidate("candidate:2"), 0).is_empty(),
            "there is no offer"
        );
        let mut whip = joined();
        one(whip.encode(&offer("B", "b"), 0));
        one(whip.read(&status("200 OK")).replies);
        let reading = whip.read(response);
        assert_eq!(
            reading,
            ended(&format!("{reason} {message}")).into(),
            "{response}"
        );
    }
}

#[test]
fn redirects_are_followed_with_the_body_but_not_for_ever() {
    let mut whip = client("whip/s1");
    whip.encode(&join(), 0);
    let post = one(whip.encode(&offer("A", "a"), 0));
    let to = |location: &str, code: &str| format!("HTTP/1.1 {code} X\r\nLocation: {location}\r\n\r\n");
    let again = whip.read(&to("https://b.org/whip/s2", "307"));
    assert_eq!(again.messages, []);
    let url = "POST https://b.org/whip/s2 HTTP/1.1";
    assert_eq!(one(again.replies), post.replace("POST whip/s1 HTTP/1.1", url));
    whip.encode(&candidate("candidate:1"), 0);
    let patch = one(whip.read(&created()).replies);
    assert!(
        patch.starts_with("PATCH https://b.org/whip/resource/s1 "),
        "the Location is that server's: {patch}"
    );
    let patch = one(whip.read(&to("s3", "308")).replies);
    assert!(
        patch.starts_with("PATCH https://b.org/whip/resource/s3 "),
        "{patch}"
    );
    whip.read(&status("204 No Content"));
    let delete = one(whip.encode(&Message::Leave, 0));
    assert!(
        delete.starts_with("DELETE https://b.org/whip/resource/s3 "),
        "{delete}"
    );

    let mut whip = client("");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    for at in 0..5 {
        one(whip.read(&to(&format!("/{at}"), "308")).replies);
    }
    let over = whip.read(&to("/5", "308"));
    assert!(
        matches!(&over.messages[..], [Message::JoinRejected { reason, .. }] if reason == "308"),
        "{over:?}"
    );
    let no_location = {
        whip.encode(&join(), 0);
        whip.encode(&offer("B", "b"), 0);
        whip.read(&status("307 X"))
    };
    assert!(matches!(
        &no_location.messages[..],
        [Message::JoinRejected { .. }]
    ));
}

#[test]
fn a_restart_is_a_patch_whose_fragment_is_the_answer() {
    let mut whip = joined();
    let patch = one(whip.encode(&offer("A", "a2"), 0));
    assert!(patch.starts_with("PATCH /whip/resource/s1 ") && patch.contains("\r\nIf-Match: *\r\n"));
    assert!(
        patch.contains("a=ice-ufrag:a2\r\na=ice-pwd:pwd-a2\r\n"),
        "{patch}"
    );
    whip.encode(&candidate("candidate:4"), 0);
    let reading = whip.read("HTTP/1.1 200 OK\r\nETag: \"e2\"\r\n\r\na=ice-ufrag:new\r\na=ice-pwd:newpwd\r\n");
    let expected = ANSWER
        .replace("zDkl", "new")
        .replace("pwd:janus", "pwd:newpwd")
        .replace("o=- 5 1", "o=- 5 2");
    assert_eq!(reading.messages, [answer(&expected)]);
    let trickle = one(reading.replies);
    assert!(
        trickle.contains("If-Match: \"e2\"") && trickle.contains("a=ice-ufrag:a2\r\n"),
        "{trickle}"
    );
}

#[test]
fn a_server_that_wants_the_star_quoted_gets_it_so_once() {
    let mut whip = joined();
    let bare = one(whip.encode(&offer("A", "a2"), 0));
    let reading = whip.read("HTTP/1.1 412 Precondition Failed\r\nETag: \"e1\"\r\n\r\nPrecondition Failed");
    assert!(matches!(&reading.messages[..], [Message::Other { .. }]));
    let quoted = one(reading.replies.clone());
    assert_eq!(quoted, bare.replace("If-Match: *", "If-Match: \"*\""));
    let mut refused = whip.clone();
    let reading = whip.read("HTTP/1.1 200 OK\r\n\r\na=ice-ufrag:n\r\na=ice-pwd:n\r\n");
    assert!(
        matches!(&reading.messages[..], [Message::Description { .. }]),
        "{reading:?}"
    );
    let reading = refused.read(&status("412 Precondition Failed"));
    assert_eq!(reading, ended("412 Precondition Failed").into());
    let delete = one(refused.encode(&offer("B", "b"), 0));
    assert!(delete.starts_with("DELETE "), "another connection: {delete}");
}

#[test]
fn a_restart_that_fails_ends_the_connection() {
    for (response, reason) in [
        (status("405 Method Not Allowed"), "405 Method Not Allowed"),
        (status("204 No Content"), "204 No Content"),
        (
            "HTTP/1.1 200 OK\r\n\r\na=ice-ufrag:n\r\n".to_owned(),
            "no_answer 200 without ICE credentials",
        ),
    ] {
        let mut whip = joined();
        whip.encode(&offer("A", "a2"), 0);
        assert_eq!(whip.read(&response), ended(reason).into());
    }
}

#[test]
fn another_connection_is_another_session() {
    let mut whip = joined();
    let delete = one(whip.encode(&offer("B", "b"), 0));
    assert_eq!(delete, "DELETE /whip/resource/s1 HTTP/1.1\r\n\r\n");
    assert!(whip.encode(&candidate("candidate:5"), 0).is_empty());
    let post = one(whip.read(&status("200 OK")).replies);
    assert!(post.starts_with("POST /whip/endpoint/s1 ") && post.contains("sha-256 B"));
    let reading = whip.read(&created());
    assert_eq!(reading.messages, [answer(ANSWER)], "it has joined before");
    assert!(one(reading.replies).contains("candidate:5"));
}

#[test]
fn who_leaves_while_posting_deletes_what_comes_of_it() {
    let mut whip = client("/whip/endpoint/s1");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    whip.encode(&candidate("candidate:6"), 0);
    assert!(whip.encode(&Message::Leave, 0).is_empty());
    let reading = whip.read(&created());
    assert_eq!(reading.messages, [], "nobody waits for it");
    assert!(one(reading.replies).starts_with("DELETE /whip/resource/s1 "));
    assert_eq!(whip.read(&status("404 Not Found")), Reading::default());
    assert!(
        whip.encode(&Message::Leave, 0).is_empty(),
        "there is nothing to leave"
    );

    // Back before the session is gone.
    let mut whip = joined();
    one(whip.encode(&Message::Leave, 0));
    whip.encode(&join(), 0);
    assert!(whip.encode(&offer("A", "a9"), 0).is_empty());
    let post = one(whip.read(&status("200 OK")).replies);
    assert!(post.starts_with("POST "), "{post}");
    assert_eq!(whip.read(&created()).messages, [welcome(), answer(ANSWER)]);
}

#[test]
fn the_answer_to_a_former_offer_is_nobodys() {
    let mut whip = client("");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    let mut restarting = whip.clone();
    assert!(whip.encode(&offer("B", "b"), 0).is_empty());
    let reading = whip.read(&created());
    assert_eq!(reading.messages, []);
    assert!(one(reading.replies).starts_with("DELETE "));
    let post = one(whip.read(&status("200 OK")).replies);
    assert!(post.contains("sha-256 B"));
    assert_eq!(whip.read(&created()).messages, [welcome(), answer(ANSWER)]);

    assert!(restarting.encode(&offer("A", "a2"), 0).is_empty());
    let mut refused = restarting.clone();
    let patch = restarting.read(&created());
    assert_eq!(patch.messages, []);
    assert!(one(patch.replies).contains("a=ice-ufrag:a2"));
    let reading = restarting.read("HTTP/1.1 200 OK\r\n\r\na=ice-ufrag:n\r\na=ice-pwd:n\r\n");
    assert!(matches!(
        &reading.messages[..],
        [Message::Welcome { .. }, Message::Description { .. }]
    ));
    let post = one(refused.read(&status("503 Busy")).replies);
    assert!(
        post.starts_with("POST ") && post.contains("a=ice-ufrag:a2"),
        "{post}"
    );
}

#[test]
fn a_server_without_trickling_is_told_of_no_candidates_any_more() {
    for code in ["405 Method Not Allowed", "501 Not Implemented"] {
        let mut whip = joined();
        one(whip.encode(&candidate("candidate:7"), 0));
        whip.encode(&candidate("candidate:8"), 0);
        let reading = whip.read(&status(code));
        assert!(
            matches!(&reading.messages[..], [Message::Other { .. }]),
            "{reading:?}"
        );
        assert!(reading.replies.is_empty());
        assert!(whip.encode(&candidate("candidate:9"), 0).is_empty());
    }
}

#[test]
fn what_a_patch_meets_is_told() {
    for (code, expected) in [
        ("412 Precondition Failed", "412"),
        ("428 Precondition Required", "428"),
        ("500 Oh", "500"),
    ] {
        let mut whip = joined();
        one(whip.encode(&candidate("candidate:7"), 0));
        let told = whip.read(&status(code)).messages;
        assert!(
            matches!(&told[..], [Message::Error { reason, about_join: false, .. }] if reason == expected),
            "{told:?}"
        );
        one(whip.encode(&candidate("candidate:8"), 0));
    }
    let mut whip = joined();
    one(whip.encode(&candidate("candidate:7"), 0));
    assert_eq!(whip.read(&status("404 Not Found")), ended("404 Not Found").into());
    let post = one(whip.encode(&offer("B", "b"), 0));
    assert!(post.starts_with("POST "), "nothing is there to be deleted");
}

#[test]
fn ice_servers_are_offered_by_links_and_their_credentials_are_not_shown() {
    let mut whip = client("");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    let links = "Link: <stun:stun.example.net>; rel=\"ice-server\"\r\nLink: <turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\"; credential=\"s3cret\"; credential-type=\"password\", </ext>; rel=\"urn:ietf:params:whip:ext:example\"\r\n";
    let response = created().replace("Accept-Patch", &format!("{links}Accept-Patch"));
    let messages = whip.read(&response).messages;
    let server = |url: &str, account: Option<(&str, &str)>| OfferedIceServer {
        urls: vec![url.to_owned()],
        username: account.map(|(name, _)| name.to_owned()),
        credential: account.map(|(_, credential)| credential.to_owned()),
    };
    let servers = vec![
        server("stun:stun.example.net", None),
        server("turn:turn.example.net?transport=udp", Some(("user", "s3cret"))),
    ];
    assert_eq!(
        messages,
        [welcome(), Message::IceServers { servers }, answer(ANSWER)]
    );
    assert!(!format!("{messages:?}").contains("s3cret"));
}

#[test]
fn a_created_session_without_an_answer_is_deleted_and_one_without_a_location_is_kept() {
    let mut whip = client("");
    whip.encode(&join(), 0);
    whip.encode(&offer("A", "a"), 0);
    let reading = whip.read("HTTP/1.1 201 Created\r\nLocation: r/1\r\n\r\n");
    assert!(matches!(&reading.messages[..], [Message::JoinRejected { reason, .. }] if reason == "no_answer"));
    assert!(one(reading.replies).starts_with("DELETE r/1 "));
    whip.read(&status("200 OK"));
    whip.encode(&join(), 0);
    one(whip.encode(&offer("B", "b"), 0));
    let told = whip
        .read(&format!("HTTP/1.1 201 Created\r\n\r\n{ANSWER}"))
        .messages;
    assert!(matches!(
        &told[..],
        [
            Message::Welcome { .. },
            Message::Other { .. },
            Message::Description { .. }
        ]
    ));
    assert!(whip.encode(&Message::Leave, 0).is_empty());
}

#[test]
fn another_socket_forgets_requests_and_keeps_the_session() {
    let mut whip = joined();
    one(whip.encode(&candidate("candidate:7"), 0));
    assert!(whip.opened().is_empty());
    whip.encode(&join(), 0);
    let delete = one(whip.encode(&offer("A", "a2"), 0));
    assert!(delete.starts_with("DELETE "), "a join is a new session: {delete}");
    one(whip.read(&status("404 Not Found")).replies);
    assert_eq!(whip.read(&created()).messages, [welcome(), answer(ANSWER)]);
}

#[test]
fn a_request_that_is_lost_holds_nothing_up_for_ever() {
    let mut whip = client("/whip/endpoint/s1");
    whip.encode(&join(), 1_000);
    one(whip.encode(&offer("A", "a"), 1_000));
    assert!(whip.encode(&offer("B", "b"), 5_999).is_empty(), "it may be slow");
    let post = one(whip.encode(&offer("C", "c"), 6_000));
    assert!(post.starts_with("POST ") && post.contains("sha-256 C"), "{post}");
    // It was slow after all.
    let late = created().replace("/s1", "/late");
    assert_eq!(whip.read(&to(1, &late)), Reading::default());
    let reading = whip.read(&to(2, &created()));
    assert_eq!(reading.messages, [welcome(), answer(ANSWER)]);
    assert!(one(reading.replies).starts_with("DELETE /whip/resource/late "));
    assert_eq!(whip.read(&to(3, &status("200 OK"))), Reading::default());

    // A request that was doubled on its way, and a response that was.
    let doubled = whip.read(&to(2, &created().replace("/s1", "/s2")));
    assert_eq!(doubled.messages, []);
    assert!(one(doubled.replies).starts_with("DELETE /whip/resource/s2 "));
    assert_eq!(whip.read(&to(2, &created())), Reading::default());
    whip.read(&to(4, &status("200 OK")));

    one(whip.encode(&candidate("candidate:1"), 7_000));
    assert!(whip.encode(&Message::Leave, 11_999).is_empty());
    assert!(one(whip.encode(&Message::Leave, 12_000)).starts_with("DELETE "));
}

#[test]
fn who_looks_on_reads_the_same() {
    let mut whip = client("/whip/endpoint/s1");
    let mut onlooker = whip.clone();
    whip.encode(&join(), 0);
    onlooker.overheard(&one(whip.encode(&offer("A", "a"), 0)));
    assert_eq!(onlooker.read(&created()), whip.read(&created()));
    onlooker.overheard(&one(whip.encode(&offer("A", "a2"), 0)));
    let restarted = "HTTP/1.1 200 OK\r\n\r\na=ice-ufrag:n\r\na=ice-pwd:n\r\n";
    assert_eq!(onlooker.read(restarted), whip.read(restarted));
    onlooker.overheard(&one(whip.encode(&Message::Leave, 0)));
    assert_eq!(onlooker.read(&status("200 OK")), whip.read(&status("200 OK")));
}

proptest! {
    #[test]
    fn garbage_never_panics(texts in proptest::collection::vec(".{0,60}", 1..6), head in "[\\x20-\\x7e]{0,40}") {
        let mut whip = joined();
        for (at, text) in texts.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(0);
            whip.encode(&offer(["A", "B"][at as usize % 2], text), 0);
            whip.encode(&candidate(text), 0);
            whip.read(text);
            whip.overheard(text);
            let frame = format!("HTTP/1.1 {} {head}\r\nLocation: {text}\r\nLink: <{head}\r\nETag: {head}\r\n\r\n{text}", 200 + at);
            whip.read(&frame);
            whip.unread(text);
        }
        whip.opened();
        whip.encode(&Message::Leave, 0);
    }
}
