//! A server that stands still, and one that is killed.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::join_all};
use reference_server::{Config, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, PATIENCE, get, serve, until},
    world::{join, offer},
};

/// How long to look for what must not happen. A shorter look would only see less.
const LOOK: Duration = Duration::from_millis(50);
/// A request whose connection is kept.
const ROUTE: &[u8] = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n";

#[tokio::test]
async fn a_paused_server_says_nothing_and_goes_on_with_everything_that_came() {
    let server = serve(Config::default()).await;
    let mut alice = Client::connect(&server.url()).await;
    let mut bob = Client::connect(&server.url()).await;
    alice.send(join("a", "Alice")).await;
    alice.frame_of("existing-participants").await;
    bob.send(join("b", "Bob")).await;
    bob.frame_of("existing-participants").await;
    bob.frame_of("room-status").await;
    let before = server.stats().hub.frames_in;
    let mut kept = TcpStream::connect(server.local_addr()).await.expect("accepted");
    kept.write_all(ROUTE).await.expect("open");
    kept.read_exact(&mut [0; 15]).await.expect("HTTP/1.1 200 OK");

    server.pause(true);
    alice.send(offer("a", "b")).await;
    alice
        .send(json!({"type": "user-left-room", "roomId": "r", "userId": "a"}))
        .await;
    let (addr, url) = (server.local_addr(), server.url());
    let health = tokio::spawn(async move { get(addr, "/health").await });
    let newcomer = tokio::spawn(async move { Client::connect(&url).await });
    assert!(timeout(LOOK, bob.message()).await.is_err(), "nothing is said");
    assert_eq!(server.stats().hub.frames_in, before);
    // What is left of the first answer has been there all along; the second does not come.
    kept.write_all(ROUTE).await.expect("open");
    let mut answers = Vec::new();
    let _ = timeout(LOOK, async { while kept.read_buf(&mut answers).await.is_ok() {} }).await;
    assert!(
        !String::from_utf8_lossy(&answers).contains("HTTP/1.1"),
        "no second answer"
    );
    assert!(!health.is_finished() && !newcomer.is_finished());

    server.pause(false);
    assert_eq!(bob.frame().await, offer("a", "b"));
    bob.frame_of("user-left-room").await;
    assert_eq!(health.await.expect("answered")["status"], "ok");
    newcomer.await.expect("let in");
    let answered = async {
        while !String::from_utf8_lossy(&answers).contains("HTTP/1.1 200") {
            kept.read_buf(&mut answers).await.expect("open");
        }
    };
    timeout(PATIENCE, answered)
        .await
        .expect("the second answer comes");
    server.shutdown().await;
}

/// A whole lecture comes at once: whoever is not accepted yet waits for it, and does not have to ask again
/// after a second because the queue was full.
#[tokio::test]
async fn a_burst_of_connections_waits_to_be_accepted() {
    const BURST: usize = 300;
    let server = serve(Config::default()).await;
    server.pause(true);
    let connecting = (0..BURST).map(|_| TcpStream::connect(server.local_addr()));
    let connected = timeout(PATIENCE, join_all(connecting)).await;
    let connected = connected.expect("all get through to a server that accepts none");
    assert!(connected.iter().all(Result::is_ok));
    server.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_ends_a_pause() {
    let server = serve(Config::default()).await;
    let mut client = Client::connect(&server.url()).await;
    server.pause(true);
    timeout(PATIENCE, server.shutdown())
        .await
        .expect("a shutdown ends");
    assert_eq!(client.close().await.expect("a close frame").code, 1001.into());
}

#[tokio::test]
async fn a_killed_server_drops_its_sockets_without_a_word_and_its_port_can_be_taken_again() {
    let server = serve(Config::default()).await;
    let addr = server.local_addr();
    let mut client = Client::connect(&server.url()).await;
    client.send(join("a", "Alice")).await;
    client.frame_of("existing-participants").await;
    client.frame_of("room-status").await;
    server.pause(true);
    server.kill();
    match timeout(PATIENCE, client.0.next()).await.expect("it ends") {
        None | Some(Err(_)) => {}
        Some(Ok(message)) => panic!("a word: {message:?}"),
    }
    assert_eq!(server.room("r").expect("as it was").members.len(), 1);
    let closed = || {
        TcpStream::connect(addr)
            .now_or_never()
            .is_none_or(|connected| connected.is_err())
    };
    until("the port is closed", closed).await;
    timeout(PATIENCE, server.shutdown())
        .await
        .expect("nothing is left to wait for");

    let again = Server::bind(addr, Config::default())
        .await
        .expect("the port is free")
        .spawn();
    let mut client = Client::connect(&again.url()).await;
    client.send(json!({"type": "ping"})).await;
    client.frame_of("pong").await;
    assert_eq!(again.rooms(), vec![], "a new one knows nothing of the old");
    again.shutdown().await;
}
