use std::collections::BTreeMap;

use crate::{
    base::PeerId,
    plan::{PeerPlan, Plan},
};

/// One way, both access links together: about 10 % each. From there on a run of lost round trips that lasts
/// for as long as a room may take to settle is no rare thing: SCTP's time-outs double (RFC 9260 §6.3.3), so
/// that 30 s are five of them.
const HEAVY: f64 = 0.2;

/// The same for silence on an open channel: of five round trips in a row, the time-outs of 30 s, all are lost in
/// one of 100,000 cases with a twentieth lost one way, and in practically none below that.
const SILENCING: f64 = 0.05;

/// What the plan's networks lose, or corrupt.
#[derive(Debug)]
pub(super) struct Losses {
    /// By peer: the largest share at any time towards anybody whom its networks don't name.
    links: Vec<f64>,
    /// By peer and remote, where a network names the remote.
    named: BTreeMap<(PeerId, PeerId), f64>,
}

impl Losses {
    pub fn new(plan: &Plan) -> Self {
        let mut named = BTreeMap::new();
        for peer in &plan.peers {
            let remotes = peer.networks().flat_map(|network| &network.to);
            for remote in remotes.flat_map(|path| &path.with) {
                let most = peer.networks().map(|network| network.wasted(*remote));
                named.insert((peer.id, *remote), most.fold(0.0, f64::max));
            }
        }
        let most = |peer: &PeerPlan| {
            let all = peer.networks().map(|network| network.link.wasted());
            all.fold(0.0, f64::max)
        };
        Self {
            links: plan.peers.iter().map(most).collect(),
            named,
        }
    }

    /// The share of datagrams from one to the other that is lost.
    fn between(&self, a: PeerId, b: PeerId) -> f64 {
        let passes = |peer: PeerId, remote: PeerId| {
            let named = self.named.get(&(peer, remote));
            1.0 - named.or(self.links.get(peer.index())).copied().unwrap_or(0.0)
        };
        1.0 - passes(a, b) * passes(b, a)
    }

    /// Whether so much is that silence is no proof that something is wrong.
    pub fn silences(&self, a: PeerId, b: PeerId) -> bool {
        self.between(a, b) > SILENCING
    }

    /// Whether so much is that a connection may well not open, or not be mended, in time.
    pub fn heavy(&self, a: PeerId, b: PeerId) -> bool {
        self.between(a, b) > HEAVY
    }
}
