//! Protocols that are described: the dashboard as a description is the dashboard.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use rtcstorm::{
    base::Instant,
    hunt::judge,
    metrics::RunEvent,
    plan::{self, Plan, RosterBy, expand},
    report::{Normaliser, events::ndjson},
    scenario::{Override, Scenario, described_protocols, shipped},
    signaling::{Candidate, Client, Codec, Dashboard, Description, Member, Message, Protocol, SdpType},
    sim::Schedule,
};
use serde_json::{Value, json};

use crate::{
    cli::program::Desk,
    local::{self, Unjudged},
    simulated,
};

const DASHBOARD: &str = "protocols/dashboard";

fn description(name: &str) -> &'static str {
    let found = described_protocols()
        .iter()
        .find(|(described, _)| *described == name);
    found.expect("it is shipped").1
}

fn text_of(name: &str) -> &'static str {
    shipped()
        .find(|(shipped, _)| *shipped == name)
        .expect("it is shipped")
        .1
}

fn described(name: &str, text: &str) -> Scenario {
    let set = [Override::description(DASHBOARD, description(DASHBOARD))];
    let read = Scenario::with_overrides(name, text, &set, &Unjudged);
    read.unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
}

fn codec(room: &str, user: &str) -> Box<dyn Codec> {
    described("smoke", text_of("smoke"))
        .target
        .protocol
        .codec(Client {
            room_id: room,
            user_id: user,
            number: 0,
        })
}

/// A scenario's first two rooms.
fn two_rooms(scenario: &Scenario, seed: u64) -> Arc<Plan> {
    let options = plan::Options {
        run_id: None,
        segment: format!("1/{}", scenario.rooms.div_ceil(2))
            .parse()
            .expect("there is a room"),
    };
    Arc::new(expand(scenario, seed, &options))
}

fn log(events: &[RunEvent]) -> Vec<String> {
    let mut normaliser = Normaliser::default();
    events
        .iter()
        .map(|event| ndjson(&normaliser.normal(event)))
        .collect()
}

/// Every event of a run, in virtual time, to the byte.
#[test]
fn the_described_dashboard_plays_as_the_built_in_one() {
    for name in [
        "smoke",
        "leave-rejoin",
        "join-storm",
        "network-drops",
        "duplicate-offers",
        "username-taken",
        "crash-and-return",
        "ice-restart",
        "chat-load",
        "faults/server-restart",
        "faults/raw-frames",
        "faults/join-twice",
        "faults/corrupt-frames",
        "faults/half-open",
        "faults/signaling-drop",
        "faults/stale-offer",
    ] {
        let plain = Scenario::with_overrides(name, text_of(name), &[], &Unjudged).expect("it is sound");
        let custom = described(name, text_of(name));
        for (schedule, seed) in [(Schedule::Fifo, 1), (Schedule::Random, 2)] {
            let (expected, _) = simulated::play(&two_rooms(&plain, seed), schedule);
            let (played, _) = simulated::play(&two_rooms(&custom, seed), schedule);
            assert!(expected.len() > 20, "{name}: {} events", expected.len());
            let (expected, played) = (log(&expected), log(&played));
            let differs = expected.iter().zip(&played).find(|(a, b)| a != b);
            assert_eq!(differs, None, "{name}, seed {seed}");
            assert_eq!(expected.len(), played.len(), "{name}, seed {seed}");
        }
    }
}

/// Where a relay passes joins on and nobody answers them.
#[test]
fn the_described_deployment_plays_as_the_built_in_one() {
    const TEXT: &str = include_str!("../data/protocol/deployed.yaml");
    let deployed = || Override::set("--set", "target.relay_mode=deployed");
    for name in ["smoke", "leave-rejoin", "network-drops", "crash-and-return"] {
        let read = |overrides: &[Override]| {
            let read = Scenario::with_overrides(name, text_of(name), overrides, &Unjudged);
            read.unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
        };
        let plain = read(&[deployed()]);
        let custom = read(&[deployed(), Override::description("deployed", TEXT)]);
        for (schedule, seed) in [(Schedule::Fifo, 1), (Schedule::Random, 2)] {
            let (expected, _) = simulated::play(&two_rooms(&plain, seed), schedule);
            let (played, _) = simulated::play(&two_rooms(&custom, seed), schedule);
            assert_eq!(log(&expected), log(&played), "{name}, seed {seed}");
        }
    }
}

/// The same wire as a client hears it that is told who is there and who goes, and by nobody who comes.
fn told_once() -> String {
    let text = description(DASHBOARD);
    let (before, from_joined) = text.split_once("  - as: joined\n").expect("it tells who comes");
    let (_, after) = from_joined
        .split_once("  - as: left\n")
        .expect("it tells who goes");
    let text = format!("{before}  - as: left\n{after}")
        .replace("    id: *user\n", "    id: /data/userId or /userId\n");
    // A roster would tell it, too.
    text.replace(
        "  - as: roster\n    when: { /type: room-status }\n    members: *participants\n",
        "",
    )
}

/// Newcomers offer then, and after a restart those who are back hear of each other by the harness's list.
#[test]
fn where_nobody_tells_who_comes_links_are_made_and_recover_all_the_same() {
    let text = told_once();
    let once = [Override::description("once", text)];
    for name in [
        "smoke",
        "crash-and-return",
        "network-drops",
        "faults/server-restart",
    ] {
        let scenario = Scenario::with_overrides(name, text_of(name), &once, &Unjudged);
        let scenario = scenario.unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
        for seed in 5..10 {
            let plan = Arc::new(expand(&scenario, seed, &plan::Options::default()));
            assert_eq!(plan.abilities().roster_by, RosterBy::ServerOnce);
            let (events, took) = simulated::play(&plan, Schedule::Random);
            let failure = judge(&scenario, &plan, &events, Instant::START + took);
            assert!(failure.is_none(), "{name}, seed {seed}: {failure:#?}");
        }
    }
}

fn messages(remote: &str, text: &str, optional: bool) -> Vec<Message> {
    let description = |sdp_type| Message::Description {
        remote: remote.to_owned(),
        description: Description {
            sdp_type,
            sdp: text.into(),
        },
    };
    let told = |value: &str| optional.then(|| value.to_owned());
    vec![
        Message::Join {
            name: text.to_owned(),
            token: told(text),
            capacity: 7,
            present: vec![
                Member {
                    user_id: remote.to_owned(),
                    name: text.to_owned(),
                },
                Member {
                    user_id: text.to_owned(),
                    name: String::new(),
                },
            ],
        },
        Message::Leave,
        Message::Ping,
        description(SdpType::Offer),
        description(SdpType::Answer),
        Message::Candidate {
            remote: remote.to_owned(),
            candidate: Candidate {
                candidate: text.to_owned(),
                sdp_mid: told("0"),
                sdp_m_line_index: optional.then_some(3),
                username_fragment: told(text),
            },
        },
    ]
}

fn values(frames: &[String]) -> Vec<Value> {
    let value = |frame: &String| serde_json::from_str(frame).unwrap_or_else(|_| panic!("{frame}"));
    frames.iter().map(value).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn its_frames_are_the_dashboards(room in "[ -~]{1,8}", user in "[a-z$\"\\\\]{1,8}", text in "\\PC{0,20}", optional: bool) {
        let mut own = codec(&room, &user);
        let built_in = Dashboard::new(&room, &user);
        prop_assert_eq!(values(&own.opened()), values(&built_in.hello()));
        prop_assert_eq!(values(&own.misplaced()), values(&built_in.misplaced()));
        for message in messages("bob", &text, optional) {
            let expected: Vec<String> = built_in.encode(&message, 17).into_iter().collect();
            let frames = own.encode(&message, 17);
            prop_assert_eq!(values(&frames), values(&expected));
            // The order of keys is the description's.
            if message != Message::Ping {
                prop_assert_eq!(&frames, &expected);
            }
            // And the addressed one reads them the same.
            for (theirs, other) in [(codec(&room, "bob"), Dashboard::new(&room, "bob")), (codec(&room, &user), Dashboard::new(&room, &user)), (codec("else", "bob"), Dashboard::new("else", "bob"))] {
                let (mut theirs, mut other) = (theirs, other);
                for frame in &frames {
                    prop_assert_eq!(theirs.read(frame), Codec::read(&mut other, frame), "{}", frame);
                }
            }
        }
    }

    #[test]
    fn any_text_is_survived(text in ".*", known in 0usize..12, key in "[a-zA-Z]{1,12}", value in "[\\PC]{0,20}", flat: bool) {
        let kinds = ["webrtc-offer", "webrtc-answer", "webrtc-ice", "room-status", "existing-participants",
            "user-joined-room", "user-rejoined-room", "user-left-room", "join-rejected", "error", "pong", "client_count"];
        let mut data = json!({"roomId": "room", "toUserId": "ann", "fromUserId": "bob", "userId": "bob", "participants": [{"id": "bob"}]});
        data[&key] = json!(value);
        let frame = match flat {
            true => {
                data["type"] = json!(kinds[known]);
                data
            }
            false => json!({"type": kinds[known], "data": data}),
        };
        let (mut own, mut built_in) = (codec("room", "ann"), Dashboard::new("room", "ann"));
        prop_assert_eq!(own.read(&text), Codec::read(&mut built_in, &text));
        let frame = frame.to_string();
        prop_assert_eq!(own.read(&frame), Codec::read(&mut built_in, &frame), "{}", frame);
        let mut sockets = described_socket_style();
        let _ = sockets.read(&text);
        let _ = sockets.read(&format!("42{text}"));
        let _ = sockets.unread(&text);
    }
}

fn described_socket_style() -> Box<dyn Codec> {
    let set = [
        Override::url("--url", "ws://127.0.0.1:1/"),
        Override::description("signal-master", description("protocols/signal-master")),
    ];
    let scenario = Scenario::with_overrides("smoke", text_of("smoke"), &set, &Unjudged).expect("it is sound");
    scenario.target.protocol.codec(Client {
        room_id: "room-1",
        user_id: "ann",
        number: 0,
    })
}

/// As signal-master 1.0.1 has said it.
#[test]
fn a_socket_style_conversation_is_read() {
    let mut codec = described_socket_style();
    assert!(codec.opened().is_empty());
    let join = Message::Join {
        name: "Ann".to_owned(),
        token: None,
        capacity: 10,
        present: Vec::new(),
    };
    assert_eq!(codec.encode(&join, 1), [r#"420["join","room-1"]"#]);
    let mut read = |frame: &str| codec.read(frame);
    assert!(
        read(r#"0{"sid":"me-1","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#)
            .messages
            .is_empty()
    );
    let welcome = read(r#"430[null,{"clients":{"other-1":{"screen":false,"video":true,"audio":false}}}]"#);
    assert_eq!(
        welcome.messages,
        [Message::Welcome {
            members: vec![Member {
                user_id: "other-1".to_owned(),
                name: String::new()
            }],
            token: None,
            resumed: false,
            user_id: Some("me-1".to_owned()),
        }]
    );
    assert!(
        read(r#"42["remove",{"id":"me-1"}]"#).messages.is_empty(),
        "one's own"
    );
    assert!(matches!(
        &read(r#"42["remove",{"id":"other-1"}]"#).messages[..],
        [Message::MemberLeft { user_id, .. }] if user_id == "other-1"
    ));
    assert!(matches!(
        &read(r#"42["remove",{"id":"other-1","type":"screen"}]"#).messages[..],
        [Message::Other { .. }]
    ));
    assert!(
        matches!(&read(r#"430["full"]"#).messages[..], [Message::JoinRejected { reason, .. }] if reason == "full")
    );
    assert_eq!(read("2").replies, ["3"]);
    assert!(read("3").messages.is_empty());
    let echo = r#"42["message",{"to":"me-1","type":"echo","from":"me-1"}]"#;
    assert_eq!(read(echo).messages, [Message::Pong]);
    assert_ne!(
        read(&echo.replace(r#""from":"me-1""#, r#""from":"x""#)).messages,
        [Message::Pong]
    );
    let unread = codec.unread(r#"42["message",{"from":"x","type":"offer","payload":{}}]"#);
    assert_eq!(
        unread.as_deref(),
        Some("fits `offer` (9), but has no `sdp` at `/1/payload/sdp`")
    );
    // Another socket, another id.
    codec.opened();
    let again = codec.read(r#"430[null,{"clients":{}}]"#);
    assert!(again.messages.is_empty(), "nobody has said who we are: {again:?}");
}

#[test]
fn a_description_is_printed_as_it_is_read() {
    for (name, text) in described_protocols() {
        let set = [
            Override::url("--url", "ws://127.0.0.1:1/"),
            Override::description(*name, *text),
        ];
        let read = Scenario::with_overrides("smoke", text_of("smoke"), &set, &Unjudged);
        let scenario = read.unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
        let printed = scenario.to_yaml();
        let again = Scenario::with_overrides("printed", &printed, &[], &Unjudged);
        let again = again.unwrap_or_else(|mistakes| panic!("{}\n{printed}", mistakes.listing()));
        assert!(matches!(again.target.protocol, Protocol::Custom(_)));
        assert_eq!(again.target, scenario.target, "{printed}");
        assert_eq!(again.to_yaml(), printed);
    }
}

/// With real sockets, against the bundled server.
#[test]
fn the_described_dashboard_passes_where_the_built_in_one_does() {
    let desk = Desk::new("described");
    for scenario in ["smoke", "username-taken", "crash-and-return"] {
        let output = desk.run(&[
            "run",
            scenario,
            "--no-thresholds",
            "--quiet",
            "--rooms",
            "1",
            "--protocol",
            DASHBOARD,
            "--out",
            scenario,
        ]);
        output.assert_code(0);
        let summary = desk.json(&format!("{scenario}/summary.json"));
        let target = summary["target"].as_str().expect("text");
        assert!(target.ends_with("/ws/, by custom (dashboard)"), "{target}");
    }
}

/// A server that answers no ping is taken to have processed what it was sent after a while: nothing waits for ever.
#[tokio::test]
async fn without_pings_a_run_still_comes_to_its_end() {
    let without = description(DASHBOARD)
        .replace("  ping: { type: ping }\n", "")
        .replace("  - { as: pong, when: { /type: pong } }\n", "");
    let indented: String = without.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "name: x\ntarget:\n  protocol:\n    custom:\n{indented}      settles_within: 200ms\nrooms: {{ peers: 2 }}\nsteps: [join, {{ wait: connected }}]\n"
    );
    let played = local::play(&text).await;
    // Nothing has waited for an answer until it gave up.
    assert!(
        played.summary.duration < Duration::from_secs(5),
        "{:?}",
        played.summary.duration
    );
    assert!(
        played.invariants.iter().all(|invariant| !invariant.is_broken()),
        "{:?}",
        played.invariants
    );
}
