//! The STUN and TURN server of a simulation: [`Server`] with addresses that nobody else has.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use reference_server::{TurnConfig, TurnSecret};
use rtc::crypto::default_provider;
use webrtc::peer_connection::RTCIceServer;

use crate::{
    base::Instant,
    scenario::{Ice, IcePolicy, IceServers, TurnCredentials, TurnFault, TurnTransport},
    turn::{Client, Output, Server},
    world::{is_stream_address, stream_address},
};

/// The port of STUN and TURN.
pub(super) const PORT: u16 = 3478;
/// Where it is; relayed addresses are its other ports. 192.0.2.0/24 is for documentation (RFC 5737).
pub(super) const TURN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), PORT);
/// The dynamic ports, from which relayed ones are drawn (RFC 8656, section 7.2).
const RELAYED_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// Draws for a free port.
const MAX_DRAWS: u32 = 200;
/// What it shares with whoever gives credentials out: there is nobody to guess it.
const SECRET: &str = "the secret of a simulation";
/// What credentials are signed with that are to be wrong.
const NOT_THE_SECRET: &str = "not the secret";

/// A datagram that a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub datagram: Vec<u8>,
}

/// The server, and what outlives its process.
pub(super) struct Relay {
    server: Server,
    rng: ChaCha8Rng,
    secret: TurnSecret,
    epoch_unix_ms: u64,
    /// Whose a relayed port is.
    clients: BTreeMap<u16, Client>,
    ports: BTreeMap<Client, u16>,
    /// When another one is there; the inner `None`: never.
    away_until: Option<Option<Instant>>,
    quota: Option<u32>,
    lifetime: Option<Duration>,
}

impl Relay {
    /// `rng` draws its ports and nonces. `epoch_unix_ms`: the wall clock at [`Instant::START`].
    pub fn new(epoch_unix_ms: u64, mut rng: ChaCha8Rng) -> Self {
        let secret = TurnSecret::new(SECRET).expect("it is not empty");
        Self {
            server: server(&secret, epoch_unix_ms, &mut rng),
            rng,
            secret,
            epoch_unix_ms,
            clients: BTreeMap::new(),
            ports: BTreeMap::new(),
            away_until: None,
            quota: None,
            lifetime: None,
        }
    }

    /// Does that to it, as planned for `at`.
    pub fn hit(&mut self, fault: TurnFault, at: Instant) {
        match fault {
            TurnFault::Quota(most) => {
                self.quota = Some(most);
                self.server.set_quota(most);
            }
            TurnFault::Lifetime(most) => {
                self.lifetime = Some(most);
                self.server.set_lifetime_max(most);
            }
            TurnFault::Stop { away } => {
                self.clients.clear();
                self.ports.clear();
                self.server = server(&self.secret, self.epoch_unix_ms, &mut self.rng);
                self.quota
                    .into_iter()
                    .for_each(|most| self.server.set_quota(most));
                let lifetime = self.lifetime.into_iter();
                lifetime.for_each(|most| self.server.set_lifetime_max(most));
                self.away_until = Some(away.map(|away| at + away));
            }
        }
    }

    /// A datagram comes to one of its addresses; what it sends.
    pub fn handle(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now: Instant) -> Vec<Sent> {
        if let Some(until) = self.away_until {
            if until.is_none_or(|until| now < until) {
                return Vec::new();
            }
            self.away_until = None;
        }
        // What has ended by now gets nothing any more.
        self.server.handle_timeout(now);
        let stream = is_stream_address(to);
        if stream || to == TURN {
            let client = Client { addr: from, stream };
            self.server.from_client(client, datagram, now);
        } else if let Some(client) = self.clients.get(&to.port()) {
            self.server.from_peer(*client, from, datagram, now);
        }
        self.drain()
    }

    /// The socket at that address is closed: its allocations are nobody's, and stay until they end.
    pub fn forget(&mut self, addr: SocketAddr) {
        for stream in [false, true] {
            self.server.abandon(Client { addr, stream });
        }
        // Nobody is told.
        let _ = self.drain();
    }

    fn drain(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { client, bytes } => sent.push(Sent {
                    from: match client.stream {
                        true => stream_address(0, PORT),
                        false => TURN,
                    },
                    to: client.addr,
                    datagram: bytes,
                }),
                Output::OpenRelay { client } => {
                    let port = self.free_port();
                    if let Some(port) = port {
                        self.clients.insert(port, client);
                        self.ports.insert(client, port);
                    }
                    let relayed = port.map(|port| SocketAddr::new(TURN.ip(), port));
                    self.server.relay_opened(client, relayed);
                }
                Output::Relay { client, to, data } => {
                    sent.extend(self.ports.get(&client).map(|port| Sent {
                        from: SocketAddr::new(TURN.ip(), *port),
                        to,
                        datagram: data,
                    }));
                }
                Output::CloseRelay { client } => {
                    if let Some(port) = self.ports.remove(&client) {
                        self.clients.remove(&port);
                    }
                }
            }
        }
        sent
    }

    fn free_port(&mut self) -> Option<u16> {
        (0..MAX_DRAWS)
            .map(|_| self.rng.random_range(RELAYED_PORTS))
            .find(|port| !self.clients.contains_key(port))
    }

    /// The servers of a connection that `user` begins at `now`, with credentials of their own. Servers that a scenario
    /// names are out of reach.
    pub fn ice_servers(&self, ice: &Ice, user: &str, now: Instant) -> Vec<RTCIceServer> {
        if ice.servers != IceServers::Bundled {
            return Vec::new();
        }
        let secret = match ice.credentials {
            TurnCredentials::Valid => self.secret.clone(),
            TurnCredentials::Wrong => TurnSecret::new(NOT_THE_SECRET).expect("it is not empty"),
        };
        let config = TurnConfig {
            secret,
            urls: Vec::new(),
            ttl: ice.ttl,
        };
        let now_unix_ms = self.epoch_unix_ms + now.elapsed().as_millis() as u64;
        let credentials = config.credentials(user, now_unix_ms);
        // What goes to this address is no UDP, as far as the network is concerned.
        let turn = match ice.transport {
            TurnTransport::Udp => TURN,
            TurnTransport::Tcp | TurnTransport::Tls => stream_address(0, PORT),
        };
        let turn = RTCIceServer {
            urls: vec![format!("turn:{turn}?transport=udp")],
            username: credentials.username,
            credential: credentials.credential,
        };
        let stun = RTCIceServer {
            urls: vec![format!("stun:{TURN}")],
            ..RTCIceServer::default()
        };
        match ice.policy {
            IcePolicy::All => vec![stun, turn],
            IcePolicy::Relay => vec![turn],
        }
    }
}

/// A process of the server. It takes the time-limited credentials that are signed with that secret.
fn server(secret: &TurnSecret, epoch_unix_ms: u64, rng: &mut ChaCha8Rng) -> Server {
    let crypto = default_provider().expect("the stack has a built-in provider");
    let nonce = format!("{:032x}", rng.random::<u128>());
    let secret = secret.clone();
    let passwords = move |user: &str, now: Instant| {
        let ends_s: u64 = user.split(':').next()?.parse().ok()?;
        let now_ms = epoch_unix_ms + now.elapsed().as_millis() as u64;
        (now_ms / 1_000 < ends_s).then(|| secret.password(user))
    };
    Server::new(Arc::clone(&crypto), nonce, Box::new(passwords))
}
