use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Generation, Incarnation, Instant, PeerId};

use super::{
    checkers::Story,
    last_events::Explains,
    result::{Finding, FindingId, Findings},
};

/// How many messages of one direction of a link may be under way before the oldest is no longer followed.
pub(super) const MAX_UNDER_WAY: usize = 1_024;
/// How many (connection of the receiver, membership of the sender) of one direction are told apart.
const MAX_RECEIVING: usize = 16;

/// A message's place in the order of its sender: membership, then number.
pub(super) type Key = (Incarnation, u32);

/// All messages of one sender to one receiver.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The sender's end of the channel.
    pub channel: ChannelEnd,
    /// Sent, and not yet seen to arrive.
    pub under_way: BTreeMap<Key, UnderWay>,
    /// Seen to arrive, and not yet to leave.
    early: BTreeSet<Key>,
    /// The last message seen to leave.
    last_sent: Option<Key>,
    /// Messages up to here may have been dropped from `under_way`, and from `early`.
    forgotten: Option<Key>,
    forgotten_early: Option<Key>,
    /// The last message that came in, by the receiver's connection and the sender's membership.
    received: BTreeMap<(Generation, Incarnation), u32>,
}

/// One end of the channel of a link.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ChannelEnd {
    /// Counts every opening, so that two channels on one connection are two.
    pub opening: u32,
    pub generation: Option<Generation>,
    pub opened: Instant,
    /// When it was over; `None` while it is open.
    pub over: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct UnderWay {
    pub at: Instant,
    /// Which opening of the sender's end it went out on; `None`: no opening was seen.
    pub opening: Option<u32>,
    /// Set once it has been accused.
    pub overtaken: Option<FindingId>,
}

impl ChannelEnd {
    pub fn close(&mut self, at: Instant) {
        self.over = self.over.or(Some(at));
    }

    /// Which opening is in use; `None` while the end is not open.
    fn in_use(&self) -> Option<u32> {
        (self.generation.is_some() && self.over.is_none()).then_some(self.opening)
    }
}

/// What it takes to accuse: whose flow it is, and when it showed.
pub(super) struct Proof<'a> {
    pub story: &'a Story,
    pub found: &'a mut Findings,
    pub sender: PeerId,
    pub receiver: PeerId,
    /// What was sent before this may have found nobody there; `None`: whatever was sent is held to have.
    pub since: Option<Instant>,
    pub at: Instant,
}

impl Proof<'_> {
    /// The receiver's end is where it shows.
    pub fn accuse(&mut self, what: impl FnOnce() -> String) -> FindingId {
        let Self {
            story,
            sender,
            receiver,
            at,
            ..
        } = *self;
        self.found.breach(|| Finding {
            peer: Some(receiver),
            remote: Some(sender),
            at,
            what: what(),
            last_events: story.last.of_link(receiver, sender, Explains::Data),
        })
    }
}

impl Flow {
    /// A message was seen to leave. Returns how many older ones are no longer followed for it.
    pub fn sent(&mut self, key: Key, proof: &mut Proof<'_>) -> u64 {
        self.last_sent = self.last_sent.max(Some(key));
        let opening = self.channel.in_use();
        if self.early.remove(&key) {
            self.overtake(key, opening, proof);
            return 0;
        }
        if Some(key) <= self.forgotten_early {
            self.forgotten = self.forgotten.max(Some(key));
            return 1;
        }
        self.under_way.insert(
            key,
            UnderWay {
                at: proof.at,
                opening,
                overtaken: None,
            },
        );
        let too_many = self.under_way.len() > MAX_UNDER_WAY;
        if too_many && let Some((oldest, _)) = self.under_way.pop_first() {
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        u64::from(too_many)
    }

    /// A message was seen to arrive on connection `on` of the receiver.
    pub fn received(&mut self, key: Key, on: Generation, proof: &mut Proof<'_>) {
        let (incarnation, seq) = key;
        let before = self.received.get(&(on, incarnation)).copied();
        self.received
            .insert((on, incarnation), before.unwrap_or(0).max(seq));
        if self.received.len() > MAX_RECEIVING {
            self.received.pop_first();
        }
        let late = before.filter(|before| seq < *before);

        if let Some(message) = self.under_way.remove(&key) {
            match (late, message.overtaken) {
                (Some(before), Some(id)) => proof.found.amend(id, || out_of_order(key, before)),
                (None, Some(id)) => proof
                    .found
                    .amend(id, || format!("{} came in after later ones, on {on}", name(key))),
                (Some(before), None) => {
                    proof.accuse(|| out_of_order(key, before));
                }
                (None, None) => {}
            }
            self.overtake(key, message.opening, proof);
            return;
        }
        let not_yet_sent = self.last_sent.is_none_or(|last| last < key);
        if self.early.contains(&key) || (!not_yet_sent && self.forgotten < Some(key)) {
            proof.accuse(|| format!("{} came in twice, the second time on {on}", name(key)));
        } else if not_yet_sent {
            if let Some(before) = late {
                proof.accuse(|| out_of_order(key, before));
            }
            self.early.insert(key);
            if self.early.len() > MAX_UNDER_WAY {
                self.forgotten_early = self.forgotten_early.max(self.early.pop_first());
            }
        }
    }

    /// `key`, sent on `opening`, has come in: whatever was sent before it on the same channel should have.
    fn overtake(&mut self, key: Key, opening: Option<u32>, proof: &mut Proof<'_>) {
        if opening.is_none() {
            return;
        }
        for (&before, message) in self.under_way.range_mut(..key) {
            let was_there = Some(message.at) >= proof.since;
            if was_there && message.opening == opening && message.overtaken.is_none() {
                let id = proof.accuse(|| {
                    format!(
                        "{} was lost: it never came in, {}, sent later on the same channel, did",
                        name(before),
                        name(key)
                    )
                });
                message.overtaken = Some(id);
            }
        }
    }
}

fn out_of_order((incarnation, seq): Key, before: u32) -> String {
    format!(
        "{} came in after {}: out of order",
        name((incarnation, seq)),
        name((incarnation, before))
    )
}

/// A message's name in findings: `message i1-42`, membership and number.
pub(super) fn name((incarnation, seq): Key) -> String {
    format!("message {incarnation}-{seq}")
}
