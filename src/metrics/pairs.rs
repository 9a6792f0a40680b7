use std::{collections::BTreeMap, time::Duration};

use crate::base::{Generation, Instant, PeerId};

use super::{
    CandidateKind, FaultCause,
    crash::Crash,
    deadlines::{Deadlines, Due},
    link_event::LinkEvent,
    members::{Cut, Stay},
    overlap::{Case, Overlap, Return},
    phases::Marks,
    tally::Tally,
};

/// Two peers of one room, the lower id first; or one and the server.
pub(super) type PairId = (PeerId, PeerId);

/// The pair of these two, and which of its ends is `peer`.
pub(super) fn pair_of(peer: PeerId, remote: PeerId) -> (PairId, usize) {
    if peer < remote {
        ((peer, remote), 0)
    } else {
        ((remote, peer), 1)
    }
}

/// One end of a pair.
#[derive(Debug, Default)]
struct End {
    /// The newest connection it has made.
    generation: Option<Generation>,
    /// The newest connection it had made when the overlap began: what that one reports belongs to a
    /// membership that is over.
    stale: Option<Generation>,
    marks: Marks,
}

#[derive(Debug, Default)]
struct Pair {
    ends: [End; 2],
    overlap: Option<Overlap>,
    had_overlap: bool,
    /// A failed join was counted against this link since its last overlap.
    join_failed: bool,
    crash: Option<Crash>,
}

/// The links of the run: `connect_ms` with its phases, `reconnect_ms` of those who come back after they
/// left, crashed or lost their membership, and the failures of both.
///
/// Every overlap of two memberships gives exactly one case (a sample, a failure, or an abandonment), but
/// for those in which a fault is still to be recovered from: see [`Faults`](super::faults::Faults).
#[derive(Debug)]
pub(super) struct Pairs {
    pairs: BTreeMap<PairId, Pair>,
    timeout: Duration,
    open: u32,
}

impl Pairs {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            pairs: BTreeMap::new(),
            timeout,
            open: 0,
        }
    }

    /// The earliest instant that something pending is measured from.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let overlaps = self.pairs.values().filter_map(|pair| pair.overlap.as_ref());
        overlaps.filter_map(Overlap::pending_since).min()
    }

    /// Pairs whose both ends report an open data channel.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// Whether the channel to `remote` is open at `peer`'s end.
    pub(super) fn is_open_at(&self, peer: PeerId, remote: PeerId) -> bool {
        let (id, side) = pair_of(peer, remote);
        let pair = self.pairs.get(&id);
        pair.is_some_and(|pair| pair.overlap.is_some() && pair.ends[side].marks.opened.is_some())
    }

    /// Whether this is the newest connection of `peer` to `remote`, made in the present overlap.
    pub(super) fn is_current(&self, peer: PeerId, remote: PeerId, generation: Generation) -> bool {
        let (id, side) = pair_of(peer, remote);
        self.pairs.get(&id).is_some_and(|pair| {
            let end = &pair.ends[side];
            end.generation <= Some(generation) && end.stale != Some(generation)
        })
    }

    /// Both are members now. `covered`: a fault of their last overlap is not recovered from. `degraded`: a fault is
    /// on at one of them.
    pub(super) fn begin(
        &mut self,
        a: (PeerId, Stay),
        b: (PeerId, Stay),
        (covered, degraded): (bool, bool),
        deadlines: &mut Deadlines,
    ) {
        let (low, high) = if a.0 < b.0 { (a, b) } else { (b, a) };
        let id = (low.0, high.0);
        let pair = self.pairs.entry(id).or_default();
        let later = usize::from(high.1.planned >= low.1.planned);
        let stays = [low.1, high.1];
        let start = stays[later].planned;
        for end in &mut pair.ends {
            end.stale = end.generation;
            end.marks = Marks::default();
        }
        let case = if covered {
            Case::Covered
        } else {
            pair.case_of(stays[later], later)
        };
        if case != Case::Covered {
            deadlines.set(start + self.timeout, Due::Overlap(id));
        }
        let mut overlap = Overlap::new(start, case, stays.map(|stay| stay.incarnation));
        overlap.degraded = degraded;
        pair.overlap = Some(overlap);
        pair.had_overlap = true;
        pair.join_failed = false;
    }

    /// A fault is on at one of the two.
    pub(super) fn degrade(&mut self, a: PeerId, b: PeerId) {
        let pair = self.pairs.get_mut(&pair_of(a, b).0);
        if let Some(overlap) = pair.and_then(|pair| pair.overlap.as_mut()) {
            overlap.degraded = true;
        }
    }

    /// `gone` is no member any more.
    pub(super) fn end(
        &mut self,
        (gone, mate): (PeerId, PeerId),
        at: Instant,
        cut: Cut,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let (id, side) = pair_of(gone, mate);
        let Some(pair) = self.pairs.get_mut(&id) else {
            return;
        };
        if cut != Cut::JoinFailed {
            pair.crash = None;
        }
        let Some(overlap) = pair.overlap.take() else {
            return;
        };
        if overlap.is_pending() {
            deadlines.clear(overlap.start + self.timeout, Due::Overlap(id));
            let ends = pair.ends.each_ref().map(|end| &end.marks);
            overlap.cut(at, cut, self.timeout, ends, tally);
        }
        match cut {
            Cut::JoinFailed => {
                // Nobody was a member on that side: the next overlap is what this one would have been.
                pair.had_overlap = overlap.case != Case::Connect;
                pair.join_failed = true;
            }
            Cut::Crashed { planned } if pair.ends[side].marks.opened.is_some() => {
                pair.crash = Some(Crash::new(side, planned, pair.ends[1 - side].generation));
            }
            Cut::Left | Cut::Lost | Cut::Crashed { .. } => {}
        }
        self.open -= u32::from(pair.is_open());
        for end in &mut pair.ends {
            end.marks = Marks::default();
        }
    }

    /// The join of `peer` failed, and with it the link to `mate`, who is expected in the room. Counts once
    /// until both are members again, so two failed joins do not make two failures of one link.
    pub(super) fn join_failed(&mut self, (peer, stay): (PeerId, Stay), mate: PeerId, tally: &mut Tally) {
        let (id, side) = pair_of(peer, mate);
        let pair = self.pairs.entry(id).or_default();
        if !pair.join_failed {
            pair.join_failed = true;
            let case = pair.case_of(stay, side);
            case.fail(stay.planned, false, false, CandidateKind::Unknown, tally);
        }
    }

    /// The time of this overlap is over, and its link is not open.
    pub(super) fn expire(&mut self, id: PairId, tally: &mut Tally) {
        if let Some(pair) = self.pairs.get_mut(&id)
            && let Some(overlap) = &mut pair.overlap
        {
            overlap.expire(pair.ends.each_ref().map(|end| &end.marks), tally);
        }
    }

    /// The run is over before the time of this overlap is.
    pub(super) fn abandon(&mut self, id: PairId, tally: &mut Tally) {
        if let Some(overlap) = self.pairs.get_mut(&id).and_then(|pair| pair.overlap.as_mut()) {
            overlap.end_of_run(tally);
        }
    }

    /// Something happened to the connection of `peer` to `remote`. Tells when the link came back, if it did
    /// so just now and a fault covers it.
    pub(super) fn link(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        generation: Generation,
        event: LinkEvent,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) -> Option<Instant> {
        let (id, side) = pair_of(peer, remote);
        let pair = self.pairs.get_mut(&id)?;
        let was_open = pair.is_open();
        // The server tells nothing of its end: it is taken to be where this one is.
        if remote == PeerId::SERVER {
            pair.note(1 - side, generation, event, at);
        }
        let settled = if pair.note(side, generation, event, at) {
            pair.advance(id, self.timeout, tally, deadlines)
        } else {
            None
        };
        self.open = self.open + u32::from(pair.is_open()) - u32::from(was_open);
        settled
    }

    /// `peer` noticed by itself (on a connection) or was told that something is wrong with `remote`: if that
    /// one has crashed, this is how long it took.
    pub(super) fn noticed(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        on: Option<Generation>,
        at: Instant,
        tally: &mut Tally,
    ) {
        let (id, side) = pair_of(peer, remote);
        if let Some(crash) = self.pairs.get_mut(&id).and_then(|pair| pair.crash.as_mut()) {
            crash.noticed(side, on, at, tally);
        }
    }
}

impl Pair {
    fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.marks.opened.is_some())
    }

    /// What the next overlap is measured as, if `stay` is the membership that was planned later, at the end
    /// `side`. The outage after a crash is measured once.
    fn case_of(&mut self, stay: Stay, side: usize) -> Case {
        if !self.had_overlap {
            return Case::Connect;
        }
        if !stay.after_crash {
            return Case::Return(Return {
                cause: FaultCause::Rejoin,
                out_since: None,
            });
        }
        let out_since = self.crash.as_mut().and_then(|crash| crash.measure_outage(side));
        Case::Return(Return {
            cause: FaultCause::Crash,
            out_since,
        })
    }

    /// Takes the event into account; `false` if it belongs to a connection or membership that is over.
    fn note(&mut self, side: usize, generation: Generation, event: LinkEvent, at: Instant) -> bool {
        let end = &mut self.ends[side];
        if end.generation < Some(generation) {
            end.generation = Some(generation);
            end.marks = Marks::default();
        }
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        if end.generation != Some(generation) || end.stale == Some(generation) {
            return false;
        }
        match event {
            LinkEvent::Created => {}
            LinkEvent::Closed => end.marks = Marks::default(),
            LinkEvent::Signaling(state) => end.marks.signaling(state, at),
            LinkEvent::IceConnected => _ = end.marks.ice.get_or_insert(at),
            LinkEvent::Connected => _ = end.marks.connected.get_or_insert(at),
            LinkEvent::Opened(incarnation, kind) => {
                if incarnation != overlap.incarnations[side] {
                    return false;
                }
                end.marks.opened.get_or_insert((at, kind));
            }
            LinkEvent::ChannelClosed => end.marks.opened = None,
            LinkEvent::Glare => overlap.glare = true,
            LinkEvent::Probed => _ = end.marks.probed.get_or_insert(at),
        }
        true
    }

    fn advance(
        &mut self,
        id: PairId,
        timeout: Duration,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) -> Option<Instant> {
        let ends = self.ends.each_ref().map(|end| &end.marks);
        let overlap = self.overlap.as_mut()?;
        let settled = overlap.advance(ends, timeout, tally)?;
        deadlines.clear(overlap.start + timeout, Due::Overlap(id));
        (overlap.case == Case::Covered).then_some(settled)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, C, Story, plan},
    };

    use super::*;

    #[test]
    fn a_replaced_connection_begins_anew_and_what_the_old_one_reports_is_ignored() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .open(10, (A, B), 1, 1)
            .created(20, (A, B), 2)
            .open(21, (A, B), 1, 1)
            .open(30, (B, A), 1, 1)
            .open(40, (A, B), 2, 1)
            .end(1_000);
        assert_eq!(run.trend("connect_ms"), "1 ok 40 ms");
    }

    #[test]
    fn a_link_that_closed_at_one_end_before_the_other_opened_was_never_open() {
        let closed = EventKind::ChannelClosed {
            generation: Generation(1),
        };
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .open(10, (A, B), 1, 1)
            .link(11, A, B, closed)
            .open(12, (B, A), 1, 1)
            .end(31_000);
        assert_eq!(run.trend("connect_ms"), "0 ok, 1 failed");
    }

    #[test]
    fn what_a_connection_from_before_the_rejoin_reports_is_not_the_rejoin() {
        let run = Story::connected_pair()
            .leave(1_000, B, 1)
            .join(1_001, B, 2)
            .probe(1_002, (A, B), 1)
            .created(1_010, (B, A), 2)
            .probe(1_020, (B, A), 2)
            .end(40_000);
        assert_eq!(run.trend("reconnect_ms"), "0 ok, 1 failed");
    }

    #[test]
    fn an_end_that_opens_for_a_membership_that_is_over_is_not_open() {
        let run = Story::connected_pair()
            .leave(1_000, B, 1)
            .join(2_000, B, 2)
            .open(2_010, (A, B), 2, 1)
            .open(2_010, (B, A), 2, 1);
        assert_eq!(run.live().links_open, 0);
        let run = run.open(2_020, (B, A), 2, 2);
        assert_eq!(run.live().links_open, 1);
    }

    #[test]
    fn a_failed_join_fails_its_links_once_each_and_the_next_try_is_a_first_connect() {
        // A is in the room, B's join fails twice, C's fails too and C never comes.
        let run = Story::of(3)
            .join(0, A, 1)
            .joined(1, A, 1)
            .join(10, B, 1)
            .join_failed(20, B, 1)
            .join(21, C, 1)
            .join_failed(22, C, 1)
            .join(30, B, 2)
            .joined(31, B, 2)
            .open(40, (A, B), 1, 1)
            .open(50, (B, A), 1, 2)
            .end(1_000);
        // Failed: A–B, B–C, A–C. Connected: A–B.
        assert_eq!(run.rate("connect_failed"), "3/4");
        assert_eq!(run.trend("connect_ms"), "1 ok 20 ms, 3 failed");
        assert_eq!(run.count("joins_failed"), 2);
    }

    #[test]
    fn a_failed_join_fails_no_link_to_who_is_done_or_never_means_to_come() {
        let mut plan = plan(1, 3);
        plan.peers[2].script.clear();
        let run = Story::with(&plan)
            .join(0, A, 1)
            .joined(1, A, 1)
            .leave(2, A, 1)
            .peer(2, A, EventKind::ScriptEnded)
            .join(10, B, 1)
            .join_failed(20, B, 1)
            .end(1_000);
        assert_eq!(run.rate("connect_failed"), "");
    }

    #[test]
    fn open_links_are_counted_as_they_come_and_go() {
        let story = Story::connected_pair();
        assert_eq!(story.live().links_open, 1);
        let closed = EventKind::ConnectionClosed {
            generation: Generation(1),
            cause: "failed".to_owned(),
        };
        let story = story.link(200, A, B, closed);
        assert_eq!(story.live().links_open, 0);
        let story = story.created(210, (A, B), 2).open(220, (A, B), 2, 1);
        assert_eq!(story.live().links_open, 1);
        let story = story.leave(300, A, 1);
        assert_eq!(story.live().links_open, 0);
    }
}
