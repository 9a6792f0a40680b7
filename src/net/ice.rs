use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reference_server::{TurnConfig, TurnSecret};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::pki_types::{CertificateDer, ServerName},
};
use webrtc::peer_connection::RTCIceServer;

use super::{
    dial::{Fetches, Guests},
    turn::BundledTurn,
    turn_tls::connector,
};
use crate::{
    base::{IceScheme, IceTransport, IceUrl},
    scenario::{Ice, IceAccount, IceFetch, IcePolicy, IceServer, IceServers, Scenario, TurnCredentials},
    world::{BoxFuture, ByteStream, Dial, stream_address},
};

/// How long a stream to a TURN server may take to open.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// What credentials are signed with that are to be wrong.
const NOT_THE_SECRET: &str = "not the secret";
/// The secret of the bundled TURN server: it listens on the loopback, and lives as long as the run.
const BUNDLED_SECRET: &str = "the secret of a run";

/// The STUN and TURN servers of a run: the bundled one, the secrets of others, and how streams to them are opened.
/// By default there are none.
#[derive(Default)]
pub struct IceSide {
    bundled: Option<Arc<BundledTurn>>,
    secrets: BTreeMap<String, TurnSecret>,
    /// `None`: nobody is reached by TLS.
    connector: Option<TlsConnector>,
    /// Those that are reached by a stream, by the index in their [`stream_address`].
    streams: Arc<Mutex<Vec<IceUrl>>>,
    /// What peers fetch, who they are to whoever is asked, and whom that is trusted by.
    fetches: Vec<IceFetch>,
    guests: Guests,
    trusted: Vec<CertificateDer<'static>>,
}

impl IceSide {
    /// What the scenario wants, the bundled server started. `trusted`: authorities beside the system's.
    ///
    /// # Errors
    /// In words: a variable is missing, or the machine does not give what is needed.
    pub async fn start(scenario: &Scenario, trusted: &[CertificateDer<'static>]) -> Result<Self, String> {
        let ices = || scenario.groups.iter().map(|group| &group.ice);
        if ices().all(|ice| ice.servers == IceServers::None) {
            return Ok(Self::default());
        }
        let fetches: Vec<IceFetch> = ices().flat_map(Ice::fetches).cloned().collect();
        let (given, mut trusted) = (trusted, trusted.to_vec());
        let mut bundled = None;
        if ices().any(|ice| ice.servers == IceServers::Bundled) {
            let secret = TurnSecret::new(BUNDLED_SECRET).ok_or("the bundled TURN server has no secret")?;
            let turn = BundledTurn::start(secret).await;
            let turn = turn.map_err(|error| format!("the bundled TURN server cannot start: {error}"))?;
            trusted.push(turn.authority().certificate());
            bundled = Some(turn);
        }
        let named = ices().filter_map(|ice| match &ice.servers {
            IceServers::Named(servers) => Some(servers),
            _ => None,
        });
        let variables: BTreeSet<&String> = named
            .flatten()
            .filter_map(|server| match &server.account {
                IceAccount::Secret { variable } => Some(variable),
                _ => None,
            })
            .collect();
        let mut secrets = BTreeMap::new();
        for variable in variables {
            let secret = std::env::var(variable)
                .ok()
                .and_then(|text| TurnSecret::new(&text));
            let secret = secret.ok_or_else(|| {
                format!("the TURN secret is missing\n  help: put it into the variable {variable} of the environment")
            })?;
            secrets.insert(variable.clone(), secret);
        }
        Ok(Self {
            bundled,
            secrets,
            connector: Some(connector(&trusted).map_err(|error| format!("no TLS to TURN servers: {error}"))?),
            streams: Arc::default(),
            fetches,
            guests: Guests::default(),
            trusted: given.to_vec(),
        })
    }

    /// The same for peers who are these to whom they ask for ICE servers.
    pub fn with_guests(self, guests: Guests) -> Self {
        Self { guests, ..self }
    }

    /// Whom peers ask for ICE servers.
    pub fn fetches(&self) -> Fetches<'_> {
        Fetches {
            all: &self.fetches,
            trusted: &self.trusted,
        }
    }

    /// Who the peers are.
    pub fn guests(&self) -> &Guests {
        &self.guests
    }

    /// The server that was started.
    pub fn bundled(&self) -> Option<&Arc<BundledTurn>> {
        self.bundled.as_ref()
    }

    /// The servers of a connection that `user` begins now, with credentials of their own. `named`: those that the scenario
    /// names, each that had to be fetched as it was, or those that were offered.
    pub(super) fn servers(&self, ice: &Ice, named: Vec<IceServer>, user: &str) -> Vec<RTCIceServer> {
        let named = match (&ice.servers, &self.bundled) {
            (IceServers::Named(_) | IceServers::Offered, _) => named,
            (IceServers::Bundled, Some(turn)) => {
                let mut servers = Vec::new();
                let mut push = |text: String, account| {
                    let urls = text.parse().into_iter().collect();
                    servers.push(IceServer { urls, account });
                };
                if ice.policy == IcePolicy::All {
                    push(turn.stun_url(), IceAccount::None);
                }
                let config = self.signed_by(turn.config(ice.ttl).secret, ice);
                let credentials = config.credentials(user, unix_ms());
                let account = IceAccount::LongTerm {
                    username: credentials.username,
                    credential: credentials.credential,
                };
                push(turn.turn_url(ice.transport), account);
                servers
            }
            _ => Vec::new(),
        };
        named
            .iter()
            .map(|server| self.server(server, ice, user))
            .collect()
    }

    fn server(&self, server: &IceServer, ice: &Ice, user: &str) -> RTCIceServer {
        let (username, credential) = match &server.account {
            IceAccount::None | IceAccount::Fetched(_) => (String::new(), String::new()),
            IceAccount::LongTerm { username, credential } => (username.clone(), credential.clone()),
            IceAccount::Secret { variable } => match self.secrets.get(variable) {
                Some(secret) => {
                    let credentials = self.signed_by(secret.clone(), ice).credentials(user, unix_ms());
                    (credentials.username, credentials.credential)
                }
                None => (String::new(), String::new()),
            },
        };
        RTCIceServer {
            urls: server.urls.iter().map(|url| self.url(url)).collect(),
            username,
            credential,
        }
    }

    fn signed_by(&self, secret: TurnSecret, ice: &Ice) -> TurnConfig {
        let secret = match ice.credentials {
            TurnCredentials::Valid => secret,
            TurnCredentials::Wrong => TurnSecret::new(NOT_THE_SECRET).unwrap_or(secret),
        };
        TurnConfig {
            secret,
            urls: Vec::new(),
            ttl: ice.ttl,
        }
    }

    /// As the stack is told: by datagrams, all of them.
    fn url(&self, url: &IceUrl) -> String {
        if url.scheme == IceScheme::Stun || url.transport == IceTransport::Udp {
            return url.to_string();
        }
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let index = streams.iter().position(|known| known == url).unwrap_or_else(|| {
            streams.push(url.clone());
            streams.len() - 1
        });
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        format!("turn:{}", stream_address(index, url.port))
    }

    /// Opens streams to the servers that are reached by them.
    pub(super) fn dial(&self) -> Dial {
        let (streams, connector) = (self.streams.clone(), self.connector.clone());
        Arc::new(move |to| {
            let (streams, connector) = (streams.clone(), connector.clone());
            Box::pin(async move {
                let url = url_of(&streams, to).ok_or(io::ErrorKind::AddrNotAvailable)?;
                let opening = tokio::time::timeout(OPEN_WITHIN, open(url, connector));
                opening
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            }) as BoxFuture<_>
        })
    }
}

fn url_of(streams: &Mutex<Vec<IceUrl>>, address: SocketAddr) -> Option<IceUrl> {
    let streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
    let mut numbered = (0..=u16::MAX).zip(streams.iter());
    let found = numbered.find(|(index, url)| stream_address(*index, url.port) == address);
    found.map(|(_, url)| url.clone())
}

async fn open(url: IceUrl, connector: Option<TlsConnector>) -> io::Result<Box<dyn ByteStream>> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    stream.set_nodelay(true)?;
    if url.transport != IceTransport::Tls {
        return Ok(Box::new(stream));
    }
    let connector = connector.ok_or(io::ErrorKind::Unsupported)?;
    let name = ServerName::try_from(url.host).map_err(io::Error::other)?;
    Ok(Box::new(connector.connect(name, stream).await?))
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
