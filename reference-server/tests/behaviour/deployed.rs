//! What the recording of the deployment does not show.

use reference_server::room::{HubConfig, RelayMode};
use serde_json::{Value, json};

use crate::world::World;

fn world(clients: u64) -> World {
    let mut world = World::new(HubConfig {
        relay_mode: RelayMode::Deployed,
        ..HubConfig::default()
    });
    for client in 1..=clients {
        world.connect(client);
        world.send(
            client,
            json!({"type": "subscribe", "channel": "webrtc-dashboard-rooms"}),
        );
    }
    world.forget_inboxes();
    world
}

fn create(max_participants: u32) -> Value {
    json!({"type": "create-room", "channel": "webrtc-dashboard-rooms", "roomId": "r", "roomName": "R",
           "hostId": "h", "hostName": "Host", "maxParticipants": max_participants})
}

fn join(user: &str) -> Value {
    json!({"type": "user-joined-room", "channel": "webrtc-dashboard-rooms",
           "roomId": "r", "userId": user, "userName": user})
}

#[test]
fn the_socket_of_a_joiner_is_remembered_and_the_hosts_is_not() {
    let mut world = world(3);
    world.send(1, create(10));
    world.send(2, join("b"));
    world.forget_inboxes();
    world.disconnect(2);
    assert_eq!(world.types(3), ["server-room-list", "client_count"]);
    assert_eq!(world.members(), ["h"]);
    world.disconnect(1);
    assert_eq!(world.types(3), ["client_count"]);
    assert_eq!(world.members(), ["h"], "a ghost");
}

#[test]
fn rooms_are_listed_every_five_seconds_of_the_servers_clock_while_there_are_any() {
    let mut world = world(1);
    world.pass(60_000);
    assert!(world.take(1).is_empty());
    world.pass(3_000);
    world.send(1, create(10));
    world.forget_inboxes();
    world.pass(1_999);
    assert!(world.take(1).is_empty());
    world.pass(1);
    assert_eq!(world.types(1), ["server-room-list"]);
    world.pass(10_000);
    assert_eq!(world.types(1), ["server-room-list", "server-room-list"]);
    world.send(1, json!({"type": "room-removed", "roomId": "r"}));
    world.forget_inboxes();
    world.pass(60_000);
    assert!(world.take(1).is_empty());
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn a_room_takes_more_than_it_says_and_anybody_may_remove_anybody() {
    let mut world = world(3);
    world.send(1, create(1));
    world.send(2, join("b"));
    assert_eq!(world.members(), ["h", "b"]);
    world.send(3, json!({"type": "user-left-room", "roomId": "r", "userId": "b"}));
    assert_eq!(world.members(), ["h"]);
}

#[test]
fn even_oneself_is_a_duplicate() {
    let mut world = world(2);
    world.send(1, create(10));
    world.send(2, join("b"));
    world.forget_inboxes();
    world.send(2, join("b"));
    assert_eq!(world.types(2), ["join-rejected"]);
}

#[test]
fn signaling_is_heard_by_every_subscriber_and_never_refused() {
    let mut world = world(3);
    for client in 1..=2 {
        world.send(
            client,
            json!({"type": "subscribe", "channel": "webrtc-signaling"}),
        );
    }
    let offer = crate::world::offer("nobody", "nobody else");
    world.send(3, offer.clone());
    assert_eq!(
        (world.take(1), world.take(2), world.take(3)),
        (vec![offer.clone()], vec![offer], vec![])
    );
    for text in ["[]", "7", "{}", r#"{"type":"x"}"#, r#"{"type":"x","channel":7}"#] {
        world.send_text(3, text);
    }
    assert!(world.take(3).is_empty());
    world.send_text(3, "null");
    assert_eq!(world.types(3), ["echo"]);
}
