use crate::{
    base::{Instant, PeerId, RoomId},
    metrics::{EventKind, RunEvent},
};

use super::{
    checkers::{Check, Story},
    last_events::Explains,
    membership::{Presence, as_set},
    result::{About, Finding, Findings, Visibility},
};

/// How many rosters of the server are kept for the end; more would be more than one a room.
const MAX_SERVER_ROSTERS: usize = 100_000;

/// 6: rosters agree: what the server says, what each member believes, what the plan expects.
///
/// The plan's expectation is read from the events: who joined and has not begun to leave. Who is joining
/// or leaving at that instant may be in a roster or not; who crashed or lost its signaling socket may until
/// it is back, or the server has told the last member that it is gone.
#[derive(Debug)]
pub(super) struct Rosters {
    sees: Visibility,
    server: Vec<(Instant, RoomId, Vec<PeerId>)>,
}

impl Rosters {
    pub fn new(sees: Visibility) -> Self {
        Self {
            sees,
            server: Vec::new(),
        }
    }
}

impl Check for Rosters {
    fn about(&self) -> About {
        About {
            number: 6,
            name: "rosters agree: the server's, each member's, the plan's",
            cases_are: "rosters",
            no_case: "no member told its roster",
        }
    }

    fn hidden(&self, sees: Visibility) -> Option<&'static str> {
        (!sees.server_roster && !sees.rosters_told).then_some("the protocol shows nobody the roster")
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings) {
        let EventKind::ServerRoster {
            room,
            members,
            after_end: false,
        } = &event.kind
        else {
            return;
        };
        let Some(room) = story.members.room_named(room).filter(|_| self.sees.server_roster) else {
            return;
        };
        if self.server.len() == MAX_SERVER_ROSTERS {
            found.note(format!(
                "of the server's rosters the first {MAX_SERVER_ROSTERS} were compared"
            ));
            return;
        }
        self.server.push((event.at, room, as_set(members)));
    }

    fn finish(&mut self, story: &Story, _now: Instant, found: &mut Findings) {
        if let Some(note) = story.members.unsettled_note() {
            found.note(note);
        }
        for (room, peers) in story.members.rooms() {
            for &peer in peers {
                let Some((membership, _)) = story.members.settled(peer) else {
                    continue;
                };
                let Some(roster) = &membership.roster else {
                    continue;
                };
                if !story.members.counts(roster.at) {
                    continue;
                }
                let at = roster.at;
                if self.sees.rosters_told {
                    compare(
                        story,
                        found,
                        room,
                        at,
                        "the server told it",
                        Some(peer),
                        &roster.server,
                    );
                }
                compare(
                    story,
                    found,
                    room,
                    at,
                    "it believes in",
                    Some(peer),
                    &roster.believed,
                );
            }
        }
        for (at, room, members) in &self.server {
            if story.members.counts(*at) {
                compare(story, found, *room, *at, "the server itself holds", None, members);
            }
        }
    }
}

/// Compares one roster with the plan's expectation. `whose`: the member that told it; `None`: the server.
fn compare(
    story: &Story,
    found: &mut Findings,
    room: RoomId,
    at: Instant,
    source: &str,
    whose: Option<PeerId>,
    roster: &[PeerId],
) {
    found.case();
    let missing: Vec<_> = story
        .members
        .planned_into(room)
        .iter()
        .filter(|peer| story.members.presence(**peer, at) == Presence::Member)
        .filter(|peer| !roster.contains(peer))
        .copied()
        .collect();
    let extra: Vec<_> = roster
        .iter()
        .filter(|peer| {
            story.members.room_of(**peer) != Some(room)
                || story.members.presence(**peer, at) == Presence::Absent
        })
        .copied()
        .collect();
    let Some(&first) = missing.first().or(extra.first()) else {
        return;
    };
    found.breach(|| {
        let mut what = format!("{source} {}", names(roster));
        if !missing.is_empty() {
            what += &format!("; missing: {}", names(&missing));
        }
        if !extra.is_empty() {
            what += &format!("; no member: {}", names(&extra));
        }
        let remote = Some(first).filter(|first| Some(*first) != whose);
        Finding {
            peer: whose.or(Some(first)),
            remote: remote.filter(|_| whose.is_some()),
            at,
            what,
            last_events: match (whose, remote) {
                (Some(peer), Some(remote)) => story.last.of_link(peer, remote, Explains::Control),
                _ => story.last.of_peer(first),
            },
        }
    });
}

fn names(peers: &[PeerId]) -> String {
    if peers.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<_> = peers.iter().map(PeerId::to_string).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use crate::{metrics::EventKind, verdict::invariants::story::Tale};

    #[test]
    fn a_member_that_believes_in_one_who_left_is_found() {
        let mut tale = Tale::of_two();
        tale.leave(1).wait(1).roster_seen(0, &[0], &[0, 1]);
        tale.assert_broken(&[6]);
        let finding = tale.result(6).findings.remove(0);
        assert_eq!(finding.what, "it believes in peer-0 peer-1; no member: peer-1");
        assert_eq!(finding.remote.map(|remote| remote.0), Some(1));
    }

    #[test]
    fn a_member_that_the_server_forgot_is_found_in_each_roster() {
        let mut tale = Tale::of_two();
        tale.wait(1)
            .roster_seen(0, &[0], &[0, 1])
            .server_roster(0, &[0], false);
        assert_eq!(
            tale.breaches(6),
            [
                "the server told it peer-0; missing: peer-1",
                "the server itself holds peer-0; missing: peer-1"
            ]
        );
    }

    #[test]
    fn order_and_doubles_in_a_roster_mean_nothing() {
        let mut tale = Tale::of_two();
        tale.wait(1)
            .roster_seen(0, &[1, 0, 1], &[0, 1])
            .assert_broken(&[]);
    }

    #[test]
    fn who_is_just_joining_may_be_in_a_roster_or_not() {
        let mut tale = Tale::of(&[2]);
        let incarnation = tale.incarnation(1);
        let started = EventKind::JoinStarted {
            planned: crate::base::Instant::START,
            incarnation,
            name: String::new(),
            expect_rejected: false,
        };
        tale.join(0).event(1, None, started);
        tale.wait(1)
            .roster_seen(0, &[0], &[0])
            .server_roster(0, &[0, 1], false);
        tale.event(1, None, EventKind::Joined { incarnation })
            .assert_broken(&[]);
    }

    #[test]
    fn a_refused_join_is_expected_in_no_roster() {
        let mut tale = Tale::of(&[2]);
        let incarnation = tale.incarnation(1);
        let rejected = EventKind::JoinRejected {
            incarnation,
            reason: "room-full".to_owned(),
        };
        tale.join(0).event(1, None, rejected);
        tale.wait(1).roster_seen(0, &[0], &[0]).assert_broken(&[]);
        tale.wait(1).server_roster(0, &[0, 1], false).assert_broken(&[6]);
    }

    /// Peer 0 tells in the settled room whom the server and itself count in.
    fn told(tale: &mut Tale, roster: &[u32]) -> Vec<String> {
        tale.wait(1).roster_seen(0, roster, roster);
        tale.breaches(6)
    }

    #[test]
    fn a_crashed_peer_may_be_in_a_roster_or_not_until_the_last_member_is_told() {
        for roster in [&[0][..], &[0, 1]] {
            let mut tale = Tale::of_two();
            assert!(told(tale.crash(1), roster).is_empty());
            tale.server_roster(0, roster, false).assert_broken(&[]);
        }
        let mut tale = Tale::of_two();
        tale.crash(1).told_of_leave(0, 1);
        assert_eq!(told(&mut tale, &[0]), [""; 0]);
        assert_eq!(told(&mut tale, &[0, 1]).len(), 2, "told, and still believed in");
        let mut three = Tale::of(&[3]);
        three.join(0).join(1).join(2).crash(1).told_of_leave(2, 1);
        three.wait(1).roster_seen(0, &[0, 1, 2], &[0, 1, 2]);
        three.told_of_leave(0, 1).assert_broken(&[]);
    }

    #[test]
    fn a_crashed_peer_that_is_back_is_expected_in_every_roster() {
        let mut tale = Tale::of_two();
        tale.crash(1).join(1);
        assert!(told(&mut tale, &[0, 1]).is_empty());
        assert_eq!(told(&mut tale, &[0]).len(), 2);
        let mut asking = Tale::of_two();
        let started = EventKind::JoinStarted {
            planned: crate::base::Instant::START,
            incarnation: crate::base::Incarnation(2),
            name: String::new(),
            expect_rejected: false,
        };
        asking.crash(1).event(1, None, started);
        assert!(told(&mut asking, &[0]).is_empty(), "it is on its way back");
    }

    /// The server knows nobody any more, and says so.
    fn restarted() -> Tale {
        let mut tale = Tale::of_two();
        let at = crate::base::Instant::START;
        tale.event(
            0,
            None,
            EventKind::ServerRestarted {
                planned: at,
                ends: at,
            },
        );
        tale
    }

    #[test]
    fn after_a_restart_of_the_server_who_is_not_back_is_expected_nowhere() {
        let mut tale = restarted();
        assert!(told(&mut tale, &[0]).is_empty(), "1 is not back");
        tale.wait(1).server_roster(0, &[], false).assert_broken(&[]);
        // What the server said before its end comes in after it.
        let mut late = Tale::of(&[2]);
        late.join(0).event(1, None, EventKind::SignalingConnected);
        let at = crate::base::Instant::START;
        late.event(
            0,
            None,
            EventKind::ServerRestarted {
                planned: at,
                ends: at,
            },
        );
        late.join(1)
            .wait(1)
            .server_roster(0, &[], false)
            .assert_broken(&[]);
    }

    #[test]
    fn after_a_restart_of_the_server_who_is_back_is_expected_everywhere() {
        let mut tale = restarted();
        assert_eq!(told(tale.resume(0).resume(1), &[0]).len(), 2);
        // A new one is a member from the new server's word on.
        let mut new = restarted();
        new.event(1, None, EventKind::SignalingConnected).join(1);
        assert_eq!(told(&mut new, &[0]).len(), 2);
    }

    #[test]
    fn a_member_without_a_signaling_socket_may_be_in_a_roster_or_not() {
        for roster in [&[0][..], &[0, 1]] {
            let mut tale = Tale::of_two();
            assert!(told(tale.lose_signaling(1), roster).is_empty());
            assert!(
                tale.resume(1).breaches(6).is_empty(),
                "nor when it is known to be back"
            );
            let mut lost = Tale::of_two();
            assert!(told(lost.lose_signaling(1).leave(1), roster).is_empty());
        }
        let mut tale = Tale::of_two();
        assert_eq!(told(tale.lose_signaling(1).resume(1), &[0]).len(), 2);
    }
}
