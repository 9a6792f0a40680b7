//! Small servers on the loopback that misbehave, or look closely at who knocks.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// How long a server waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose every connection is handled by the test.
pub struct Door {
    addr: SocketAddr,
    knocks: Arc<Mutex<Vec<String>>>,
}

impl Door {
    /// Whatever `open` does with a connection, when the head of its request has come.
    pub fn new(open: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        Self::raw(move |stream, knocks| {
            let head = head(stream);
            if head.is_empty() {
                return;
            }
            knocks.lock().expect("no test panics with it").push(head.clone());
            open(stream, &head);
        })
    }

    /// The same before anything has been read.
    pub fn raw(open: impl Fn(&mut TcpStream, &Mutex<Vec<String>>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let knocks = Arc::<Mutex<Vec<String>>>::default();
        let (heard, open) = (knocks.clone(), Arc::new(open));
        // It ends with the process: nobody waits for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), heard, open) = (stream, heard.clone(), open.clone()) else {
                    return;
                };
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    open(&mut stream, &heard);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { addr, knocks }
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws/", self.addr)
    }

    /// The heads of all requests so far.
    pub fn knocks(&self) -> Vec<String> {
        self.knocks.lock().expect("no test panics with it").clone()
    }
}

/// A request's first lines, to the empty one.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 65_536 {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return String::new(),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An answer that is no handshake.
pub fn answer(stream: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: 0\r\n\r\n");
}

/// The server's half of the opening handshake.
pub fn accept(stream: &mut TcpStream, head: &str, headers: &str) {
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap_or_default();
    let accept = tungstenite_accept(key);
    let _ = write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    );
}

fn tungstenite_accept(key: &str) -> String {
    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes())
}

/// Reads until the client has gone.
pub fn hold(stream: &mut TcpStream) {
    let mut bytes = [0; 1_024];
    while matches!(stream.read(&mut bytes), Ok(more) if more > 0) {}
}

/// An authority with a server's and a client's certificate, as files in PEM.
pub struct Paper {
    pub ca: String,
    pub server: (String, String),
    pub client: (String, String),
}

impl Paper {
    /// The server's is for `name`, and has expired if that is wanted.
    pub fn new(name: &str, expired: bool) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"));
        let issuer = issuer.expect("an authority");
        let mut server = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        if expired {
            server.not_before = rcgen::date_time_ymd(2020, 1, 1);
            server.not_after = rcgen::date_time_ymd(2020, 2, 1);
        }
        let mut client = CertificateParams::new(vec!["peer".to_owned()]).expect("a name");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let issue = |params: CertificateParams| {
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("it is signed");
            (certificate.pem(), key.serialize_pem())
        };
        Self {
            server: issue(server),
            client: issue(client),
            ca: issuer.pem(),
        }
    }
}
