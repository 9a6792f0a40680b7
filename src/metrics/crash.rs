use crate::base::{Generation, Instant};

use super::{
    FaultCause, RecoveryPath,
    tally::{Series, Tally},
};

/// The last that one end of an open link did was to crash.
#[derive(Debug)]
pub(super) struct Crash {
    side: usize,
    planned: Instant,
    /// The newest connection of the other end then.
    generation: Option<Generation>,
    /// The other end has not noticed it yet.
    unnoticed: bool,
    /// No case measures the outage yet.
    unmeasured: bool,
}

impl Crash {
    pub(super) fn new(side: usize, planned: Instant, generation: Option<Generation>) -> Self {
        Self {
            side,
            planned,
            generation,
            unnoticed: true,
            unmeasured: true,
        }
    }

    /// The end `side` noticed something, on a connection or because the server told it. Counts if it is
    /// the other end, for the first time: that is how long the crash took to be noticed.
    pub(super) fn noticed(&mut self, side: usize, on: Option<Generation>, at: Instant, tally: &mut Tally) {
        let of_this = on.is_none_or(|on| Some(on) <= self.generation);
        if self.unnoticed && side != self.side && self.planned <= at && of_this {
            self.unnoticed = false;
            // Nothing but a new membership makes up for it.
            let tags = [
                ("path", RecoveryPath::Rejoin.name()),
                ("cause", FaultCause::Crash.name()),
            ];
            tally
                .at(self.planned)
                .took(Series::tagged("detect_ms", tags), at.since(self.planned));
        }
    }

    /// Since when the link is out, if it is the end `side` that crashed and no case has measured it yet.
    pub(super) fn measure_outage(&mut self, side: usize) -> Option<Instant> {
        let mine = self.unmeasured && side == self.side;
        self.unmeasured &= !mine;
        mine.then_some(self.planned)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, Figures, Story, ms},
    };

    /// B crashes at 1 s, and has come back when `back` says.
    fn crashed() -> Story {
        Story::connected_pair().crash(1_000, B, 1)
    }

    fn comes_back(story: Story, planned: u64, incarnation: u32) -> Story {
        story
            .join(planned, B, incarnation)
            .created(planned + 10, (A, B), 2)
            .created(planned + 10, (B, A), 2)
            .open(planned + 20, (A, B), 2, 1)
            .open(planned + 20, (B, A), 2, incarnation)
            .probe(planned + 25, (B, A), 2)
            .probe(planned + 30, (A, B), 2)
    }

    fn crash_figures(run: &Figures) -> [String; 3] {
        [
            run.trend("reconnect_ms{cause:crash,path:rejoin}"),
            run.trend("outage_ms{cause:crash}"),
            run.trend("detect_ms{cause:crash}"),
        ]
    }

    #[test]
    fn a_crash_is_over_when_data_flows_to_the_peer_that_came_back() {
        let run = comes_back(crashed().detect(1_400, (A, B), 1), 3_000, 2).end(9_000);
        assert_eq!(crash_figures(&run), ["1 ok 30 ms", "1 ok 2030 ms", "1 ok 400 ms"]);
        assert_eq!(run.trend("reconnect_ms{cause:rejoin}"), "");
        assert_eq!(run.trend("connect_ms"), "1 ok 50 ms");
        assert_eq!(run.rate("reconnect_failed{cause:crash,path:rejoin}"), "0/1");
        assert_eq!(run.count("crashes"), 1);
    }

    #[test]
    fn the_servers_word_tells_of_a_crash_too_and_the_first_news_counts() {
        let told = crashed()
            .told_of_leave(1_300, (A, B))
            .detect(1_400, (A, B), 1)
            .end(9_000);
        assert_eq!(told.trend("detect_ms"), "1 ok 300 ms");
        let before = Story::connected_pair()
            .detect(900, (A, B), 1)
            .crash(1_000, B, 1)
            .end(9_000);
        assert_eq!(before.trend("detect_ms"), "", "that was something else");
        let other = comes_back(crashed(), 3_000, 2)
            .detect(4_000, (A, B), 2)
            .detect(4_000, (B, A), 2)
            .end(9_000);
        assert_eq!(other.trend("detect_ms"), "", "so was that");
        let late = comes_back(crashed(), 3_000, 2)
            .told_of_leave(3_040, (A, B))
            .end(9_000);
        assert_eq!(
            late.trend("detect_ms"),
            "1 ok 2040 ms",
            "noticed when it came back"
        );
    }

    #[test]
    fn a_crashed_peer_that_does_not_come_back_is_no_case() {
        let run = crashed().end(90_000);
        assert_eq!(run.rate("reconnect_failed"), "");
        assert_eq!(run.count("reconnect_abandoned"), 0);
        assert_eq!(run.trend("outage_ms"), "");
    }

    #[test]
    fn a_return_that_fails_is_one_outage_that_fails_however_often_it_is_tried() {
        let story = crashed().join(2_000, B, 2).join_failed(2_100, B, 2);
        let run = comes_back(story, 3_000, 3).end(9_000);
        assert_eq!(
            crash_figures(&run),
            ["1 ok 30 ms, 1 failed", "0 ok, 1 failed", ""]
        );
        let never = crashed().join(2_000, B, 2).end(40_000);
        assert_eq!(crash_figures(&never), ["0 ok, 1 failed", "0 ok, 1 failed", ""]);
    }

    #[test]
    fn a_return_that_is_cut_short_is_abandoned() {
        let run = crashed().join(2_000, B, 2).crash(2_500, B, 2).end(40_000);
        assert_eq!(run.count("reconnect_abandoned{cause:crash,path:rejoin}"), 1);
        assert_eq!(run.trend("outage_ms"), "");
    }

    #[test]
    fn who_leaves_and_comes_back_after_a_return_has_not_crashed() {
        let run = comes_back(crashed(), 3_000, 2)
            .leave(4_000, B, 2)
            .join(5_000, B, 3)
            .end(40_000);
        assert_eq!(run.rate("reconnect_failed{cause:crash,path:rejoin}"), "0/1");
        assert_eq!(run.rate("reconnect_failed{cause:rejoin,path:rejoin}"), "1/1");
    }

    #[test]
    fn when_both_come_back_the_one_that_comes_later_tells_why() {
        let run = crashed()
            .leave(1_500, A, 1)
            .join(2_000, B, 2)
            .join(5_000, A, 2)
            .end(90_000);
        assert_eq!(run.rate("reconnect_failed{cause:rejoin}"), "1/1");
        assert_eq!(run.trend("outage_ms"), "", "it was out for a reason of its own");
    }

    #[test]
    fn a_crash_before_the_link_was_open_tears_nothing() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .crash(100, B, 1)
            .told_of_leave(200, (A, B))
            .join(300, B, 2)
            .end(90_000);
        assert_eq!(run.count("connect_abandoned"), 1);
        assert_eq!(crash_figures(&run), ["0 ok, 1 failed", "", ""]);
    }

    #[test]
    fn a_crash_abandons_joins_and_messages_like_a_leave() {
        let unsent = EventKind::MessageUnsent {
            planned: ms(1_000),
            incarnation: crate::base::Incarnation(1),
            seq: 9,
        };
        let run = Story::connected_pair()
            .send(990, (A, B), 1)
            .send(990, (B, A), 1)
            .crash(1_000, B, 1)
            .send(1_002, (A, B), 2)
            .link(1_003, A, B, unsent)
            .end(60_000);
        assert_eq!(run.count("messages_abandoned"), 3);
        assert_eq!(run.count("messages_not_due"), 1);
        assert_eq!(run.rate("message_failed"), "");

        let joining = Story::of(2).join(0, A, 1).crash(10, A, 1).end(60_000);
        assert_eq!(joining.count("joins_abandoned"), 1);
        assert_eq!(joining.trend("join_ms"), "");
    }

    #[test]
    fn a_crash_that_is_told_of_another_membership_ends_nothing() {
        let run = Story::connected_pair().crash(1_000, B, 7);
        assert_eq!(run.live().links_open, 1);
    }
}
