//! What coturn 4.6.1 said, and what this server says to the same: `tests/data/turn/` holds conversations, byte for byte.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use rtc::{
    crypto::{HmacAlgorithm, default_provider},
    stun::{
        attributes::{
            ATTR_ERROR_CODE, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_USERNAME,
            ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS,
        },
        error_code::ErrorCodeAttribute,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{CLASS_REQUEST, Getter, Message, MessageType, Setter},
        textattrs::TextAttribute,
    },
    turn::proto::{data::Data, lifetime::Lifetime},
};
use serde::Deserialize;

use super::{Client, Output, Server, message};
use crate::base::Instant;

#[derive(Deserialize)]
struct Recording {
    secret: String,
    realm: String,
    /// Unix time at its end, in seconds.
    at: u64,
    messages: Vec<Said>,
    /// Who sent to the relayed address, if anybody did.
    peer: Option<(IpAddr, u16)>,
}

#[derive(Deserialize)]
struct Said {
    from: String,
    what: String,
    hex: String,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&self.hex[at..at + 2], 16).expect("hex");
        (0..self.hex.len()).step_by(2).map(digits).collect()
    }
}

/// Refusals that differ on purpose, by what was asked.
const DIFFERENT: [(&str, &str, &str); 8] = [
    // coturn looks a user up once; the draft wants credentials that have ended to be refused.
    ("refresh, expired meanwhile", "success", "401"),
    ("permission, expired meanwhile", "success", "401"),
    ("refresh, expired meanwhile, new nonce", "success", "401"),
    ("permission, expired meanwhile, new nonce", "success", "401"),
    // coturn remembers the session of an allocation that was released.
    ("refresh of nothing", "success", "437"),
    // RFC 8656 §9.2 has 437 for it.
    ("permission without an allocation", "400", "437"),
    // RFC 8656 §7.2.
    ("allocate over TCP to peers", "400", "442"),
    // coturn grants 600 s at least.
    ("refresh for 5 s", "600 s", "5 s"),
];

fn password(secret: &str, user: &str) -> String {
    let provider = default_provider().expect("the stack itself has one");
    let mut mac = [0; 20];
    let mut hmac = provider
        .crypto()
        .new_hmac(HmacAlgorithm::Sha1, secret.as_bytes())
        .expect("SHA-1 is there");
    hmac.sign(&[user.as_bytes()], &mut mac).expect("it has room");
    BASE64_STANDARD.encode(mac)
}

fn read(bytes: &[u8]) -> Message {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).expect("a STUN message");
    message
}

/// What an answer comes to.
fn outcome(answer: &Message) -> String {
    if answer.contains(ATTR_ERROR_CODE) {
        let mut code = ErrorCodeAttribute::default();
        code.get_from(answer).expect("a code");
        return code.code.0.to_string();
    }
    "success".to_owned()
}

/// The attributes that matter, in no order.
fn attributes(answer: &Message) -> Vec<u16> {
    let matters = [
        ATTR_ERROR_CODE,
        ATTR_LIFETIME,
        ATTR_NONCE,
        ATTR_REALM,
        ATTR_MESSAGE_INTEGRITY,
        ATTR_XORMAPPED_ADDRESS,
        ATTR_XOR_RELAYED_ADDRESS,
    ];
    let kept = matters.into_iter().filter(|kind| answer.contains(*kind));
    kept.map(|kind| kind.value()).collect()
}

/// The address of one who is named so.
fn address_of(from: &str) -> SocketAddr {
    let port = 1_000 + from.bytes().map(u16::from).sum::<u16>();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

struct Replay {
    recording: Recording,
    server: Server,
    now: Instant,
    nonces: BTreeMap<String, String>,
}

impl Replay {
    fn new(text: &str, quota: Option<u32>) -> Self {
        let recording: Recording = serde_json::from_str(text).expect("a recording");
        let (secret, started) = (recording.secret.clone(), recording.at - 60);
        let passwords = move |user: &str, now: Instant| {
            let ends: u64 = user.split(':').next()?.parse().ok()?;
            let unix = started + now.elapsed().as_secs();
            (unix < ends).then(|| password(&secret, user))
        };
        let crypto = default_provider().expect("the stack itself has one");
        let mut server = Server::new(crypto, "nonce".to_owned(), Box::new(passwords));
        quota.into_iter().for_each(|most| server.set_quota(most));
        Self {
            recording,
            server,
            now: Instant::START + Duration::from_secs(55),
            nonces: BTreeMap::new(),
        }
    }

    /// The same request with this server's realm and nonce, signed anew; by whom it was signed wrongly, wrongly.
    fn signed_anew(&self, said: &Said) -> Vec<u8> {
        let request = read(&said.bytes());
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return said.bytes();
        }
        let crypto = default_provider().expect("the stack itself has one");
        let text = |kind| {
            TextAttribute::get_from_as(&request, kind)
                .expect("it is there")
                .text
        };
        let user = text(ATTR_USERNAME);
        let key = |realm: &str| {
            let password = password(&self.recording.secret, &user);
            let (user, realm) = (user.clone(), realm.to_owned());
            MessageIntegrity::long_term_integrity_key(user, realm, password, crypto.crypto())
                .expect("MD5 is there")
        };
        let sound =
            MessageIntegrity::check(&mut request.clone(), &key(&self.recording.realm), crypto.crypto());
        let theirs = text(ATTR_NONCE);
        let nonce = match self.nonces.get(&theirs) {
            Some(nonce) => nonce.clone(),
            None => "another".to_owned(),
        };
        let mut key = key("rtcstorm");
        if sound.is_err() {
            key[0] ^= 1;
        }
        let mut setters: Vec<Box<dyn Setter>> = vec![
            Box::new(request.transaction_id),
            Box::new(MessageType::new(request.typ.method, CLASS_REQUEST)),
        ];
        let replaced = [
            ATTR_USERNAME.value(),
            ATTR_REALM.value(),
            ATTR_NONCE.value(),
            ATTR_MESSAGE_INTEGRITY.value(),
            0x8028,
        ];
        for attribute in request.attributes.0.iter() {
            if !replaced.contains(&attribute.typ.value()) {
                setters.push(Box::new(attribute.clone()));
            }
        }
        setters.push(Box::new(TextAttribute::new(ATTR_USERNAME, user)));
        setters.push(Box::new(TextAttribute::new(ATTR_REALM, "rtcstorm".to_owned())));
        setters.push(Box::new(TextAttribute::new(ATTR_NONCE, nonce)));
        setters.push(Box::new(MessageIntegrity::new_raw_integrity_with_provider(
            key,
            crypto.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut built = Message::new();
        built.build(&setters).expect("it is short");
        built.raw
    }

    /// A client's data goes to the same peer, as it is.
    fn relays(&mut self, said: &Said, relayed: &Said) {
        assert_eq!(relayed.what, "to the peer");
        let addr = address_of(&said.from);
        let client = Client { addr, stream: false };
        self.server.from_client(client, &said.bytes(), self.now);
        let (ip, port) = self.recording.peer.expect("there is a peer");
        let wanted = Output::Relay {
            client,
            to: SocketAddr::new(ip, port),
            data: relayed.bytes(),
        };
        assert_eq!(self.server.poll_output(), Some(wanted), "{}", said.what);
        assert_eq!(self.server.poll_output(), None);
    }

    /// A peer's data comes to the client framed as by coturn, but for the number of an indication and coturn's name.
    fn hands_over(&mut self, said: &Said, theirs: &Said) {
        let addr = address_of("client");
        let client = Client { addr, stream: false };
        let (ip, port) = self.recording.peer.expect("there is a peer");
        let peer = SocketAddr::new(ip, port);
        self.server.from_peer(client, peer, &said.bytes(), self.now);
        let Some(Output::Send { bytes, .. }) = self.server.poll_output() else {
            panic!("{}: nothing is sent", said.what);
        };
        if theirs.what == "channel data" {
            return assert_eq!(bytes, theirs.bytes());
        }
        assert_eq!(theirs.what, "data indication");
        let told = |bytes: &[u8]| {
            let indication = read(bytes);
            let mut data = Data::default();
            data.get_from(&indication).expect("data");
            (indication.typ, message::peer_of(&indication), data.0)
        };
        assert_eq!(told(&bytes), told(&theirs.bytes()));
        assert_eq!(told(&bytes).1, Some(peer));
    }

    /// Plays it, and compares every answer, and all that is relayed.
    fn play(mut self) -> usize {
        let mut compared = 0;
        let messages = std::mem::take(&mut self.recording.messages);
        for (at, said) in messages.iter().enumerate() {
            let next = messages.get(at + 1);
            match (said.from.as_str(), said.what.as_str()) {
                ("client", "send indication" | "channel data") => {
                    self.relays(said, next.expect("it is relayed"));
                    compared += 1;
                    continue;
                }
                ("peer", _) => {
                    self.hands_over(said, next.expect("it is handed over"));
                    compared += 1;
                    continue;
                }
                (from, _) if from.starts_with("client") => {}
                _ => continue,
            }
            if said.what.contains("meanwhile") && said.what.starts_with("refresh") {
                self.now += Duration::from_secs(5);
            }
            let addr = address_of(&said.from);
            let client = Client { addr, stream: false };
            let theirs = read(&next.expect("it is answered").bytes());
            if outcome(&theirs) == "438" {
                // Too old for coturn; here a nonce holds as long as the server, so one of an earlier server it is.
                self.nonces.clear();
            }
            let bytes = self.signed_anew(said);
            self.server.from_client(client, &bytes, self.now);
            let mut answer = None;
            while let Some(output) = self.server.poll_output() {
                match output {
                    Output::Send { bytes, .. } => answer = Some(read(&bytes)),
                    Output::OpenRelay { client } => {
                        let relayed = SocketAddr::new(addr.ip(), 50_000 + addr.port());
                        self.server.relay_opened(client, Some(relayed));
                    }
                    Output::CloseRelay { .. } => {}
                    Output::Relay { .. } => panic!("nothing was to be relayed"),
                }
            }
            let answer = answer.unwrap_or_else(|| panic!("{}: no answer", said.what));
            assert_eq!(answer.transaction_id, theirs.transaction_id, "{}", said.what);
            if let Ok(nonce) = TextAttribute::get_from_as(&theirs, ATTR_NONCE) {
                self.nonces.insert(nonce.text, "nonce".to_owned());
            }
            let lifetime = |answer: &Message| {
                let mut lifetime = Lifetime::default();
                lifetime
                    .get_from(answer)
                    .ok()
                    .map(|()| format!("{} s", lifetime.0.as_secs()))
            };
            let known = DIFFERENT.iter().find(|(what, ..)| *what == said.what);
            match known {
                Some((_, coturn, here)) if coturn.ends_with(" s") => {
                    assert_eq!(lifetime(&theirs).as_deref(), Some(*coturn), "{}", said.what);
                    assert_eq!(lifetime(&answer).as_deref(), Some(*here), "{}", said.what);
                }
                Some((_, coturn, here)) => {
                    assert_eq!(
                        (outcome(&theirs).as_str(), outcome(&answer).as_str()),
                        (*coturn, *here),
                        "{}",
                        said.what
                    );
                }
                None => {
                    assert_eq!(outcome(&answer), outcome(&theirs), "{}", said.what);
                    assert_eq!(lifetime(&answer), lifetime(&theirs), "{}", said.what);
                    // Ours signs every refusal of a request that is proven; coturn not those of another user's.
                    if !matches!(outcome(&answer).as_str(), "437" | "441") {
                        assert_eq!(attributes(&answer), attributes(&theirs), "{}", said.what);
                    }
                }
            }
            compared += 1;
        }
        compared
    }
}

const TALK: &str = include_str!("../../tests/data/turn/coturn-talk.json");
const CREDENTIALS: &str = include_str!("../../tests/data/turn/coturn-credentials.json");
const STALE: &str = include_str!("../../tests/data/turn/coturn-stale.json");
const QUOTA: &str = include_str!("../../tests/data/turn/coturn-quota.json");

#[test]
fn a_conversation_goes_as_with_coturn() {
    assert_eq!(Replay::new(TALK, None).play(), 18);
}

#[test]
fn credentials_are_taken_and_refused_as_by_coturn_but_where_that_is_told() {
    assert_eq!(Replay::new(CREDENTIALS, None).play(), 18);
}

#[test]
fn the_quota_is_that_of_the_name_behind_the_time() {
    assert_eq!(Replay::new(QUOTA, Some(1)).play(), 4);
}

#[test]
fn a_nonce_that_is_stale_is_told_with_the_next_one_as_by_coturn() {
    assert_eq!(Replay::new(STALE, None).play(), 5);
}
