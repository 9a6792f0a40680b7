//! A STUN server (RFC 8489): what it says to a Binding request.

use std::net::SocketAddr;

use rtc::stun::{
    error_code::ErrorCode,
    fingerprint::FINGERPRINT,
    message::{
        CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_BINDING, Message, MessageClass,
        MessageType, Setter,
    },
    xoraddr::XorMappedAddress,
};

/// What a message is made of.
pub(super) type Attributes<'a> = Vec<Box<dyn Setter + 'a>>;

/// A datagram as a STUN message, if it is one.
pub(super) fn message(datagram: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.unmarshal_binary(datagram).ok()?;
    Some(message)
}

/// The answer to a Binding request: the address that it came from. `None`: the datagram is none.
pub(super) fn binding(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = message(datagram)?;
    let asks = request.typ.class == CLASS_REQUEST && request.typ.method == METHOD_BINDING;
    asks.then(|| {
        let mut attributes: Attributes<'_> = vec![Box::new(mapped(from))];
        if request.contains(rtc::stun::attributes::ATTR_FINGERPRINT) {
            attributes.push(Box::new(FINGERPRINT));
        }
        answer(&request, CLASS_SUCCESS_RESPONSE, attributes)
    })
}

/// The XOR-MAPPED-ADDRESS of a client.
pub(super) fn mapped(client: SocketAddr) -> XorMappedAddress {
    XorMappedAddress {
        ip: client.ip(),
        port: client.port(),
    }
}

/// A response to `request`.
pub(super) fn answer(request: &Message, class: MessageClass, attributes: Attributes<'_>) -> Vec<u8> {
    let mut setters: Attributes<'_> = vec![
        Box::new(request.transaction_id),
        Box::new(MessageType::new(request.typ.method, class)),
    ];
    setters.extend(attributes);
    let mut answer = Message::new();
    answer.build(&setters).expect("an answer is short");
    answer.raw
}

/// An error response with its usual words.
pub(super) fn refusal(request: &Message, code: ErrorCode, mut attributes: Attributes<'_>) -> Vec<u8> {
    attributes.insert(0, Box::new(code));
    answer(request, CLASS_ERROR_RESPONSE, attributes)
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, TransactionId};

    use super::*;

    #[test]
    fn a_client_is_told_where_it_was_seen() {
        let mut request = Message::new();
        let id = TransactionId([7; 12]);
        request
            .build(&[Box::new(id), Box::new(BINDING_REQUEST)])
            .expect("it is short");
        let from: SocketAddr = "198.18.0.1:20000".parse().expect("an address");
        let answer = binding(&request.raw, from).and_then(|answer| message(&answer));
        let answer = answer.expect("it is answered");
        assert_eq!((answer.typ, answer.transaction_id), (BINDING_SUCCESS, id));
        let mut told = XorMappedAddress::default();
        told.get_from(&answer).expect("it is there");
        assert_eq!(SocketAddr::new(told.ip, told.port), from);
    }

    #[test]
    fn what_asks_nothing_is_not_answered() {
        let from: SocketAddr = "198.18.0.1:20000".parse().expect("an address");
        assert_eq!(binding(b"", from), None);
        assert_eq!(binding(&[0xff; 40], from), None);
        let mut success = Message::new();
        success
            .build(&[Box::new(TransactionId([7; 12])), Box::new(BINDING_SUCCESS)])
            .expect("it is short");
        assert_eq!(binding(&success.raw, from), None);
    }
}
