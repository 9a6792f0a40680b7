use crate::{
    impair::{AccessLink, Nat, Profile},
    scenario::Network,
};

/// The network without what it does, all at once and one by one.
pub(super) fn plainer(network: &Network) -> Vec<Network> {
    let mut found = vec![Network::none()];
    for index in 0..network.to.len() {
        let mut less = network.clone();
        less.to.remove(index);
        found.push(less);
        for link in plainer_links(network.to[index].link) {
            let mut less = network.clone();
            less.to[index].link = link;
            found.push(less);
        }
    }
    for link in plainer_links(network.link) {
        found.push(Network {
            link,
            ..network.clone()
        });
    }
    found.retain(|plainer| plainer != network);
    found
}

/// Both directions plainer, or alike.
fn plainer_links(link: AccessLink) -> Vec<AccessLink> {
    if link.up == link.down {
        return plainer_ways(link.up).into_iter().map(AccessLink::both).collect();
    }
    let none = Profile::none();
    let mut found = vec![
        AccessLink::none(),
        AccessLink { up: none, ..link },
        AccessLink { down: none, ..link },
        AccessLink::both(link.up),
        AccessLink::both(link.down),
    ];
    found.extend(
        plainer_ways(link.up)
            .into_iter()
            .map(|up| AccessLink { up, ..link }),
    );
    found.extend(
        plainer_ways(link.down)
            .into_iter()
            .map(|down| AccessLink { down, ..link }),
    );
    found
}

fn plainer_ways(way: Profile) -> Vec<Profile> {
    let none = Profile::none();
    let even = Profile {
        jitter: none.jitter,
        distribution: none.distribution,
        ..way
    };
    let mut found = vec![
        none,
        Profile {
            rate_bits_per_s: None,
            queue: none.queue,
            ..way
        },
        Profile {
            loss: none.loss,
            ..way
        },
        Profile {
            duplicate: none.duplicate,
            ..way
        },
        Profile {
            reorder: none.reorder,
            ..way
        },
        Profile {
            corrupt: none.corrupt,
            ..way
        },
        Profile {
            distribution: none.distribution,
            ..way
        },
        even,
        Profile {
            delay: none.delay,
            // Without a delay nothing is on its way that could be overtaken.
            reorder: none.reorder,
            ..even
        },
    ];
    found.retain(|plainer| *plainer != way);
    found.dedup();
    found
}

/// Nothing, and a NAT of the same type without anything special.
pub(super) fn plainer_nats(nat: Option<Nat>) -> Vec<Option<Nat>> {
    let mut found = match nat {
        Some(there) => vec![None, Some(Nat::of(there.kind))],
        None => Vec::new(),
    };
    found.retain(|plainer| *plainer != nat);
    found
}
