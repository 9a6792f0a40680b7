use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! failures {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// Why a signaling socket could not be opened, or is over: a fixed set, so that failures can be counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum SignalingFailure {
            $(#[doc = $about] $variant,)*
            /// What has no name of its own.
            #[default]
            Other,
        }

        impl SignalingFailure {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)* Self::Other];
            /// Their names, in the same order.
            pub const NAMES: &[&str] = &[$($name,)* "other"];

            /// As it is in tags and events: `http_401`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "other",
                }
            }
        }
    };
}

failures! {
    NoSuchHost, "no_such_host", "The name of the host has no address.";
    ConnectionRefused, "connection_refused", "Nobody listens there (TCP).";
    Unreachable, "unreachable", "There is no way to the host.";
    Unanswered, "unanswered", "Not open in time: something on the way says nothing.";
    ProxyRefused, "proxy_refused", "The proxy does not let through, or is none.";
    TlsCertificateExpired, "tls_certificate_expired", "The server's certificate has expired, or is not valid yet.";
    TlsUntrusted, "tls_untrusted", "The server's certificate is signed by nobody who is trusted.";
    TlsWrongHost, "tls_wrong_host", "The server's certificate is for another host.";
    TlsFailed, "tls_failed", "No TLS came about otherwise: an alert of the server's, or no TLS at its end.";
    Http401, "http_401", "401 Unauthorized (RFC 9110).";
    Http403, "http_403", "403 Forbidden.";
    Http404, "http_404", "404 Not Found.";
    Http429, "http_429", "429 Too Many Requests.";
    Http502, "http_502", "502 Bad Gateway.";
    Http503, "http_503", "503 Service Unavailable.";
    HttpRedirect, "http_redirect", "A redirect (3xx): a WebSocket's is not followed, as in browsers, nor one to a host that may not be tested.";
    HttpOther, "http_other", "Another status than 101 Switching Protocols.";
    NotWebSocket, "not_websocket", "The answer to the opening handshake is no HTTP, or no handshake (RFC 6455, section 4.1).";
    SubprotocolRefused, "subprotocol_refused", "The server takes none of the subprotocols, or one that nobody has offered.";
    IceServersUnreachable, "ice_servers_unreachable", "Whoever gives ICE servers out is not reached: no address, no TCP, no TLS, or the proxy.";
    IceServersUnanswered, "ice_servers_unanswered", "Who gives ICE servers out has not answered in time.";
    IceServersHttp401, "ice_servers_http_401", "Who gives ICE servers out answers 401 Unauthorized (RFC 9110).";
    IceServersHttp403, "ice_servers_http_403", "The same: 403 Forbidden.";
    IceServersHttp404, "ice_servers_http_404", "The same: 404 Not Found.";
    IceServersHttp429, "ice_servers_http_429", "The same: 429 Too Many Requests.";
    IceServersHttpOther, "ice_servers_http_other", "The same: another status that is no success.";
    IceServersNotJson, "ice_servers_not_json", "The answer of who gives ICE servers out is no HTTP, no JSON, or too long.";
    IceServersMissing, "ice_servers_missing", "There are no ICE servers in that answer, or no credentials.";
    IceServersExpired, "ice_servers_expired", "The credentials in that answer have ended already.";
    ClosedAtOnce, "closed_at_once", "Open, and over before the server has said a word.";
    SaidNothing, "said_nothing", "Open, and the server has not said a word for as long as the client had patience.";
    Closed, "closed", "The server has closed it (RFC 6455, section 5.5.1).";
    ConnectionLost, "connection_lost", "The connection has ended without a closing handshake.";
    FrameTooLarge, "frame_too_large", "A frame or message over 1 MiB.";
    UnsupportedData, "unsupported_data", "A binary message, where the protocol is text (RFC 6455, section 7.4.1: 1003).";
    ProtocolError, "protocol_error", "What came in is no frame (RFC 6455, section 7.4.1: 1002 and 1007).";
    PingsUnanswered, "pings_unanswered", "The client's own pings had no answer: the socket is half-open.";
    NotReading, "not_reading", "The server has stopped reading.";
    AddressGone, "address_gone", "The peer is in another network: its address is not its own any more.";
    Scripted, "scripted", "A step has cut it.";
}

impl SignalingFailure {
    /// Of an answer to the opening handshake that is none: by its HTTP status.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Http401,
            403 => Self::Http403,
            404 => Self::Http404,
            429 => Self::Http429,
            502 => Self::Http502,
            503 => Self::Http503,
            300..=399 => Self::HttpRedirect,
            _ => Self::HttpOther,
        }
    }
}

impl fmt::Display for SignalingFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for SignalingFailure {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for SignalingFailure {
    /// A name that is not known, of a later version, is [`SignalingFailure::Other`].
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let known = Self::ALL.iter().find(|failure| failure.name() == name);
        Ok(known.copied().unwrap_or_default())
    }
}

/// Why a signaling socket is over, by name and in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}: {why}")]
pub struct SignalingEnd {
    /// Its name.
    pub failure: SignalingFailure,
    /// What is known about it; no secret is in it.
    pub why: String,
}

impl SignalingEnd {
    /// One of that name.
    pub fn new(failure: SignalingFailure, why: impl Into<String>) -> Self {
        Self {
            failure,
            why: why.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_one_name_and_is_found_by_it() {
        let mut names = SignalingFailure::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SignalingFailure::ALL.len());
        for failure in SignalingFailure::ALL {
            let text = serde_json::to_string(failure).expect("a text");
            assert_eq!(text, format!("\"{failure}\""));
            assert_eq!(
                serde_json::from_str::<SignalingFailure>(&text).ok(),
                Some(*failure)
            );
        }
        let later = serde_json::from_str::<SignalingFailure>("\"teapot\"").ok();
        assert_eq!(later, Some(SignalingFailure::Other));
    }

    #[test]
    fn a_status_is_told_by_its_number_where_it_means_something() {
        for (status, name) in [
            (401, "http_401"),
            (403, "http_403"),
            (404, "http_404"),
            (502, "http_502"),
            (301, "http_redirect"),
            (308, "http_redirect"),
            (200, "http_other"),
            (418, "http_other"),
        ] {
            assert_eq!(SignalingFailure::of_status(status).name(), name);
        }
    }
}
