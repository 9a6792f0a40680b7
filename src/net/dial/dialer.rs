use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{http::Uri, protocol::WebSocketConfig},
};

use super::{
    Transport,
    credentials::read_rows,
    handshake::{Opening, refusal},
    jwt::Mint,
    proxy::Proxy,
    secrets::Secrets,
    tcp::{Pins, connect},
    texts::{Values, read},
    tls::{connector, secure},
};
use crate::{
    base::{PeerId, SignalingEnd, SignalingFailure},
    scenario::Access,
    signaling::Address,
};

/// Whom a run's peers are on the wire.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// The run's id, if it has one there.
    pub run: String,
    /// By peer.
    pub peers: Vec<Guest>,
    /// How many there are in the whole plan, of which this may be a segment.
    pub of: usize,
}

/// One peer.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its place in the whole plan.
    pub number: usize,
    /// Its user id.
    pub user: String,
    /// Its room's id.
    pub room: String,
    /// What its protocol puts behind the target's URL.
    pub address: Address,
}

/// The way to one signaling server, for every peer of a run.
pub struct Dialer {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    pins: Pins,
    proxy: Option<Proxy>,
    opening: Opening,
    mint: Option<Mint>,
    guests: Guests,
    secrets: Secrets,
}

impl Dialer {
    /// To `url` (`ws://` or `wss://`). Reads what is kept in files and variables, now and never again.
    ///
    /// # Errors
    /// In words, without any secret: what is missing, or can't be used.
    pub fn new(url: &str, access: &Access, guests: Guests) -> Result<Self, String> {
        let mut secrets = Secrets::default();
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("the target's URL: {error}"))?;
        let host = uri.host().ok_or("the target's URL has no host")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("wss") => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|error| format!("the target's host `{host}`: {error}"))?;
                Some((connector(&access.tls)?, name))
            }
            _ => None,
        };
        let proxy = match &access.proxy {
            None => None,
            Some(secret) => {
                let text = match secret {
                    crate::scenario::Secret::Literal(text) => text.clone(),
                    outside => read(outside, &mut secrets)?,
                };
                let proxy = Proxy::parse(&text).ok_or(
                    "the proxy's URL is none\n  help: write `http://host:port` or `socks5://host:port`, with `user:password@` if it wants them",
                )?;
                if let Some(password) = proxy.secret() {
                    secrets.add(password);
                }
                Some(proxy)
            }
        };
        let agent = user_agent(&guests.run, access.contact.as_deref());
        let opening = Opening::new(&uri, access, agent, &mut secrets)?;
        let mint = access.jwt.as_ref().map(|jwt| Mint::new(jwt, &mut secrets));
        let mint = mint.transpose()?;
        if let Some(credentials) = &access.credentials {
            let of_claims = mint.iter().flat_map(Mint::columns);
            let needed: Vec<&str> = opening.columns().chain(of_claims).collect();
            let mut all = read_rows(&credentials.file, &needed, guests.of)?;
            let own = guests
                .peers
                .iter()
                .map(|guest| std::mem::take(&mut all[guest.number]));
            secrets = secrets.with_rows(Arc::new(own.collect()));
        }
        Ok(Self {
            port: uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 }),
            host,
            tls,
            pins: Pins::new(&access.resolve),
            proxy,
            opening,
            mint,
            guests,
            secrets,
        })
    }

    /// What of this nobody has to see.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// A WebSocket for that peer; whoever waits for it knows how long.
    pub(crate) async fn open(
        &self,
        peer: PeerId,
        config: WebSocketConfig,
    ) -> Result<WebSocketStream<Transport>, SignalingEnd> {
        let opened = self.try_open(peer, config).await;
        opened.map_err(|end| self.told(peer, end))
    }

    /// The same without what is a secret.
    pub(crate) fn told(&self, peer: PeerId, end: SignalingEnd) -> SignalingEnd {
        let why = self.secrets.hide(Some(peer), &end.why);
        SignalingEnd::new(end.failure, why)
    }

    async fn try_open(
        &self,
        peer: PeerId,
        config: WebSocketConfig,
    ) -> Result<WebSocketStream<Transport>, SignalingEnd> {
        let own = |why: String| SignalingEnd::new(SignalingFailure::Other, why);
        let guest = self.guests.peers.get(peer.index());
        let mut values = Values {
            peer: guest.map_or(peer.index(), |guest| guest.number),
            user: guest.map_or("", |guest| &guest.user),
            room: guest.map_or("", |guest| &guest.room),
            run: &self.guests.run,
            row: self.secrets.row(peer),
            jwt: "",
        };
        let token;
        if let Some(mint) = &self.mint {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            token = mint.token(&values, now.as_secs()).map_err(own)?;
            values.jwt = &token;
        }
        let plain = Address::default();
        let address = guest.map_or(&plain, |guest| &guest.address);
        let request = self.opening.request(&values, address).map_err(own)?;
        let stream = match &self.proxy {
            Some(proxy) => proxy.connect(&self.pins, &self.host, self.port).await?,
            None => connect(&self.pins, &self.host, self.port).await?,
        };
        let stream = match &self.tls {
            Some((connector, name)) => {
                Transport::Tls(Box::new(secure(connector, name.clone(), stream).await?))
            }
            None => Transport::Plain(stream),
        };
        let opened = client_async_with_config(request, stream, Some(config)).await;
        opened.map(|(socket, _)| socket).map_err(refusal)
    }
}

/// What we are, and how we are stopped: whoever finds us in a log has our address already.
fn user_agent(run: &str, contact: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let run = match run.is_empty() {
        true => String::new(),
        false => format!(" run {run};"),
    };
    let ask = contact.map_or_else(String::new, |contact| format!(", or write to {contact}"));
    let process = std::process::id();
    format!("rtcstorm/{version} (load test;{run} to stop it: end process {process} at this address{ask})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_agent_says_what_we_are_and_how_to_be_stopped() {
        let agent = user_agent("run18f", Some("load@example.org"));
        let process = std::process::id();
        assert_eq!(
            agent,
            format!(
                "rtcstorm/{} (load test; run run18f; to stop it: end process {process} at this address, or write to load@example.org)",
                env!("CARGO_PKG_VERSION")
            )
        );
        assert!(user_agent("", None).ends_with(&format!(
            "(load test; to stop it: end process {process} at this address)"
        )));
    }
}
