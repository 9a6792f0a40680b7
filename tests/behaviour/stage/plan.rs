use std::time::Duration;

use rtcstorm::{
    base::{Instant, PeerId, PeerNumber, RoomId},
    plan::{Action, PeerPlan, Plan, PlannedStep, RoomPlan},
    scenario::ClientRules,
};

/// What one peer does.
#[derive(Debug, Clone)]
pub struct Script {
    pub steps: Vec<PlannedStep>,
    pub ends_after: Duration,
}

/// A script from `(offset in ms, action)` that ends `ends_after` ms after its last anchor.
pub fn script(steps: &[(u64, Action)], ends_after: u64) -> Script {
    let planned = |(after, action): &(u64, Action)| PlannedStep {
        after: Duration::from_millis(*after),
        action: action.clone(),
    };
    Script {
        steps: steps.iter().map(planned).collect(),
        ends_after: Duration::from_millis(ends_after),
    }
}

/// One room, a script for each peer; the n-th arrives `arrivals[n]` ms after the start.
pub(super) fn plan(rules: ClientRules, arrivals: &[u64], scripts: Vec<Script>) -> Plan {
    let ids: Vec<PeerId> = (0..scripts.len() as u32).map(PeerId).collect();
    let peers = ids
        .iter()
        .zip(arrivals)
        .zip(scripts)
        .map(|((id, at), script)| PeerPlan {
            id: *id,
            number: PeerNumber(id.0),
            room: RoomId(0),
            group: None,
            user_id: format!("p{:04}", id.0),
            arrive_at: Instant::from_millis(*at),
            rules,
            network: Default::default(),
            nat: None,
            ice: Default::default(),
            script: script.steps,
            ends_after: script.ends_after,
        })
        .collect();
    Plan {
        scenario: "stage".into(),
        seed: 1,
        rooms: vec![RoomPlan {
            id: RoomId(0),
            wire_id: "room-0000".into(),
            peers: ids,
        }],
        peers,
        barriers: Vec::new(),
        duration: None,
        warm_up: Duration::ZERO,
        burst: None,
        connect_timeout: Duration::from_secs(30),
        relay_mode: Default::default(),
        protocol: Default::default(),
        message_timeout: Duration::from_secs(30),
    }
}
