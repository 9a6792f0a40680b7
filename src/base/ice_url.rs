use std::{fmt, str::FromStr};

use thiserror::Error;

/// The URL of a STUN or TURN server (RFC 7064, RFC 7065): `stun:host:port`, `turn:host:port?transport=tcp`,
/// `turns:host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceUrl {
    /// What the server does.
    pub scheme: IceScheme,
    /// A name or an address; of IPv6 without brackets.
    pub host: String,
    /// 3478 if nothing is said, with TLS 5349.
    pub port: u16,
    /// What carries its messages.
    pub transport: IceTransport,
}

/// What an ICE server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceScheme {
    /// Tells a client its address (RFC 8489).
    Stun,
    /// Relays, too (RFC 8656).
    Turn,
}

/// What carries STUN messages between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceTransport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream in TLS.
    Tls,
}

/// What is wrong with an ICE server's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IceUrlError {
    /// It begins with none of the known schemes.
    #[error("it begins with none of `stun:`, `turn:` and `turns:`")]
    Scheme,
    /// There is no host, or one that can't be one.
    #[error("it names no host")]
    Host,
    /// What stands behind the host is no port.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// A query that is not `transport=udp` or `transport=tcp`.
    #[error("behind `?` only `transport=udp` or `transport=tcp` can stand")]
    Query,
    /// STUN alone is asked over UDP.
    #[error("a `stun:` server is asked over UDP")]
    StunTransport,
    /// TURN over DTLS.
    #[error("`turns:` goes over TCP; there is no DTLS to TURN servers")]
    Dtls,
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
        let (scheme, tls) = match scheme {
            "stun" => (IceScheme::Stun, false),
            "turn" => (IceScheme::Turn, false),
            "turns" => (IceScheme::Turn, true),
            _ => return Err(IceUrlError::Scheme),
        };
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or(IceUrlError::Host)?;
                let is_v6 = host.parse::<core::net::Ipv6Addr>().is_ok();
                (is_v6.then_some(host).ok_or(IceUrlError::Host)?, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let strange = |c: char| c.is_whitespace() || c.is_control() || "/@[]#,".contains(c);
        if host.is_empty() || host.contains(strange) {
            return Err(IceUrlError::Host);
        }
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse().ok().filter(|port| *port > 0);
                port.ok_or(IceUrlError::Port)?
            }
            None if port.is_empty() && tls => 5349,
            None if port.is_empty() => 3478,
            _ => return Err(IceUrlError::Port),
        };
        let transport = match (query, tls) {
            (None | Some("transport=tcp"), true) => IceTransport::Tls,
            (Some("transport=udp"), true) => return Err(IceUrlError::Dtls),
            (None | Some("transport=udp"), false) => IceTransport::Udp,
            (Some("transport=tcp"), false) => IceTransport::Tcp,
            (Some(_), _) => return Err(IceUrlError::Query),
        };
        if scheme == IceScheme::Stun && query.is_some() {
            return Err(IceUrlError::StunTransport);
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            transport,
        })
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.scheme, self.transport) {
            (IceScheme::Stun, _) => "stun",
            (IceScheme::Turn, IceTransport::Tls) => "turns",
            (IceScheme::Turn, _) => "turn",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}:[{}]:{}", self.host, self.port)?,
            false => write!(f, "{scheme}:{}:{}", self.host, self.port)?,
        }
        match self.transport {
            IceTransport::Udp => Ok(()),
            IceTransport::Tcp | IceTransport::Tls => f.write_str("?transport=tcp"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_written() {
        for (text, canonical) in [
            ("stun:stun.example.org", "stun:stun.example.org:3478"),
            ("turn:127.0.0.1:3479", "turn:127.0.0.1:3479"),
            ("turn:[::1]?transport=udp", "turn:[::1]:3478"),
            ("turn:a:9?transport=tcp", "turn:a:9?transport=tcp"),
            ("turns:a", "turns:a:5349?transport=tcp"),
            ("turns:a:443?transport=tcp", "turns:a:443?transport=tcp"),
        ] {
            let url: IceUrl = text.parse().expect("sound");
            assert_eq!(url.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(url));
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        use IceUrlError::*;
        for (text, why) in [
            ("", Scheme),
            ("turn", Scheme),
            ("stuns:a", Scheme),
            ("https://a", Scheme),
            ("turn:", Host),
            ("turn://a", Host),
            ("turn:user@a", Host),
            ("turn:[::1", Host),
            ("turn:[a]:1", Host),
            ("turn:a:0", Port),
            ("turn:a:65536", Port),
            ("turn:a:", Port),
            ("turn:a:+1", Port),
            ("turn:[::1]1", Port),
            ("turn:a?transport=sctp", Query),
            ("turn:a?", Query),
            ("stun:a?transport=tcp", StunTransport),
            ("turns:a?transport=udp", Dtls),
        ] {
            assert_eq!(text.parse::<IceUrl>(), Err(why), "{text}");
        }
    }
}
