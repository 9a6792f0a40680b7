//! A STUN and TURN server (RFC 8489, RFC 8656) over UDP, with the time-limited credentials of the TURN REST API.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rtc::{
    crypto::{HmacAlgorithm, RTCCrypto, RTCCryptoProvider},
    stun::{
        attributes::{
            ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_SOFTWARE, ATTR_USERNAME,
            ATTR_XOR_PEER_ADDRESS,
        },
        error_code::{
            CODE_ALLOC_MISMATCH, CODE_ALLOC_QUOTA_REACHED, CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY,
            CODE_PEER_ADDR_FAMILY_MISMATCH, CODE_STALE_NONCE, CODE_UNAUTHORIZED,
            CODE_UNSUPPORTED_TRANS_PROTO, CODE_WRONG_CREDENTIALS, ErrorCode,
        },
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_BINDING,
            METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message,
            MessageType, TransactionId,
        },
        textattrs::TextAttribute,
    },
    turn::proto::{
        PROTO_UDP,
        chandata::ChannelData,
        channum::ChannelNumber,
        data::Data,
        lifetime::{DEFAULT_LIFETIME, Lifetime},
        peeraddr::PeerAddress,
        relayaddr::RelayedAddress,
        reqtrans::RequestedTransport,
    },
};

use super::{
    allocation::{Allocation, ChannelRefused, Full},
    stun::{Attributes, answer, binding, mapped, message, refusal},
};
use crate::base::Instant;

/// The longest life that an allocation is granted, as coturn's `max-allocate-lifetime` has it.
const MAX_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long a nonce is good; the one before it is still taken for as long.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);
/// The dynamic ports, from which relayed ones are drawn (RFC 8656, section 7.2).
const RELAYED_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// Allocations that one server has at most: a quarter of the ports stays free.
const MAX_ALLOCATIONS: usize = 12_288;
/// Draws for a free port.
const MAX_DRAWS: u32 = 200;
/// What it calls itself in SOFTWARE.
const SOFTWARE: &str = "rtcstorm";

/// A datagram that the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its listening address, or a relayed one.
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub datagram: Vec<u8>,
}

/// What a [`TurnServer`] is made with.
#[derive(Debug, Clone)]
pub(super) struct TurnSettings {
    /// Where it listens; relayed addresses are ports of the same IP address.
    pub address: SocketAddr,
    pub realm: String,
    /// What it shares with whoever gives credentials out.
    pub secret: String,
    /// The wall clock at [`Instant::START`], in ms since 1970: users are named by when they expire.
    pub epoch_unix_ms: u64,
}

/// The server: datagrams and time in, datagrams out.
pub(super) struct TurnServer {
    settings: TurnSettings,
    crypto: Arc<dyn RTCCryptoProvider>,
    rng: ChaCha8Rng,
    /// Allocations of one user at a time; `None` is no limit.
    quota: Option<u32>,
    longest: Duration,
    /// By the address that the client is seen at.
    allocations: BTreeMap<SocketAddr, Allocation>,
    clients: BTreeMap<u16, SocketAddr>,
    /// Whose clients are gone without a word: to the server, they are in use until they end.
    abandoned: Vec<Allocation>,
    /// Nothing is heard before this; `None`: it is up. `Some(None)` is for ever.
    down_until: Option<Option<Instant>>,
    /// Another process has another one, and does not know the nonces of the last.
    incarnation: u64,
}

/// A request whose sender is known.
struct Authentic {
    request: Message,
    user: String,
    key: Vec<u8>,
}

impl TurnServer {
    /// `rng` draws its ports.
    pub fn new(settings: TurnSettings, crypto: Arc<dyn RTCCryptoProvider>, mut rng: ChaCha8Rng) -> Self {
        Self {
            settings,
            crypto,
            incarnation: rng.next_u64(),
            rng,
            quota: None,
            longest: MAX_LIFETIME,
            allocations: BTreeMap::new(),
            clients: BTreeMap::new(),
            abandoned: Vec::new(),
            down_until: None,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.settings.address
    }

    /// Ends the process, with every allocation; another one is there at `until`, or never.
    pub fn stop(&mut self, until: Option<Instant>) {
        self.allocations.clear();
        self.clients.clear();
        self.abandoned.clear();
        self.incarnation = self.rng.next_u64();
        self.down_until = Some(until);
    }

    /// How many allocations one user may have from now on.
    pub fn set_quota(&mut self, quota: u32) {
        self.quota = Some(quota);
    }

    /// For how long allocations are granted at most from now on.
    pub fn set_longest(&mut self, longest: Duration) {
        self.longest = longest;
    }

    /// A client's address is somebody else's from now on. Its allocation is nobody's, and stays.
    pub fn abandon(&mut self, client: SocketAddr) {
        if let Some(allocation) = self.allocations.remove(&client) {
            self.clients.remove(&allocation.relayed.port());
            self.abandoned.push(allocation);
        }
    }

    /// Allocations that it has.
    #[cfg(test)]
    pub fn allocations(&self) -> usize {
        self.allocations.len() + self.abandoned.len()
    }

    /// A datagram comes to one of its addresses.
    pub fn handle(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8], now: Instant) -> Vec<Sent> {
        if let Some(until) = self.down_until {
            if until.is_none_or(|until| now < until) {
                return Vec::new();
            }
            self.down_until = None;
        }
        self.expire(now);
        match to == self.settings.address {
            true => self.from_client(from, datagram, now),
            false => self.from_peer(from, to, datagram, now).into_iter().collect(),
        }
    }

    fn expire(&mut self, now: Instant) {
        self.abandoned.retain(|allocation| now < allocation.until);
        let clients = &mut self.clients;
        self.allocations.retain(|_, allocation| {
            let lives = now < allocation.until;
            if !lives {
                clients.remove(&allocation.relayed.port());
            }
            lives
        });
    }

    fn from_client(&mut self, client: SocketAddr, datagram: &[u8], now: Instant) -> Vec<Sent> {
        if ChannelData::is_channel_data(datagram) {
            return self.channel_data(client, datagram, now).into_iter().collect();
        }
        let Some(message) = message(datagram) else {
            return Vec::new();
        };
        match (message.typ.class, message.typ.method) {
            (CLASS_REQUEST, METHOD_BINDING) => {
                let answer = binding(datagram, client);
                answer
                    .map(|answer| self.to_client(client, answer))
                    .into_iter()
                    .collect()
            }
            (CLASS_REQUEST, _) => {
                let answer = self.request(message, client, now);
                answer
                    .map(|answer| self.to_client(client, answer))
                    .into_iter()
                    .collect()
            }
            (CLASS_INDICATION, METHOD_SEND) => self.send(client, &message, now).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn to_client(&self, client: SocketAddr, datagram: Vec<u8>) -> Sent {
        Sent {
            from: self.settings.address,
            to: client,
            datagram,
        }
    }

    fn request(&mut self, request: Message, client: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let known = [
            METHOD_ALLOCATE,
            METHOD_REFRESH,
            METHOD_CREATE_PERMISSION,
            METHOD_CHANNEL_BIND,
        ];
        if !known.contains(&request.typ.method) {
            return None;
        }
        Some(match self.authenticate(request, now) {
            Err(challenge) => challenge,
            Ok(authentic) => match authentic.request.typ.method {
                METHOD_ALLOCATE => self.allocate(&authentic, client, now),
                METHOD_REFRESH => self.refresh(&authentic, client, now),
                METHOD_CREATE_PERMISSION => self.permit(&authentic, client, now),
                _ => self.bind(&authentic, client, now),
            },
        })
    }

    /// The long-term credential mechanism (RFC 8489, section 9.2.4), or what to answer instead.
    fn authenticate(&self, mut request: Message, now: Instant) -> Result<Authentic, Vec<u8>> {
        let text = |request: &Message, attribute| {
            let read = TextAttribute::get_from_as(request, attribute);
            read.ok().map(|text: TextAttribute| text.text)
        };
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return Err(self.challenge(&request, CODE_UNAUTHORIZED, now));
        }
        let (Some(username), Some(realm), Some(nonce)) = (
            text(&request, ATTR_USERNAME),
            text(&request, ATTR_REALM),
            text(&request, ATTR_NONCE),
        ) else {
            return Err(refusal(&request, CODE_BAD_REQUEST, self.epilogue(&request, None)));
        };
        if !self.nonces(now).contains(&nonce) {
            return Err(self.challenge(&request, CODE_STALE_NONCE, now));
        }
        let user = self.user(&username, now);
        let key = self.key(&username, &realm);
        let (Some(user), Some(key)) = (user, key) else {
            return Err(self.challenge(&request, CODE_UNAUTHORIZED, now));
        };
        match MessageIntegrity::check(&mut request, &key, self.crypto.crypto()) {
            Ok(()) => Ok(Authentic { request, user, key }),
            Err(_) => Err(self.challenge(&request, CODE_UNAUTHORIZED, now)),
        }
    }

    /// Whom a name of the TURN REST API (`<seconds since 1970>:<user>`) means, unless it has expired.
    fn user(&self, username: &str, now: Instant) -> Option<String> {
        let (expires, user) = username.split_once(':')?;
        let expires_s: u64 = expires.parse().ok()?;
        let now_ms = self.settings.epoch_unix_ms + now.elapsed().as_millis() as u64;
        (now_ms / 1_000 < expires_s).then(|| user.to_owned())
    }

    fn key(&self, username: &str, realm: &str) -> Option<Vec<u8>> {
        let crypto = self.crypto.crypto();
        if realm != self.settings.realm {
            return None;
        }
        let password = BASE64_STANDARD.encode(mac(crypto, &self.settings.secret, username)?);
        let (username, realm) = (username.to_owned(), realm.to_owned());
        MessageIntegrity::long_term_integrity_key(username, realm, password, crypto).ok()
    }

    /// The nonces that are good at `now`, the newest first.
    fn nonces(&self, now: Instant) -> Vec<String> {
        let window = now.elapsed().as_secs() / NONCE_LIFETIME.as_secs();
        let nonce = |window: u64| {
            let text = format!("nonce {} {window}", self.incarnation);
            let mac = mac(self.crypto.crypto(), &self.settings.secret, &text)?;
            Some(mac.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
        };
        let windows = [Some(window), window.checked_sub(1)];
        windows.into_iter().flatten().filter_map(nonce).collect()
    }

    fn challenge(&self, request: &Message, code: ErrorCode, now: Instant) -> Vec<u8> {
        let nonce = self.nonces(now).into_iter().next().unwrap_or_default();
        let mut attributes: Attributes<'_> = vec![
            Box::new(TextAttribute::new(ATTR_NONCE, nonce)),
            Box::new(TextAttribute::new(ATTR_REALM, self.settings.realm.clone())),
        ];
        attributes.extend(self.epilogue(request, None));
        refusal(request, code, attributes)
    }

    /// What every answer ends with. Signed only where the sender is known.
    fn epilogue<'a>(&'a self, request: &Message, key: Option<&[u8]>) -> Attributes<'a> {
        let mut attributes: Attributes<'a> =
            vec![Box::new(TextAttribute::new(ATTR_SOFTWARE, SOFTWARE.to_owned()))];
        if let Some(key) = key {
            let integrity = MessageIntegrity::new_raw_integrity_with_provider(key, self.crypto.crypto());
            attributes.push(Box::new(integrity));
        }
        if request.contains(ATTR_FINGERPRINT) {
            attributes.push(Box::new(FINGERPRINT));
        }
        attributes
    }

    fn refuse(&self, of: &Authentic, code: ErrorCode) -> Vec<u8> {
        refusal(&of.request, code, self.epilogue(&of.request, Some(&of.key)))
    }

    fn grant<'a>(&'a self, to: &Authentic, mut attributes: Attributes<'a>) -> Vec<u8> {
        attributes.extend(self.epilogue(&to.request, Some(&to.key)));
        answer(&to.request, CLASS_SUCCESS_RESPONSE, attributes)
    }

    /// How long is granted for what a request asks: at least the default, unless the server grants less.
    fn lifetime(&self, request: &Message) -> Duration {
        let mut asked = Lifetime(DEFAULT_LIFETIME);
        // Left out, it is the default.
        let _ = asked.get_from(request);
        asked.0.max(DEFAULT_LIFETIME).min(self.longest)
    }

    fn allocate(&mut self, of: &Authentic, client: SocketAddr, now: Instant) -> Vec<u8> {
        if let Some(there) = self.allocations.get(&client) {
            let repeated = there.made_by == of.request.transaction_id;
            return match repeated {
                true => self.allocated(of, there, client, now),
                false => self.refuse(of, CODE_ALLOC_MISMATCH),
            };
        }
        let mut transport = RequestedTransport::default();
        if transport.get_from(&of.request).is_err() {
            return self.refuse(of, CODE_BAD_REQUEST);
        }
        if transport.protocol != PROTO_UDP {
            return self.refuse(of, CODE_UNSUPPORTED_TRANS_PROTO);
        }
        let all = self.allocations.values().chain(&self.abandoned);
        let theirs = all.filter(|other| other.user == of.user);
        if self.quota.is_some_and(|quota| theirs.count() >= quota as usize) {
            return self.refuse(of, CODE_ALLOC_QUOTA_REACHED);
        }
        let Some(port) = self.free_port() else {
            return self.refuse(of, CODE_INSUFFICIENT_CAPACITY);
        };
        let relayed = SocketAddr::new(self.settings.address.ip(), port);
        let until = now + self.lifetime(&of.request);
        let made = Allocation::new(relayed, of.user.clone(), of.request.transaction_id, until);
        self.clients.insert(port, client);
        let answer = self.allocated(of, &made, client, now);
        self.allocations.insert(client, made);
        answer
    }

    fn allocated(
        &self,
        of: &Authentic,
        allocation: &Allocation,
        client: SocketAddr,
        now: Instant,
    ) -> Vec<u8> {
        let relayed = RelayedAddress {
            ip: allocation.relayed.ip(),
            port: allocation.relayed.port(),
        };
        let left = allocation.until.elapsed().saturating_sub(now.elapsed());
        self.grant(
            of,
            vec![
                Box::new(relayed),
                Box::new(mapped(client)),
                Box::new(Lifetime(left)),
            ],
        )
    }

    fn free_port(&mut self) -> Option<u16> {
        if self.allocations.len() + self.abandoned.len() >= MAX_ALLOCATIONS {
            return None;
        }
        (0..MAX_DRAWS)
            .map(|_| self.rng.random_range(RELAYED_PORTS))
            .find(|port| !self.clients.contains_key(port))
    }

    /// The client's allocation, or why it has none.
    fn own(&mut self, of: &Authentic, client: SocketAddr) -> Result<&mut Allocation, ErrorCode> {
        match self.allocations.get_mut(&client) {
            Some(allocation) if allocation.user == of.user => Ok(allocation),
            Some(_) => Err(CODE_WRONG_CREDENTIALS),
            None => Err(CODE_ALLOC_MISMATCH),
        }
    }

    fn refresh(&mut self, of: &Authentic, client: SocketAddr, now: Instant) -> Vec<u8> {
        let mut asked = Lifetime(DEFAULT_LIFETIME);
        let _ = asked.get_from(&of.request);
        let granted = match asked.0.is_zero() {
            true => Duration::ZERO,
            false => self.lifetime(&of.request),
        };
        match self.own(of, client) {
            Err(code) => return self.refuse(of, code),
            Ok(allocation) => allocation.until = now + granted,
        }
        self.expire(now);
        self.grant(of, vec![Box::new(Lifetime(granted))])
    }

    fn permit(&mut self, of: &Authentic, client: SocketAddr, now: Instant) -> Vec<u8> {
        let peers = peers(&of.request);
        if peers.is_empty() {
            return self.refuse(of, CODE_BAD_REQUEST);
        }
        if !peers.iter().all(|peer| peer.is_ipv4()) {
            return self.refuse(of, CODE_PEER_ADDR_FAMILY_MISMATCH);
        }
        let permitted = self.own(of, client).and_then(|allocation| {
            let mut each = peers.iter().map(|peer| allocation.permit(peer.ip(), now));
            each.try_for_each(|one| one.map_err(|Full| CODE_INSUFFICIENT_CAPACITY))
        });
        match permitted {
            Ok(()) => self.grant(of, Vec::new()),
            Err(code) => self.refuse(of, code),
        }
    }

    fn bind(&mut self, of: &Authentic, client: SocketAddr, now: Instant) -> Vec<u8> {
        let mut number = ChannelNumber::default();
        let peer = peers(&of.request).first().copied();
        let (Ok(()), Some(peer)) = (number.get_from(&of.request), peer) else {
            return self.refuse(of, CODE_BAD_REQUEST);
        };
        if !number.valid() {
            return self.refuse(of, CODE_BAD_REQUEST);
        }
        let bound = self.own(of, client).and_then(|allocation| {
            allocation
                .bind(number.0, peer, now)
                .map_err(|refused| match refused {
                    ChannelRefused::Taken => CODE_BAD_REQUEST,
                    ChannelRefused::Full => CODE_INSUFFICIENT_CAPACITY,
                })
        });
        match bound {
            Ok(()) => self.grant(of, Vec::new()),
            Err(code) => self.refuse(of, code),
        }
    }

    fn send(&self, client: SocketAddr, indication: &Message, now: Instant) -> Option<Sent> {
        let allocation = self.allocations.get(&client)?;
        let to = *peers(indication).first()?;
        let mut data = Data::default();
        data.get_from(indication).ok()?;
        allocation.permits(to.ip(), now).then_some(Sent {
            from: allocation.relayed,
            to,
            datagram: data.0,
        })
    }

    fn channel_data(&self, client: SocketAddr, datagram: &[u8], now: Instant) -> Option<Sent> {
        let mut framed = ChannelData {
            raw: datagram.to_vec(),
            ..ChannelData::default()
        };
        framed.decode().ok()?;
        let allocation = self.allocations.get(&client)?;
        let to = allocation.peer_of(framed.number.0, now)?;
        allocation.permits(to.ip(), now).then_some(Sent {
            from: allocation.relayed,
            to,
            datagram: framed.data,
        })
    }

    /// What a peer sends to a relayed address goes to its client.
    fn from_peer(
        &mut self,
        peer: SocketAddr,
        relayed: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Option<Sent> {
        let client = *self.clients.get(&relayed.port())?;
        let allocation = self.allocations.get(&client)?;
        if !allocation.permits(peer.ip(), now) {
            return None;
        }
        if let Some(number) = allocation.channel_to(peer, now) {
            let mut framed = ChannelData {
                data: datagram.to_vec(),
                number: ChannelNumber(number),
                ..ChannelData::default()
            };
            framed.encode();
            return Some(self.to_client(client, framed.raw));
        }
        let mut id = [0; 12];
        self.rng.fill_bytes(&mut id);
        let setters: Attributes<'_> = vec![
            Box::new(TransactionId(id)),
            Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
            Box::new(PeerAddress {
                ip: peer.ip(),
                port: peer.port(),
            }),
            Box::new(Data(datagram.to_vec())),
        ];
        let mut indication = Message::new();
        indication.build(&setters).ok()?;
        Some(self.to_client(client, indication.raw))
    }
}

/// Every XOR-PEER-ADDRESS of a message: CreatePermission may have several.
fn peers(message: &Message) -> Vec<SocketAddr> {
    let attributes = message.attributes.0.iter();
    let named = attributes.filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS);
    let read = |value: &[u8]| {
        let mut alone = Message::new();
        alone.transaction_id = message.transaction_id;
        alone.write_header();
        alone.add(ATTR_XOR_PEER_ADDRESS, value);
        let mut peer = PeerAddress::default();
        peer.get_from(&alone).ok()?;
        Some(SocketAddr::new(peer.ip, peer.port))
    };
    named.filter_map(|attribute| read(&attribute.value)).collect()
}

/// HMAC-SHA1, because the TURN REST API has no other.
fn mac(crypto: &dyn RTCCrypto, secret: &str, text: &str) -> Option<[u8; 20]> {
    let mut mac = crypto.new_hmac(HmacAlgorithm::Sha1, secret.as_bytes()).ok()?;
    let mut output = [0; 20];
    mac.sign(&[text.as_bytes()], &mut output).ok()?;
    Some(output)
}
