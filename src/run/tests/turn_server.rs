//! A TURN server (RFC 8656) for the tests: UDP on 127.0.0.1, long-term credentials, one user. It can hold
//! its answers to Allocate back, and remembers which allocations were released.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use rtc::{
    crypto::{RTCCryptoProvider, default_provider},
    stun::{
        attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM},
        error_code::{CODE_UNAUTHORIZED, ErrorCode},
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter,
            METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_DATA,
            METHOD_REFRESH, METHOD_SEND, Message, MessageClass, MessageType, Setter, TransactionId,
        },
        textattrs::TextAttribute,
        xoraddr::XorMappedAddress,
    },
    turn::proto::{
        chandata::ChannelData,
        channum::ChannelNumber,
        data::Data,
        lifetime::{DEFAULT_LIFETIME, Lifetime},
        peeraddr::PeerAddress,
        relayaddr::RelayedAddress,
    },
};
use tokio::{net::UdpSocket, task::AbortHandle};
use webrtc::peer_connection::RTCIceServer;

const USER: &str = "user";
const PASSWORD: &str = "password";
const REALM: &str = "rtcstorm.test";
const NONCE: &str = "nonce";
/// The longest UDP datagram.
const MAX_DATAGRAM: usize = 65_535;

type Attributes<'a> = Vec<Box<dyn Setter + 'a>>;

/// Runs until it is dropped.
pub(super) struct TurnServer {
    server: Arc<Server>,
    task: AbortHandle,
}

struct Server {
    socket: UdpSocket,
    address: SocketAddr,
    crypto: Arc<dyn RTCCryptoProvider>,
    key: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the address of the client: its socket to the server is the same one all the time.
    allocations: BTreeMap<SocketAddr, Allocation>,
    releases: usize,
    holds_allocations: bool,
    held: Vec<(SocketAddr, Vec<u8>)>,
}

struct Allocation {
    relay: Arc<UdpSocket>,
    permissions: BTreeSet<IpAddr>,
    channels: BTreeMap<u16, SocketAddr>,
    task: AbortHandle,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.task.abort();
        self.server.state().allocations.clear();
    }
}

impl TurnServer {
    pub(super) fn start() -> Self {
        let (socket, address) = bind();
        let crypto = default_provider().expect("the stack itself has one");
        let key = MessageIntegrity::long_term_integrity_key(
            USER.to_owned(),
            REALM.to_owned(),
            PASSWORD.to_owned(),
            crypto.crypto(),
        )
        .expect("MD5 is there");
        let server = Arc::new(Server {
            socket,
            address,
            crypto,
            key,
            state: Mutex::default(),
        });
        let task = tokio::spawn(server.clone().serve()).abort_handle();
        Self { server, task }
    }

    pub(super) fn ice_server(&self) -> RTCIceServer {
        RTCIceServer {
            urls: vec![format!("turn:{}", self.server.address)],
            username: USER.to_owned(),
            credential: PASSWORD.to_owned(),
        }
    }

    /// From now on no Allocate succeeds before [`let_go`](Self::let_go).
    pub(super) fn hold_allocations(&self) {
        self.server.state().holds_allocations = true;
    }

    /// Sends what was held back.
    pub(super) fn let_go(&self) {
        let mut state = self.server.state();
        state.holds_allocations = false;
        for (client, answer) in std::mem::take(&mut state.held) {
            self.server.send(&answer, client);
        }
    }

    /// How many allocations there are now, and how many were released by a Refresh with lifetime 0: once
    /// everything that was sent before this call has been handled.
    pub(super) async fn allocations_and_releases(&self) -> (usize, usize) {
        let (socket, _) = bind();
        let mut request = Message::new();
        let binding = MessageType::new(METHOD_BINDING, CLASS_REQUEST);
        request
            .build(&[Box::new(TransactionId::new()), Box::new(binding)])
            .expect("it is short");
        socket
            .send_to(&request.raw, self.server.address)
            .await
            .expect("loopback takes it");
        socket.recv(&mut [0; 128]).await.expect("it is answered in turn");
        let state = self.server.state();
        (state.allocations.len(), state.releases)
    }
}

/// A socket on a free port of 127.0.0.1.
fn bind() -> (UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_nonblocking(true).expect("a socket can do that");
    let address = socket.local_addr().expect("it is bound");
    (UdpSocket::from_std(socket).expect("inside of a runtime"), address)
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds it")
    }

    /// What the socket does not take is lost, as any datagram may be.
    fn send(&self, datagram: &[u8], client: SocketAddr) {
        let _ = self.socket.try_send_to(datagram, client);
    }

    async fn serve(self: Arc<Self>) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            // An error is some client's port that is closed by now.
            if let Ok((length, client)) = self.socket.recv_from(&mut buffer).await {
                self.clone().handle(&buffer[..length], client);
            }
        }
    }

    fn handle(self: Arc<Self>, datagram: &[u8], client: SocketAddr) {
        if ChannelData::is_channel_data(datagram) {
            let mut data = ChannelData {
                raw: datagram.to_vec(),
                ..ChannelData::default()
            };
            if data.decode().is_ok() {
                self.relay_channel_data(data.number, &data.data, client);
            }
            return;
        }
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return;
        }
        match message.typ.class {
            CLASS_INDICATION if message.typ.method == METHOD_SEND => self.send_indication(&message, client),
            CLASS_REQUEST => self.request(message, client),
            _ => {}
        }
    }

    fn request(self: Arc<Self>, mut request: Message, client: SocketAddr) {
        if request.typ.method == METHOD_BINDING {
            let mapped = XorMappedAddress {
                ip: client.ip(),
                port: client.port(),
            };
            let answer = self.answer(&request, CLASS_SUCCESS_RESPONSE, vec![Box::new(mapped)]);
            return self.send(&answer, client);
        }
        if MessageIntegrity::check(&mut request, &self.key, self.crypto.crypto()).is_err() {
            let answer = self.refuse(&request, CODE_UNAUTHORIZED);
            return self.send(&answer, client);
        }
        match request.typ.method {
            METHOD_ALLOCATE => self.allocate(&request, client),
            METHOD_REFRESH => self.refresh(&request, client),
            METHOD_CREATE_PERMISSION => self.permit(&request, client),
            METHOD_CHANNEL_BIND => self.bind_channel(&request, client),
            _ => {}
        }
    }

    fn allocate(self: Arc<Self>, request: &Message, client: SocketAddr) {
        let server = self.clone();
        let mut state = server.state();
        // A request that is repeated has its allocation already.
        let allocation = state
            .allocations
            .entry(client)
            .or_insert_with(|| Allocation::new(self, client));
        let relayed = allocation.relay.local_addr().expect("it is bound");
        let attributes: Attributes = vec![
            Box::new(RelayedAddress {
                ip: relayed.ip(),
                port: relayed.port(),
            }),
            Box::new(XorMappedAddress {
                ip: client.ip(),
                port: client.port(),
            }),
            Box::new(Lifetime(DEFAULT_LIFETIME)),
        ];
        let answer = server.answer(request, CLASS_SUCCESS_RESPONSE, attributes);
        if state.holds_allocations {
            state.held.push((client, answer));
        } else {
            server.send(&answer, client);
        }
    }

    fn refresh(&self, request: &Message, client: SocketAddr) {
        let mut lifetime = Lifetime(DEFAULT_LIFETIME);
        // Left out, it is the default.
        let _ = lifetime.get_from(request);
        if lifetime.0.is_zero() {
            let mut state = self.state();
            if state.allocations.remove(&client).is_some() {
                state.releases += 1;
            }
        }
        let answer = self.answer(request, CLASS_SUCCESS_RESPONSE, vec![Box::new(lifetime)]);
        self.send(&answer, client);
    }

    fn permit(&self, request: &Message, client: SocketAddr) {
        let mut peer = PeerAddress::default();
        if let (Ok(()), Some(allocation)) =
            (peer.get_from(request), self.state().allocations.get_mut(&client))
        {
            allocation.permissions.insert(peer.ip);
            self.send(&self.answer(request, CLASS_SUCCESS_RESPONSE, Vec::new()), client);
        }
    }

    fn bind_channel(&self, request: &Message, client: SocketAddr) {
        let (mut peer, mut channel) = (PeerAddress::default(), ChannelNumber::default());
        if let (Ok(()), Ok(()), Some(allocation)) = (
            peer.get_from(request),
            channel.get_from(request),
            self.state().allocations.get_mut(&client),
        ) {
            allocation.permissions.insert(peer.ip);
            let peer = SocketAddr::new(peer.ip, peer.port);
            allocation.channels.insert(channel.0, peer);
            self.send(&self.answer(request, CLASS_SUCCESS_RESPONSE, Vec::new()), client);
        }
    }

    fn send_indication(&self, indication: &Message, client: SocketAddr) {
        let (mut peer, mut data) = (PeerAddress::default(), Data::default());
        if let (Ok(()), Ok(()), Some(allocation)) = (
            peer.get_from(indication),
            data.get_from(indication),
            self.state().allocations.get(&client),
        ) {
            allocation.send(&data.0, SocketAddr::new(peer.ip, peer.port));
        }
    }

    fn relay_channel_data(&self, channel: ChannelNumber, data: &[u8], client: SocketAddr) {
        if let Some(allocation) = self.state().allocations.get(&client)
            && let Some(peer) = allocation.channels.get(&channel.0)
        {
            allocation.send(data, *peer);
        }
    }

    /// What a peer sent to a relayed address goes to its client.
    fn deliver(&self, data: &[u8], peer: SocketAddr, client: SocketAddr) {
        let state = self.state();
        let Some(allocation) = state.allocations.get(&client) else {
            return;
        };
        if !allocation.permissions.contains(&peer.ip()) {
            return;
        }
        let channel = allocation.channels.iter().find(|(_, bound)| **bound == peer);
        if let Some((number, _)) = channel {
            let mut framed = ChannelData {
                data: data.to_vec(),
                number: ChannelNumber(*number),
                ..ChannelData::default()
            };
            framed.encode();
            return self.send(&framed.raw, client);
        }
        let mut indication = Message::new();
        let peer = PeerAddress {
            ip: peer.ip(),
            port: peer.port(),
        };
        let setters: Attributes = vec![
            Box::new(TransactionId::new()),
            Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
            Box::new(peer),
            Box::new(Data(data.to_vec())),
        ];
        indication.build(&setters).expect("a datagram fits");
        self.send(&indication.raw, client);
    }

    fn refuse(&self, request: &Message, code: ErrorCode) -> Vec<u8> {
        let attributes: Attributes = vec![
            Box::new(code),
            Box::new(TextAttribute::new(ATTR_REALM, REALM.to_owned())),
            Box::new(TextAttribute::new(ATTR_NONCE, NONCE.to_owned())),
        ];
        self.answer(request, CLASS_ERROR_RESPONSE, attributes)
    }

    /// Signed if the request was.
    fn answer(&self, request: &Message, class: MessageClass, attributes: Attributes) -> Vec<u8> {
        let mut setters: Attributes = vec![
            Box::new(request.transaction_id),
            Box::new(MessageType::new(request.typ.method, class)),
        ];
        setters.extend(attributes);
        if class == CLASS_SUCCESS_RESPONSE && request.contains(ATTR_MESSAGE_INTEGRITY) {
            setters.push(Box::new(MessageIntegrity::new_raw_integrity_with_provider(
                self.key.clone(),
                self.crypto.crypto(),
            )));
        }
        setters.push(Box::new(FINGERPRINT));
        let mut answer = Message::new();
        answer.build(&setters).expect("it is short");
        answer.raw
    }
}

impl Allocation {
    fn new(server: Arc<Server>, client: SocketAddr) -> Self {
        let relay = Arc::new(bind().0);
        let socket = relay.clone();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; MAX_DATAGRAM];
            loop {
                if let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                    server.deliver(&buffer[..length], peer, client);
                }
            }
        });
        Self {
            relay,
            permissions: BTreeSet::new(),
            channels: BTreeMap::new(),
            task: task.abort_handle(),
        }
    }

    fn send(&self, data: &[u8], peer: SocketAddr) {
        if self.permissions.contains(&peer.ip()) {
            let _ = self.relay.try_send_to(data, peer);
        }
    }
}
