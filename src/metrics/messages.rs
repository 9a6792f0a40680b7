use std::{collections::BTreeMap, time::Duration};

use crate::base::{Generation, Incarnation, Instant, PeerId};

use super::{
    deadlines::{Deadlines, Due},
    faults::Faults,
    outages,
    pairs::pair_of,
    recorder::LATENESS,
    seqs::Seqs,
    tally::Tally,
};

/// Most deliveries that wait for the event of their sending; beyond it they count as unmatched at once.
const EARLY_MAX: usize = 65_536;

/// One chat message to one remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MessageId {
    pub(super) sender: PeerId,
    pub(super) receiver: PeerId,
    /// The sender's.
    pub(super) incarnation: Incarnation,
    pub(super) seq: u32,
}

#[derive(Debug, Clone, Copy)]
struct Outgoing {
    planned: Instant,
    sent: Instant,
}

/// What has come in from one sender at one receiver.
#[derive(Debug)]
struct Stream {
    incarnation: Incarnation,
    generation: Generation,
    /// The greatest number that came in over this generation.
    newest: Option<u32>,
    seen: Seqs,
}

/// `message_ms` and the counts of messages. Keeps what is on its way, and a few runs of numbers per
/// direction of a link; nothing grows with the length of the run.
#[derive(Debug)]
pub(super) struct Messages {
    outgoing: BTreeMap<MessageId, Outgoing>,
    /// Deliveries whose `MessageSent` is still in the dispatcher's queue.
    early: BTreeMap<MessageId, Instant>,
    /// By sender and receiver.
    streams: BTreeMap<(PeerId, PeerId), Stream>,
    timeout: Duration,
}

impl Messages {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            outgoing: BTreeMap::new(),
            early: BTreeMap::new(),
            streams: BTreeMap::new(),
            timeout,
        }
    }

    /// The earliest planned instant of those that are on their way.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        self.outgoing.values().map(|message| message.planned).min()
    }

    /// A message went out. `to_member`: the receiver has not begun to leave.
    pub(super) fn sent(
        &mut self,
        id: MessageId,
        planned: Instant,
        at: Instant,
        to_member: bool,
        (faults, tally): (&Faults, &mut Tally),
        deadlines: &mut Deadlines,
    ) {
        if self.outgoing.contains_key(&id) {
            return;
        }
        tally.at(planned).count("messages_sent");
        let message = Outgoing { planned, sent: at };
        if let Some(received) = self.early.remove(&id) {
            deadlines.clear(received + LATENESS, Due::Unmatched(id));
            self.settle(id, message, received, faults, tally);
        } else if to_member {
            deadlines.set(at + self.timeout, Due::Message(id));
            self.outgoing.insert(id, message);
        } else {
            tally.at(planned).count("messages_abandoned");
        }
    }

    /// No channel was open when the message was due.
    pub(super) fn unsent(
        &mut self,
        ends: (PeerId, PeerId),
        planned: Instant,
        to_member: bool,
        faults: &Faults,
        tally: &mut Tally,
    ) {
        if to_member {
            tally.at(planned).count("messages_unsent");
            fail(ends, planned, faults, tally);
        } else {
            tally.at(planned).count("messages_not_due");
        }
    }

    pub(super) fn received(
        &mut self,
        id: MessageId,
        generation: Generation,
        at: Instant,
        (faults, tally): (&Faults, &mut Tally),
        deadlines: &mut Deadlines,
    ) {
        let outgoing = self.outgoing.remove(&id);
        let stream = self
            .streams
            .entry((id.sender, id.receiver))
            .or_insert_with(|| Stream {
                incarnation: id.incarnation,
                generation,
                newest: None,
                seen: Seqs::default(),
            });
        let repeated = stream.incarnation == id.incarnation && stream.seen.contains(id.seq);
        if outgoing.is_none() && repeated {
            tally.at(at).count("messages_duplicated");
            return;
        }
        let due = outgoing.map_or(at, |message| message.planned);
        if stream.take(id, generation) {
            tally.at(due).count("messages_reordered");
        }
        if let Some(message) = outgoing {
            deadlines.clear(message.sent + self.timeout, Due::Message(id));
            self.settle(id, message, at, faults, tally);
        } else if self.early.len() < EARLY_MAX && !self.early.contains_key(&id) {
            deadlines.set(at + LATENESS, Due::Unmatched(id));
            self.early.insert(id, at);
        } else {
            tally.at(at).count("messages_unmatched");
        }
    }

    /// What is on its way between the two (both directions) will not be waited for: one of them leaves.
    pub(super) fn abandon_between(
        &mut self,
        a: PeerId,
        b: PeerId,
        at: Instant,
        (faults, tally): (&Faults, &mut Tally),
        deadlines: &mut Deadlines,
    ) {
        for (sender, receiver) in [(a, b), (b, a)] {
            let bound = |incarnation, seq| MessageId {
                sender,
                receiver,
                incarnation: Incarnation(incarnation),
                seq,
            };
            let all = bound(0, 0)..=bound(u32::MAX, u32::MAX);
            let ids: Vec<_> = self.outgoing.range(all).map(|(id, _)| *id).collect();
            for id in ids {
                let message = self.outgoing.remove(&id).expect("it was listed just now");
                deadlines.clear(message.sent + self.timeout, Due::Message(id));
                if at.since(message.sent) > self.timeout {
                    lose(id, message, faults, tally);
                } else {
                    tally.at(message.planned).count("messages_abandoned");
                }
            }
        }
    }

    /// The time of this message is over.
    pub(super) fn expire(&mut self, id: MessageId, faults: &Faults, tally: &mut Tally) {
        if let Some(message) = self.outgoing.remove(&id) {
            lose(id, message, faults, tally);
        }
    }

    /// The run is over before the time of this message is.
    pub(super) fn abandon(&mut self, id: MessageId, tally: &mut Tally) {
        if let Some(message) = self.outgoing.remove(&id) {
            tally.at(message.planned).count("messages_abandoned");
        }
    }

    /// No sending of this delivery has come to light.
    pub(super) fn expire_early(&mut self, id: MessageId, tally: &mut Tally) {
        if let Some(received) = self.early.remove(&id) {
            tally.at(received).count("messages_unmatched");
        }
    }

    fn settle(
        &self,
        id: MessageId,
        message: Outgoing,
        received: Instant,
        faults: &Faults,
        tally: &mut Tally,
    ) {
        if received.since(message.sent) > self.timeout {
            return lose(id, message, faults, tally);
        }
        in_outage((id.sender, id.receiver), message.planned, false, faults, tally);
        let mut tally = tally.at(message.planned);
        tally.count("messages_received");
        tally.case("message_failed", false);
        tally.took("message_ms", received.since(message.planned));
    }
}

impl Stream {
    /// Takes a first delivery; tells whether a later message came before it.
    fn take(&mut self, id: MessageId, generation: Generation) -> bool {
        if id.incarnation < self.incarnation {
            return false;
        }
        if id.incarnation > self.incarnation {
            self.incarnation = id.incarnation;
            self.seen = Seqs::default();
            self.newest = None;
        }
        self.seen.insert(id.seq);
        if generation > self.generation {
            self.generation = generation;
            self.newest = None;
        }
        let reordered = generation == self.generation && self.newest.is_some_and(|newest| id.seq < newest);
        if generation == self.generation {
            self.newest = self.newest.max(Some(id.seq));
        }
        reordered
    }
}

fn lose(id: MessageId, message: Outgoing, faults: &Faults, tally: &mut Tally) {
    tally.at(message.planned).count("messages_lost");
    fail((id.sender, id.receiver), message.planned, faults, tally);
}

/// Counts it for the outage of its link that it was due in, if it was.
fn in_outage(
    (sender, receiver): (PeerId, PeerId),
    planned: Instant,
    lost: bool,
    faults: &Faults,
    tally: &mut Tally,
) {
    if let Some(key) = faults.outage_at(pair_of(sender, receiver).0, planned) {
        outages::message(key, planned, lost, tally);
    }
}

fn fail(ends: (PeerId, PeerId), planned: Instant, faults: &Faults, tally: &mut Tally) {
    in_outage(ends, planned, true, faults, tally);
    let mut tally = tally.at(planned);
    tally.case("message_failed", true);
    tally.failed("message_ms");
}

#[cfg(test)]
mod tests {
    use crate::metrics::{
        EventKind,
        story::{A, B, Figures, Story, ms},
    };

    use super::*;

    fn counts(run: &Figures) -> String {
        let kinds = [
            "sent",
            "received",
            "unsent",
            "lost",
            "duplicated",
            "reordered",
            "abandoned",
            "not_due",
            "unmatched",
        ];
        kinds
            .iter()
            .map(|kind| (kind, run.count(&format!("messages_{kind}"))))
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn unsent() -> EventKind {
        EventKind::MessageUnsent {
            planned: ms(1_000),
            incarnation: Incarnation(1),
            seq: 9,
        }
    }

    #[test]
    fn a_message_takes_from_its_planned_instant_to_its_delivery() {
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .send(1_000, (B, A), 1)
            .receive(1_004, (B, A), 1, 1)
            .receive(1_009, (A, B), 1, 1)
            .end(2_000);
        assert_eq!(run.trend("message_ms"), "2 ok 5..10 ms");
        assert_eq!(counts(&run), "sent 2, received 2");
        assert_eq!(run.rate("message_failed"), "0/2");
    }

    #[test]
    fn unsent_and_lost_ones_are_infinite() {
        let run = Story::connected_pair()
            .link(1_000, A, B, unsent())
            .send(1_000, (A, B), 1)
            .send(1_001, (A, B), 2)
            .receive(31_001, (B, A), 1, 2)
            .receive(31_001, (B, A), 1, 1)
            .end(40_000);
        // 2 came in just in time, 1 a millisecond late.
        assert_eq!(run.trend("message_ms"), "1 ok 30000 ms, 2 failed");
        assert_eq!(counts(&run), "sent 2, received 1, unsent 1, lost 1, reordered 1");
        assert_eq!(run.rate("message_failed"), "2/3");
    }

    #[test]
    fn what_was_lost_and_comes_in_after_all_is_told_from_a_repeat() {
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .receive(90_000, (B, A), 1, 1)
            .receive(90_001, (B, A), 1, 1)
            .end(99_000);
        assert_eq!(counts(&run), "sent 1, lost 1, duplicated 1, unmatched 1");
    }

    #[test]
    fn repeats_and_a_changed_order_are_counted_per_connection() {
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .send(1_001, (A, B), 2)
            .send(1_002, (A, B), 3)
            .receive(1_010, (B, A), 1, 2)
            .receive(1_011, (B, A), 1, 1)
            .receive(1_012, (B, A), 1, 1)
            .receive(1_012, (B, A), 1, 2)
            .receive(1_013, (B, A), 1, 3)
            .end(2_000);
        assert_eq!(counts(&run), "sent 3, received 3, duplicated 2, reordered 1");

        let replaced = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .send(1_001, (A, B), 2)
            .receive(1_010, (B, A), 1, 2)
            .receive(1_011, (B, A), 2, 1)
            .send(1_020, (A, B), 3)
            .send(1_021, (A, B), 4)
            .receive(1_030, (B, A), 2, 4)
            .receive(1_031, (B, A), 2, 3)
            .end(2_000);
        assert_eq!(counts(&replaced), "sent 4, received 4, reordered 1");
    }

    #[test]
    fn numbers_begin_anew_with_a_membership_of_the_sender() {
        let received = || EventKind::MessageReceived {
            generation: Generation(2),
            incarnation: Incarnation(2),
            seq: 1,
            bytes: 1,
        };
        let sent = EventKind::MessageSent {
            planned: ms(2_000),
            incarnation: Incarnation(2),
            seq: 1,
            bytes: 1,
        };
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .receive(1_001, (B, A), 1, 1)
            .leave(1_100, A, 1)
            .join(1_200, A, 2)
            .link(2_000, A, B, sent)
            .link(2_001, B, A, received())
            .link(2_002, B, A, received())
            .end(9_000);
        assert_eq!(counts(&run), "sent 2, received 2, duplicated 1");
    }

    #[test]
    fn a_message_to_a_peer_whose_join_failed_was_due() {
        let run = Story::of(2)
            .join(0, A, 1)
            .join(10, B, 1)
            .join_failed(20, B, 1)
            .link(1_000, A, B, unsent())
            .end(2_000);
        assert_eq!(counts(&run), "unsent 1");
    }

    #[test]
    fn a_leave_of_either_end_abandons_what_is_on_its_way() {
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .send(1_000, (B, A), 1)
            .leave(1_001, B, 1)
            .send(1_002, (A, B), 2)
            .link(1_003, A, B, unsent())
            .end(60_000);
        assert_eq!(counts(&run), "sent 3, abandoned 3, not_due 1");
        assert_eq!(
            (run.trend("message_ms"), run.rate("message_failed")),
            (String::new(), String::new())
        );
    }

    #[test]
    fn a_leave_after_the_time_out_abandons_nothing_and_the_end_of_the_run_abandons_the_young() {
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .leave(31_001, B, 1)
            .end(31_001);
        assert_eq!(counts(&run), "sent 1, lost 1");
        let run = Story::connected_pair()
            .send(1_000, (A, B), 1)
            .send(1_001, (A, B), 2)
            .end(31_001);
        assert_eq!(counts(&run), "sent 2, lost 1, abandoned 1");
    }

    #[test]
    fn a_delivery_may_be_recorded_before_its_sending() {
        let run = Story::connected_pair()
            .receive(1_004, (B, A), 1, 1)
            .send(1_000, (A, B), 1)
            .receive(1_005, (B, A), 1, 7)
            .end(2_000);
        assert_eq!(run.trend("message_ms"), "1 ok 5 ms");
        assert_eq!(counts(&run), "sent 1, received 1, unmatched 1");
    }
}
