use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rtc::{
    crypto::RTCCryptoProvider,
    stun::{
        attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT},
        error_code::{
            CODE_ALLOC_MISMATCH, CODE_ALLOC_QUOTA_REACHED, CODE_BAD_REQUEST, CODE_FORBIDDEN,
            CODE_INSUFFICIENT_CAPACITY, CODE_STALE_NONCE, CODE_UNAUTHORIZED, CODE_UNSUPPORTED_TRANS_PROTO,
            CODE_WRONG_CREDENTIALS, ErrorCode,
        },
        integrity::MessageIntegrity,
        message::{
            CLASS_INDICATION, CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
            METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, TransactionId,
        },
    },
    turn::proto::{
        chandata::ChannelData,
        channum::ChannelNumber,
        data::Data,
        lifetime::{DEFAULT_LIFETIME, Lifetime},
        relayaddr::RelayedAddress,
        reqtrans::RequestedTransport,
    },
};

use super::message::{self, Attributes, Key, mapped};
use crate::base::Instant;

/// What it calls itself.
const REALM: &str = "rtcstorm";
/// How long a permission and a channel hold (RFC 8656 §9, §12).
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);
/// The protocol number of UDP, the only one that peers are relayed by.
const UDP: u8 = 17;
/// The longest allocation.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// Allocations in all; more are refused (508).
const MAX_ALLOCATIONS: usize = 40_000;
/// Permissions, and channels, of one allocation; more are refused (508).
const MAX_PEERS: usize = 1_000;

/// A client by its path to the server: one allocation each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Its address.
    pub addr: SocketAddr,
    /// It comes by a stream.
    pub stream: bool,
}

/// Knows the password that a user has at that instant; `None`: there is no such user, or no more.
pub type Passwords = Box<dyn Fn(&str, Instant) -> Option<String> + Send>;

/// What is to be done for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to a client; through a stream, [framed](super::frame).
    Send { client: Client, bytes: Vec<u8> },
    /// Open a relayed address for a client, and tell by [`Server::relay_opened`].
    OpenRelay { client: Client },
    /// Send this from the client's relayed address.
    Relay {
        client: Client,
        to: SocketAddr,
        data: Vec<u8>,
    },
    /// Close the client's relayed address.
    CloseRelay { client: Client },
}

/// The server.
pub struct Server {
    crypto: Arc<dyn RTCCryptoProvider>,
    passwords: Passwords,
    nonce: String,
    /// Allocations that one user may have.
    quota: Option<u32>,
    /// The longest that an allocation is granted for.
    lifetime_max: Duration,
    allocations: BTreeMap<Client, Allocation>,
    /// Whose clients are gone without a word: in use until they end.
    abandoned: Vec<Allocation>,
    outputs: VecDeque<Output>,
    /// Numbers Data indications.
    indications: u64,
}

struct Allocation {
    /// The request that it was made by, and what it is answered with once there is an address.
    request: Message,
    user: String,
    key: Vec<u8>,
    lifetime: Duration,
    relayed: Option<SocketAddr>,
    expires: Instant,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

impl Allocation {
    fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.get(&peer).is_some_and(|until| now < *until)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("allocations", &self.allocations.len())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// One that knows no client. `nonce` tells it from an earlier one at the same address (RFC 8489 §9.2: at most
    /// 127 characters).
    pub fn new(crypto: Arc<dyn RTCCryptoProvider>, nonce: String, passwords: Passwords) -> Self {
        Self {
            crypto,
            passwords,
            nonce,
            quota: None,
            lifetime_max: LIFETIME_MAX,
            allocations: BTreeMap::new(),
            abandoned: Vec::new(),
            outputs: VecDeque::new(),
            indications: 0,
        }
    }

    /// From now on no user gets more allocations than that.
    pub fn set_quota(&mut self, most: u32) {
        self.quota = Some(most);
    }

    /// From now on allocations and refreshes are granted for that at most.
    pub fn set_lifetime_max(&mut self, most: Duration) {
        self.lifetime_max = most;
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len() + self.abandoned.len()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.allocations
            .values()
            .map(|allocation| allocation.expires)
            .min()
    }

    /// Ends allocations that were not refreshed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.abandoned.retain(|allocation| now < allocation.expires);
        let over =
            |(client, allocation): (&Client, &Allocation)| (allocation.expires <= now).then_some(*client);
        let over: Vec<Client> = self.allocations.iter().filter_map(over).collect();
        for client in over {
            self.close(client);
        }
    }

    /// A client's stream has ended, and its allocation with it (RFC 8656 §3.1).
    pub fn stream_closed(&mut self, client: Client) {
        self.close(client);
    }

    /// A client's address is somebody else's from now on: its allocation is nobody's, and counts until it ends.
    pub fn abandon(&mut self, client: Client) {
        if let Some(allocation) = self.allocations.remove(&client) {
            self.abandoned.push(allocation);
            self.outputs.push_back(Output::CloseRelay { client });
        }
    }

    /// The relayed address that was asked for is there; `None`: none is to be had.
    pub fn relay_opened(&mut self, client: Client, relayed: Option<SocketAddr>) {
        match (relayed, self.allocations.get_mut(&client)) {
            (Some(relayed), Some(allocation)) => {
                allocation.relayed = Some(relayed);
                self.answer_allocate(client);
            }
            (None, Some(_)) => {
                if let Some(gone) = self.allocations.remove(&client) {
                    let key = self.key(&gone.key);
                    let answer = message::error(&gone.request, CODE_INSUFFICIENT_CAPACITY, None, Some(&key));
                    self.send(client, answer);
                }
            }
            (_, None) => self.outputs.push_back(Output::CloseRelay { client }),
        }
    }

    /// A peer sent this to the relayed address of a client.
    pub fn from_peer(&mut self, client: Client, peer: SocketAddr, data: &[u8], now: Instant) {
        let Some(allocation) = self.allocations.get(&client) else {
            return;
        };
        if !allocation.permits(peer.ip(), now) {
            return;
        }
        let bound = |(number, (to, until)): (&u16, &(SocketAddr, Instant))| {
            (*to == peer && now < *until).then_some(*number)
        };
        let bytes = match allocation.channels.iter().find_map(bound) {
            Some(number) => message::channel_data(number, data),
            None => {
                self.indications += 1;
                let mut id = [0; 12];
                id[4..].copy_from_slice(&self.indications.to_be_bytes());
                message::data_indication(TransactionId(id), peer, data)
            }
        };
        self.send(client, bytes);
    }

    /// A message of a client came in.
    pub fn from_client(&mut self, client: Client, bytes: &[u8], now: Instant) {
        self.handle_timeout(now);
        if ChannelData::is_channel_data(bytes) {
            return self.channel_data(client, bytes, now);
        }
        let mut message = Message::new();
        if message.unmarshal_binary(bytes).is_err() {
            return;
        }
        match (message.typ.class, message.typ.method) {
            (CLASS_INDICATION, METHOD_SEND) => self.send_indication(client, &message, now),
            (CLASS_REQUEST, METHOD_BINDING) => {
                let answer = message::success(&message, vec![mapped(client.addr)], None);
                self.send(client, answer);
            }
            (
                CLASS_REQUEST,
                METHOD_ALLOCATE | METHOD_REFRESH | METHOD_CREATE_PERMISSION | METHOD_CHANNEL_BIND,
            ) => match self.authenticate(&mut message, now) {
                Ok((user, key)) => self.request(client, message, user, key, now),
                Err(code) => {
                    let challenge = (code != CODE_BAD_REQUEST).then_some((REALM, self.nonce.as_str()));
                    let answer = message::error(&message, code, challenge, None);
                    self.send(client, answer);
                }
            },
            (CLASS_REQUEST, _) => {
                let answer = message::error(&message, CODE_BAD_REQUEST, None, None);
                self.send(client, answer);
            }
            _ => {}
        }
    }

    /// The user of a request, and the key that it is signed with (RFC 8489 §9.2.4).
    fn authenticate(&self, request: &mut Message, now: Instant) -> Result<(String, Vec<u8>), ErrorCode> {
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return Err(CODE_UNAUTHORIZED);
        }
        let user = message::username(request).ok_or(CODE_BAD_REQUEST)?;
        let realm = message::text_of(request, ATTR_REALM).ok_or(CODE_BAD_REQUEST)?;
        let nonce = message::text_of(request, ATTR_NONCE).ok_or(CODE_BAD_REQUEST)?;
        if nonce != self.nonce {
            return Err(CODE_STALE_NONCE);
        }
        let password = (self.passwords)(&user, now).filter(|_| realm == REALM);
        let password = password.ok_or(CODE_UNAUTHORIZED)?;
        let key =
            MessageIntegrity::long_term_integrity_key(user.clone(), realm, password, self.crypto.crypto());
        let key = key.map_err(|_| CODE_UNAUTHORIZED)?;
        match MessageIntegrity::check(request, &key, self.crypto.crypto()) {
            Ok(()) => Ok((user, key)),
            Err(_) => Err(CODE_UNAUTHORIZED),
        }
    }

    fn request(&mut self, client: Client, request: Message, user: String, key: Vec<u8>, now: Instant) {
        if request.typ.method == METHOD_ALLOCATE {
            return self.allocate(client, request, user, key, now);
        }
        let result = match self.allocations.get(&client) {
            None => Err(CODE_ALLOC_MISMATCH),
            // The whole of it: coturn, too, takes no later credentials of the same name (RFC 8656 §7.3).
            Some(allocation) if allocation.user != user => Err(CODE_WRONG_CREDENTIALS),
            Some(_) => match request.typ.method {
                METHOD_REFRESH => self.refresh(client, &request, now),
                METHOD_CREATE_PERMISSION => self.permit(client, &request, now).map(|()| Vec::new()),
                _ => self.bind_channel(client, &request, now).map(|()| Vec::new()),
            },
        };
        let key = self.key(&key);
        let answer = match result {
            Ok(attributes) => message::success(&request, attributes, Some(&key)),
            Err(code) => message::error(&request, code, None, Some(&key)),
        };
        self.send(client, answer);
    }

    fn allocate(&mut self, client: Client, request: Message, user: String, key: Vec<u8>, now: Instant) {
        if let Some(allocation) = self.allocations.get(&client)
            && allocation.request.transaction_id == request.transaction_id
        {
            // A request that is repeated has its allocation already.
            return self.answer_allocate(client);
        }
        if let Err(code) = self.may_allocate(client, &request, &user) {
            let answer = message::error(&request, code, None, Some(&self.key(&key)));
            return self.send(client, answer);
        }
        let lifetime = self.granted(&request).max(Duration::from_secs(1));
        let allocation = Allocation {
            request,
            user,
            key,
            lifetime,
            relayed: None,
            expires: now + lifetime,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.allocations.insert(client, allocation);
        self.outputs.push_back(Output::OpenRelay { client });
    }

    fn may_allocate(&self, client: Client, request: &Message, user: &str) -> Result<(), ErrorCode> {
        if self.allocations.contains_key(&client) {
            return Err(CODE_ALLOC_MISMATCH);
        }
        if !request.contains(ATTR_REQUESTED_TRANSPORT) {
            return Err(CODE_BAD_REQUEST);
        }
        let mut transport = RequestedTransport::default();
        let read = transport.get_from(request);
        if read.is_err() || transport.protocol.0 != UDP {
            return Err(CODE_UNSUPPORTED_TRANS_PROTO);
        }
        let of_user = |allocation: &&Allocation| name_of(&allocation.user) == name_of(user);
        let has = || {
            self.allocations
                .values()
                .chain(&self.abandoned)
                .filter(of_user)
                .count()
        };
        if self.quota.is_some_and(|most| has() >= most as usize) {
            return Err(CODE_ALLOC_QUOTA_REACHED);
        }
        match self.allocations() < MAX_ALLOCATIONS {
            true => Ok(()),
            false => Err(CODE_INSUFFICIENT_CAPACITY),
        }
    }

    /// The lifetime that a request gets; zero if it asks for the end.
    fn granted(&self, request: &Message) -> Duration {
        let mut wanted = Lifetime(DEFAULT_LIFETIME);
        // Left out, it is the default.
        let _ = wanted.get_from(request);
        wanted.0.min(self.lifetime_max).min(LIFETIME_MAX)
    }

    fn answer_allocate(&mut self, client: Client) {
        let Some(allocation) = self.allocations.get(&client) else {
            return;
        };
        // Without an address yet, the answer comes with it.
        let Some(relayed) = allocation.relayed else { return };
        let attributes: Attributes<'_> = vec![
            Box::new(RelayedAddress {
                ip: relayed.ip(),
                port: relayed.port(),
            }),
            mapped(client.addr),
            Box::new(Lifetime(allocation.lifetime)),
        ];
        let answer = message::success(&allocation.request, attributes, Some(&self.key(&allocation.key)));
        self.send(client, answer);
    }

    fn refresh(
        &mut self,
        client: Client,
        request: &Message,
        now: Instant,
    ) -> Result<Attributes<'static>, ErrorCode> {
        let lifetime = self.granted(request);
        if lifetime.is_zero() {
            self.close(client);
        } else if let Some(allocation) = self.allocations.get_mut(&client) {
            allocation.expires = now + lifetime;
        }
        Ok(vec![Box::new(Lifetime(lifetime))])
    }

    fn permit(&mut self, client: Client, request: &Message, now: Instant) -> Result<(), ErrorCode> {
        let peer = message::peer_of(request).ok_or(CODE_BAD_REQUEST)?;
        let allocation = self.allocations.get_mut(&client).ok_or(CODE_ALLOC_MISMATCH)?;
        allocation.permissions.retain(|_, until| now < *until);
        if allocation.permissions.len() >= MAX_PEERS {
            return Err(CODE_INSUFFICIENT_CAPACITY);
        }
        if peer.ip().is_multicast() || peer.ip().is_unspecified() {
            return Err(CODE_FORBIDDEN);
        }
        allocation.permissions.insert(peer.ip(), now + PERMISSION);
        Ok(())
    }

    fn bind_channel(&mut self, client: Client, request: &Message, now: Instant) -> Result<(), ErrorCode> {
        let mut number = ChannelNumber::default();
        number.get_from(request).map_err(|_| CODE_BAD_REQUEST)?;
        let peer = message::peer_of(request).ok_or(CODE_BAD_REQUEST)?;
        let allocation = self.allocations.get_mut(&client).ok_or(CODE_ALLOC_MISMATCH)?;
        allocation.channels.retain(|_, (_, until)| now < *until);
        let mut channels = allocation.channels.iter();
        let clashes = channels.any(|(bound, (to, _))| (*bound == number.0) != (*to == peer));
        if clashes || !number.valid() {
            return Err(CODE_BAD_REQUEST);
        }
        self.permit(client, request, now)?;
        let allocation = self.allocations.get_mut(&client).ok_or(CODE_ALLOC_MISMATCH)?;
        allocation.channels.insert(number.0, (peer, now + CHANNEL));
        Ok(())
    }

    fn send_indication(&mut self, client: Client, indication: &Message, now: Instant) {
        let mut data = Data::default();
        if let (Ok(()), Some(peer)) = (data.get_from(indication), message::peer_of(indication)) {
            self.relay(client, peer, data.0, now);
        }
    }

    fn channel_data(&mut self, client: Client, bytes: &[u8], now: Instant) {
        let mut framed = ChannelData {
            raw: bytes.to_vec(),
            ..ChannelData::default()
        };
        if framed.decode().is_err() {
            return;
        }
        let bound = |allocation: &Allocation| allocation.channels.get(&framed.number.0).copied();
        if let Some((peer, until)) = self.allocations.get(&client).and_then(bound)
            && now < until
        {
            self.relay(client, peer, framed.data, now);
        }
    }

    fn relay(&mut self, client: Client, to: SocketAddr, data: Vec<u8>, now: Instant) {
        let permitted = |allocation: &Allocation| allocation.permits(to.ip(), now);
        if self.allocations.get(&client).is_some_and(permitted) {
            self.outputs.push_back(Output::Relay { client, to, data });
        }
    }

    fn close(&mut self, client: Client) {
        if self.allocations.remove(&client).is_some() {
            self.outputs.push_back(Output::CloseRelay { client });
        }
    }

    fn key<'a>(&'a self, bytes: &'a [u8]) -> Key<'a> {
        Key {
            bytes,
            crypto: &*self.crypto,
        }
    }

    fn send(&mut self, client: Client, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Send { client, bytes });
        }
    }
}

/// Who a user is whose credentials are limited in time: `<unix time>:<name>`.
fn name_of(user: &str) -> &str {
    user.split_once(':').map_or(user, |(_, name)| name)
}
