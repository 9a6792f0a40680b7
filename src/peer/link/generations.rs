//! The connections of a link, one after the other: each made with the next generation, known, replaced and
//! closed, and what is left of an earlier one kept from the current.

use super::{
    connection::{Connection, Exchange},
    machine::{Link, LinkOutput, LinkTimer},
};
use crate::{
    base::{Generation, Instant},
    metrics::{EventKind, RecoveryPath},
    peer::connection::{Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation},
};

impl Link {
    /// Closes the current connection for good.
    pub fn close(&mut self, cause: &str) {
        self.timers.clear();
        self.queued.clear();
        self.early.clear();
        let unfinished = self.connection.as_ref().is_some_and(Connection::is_unfinished);
        if unfinished && !self.rules.close_unfinished {
            // Left behind, and not known to anybody any more.
            self.connection = None;
        }
        self.close_connection(cause);
    }

    /// Makes the connection known whose first offer is made, in the place of one that may have been made
    /// meanwhile. `false`: what has happened is about one that is not known yet.
    pub(super) fn register(&mut self, generation: Generation, event: &ConnectionEvent) -> bool {
        let Some(mut connection) = self.unregistered.take_if(|c| c.generation == generation) else {
            return true;
        };
        if let ConnectionEvent::LocalCandidate(candidate) = event {
            connection.untold.push(candidate.clone());
            self.unregistered = Some(connection);
            return false;
        }
        self.generation = generation;
        self.connection = Some(connection);
        true
    }

    /// Replaces the connection by one that is offered, unless that was in vain too often.
    pub(super) fn offer_anew(&mut self) {
        // What the server passes on comes back with the connection to it.
        if self.carries == Carries::Relayed || !self.may_replace() {
            return;
        }
        if self.carries.is_offered_by_server() {
            self.close_connection("replaced");
            self.act(RecoveryPath::Replace);
            return self.request_offer();
        }
        self.replace(true);
        self.act(RecoveryPath::Replace);
        self.perform(
            Exchange::Offering,
            ConnectionOperation::Offer { ice_restart: false },
        );
    }

    /// Has the server offer on a connection of its own that is a new one.
    pub(super) fn request_offer(&mut self) {
        self.stand_down();
        self.outputs
            .push_back(LinkOutput::RequestOffer { ice_restart: false });
    }

    /// The server has ended the connection, or does not make it.
    pub fn ended(&mut self, now: Instant) {
        if self.connection.is_some() {
            self.replace_dead(self.generation, now);
        } else if self.carries.is_offered_by_server() {
            self.expect_offer(now);
        }
    }

    pub(super) fn create(&mut self, offerer: bool) {
        self.last = self.last.next();
        self.generation = self.last;
        self.recovery_on_new_connection();
        self.connection = Some(Connection::new(self.generation));
        let carries = self.carries;
        self.command(self.generation, ConnectionCommand::Create { offerer, carries });
        self.event(EventKind::ConnectionCreated {
            generation: self.generation,
            incarnation: self.incarnation,
            offerer,
        });
    }

    pub(super) fn replace(&mut self, offerer: bool) {
        self.close_connection("replaced");
        self.create(offerer);
    }

    pub(super) fn close_connection(&mut self, cause: &str) {
        if let Some(connection) = self.connection.take() {
            for timer in [LinkTimer::Unanswered, LinkTimer::Doubt] {
                self.timers.stop(timer(connection.generation));
            }
            self.command(connection.generation, ConnectionCommand::Close);
            self.event(EventKind::ConnectionClosed {
                generation: connection.generation,
                cause: cause.to_owned(),
            });
        }
    }

    /// Whether a timer of that generation may fire.
    pub(super) fn is_due(&mut self, generation: Generation, timer: &str) -> bool {
        let current = self.connection.is_some() && generation == self.generation;
        current || self.accept_stale(generation, timer)
    }

    /// Something of an older generation wants to take effect: whether it may, which only a client
    /// without the rule lets it.
    pub(super) fn accept_stale(&mut self, generation: Generation, input: &str) -> bool {
        if self.rules.check_generation || self.connection.is_none() {
            self.event(EventKind::StaleIgnored {
                generation,
                input: input.to_owned(),
            });
            return false;
        }
        self.event(EventKind::CrossedGeneration {
            from: generation,
            on: self.generation,
        });
        true
    }
}
