//! STUN messages of a server.

use core::net::SocketAddr;

use rtc::{
    crypto::RTCCryptoProvider,
    stun::{
        attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, AttrType},
        error_code::ErrorCode,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_SUCCESS_RESPONSE, Getter, METHOD_DATA, Message,
            MessageClass, MessageType, Setter, TransactionId,
        },
        textattrs::TextAttribute,
        xoraddr::XorMappedAddress,
    },
    turn::proto::{chandata::ChannelData, channum::ChannelNumber, data::Data, peeraddr::PeerAddress},
};

pub(super) type Attributes<'a> = Vec<Box<dyn Setter + 'a>>;

/// The long-term credentials of a request that are proven (RFC 8489 §9.2).
pub(super) struct Key<'a> {
    pub bytes: &'a [u8],
    pub crypto: &'a dyn RTCCryptoProvider,
}

pub(super) fn text_of(message: &Message, attribute: AttrType) -> Option<String> {
    TextAttribute::get_from_as(message, attribute)
        .ok()
        .map(|found| found.text)
}

pub(super) fn username(message: &Message) -> Option<String> {
    text_of(message, ATTR_USERNAME)
}

/// The address of a peer in a request: the first, if there are several.
pub(super) fn peer_of(message: &Message) -> Option<SocketAddr> {
    let mut peer = PeerAddress::default();
    peer.get_from(message).ok()?;
    Some(SocketAddr::new(peer.ip, peer.port))
}

pub(super) fn mapped(address: SocketAddr) -> Box<dyn Setter> {
    Box::new(XorMappedAddress {
        ip: address.ip(),
        port: address.port(),
    })
}

pub(super) fn success(request: &Message, attributes: Attributes<'_>, key: Option<&Key<'_>>) -> Vec<u8> {
    build(request, CLASS_SUCCESS_RESPONSE, attributes, key)
}

/// A refusal; `challenge`: the realm and nonce that the request should have.
pub(super) fn error(
    request: &Message,
    code: ErrorCode,
    challenge: Option<(&str, &str)>,
    key: Option<&Key<'_>>,
) -> Vec<u8> {
    let mut attributes: Attributes<'_> = vec![Box::new(code)];
    if let Some((realm, nonce)) = challenge {
        attributes.push(Box::new(TextAttribute::new(ATTR_REALM, realm.to_owned())));
        attributes.push(Box::new(TextAttribute::new(ATTR_NONCE, nonce.to_owned())));
    }
    build(request, CLASS_ERROR_RESPONSE, attributes, key)
}

fn build(
    request: &Message,
    class: MessageClass,
    attributes: Attributes<'_>,
    key: Option<&Key<'_>>,
) -> Vec<u8> {
    let mut setters: Attributes<'_> = vec![
        Box::new(request.transaction_id),
        Box::new(MessageType::new(request.typ.method, class)),
    ];
    setters.extend(attributes);
    if let Some(key) = key {
        setters.push(Box::new(MessageIntegrity::new_raw_integrity_with_provider(
            key.bytes.to_vec(),
            key.crypto.crypto(),
        )));
    }
    setters.push(Box::new(FINGERPRINT));
    let mut answer = Message::new();
    // Its attributes are ours, and short; one that could not be built is one that is lost.
    match answer.build(&setters) {
        Ok(()) => answer.raw,
        Err(_) => Vec::new(),
    }
}

/// What a peer sent, without a channel (RFC 8656 §11.3).
pub(super) fn data_indication(id: TransactionId, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let setters: Attributes<'_> = vec![
        Box::new(id),
        Box::new(MessageType::new(METHOD_DATA, CLASS_INDICATION)),
        Box::new(PeerAddress {
            ip: peer.ip(),
            port: peer.port(),
        }),
        Box::new(Data(data.to_vec())),
    ];
    let mut indication = Message::new();
    match indication.build(&setters) {
        Ok(()) => indication.raw,
        Err(_) => Vec::new(),
    }
}

/// What a peer sent, on its channel (RFC 8656 §12.4), without padding.
pub(super) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut framed = ChannelData {
        data: data.to_vec(),
        number: ChannelNumber(number),
        ..ChannelData::default()
    };
    framed.encode();
    framed.raw.truncate(4 + data.len());
    framed.raw
}
