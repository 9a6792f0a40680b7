//! A limit that is hit is answered to whoever hit it, and counted; nobody else notices.

use reference_server::{
    RoomLimits,
    protocol::Reason,
    room::{HubConfig, RefusalCause, RelayMode, Violation},
};
use serde_json::{Value, json};

use crate::world::{World, join, offer};

fn world(limits: RoomLimits) -> World {
    World::new(HubConfig {
        limits,
        ..HubConfig::default()
    })
}

/// `join` with another room.
fn join_in(room: &str, user: &str, name: &str) -> Value {
    let mut frame = join(user, name);
    frame["roomId"] = room.into();
    frame
}

#[test]
fn one_room_too_many_is_refused_and_one_that_is_there_can_be_entered() {
    let mut world = world(RoomLimits {
        rooms_max: 1,
        ..RoomLimits::default()
    });
    world.join(1, "a", "Alice");
    world.connect(2);
    world.forget_inboxes();
    world.send(2, join_in("s", "b", "Bob"));
    let frames = world.take(2);
    assert_eq!(
        (&frames[0]["reason"], &frames[0]["roomId"]),
        (&json!("limit-reached"), &json!("s"))
    );
    assert_eq!(world.take(1), Vec::<Value>::new());
    assert_eq!(world.hub.stats().refused.with(Reason::LimitReached), 1);
    world.send(2, join("b", "Bob"));
    assert_eq!(world.members(), ["a", "b"]);
    assert_eq!(world.hub.stats().members, 2);
}

#[test]
fn a_room_may_not_ask_for_more_members_than_the_server_bears() {
    let mut world = world(RoomLimits {
        members_per_room_max: 2,
        ..RoomLimits::default()
    });
    world.connect(1);
    world.forget_inboxes();
    let mut frame = join("a", "Alice");
    frame["maxParticipants"] = 3.into();
    world.send(1, frame.clone());
    let frames = world.take(1);
    assert_eq!(frames[0]["reason"], "limit-reached");
    assert!(
        frames[0]["message"]
            .as_str()
            .expect("a text")
            .contains("limit of 2")
    );
    assert_eq!(world.hub.rooms(), vec![]);

    // One that asks for nothing gets what there is; what a join asks of a room that is there counts nothing.
    world.send(1, join("a", "Alice"));
    world.join(2, "b", "Bob");
    frame["userId"] = "b".into();
    frame["userName"] = "Bob".into();
    world.send(2, frame);
    assert_eq!(world.types(2), ["existing-participants"]);
    world.connect(3);
    world.forget_inboxes();
    world.send(3, join("c", "Carol"));
    assert_eq!(world.take(3)[0]["reason"], "room-full");
    assert_eq!(world.hub.room("r").expect("open").max_participants, 2);
}

#[test]
fn the_deployed_mode_has_the_limits_too() {
    let mut world = World::new(HubConfig {
        relay_mode: RelayMode::Deployed,
        limits: RoomLimits {
            rooms_max: 1,
            members_per_room_max: 2,
            ..RoomLimits::default()
        },
        ..HubConfig::default()
    });
    for client in 1..=3 {
        world.connect(client);
    }
    world.forget_inboxes();
    let create = |room| json!({"type": "create-room", "roomId": room, "roomName": "R", "hostId": "h", "hostName": "H"});
    world.send(1, create("r"));
    world.send(1, create("s"));
    assert_eq!(world.take(1)[0]["reason"], "limit-reached");
    world.send(2, join("a", "Alice"));
    world.send(3, join("b", "Bob"));
    assert_eq!(world.take(3)[0]["reason"], "limit-reached");
    world.send(2, join("a", "Alicia"));
    assert_eq!(world.members(), ["h", "a"], "who is in may join again");
    assert_eq!(world.take(2), Vec::<Value>::new());
    assert_eq!(world.hub.stats().refused.with(Reason::LimitReached), 2);
    assert_eq!(world.hub.stats().members, 2);
}

#[test]
fn what_is_no_text_frame_closes_its_socket_alone_and_is_counted() {
    let mut world = world(RoomLimits {
        frame_bytes_max: 300,
        ..RoomLimits::default()
    });
    world.join(1, "a", "Alice");
    let violations = [
        (2, Violation::NotUtf8, 1007),
        (3, Violation::BrokenFrame, 1002),
        (4, Violation::TooBig, 1009),
    ];
    for (client, violation, code) in violations {
        world.connect(client);
        world.violate(client, violation);
        assert_eq!(world.close_code(client), Some(code));
        let cause = RefusalCause::Violation(violation);
        assert_eq!(world.hub.last_refusal(), Some(cause));
        assert_eq!(world.hub.stats().refused.of(cause), 1);
    }
    world.connect(5);
    let mut long = offer("a", "b");
    long["data"]["offer"]["sdp"] = "x".repeat(300).into();
    world.send(5, long);
    assert_eq!(world.close_code(5), Some(1009));
    world.forget_inboxes();
    world.send(1, json!({"type": "ping"}));
    assert_eq!(world.types(1), ["pong"]);
    assert_eq!(world.hub.last_refusal(), None);
    assert_eq!(world.hub.stats().clients, 1);
    assert_eq!(world.hub.stats().refused.total(), 4);
}

#[test]
fn a_frame_that_is_nested_without_end_is_refused_and_one_that_is_no_json_is_echoed() {
    let mut world = World::default();
    world.connect(1);
    world.forget_inboxes();
    let deep = format!(
        r#"{{"type":"ping","data":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    world.send_text(1, &deep);
    let frames = world.take(1);
    assert_eq!(
        (&frames[0]["reason"], &frames[0]["message"]),
        (
            &json!("invalid-message"),
            &json!("the frame is nested too deeply")
        )
    );
    world.send_text(1, r#"{"type":"ping","n":1e999999}"#);
    assert_eq!(world.types(1), ["echo"]);
    assert_eq!(world.hub.stats().refused.of(RefusalCause::NotJson), 1);
}
