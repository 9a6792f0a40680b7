use std::{collections::BTreeMap, time::Duration};

use crate::base::{Incarnation, Instant, PeerId};

use super::{
    deadlines::{Deadlines, Due},
    members::Cut,
    tally::Tally,
    timed::Timed,
};

/// A member without a signaling socket.
#[derive(Debug)]
struct Lost {
    at: Instant,
    incarnation: Incarnation,
    /// The sample, failure or abandonment is still to come.
    pending: bool,
}

/// `signaling_reconnect_ms`: one case for each time that a member loses its signaling socket.
#[derive(Debug)]
pub(super) struct Resumptions {
    lost: BTreeMap<PeerId, Lost>,
    timed: Timed,
}

impl Resumptions {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            lost: BTreeMap::new(),
            timed: Timed {
                metric: "signaling_reconnect_ms",
                abandoned: "signaling_reconnect_abandoned",
                timeout,
            },
        }
    }

    /// Whether `peer` is a member without a socket.
    pub(super) fn is_lost(&self, peer: PeerId) -> bool {
        self.lost.contains_key(&peer)
    }

    /// The earliest loss whose case is still to come.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        let pending = self.lost.values().filter(|lost| lost.pending);
        pending.map(|lost| lost.at).min()
    }

    /// The socket of a member was lost; that the next ones could not be opened is the same loss.
    pub(super) fn lost(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        at: Instant,
        deadlines: &mut Deadlines,
    ) {
        self.lost.entry(peer).or_insert_with(|| {
            deadlines.set(self.timed.deadline(at), Due::Resumption(peer));
            Lost {
                at,
                incarnation,
                pending: true,
            }
        });
    }

    /// A new socket took the membership over.
    pub(super) fn resumed(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let same = |lost: &Lost| lost.incarnation == incarnation;
        if self.lost.get(&peer).is_some_and(same)
            && let Some(lost) = self.take(peer, deadlines)
        {
            self.timed.done(lost.at, at, tally);
        }
    }

    /// The server would not have the membership taken over.
    pub(super) fn refused(
        &mut self,
        peer: PeerId,
        incarnation: Incarnation,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        if let Some(lost) = self.lost.get_mut(&peer)
            && lost.incarnation == incarnation
            && lost.pending
        {
            deadlines.clear(self.timed.deadline(lost.at), Due::Resumption(peer));
            lost.pending = false;
            self.timed.fail(lost.at, tally);
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
        if let Some(lost) = self.take(peer, deadlines) {
            self.timed.cut(lost.at, at, cut, tally);
        }
    }

    /// The time of this one is over.
    pub(super) fn expire(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(lost) = self.lost.get_mut(&peer) {
            lost.pending = false;
            self.timed.fail(lost.at, tally);
        }
    }

    /// The run is over before the time of this one is.
    pub(super) fn end_of_run(&mut self, peer: PeerId, tally: &mut Tally) {
        if let Some(lost) = self.lost.remove(&peer) {
            self.timed.abandon(lost.at, tally);
        }
    }

    /// Forgets the loss in this membership; gives it back if its case is still to come.
    fn take(&mut self, peer: PeerId, deadlines: &mut Deadlines) -> Option<Lost> {
        let lost = self.lost.remove(&peer).filter(|lost| lost.pending)?;
        deadlines.clear(self.timed.deadline(lost.at), Due::Resumption(peer));
        Some(lost)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, Figures, Story},
    };

    /// B has no signaling socket from 1 s on.
    fn lost() -> Story {
        Story::connected_pair().signaling_lost(1_000, B)
    }

    fn figures(run: &Figures) -> (String, u64) {
        let abandoned = run.count("signaling_reconnect_abandoned");
        (run.trend("signaling_reconnect_ms"), abandoned)
    }

    fn ok(text: &str) -> (String, u64) {
        (text.to_owned(), 0)
    }

    #[test]
    fn a_lost_socket_is_out_from_the_first_loss_until_the_membership_is_taken_over() {
        let run = lost()
            .signaling_lost(1_300, B)
            .resumed(1_800, B, 1)
            .signaling_lost(5_000, B)
            .resumed(5_100, B, 1)
            .end(9_000);
        assert_eq!(figures(&run), ok("2 ok 100..800 ms"));
    }

    #[test]
    fn only_a_members_socket_counts() {
        let run = Story::of(2)
            .signaling_lost(0, A)
            .join(0, A, 1)
            .signaling_lost(10, A)
            .joined(20, A, 1)
            .leave(30, A, 1)
            .signaling_lost(40, A)
            .end(90_000);
        assert_eq!(figures(&run), (String::new(), 0));
    }

    #[test]
    fn a_membership_that_is_lost_for_good_is_a_failure() {
        let failed = ok("0 ok, 1 failed");
        assert_eq!(figures(&lost().lose_membership(5_000, B, 1).end(90_000)), failed);
        assert_eq!(figures(&lost().join(5_000, B, 2).end(90_000)), failed);
        let refused = lost().join_failed(5_000, B, 1);
        assert_eq!(figures(&refused.lose_membership(5_000, B, 1).end(90_000)), failed);
        assert_eq!(figures(&lost().resumed(31_001, B, 1).end(90_000)), failed);
        assert_eq!(figures(&lost().end(31_001)), failed);
        let gone = lost().run(40_000, EventKind::RunEnded);
        assert_eq!(figures(&gone.lose_membership(40_001, B, 1).end(90_000)), failed);
        let other = lost().resumed(2_000, B, 9).end(90_000);
        assert_eq!(figures(&other), failed, "that was no membership of B's");
    }

    #[test]
    fn a_planned_end_abandons_it() {
        let abandoned = (String::new(), 1);
        assert_eq!(figures(&lost().leave(5_000, B, 1).end(90_000)), abandoned);
        assert_eq!(figures(&lost().crash(5_000, B, 1).end(90_000)), abandoned);
        assert_eq!(figures(&lost().end(31_000)), abandoned);
        let stopped = lost().run(4_000, EventKind::Interrupted);
        assert_eq!(
            figures(&stopped.lose_membership(5_000, B, 1).end(90_000)),
            abandoned
        );
        let overdue = lost().leave(31_001, B, 1).end(31_001);
        assert_eq!(figures(&overdue), ok("0 ok, 1 failed"));
    }

    #[test]
    fn what_a_lost_membership_had_pending_has_failed() {
        let run = Story::of(2)
            .join(0, A, 1)
            .joined(1, A, 1)
            .join(0, B, 1)
            .joined(1, B, 1)
            .send(50, (A, B), 1)
            .signaling_lost(100, B)
            .lose_membership(200, B, 1)
            .end(60_000);
        assert_eq!(run.rate("connect_failed"), "1/1");
        assert_eq!(run.trend("join_ms"), "1 ok 1 ms, 1 failed");
        assert_eq!(run.count("messages_lost"), 1);
        // The same without a lost socket is the end of the run.
        let end = Story::of(2)
            .join(0, A, 1)
            .join(0, B, 1)
            .lose_membership(200, B, 1)
            .end(60_000);
        assert_eq!(end.count("connect_abandoned"), 1);
    }
}
