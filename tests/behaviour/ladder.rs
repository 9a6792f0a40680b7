//! The ladder of recovery in the simulated world, with the real ICE: what is tried when, and that data flows again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::{EventKind, RecoveryPath, RunEvent},
    plan::{self, expand},
    scenario::parse,
    sim::Schedule,
};

use crate::{docs::Grammar, simulated};

/// Two peers, of whom the first loses its media for so long; signaling goes on.
fn without_media(client: &str, away: &str) -> Vec<RunEvent> {
    let text = format!(
        "{{name: x, client: {client}, groups: [
           {{name: one, peers: 1, steps: [join, {{wait: connected}}, {{drop_network: {{scope: media, for: {away}}}}},
             {{wait: {{for: recovered, within: 1m}}}}, {{barrier: {{name: end, within: 4m}}}}]}},
           {{name: other, peers: 1, steps: [join, {{wait: connected}}, {{barrier: {{name: end, within: 4m}}}}]}}]}}"
    );
    let scenario = parse("scenario", &text, &Grammar).unwrap_or_else(|e| panic!("{}", e.listing()));
    let plan = Arc::new(expand(&scenario, 7, &plan::Options::default()));
    let events = simulated::play(&plan, Schedule::Fifo).0;
    let failed = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::WaitExpired { .. } | EventKind::LinkGivenUp { .. }
        )
    };
    assert!(!events.iter().any(|event| failed(&event.kind)), "{away}");
    events
}

fn recoveries(events: &[RunEvent]) -> Vec<(Instant, PeerId, RecoveryPath)> {
    let started = events.iter().filter_map(|event| match event.kind {
        EventKind::RecoveryStarted { path, .. } => Some((event.at, event.peer?, path)),
        _ => None,
    });
    started.collect()
}

/// When ICE of a peer first said that it is in that state.
fn ice_was(events: &[RunEvent], peer: PeerId, wanted: &str) -> Option<Instant> {
    let is = |event: &&RunEvent| match &event.kind {
        EventKind::IceStateChanged { state, .. } => event.peer == Some(peer) && state == wanted,
        _ => false,
    };
    events.iter().find(is).map(|event| event.at)
}

#[test]
fn ice_that_fails_is_restarted_in_that_instant_and_replaced_if_that_is_in_vain() {
    use RecoveryPath::{IceRestart, Replace};
    let (polite, impolite) = (PeerId(0), PeerId(1));
    let rules = "{restart_ice_after: none, recovery_jitter: 0s}";
    // ICE fails 30 s after the network has gone: it is back by the time that the restart checks.
    for (away, replaced) in [("31s", false), ("40s", true)] {
        let events = without_media(rules, away);
        let failed = ice_was(&events, polite, "failed").expect("it fails");
        let did = recoveries(&events);
        assert_eq!(did.first(), Some(&(failed, polite, IceRestart)), "{did:?}");
        assert_eq!(did.len(), 1 + usize::from(replaced), "{did:?}");
        if let Some((at, peer, path)) = did.get(1) {
            let later = at.since(failed);
            assert_eq!((*peer, *path), (impolite, Replace));
            let exchange = Duration::from_secs(5)..Duration::from_secs(6);
            assert!(exchange.contains(&later), "{later:?}");
        }
    }
    // Without the rule it is replaced.
    let events = without_media("{restart_ice_after: none, restart_failed: false}", "31s");
    let did = recoveries(&events);
    assert!(
        !did.is_empty() && did.iter().all(|(_, _, path)| *path == Replace),
        "{did:?}"
    );
}

#[test]
fn media_that_is_away_for_long_is_no_storm_of_replacements_and_no_end() {
    for away in ["20s", "45s", "90s"] {
        let events = without_media("reference", away);
        let mut replaced: BTreeMap<PeerId, Vec<Instant>> = BTreeMap::new();
        for (at, peer, path) in recoveries(&events) {
            if path == RecoveryPath::Replace {
                replaced.entry(peer).or_default().push(at);
            }
        }
        let all: Vec<_> = replaced.values().flatten().copied().collect();
        assert!((1..=5).contains(&all.len()), "{away}: {replaced:?}");
        for times in replaced.values() {
            let waits = times.windows(2).map(|pair| pair[1].since(pair[0]));
            assert!(
                waits.into_iter().all(|wait| wait >= Duration::from_secs(15)),
                "{away}: {times:?}"
            );
        }
    }
}
