//! The whole server, over real sockets.

use std::time::Duration;

use futures_util::SinkExt;
use reference_server::{
    Config, Handle, Server, SocketLimits,
    protocol::limits::FRAME_BYTES_MAX,
    room::{HubConfig, RefusalCause, RelayMode, Violation},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, PATIENCE, get, serve, until},
    world::{join, leave, offer, rejoin},
};

#[tokio::test]
async fn two_clients_meet_signal_and_part() {
    let grace = Duration::from_millis(50);
    let server = serve(Config {
        hub: HubConfig {
            grace,
            ..HubConfig::default()
        },
        ..Config::default()
    })
    .await;
    let mut alice = Client::connect(&server.url()).await;
    let mut bob = Client::connect(server.url().trim_end_matches('/')).await;
    alice.send(join("a", "Alice")).await;
    alice.frame_of("existing-participants").await;
    alice.frame_of("room-status").await;
    bob.send(join("b", "aLICE")).await;
    assert_eq!(
        bob.frame_of("join-rejected").await["reason"],
        "DUPLICATE_USERNAME"
    );
    bob.send(join("b", "Bob")).await;
    assert_eq!(
        bob.frame_of("existing-participants").await["participants"][0]["id"],
        "a"
    );
    bob.frame_of("room-status").await;
    assert_eq!(alice.frame_of("user-joined-room").await["data"]["userId"], "b");
    alice.frame_of("room-status").await;

    alice.send(offer("a", "b")).await;
    assert_eq!(bob.frame().await, offer("a", "b"));
    bob.0
        .send(Message::binary(r#"{"type":"ping"}"#.as_bytes().to_vec()))
        .await
        .expect("open");
    bob.frame_of("pong").await;
    assert_eq!(server.room("r").expect("open").members.len(), 2);

    // Bob's socket breaks; nobody but the timer says so.
    drop(bob);
    assert_eq!(alice.frame_of("user-left-room").await["data"]["reason"], "closed");
    alice.frame_of("room-status").await;
    alice.send(leave("a")).await;
    until("the empty room is deleted", || server.rooms().is_empty()).await;
    assert_eq!(server.stats().hub.clients, 1);
    server.shutdown().await;
    assert_eq!(alice.close().await.expect("a close frame").code, 1001.into());
}

#[tokio::test]
async fn a_takeover_closes_the_old_socket_with_4001() {
    let server = serve(Config::default()).await;
    let mut old = Client::connect(&server.url()).await;
    old.send(join("a", "Alice")).await;
    let token = old.frame_of("existing-participants").await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let mut new = Client::connect(&server.url()).await;
    new.send(rejoin("a", "Alice", &token)).await;
    assert_eq!(new.frame_of("existing-participants").await["resumed"], true);
    assert_eq!(old.close().await.expect("a close frame").code, 4001.into());
    new.frame_of("room-status").await;
    assert_eq!(server.room("r").expect("open").members.len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_holds_nobody_up() {
    let config = Config {
        sockets: SocketLimits {
            queue_frames_max: 8,
            ..SocketLimits::default()
        },
        ..Config::default()
    };
    let server = serve(config).await;
    let mut alice = Client::connect(&server.url()).await;
    alice.send(join("a", "Alice")).await;
    alice.frame_of("existing-participants").await;
    alice.frame_of("room-status").await;
    let mut deaf = Client::connect(&server.url()).await;
    deaf.send(join("d", "Deaf")).await;
    alice.frame_of("user-joined-room").await;
    alice.frame_of("room-status").await;
    let mut long = offer("a", "d");
    long["data"]["offer"]["sdp"] = "x".repeat(200_000).into();
    let mut sent = 0;
    while server.stats().slow_clients == 0 {
        alice.send(long.clone()).await;
        alice.send(json!({"type": "ping"})).await;
        alice.frame_of("pong").await;
        sent += 1;
        assert!(sent < 1_000, "the queue has no end");
    }
    assert!(
        !server
            .room("r")
            .expect("open")
            .member("d")
            .expect("in its grace time")
            .connected
    );
    alice.send(json!({"type": "ping"})).await;
    alice.frame_of("pong").await;
    server.shutdown().await;
    drop(deaf);
}

#[tokio::test]
async fn a_frame_that_is_too_long_closes_its_socket() {
    let server = serve(Config::default()).await;
    let mut client = Client::connect(&server.url()).await;
    client
        .0
        .send(Message::text(" ".repeat(FRAME_BYTES_MAX)))
        .await
        .expect("open");
    client.frame_of("echo").await;
    client
        .0
        .send(Message::text(" ".repeat(FRAME_BYTES_MAX + 1)))
        .await
        .expect("open");
    assert_eq!(client.close().await.expect("a close frame").code, 1009.into());
    until("the client is gone", || server.stats().hub.clients == 0).await;

    // Far beyond that the rest is not even read.
    let mut client = Client::connect(&server.url()).await;
    let _ = client
        .0
        .send(Message::text(" ".repeat(8 * FRAME_BYTES_MAX)))
        .await;
    until("the client is gone", || server.stats().hub.clients == 0).await;
    let too_big = RefusalCause::Violation(Violation::TooBig);
    assert_eq!(server.stats().hub.refused.of(too_big), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn http_tells_what_goes_on() {
    let stun_servers = vec!["stun:stun.example.org:3478".to_owned()];
    let server = serve(Config {
        stun_servers,
        ..Config::default()
    })
    .await;
    let addr = server.local_addr();
    let mut alice = Client::connect(&server.url()).await;
    alice.send(join("a", "Alice")).await;
    alice.frame_of("existing-participants").await;
    let health = get(addr, "/health").await;
    assert_eq!(
        (&health["status"], &health["relayMode"]),
        (&json!("ok"), &json!("rooms"))
    );
    assert_eq!(health["websocket"]["connected_clients"], 1);
    let rooms = get(addr, "/api/rooms").await;
    assert_eq!(
        (&rooms["total"], &rooms["rooms"][0]["participants"][0]["name"]),
        (&json!(1), &json!("Alice"))
    );
    assert!(
        !rooms.to_string().contains("token"),
        "tokens are nobody else's business"
    );
    let config = get(addr, "/api/config").await;
    assert_eq!(config["WEBSOCKET_URL"], "ws://here:1/ws/");
    assert_eq!(
        config["STUN_SERVERS"],
        json!([{"urls": "stun:stun.example.org:3478"}])
    );
    assert_eq!(
        get(addr, "/api/env").await["STUN_SERVERS"],
        "stun:stun.example.org:3478"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn deployed_mode_lists_its_rooms_by_itself() {
    let hub = HubConfig {
        relay_mode: RelayMode::Deployed,
        ..HubConfig::default()
    };
    let server = serve(Config {
        hub,
        ..Config::default()
    })
    .await;
    let mut client = Client::connect(&server.url()).await;
    client.frame_of("client_count").await;
    client
        .send(json!({"type": "subscribe", "channel": "webrtc-dashboard-rooms"}))
        .await;
    client
        .send(json!({"type": "create-room", "roomId": "r", "roomName": "R", "hostId": "h", "hostName": "H"}))
        .await;
    client.frame_of("server-room-list").await;
    client.frame_of("server-room-list").await;
    server.shutdown().await;
}

/// Runs a server with such clients, shuts it down, and sees whether anything is left.
fn check_shutdown<C>(clients: impl AsyncFnOnce(&Handle) -> C) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let server = serve(Config::default()).await;
        let addr = server.local_addr();
        let clients = clients(&server).await;
        assert!(tasks() > before);
        timeout(PATIENCE, server.shutdown())
            .await
            .expect("a shutdown ends");
        // The last thing that a task does is to drop what the shutdown waits for.
        let ended = async {
            while tasks() > before {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_millis(500), ended)
            .await
            .expect("no task is left");
        drop(
            Server::bind(addr, Config::default())
                .await
                .expect("the port is free again"),
        );
        drop(clients);
    });
}

#[test]
fn a_shutdown_outlasts_a_websocket_that_never_answers_its_close() {
    check_shutdown(async |server| Client::connect(&server.url()).await);
}

#[test]
fn a_shutdown_ends_connections_that_ask_for_nothing_or_for_half_of_it() {
    check_shutdown(async |server| {
        let silent = TcpStream::connect(server.local_addr()).await.expect("accepted");
        let mut halfway = TcpStream::connect(server.local_addr()).await.expect("accepted");
        halfway
            .write_all(b"GET /health HTTP/1.1\r\n")
            .await
            .expect("open");
        // One that was accepted later is served: so are these.
        get(server.local_addr(), "/health").await;
        (silent, halfway)
    });
}

#[tokio::test]
async fn what_is_under_way_at_a_shutdown_is_finished() {
    let server = serve(Config::default()).await;
    let mut client = Client::connect(&server.url()).await;
    client.send(join("a", "Alice")).await;
    let mut halfway = TcpStream::connect(server.local_addr()).await.expect("accepted");
    halfway
        .write_all(b"GET /health HTTP/1.1\r\n")
        .await
        .expect("open");
    until("the join is in", || !server.rooms().is_empty()).await;
    get(server.local_addr(), "/health").await;
    let addr = server.local_addr();
    let stopping = tokio::spawn(server.shutdown());
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the port is closed");
    halfway.write_all(b"Host: here\r\n\r\n").await.expect("open");
    let mut response = String::new();
    timeout(PATIENCE, halfway.read_to_string(&mut response))
        .await
        .expect("in time")
        .expect("an answer");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(
        response.to_lowercase().contains("connection: close"),
        "{response}"
    );
    client.frame_of("existing-participants").await;
    client.frame_of("room-status").await;
    assert_eq!(client.close().await.expect("a close frame").code, 1001.into());
    stopping.await.expect("the shutdown ends");
}

#[tokio::test]
async fn a_dropped_handle_stops_the_server() {
    let server = serve(Config::default()).await;
    let addr = server.local_addr();
    let mut client = Client::connect(&server.url()).await;
    drop(server);
    assert_eq!(client.close().await.expect("a close frame").code, 1001.into());
    let closed = async {
        while TcpStream::connect(addr).await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, closed).await.expect("the port is closed");
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let server = serve(Config::default()).await;
    let error = Server::bind(server.local_addr(), Config::default())
        .await
        .expect_err("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    server.shutdown().await;
}
