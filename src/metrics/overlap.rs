use std::time::Duration;

use crate::base::{Incarnation, Instant};

use super::{
    CandidateKind, FaultCause, RecoveryPath,
    members::Cut,
    phases::{Marks, Phases},
    tally::{Series, Tally},
};

/// A time in which both peers are members.
#[derive(Debug)]
pub(super) struct Overlap {
    /// The later of the two planned joins.
    pub(super) start: Instant,
    pub(super) case: Case,
    pub(super) incarnations: [Incarnation; 2],
    pub(super) glare: bool,
    /// A fault was on at one of the two before the link was open.
    pub(super) degraded: bool,
    progress: Progress,
}

/// What an overlap is measured as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// No overlap of this pair came before it.
    Connect,
    /// One of the two has come back.
    Return(Return),
    /// A fault of the overlap before it is not over: this is how its link comes back, and no case of its own.
    Covered,
}

/// Why a link has to come back, and since when it is out if that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) cause: FaultCause,
    pub(super) out_since: Option<Instant>,
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

impl Overlap {
    pub(super) fn new(start: Instant, case: Case, incarnations: [Incarnation; 2]) -> Self {
        Self {
            start,
            case,
            incarnations,
            glare: false,
            degraded: false,
            progress: Progress::Pending,
        }
    }

    /// What it is measured from, if its case is still to come: the crash before it, where that is measured, too.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let out_since = match self.case {
            Case::Return(back) => back.out_since,
            Case::Connect => None,
            Case::Covered => return None,
        };
        self.is_pending()
            .then(|| out_since.unwrap_or(self.start).min(self.start))
    }

    pub(super) fn is_pending(&self) -> bool {
        self.progress == Progress::Pending
    }

    /// Takes what the two ends have reached into account. Tells when the link came (back) into use, if that
    /// is new.
    pub(super) fn advance(
        &mut self,
        ends: [&Marks; 2],
        timeout: Duration,
        tally: &mut Tally,
    ) -> Option<Instant> {
        let settled = if self.is_pending() {
            let (at, kind) = self.complete(ends)?;
            self.progress = Progress::Settled;
            self.settle(at, kind, timeout, ends, tally);
            Some(at)
        } else {
            None
        };
        if let Progress::PhasesMissing { opened } = self.progress
            && let Some(phases) = Phases::between(self.start, ends, opened)
        {
            self.progress = Progress::Settled;
            phases.count(&mut tally.at(self.start));
        }
        settled
    }

    /// When and over what the link came into use: a connect is complete when both ends are open, what comes
    /// back is when data has flowed both ways.
    fn complete(&self, [a, b]: [&Marks; 2]) -> Option<(Instant, CandidateKind)> {
        match self.case {
            // Of two ends at the same instant the greater id's is the later one.
            Case::Connect => {
                let (a, b) = a.opened.zip(b.opened)?;
                Some(if b.0 >= a.0 { b } else { a })
            }
            Case::Return(_) | Case::Covered => {
                let (a, b) = a.probed.zip(b.probed)?;
                Some((a.max(b), CandidateKind::Unknown))
            }
        }
    }

    fn settle(
        &mut self,
        at: Instant,
        kind: CandidateKind,
        timeout: Duration,
        ends: [&Marks; 2],
        tally: &mut Tally,
    ) {
        let took = at.since(self.start);
        match self.case {
            Case::Covered => {}
            _ if took > timeout => self.fail(ends, tally),
            Case::Connect => {
                let mut tally = tally.at(self.start);
                tally.case("connect_failed", false);
                tally.took(connect(self.glare, self.degraded, kind), took);
                self.progress = Progress::PhasesMissing { opened: at };
            }
            Case::Return(back) => {
                let mut came_back = tally.at(self.start);
                came_back.case(back.series("reconnect_failed"), false);
                came_back.took(back.series("reconnect_ms"), took);
                came_back.count(back.series("recovered_by"));
                if let Some(since) = back.out_since {
                    tally.at(since).took(back.series("outage_ms"), at.since(since));
                }
            }
        }
    }

    /// One of the two is no member any more, and this is still pending.
    pub(super) fn cut(&self, at: Instant, cut: Cut, timeout: Duration, ends: [&Marks; 2], tally: &mut Tally) {
        if cut.is_failure() || at.since(self.start) > timeout {
            self.fail(ends, tally);
        } else {
            self.abandon(tally);
        }
    }

    /// Its time is over.
    pub(super) fn expire(&mut self, ends: [&Marks; 2], tally: &mut Tally) {
        self.progress = Progress::Settled;
        self.fail(ends, tally);
    }

    /// The run is over before its time is.
    pub(super) fn end_of_run(&mut self, tally: &mut Tally) {
        self.progress = Progress::Settled;
        self.abandon(tally);
    }

    fn fail(&self, ends: [&Marks; 2], tally: &mut Tally) {
        let opened = ends.iter().filter_map(|end| end.opened).max_by_key(|o| o.0);
        let kind = opened.map_or(CandidateKind::Unknown, |(_, kind)| kind);
        self.case.fail(self.start, self.glare, self.degraded, kind, tally);
    }

    fn abandon(&self, tally: &mut Tally) {
        let mut tally = tally.at(self.start);
        match self.case {
            Case::Covered => {}
            Case::Connect => tally.count("connect_abandoned"),
            Case::Return(back) => tally.count(back.series("reconnect_abandoned")),
        }
    }
}

impl Case {
    /// `start`: where it is measured from.
    pub(super) fn fail(
        self,
        start: Instant,
        glare: bool,
        degraded: bool,
        kind: CandidateKind,
        tally: &mut Tally,
    ) {
        match self {
            Self::Covered => {}
            Self::Connect => {
                let mut tally = tally.at(start);
                tally.case("connect_failed", true);
                tally.failed(connect(glare, degraded, kind));
            }
            Self::Return(back) => {
                let mut came_back = tally.at(start);
                came_back.case(back.series("reconnect_failed"), true);
                came_back.failed(back.series("reconnect_ms"));
                if let Some(since) = back.out_since {
                    tally.at(since).failed(back.series("outage_ms"));
                }
            }
        }
    }
}

impl Return {
    fn series(self, name: &'static str) -> Series {
        let tags = [
            ("path", RecoveryPath::Rejoin.name()),
            ("cause", self.cause.name()),
        ];
        Series::tagged(name, tags)
    }
}

fn connect(glare: bool, degraded: bool, kind: CandidateKind) -> Series {
    let pair = match kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Prflx => "prflx",
        CandidateKind::Relay => "relay",
        CandidateKind::Unknown => "unknown",
    };
    let yes_no = |what| if what { "yes" } else { "no" };
    let tags = [
        ("glare", yes_no(glare)),
        ("pair", pair),
        ("degraded", yes_no(degraded)),
    ];
    Series::tagged("connect_ms", tags)
}

#[cfg(test)]
mod tests {
    use crate::{
        base::Generation,
        metrics::{
            EventKind,
            story::{A, B, Story},
        },
    };

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
        assert_eq!(run.rate("connect_failed"), "1/1", "nobody wanted it to end");
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
}
