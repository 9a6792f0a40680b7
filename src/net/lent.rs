//! ICE servers that peers fetch, kept until their credentials end, and those that signaling servers offer them, kept until
//! others are offered.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::dial::{Dialer, FetchedServers};
use crate::{
    base::{PeerId, SignalingEnd},
    scenario::{IceAccount, IceServer, IceServers},
};

/// So long before they end credentials are not begun with any more, in seconds: an allocation has to be made with them.
const MARGIN_S: u64 = 5;

/// What each peer was given, by the place of the server among those of its `ice`.
pub(super) struct Lent {
    dialer: Arc<Dialer>,
    kept: Mutex<BTreeMap<(PeerId, usize), Arc<Slot>>>,
    offered: Mutex<BTreeMap<PeerId, Vec<IceServer>>>,
}

type Fetched = Result<Arc<FetchedServers>, SignalingEnd>;

#[derive(Default)]
struct Slot {
    /// How often somebody was asked.
    asked: AtomicU64,
    last: tokio::sync::Mutex<Option<Fetched>>,
}

impl Lent {
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self {
            dialer,
            kept: Mutex::default(),
            offered: Mutex::default(),
        }
    }

    /// A signaling server has offered these to that peer.
    pub fn offer(&self, peer: PeerId, servers: Vec<IceServer>) {
        self.dialer.secrets().lend(peer, &servers);
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        offered.insert(peer, servers);
    }

    fn offered(&self, peer: PeerId) -> Vec<IceServer> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        offered.get(&peer).cloned().unwrap_or_default()
    }

    /// The servers of that peer: what it was offered, if that is what it uses, or those that are named, with what it is
    /// given in the place of what has to be fetched: what it has already, or if that is over, what it is given now.
    /// Those who ask meanwhile wait for the same answer.
    pub async fn servers(&self, peer: PeerId, servers: &IceServers) -> Result<Vec<IceServer>, SignalingEnd> {
        let named = match servers {
            IceServers::Named(named) => named,
            IceServers::Offered => return Ok(self.offered(peer)),
            IceServers::None | IceServers::Bundled => return Ok(Vec::new()),
        };
        let mut all = Vec::new();
        for (place, server) in named.iter().enumerate() {
            match &server.account {
                IceAccount::Fetched(fetch) => {
                    let ask = || self.dialer.fetch(peer, fetch, &server.urls);
                    let fetched = self.slot(peer, place).get(ask).await?;
                    all.extend(fetched.servers.iter().cloned());
                }
                _ => all.push(server.clone()),
            }
        }
        Ok(all)
    }

    fn slot(&self, peer: PeerId, place: usize) -> Arc<Slot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry((peer, place)).or_default().clone()
    }
}

impl Slot {
    async fn get<A>(&self, ask: impl FnOnce() -> A) -> Fetched
    where
        A: Future<Output = Result<FetchedServers, SignalingEnd>>,
    {
        let before = self.asked.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(kept)) if holds(kept, unix_s()) => return Ok(kept.clone()),
            // Somebody else of this peer has just failed.
            Some(Err(end)) if self.asked.load(Ordering::Acquire) != before => return Err(end.clone()),
            _ => {}
        }
        let fetched = ask().await.map(Arc::new);
        *last = Some(fetched.clone());
        self.asked.fetch_add(1, Ordering::AcqRel);
        fetched
    }
}

fn holds(kept: &FetchedServers, now_unix_s: u64) -> bool {
    let ends = kept.ends_unix_s;
    ends.is_none_or(|ends| now_unix_s.saturating_add(MARGIN_S) < ends)
}

fn unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{net::dial, scenario::Access};

    #[tokio::test]
    async fn what_a_peer_was_offered_last_is_its_own_and_a_secret() {
        let access = Access::default();
        let (guests, fetches) = (dial::Guests::default(), dial::Fetches::default());
        let dialer = Dialer::new("ws://127.0.0.1:9/", &access, guests, fetches).expect("a way");
        let lent = Lent::new(Arc::new(dialer));
        let server = |credential: &str| IceServer {
            urls: vec!["turn:turn.example.org".parse().expect("a URL")],
            account: IceAccount::LongTerm {
                username: "1795473642:ann".to_owned(),
                credential: credential.to_owned(),
            },
        };
        lent.offer(PeerId(1), vec![server("rhW49yt2+/0=")]);
        lent.offer(PeerId(1), vec![server("another one")]);
        let of = async |peer| lent.servers(peer, &IceServers::Offered).await.ok();
        assert_eq!(of(PeerId(1)).await, Some(vec![server("another one")]));
        assert_eq!(of(PeerId(0)).await, Some(Vec::new()));
        let said = "neither rhW49yt2+/0= nor another one of 1795473642:ann";
        let secrets = lent.dialer.secrets();
        let hidden = "neither [hidden] nor [hidden] of [hidden]";
        assert_eq!(secrets.hide(Some(PeerId(1)), said), hidden);
    }
}
