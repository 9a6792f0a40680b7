//! Sockets that close, and sockets that come back.

use std::time::Duration;

use reference_server::room::HubConfig;
use serde_json::json;

use crate::world::{World, join, leave, offer, rejoin};

#[test]
fn a_closed_socket_leaves_its_rooms_when_the_grace_time_is_over() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.forget_inboxes();
    world.disconnect(1);
    world.pass(4_999);
    assert!(world.take(2).is_empty());
    assert_eq!(
        world.members(),
        ["a", "b"],
        "within the grace time it is a member"
    );
    assert!(
        !world
            .hub
            .room("r")
            .expect("open")
            .member("a")
            .expect("a member")
            .connected
    );
    world.pass(1);
    let frames = world.take(2);
    assert_eq!(frames[0]["type"], "user-left-room");
    assert_eq!(
        frames[0]["data"],
        json!({"roomId": "r", "userId": "a", "userName": "Alice", "reason": "closed"})
    );
    assert_eq!(
        (&frames[1]["type"], &frames[1]["participantCount"]),
        (&json!("room-status"), &json!(1))
    );
    world.disconnect(2);
    world.pass(5_000);
    assert!(world.hub.rooms().is_empty());
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn without_a_grace_time_a_closed_socket_leaves_at_once() {
    let mut world = World::new(HubConfig {
        grace: Duration::ZERO,
        ..HubConfig::default()
    });
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.forget_inboxes();
    world.disconnect(1);
    assert_eq!(world.types(2), ["user-left-room", "room-status"]);
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn a_token_takes_the_membership_over_within_the_grace_time() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.pass(4_999);
    world.connect(3);
    world.forget_inboxes();
    world.send(3, rejoin("a", "Alice", &token));
    let frames = world.take(3);
    assert_eq!(
        (&frames[0]["type"], &frames[0]["resumed"]),
        (&json!("existing-participants"), &json!(true))
    );
    assert_eq!(
        frames[0]["token"],
        token.as_str(),
        "the answer may get lost, so the token stays good"
    );
    assert_eq!(frames[0]["participants"][0]["id"], "b");
    assert_eq!(world.types(2), ["room-status"], "nobody left, nobody joined");
    world.pass(60_000);
    assert_eq!(world.members(), ["a", "b"], "the timer of the time away is gone");
    assert!(
        world
            .hub
            .room("r")
            .expect("open")
            .member("a")
            .expect("a member")
            .connected
    );
}

#[test]
fn a_token_takes_the_membership_from_a_socket_that_is_still_open() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.connect(3);
    world.forget_inboxes();
    world.send(3, rejoin("a", "Alice", &token));
    assert_eq!(world.close_code(1), Some(4001));
    assert_eq!(world.types(2), ["room-status"]);
    assert_eq!(world.types(3), ["existing-participants", "room-status"]);
    world.send(1, offer("a", "b"));
    world.disconnect(1);
    world.pass(60_000);
    assert!(world.take(2).is_empty(), "the old socket is nobody any more");
    assert_eq!(world.members(), ["a", "b"]);
    world.send(2, offer("b", "a"));
    assert_eq!(world.types(3), ["webrtc-offer"]);
}

#[test]
fn who_is_away_may_leave_by_its_token() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.connect(3);
    world.forget_inboxes();
    let mut frame = leave("a");
    world.send(3, frame.clone());
    assert_eq!(world.take(3)[0]["reason"], "not-a-member");
    frame["token"] = token.as_str().into();
    world.send(3, frame);
    let told = world.take(2);
    assert_eq!(told[0]["data"]["reason"], "left");
    assert!(
        !told[0].to_string().contains(&token),
        "and the token is told to nobody"
    );
    assert_eq!(
        (world.members(), world.hub.poll_timeout()),
        (vec!["b".to_owned()], None)
    );
}

#[test]
fn the_other_rooms_of_a_socket_that_was_taken_over_get_their_grace_time() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    let mut elsewhere = join("a", "Alice");
    elsewhere["roomId"] = "other".into();
    world.send(1, elsewhere);
    world.connect(2);
    world.send(2, rejoin("a", "Alice", &token));
    assert!(!world.hub.room("other").expect("open").members[0].connected);
    world.pass(5_000);
    assert_eq!(world.hub.room("other"), None);
    assert_eq!(world.members(), ["a"]);
}

#[test]
fn a_takeover_may_bring_a_new_name_but_not_a_taken_one() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.connect(3);
    world.forget_inboxes();
    world.send(3, rejoin("a", "BOB", &token));
    assert_eq!(world.take(3)[0]["reason"], "DUPLICATE_USERNAME");
    assert!(world.take(2).is_empty());
    world.send(3, rejoin("a", "Alicia", &token));
    let status = world.take(2);
    assert_eq!(status[0]["participants"][0]["name"], "Alicia");
}

#[test]
fn after_the_grace_time_a_token_is_worth_nothing() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.pass(5_000);
    world.connect(3);
    world.forget_inboxes();
    world.send(3, rejoin("a", "Alice", &token));
    let frames = world.take(3);
    assert_eq!(frames[0]["resumed"], false);
    assert_ne!(frames[0]["token"], token.as_str());
    assert_eq!(world.types(2), ["user-rejoined-room", "room-status"]);
}

#[test]
fn signaling_waits_for_a_member_who_is_away() {
    let mut world = World::default();
    let token = world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.join(3, "c", "Carol");
    world.disconnect(1);
    world.forget_inboxes();
    world.send(2, offer("b", "a"));
    world.send(3, offer("c", "a"));
    assert!(world.take(2).is_empty());
    world.send(3, leave("c"));
    world.connect(4);
    world.forget_inboxes();
    world.send(4, rejoin("a", "Alice", &token));
    let frames = world.take(4);
    assert_eq!(
        frames.len(),
        3,
        "the offer of one who has left means nobody: {frames:?}"
    );
    assert_eq!(frames[2], offer("b", "a"));
}

#[test]
fn what_waits_for_a_member_is_limited() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.forget_inboxes();
    for _ in 0..reference_server::protocol::limits::HELD_FRAMES_MAX {
        world.send(2, offer("b", "a"));
    }
    assert!(world.take(2).is_empty());
    world.send(2, offer("b", "a"));
    assert_eq!(world.take(2)[0]["reason"], "recipient-away");
}

#[test]
fn a_late_caller_changes_no_order() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.join(2, "b", "Bob");
    world.disconnect(1);
    world.forget_inboxes();
    world.now.since_start += Duration::from_secs(9);
    world.connect(3);
    world.send(3, join("a", "Alice"));
    assert_eq!(
        world.types(2),
        [
            "user-left-room",
            "room-status",
            "user-rejoined-room",
            "room-status"
        ],
        "the grace time was over before the join, whoever looked at the clock"
    );
}

#[test]
fn a_clock_that_goes_back_ends_nothing_early() {
    let mut world = World::default();
    world.join(1, "a", "Alice");
    world.pass(10_000);
    world.hub.handle_timeout(world.now);
    world.now.since_start = Duration::ZERO;
    world.disconnect(1);
    assert_eq!(world.hub.poll_timeout(), Some(Duration::from_secs(15)));
}
