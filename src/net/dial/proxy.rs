use std::{
    future::{Ready, ready},
    io,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{Uri, header::HeaderValue};
use hyper_util::{
    client::legacy::connect::proxy::{SocksV5, Tunnel},
    rt::TokioIo,
};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tower_service::Service;

use super::tcp::{Pins, connect};
use crate::base::{SignalingEnd, SignalingFailure};

/// What stands between us and the server.
pub(super) struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    account: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `CONNECT` (RFC 9110, section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928); the proxy looks names up.
    Socks5,
}

impl Proxy {
    /// `http://` or `socks5://`, with a user's name and password (RFC 1929) if there are any.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (kind, port) = match scheme {
            "http" => (Kind::Http, 8080),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return None,
        };
        let uri: Uri = format!("http://{rest}").parse().ok()?;
        let authority = uri.authority()?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return None;
        }
        let account = authority.as_str().rsplit_once('@').map(|(account, _)| {
            let (user, password) = account.split_once(':').unwrap_or((account, ""));
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(user), decoded(password))
        });
        Some(Self {
            kind,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            account,
        })
    }

    /// Its password, if it wants one.
    pub fn secret(&self) -> Option<&str> {
        let (_, password) = self.account.as_ref()?;
        Some(password)
    }

    /// A connection to `host` through it.
    pub async fn connect(&self, pins: &Pins, host: &str, port: u16) -> Result<TcpStream, SignalingEnd> {
        let refused = |why: String| {
            let why = format!("the proxy {}:{}: {why}", self.host, self.port);
            SignalingEnd::new(SignalingFailure::ProxyRefused, why)
        };
        let stream = connect(pins, &self.host, self.port)
            .await
            .map_err(|end| SignalingEnd {
                why: format!("the proxy: {}", end.why),
                ..end
            })?;
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let to: Uri = format!("http://{host}:{port}")
            .parse()
            .map_err(|error| refused(format!("{error}")))?;
        let proxy = Uri::from_static("http://proxy");
        let opened = Opened(Some(stream));
        let stream = match self.kind {
            Kind::Http => {
                let mut tunnel = Tunnel::new(proxy, opened);
                if let Some((user, password)) = &self.account {
                    let account = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                    let value = HeaderValue::try_from(account).map_err(|error| refused(error.to_string()))?;
                    tunnel = tunnel.with_auth(value);
                }
                tunnel
                    .call(to)
                    .await
                    .map_err(|error| refused(error.to_string()))?
            }
            Kind::Socks5 => {
                let mut socks = SocksV5::new(proxy, opened);
                if let Some((user, password)) = &self.account {
                    socks = socks.with_auth(user.clone(), password.clone());
                }
                socks.call(to).await.map_err(|error| refused(error.to_string()))?
            }
        };
        Ok(stream.into_inner())
    }
}

/// A connection that is open already, as the library wants to be given one.
struct Opened(Option<TcpStream>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _to: Uri) -> Self::Future {
        let stream = self.0.take().ok_or_else(|| io::Error::other("asked twice"));
        ready(stream.map(TokioIo::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_from_its_url() {
        for (text, kind, host, port, account) in [
            (
                "http://proxy.example.org:3128",
                Kind::Http,
                "proxy.example.org",
                3128,
                None,
            ),
            ("http://proxy/", Kind::Http, "proxy", 8080, None),
            ("socks5://[::1]", Kind::Socks5, "::1", 1080, None),
            (
                "socks5h://me:p%40ss@h:1",
                Kind::Socks5,
                "h",
                1,
                Some(("me", "p@ss")),
            ),
        ] {
            let proxy = Proxy::parse(text).expect(text);
            assert_eq!(
                (proxy.kind, proxy.host.as_str(), proxy.port),
                (kind, host, port),
                "{text}"
            );
            let found = proxy
                .account
                .as_ref()
                .map(|(user, word)| (user.as_str(), word.as_str()));
            assert_eq!(found, account, "{text}");
        }
        for text in [
            "proxy:3128",
            "https://proxy",
            "ftp://proxy",
            "http://",
            "http://a/b",
            "http://a/?b",
        ] {
            assert!(Proxy::parse(text).is_none(), "{text}");
        }
    }
}
