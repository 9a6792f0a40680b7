//! What a plan says of a peer's network, as the models of links take it.

use crate::{
    impair::{self, Cutting, Remotes, Way},
    plan,
    world::PeerNetwork,
};

/// What has to be cut so that the network is away like that.
pub(super) fn cuttings(what: plan::DropNetwork) -> Vec<Cutting> {
    let way = match what.direction {
        plan::Ways::Both => None,
        plan::Ways::Out => Some(Way::Out),
        plan::Ways::In => Some(Way::In),
    };
    let scope = match what.scope {
        plan::Scope::Media => impair::Scope::Media,
        plan::Scope::Signaling => impair::Scope::Signaling,
        plan::Scope::Both => impair::Scope::Both,
    };
    let mut cuttings = Vec::new();
    if what.server_lost {
        cuttings.push(Cutting {
            scope: impair::Scope::Signaling,
            remotes: Remotes::All,
            way,
        });
    }
    let remotes = match what.with.is_empty() {
        true => Remotes::All,
        false => Remotes::Only(what.with.into_iter().collect()),
    };
    cuttings.push(Cutting { scope, remotes, way });
    cuttings
}

/// Makes the access link, and the ways beyond it, like that.
pub(super) fn become_of(network: &PeerNetwork, planned: &plan::Network) {
    let to = planned.to.iter();
    let paths: Vec<_> = to
        .flat_map(|path| path.with.iter().map(|remote| (*remote, path.link)))
        .collect();
    network.set(planned.link, &paths);
}
