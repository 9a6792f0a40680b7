//! A STUN server (RFC 8489): what it says to a Binding request.

use std::net::SocketAddr;

use rtc::stun::{
    attributes::ATTR_FINGERPRINT,
    fingerprint::FINGERPRINT,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter},
    xoraddr::XorMappedAddress,
};

/// The answer to a Binding request: the address that it came from. `None`: the datagram is none.
pub(super) fn binding(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let mut request = Message::new();
    request.unmarshal_binary(datagram).ok()?;
    if request.typ != BINDING_REQUEST {
        return None;
    }
    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(request.transaction_id),
        Box::new(BINDING_SUCCESS),
        Box::new(XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        }),
    ];
    if request.contains(ATTR_FINGERPRINT) {
        setters.push(Box::new(FINGERPRINT));
    }
    let mut answer = Message::new();
    answer.build(&setters).ok()?;
    Some(answer.raw)
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{Getter, TransactionId};

    use super::*;

    #[test]
    fn a_client_is_told_where_it_was_seen() {
        let mut request = Message::new();
        let id = TransactionId([7; 12]);
        request
            .build(&[Box::new(id), Box::new(BINDING_REQUEST)])
            .expect("it is short");
        let from: SocketAddr = "198.18.0.1:20000".parse().expect("an address");
        let told = binding(&request.raw, from).expect("it is answered");
        let mut answer = Message::new();
        answer.unmarshal_binary(&told).expect("it is a message");
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
