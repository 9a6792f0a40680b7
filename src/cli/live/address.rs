use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

/// Where the page is served: `9090` and `:9090` on the loopback alone, `HOST:PORT` where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct LiveAddress {
    /// As it was given.
    host: String,
    addr: SocketAddr,
}

impl FromStr for LiveAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "PORT or HOST:PORT like 127.0.0.1:9090; port 0 is any that is free".to_owned();
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if host.is_empty() {
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            return Ok(Self {
                host: addr.ip().to_string(),
                addr,
            });
        }
        let bare = bare(host);
        if bare.contains(':') && bare == host {
            return Err("an IPv6 address in brackets: [::1]:9090".to_owned());
        }
        let addr = match bare.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::from((ip, port))),
            Err(_) => (bare, port)
                .to_socket_addrs()
                .map_err(|error| format!("`{host}` has no address here: {error}"))?
                // A server in the same house most often has both, and Prometheus asks the first.
                .next(),
        };
        Ok(Self {
            host: host.to_owned(),
            addr: addr.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for LiveAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.addr.port())
    }
}

impl LiveAddress {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn is_loopback(&self) -> bool {
        self.addr.ip().is_loopback()
    }

    /// Whether a request with that `Host` is for us. A name that somebody else owns may be bound to our address, and
    /// their page would then read ours; an address can't, and `localhost` belongs to the machine.
    pub fn answers_to(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !name.ends_with(':') => name,
            _ => host,
        };
        let name = bare(name);
        match name.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback() || !self.is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(bare(&self.host)),
        }
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> LiveAddress {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_port_alone_is_on_the_loopback() {
        for text in ["9090", ":9090", "127.0.0.1:9090", "localhost:9090"] {
            assert!(address(text).is_loopback(), "{text}");
            assert_eq!(address(text).addr().port(), 9090);
        }
        assert!(address("[::1]:0").is_loopback());
        assert!(!address("0.0.0.0:9090").is_loopback());
        for wrong in [
            "",
            "host",
            "127.0.0.1",
            "1:2:3",
            "::1",
            "127.0.0.1:66666",
            "http://127.0.0.1:1/",
        ] {
            assert!(wrong.parse::<LiveAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_others_are_not_answered_to() {
        let own = address("127.0.0.1:9090");
        for host in [
            "127.0.0.1:9090",
            "localhost:9090",
            "LOCALHOST",
            "[::1]:9090",
            "[::1]",
            "127.0.0.1:1",
        ] {
            assert!(own.answers_to(host), "{host}");
        }
        for host in [
            "evil.example:9090",
            "192.0.2.1:9090",
            "localhost.evil.example",
            "",
        ] {
            assert!(!own.answers_to(host), "{host}");
        }
        let open = address("0.0.0.0:9090");
        assert!(open.answers_to("192.0.2.1:9090"));
        assert!(!open.answers_to("evil.example:9090"));
    }
}
