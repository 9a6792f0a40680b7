//! Frames that no fair client sends: their sender is answered or closed, and nobody else notices.

use std::time::Duration;

use proptest::{prelude::*, test_runner::TestRunner};
use reference_server::{Config, Handle, RoomLimits, room::HubConfig};
use serde_json::{Value, json};

use crate::{
    client::{Client, serve},
    raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, RSV1, Raw, TEXT, frame},
    world::{join, offer},
};

const FRAME_BYTES_MAX: usize = 20_000;

/// What the sender gets away with, and an answer.
#[derive(Debug, Clone)]
enum Mild {
    Text(String),
    Binary(Vec<u8>),
    /// A text in so many frames, with pings between them.
    Fragments(String, usize),
}

/// What closes the sender's socket.
#[derive(Debug, Clone, Copy)]
enum Fatal {
    NotUtf8,
    NotUtf8InFragments,
    ReservedOpcode,
    ReservedBit,
    Unmasked,
    NothingToContinue,
    TextInsideText,
    FragmentedPing,
    LongPing,
    HalfACloseCode,
    TooLong,
    TooLongInFragments,
    /// A length that no machine has memory for.
    Endless,
    /// The socket breaks in the middle of a frame.
    Break,
}

const FATAL: [(Fatal, Option<u16>); 14] = [
    (Fatal::NotUtf8, Some(1007)),
    (Fatal::NotUtf8InFragments, Some(1007)),
    (Fatal::ReservedOpcode, Some(1002)),
    (Fatal::ReservedBit, Some(1002)),
    (Fatal::Unmasked, Some(1002)),
    (Fatal::NothingToContinue, Some(1002)),
    (Fatal::TextInsideText, Some(1002)),
    (Fatal::FragmentedPing, Some(1002)),
    (Fatal::LongPing, Some(1002)),
    (Fatal::HalfACloseCode, Some(1002)),
    (Fatal::TooLong, Some(1009)),
    (Fatal::TooLongInFragments, Some(1009)),
    (Fatal::Endless, Some(1009)),
    (Fatal::Break, None),
];

fn nested(depth: usize) -> String {
    let data = format!("{}{}", "[".repeat(depth / 2), "]".repeat(depth / 2));
    format!(r#"{{"type":"webrtc-offer","roomId":"r","fromUserId":"x","toUserId":"a","data":{data}}}"#)
}

fn mild() -> impl Strategy<Value = Mild> {
    let text = prop_oneof![
        Just(nested(10_000)),
        Just("[".repeat(10_000)),
        Just(r#"{"a":"#.repeat(3_000)),
        Just(r#"{"type":"webrtc-offer","n":1e999999}"#.to_owned()),
        Just(format!(
            r#"{{"type":"user-joined-room","n":{}}}"#,
            "9".repeat(10_000)
        )),
        // Out of order: not in, nobody there, not the sender, not the host, only the server's.
        Just(r#"{"type":"user-left-room","roomId":"r","userId":"nobody"}"#.to_owned()),
        Just(json!({"type": "webrtc-answer", "roomId": "r", "fromUserId": "a", "toUserId": "b"}).to_string()),
        Just(json!({"type": "room-removed", "roomId": "r"}).to_string()),
        Just(json!({"type": "room-status", "channel": "c", "roomId": "r"}).to_string()),
        Just(
            json!({"type": "user-joined-room", "roomId": "r", "userId": "a", "userName": "Alice"})
                .to_string()
        ),
        Just("null".to_owned()),
        Just(" ".repeat(FRAME_BYTES_MAX)),
        "\\PC{1,60}",
    ];
    prop_oneof![
        3 => text.clone().prop_map(Mild::Text),
        1 => prop::collection::vec(any::<u8>(), 1..60).prop_map(Mild::Binary),
        2 => (text, 2_usize..6).prop_map(|(text, frames)| Mild::Fragments(text, frames)),
    ]
}

async fn send_mild(raw: &mut Raw, mild: &Mild) {
    match mild {
        Mild::Text(text) => raw.text(text).await,
        Mild::Binary(bytes) => raw.frame(FIN | BINARY, bytes).await,
        Mild::Fragments(text, frames) => {
            let pieces: Vec<_> = text.as_bytes().chunks(text.len().div_ceil(*frames)).collect();
            for (n, piece) in pieces.iter().enumerate() {
                let opcode = if n == 0 { TEXT } else { CONTINUATION };
                let end = if n + 1 == pieces.len() { FIN } else { 0 };
                raw.frame(end | opcode, piece).await;
                raw.frame(FIN | PING, b"between").await;
            }
        }
    }
}

async fn send_fatal(raw: &mut Raw, fatal: Fatal) {
    let long = vec![b' '; FRAME_BYTES_MAX + 1];
    match fatal {
        Fatal::NotUtf8 => raw.frame(FIN | TEXT, b"\"\xff\xfe\"").await,
        Fatal::NotUtf8InFragments => {
            raw.frame(TEXT, b"\"\xf0\x9f").await;
            raw.frame(FIN | CONTINUATION, b"\"").await;
        }
        Fatal::ReservedOpcode => raw.frame(FIN | 0x3, b"{}").await,
        Fatal::ReservedBit => raw.frame(FIN | RSV1 | TEXT, b"{}").await,
        Fatal::Unmasked => raw.bytes(b"\x81\x02{}").await,
        Fatal::NothingToContinue => raw.frame(FIN | CONTINUATION, b"{}").await,
        Fatal::TextInsideText => {
            raw.frame(TEXT, b"{").await;
            raw.frame(FIN | TEXT, b"{}").await;
        }
        Fatal::FragmentedPing => raw.frame(PING, b"").await,
        Fatal::LongPing => raw.frame(FIN | PING, &[b'x'; 126]).await,
        Fatal::HalfACloseCode => raw.frame(FIN | CLOSE, b"\x03").await,
        Fatal::TooLong => raw.frame(FIN | TEXT, &long).await,
        Fatal::TooLongInFragments => {
            raw.frame(TEXT, &long[..FRAME_BYTES_MAX]).await;
            raw.frame(FIN | CONTINUATION, b" ").await;
        }
        Fatal::Endless => {
            raw.bytes(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00")
                .await
        }
        Fatal::Break => raw.bytes(&frame(FIN | TEXT, b"0123456789")[..8]).await,
    }
}

/// Two members who signal to each other, and one room of theirs.
struct Bystanders {
    alice: Client,
    bob: Client,
    sent: u64,
}

impl Bystanders {
    async fn join(server: &Handle) -> Self {
        let mut alice = Client::connect(&server.url()).await;
        let mut frame = join("a", "Alice");
        frame["maxParticipants"] = 1_000.into();
        alice.send(frame).await;
        alice.frame_of("existing-participants").await;
        alice.frame_of("room-status").await;
        let mut bob = Client::connect(&server.url()).await;
        bob.send(join("b", "Bob")).await;
        bob.frame_of("existing-participants").await;
        bob.frame_of("room-status").await;
        let mut bystanders = Self { alice, bob, sent: 0 };
        bystanders.alice.frame_of("user-joined-room").await;
        bystanders.alice.frame_of("room-status").await;
        bystanders
    }

    async fn greet(&mut self) {
        for member in [&mut self.alice, &mut self.bob] {
            member.frame_of("user-joined-room").await;
            member.frame_of("room-status").await;
        }
    }

    /// Sends one offer each way: it comes in, whole, and nothing else has come before it.
    async fn are_undisturbed(&mut self) {
        self.sent += 1;
        let numbered = |from, to, n: u64| {
            let mut frame = offer(from, to);
            frame["data"]["offer"]["sdp"] = format!("v=0\r\no=- {n}\r\n").into();
            frame
        };
        let (there, back) = (numbered("a", "b", self.sent), numbered("b", "a", self.sent));
        self.alice.send(there.clone()).await;
        self.bob.send(back.clone()).await;
        assert_eq!(self.bob.frame().await, there);
        assert_eq!(self.alice.frame().await, back);
    }
}

/// One abuser after the other, each a member of the bystanders' room.
async fn abuse(server: &Handle, members: &mut Bystanders, n: u32, acts: &[Mild], end: (Fatal, Option<u16>)) {
    let mut raw = Raw::connect(server.local_addr()).await;
    raw.text(&join(&format!("x{n}"), &format!("X{n}")).to_string())
        .await;
    let welcome: Vec<Value> = raw.answers().await;
    assert_eq!(welcome.len(), 3, "{welcome:?}");
    members.greet().await;
    for act in acts {
        let before = server.stats().hub.refused.total();
        send_mild(&mut raw, act).await;
        let answers = raw.answers().await;
        let kinds: Vec<_> = answers.iter().map(|answer| answer["type"].as_str()).collect();
        assert!(
            matches!(kinds[..], [Some("error" | "echo" | "join-rejected")]),
            "{act:?} is answered with {answers:?}"
        );
        assert_eq!(
            server.stats().hub.refused.total(),
            before + 1,
            "it is counted: {act:?}"
        );
        members.are_undisturbed().await;
    }
    let (fatal, code) = end;
    send_fatal(&mut raw, fatal).await;
    if code.is_some() {
        assert_eq!(raw.close_code().await, code, "{fatal:?}");
    }
    drop(raw);
    members.are_undisturbed().await;
}

#[test]
fn whatever_one_member_sends_the_others_signal_on_undisturbed() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, members) = runtime.block_on(async {
        let server = serve(Config {
            hub: HubConfig {
                // Abusers stay members, so that their leaving is nothing to notice either.
                grace: Duration::from_secs(3_600),
                limits: RoomLimits {
                    frame_bytes_max: FRAME_BYTES_MAX,
                    ..RoomLimits::default()
                },
                ..HubConfig::default()
            },
            ..Config::default()
        })
        .await;
        let members = Bystanders::join(&server).await;
        (server, members)
    });
    let members = std::cell::RefCell::new(members);
    let abusers = std::cell::Cell::new(0);
    let run = |acts: &[Mild], end| {
        abusers.set(abusers.get() + 1);
        runtime.block_on(abuse(
            &server,
            &mut members.borrow_mut(),
            abusers.get(),
            acts,
            end,
        ));
    };
    for end in FATAL {
        run(&[], end);
    }
    let config = ProptestConfig {
        cases: 32,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    let cases = (
        prop::collection::vec(mild(), 1..8),
        prop::sample::select(FATAL.to_vec()),
    );
    TestRunner::new(config)
        .run(&cases, |(acts, end)| {
            run(&acts, end);
            Ok(())
        })
        .expect("every case holds");
    let stats = server.stats();
    assert_eq!(stats.hub.members, 2 + abusers.get() as usize);
    runtime.block_on(server.shutdown());
}
