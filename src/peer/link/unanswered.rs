//! An offer that nobody answers: it or its answer may be lost, and the socket fine.

use std::time::Duration;

use super::{
    connection::Connection,
    machine::{Link, LinkTimer},
};
use crate::{
    base::{Fnv1a, Generation, Instant},
    metrics::{EventKind, SignalingState},
};

/// How often an offer is sent again before a connection that never opened is replaced.
const MAX_REPEATS: u32 = 4;
/// How long it is waited for an answer at most.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A wait is longer by up to this part of it, so that those who were disturbed together do not all repeat together.
const JITTER: u32 = 4;

impl Link {
    /// Whether an offer of this end is under way, or wanted.
    pub fn is_offering(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_offering) || self.recovery.is_wanting()
    }

    /// The offer is out: its answer is waited for, twice as long each time.
    pub(super) fn expect_answer(&mut self, now: Instant) {
        let Some(connection) = &self.connection else {
            return;
        };
        if let Some(within) = self.rules.answer_within
            && self.rules.repeat_unanswered
        {
            // A server gets no copies: it is waited for as long as for the last of them.
            let within = match self.carries.is_with_server() {
                true => LONGEST_WAIT.max(within),
                false => within,
            };
            let doubled = within.saturating_mul(2_u32.saturating_pow(connection.repeats));
            let wait = doubled.min(LONGEST_WAIT.max(within));
            let timer = LinkTimer::Unanswered(connection.generation);
            self.timers.set(timer, now + wait + jitter(connection, wait));
        }
    }

    /// No answer has come: the same offer is sent again. Who has it drops the copy and repeats the answer.
    pub(super) fn answer_overdue(&mut self, generation: Generation, now: Instant) {
        if !self.is_due(generation, "answer") || self.signaling() != SignalingState::HaveLocalOffer {
            return;
        }
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        if connection.busy.is_some() {
            // What may be the answer is being taken.
            return self.expect_answer(now);
        }
        if self.carries.is_with_server() {
            return self.offer_anew();
        }
        // A link that is open has still its data: there is nothing to be won by tearing it.
        if connection.repeats < MAX_REPEATS || connection.was_open {
            connection.repeats = connection.repeats.saturating_add(1);
            let attempt = connection.repeats;
            self.event(EventKind::OfferOverdue { generation, attempt });
            self.repeat_offer();
            return self.expect_answer(now);
        }
        self.offer_anew();
    }
}

/// From the ICE credentials, which are as random as anything that a client draws.
fn jitter(connection: &Connection, wait: Duration) -> Duration {
    let mut hash = Fnv1a::default();
    hash.update(connection.local_ufrag.as_deref().unwrap_or_default().as_bytes());
    hash.update(&connection.repeats.to_le_bytes());
    let share = (hash.value() % 1_000) as u32;
    wait / JITTER * share / 1_000
}
