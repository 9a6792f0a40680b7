//! A WebSocket client that sends whatever bytes it is told.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::client::PATIENCE;

/// Opcodes (RFC 6455 section 5.2).
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
/// The bit that ends a message.
pub const FIN: u8 = 0x80;
/// Belongs to an extension that nobody agreed on.
pub const RSV1: u8 = 0x40;

pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(addr: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(addr).await.expect("accepted");
        let request = "GET /ws/ HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request.as_bytes()).await.expect("open");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.expect("an answer"));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        Self(socket)
    }

    pub async fn bytes(&mut self, bytes: &[u8]) {
        // Who has been closed for the first half cannot send the second.
        let _ = self.0.write_all(bytes).await;
    }

    /// Sends one frame, masked as a client's must be.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.bytes(&frame(first, payload)).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.frame(FIN | TEXT, text.as_bytes()).await;
    }

    /// The next frame of the server, pings and pongs of WebSocket left out; `None`: the socket is closed.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (first, payload) = timeout(PATIENCE, self.read()).await.expect("in time")?;
            if !matches!(first & 0x0f, 0x9 | 0xa) {
                return Some((first & 0x0f, payload));
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let bytes = match self.0.read_u8().await.ok()? {
            126 => u64::from(self.0.read_u16().await.ok()?),
            127 => self.0.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(bytes).expect("the server is modest")];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    /// What the server says until it says `pong`, which is asked for last.
    pub async fn answers(&mut self) -> Vec<Value> {
        self.text(r#"{"type":"ping"}"#).await;
        let mut answers = Vec::new();
        loop {
            let (opcode, payload) = self.next().await.expect("the socket stays open");
            assert_eq!(opcode, TEXT, "{}", String::from_utf8_lossy(&payload));
            let frame: Value = serde_json::from_slice(&payload).expect("the server sends JSON");
            if frame["type"] == "pong" {
                return answers;
            }
            answers.push(frame);
        }
    }

    /// The code that the server closes with, after whatever else it says.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.next().await?;
            if opcode == CLOSE {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
    }
}

pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).expect("it is below 126")),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(middle).expect("it fits").to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(long).expect("it fits").to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}
