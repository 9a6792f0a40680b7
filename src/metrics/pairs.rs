use std::{collections::BTreeMap, time::Duration};

use crate::base::{Generation, Incarnation, Instant, PeerId};

use super::{
    CandidateKind, SignalingState,
    deadlines::{Deadlines, Due},
    members::{Cut, Stay},
    phases::{Marks, Phases},
    tally::{Series, Tally},
};

/// Two peers of one room, the lower id first.
pub(super) type PairId = (PeerId, PeerId);

/// The pair of these two, and which of its ends is `peer`.
fn pair_of(peer: PeerId, remote: PeerId) -> (PairId, usize) {
    if peer < remote {
        ((peer, remote), 0)
    } else {
        ((remote, peer), 1)
    }
}

/// How one end's connection came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkEvent {
    Created,
    Closed,
    Signaling(SignalingState),
    IceConnected,
    Connected,
    Opened(Incarnation, CandidateKind),
    ChannelClosed,
    Glare,
    Probed,
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

/// A time in which both peers are members.
#[derive(Debug)]
struct Overlap {
    /// The later of the two planned joins.
    start: Instant,
    /// No overlap of this pair came before it: it is a connect, not a reconnect.
    first: bool,
    incarnations: [Incarnation; 2],
    glare: bool,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Pending,
    /// A sample was taken, but an event that tells the phases apart is still to come.
    PhasesMissing {
        opened: Instant,
    },
    Settled,
}

#[derive(Debug, Default)]
struct Pair {
    ends: [End; 2],
    overlap: Option<Overlap>,
    had_overlap: bool,
    /// A failed join was counted against this link since its last overlap.
    join_failed: bool,
}

/// The links of the run: `connect_ms` with its phases, `reconnect_ms{cause:rejoin}`, and their failures.
///
/// Every overlap of two memberships gives exactly one case: a sample, a failure, or an abandonment.
#[derive(Debug)]
pub(super) struct Pairs {
    pairs: BTreeMap<PairId, Pair>,
    timeout: Duration,
    open: u32,
}

const REJOIN: [(&str, &str); 2] = [("path", "rejoin"), ("cause", "rejoin")];

impl Pairs {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            pairs: BTreeMap::new(),
            timeout,
            open: 0,
        }
    }

    /// Pairs whose both ends report an open data channel.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// Both are members now.
    pub(super) fn begin(&mut self, a: (PeerId, Stay), b: (PeerId, Stay), deadlines: &mut Deadlines) {
        let (low, high) = if a.0 < b.0 { (a, b) } else { (b, a) };
        let id = (low.0, high.0);
        let pair = self.pairs.entry(id).or_default();
        let start = low.1.planned.max(high.1.planned);
        for end in &mut pair.ends {
            end.stale = end.generation;
            end.marks = Marks::default();
        }
        pair.overlap = Some(Overlap {
            start,
            first: !pair.had_overlap,
            incarnations: [low.1.incarnation, high.1.incarnation],
            glare: false,
            progress: Progress::Pending,
        });
        pair.had_overlap = true;
        pair.join_failed = false;
        deadlines.set(start + self.timeout, Due::Overlap(id));
    }

    /// One of the two is no member any more.
    pub(super) fn end(
        &mut self,
        a: PeerId,
        b: PeerId,
        at: Instant,
        cut: Cut,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let (id, _) = pair_of(a, b);
        let Some(pair) = self.pairs.get_mut(&id) else {
            return;
        };
        let Some(overlap) = pair.overlap.take() else {
            return;
        };
        if overlap.progress == Progress::Pending {
            deadlines.clear(overlap.start + self.timeout, Due::Overlap(id));
            if cut == Cut::JoinFailed || at.since(overlap.start) > self.timeout {
                overlap.fail(&pair.ends, tally);
            } else {
                overlap.abandon(tally);
            }
        }
        if cut == Cut::JoinFailed {
            // Nobody was a member on that side: the next overlap is what this one would have been.
            pair.had_overlap = !overlap.first;
            pair.join_failed = true;
        }
        self.open -= u32::from(pair.is_open());
        for end in &mut pair.ends {
            end.marks = Marks::default();
        }
    }

    /// The join of `a` failed, and with it the link to `b`, who is expected in the room. Counts once until
    /// both are members again, so two failed joins do not make two failures of one link.
    pub(super) fn join_failed(&mut self, a: PeerId, b: PeerId, tally: &mut Tally) {
        let pair = self.pairs.entry(pair_of(a, b).0).or_default();
        if !pair.join_failed {
            pair.join_failed = true;
            fail(!pair.had_overlap, false, CandidateKind::Unknown, tally);
        }
    }

    /// The time of this overlap is over, and its link is not open.
    pub(super) fn expire(&mut self, id: PairId, tally: &mut Tally) {
        if let Some(pair) = self.pairs.get_mut(&id)
            && let Some(overlap) = &mut pair.overlap
        {
            overlap.progress = Progress::Settled;
            overlap.fail(&pair.ends, tally);
        }
    }

    /// The run is over before the time of this overlap is.
    pub(super) fn abandon(&mut self, id: PairId, tally: &mut Tally) {
        if let Some(overlap) = self.pairs.get_mut(&id).and_then(|pair| pair.overlap.as_mut()) {
            overlap.progress = Progress::Settled;
            overlap.abandon(tally);
        }
    }

    /// Something happened to the connection of `peer` to `remote`.
    pub(super) fn link(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        generation: Generation,
        event: LinkEvent,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let (id, side) = pair_of(peer, remote);
        let Some(pair) = self.pairs.get_mut(&id) else {
            return;
        };
        let was_open = pair.is_open();
        if pair.note(side, generation, event, at) {
            pair.settle(id, self.timeout, tally, deadlines);
        }
        self.open = self.open + u32::from(pair.is_open()) - u32::from(was_open);
    }
}

impl Pair {
    fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.marks.opened.is_some())
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

    fn settle(&mut self, id: PairId, timeout: Duration, tally: &mut Tally, deadlines: &mut Deadlines) {
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        let [a, b] = self.ends.each_ref().map(|end| &end.marks);
        if overlap.progress == Progress::Pending {
            let complete = if overlap.first {
                // Of two ends at the same instant the greater id's is the later one.
                a.opened
                    .zip(b.opened)
                    .map(|(a, b)| if b.0 >= a.0 { b } else { a })
            } else {
                let probed = a.probed.zip(b.probed).map(|(a, b)| a.max(b));
                probed.map(|at| (at, CandidateKind::Unknown))
            };
            let Some((at, kind)) = complete else {
                return;
            };
            deadlines.clear(overlap.start + timeout, Due::Overlap(id));
            overlap.progress = Progress::Settled;
            let took = at.since(overlap.start);
            if took > timeout {
                overlap.fail(&self.ends, tally);
            } else if overlap.first {
                tally.case("connect_failed", false);
                tally.took(connect(overlap.glare, kind), took);
                overlap.progress = Progress::PhasesMissing { opened: at };
            } else {
                tally.case(Series::tagged("reconnect_failed", REJOIN), false);
                tally.took(Series::tagged("reconnect_ms", REJOIN), took);
            }
        }
        if let Progress::PhasesMissing { opened } = overlap.progress
            && let Some(phases) = Phases::between(overlap.start, [a, b], opened)
        {
            overlap.progress = Progress::Settled;
            phases.count(tally);
        }
    }
}

impl Overlap {
    fn fail(&self, ends: &[End; 2], tally: &mut Tally) {
        let opened = ends.iter().filter_map(|end| end.marks.opened).max_by_key(|o| o.0);
        let kind = opened.map_or(CandidateKind::Unknown, |(_, kind)| kind);
        fail(self.first, self.glare, kind, tally);
    }

    fn abandon(&self, tally: &mut Tally) {
        if self.first {
            tally.count("connect_abandoned");
        } else {
            tally.count(Series::tagged("reconnect_abandoned", REJOIN));
        }
    }
}

fn fail(first: bool, glare: bool, kind: CandidateKind, tally: &mut Tally) {
    if first {
        tally.case("connect_failed", true);
        tally.failed(connect(glare, kind));
    } else {
        tally.case(Series::tagged("reconnect_failed", REJOIN), true);
        tally.failed(Series::tagged("reconnect_ms", REJOIN));
    }
}

fn connect(glare: bool, kind: CandidateKind) -> Series {
    let pair = match kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Prflx => "prflx",
        CandidateKind::Relay => "relay",
        CandidateKind::Unknown => "unknown",
    };
    let glare = if glare { "yes" } else { "no" };
    Series::tagged("connect_ms", [("glare", glare), ("pair", pair)])
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, C, Story, plan},
    };

    use super::*;

    #[test]
    fn a_pair_connects_from_the_later_planned_join_to_the_later_open_channel() {
        // B's join began 20 ms late: that is our lag, and it counts.
        let run = Story::of(2)
            .join(0, A, 1)
            .join_late(100, 120, B, 1)
            .open(140, (A, B), 1, 1)
            .open(150, (B, A), 1, 1)
            .end(1_000);
        assert_eq!(run.trend("connect_ms"), "1 ok 50 ms");
        assert_eq!(run.trend("connect_ms{glare:no,pair:host}"), "1 ok 50 ms");
        assert_eq!(run.rate("connect_failed"), "0/1");
        assert_eq!(run.trend("reconnect_ms"), "");
    }

    #[test]
    fn the_phases_of_a_connect_add_up_to_it_even_if_a_state_is_reported_after_the_channel() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .created(5, (A, B), 1)
            .created(6, (B, A), 1)
            .stable(8, (B, A), 1)
            .stable(10, (A, B), 1)
            .ice(25, (A, B), 1)
            .ice(30, (B, A), 1)
            .connected(60, (A, B), 1)
            .open(90, (A, B), 1, 1)
            .open(100, (B, A), 1, 1)
            .connected(101, (B, A), 1)
            .end(1_000);
        assert_eq!(run.trend("connect_ms"), "1 ok 100 ms");
        assert_eq!(run.trend("offer_answer_ms"), "1 ok 10 ms");
        assert_eq!(run.trend("ice_ms"), "1 ok 20 ms");
        assert_eq!(run.trend("dtls_ms"), "1 ok 70 ms");
        assert_eq!(run.trend("channel_ms"), "1 ok 0 ms");
    }

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
    fn glare_tags_the_sample_whoever_saw_it() {
        let glare = EventKind::Glare {
            generation: Generation(1),
            polite: true,
        };
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .link(5, A, B, glare)
            .open(10, (A, B), 1, 1)
            .open(12, (B, A), 1, 1)
            .end(1_000);
        assert_eq!(run.trend("connect_ms{glare:yes}"), "1 ok 12 ms");
        assert_eq!(run.trend("connect_ms{glare:no}"), "");
        assert_eq!(run.count("glare"), 1);
    }

    #[test]
    fn a_rejoin_is_measured_from_its_planned_join_until_data_has_flowed_both_ways() {
        let run = Story::connected_pair()
            .leave(1_000, B, 1)
            .join(2_000, B, 2)
            .created(2_010, (A, B), 2)
            .created(2_010, (B, A), 2)
            .open(2_020, (A, B), 2, 1)
            .open(2_020, (B, A), 2, 2)
            .probe(2_025, (B, A), 2)
            .probe(2_030, (A, B), 2)
            .end(3_000);
        assert_eq!(run.trend("connect_ms"), "1 ok 50 ms");
        assert_eq!(run.trend("reconnect_ms{cause:rejoin,path:rejoin}"), "1 ok 30 ms");
        assert_eq!(run.rate("reconnect_failed"), "0/1");
        assert_eq!(run.trend("offer_answer_ms"), "", "no phases of reconnects");
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
    fn the_deadline_of_an_overlap_ends_with_it() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .leave(1_000, B, 1)
            .join(20_000, B, 2)
            .run(40_000, EventKind::DeadlineReached)
            .probe(40_001, (A, B), 1)
            .probe(40_001, (B, A), 1)
            .end(41_000);
        assert_eq!(run.trend("reconnect_ms"), "1 ok 20000 ms");
    }

    #[test]
    fn a_join_without_a_leave_ends_the_membership_before_it() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .join(100, B, 2)
            .leave(150, B, 1)
            .end(31_000);
        assert_eq!(run.count("connect_abandoned"), 1);
        // The leave was of the first membership, and told late: the second goes on.
        assert_eq!(run.rate("reconnect_failed"), "1/1");
    }

    #[test]
    fn a_link_that_opens_after_the_time_out_has_failed_whether_or_not_time_was_seen_to_pass() {
        let story = || Story::of(2).join(0, A, 1).join(0, B, 1).open(10, (A, B), 1, 1);
        let just = story().open(30_000, (B, A), 1, 1).end(40_000);
        assert_eq!(just.trend("connect_ms"), "1 ok 30000 ms");
        let late = story().open(30_001, (B, A), 1, 1).end(40_000);
        assert_eq!(late.trend("connect_ms"), "0 ok, 1 failed");
        let seen = story()
            .run(60_000, EventKind::RunEnded)
            .open(60_001, (B, A), 1, 1)
            .end(70_000);
        assert_eq!(seen.trend("connect_ms"), "0 ok, 1 failed");
        assert_eq!(seen.rate("connect_failed"), "1/1");
    }

    #[test]
    fn a_link_that_opened_in_time_counts_though_its_event_was_queued() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .open(10, (A, B), 1, 1)
            .run(30_500, EventKind::DeadlineReached)
            .open(29_999, (B, A), 1, 1)
            .end(40_000);
        assert_eq!(run.trend("connect_ms"), "1 ok 30000 ms");
    }

    #[test]
    fn an_overlap_that_is_cut_short_is_abandoned_and_in_no_rate() {
        let left = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .leave(500, A, 1)
            .end(60_000);
        assert_eq!(
            (left.count("connect_abandoned"), left.rate("connect_failed")),
            (1, String::new())
        );

        let ended = Story::of(2).join(0, A, 1).join(0, B, 1).end(29_000);
        assert_eq!(ended.count("connect_abandoned"), 1);
        let overdue = Story::of(2).join(0, A, 1).join(0, B, 1).end(30_001);
        assert_eq!(
            (
                overdue.count("connect_abandoned"),
                overdue.rate("connect_failed").as_str()
            ),
            (0, "1/1")
        );
        let left_overdue = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .leave(30_001, A, 1)
            .end(30_001);
        assert_eq!(left_overdue.rate("connect_failed"), "1/1");
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
    fn a_failed_rejoin_fails_a_reconnect_whether_the_other_is_in_or_still_to_come() {
        let run = Story::connected_pair()
            .leave(1_000, B, 1)
            .join(2_000, B, 2)
            .join_failed(2_100, B, 2)
            .join(3_000, B, 3)
            .joined(3_001, B, 3)
            .leave(3_010, A, 1)
            .leave(3_020, B, 3)
            .join(4_000, B, 4)
            .join_failed(4_100, B, 4)
            .end(5_000);
        assert_eq!(run.rate("reconnect_failed{cause:rejoin,path:rejoin}"), "2/2");
        assert_eq!(run.count("reconnect_abandoned"), 1);
        assert_eq!(run.rate("connect_failed"), "0/1");
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
