//! The plainest HTTP that there is, from a test to the program and back.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::program::PATIENCE;

/// An answer, or what has come of it.
pub struct Answer {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// `GET`s until the server closes.
pub fn get(addr: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut host = vec![("Host", addr)];
    host.extend(headers.iter().filter(|(name, _)| *name != "Host"));
    if let Some(own) = headers.iter().find(|(name, _)| *name == "Host") {
        host[0] = *own;
    }
    let mut stream = TcpStream::connect(addr).expect("the program listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    let headers: String = host
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    )
    .expect("it is read");
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .expect("the answer comes to its end");
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("a status"),
        head,
        body: bytes[end + 4..].to_vec(),
    }
}

/// A server that takes what is posted.
pub struct Collector {
    pub addr: String,
    got: Arc<Mutex<Vec<Posted>>>,
}

#[derive(Clone)]
pub struct Posted {
    pub path: String,
    /// In small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has ports");
        let addr = listener.local_addr().expect("it is bound").to_string();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keep = got.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(posted) = take(&stream) {
                    keep.lock().expect("nobody panics with it").push(posted);
                }
            }
        });
        Self { addr, got }
    }

    pub fn got(&self, path: &str) -> Vec<Posted> {
        let got = self.got.lock().expect("nobody panics with it");
        got.iter().filter(|posted| posted.path == path).cloned().collect()
    }
}

fn take(mut stream: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.to_owned();
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .ok()?;
    Some(Posted { path, head, body })
}
