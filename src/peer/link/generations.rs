//! The connections of a link, one after the other: each made with the next generation, known, replaced and
//! closed, and what is left of an earlier one kept from the current.

use super::{
    connection::{Connection, Exchange},
    machine::Link,
};
use crate::{
    base::Generation,
    metrics::{EventKind, RecoveryPath},
    peer::connection::{ConnectionCommand, ConnectionEvent, ConnectionOperation},
};

/// How often a failed connection is replaced before data comes through one.
const MAX_REPLACEMENTS: u32 = 5;

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

    /// Replaces the connection by one that is offered.
    pub(super) fn offer_anew(&mut self) {
        if self.replacements == MAX_REPLACEMENTS {
            return self.event(EventKind::LimitHit {
                limit: format!("{MAX_REPLACEMENTS} replacements of a link's connection"),
            });
        }
        self.replacements += 1;
        self.replace(true);
        self.act(RecoveryPath::Replace);
        self.perform(
            Exchange::Offering,
            ConnectionOperation::Offer { ice_restart: false },
        );
    }

    pub(super) fn create(&mut self, offerer: bool) {
        self.last = self.last.next();
        self.generation = self.last;
        self.recovery_on_new_connection();
        self.connection = Some(Connection::new(self.generation));
        self.command(self.generation, ConnectionCommand::Create { offerer });
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
