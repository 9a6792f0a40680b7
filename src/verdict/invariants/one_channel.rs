use crate::{
    base::{Instant, PeerId},
    metrics::RunEvent,
};

use super::{
    checkers::{Check, Story},
    last_events::Explains,
    membership::Presence,
    result::{About, Finding, Findings, Visibility},
};

/// 1: in a settled room every two members have exactly one open data channel. Behind an SFU a channel is the media of one
/// that the other has, and behind a hub the way through the server.
///
/// A member's report of its link to another member is judged by itself; a report that is missing is held
/// against a member only if the other one settled too. No channel is not held against anybody where the
/// network loses so much that none may have opened in time, nor where a client gave the link up while the script kept
/// the network away. Two that can't connect by design are not judged.
#[derive(Debug)]
pub(super) struct OneChannel;

impl Check for OneChannel {
    fn about(&self) -> About {
        About {
            number: 1,
            name: "one open link between every two members",
            cases_are: "pairs",
            no_case: "no two members were in a room when it settled",
        }
    }

    fn hidden(&self, sees: Visibility) -> Option<&'static str> {
        (!sees.pairs()).then_some("members have no links to one another, but to the server alone")
    }

    fn observe(&mut self, _: &RunEvent, _: &Story, _: &mut Findings) {}

    fn finish(&mut self, story: &Story, _now: Instant, found: &mut Findings) {
        if let Some(note) = story.members.unsettled_note() {
            found.note(note);
        }
        let (mut lossy, mut hopeless) = (0, 0);
        let mut apart = Vec::new();
        for (_, peers) in story.members.rooms() {
            for (nth, &a) in peers.iter().enumerate() {
                for &b in &peers[nth + 1..] {
                    if story.given_up.has(a, b) {
                        hopeless += 1;
                        found.case();
                        continue;
                    }
                    if let Some(why) = story.paths.missing(a, b) {
                        apart.push((a, b, why));
                        continue;
                    }
                    let a_judged = judge_end(story, a, b, found, &mut lossy);
                    let b_judged = judge_end(story, b, a, found, &mut lossy);
                    if a_judged || b_judged {
                        found.case();
                    }
                }
            }
        }
        if hopeless > 0 {
            found.note(format!(
                "links given up while the script kept their network away: {hopeless}"
            ));
        }
        if let [(a, b, why), rest @ ..] = &apart[..] {
            let others = match rest.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            found.note(format!("not judged: {a} and {b} ({why}){others}"));
        }
        if lossy > 0 {
            found.note(format!(
                "{lossy} ends of links had no channel over a network that loses more than a fifth of everything"
            ));
        }
    }
}

/// Judges what `peer` told of its link to `remote`; `false` if they were no two members then.
fn judge_end(story: &Story, peer: PeerId, remote: PeerId, found: &mut Findings, lossy: &mut u64) -> bool {
    let Some((membership, at)) = story.members.settled(peer) else {
        return false;
    };
    let (at, what, seen) = match membership.links.get(&remote) {
        Some(link) => {
            let channels = match link.open_channels {
                1 => None,
                0 => Some("no open data channel".to_owned()),
                more => Some(format!("{more} open data channels")),
            };
            let what =
                channels.map(|channels| format!("{channels} on {} in the settled room", link.generation));
            (link.at, what, link.last_events.clone())
        }
        None => {
            let Some((_, remote_at)) = story.members.settled(remote) else {
                return false;
            };
            if story.members.presence(peer, remote_at) != Presence::Member {
                return false;
            }
            let what = "no link to another member of the settled room".to_owned();
            (
                at,
                Some(what),
                story.last.of_link(peer, remote, Explains::Control),
            )
        }
    };
    if story.members.presence(remote, at) != Presence::Member {
        return false;
    }
    let closed = membership
        .links
        .get(&remote)
        .is_some_and(|link| link.open_channels == 0);
    if closed && story.losses.heavy(peer, remote) {
        *lossy += 1;
        return true;
    }
    if let Some(what) = what {
        found.breach(|| Finding {
            peer: Some(peer),
            remote: Some(remote),
            at,
            what,
            last_events: seen,
        });
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::{
        base::PeerId,
        metrics::{EventKind, SignalingState::Stable},
        plan::{Nat, NatKind, Topology},
        verdict::invariants::{InvariantStatus, story::Tale},
    };

    #[test]
    fn two_that_cannot_connect_are_not_judged_and_the_note_says_why() {
        let nat = |kind| Some(Nat::of(kind));
        let tale = |nats: [Option<Nat>; 3]| {
            let mut tale = Tale::behind(&nats);
            tale.join(0).join(1).join(2).connect(0, 2).connect(1, 2);
            tale.settle(0, &[0, 1, 2]).link_settled(0, 1, 0, Stable);
            tale.result(1)
        };
        let spared = tale([nat(NatKind::Symmetric), nat(NatKind::PortRestricted), None]);
        assert_eq!((spared.status, spared.cases), (InvariantStatus::Held, 2));
        let note = spared.note.unwrap_or_default();
        assert_eq!(
            note,
            "not judged: peer-0 and peer-1 (no path between them: one is behind a symmetric NAT, the other behind a port-restricted one, and no relay is configured)"
        );
        let judged = tale([nat(NatKind::Symmetric), nat(NatKind::AddressRestricted), None]);
        assert_eq!(judged.status, InvariantStatus::Broken);
    }

    #[test]
    fn none_or_two_channels_are_found_at_the_end_that_has_them() {
        for channels in [0, 2] {
            let mut tale = Tale::of_two();
            tale.link_settled(0, 1, 1, Stable)
                .link_settled(1, 0, channels, Stable);
            let findings = tale.result(1).findings;
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].peer.map(|peer| peer.0), Some(1));
            assert_eq!(findings[0].last_events.len(), 12);
        }
    }

    #[test]
    fn a_link_is_not_judged_that_was_given_up_while_its_network_was_away() {
        let tale = |gives_up: bool, ends: u64, opens_again: bool| {
            let mut tale = Tale::of_two();
            tale.fault(0, 1, ends).wait(100);
            if gives_up {
                tale.give_up(1, 0);
            }
            if opens_again {
                tale.open(1, 0);
            }
            tale.link_settled(0, 1, 0, Stable).link_settled(1, 0, 0, Stable);
            tale.result(1)
        };
        let spared = tale(true, 60_000, false);
        assert!(spared.findings.is_empty(), "{:?}", spared.findings);
        assert!(spared.note.is_some_and(|note| note.ends_with("away: 1")));
        for (gives_up, ends, opens_again) in [(false, 60_000, false), (true, 50, false), (true, 60_000, true)]
        {
            assert_eq!(tale(gives_up, ends, opens_again).findings.len(), 2);
        }
    }

    #[test]
    fn no_channel_is_held_against_nobody_where_more_than_a_fifth_is_lost() {
        let tale = |channels, share: &str| {
            let mut tale = Tale::of_two();
            tale.losing(share)
                .link_settled(0, 1, channels, Stable)
                .link_settled(1, 0, channels, Stable);
            tale.result(1)
        };
        assert_eq!(tale(0, "10%").findings.len(), 2, "19 % one way");
        let heavy = tale(0, "20%");
        assert!(heavy.findings.is_empty(), "{:?}", heavy.findings);
        assert!(heavy.note.is_some_and(|note| note.starts_with("2 ends of links")));
        assert_eq!(tale(2, "20%").findings.len(), 2);
    }

    #[test]
    fn a_link_that_is_not_reported_between_two_settled_members_is_missing() {
        let mut tale = Tale::of_two();
        tale.link_settled(0, 1, 1, Stable)
            .roster_seen(1, &[0, 1], &[0, 1]);
        assert_eq!(
            tale.breaches(1),
            ["no link to another member of the settled room"]
        );
    }

    #[test]
    fn who_left_before_the_room_settled_is_not_missed() {
        let mut tale = Tale::of(&[3]);
        tale.join(0)
            .join(1)
            .join(2)
            .connect(0, 1)
            .connect(0, 2)
            .connect(1, 2);
        tale.leave(2).settle(0, &[0, 1]).end(0, &[0, 1]);
        tale.assert_broken(&[]);
        assert_eq!(tale.result(1).cases, 1);
    }

    #[test]
    fn a_link_to_somebody_who_is_just_leaving_is_not_held_against_it() {
        let mut tale = Tale::of_two();
        let (planned, incarnation) = (crate::base::Instant::START, tale.incarnation(1));
        let leave = EventKind::LeaveStarted {
            planned,
            incarnation,
            scripted: true,
        };
        tale.event(1, None, leave).wait(1).link_settled(0, 1, 0, Stable);
        assert!(tale.breaches(1).is_empty());
    }

    #[test]
    fn a_room_that_settles_after_an_interruption_is_not_judged() {
        let mut tale = Tale::of_two();
        tale.event(None, None, EventKind::Interrupted);
        tale.wait(1)
            .link_settled(0, 1, 0, Stable)
            .link_settled(1, 0, 0, Stable);
        let InvariantStatus::NotApplicable { why } = tale.result(1).status else {
            panic!("judged");
        };
        assert_eq!(why, "no room settled before the run was stopped");
    }

    #[test]
    fn a_room_that_settled_before_the_deadline_is_judged_though_another_is_not() {
        let mut tale = Tale::of(&[2, 2]);
        tale.join(0).join(1).connect(0, 1).join(2).join(3);
        tale.link_settled(0, 1, 0, Stable).link_settled(1, 0, 1, Stable);
        tale.event(None, None, EventKind::DeadlineReached);
        let result = tale.result(1);
        assert_eq!(result.findings.len(), 1);
        assert_eq!(
            result.note.as_deref(),
            Some("1 of 2 rooms did not settle before the run was stopped")
        );
    }

    #[test]
    fn through_a_server_it_is_judged_where_members_have_links_to_one_another() {
        for topology in [Topology::Mesh, Topology::Sfu, Topology::Hub] {
            let mut tale = Tale::of_two();
            tale.linked_by(topology)
                .link_settled(0, 1, 1, Stable)
                .link_settled(1, 0, 0, Stable);
            assert_eq!(
                tale.breaches(1),
                ["no open data channel on g1 in the settled room"],
                "{topology:?}"
            );
            tale.link_settled(1, 0, 1, Stable).assert_broken(&[]);
            assert_eq!(tale.result(1).cases, 1, "{topology:?}");
        }
        for topology in [Topology::Ingest, Topology::Egress] {
            let mut tale = Tale::of_two();
            tale.linked_by(topology)
                .link_settled(0, PeerId::SERVER.0, 0, Stable);
            let InvariantStatus::NotApplicable { why } = tale.result(1).status else {
                panic!("{topology:?} is judged");
            };
            assert_eq!(
                why,
                "members have no links to one another, but to the server alone"
            );
        }
    }

    #[test]
    fn a_link_through_the_server_is_not_judged_whose_network_to_the_server_was_away_for_too_long() {
        let mut tale = Tale::of_two();
        let server = PeerId::SERVER.0;
        tale.linked_by(Topology::Sfu)
            .fault(1, server, 60_000)
            .wait(100)
            .give_up(0, 1);
        tale.link_settled(0, 1, 0, Stable).link_settled(1, 0, 0, Stable);
        assert!(tale.breaches(1).is_empty());
        tale.open(0, 1).link_settled(0, 1, 0, Stable);
        assert_eq!(tale.breaches(1).len(), 2);
        let mut tale = Tale::of_two();
        tale.linked_by(Topology::Sfu)
            .fault(1, server, 60_000)
            .give_up(1, server);
        tale.link_settled(0, 1, 0, Stable).link_settled(1, 0, 0, Stable);
        assert!(tale.breaches(1).is_empty());
    }

    #[test]
    fn a_crashed_peer_is_expected_again_when_it_is_back() {
        let mut tale = Tale::of_two();
        tale.crash(1).wait(1).link_settled(0, 1, 0, Stable);
        assert!(tale.breaches(1).is_empty());
        tale.join(1).wait(1).link_settled(0, 1, 0, Stable);
        assert_eq!(
            tale.breaches(1),
            ["no open data channel on g1 in the settled room"]
        );
    }

    #[test]
    fn a_link_that_has_not_recovered_when_the_room_settles_breaks_and_one_that_has_does_not() {
        let mut tale = Tale::of_two();
        tale.fault(1, 0, 100).wait(200);
        tale.link_settled(0, 1, 0, Stable).link_settled(1, 0, 0, Stable);
        tale.assert_broken(&[1]);
        tale.connect(0, 1).wait(1);
        tale.link_settled(0, 1, 1, Stable).link_settled(1, 0, 1, Stable);
        tale.assert_broken(&[]);
    }
}
