//! The routes beside the WebSocket, and who may use them.

use std::time::Duration;

use reference_server::{Config, SocketLimits, TurnConfig, TurnSecret};
use serde_json::json;

use crate::{
    client::{Answer, Client, get, request, serve, until},
    world::join,
};

const UPGRADE: [&str; 4] = [
    "Connection: Upgrade, close",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn turn() -> TurnConfig {
    TurnConfig {
        secret: TurnSecret::new("north").expect("a secret"),
        urls: vec!["turn:turn.example.org:3478".into()],
        ttl: Duration::from_secs(600),
    }
}

fn error(answer: &Answer) -> (String, String) {
    let error = answer.json()["error"].as_str().expect("an error").to_owned();
    assert!(answer.json()["message"].is_string());
    (answer.status().to_owned(), error)
}

/// The value of a metric on the page.
fn metric(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

#[tokio::test]
async fn the_page_for_people_runs_its_own_scripts_alone() {
    let server = serve(Config::default()).await;
    let addr = server.local_addr();
    let page = request(addr, "GET /", &[], "").await;
    assert_eq!(page.status(), "200");
    let mut parts = Vec::new();
    for (begin, end) in [("src=\"", '"'), ("rel=\"stylesheet\" href=\"", '"')] {
        let found = page.body.split(begin).skip(1);
        parts.extend(found.filter_map(|rest| rest.split(end).next().map(str::to_owned)));
    }
    assert_eq!(parts.len(), 2, "{parts:?}");
    let script = request(addr, &format!("GET /{}", parts[0]), &[], "").await;
    let imported = script.body.split(" from \"./").skip(1);
    parts.extend(imported.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    for path in parts
        .iter()
        .map(|part| format!("/{part}"))
        .chain(["/".to_owned()])
    {
        let answer = request(addr, &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status(), "200", "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    for inline in ["<style", " style=", " onclick=", "https://"] {
        assert!(!page.body.contains(inline), "{inline}");
    }
    assert_eq!(request(addr, "GET /page/view.js", &[], "").await.status(), "404");
}

#[tokio::test]
async fn metrics_tell_what_goes_on() {
    let server = serve(Config::default()).await;
    let addr = server.local_addr();
    let mut alice = Client::connect(&server.url()).await;
    alice.send(join("a", "Alice")).await;
    alice.frame_of("existing-participants").await;
    alice.frame_of("room-status").await;
    alice.send(json!({"type": "user-joined-room"})).await;
    alice.frame_of("error").await;
    let gone = Client::connect(&server.url()).await;
    drop(gone);
    until("one is gone", || server.stats().hub.clients == 1).await;

    let answer = request(addr, "GET /metrics", &[], "").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for (name, value) in [
        ("reference_server_sockets", 1.0),
        ("reference_server_sockets_opened_total", 2.0),
        ("reference_server_sockets_closed_total{how=\"broken\"}", 1.0),
        ("reference_server_rooms", 1.0),
        ("reference_server_members", 1.0),
        ("reference_server_frames_received_total", 2.0),
        ("reference_server_frames_sent_total", 5.0),
        (
            "reference_server_frames_refused_total{reason=\"invalid-message\"}",
            1.0,
        ),
        ("reference_server_slow_clients_total", 0.0),
        ("reference_server_queue_frames", 0.0),
        ("reference_server_queue_bytes", 0.0),
    ] {
        assert_eq!(
            metric(&answer.body, name),
            Some(value),
            "{name} in\n{}",
            answer.body
        );
    }
    let high_water = metric(&answer.body, "reference_server_queue_frames_high_water");
    assert!(high_water.is_some_and(|frames| frames >= 1.0), "{high_water:?}");
    let resident = metric(&answer.body, "process_resident_memory_bytes");
    assert_eq!(
        resident.is_some_and(|bytes| bytes > 1e5),
        cfg!(target_os = "linux"),
        "{resident:?}"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn turn_credentials_are_given_out_by_name_for_a_time() {
    let server = serve(Config {
        turn: Some(turn()),
        ..Config::default()
    })
    .await;
    let addr = server.local_addr();
    let ask = async |body: &str| request(addr, "POST /api/turn-credentials", &[], body).await;
    let answer = ask(r#"{"userId":"a","name":"Alice"}"#).await;
    assert_eq!(answer.status(), "200");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let given = answer.json();
    let (expiry, name) = given["username"]
        .as_str()
        .and_then(|username| username.split_once(':'))
        .expect("expiry:name");
    assert_eq!(name, "Alice");
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let expiry_ms = expiry.parse::<u128>().expect("seconds") * 1_000;
    assert!(expiry_ms <= now_ms + 600_000, "it holds no longer than it says");
    assert!(expiry_ms > now_ms, "it holds now");
    assert_eq!(
        (&given["ttl"], &given["urls"]),
        (&json!(600), &json!(["turn:turn.example.org:3478"]))
    );
    assert_eq!(
        given["credential"].as_str().map(str::len),
        Some(28),
        "20 bytes as base64"
    );
    assert!(!answer.body.contains("north"));

    assert_eq!(error(&ask("{}").await), ("400".into(), "invalid-message".into()));
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(10_000));
    assert_eq!(error(&ask(&long).await), ("413".into(), "too-big".into()));
    assert_eq!(server.stats().turn_credentials, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn without_a_secret_there_are_no_turn_credentials() {
    let server = serve(Config::default()).await;
    let addr = server.local_addr();
    let answer = request(addr, "POST /api/turn-credentials", &[], r#"{"name":"a"}"#).await;
    assert_eq!(error(&answer), ("404".into(), "turn-credentials-off".into()));
    let answer = request(addr, "GET /api/nothing", &[], "").await;
    assert_eq!(error(&answer), ("404".into(), "not-found".into()));
    server.shutdown().await;
}

#[tokio::test]
async fn pages_of_other_origins_get_neither_a_socket_nor_credentials() {
    let ours = "https://app.example.org";
    let server = serve(Config {
        turn: Some(turn()),
        allow_origins: [ours.parse().expect("an origin")].into_iter().collect(),
        ..Config::default()
    })
    .await;
    let addr = server.local_addr();
    let from = |origin: &str| format!("Origin: {origin}");
    let (ours, foreign) = (from(ours), from("https://evil.example"));
    let mut upgrade = UPGRADE.to_vec();
    upgrade.push(&foreign);
    let answer = request(addr, "GET /ws/", &upgrade, "").await;
    assert_eq!(error(&answer), ("403".into(), "origin-not-allowed".into()));
    let ask =
        async |origin: &str| request(addr, "POST /api/turn-credentials", &[origin], r#"{"name":"a"}"#).await;
    assert_eq!(
        error(&ask(&foreign).await),
        ("403".into(), "origin-not-allowed".into())
    );
    assert_eq!(server.stats().turn_credentials, 0);
    assert_eq!(server.stats().sockets_refused.get("origin"), Some(&1));

    let answer = ask(&ours).await;
    assert_eq!(answer.status(), "200");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.org")
    );
    let preflight = request(addr, "OPTIONS /api/turn-credentials", &[&ours], "").await;
    assert_eq!(preflight.status(), "204");
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("content-type")
    );

    // Who says no origin is no page. One that is allowed is let in, and then says nothing until it is closed.
    let client = Client::connect(&server.url()).await;
    upgrade.pop();
    upgrade.push(&ours);
    let welcomed = async {
        let answer = request_until_close(addr, &upgrade).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    };
    let closing = async {
        until("both are in", || server.stats().hub.clients == 2).await;
        server.shutdown().await;
    };
    tokio::join!(welcomed, closing);
    drop(client);
}

/// The head of the answer to an upgrade, read until the server closes.
async fn request_until_close(addr: std::net::SocketAddr, headers: &[&str]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(addr).await.expect("accepted");
    let request = format!(
        "GET /ws/ HTTP/1.1\r\nHost: here\r\n{}\r\n\r\n",
        headers.join("\r\n")
    );
    socket.write_all(request.as_bytes()).await.expect("open");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_socket_too_many_is_closed_with_1013() {
    let server = serve(Config {
        sockets: SocketLimits {
            sockets_max: 1,
            ..SocketLimits::default()
        },
        ..Config::default()
    })
    .await;
    let first = Client::connect(&server.url()).await;
    let mut second = Client::open(&server.url()).await;
    assert_eq!(second.close().await.expect("a close frame").code, 1013.into());
    drop(first);
    until("there is room again", || server.stats().hub.clients == 0).await;
    let _third = Client::connect(&server.url()).await;
    assert_eq!(
        get(server.local_addr(), "/health").await["websocket"]["connected_clients"],
        1
    );
    server.shutdown().await;
}
