use std::sync::Arc;

use tokio_rustls::{
    TlsConnector,
    rustls::pki_types::{CertificateDer, ServerName},
};
use tokio_tungstenite::tungstenite::http::Uri;

use super::{
    Transport,
    proxy::Proxy,
    secrets::Secrets,
    tcp::{Pins, connect},
    texts::{long_enough, read},
    tls::{connector, secure},
};
use crate::{
    base::SignalingEnd,
    scenario::{Access, Secret, TargetTls},
};

/// The way to a host: through a proxy or not, to an address that is pinned or looked up, with TLS or without.
pub(super) struct Way {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    terms: TargetTls,
    pins: Pins,
    proxy: Option<Arc<Proxy>>,
}

impl Way {
    /// To the host of a URL, which is called `what` in errors. `trusted`: authorities beside those of `access`.
    ///
    /// # Errors
    /// In words, without any secret: the URL has no host, or what TLS and the proxy need can't be used.
    pub fn new(
        what: &str,
        uri: &Uri,
        access: &Access,
        trusted: &[CertificateDer<'static>],
        secrets: &mut Secrets,
    ) -> Result<Self, String> {
        let proxy = access.proxy.as_ref().map(|of| proxy(of, secrets)).transpose()?;
        let terms = access.tls.clone();
        let pins = Pins::new(&access.resolve);
        Self::by(what, uri, (terms, trusted), pins, proxy.map(Arc::new))
    }

    /// The same to another host.
    ///
    /// # Errors
    /// In words: the URL has no host, or what TLS needs can't be used.
    pub fn to(&self, what: &str, uri: &Uri) -> Result<Self, String> {
        let (terms, pins) = (self.terms.clone(), self.pins.clone());
        Self::by(what, uri, (terms, &[]), pins, self.proxy.clone())
    }

    fn by(
        what: &str,
        uri: &Uri,
        (terms, trusted): (TargetTls, &[CertificateDer<'static>]),
        pins: Pins,
        proxy: Option<Arc<Proxy>>,
    ) -> Result<Self, String> {
        let host = uri.host().ok_or_else(|| format!("{what} has no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("wss" | "https") => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|error| format!("{what}, its host `{host}`: {error}"))?;
                Some((connector(&terms, trusted)?, name))
            }
            _ => None,
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 }),
            host,
            tls,
            terms,
            pins,
            proxy,
        })
    }

    /// A connection.
    pub async fn open(&self) -> Result<Transport, SignalingEnd> {
        let stream = match &self.proxy {
            Some(proxy) => proxy.connect(&self.pins, &self.host, self.port).await?,
            None => connect(&self.pins, &self.host, self.port).await?,
        };
        Ok(match &self.tls {
            Some((connector, name)) => {
                Transport::Tls(Box::new(secure(connector, name.clone(), stream).await?))
            }
            None => Transport::Plain(stream),
        })
    }
}

fn proxy(of: &Secret, secrets: &mut Secrets) -> Result<Proxy, String> {
    let text = match of {
        Secret::Literal(text) => text.clone(),
        outside => read(outside, secrets)?,
    };
    let proxy = Proxy::parse(&text).ok_or(
        "the proxy's URL is none\n  help: write `http://host:port` or `socks5://host:port`, with `user:password@` if it wants them",
    )?;
    if let Some(password) = proxy.secret().filter(|password| !password.is_empty()) {
        long_enough("the proxy's password", password.len())?;
        secrets.add(password);
    }
    Ok(proxy)
}
