use std::{collections::BTreeMap, time::Duration};

use crate::base::{Generation, Incarnation, Instant, PeerId};

use super::{
    deadlines::{Deadlines, Due},
    members::{Cut, Stay},
    tally::{Series, Tally},
};

/// Failed joins that wait to be taken; those after them are not told one by one.
const MAX_UNTAKEN: usize = 64;

/// A join that has failed: a failure of `join_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJoin {
    /// Whose.
    pub peer: PeerId,
    /// Which of its memberships it was to be.
    pub incarnation: Incarnation,
    /// When it was planned.
    pub planned: Instant,
    /// When the server confirmed it, if it did.
    pub confirmed: Option<Instant>,
    /// The links that it waited for in vain.
    pub missing: Vec<PeerId>,
}

/// A join that is not complete.
#[derive(Debug)]
struct Join {
    planned: Instant,
    incarnation: Incarnation,
    again: bool,
    /// When the relay had passed it on, if nobody was heard to act on it.
    relayed: Option<Instant>,
    /// When the server confirmed it.
    confirmed: Option<Instant>,
    /// The links it waits for, and since when each is open at this end.
    links: BTreeMap<PeerId, Option<(Generation, Instant)>>,
}

/// `signaling_ms` and `join_ms`, one case of each per join that is to succeed.
///
/// A join waits for the members that were planned to join no later than itself (tie: the lower ids), so
/// that it measures nobody else's arrival. One of them that leaves, or whose own join fails, is waited for
/// no longer: that is its own case.
#[derive(Debug)]
pub(super) struct Joins {
    pending: BTreeMap<PeerId, Join>,
    failed: Vec<FailedJoin>,
    timeout: Duration,
}

impl Joins {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            pending: BTreeMap::new(),
            failed: Vec::new(),
            timeout,
        }
    }

    /// Those that have failed since they were taken last.
    pub(super) fn take_failed(&mut self) -> Vec<FailedJoin> {
        std::mem::take(&mut self.failed)
    }

    fn fail(&mut self, peer: PeerId, join: &Join, tally: &mut Tally) {
        join.fail(tally);
        if self.failed.len() < MAX_UNTAKEN {
            self.failed.push(FailedJoin {
                peer,
                incarnation: join.incarnation,
                planned: join.planned,
                confirmed: join.confirmed,
                missing: join
                    .links
                    .iter()
                    .filter(|(_, open)| open.is_none())
                    .map(|(mate, _)| *mate)
                    .collect(),
            });
        }
    }

    /// `peer` began to join, where `members` are.
    pub(super) fn begin(
        &mut self,
        (peer, stay): (PeerId, Stay),
        again: bool,
        members: &[(PeerId, Stay)],
        deadlines: &mut Deadlines,
    ) {
        let order = (stay.planned, peer);
        let mut links = BTreeMap::new();
        for (mate, theirs) in members {
            if *mate == PeerId::SERVER || (theirs.planned, *mate) < order {
                links.insert(*mate, None);
            } else if let Some(join) = self.pending.get_mut(mate) {
                // It was planned to come later and got to its join first: it waits for this one too.
                join.links.insert(peer, None);
            }
        }
        deadlines.set(stay.planned + self.timeout, Due::Join(peer));
        self.pending.insert(
            peer,
            Join {
                planned: stay.planned,
                incarnation: stay.incarnation,
                again,
                relayed: None,
                confirmed: None,
                links,
            },
        );
    }

    /// The earliest planned instant of those that are not complete.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        self.pending.values().map(|join| join.planned).min()
    }

    /// What confirms it is not that somebody acted on it.
    pub(super) fn relayed(&mut self, peer: PeerId, incarnation: Incarnation, at: Instant) {
        let join = self.pending.get_mut(&peer);
        if let Some(join) = join.filter(|join| join.incarnation == incarnation) {
            join.relayed = Some(at);
        }
    }

    /// The server confirmed the membership.
    pub(super) fn confirm(
        &mut self,
        peer: PeerId,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let Some(join) = self.pending.get_mut(&peer) else {
            return;
        };
        let at = join.relayed.unwrap_or(at);
        let took = at.since(join.planned);
        if took > self.timeout {
            return self.end(peer, at, Cut::Left, tally, deadlines);
        }
        tally.at(join.planned).took("signaling_ms", took);
        join.confirmed = Some(at);
        self.complete(peer, tally, deadlines);
    }

    /// The data channel to `remote` is open at `peer`'s end.
    pub(super) fn opened(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        generation: Generation,
        incarnation: Incarnation,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let Some(join) = self.pending.get_mut(&peer) else {
            return;
        };
        let Some(link) = join.links.get_mut(&remote) else {
            return;
        };
        if join.incarnation != incarnation {
            return;
        }
        if at.since(join.planned) > self.timeout {
            return self.end(peer, at, Cut::Left, tally, deadlines);
        }
        *link = Some((generation, at));
        self.complete(peer, tally, deadlines);
    }

    /// The data channel to `remote` is open no longer.
    pub(super) fn closed(&mut self, peer: PeerId, remote: PeerId, generation: Generation) {
        let links = self.pending.get_mut(&peer).map(|join| &mut join.links);
        if let Some(link) = links.and_then(|links| links.get_mut(&remote))
            && link.is_some_and(|(opened, _)| opened == generation)
        {
            *link = None;
        }
    }

    /// `gone` is no member any more: `peer` waits for its link no longer.
    pub(super) fn forget(
        &mut self,
        peer: PeerId,
        gone: PeerId,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        if let Some(join) = self.pending.get_mut(&peer)
            && join.links.remove(&gone).is_some()
        {
            self.complete(peer, tally, deadlines);
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
        let Some(join) = self.pending.remove(&peer) else {
            return;
        };
        deadlines.clear(join.planned + self.timeout, Due::Join(peer));
        if cut.is_failure() || at.since(join.planned) > self.timeout {
            self.fail(peer, &join, tally);
        } else {
            tally.at(join.planned).count("joins_abandoned");
        }
    }

    /// The time of this join is over.
    pub(super) fn expire(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(join) = self.pending.remove(&peer) {
            self.fail(peer, &join, tally);
        }
    }

    fn complete(&mut self, peer: PeerId, tally: &mut Tally, deadlines: &mut Deadlines) {
        let Some(last) = self.pending.get(&peer).and_then(Join::completed_at) else {
            return;
        };
        let join = self.pending.remove(&peer).expect("it was found just now");
        deadlines.clear(join.planned + self.timeout, Due::Join(peer));
        tally
            .at(join.planned)
            .took(join.series(), last.since(join.planned));
    }
}

impl Join {
    /// The instant of the last thing it waited for; `None` while one is missing.
    fn completed_at(&self) -> Option<Instant> {
        let mut last = self.confirmed?;
        for link in self.links.values() {
            last = last.max((*link)?.1);
        }
        Some(last)
    }

    fn fail(&self, tally: &mut Tally) {
        let mut tally = tally.at(self.planned);
        if self.confirmed.is_none() {
            tally.failed("signaling_ms");
        }
        tally.failed(self.series());
    }

    fn series(&self) -> Series {
        Series::tagged("join_ms", [("again", if self.again { "yes" } else { "no" })])
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, C, Story, ms},
    };

    use super::*;

    #[test]
    fn a_join_is_complete_when_it_is_confirmed_and_open_to_all_who_were_planned_before() {
        let run = Story::of(3)
            .join(0, A, 1)
            .joined(4, A, 1)
            .join(10, B, 1)
            .join(10, C, 1)
            .joined(12, B, 1)
            .joined(13, C, 1)
            .open(20, (B, A), 1, 1)
            .open(30, (C, A), 1, 1)
            .open(60, (C, B), 1, 1)
            .end(1_000);
        // A waits for nobody, B for A, C for both though B's join was planned for the same instant.
        assert_eq!(run.trend("join_ms{again:no}"), "3 ok 4..50 ms");
        let middle = run.whole("join_ms").and_then(|t| t.quantile_ms(0.5));
        assert_eq!(middle.map(f64::floor), Some(10.0));
        assert_eq!(run.trend("signaling_ms"), "3 ok 2..4 ms");
    }

    #[test]
    fn one_that_was_planned_later_but_began_first_waits_for_the_earlier() {
        let run = Story::of(2)
            .join(20, B, 1)
            .joined(21, B, 1)
            .join_late(10, 22, A, 1)
            .end(1_000);
        // B had nobody to wait for when it was confirmed. A's plan was first: it waits for nobody.
        assert_eq!(run.trend("join_ms"), "1 ok 1 ms");

        let run = Story::of(2)
            .join(20, B, 1)
            .join_late(10, 22, A, 1)
            .joined(23, B, 1)
            .open(50, (B, A), 1, 1)
            .end(1_000);
        assert_eq!(run.trend("join_ms"), "1 ok 30 ms");
    }

    #[test]
    fn a_link_counts_while_it_is_open_in_this_membership() {
        let closed = |generation| EventKind::ChannelClosed {
            generation: Generation(generation),
        };
        let story = || {
            Story::of(3)
                .join(0, A, 1)
                .join(1, B, 1)
                .join(10, C, 2)
                .joined(15, C, 2)
        };
        let run = story()
            .open(20, (C, A), 2, 2)
            .link(21, C, A, closed(1))
            .open(30, (C, B), 1, 2)
            .end(40);
        assert_eq!(run.trend("join_ms"), "1 ok 20 ms", "an older connection closed");
        let run = story()
            .open(20, (C, A), 2, 2)
            .link(21, C, A, closed(2))
            .open(30, (C, B), 1, 2)
            .end(40);
        assert_eq!(run.trend("join_ms"), "");
        let run = story().open(20, (C, A), 2, 1).open(30, (C, B), 1, 2).end(40);
        assert_eq!(
            run.trend("join_ms"),
            "",
            "it opened for a membership that is over"
        );
    }

    #[test]
    fn what_comes_after_the_time_out_comes_too_late() {
        let run = Story::of(2)
            .join(0, A, 1)
            .joined(30_001, A, 1)
            .join(1_000, B, 1)
            .joined(30_002, B, 1)
            .open(31_001, (B, A), 1, 1)
            .end(31_001);
        assert_eq!(run.trend("signaling_ms"), "1 ok 29000 ms, 1 failed");
        assert_eq!(run.trend("join_ms"), "0 ok, 2 failed");
    }

    #[test]
    fn who_leaves_is_waited_for_no_longer() {
        let run = Story::of(2)
            .join(0, A, 1)
            .joined(1, A, 1)
            .join(10, B, 1)
            .joined(15, B, 1)
            .leave(5_000, A, 1)
            .end(60_000);
        assert_eq!(run.trend("join_ms"), "2 ok 1..5 ms");
    }

    #[test]
    fn joins_that_fail_are_infinite_and_those_cut_short_are_abandoned() {
        let rejected = EventKind::JoinRejected {
            incarnation: Incarnation(1),
            reason: "room-full".to_owned(),
        };
        let run = Story::of(3)
            .join(0, A, 1)
            .joined(1, A, 1)
            .join(10, B, 1)
            .peer(12, B, rejected)
            .join(10, C, 1)
            .joined(15, C, 1)
            .leave(20, C, 1)
            .join(30, C, 2)
            .end(30_031);
        // B was refused; C left before its link to A was open, and then never heard of the server.
        assert_eq!(run.trend("signaling_ms"), "2 ok 1..5 ms, 2 failed");
        assert_eq!(run.trend("join_ms{again:no}"), "1 ok 1 ms, 1 failed");
        assert_eq!(run.trend("join_ms{again:yes}"), "0 ok, 1 failed");
        assert_eq!(run.count("joins_abandoned"), 1);
        assert_eq!(run.count("joins_rejected{expected:no}"), 1);
    }

    #[test]
    fn a_join_that_is_to_be_refused_is_not_measured() {
        let twin = |incarnation| EventKind::JoinStarted {
            planned: ms(10),
            incarnation: Incarnation(incarnation),
            name: "Ann".to_owned(),
            expect_rejected: true,
        };
        let rejected = EventKind::JoinRejected {
            incarnation: Incarnation(1),
            reason: "DUPLICATE_USERNAME".to_owned(),
        };
        let run = Story::of(2)
            .join(0, A, 1)
            .joined(1, A, 1)
            .peer(10, B, twin(1))
            .peer(12, B, rejected)
            .peer(20, B, twin(2))
            .joined(21, B, 2)
            .end(60_000);
        assert_eq!(run.count("joins_rejected{expected:yes}"), 1);
        assert_eq!(run.count("joins_unexpected"), 1);
        assert_eq!(run.trend("signaling_ms"), "1 ok 1 ms");
        assert_eq!(run.rate("connect_failed"), "");
    }
}
