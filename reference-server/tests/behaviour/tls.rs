//! The server behind TLS.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use reference_server::{Config, Tls};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::client::{Answer, PATIENCE, serve, until};

/// A certificate for `localhost` that is made for the test: the server's part, and a client that trusts it.
fn certificate() -> (Tls, TlsConnector) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let pem = cert.pem();
    let tls = Tls::from_pem(pem.as_bytes(), signing_key.serialize_pem().as_bytes()).expect("a pair");
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    roots.add(cert).expect("it may be a root");
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("fair versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (tls, TlsConnector::from(Arc::new(client)))
}

async fn connect(
    connector: &TlsConnector,
    addr: std::net::SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, stream).await
}

#[tokio::test]
async fn a_websocket_and_the_routes_work_over_tls() {
    let (tls, connector) = certificate();
    let server = serve(Config {
        tls: Some(tls),
        ..Config::default()
    })
    .await;
    let addr = server.local_addr();
    assert_eq!(server.url(), format!("wss://{addr}/ws/"));
    let stream = connect(&connector, addr).await.expect("a handshake");
    let (mut socket, _) = client_async("wss://localhost/ws/", stream)
        .await
        .expect("a WebSocket");
    socket
        .send(Message::text(r#"{"type":"ping"}"#))
        .await
        .expect("open");
    let mut types = Vec::new();
    while types.len() < 2 {
        let message = timeout(PATIENCE, socket.next()).await.expect("in time");
        let text = message
            .expect("open")
            .expect("a message")
            .into_text()
            .expect("a text");
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        types.push(frame["type"].clone());
    }
    assert_eq!(types, [json!("client_count"), json!("pong")]);

    let mut stream = connect(&connector, addr).await.expect("a handshake");
    let request = "GET /api/config HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut text = String::new();
    // The server may end TLS together with the connection.
    let _ = timeout(PATIENCE, stream.read_to_string(&mut text))
        .await
        .expect("in time");
    assert_eq!(Answer::parse(&text).json()["WEBSOCKET_URL"], "wss://here/ws/");

    let closing = tokio::spawn(server.shutdown());
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(close))) => break assert_eq!(close.expect("a frame").code, 1001.into()),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
    drop(socket);
    closing.await.expect("the shutdown ends");
}

#[tokio::test]
async fn who_does_not_speak_tls_or_does_not_trust_the_server_gets_nothing() {
    let (tls, _) = certificate();
    let (_, stranger) = certificate();
    let server = serve(Config {
        tls: Some(tls),
        ..Config::default()
    })
    .await;
    let addr = server.local_addr();
    let mut plain = TcpStream::connect(addr).await.expect("accepted");
    plain
        .write_all(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
        .await
        .expect("open");
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer))
        .await
        .expect("it is closed");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(connect(&stranger, addr).await.is_err());
    until("both are counted", || server.stats().connections_failed == 2).await;

    // Who says nothing at all does not hold a shutdown up.
    let silent = TcpStream::connect(addr).await.expect("accepted");
    timeout(PATIENCE, server.shutdown())
        .await
        .expect("a shutdown ends");
    drop(silent);
}
