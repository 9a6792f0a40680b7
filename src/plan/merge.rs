//! Segments of one plan, put together again.

use std::collections::BTreeMap;

use super::{Options, Plan, Segment, expand::expand_rooms};
use crate::{
    base::{BarrierId, PeerId, PeerNumber},
    scenario::Scenario,
};

/// What several segments have played, as one plan: the whole, if none is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The rooms of all segments, in the order of the whole plan. Ids count anew, as in any plan.
    pub plan: Plan,
    /// The segments, in the order in which they were given.
    pub shares: Vec<Share>,
}

/// What one segment's ids are in the merged plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Which one.
    pub segment: Segment,
    /// By the peer's id in the segment.
    pub peers: Vec<PeerId>,
    /// By the barrier's id in the segment.
    pub barriers: Vec<BarrierId>,
}

/// Puts segments together; `parts` are segments of one count, each once, with what their ids on the wire begin with.
pub fn merge(scenario: &Scenario, seed: u64, parts: &[(Segment, Option<String>)]) -> Merged {
    let wanted = |room| parts.iter().any(|(segment, _)| segment.holds(room));
    let mut plan = expand_rooms(scenario, seed, None, wanted);
    let places: BTreeMap<PeerNumber, PeerId> = plan.peers.iter().map(|peer| (peer.number, peer.id)).collect();
    let shares = parts.iter().map(|(segment, run_id)| {
        let options = Options {
            run_id: run_id.clone(),
            segment: *segment,
        };
        let part = super::expand(scenario, seed, &options);
        let peers: Vec<PeerId> = part.peers.iter().map(|peer| places[&peer.number]).collect();
        // They had these ids on the wire, whatever others had.
        for (peer, place) in part.peers.iter().zip(&peers) {
            plan.peers[place.index()].user_id.clone_from(&peer.user_id);
        }
        let mut barriers = Vec::new();
        for room in &part.rooms {
            let place = plan.peers[peers[room.peers[0].index()].index()].room;
            plan.rooms[place.index()].wire_id.clone_from(&room.wire_id);
            barriers.extend(
                plan.barriers
                    .iter()
                    .filter(|line| line.room == place)
                    .map(|line| line.id),
            );
        }
        Share {
            segment: *segment,
            peers,
            barriers,
        }
    });
    let shares = shares.collect();
    Merged { plan, shares }
}

/// A merged plan with only the rooms and scripts that this share has played: what it is judged by. The others' rooms are
/// empty, and who has nothing to do is done.
pub fn plan_of(merged: &Plan, share: &Share) -> Plan {
    let mut plan = merged.clone();
    let mut played = vec![false; plan.peers.len()];
    for peer in &share.peers {
        played[peer.index()] = true;
    }
    let rooms = plan.rooms.iter_mut();
    let others = rooms.filter(|room| room.peers.iter().any(|peer| !played[peer.index()]));
    others.for_each(|room| room.peers.clear());
    let others = plan.peers.iter_mut().zip(played).filter(|(_, played)| !played);
    others.for_each(|(peer, _)| peer.script.clear());
    plan
}
