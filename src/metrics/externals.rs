use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::base::{Generation, Instant, PeerId, RoomId};

use super::{
    EventKind,
    deadlines::{Deadlines, Due},
    members::Cut,
    tally::Tally,
    timed::Timed,
};

/// A peer and a member who is not in the plan, by their place among those that were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExternalId(u32);

#[derive(Debug)]
struct Met {
    since: Instant,
    /// The sample, failure or abandonment is still to come.
    pending: bool,
    /// The connection whose channel is open.
    open: Option<Generation>,
}

/// `external_connect_ms`: one case for each time that a peer is told of a member who is not in the plan. One whose link
/// has lived on, for it had only lost its socket, gives none.
#[derive(Debug)]
pub(super) struct Externals {
    ids: BTreeMap<(PeerId, String), ExternalId>,
    met: Vec<Met>,
    ignored: BTreeSet<(RoomId, String)>,
    timed: Timed,
}

impl Externals {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            ids: BTreeMap::new(),
            met: Vec::new(),
            ignored: BTreeSet::new(),
            timed: Timed {
                metric: "external_connect_ms",
                abandoned: "external_connects_abandoned",
                timeout,
            },
        }
    }

    /// Whether no peer of the room has told before that it ignores this one.
    pub(super) fn is_new_in(&mut self, room: RoomId, external: &str) -> bool {
        self.ignored.insert((room, external.to_owned()))
    }

    /// Takes what happened between a peer and one of them.
    pub(super) fn observe(
        &mut self,
        peer: PeerId,
        at: Instant,
        kind: &EventKind,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        match kind {
            EventKind::ExternalJoined {
                external, planned, ..
            } => self.begin((peer, external), *planned, at, tally, deadlines),
            EventKind::ExternalOpened {
                external, generation, ..
            } => self.opened((peer, external), *generation, at, tally, deadlines),
            EventKind::ExternalClosed {
                external, generation, ..
            } => self.closed((peer, external), *generation),
            EventKind::ExternalLeft { external, .. } => self.left((peer, external), at, tally, deadlines),
            _ => {}
        }
    }

    /// The earliest instant that something pending is measured from.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let pending = self.met.iter().filter(|met| met.pending);
        pending.map(|met| met.since).min()
    }

    /// `peer` was told that it is in the room.
    fn begin(
        &mut self,
        (peer, external): (PeerId, &str),
        since: Instant,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        // It is there again, and nobody has told that it left.
        self.left((peer, external), at, tally, deadlines);
        let next = ExternalId(u32::try_from(self.met.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry((peer, external.to_owned())).or_insert(next);
        deadlines.set(self.timed.deadline(since), Due::External(id));
        match self.get_mut(id) {
            Some(met) => (met.since, met.pending) = (since, true),
            None => self.met.push(Met {
                since,
                pending: true,
                open: None,
            }),
        }
    }

    /// The channel to it is open at `peer`'s end.
    fn opened(
        &mut self,
        ends: (PeerId, &str),
        generation: Generation,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let timed = self.timed;
        let Some((id, met)) = self.find(ends) else {
            return;
        };
        met.open = Some(generation);
        if let Some(since) = met.settle(id, timed, deadlines) {
            timed.done(since, at, tally);
        }
    }

    /// This connection to it is closed.
    fn closed(&mut self, ends: (PeerId, &str), generation: Generation) {
        if let Some((_, met)) = self.find(ends)
            && met.open == Some(generation)
        {
            met.open = None;
        }
    }

    /// It has left.
    fn left(&mut self, ends: (PeerId, &str), at: Instant, tally: &mut Tally, deadlines: &mut Deadlines) {
        if let Some((id, _)) = self.find(ends) {
            self.cut(id, at, Cut::Left, tally, deadlines);
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
        let ids: Vec<ExternalId> = self
            .ids
            .range((peer, String::new())..)
            .take_while(|((whose, _), _)| *whose == peer)
            .map(|(_, id)| *id)
            .collect();
        for id in ids {
            self.cut(id, at, cut, tally, deadlines);
        }
    }

    fn cut(&mut self, id: ExternalId, at: Instant, cut: Cut, tally: &mut Tally, deadlines: &mut Deadlines) {
        let timed = self.timed;
        let Some(met) = self.get_mut(id) else {
            return;
        };
        let lives_on = met.open.is_some();
        if let Some(since) = met.settle(id, timed, deadlines).filter(|_| !lives_on) {
            timed.cut(since, at, cut, tally);
        }
    }

    /// The time of this one is over.
    pub(super) fn expire(&mut self, id: ExternalId, tally: &mut Tally) {
        let timed = self.timed;
        if let Some(met) = self.get_mut(id) {
            met.pending = false;
            if met.open.is_none() {
                timed.fail(met.since, tally);
            }
        }
    }

    /// The run is over before the time of this one is.
    pub(super) fn end_of_run(&mut self, id: ExternalId, tally: &mut Tally) {
        let timed = self.timed;
        if let Some(met) = self.get_mut(id) {
            met.pending = false;
            if met.open.is_none() {
                timed.abandon(met.since, tally);
            }
        }
    }

    fn get_mut(&mut self, id: ExternalId) -> Option<&mut Met> {
        self.met.get_mut(id.0 as usize)
    }

    fn find(&mut self, (peer, external): (PeerId, &str)) -> Option<(ExternalId, &mut Met)> {
        let id = *self.ids.get(&(peer, external.to_owned()))?;
        Some((id, self.get_mut(id)?))
    }
}

impl Met {
    /// Since when its case was pending, if it was; it is no longer.
    fn settle(&mut self, id: ExternalId, timed: Timed, deadlines: &mut Deadlines) -> Option<Instant> {
        if !std::mem::replace(&mut self.pending, false) {
            return None;
        }
        deadlines.clear(timed.deadline(self.since), Due::External(id));
        Some(self.since)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::story::{A, B, Story, ms};

    use super::*;

    fn joined(planned: u64) -> EventKind {
        EventKind::ExternalJoined {
            external: "user-z".to_owned(),
            name: "Zoe".to_owned(),
            planned: ms(planned),
        }
    }

    fn opened(generation: u32) -> EventKind {
        EventKind::ExternalOpened {
            external: "user-z".to_owned(),
            generation: Generation(generation),
            planned: ms(0),
        }
    }

    fn closed(generation: u32) -> EventKind {
        EventKind::ExternalClosed {
            external: "user-z".to_owned(),
            generation: Generation(generation),
            cause: "replaced".to_owned(),
        }
    }

    fn left() -> EventKind {
        EventKind::ExternalLeft {
            external: "user-z".to_owned(),
            reason: "left".to_owned(),
        }
    }

    #[test]
    fn each_peer_has_its_first_channel_measured_and_a_rejoin_anew() {
        let run = Story::of(2)
            .join(0, A, 1)
            .joined(5, A, 1)
            .peer(100, A, joined(100))
            .peer(140, A, opened(1))
            .peer(200, A, closed(1))
            .peer(260, A, opened(2))
            .join(300, B, 1)
            .joined(305, B, 1)
            .peer(305, B, joined(300))
            .peer(320, B, opened(1))
            .peer(400, A, left())
            .peer(400, A, closed(2))
            .peer(500, A, joined(500))
            .peer(580, A, opened(3))
            .end(60_000);
        // A 40 and 80 ms, B 20 ms from its planned join; that A's connection was replaced is no case.
        assert_eq!(run.trend("external_connect_ms"), "3 ok 20..80 ms");
        assert_eq!(run.count("external_connects_abandoned"), 0);
    }

    #[test]
    fn what_does_not_open_in_time_is_infinite_and_what_is_cut_short_is_abandoned() {
        let story = || {
            Story::of(1)
                .join(0, A, 1)
                .joined(5, A, 1)
                .peer(100, A, joined(100))
        };
        let figures = |run: Story, end| {
            let run = run.end(end);
            (
                run.trend("external_connect_ms"),
                run.count("external_connects_abandoned"),
            )
        };
        let failed = || ("0 ok, 1 failed".to_owned(), 0);
        assert_eq!(figures(story(), 30_101), failed());
        assert_eq!(figures(story().peer(30_101, A, opened(1)), 40_000), failed());
        assert_eq!(
            figures(story().peer(30_100, A, opened(1)), 40_000).0,
            "1 ok 30000 ms"
        );
        assert_eq!(figures(story().peer(30_101, A, left()), 40_000), failed());
        for cut in [
            story().peer(200, A, left()),
            story().leave(200, A, 1),
            story()
                .peer(200, A, joined(200))
                .peer(201, A, left())
                .leave(202, A, 1),
        ] {
            let (trend, abandoned) = figures(cut, 60_000);
            assert_eq!(trend, "");
            assert!(abandoned > 0);
        }
        assert_eq!(figures(story(), 200), (String::new(), 1), "the run's end");
    }

    /// Its page was away from the server for a moment.
    #[test]
    fn a_link_that_has_lived_on_is_no_case() {
        let run = |more: fn(Story) -> Story| {
            let story = Story::of(1)
                .join(0, A, 1)
                .joined(5, A, 1)
                .peer(100, A, joined(100))
                .peer(140, A, opened(1))
                .peer(500, A, joined(500));
            more(story).end(60_000).trend("external_connect_ms")
        };
        assert_eq!(run(|story| story), "1 ok 40 ms");
        let replaced = run(|story| story.peer(501, A, closed(1)).peer(530, A, opened(2)));
        assert_eq!(replaced, "2 ok 30..40 ms");
        assert_eq!(run(|story| story.peer(501, A, closed(1))), "1 ok 40 ms, 1 failed");
    }

    #[test]
    fn whoever_is_ignored_counts_once_in_its_room() {
        let ignored = |external: &str| EventKind::ExternalIgnored {
            external: external.to_owned(),
        };
        let run = Story::of(2)
            .peer(1, A, ignored("user-z"))
            .peer(2, B, ignored("user-z"))
            .peer(3, B, ignored("user-y"))
            .end(10);
        assert_eq!(run.count("externals_ignored"), 2);
    }
}
