use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{http::Uri, protocol::WebSocketConfig},
};
use url::Url;

use super::{
    Transport,
    credentials::read_rows,
    exchange::Elsewhere,
    fetch::Fetcher,
    handshake::{Opening, refusal},
    ice_answer::FetchedServers,
    jwt::Mint,
    secrets::Secrets,
    visitors::{Guests, Visitors},
    way::Way,
};
use crate::{
    base::{IceUrl, PeerId, SignalingEnd, SignalingFailure},
    scenario::{Access, IceFetch},
    signaling::{Address, Carrier},
};

/// The way to one signaling server, and to whoever gives ICE servers out, for every peer of a run.
pub struct Dialer {
    pub(super) way: Way,
    pub(super) opening: Opening,
    fetchers: Vec<Fetcher>,
    pub(super) visitors: Visitors,
    /// What requests of HTTP are relative to.
    pub(super) base: Url,
    pub(super) elsewhere: Elsewhere,
}

/// Whom else peers ask before they come in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetches<'a> {
    /// For what.
    pub all: &'a [IceFetch],
    /// Authorities that they are trusted by, beside the target's.
    pub trusted: &'a [CertificateDer<'static>],
}

impl Dialer {
    /// To `url` (`ws://`, `wss://`, `http://` or `https://`). Reads what is kept in files and variables, now and never again.
    ///
    /// # Errors
    /// In words, without any secret: what is missing, or can't be used.
    pub fn new(url: &str, access: &Access, guests: Guests, fetches: Fetches<'_>) -> Result<Self, String> {
        let mut secrets = Secrets::default();
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("the target's URL: {error}"))?;
        let base = Url::parse(url).map_err(|error| format!("the target's URL: {error}"))?;
        let way = Way::new("the target's URL", &uri, access, &[], &mut secrets)?;
        let agent = user_agent(&guests.run, access.contact.as_deref());
        let opening = Opening::new(&uri, access, agent.clone(), &mut secrets)?;
        let fetchers = fetches
            .all
            .iter()
            .map(|of| Fetcher::new(of, (&uri, access), fetches.trusted, agent.clone(), &mut secrets));
        let fetchers: Vec<Fetcher> = fetchers.collect::<Result<_, String>>()?;
        let mint = access.jwt.as_ref().map(|jwt| Mint::new(jwt, &mut secrets));
        let mint = mint.transpose()?;
        if let Some(credentials) = &access.credentials {
            let of_claims = mint.iter().flat_map(Mint::columns);
            let of_fetches = fetchers.iter().flat_map(Fetcher::columns);
            let needed: Vec<&str> = opening.columns().chain(of_claims).chain(of_fetches).collect();
            let mut all = read_rows(&credentials.file, &needed, guests.of)?;
            let own = guests
                .peers
                .iter()
                .map(|guest| std::mem::take(&mut all[guest.number]));
            secrets = secrets.with_rows(Arc::new(own.collect()));
        }
        Ok(Self {
            way,
            opening,
            fetchers,
            visitors: Visitors {
                guests,
                mint,
                secrets,
            },
            base,
            elsewhere: Elsewhere::default(),
        })
    }

    /// The same whose requests may lead elsewhere, too.
    #[must_use]
    pub fn or(self, elsewhere: Elsewhere) -> Self {
        Self { elsewhere, ..self }
    }

    /// What carries the frames of its peers.
    pub(crate) fn carrier(&self) -> Carrier {
        self.visitors.guests.carrier
    }

    /// What of this nobody has to see.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.visitors.secrets
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
        let why = self.secrets().hide(Some(peer), &end.why);
        SignalingEnd::new(end.failure, why)
    }

    async fn try_open(
        &self,
        peer: PeerId,
        config: WebSocketConfig,
    ) -> Result<WebSocketStream<Transport>, SignalingEnd> {
        let plain = Address::default();
        let guest = self.visitors.guests.peers.get(peer.index());
        let address = guest.map_or(&plain, |guest| &guest.address);
        let request = self
            .visitors
            .with(peer, |values| self.opening.request(values, address));
        let request = request.map_err(own)?;
        let stream = self.way.open().await?;
        let opened = client_async_with_config(request, stream, Some(config)).await;
        opened.map(|(socket, _)| socket).map_err(refusal)
    }

    /// What that peer is given when it asks `of` for its ICE servers; `named`: the URLs that the scenario says. It is a secret
    /// from here on.
    pub(crate) async fn fetch(
        &self,
        peer: PeerId,
        of: &IceFetch,
        named: &[IceUrl],
    ) -> Result<FetchedServers, SignalingEnd> {
        let fetched = self.try_fetch(peer, of, named).await.map_err(|end| {
            let why = format!("ICE servers of {}: {}", of.host(), end.why);
            self.told(peer, SignalingEnd { why, ..end })
        })?;
        self.secrets().lend(peer, &fetched.servers);
        Ok(fetched)
    }

    async fn try_fetch(
        &self,
        peer: PeerId,
        of: &IceFetch,
        named: &[IceUrl],
    ) -> Result<FetchedServers, SignalingEnd> {
        let fetcher = self.fetchers.iter().find(|fetcher| fetcher.of == *of);
        let fetcher = fetcher.ok_or_else(|| own("nobody knows the way there".to_owned()))?;
        let request = self.visitors.with(peer, |values| fetcher.request(values));
        fetcher.ask(request.map_err(own)?, named).await
    }
}

pub(super) fn own(why: String) -> SignalingEnd {
    SignalingEnd::new(SignalingFailure::Other, why)
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
