//! Who hears what a member says.

use reference_server::{
    RateLimit, RoomLimits,
    protocol::{
        Reason,
        limits::{CHANNELS_PER_SOCKET_MAX, FRAME_BYTES_MAX, ROOMS_PER_SOCKET_MAX},
    },
    room::HubConfig,
};
use serde_json::{Value, json};

use crate::world::{World, join, leave, offer};

fn subscribed(channel: &str) -> World {
    let mut world = World::default();
    for (client, user) in [(1, "a"), (2, "b"), (3, "c")] {
        world.join(client, user, &user.to_uppercase());
    }
    world.connect(4);
    let mut elsewhere = join("d", "D");
    elsewhere["roomId"] = "elsewhere".into();
    world.send(4, elsewhere);
    for client in [1, 2, 4] {
        world.send(client, json!({"type": "subscribe", "channel": channel}));
    }
    world.forget_inboxes();
    world
}

fn chat(room: &str) -> Value {
    json!({"type": "participant-joined", "channel": "webrtc-dashboard-chat", "sender": "tab-1",
           "data": {"roomId": room, "participant": {"id": "a", "name": "A"}}})
}

#[test]
fn signaling_goes_to_its_recipient_alone_and_verbatim() {
    let mut world = subscribed("webrtc-signaling");
    let text = r#"{ "type":"webrtc-ice", "channel":"webrtc-signaling","data":{"roomId":"r","fromUserId":"a","toUserId":"c","candidate":{"candidate":"x"}} }"#;
    world
        .hub
        .frame(reference_server::room::ClientId(1), text, world.now);
    let output = world.hub.poll_output().expect("a frame");
    let expected = reference_server::room::Output::Send {
        to: reference_server::room::ClientId(3),
        frame: text.into(),
    };
    assert_eq!(output, expected);
    assert_eq!(world.hub.poll_output(), None);
}

#[test]
fn signaling_of_strangers_and_to_strangers_is_refused() {
    let mut world = subscribed("webrtc-signaling");
    let mut elsewhere = offer("d", "a");
    elsewhere["data"]["roomId"] = "elsewhere".into();
    let mut nowhere = offer("a", "b");
    nowhere["data"]["roomId"] = "nowhere".into();
    for (client, frame, reason) in [
        (1, offer("b", "c"), "not-a-member"),
        (4, offer("d", "a"), "not-a-member"),
        (1, offer("a", "d"), "not-a-member"),
        (4, elsewhere, "not-a-member"),
        (1, nowhere, "room-not-found"),
        (1, offer("a", "a"), "invalid-message"),
        (
            1,
            json!({"type": "webrtc-offer", "data": {"roomId": "r", "fromUserId": "a"}}),
            "invalid-message",
        ),
    ] {
        world.send(client, frame);
        let frames = world.take(client);
        assert_eq!(
            (&frames[0]["type"], &frames[0]["reason"]),
            (&json!("error"), &json!(reason)),
            "{frames:?}"
        );
    }
    world.send(3, leave("c"));
    world.forget_inboxes();
    world.send(1, offer("a", "c"));
    assert_eq!(world.take(1)[0]["reason"], "not-a-member");
    for client in [2, 3, 4] {
        assert!(world.take(client).is_empty());
    }
}

#[test]
fn other_frames_reach_the_subscribers_of_their_channel_in_their_room() {
    let mut world = subscribed("webrtc-dashboard-chat");
    world.send(1, chat("r"));
    assert_eq!(world.take(2), [chat("r")]);
    for client in [1, 3, 4] {
        assert!(
            world.take(client).is_empty(),
            "client {client} is the sender, no subscriber, or elsewhere"
        );
    }
    world.send(
        2,
        json!({"type": "unsubscribe", "channel": "webrtc-dashboard-chat"}),
    );
    world.send(1, chat("r"));
    assert!(world.take(2).is_empty());
    world.send(4, chat("r"));
    assert_eq!(world.take(4)[0]["reason"], "not-a-member");
    world.send(1, chat("nowhere"));
    assert_eq!(world.take(1)[0]["reason"], "room-not-found");
}

#[test]
fn who_asks_to_be_let_in_gets_the_verdict() {
    let mut world = subscribed("webrtc-dashboard-access");
    let frame = |kind: &str, request: &str| json!({"type": kind, "channel": "webrtc-dashboard-access", "data": {"roomId": "r", "requestId": request}});
    world.send(4, frame("join-request", "q1"));
    assert_eq!(world.take(1), [frame("join-request", "q1")]);
    world.send(4, frame("join-approved", "q1"));
    assert_eq!(world.take(4)[0]["reason"], "not-a-member");
    world.send(1, frame("join-approved", "q1"));
    assert_eq!(world.take(4), [frame("join-approved", "q1")]);
    world.send(1, frame("join-rejected", "q1"));
    assert!(world.take(4).is_empty(), "one verdict to a request");

    world.send(4, frame("join-request", "q2"));
    for (client, user) in [(1, "a"), (2, "b"), (3, "c")] {
        world.send(client, leave(user));
    }
    world.send(1, join("a", "A"));
    world.forget_inboxes();
    world.send(1, frame("join-approved", "q2"));
    assert!(
        world.take(4).is_empty(),
        "the room that was asked is gone; this is another"
    );
}

#[test]
fn what_is_not_understood_is_refused_to_its_sender() {
    let mut world = subscribed("c");
    for text in [
        "[]",
        "null",
        "7",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","channel":""}"#,
        r#"{"type":"x"}"#,
        r#"{"type":"x","channel":"c"}"#,
        r#"{"type":"user-joined-room","roomId":"r","userId":7,"userName":"N"}"#,
        r#"{"type":"room-status","channel":"webrtc-dashboard-rooms","data":{"roomId":"r"}}"#,
    ] {
        world.send_text(1, text);
        let frames = world.take(1);
        assert_eq!(frames.len(), 1, "{text}");
        assert_eq!(
            (&frames[0]["type"], &frames[0]["reason"]),
            (&json!("error"), &json!("invalid-message")),
            "{text}"
        );
    }
    assert_eq!(world.hub.stats().refused.with(Reason::InvalidMessage), 11);
    assert!(world.take(2).is_empty());
}

#[test]
fn limits_are_answered() {
    let mut world = World::default();
    world.connect(1);
    world.forget_inboxes();
    for n in 0..=CHANNELS_PER_SOCKET_MAX {
        world.send(1, json!({"type": "subscribe", "channel": format!("c{n}")}));
    }
    assert_eq!(world.take(1)[0]["reason"], "limit-reached");
    for n in 0..=ROOMS_PER_SOCKET_MAX {
        world.forget_inboxes();
        let mut frame = join("a", "Alice");
        frame["roomId"] = format!("r{n}").into();
        world.send(1, frame);
    }
    assert_eq!(world.take(1)[0]["reason"], "limit-reached");
    assert_eq!(world.hub.rooms().len(), ROOMS_PER_SOCKET_MAX);
    world.send_text(1, &" ".repeat(FRAME_BYTES_MAX));
    assert_eq!(world.types(1), ["echo"]);
    world.send_text(1, &" ".repeat(FRAME_BYTES_MAX + 1));
    assert_eq!(world.close_code(1), Some(1009));
    assert_eq!(world.hub.stats().clients, 0);
}

#[test]
fn more_frames_than_the_rate_limit_are_refused() {
    let limit = RateLimit {
        burst: 2,
        per_second: 1,
    };
    let mut world = World::new(HubConfig {
        limits: RoomLimits {
            rate: Some(limit),
            ..RoomLimits::default()
        },
        ..HubConfig::default()
    });
    world.connect(1);
    world.connect(2);
    world.forget_inboxes();
    for _ in 0..3 {
        world.send(1, json!({"type": "ping"}));
    }
    assert_eq!(world.types(1), ["pong", "pong", "error"]);
    world.send(2, json!({"type": "ping"}));
    assert_eq!(world.types(2), ["pong"], "each socket has its own");
    world.pass(1_000);
    world.send(1, json!({"type": "ping"}));
    world.send(1, json!({"type": "ping"}));
    let frames = world.take(1);
    assert_eq!(
        (&frames[0]["type"], &frames[1]["reason"]),
        (&json!("pong"), &json!("rate-limited"))
    );
    assert_eq!(world.hub.stats().refused.with(Reason::RateLimited), 2);

    let mut free = World::new(HubConfig {
        limits: RoomLimits {
            rate: None,
            ..RoomLimits::default()
        },
        ..HubConfig::default()
    });
    free.connect(1);
    free.forget_inboxes();
    for _ in 0..50_000 {
        free.hub.frame(
            reference_server::room::ClientId(1),
            r#"{"type":"unsubscribe","channel":"c"}"#,
            free.now,
        );
    }
    assert_eq!(free.hub.stats().refused.total(), 0);
}
