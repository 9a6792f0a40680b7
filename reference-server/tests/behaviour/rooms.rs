//! Joins, leaves and rosters in rooms mode.

use reference_server::room::HubConfig;
use serde_json::json;

use crate::world::{World, join, leave};

#[test]
fn a_new_client_alone_is_told_how_many_there_are() {
    let mut world = World::default();
    world.connect(1);
    assert_eq!(world.take(1).len(), 1);
    world.connect(2);
    assert!(world.take(1).is_empty());
    let frames = world.take(2);
    assert_eq!(
        (frames.len(), &frames[0]["type"], &frames[0]["count"]),
        (1, &json!("client_count"), &json!(2))
    );
}

#[test]
fn ping_echo_and_room_list_are_answered_to_the_sender_alone() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.connect(2);
    world.forget_inboxes();
    world.send(2, json!({"type": "ping"}));
    world.send_text(2, "not json");
    world.send(
        2,
        json!({"type": "room-list-request", "channel": "webrtc-dashboard-rooms", "data": {}}),
    );
    let frames = world.take(2);
    assert_eq!(frames[0]["type"], "pong");
    assert_eq!(
        (&frames[1]["type"], &frames[1]["original"]),
        (&json!("echo"), &json!("not json"))
    );
    assert_eq!(frames[2]["type"], "server-room-list");
    assert_eq!(frames[2]["rooms"][0]["participants"][0]["name"], "Alice");
    assert_eq!(frames[2]["rooms"][0]["participants"][0]["isHost"], true);
    assert!(world.take(1).is_empty());
}

#[test]
fn a_room_must_be_opened_before_anybody_joins_it() {
    let mut world = World::default();
    world.connect(1);
    world.forget_inboxes();
    let mut frame = join("a", "Alice");
    frame["create"] = false.into();
    world.send(1, frame.clone());
    let frames = world.take(1);
    assert_eq!(
        (&frames[0]["type"], &frames[0]["reason"]),
        (&json!("error"), &json!("room-not-found"))
    );
    assert_eq!(
        (&frames[0]["request"], &frames[0]["roomId"]),
        (&json!("user-joined-room"), &json!("r"))
    );
    assert!(world.hub.rooms().is_empty());

    let create = json!({"type": "create-room", "channel": "webrtc-dashboard-rooms", "roomId": "r",
        "roomName": "Standup", "hostId": "h", "hostName": "Host", "maxParticipants": 3, "description": "d"});
    world.connect(2);
    world.forget_inboxes();
    world.send(2, create.clone());
    assert_eq!(world.types(2), ["existing-participants", "room-status"]);
    world.send(1, frame);
    assert_eq!(world.types(1), ["existing-participants", "room-status"]);
    assert_eq!(world.members(), ["h", "a"]);
    assert_eq!(world.hub.room("r").expect("open").max_participants, 3);

    world.forget_inboxes();
    world.send(
        1,
        json!({"type": "create-room", "roomId": "r", "roomName": "x", "hostId": "a", "hostName": "A"}),
    );
    assert_eq!(world.take(1)[0]["reason"], "room-exists");
    world.send(2, create);
    assert_eq!(
        world.types(2),
        ["existing-participants"],
        "the host may say it again"
    );
    assert!(world.take(1).is_empty());
}

#[test]
fn a_join_in_either_form_tells_the_joiner_the_others_and_the_room() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.connect(2);
    world.forget_inboxes();
    world.send(
        2,
        json!({"type": "user-joined-room", "channel": "webrtc-dashboard-rooms", "sender": "tab-b", "timestamp": 5,
               "data": {"roomId": "r", "userId": "b", "userName": "Bob", "avatar": 3, "token": "x"}}),
    );
    let joiner = world.take(2);
    assert_eq!(joiner[0]["type"], "existing-participants");
    assert_eq!(
        (&joiner[0]["roomId"], &joiner[0]["userId"]),
        (&json!("r"), &json!("b"))
    );
    assert_eq!(joiner[0]["resumed"], false);
    let existing = joiner[0]["participants"].as_array().expect("a list");
    assert_eq!((existing.len(), &existing[0]["id"]), (1, &json!("a")));
    let other = world.take(1);
    assert_eq!(
        (&other[0]["type"], &other[0]["sender"]),
        (&json!("user-joined-room"), &json!("tab-b"))
    );
    assert_eq!(
        other[0]["data"],
        json!({"roomId": "r", "userId": "b", "userName": "Bob", "avatar": 3})
    );
    assert_eq!(other[0]["channel"], "webrtc-dashboard-rooms");
    assert_eq!(other[1], joiner[1], "one status for all");
    assert_eq!(
        (&other[1]["type"], &other[1]["participantCount"]),
        (&json!("room-status"), &json!(2))
    );
    assert_eq!((other.len(), joiner.len()), (2, 2));
}

#[test]
fn nobody_outside_the_room_hears_of_it() {
    let mut world = World::default();
    world.connect(9);
    world.send(
        9,
        json!({"type": "subscribe", "channel": "webrtc-dashboard-rooms"}),
    );
    world.forget_inboxes();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.send(2, leave("b"));
    world.pass(60_000);
    assert!(world.take(9).is_empty());
}

#[test]
fn the_second_join_of_a_user_is_a_rejoin_while_the_room_lives() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.send(2, leave("b"));
    world.forget_inboxes();
    world.send(2, join("b", "Bobby"));
    assert_eq!(world.types(1), ["user-rejoined-room", "room-status"]);
    world.send(2, leave("b"));
    world.send(1, leave("a"));
    assert!(world.hub.rooms().is_empty(), "a room left empty is deleted");
    world.send(1, join("a", "Alice"));
    world.forget_inboxes();
    world.send(2, join("b", "Bob"));
    assert_eq!(world.types(1), ["user-joined-room", "room-status"]);
}

#[test]
fn a_leave_is_told_to_those_who_stay() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.forget_inboxes();
    world.send(1, leave("a"));
    assert!(world.take(1).is_empty());
    let frames = world.take(2);
    assert_eq!(frames[0]["type"], "user-left-room");
    assert_eq!(
        frames[0]["data"],
        json!({"roomId": "r", "userId": "a", "userName": "Alice", "reason": "left"})
    );
    assert_eq!(
        (&frames[1]["type"], &frames[1]["participantCount"]),
        (&json!("room-status"), &json!(1))
    );
    assert_eq!(
        frames[1]["participants"][0]["isHost"], true,
        "the eldest becomes host"
    );
    world.send(1, leave("a"));
    assert_eq!(world.take(1)[0]["reason"], "not-a-member");
    world.send(1, leave("b"));
    assert_eq!(
        world.take(1)[0]["reason"],
        "not-a-member",
        "nobody can make another leave"
    );
    assert_eq!(world.members(), ["b"]);
}

#[test]
fn a_taken_name_is_refused_whatever_its_case_and_nothing_changes() {
    let mut world = World::default();
    world.join(1, "a", "ÅSA");
    world.connect(2);
    world.forget_inboxes();
    world.send(2, join("b", "åsa"));
    let frames = world.take(2);
    assert_eq!(frames.len(), 1);
    assert_eq!(
        frames[0],
        json!({"type": "join-rejected", "channel": "webrtc-dashboard-rooms", "roomId": "r", "userId": "b",
               "message": "Username \"åsa\" already exists in this room. Please choose a different name.",
               "reason": "DUPLICATE_USERNAME"})
    );
    assert!(world.take(1).is_empty());
    assert_eq!(world.members(), ["a"]);
    world.send(2, join("b", "Bo"));
    assert_eq!(
        world.types(2),
        ["existing-participants", "room-status"],
        "and another name is welcome"
    );
    world.send(2, leave("b"));
    world.send(1, leave("a"));
    world.send(2, join("b", "åsa"));
    assert_eq!(
        world.members(),
        ["b"],
        "a name is free again once its owner has left"
    );
}

#[test]
fn a_user_id_that_is_taken_is_refused_without_its_token() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.connect(2);
    world.forget_inboxes();
    for (name, reason) in [("Alice", "DUPLICATE_USERNAME"), ("Mallory", "DUPLICATE_USER_ID")] {
        let mut frame = join("a", name);
        frame["token"] = "guessed".into();
        world.send(2, frame);
        let frames = world.take(2);
        assert_eq!(
            (&frames[0]["type"], &frames[0]["reason"]),
            (&json!("join-rejected"), &json!(reason))
        );
    }
    assert!(world.take(1).is_empty());
    assert_eq!(world.close_code(1), None);
}

#[test]
fn a_full_room_takes_nobody() {
    let mut world = World::default();
    world.connect(1);
    let mut first = join("a", "Alice");
    first["maxParticipants"] = 2.into();
    world.send(1, first);
    world.join(2, "b", "Bob");
    world.connect(3);
    world.forget_inboxes();
    world.send(3, join("c", "Carol"));
    assert_eq!(world.take(3)[0]["reason"], "room-full");
    assert!(world.take(1).is_empty());
    world.send(2, leave("b"));
    world.send(3, join("c", "Carol"));
    assert_eq!(world.members(), ["a", "c"]);

    let mut crowd = World::default();
    for n in 0..10 {
        crowd.join(n, &format!("u{n}"), &format!("U{n}"));
    }
    crowd.connect(10);
    crowd.forget_inboxes();
    crowd.send(10, join("u10", "U10"));
    assert_eq!(
        crowd.take(10)[0]["reason"],
        "room-full",
        "ten unless the room says otherwise"
    );
}

#[test]
fn a_join_repeated_on_its_own_socket_is_confirmed_again_and_told_to_nobody() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    let token = world.join(2, "b", "Bob");
    world.forget_inboxes();
    world.send(2, join("b", "Bob"));
    let frames = world.take(2);
    assert_eq!(
        (frames.len(), &frames[0]["token"], &frames[0]["resumed"]),
        (1, &json!(token), &json!(true))
    );
    assert!(world.take(1).is_empty());
    world.send(2, join("b", "Robert"));
    assert_eq!(world.types(1), ["room-status"], "a new name is told");
    world.send(2, join("b", "ALICE"));
    assert_eq!(
        world.take(2).last().expect("an answer")["reason"],
        "DUPLICATE_USERNAME"
    );
    world.send(2, join("c", "Carol"));
    assert_eq!(
        world.take(2)[0]["reason"],
        "invalid-message",
        "one socket is one member of a room"
    );
    assert_eq!(world.members(), ["a", "b"]);
    world.join(3, "c", "Bob");
    assert_eq!(world.members(), ["a", "b", "c"], "the name given up is free");
}

#[test]
fn the_host_alone_ends_the_room_for_everybody() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.join(3, "c", "Carol");
    world.disconnect(3);
    world.connect(4);
    world.forget_inboxes();
    let remove =
        json!({"type": "room-removed", "channel": "webrtc-dashboard-rooms", "data": {"roomId": "r"}});
    world.send(4, remove.clone());
    assert_eq!(world.take(4)[0]["reason"], "not-a-member");
    world.send(2, remove.clone());
    assert_eq!(world.take(2)[0]["reason"], "not-host");
    world.send(1, remove);
    assert!(world.take(1).is_empty());
    let frames = world.take(2);
    assert_eq!(frames[0]["type"], "room-removed");
    assert_eq!(
        frames[1]["data"],
        json!({"roomId": "r", "userId": "b", "userName": "Bob", "reason": "evicted"})
    );
    assert!(world.hub.rooms().is_empty());
    assert_eq!(world.hub.poll_timeout(), None, "and no timer is left of it");
    world.send(2, join("b", "Bob"));
    assert_eq!(world.members(), ["b"]);
}

#[test]
fn the_same_seed_gives_the_same_tokens() {
    let token = |seed: u64| {
        let mut world = World::default();
        world.hub = reference_server::room::Hub::new(HubConfig::default(), seed);
        world.join(1, "a", "Alice")
    };
    assert_eq!(token(1), token(1));
    assert_ne!(token(1), token(2));
}
