use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent, SignalingState},
};

use super::{
    checkers::{Check, Story},
    last_events::Explains,
    membership::Presence,
    result::{About, Finding, Findings},
};

/// 5: operations are called only in states that allow them, and signaling returns to `stable`.
#[derive(Debug)]
pub(super) struct States;

impl Check for States {
    fn about(&self) -> About {
        About {
            number: 5,
            name: "operations come in states that allow them, and signaling returns to stable",
            cases_are: "connections and settled links",
            no_case: "no connection was made",
        }
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings) {
        match &event.kind {
            EventKind::ConnectionCreated { .. } => found.case(),
            EventKind::OperationFailed {
                generation,
                operation,
                state,
                allowed: false,
                error,
            } => {
                found.breach(|| Finding {
                    peer: event.peer,
                    remote: event.remote,
                    at: event.at,
                    what: format!(
                        "{} was called on {generation} in state {}: {error}",
                        operation_name(*operation),
                        state_name(*state)
                    ),
                    last_events: story.last.around(event, Explains::Control),
                });
            }
            _ => {}
        }
    }

    fn finish(&mut self, story: &Story, _now: Instant, found: &mut Findings) {
        let mut lossy = 0;
        for &peer in story.members.rooms().flat_map(|(_, peers)| peers) {
            let Some((membership, _)) = story.members.settled(peer) else {
                continue;
            };
            for (&remote, link) in &membership.links {
                let is_there =
                    remote == PeerId::SERVER || story.members.presence(remote, link.at) == Presence::Member;
                if !is_there {
                    continue;
                }
                if story.given_up.has(peer, remote) || story.paths.missing(peer, remote).is_some() {
                    continue;
                }
                found.case();
                let unstable = link.signaling_state != SignalingState::Stable;
                // ICE is disconnected now and then, and whoever notices offers: this may have been just now.
                if unstable && story.losses.heavy(peer, remote) {
                    lossy += 1;
                    continue;
                }
                if unstable {
                    found.breach(|| Finding {
                        peer: Some(peer),
                        remote: Some(remote),
                        at: link.at,
                        what: format!(
                            "{} is {} in the settled room",
                            link.generation,
                            state_name(link.signaling_state)
                        ),
                        last_events: link.last_events.clone(),
                    });
                }
            }
        }
        if lossy > 0 {
            found.note(format!(
                "{lossy} ends of links were in an exchange over a network that loses more than a fifth of everything"
            ));
        }
    }
}

/// The state as W3C WebRTC 1.0 spells it.
fn state_name(state: SignalingState) -> &'static str {
    match state {
        SignalingState::Stable => "stable",
        SignalingState::HaveLocalOffer => "have-local-offer",
        SignalingState::HaveRemoteOffer => "have-remote-offer",
        SignalingState::Closed => "closed",
    }
}

/// The call as W3C WebRTC 1.0 spells it.
fn operation_name(operation: crate::metrics::Operation) -> &'static str {
    use crate::metrics::Operation::*;
    match operation {
        CreateConnection => "RTCPeerConnection()",
        CreateOffer => "createOffer",
        CreateAnswer => "createAnswer",
        SetLocalDescription => "setLocalDescription",
        SetRemoteDescription => "setRemoteDescription",
        AddIceCandidate => "addIceCandidate",
        Send => "send",
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::{Generation, PeerId},
        metrics::{EventKind, Operation, SignalingState},
        plan::Topology,
        verdict::invariants::story::Tale,
    };

    fn failed(allowed: bool) -> EventKind {
        EventKind::OperationFailed {
            generation: Generation(1),
            operation: Operation::SetRemoteDescription,
            state: SignalingState::Stable,
            allowed,
            error: "unexpected answer".to_owned(),
        }
    }

    #[test]
    fn a_call_the_state_forbids_breaks_and_a_failure_it_allows_does_not() {
        let mut tale = Tale::of_two();
        tale.event(0, 1, failed(true)).assert_broken(&[]);
        tale.event(0, 1, failed(false)).assert_broken(&[5]);
        assert_eq!(
            tale.breaches(5),
            ["setRemoteDescription was called on g1 in state stable: unexpected answer"]
        );
    }

    #[test]
    fn a_settled_link_may_be_unstable_where_more_than_a_fifth_is_lost() {
        for (share, broken) in [("20%", false), ("10%", true)] {
            let mut tale = Tale::of_two();
            tale.losing(share)
                .link_settled(0, 1, 1, SignalingState::HaveLocalOffer);
            let result = tale.result(5);
            assert_eq!(result.is_broken(), broken, "{share}");
            assert_eq!(result.note.is_some(), !broken, "{share}");
        }
    }

    #[test]
    fn a_settled_link_to_the_server_has_to_be_stable_wherever_there_is_one() {
        for topology in [Topology::Sfu, Topology::Hub, Topology::Ingest, Topology::Egress] {
            let mut tale = Tale::of(&[1, 1]);
            let server = PeerId::SERVER.0;
            tale.linked_by(topology).join(0).join(1).wait(1);
            tale.link_settled(0, server, 1, SignalingState::Stable)
                .link_settled(1, server, 1, SignalingState::HaveLocalOffer);
            tale.assert_broken(&[5]);
            assert_eq!(
                tale.breaches(5),
                ["g0 is have-local-offer in the settled room"],
                "{topology:?}"
            );
        }
    }

    #[test]
    fn a_settled_link_that_is_not_stable_breaks() {
        let mut tale = Tale::of_two();
        tale.link_settled(0, 1, 1, SignalingState::HaveLocalOffer);
        tale.link_settled(1, 0, 1, SignalingState::Stable);
        tale.assert_broken(&[5]);
    }
}
