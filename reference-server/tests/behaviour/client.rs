//! Clients of a real server.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use reference_server::{Config, Handle, Server};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Long enough for any machine; nothing waits for it when things work.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// A socket of which nothing has been read.
    pub async fn open(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.expect("the server accepts");
        Self(socket)
    }

    pub async fn connect(url: &str) -> Self {
        let mut client = Self::open(url).await;
        assert_eq!(client.frame().await["type"], "client_count");
        client
    }

    pub async fn send(&mut self, frame: Value) {
        self.0
            .send(Message::text(frame.to_string()))
            .await
            .expect("the socket is open");
    }

    pub async fn message(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.0.next())
            .await
            .expect("the server says something");
        message.map(|message| message.expect("a fair WebSocket"))
    }

    pub async fn frame(&mut self) -> Value {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("the server sends JSON"),
            other => panic!("no text frame: {other:?}"),
        }
    }

    pub async fn frame_of(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Reads until the server closes.
    pub async fn close(&mut self) -> Option<CloseFrame> {
        loop {
            match self.message().await? {
                Message::Close(close) => return close,
                _ => continue,
            }
        }
    }
}

pub async fn serve(config: Config) -> Handle {
    let server = Server::bind("127.0.0.1:0", config).await.expect("a free port");
    assert_ne!(server.local_addr().port(), 0);
    server.spawn()
}

/// An answer of the server: the status line and headers, and the body.
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        Self {
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends a request with these lines after its first, and reads the answer to its end.
pub async fn request(addr: SocketAddr, first: &str, headers: &[&str], body: &str) -> Answer {
    let mut socket = TcpStream::connect(addr).await.expect("the server accepts");
    let mut request = format!("{first} HTTP/1.1\r\nHost: here:1\r\n");
    for header in headers {
        request += &format!("{header}\r\n");
    }
    if !headers.iter().any(|header| header.starts_with("Connection")) {
        request += &format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
    }
    request += &format!("\r\n{body}");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("the socket is open");
    let mut response = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut response))
        .await
        .expect("in time")
        .expect("an answer");
    Answer::parse(&response)
}

pub async fn get(addr: SocketAddr, path: &str) -> Value {
    let answer = request(addr, &format!("GET {path}"), &[], "").await;
    assert_eq!(answer.status(), "200", "{}", answer.head);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer.json()
}

pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
