use std::{collections::BTreeMap, time::Duration};

use crate::base::{Incarnation, Instant, PeerId};

use super::{
    deadlines::{Deadlines, Due},
    members::{Cut, Stay},
    tally::Tally,
    timed::Timed,
};

/// `server_connect_ms`, where the links of pairs go through the server: one case for each membership whose join is to
/// succeed. A connection that follows its first one is none.
#[derive(Debug)]
pub(super) struct ServerLinks {
    /// There are links through the server.
    is_measured: bool,
    /// The memberships in which it has not been open.
    pending: BTreeMap<PeerId, Stay>,
    timed: Timed,
}

impl ServerLinks {
    pub(super) fn new(is_measured: bool, timeout: Duration) -> Self {
        Self {
            is_measured,
            pending: BTreeMap::new(),
            timed: Timed {
                metric: "server_connect_ms",
                abandoned: "server_connects_abandoned",
                timeout,
            },
        }
    }

    /// The earliest instant that something pending is measured from.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        self.pending.values().map(|stay| stay.planned).min()
    }

    /// `peer` began to join.
    pub(super) fn begin(&mut self, peer: PeerId, stay: Stay, deadlines: &mut Deadlines) {
        if self.is_measured {
            deadlines.set(self.timed.deadline(stay.planned), Due::ServerLink(peer));
            self.pending.insert(peer, stay);
        }
    }

    /// The connection of `peer` is open.
    pub(super) fn opened(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let pending = self.pending.get(&peer);
        if pending.is_some_and(|stay| stay.incarnation == incarnation)
            && let Some(since) = self.settle(peer, deadlines)
        {
            self.timed.done(since, at, tally);
        }
    }

    /// `peer` is no member any more.
    pub(super) fn end(
        &mut self,
        peer: PeerId,
        at: Instant,
        cut: Cut,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        if let Some(since) = self.settle(peer, deadlines) {
            self.timed.cut(since, at, cut, tally);
        }
    }

    /// Its time is over.
    pub(super) fn expire(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(stay) = self.pending.remove(&peer) {
            self.timed.fail(stay.planned, tally);
        }
    }

    /// The run is over before its time is.
    pub(super) fn end_of_run(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(stay) = self.pending.remove(&peer) {
            self.timed.abandon(stay.planned, tally);
        }
    }

    /// Since when the case of `peer` was pending, if it was; it is no longer.
    fn settle(&mut self, peer: PeerId, deadlines: &mut Deadlines) -> Option<Instant> {
        let since = self.pending.remove(&peer)?.planned;
        deadlines.clear(self.timed.deadline(since), Due::ServerLink(peer));
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        metrics::{
            EventKind,
            story::{A, B, Story, hub, ingest, ms, plan, sfu},
        },
        plan::Plan,
    };

    use super::*;

    const SERVER: PeerId = PeerId::SERVER;

    /// Whoever is to join and publishes.
    fn alone() -> Story {
        Story::with(&sfu(1, 1)).join(0, A, 1).joined(5, A, 1)
    }

    fn figures(story: Story, end: u64) -> (String, u64) {
        let run = story.end(end);
        (
            run.trend("server_connect_ms"),
            run.count("server_connects_abandoned"),
        )
    }

    fn failed() -> (String, u64) {
        ("0 ok, 1 failed".to_owned(), 0)
    }

    fn abandoned() -> (String, u64) {
        (String::new(), 1)
    }

    #[test]
    fn each_membership_is_measured_from_its_planned_join_until_the_server_is_first_connected() {
        let run = Story::with(&sfu(1, 2))
            .join_late(100, 120, A, 1)
            .joined(130, A, 1)
            .created(130, (A, SERVER), 1)
            .open(150, (A, SERVER), 1, 1)
            // Another connection of the same membership.
            .created(900, (A, SERVER), 2)
            .open(950, (A, SERVER), 2, 1)
            .leave(1_000, A, 1)
            .join(2_000, A, 2)
            // What was told of the last membership says nothing of this one.
            .open(2_010, (A, SERVER), 3, 1)
            .joined(2_020, A, 2)
            .open(2_090, (A, SERVER), 4, 2)
            .end(60_000);
        assert_eq!(run.trend("server_connect_ms"), "2 ok 50..90 ms");
        assert_eq!(run.count("server_connects_abandoned"), 0);
        assert_eq!(run.trend("connect_ms"), "", "nobody else is there");
    }

    /// Its channel is what the join is said over.
    #[test]
    fn a_hub_is_connected_before_the_join_is_confirmed() {
        let run = Story::with(&hub(1, 1))
            .join(0, A, 1)
            .open(40, (A, SERVER), 1, 1)
            .joined(45, A, 1)
            .end(60_000);
        assert_eq!(run.trend("server_connect_ms"), "1 ok 40 ms");
        assert_eq!(run.trend("signaling_ms"), "1 ok 45 ms");
    }

    #[test]
    fn only_links_through_the_server_have_it() {
        let run = |plan: &Plan| {
            let story = Story::with(plan)
                .join(0, A, 1)
                .joined(5, A, 1)
                .open(20, (A, SERVER), 1, 1)
                .end(60_000);
            (story.trend("server_connect_ms"), story.trend("connect_ms"))
        };
        let once = "1 ok 20 ms".to_owned();
        assert_eq!(run(&sfu(1, 1)), (once.clone(), String::new()));
        assert_eq!(run(&hub(1, 1)), (once.clone(), String::new()));
        assert_eq!(run(&ingest(1, 1)), (String::new(), once), "the two are the pair");
        assert_eq!(run(&plan(1, 1)), Default::default());
    }

    #[test]
    fn what_is_not_open_in_time_is_infinite() {
        assert_eq!(figures(alone(), 30_001), failed());
        assert_eq!(
            figures(alone().open(30_000, (A, SERVER), 1, 1), 60_000).0,
            "1 ok 30000 ms"
        );
        assert_eq!(figures(alone().open(30_001, (A, SERVER), 1, 1), 60_000), failed());
        assert_eq!(figures(alone().leave(30_001, A, 1), 60_000), failed());
        // It had failed long before.
        let late = alone().joined(60_000, A, 1).open(60_001, (A, SERVER), 1, 1);
        assert_eq!(figures(late, 90_000), failed());
    }

    #[test]
    fn a_join_that_fails_and_a_membership_that_is_lost_are_failures_before_it_is_open() {
        let refused = EventKind::JoinRejected {
            incarnation: Incarnation(1),
            reason: "full".to_owned(),
        };
        let joining = || Story::with(&hub(1, 1)).join(0, A, 1);
        assert_eq!(figures(joining().join_failed(20, A, 1), 60_000), failed());
        assert_eq!(figures(joining().peer(20, A, refused.clone()), 60_000), failed());
        let lost = alone().signaling_lost(20, A).lose_membership(30, A, 1);
        assert_eq!(figures(lost, 60_000), failed());
        // It had been open.
        let open = || joining().open(10, (A, SERVER), 1, 1);
        let ok = ("1 ok 10 ms".to_owned(), 0);
        assert_eq!(figures(open().peer(20, A, refused), 60_000), ok);
        let lost = open()
            .joined(15, A, 1)
            .signaling_lost(20, A)
            .lose_membership(30, A, 1);
        assert_eq!(figures(lost, 60_000), ok);
    }

    #[test]
    fn what_is_cut_short_is_abandoned() {
        assert_eq!(figures(alone().leave(200, A, 1), 60_000), abandoned());
        assert_eq!(figures(alone().crash(200, A, 1), 60_000), abandoned());
        assert_eq!(figures(alone(), 30_000), abandoned(), "the run's end");
    }

    #[test]
    fn the_time_of_a_membership_ends_with_it() {
        let run = alone()
            .leave(10_000, A, 1)
            .join(20_000, A, 2)
            .joined(20_005, A, 2)
            .peer(31_001, A, EventKind::ScriptEnded)
            .open(45_000, (A, SERVER), 1, 2);
        assert_eq!(figures(run, 60_000), ("1 ok 25000 ms".to_owned(), 1));
    }

    #[test]
    fn a_join_that_is_to_be_refused_has_none() {
        let refused = EventKind::JoinStarted {
            planned: ms(0),
            incarnation: Incarnation(1),
            name: String::new(),
            expect_rejected: true,
        };
        let story = Story::with(&sfu(1, 2))
            .peer(0, A, refused)
            .joined(5, A, 1)
            .open(10, (A, SERVER), 1, 1)
            .join(0, B, 1)
            .open(10, (B, SERVER), 1, 1);
        assert_eq!(figures(story, 60_000), ("1 ok 10 ms".to_owned(), 0));
    }

    #[test]
    fn it_is_known_but_for_what_is_pending() {
        let known = |story: Story| story.recorder().known_until("server_connect_ms");
        let story = || Story::with(&sfu(1, 2)).join(0, A, 1).join(7_000, B, 1);
        assert_eq!(known(story()), ms(0));
        assert_eq!(known(story().open(7_100, (A, SERVER), 1, 1)), ms(6_100));
        assert_eq!(known(story().open(9_100, (A, SERVER), 1, 1)), ms(7_000));
        let both = story()
            .open(9_100, (A, SERVER), 1, 1)
            .open(9_200, (B, SERVER), 1, 1);
        assert_eq!(known(both), ms(8_200));
    }
}
