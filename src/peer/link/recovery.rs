//! The ladder: what a link does when its connection is not well.
//!
//! *resume* (it comes back by itself) → *ice_restart*, when ICE has been `disconnected` for a while, or at once
//! when it has failed → *replace*, when a restart does not bring ICE back in time, when DTLS has failed, or when
//! ICE is back and no data comes through: SCTP waits for a retransmission time-out that it has doubled for as
//! long as the network was away. A restart has its time from the end of its exchange on: then signaling has gone
//! there and back, so that it is not the whole network that is away. For the same reason a connection is replaced whose channel
//! does not open in time. Replacements that are in vain wait longer and longer, and after so many the link is
//! given up. What is above (*rejoin*) is its peer's.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    connection::{Connection, Exchange},
    machine::{Link, LinkOutput, LinkTimer},
};
use crate::{
    base::{Generation, Instant},
    metrics::{EventKind, LimitOf, RecoveryPath, SignalingState},
    peer::connection::{Carries, ConnectionOperation, TransportState},
    scenario::ClientRules,
};

/// What a link knows of its own trouble.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// This end has noticed that something is wrong.
    unwell: bool,
    /// The probe that has to come back.
    probe: Option<u32>,
    /// A restart was asked for by the script, and ICE is not connected anew yet.
    restarting: bool,
    /// ICE is connected since it last began to check. The offerer may hear of that before the answer is set.
    ice_is_back: bool,
    /// ICE has failed: if the connection has and ICE has not, DTLS has, which no restart brings back.
    ice_has_failed: bool,
    /// One of the ends has restarted ICE since it was last connected.
    restarted: bool,
    /// An offer to make as soon as no exchange is under way.
    wanted: Option<Wanted>,
    /// Replacements since data last flowed.
    replacements: u32,
    /// There were too many.
    given_up: bool,
}

/// An offer that has to wait for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    ice_restart: bool,
}

impl Recovery {
    pub(super) fn is_wanting(&self) -> bool {
        self.wanted.is_some()
    }
}

impl Link {
    /// Offers anew on the same connection, as soon as no exchange is under way; `false` if there is no open
    /// connection.
    pub fn renegotiate(&mut self) -> bool {
        self.want(false)
    }

    /// Restarts ICE because the script says so; [`LinkOutput::Restarted`] tells when it is done.
    pub fn restart_ice(&mut self) -> bool {
        self.recovery.restarting = self.is_open();
        // What it is now does not count: the restart has still to begin.
        self.recovery.ice_is_back = false;
        self.want(true)
    }

    /// This end is in another network: the pair in use can't carry anything any more, so ICE is restarted at once.
    pub fn network_changed(&mut self, now: Instant) {
        self.fell_ill(now);
        self.timers.stop(LinkTimer::RestartIce(self.generation));
        if self.want_restart() {
            self.act(RecoveryPath::IceRestart);
        }
    }

    /// Our offer is rolled back for one that restarts nothing: if ours did, it has to be made anew, as W3C's
    /// `[[LocalIceCredentialsToReplace]]` sees to in a browser.
    pub(super) fn want_again(&mut self) {
        if self.connection.as_ref().is_some_and(|c| c.was_open && c.restarts) {
            self.recovery.wanted = Some(Wanted { ice_restart: true });
        }
    }

    fn want(&mut self, ice_restart: bool) -> bool {
        if !self.is_open() || self.carries == Carries::Relayed {
            return false;
        }
        let earlier = self.recovery.wanted.is_some_and(|w| w.ice_restart);
        self.recovery.wanted = Some(Wanted {
            ice_restart: ice_restart || earlier,
        });
        self.offer_if_wanted();
        true
    }

    /// Makes the offer that is wanted, if nothing is in its way.
    pub(super) fn offer_if_wanted(&mut self) {
        if self.is_busy() || self.signaling() != SignalingState::Stable {
            return;
        }
        if let Some(Wanted { ice_restart }) = self.recovery.wanted.take() {
            if self.carries.is_offered_by_server() {
                if ice_restart {
                    self.outputs.push_back(LinkOutput::RequestOffer { ice_restart });
                }
                return;
            }
            if let Some(connection) = &mut self.connection {
                connection.restarts = ice_restart;
            }
            self.perform(Exchange::Offering, ConnectionOperation::Offer { ice_restart });
        }
    }

    /// Whether this end has noticed that the connection is not well, and has no proof yet that it is again.
    pub fn is_unwell(&self) -> bool {
        self.recovery.unwell
    }

    /// The signaling socket is a new one: what the last one carried may be lost.
    pub fn signaling_resumed(&mut self) {
        if !self.rules.repeat_unanswered || self.carries.is_with_server() {
            return;
        }
        let unsure = self.connection.as_ref().and_then(|c| match c.signaling {
            SignalingState::HaveLocalOffer => c.offer.clone(),
            SignalingState::Stable => c.answer.as_ref().map(|(_, answer)| answer.clone()),
            _ => None,
        });
        if let Some(description) = unsure {
            self.repeat(description);
        }
    }

    /// The signaling socket is a new one and the membership, too, so that the remote is to offer or has been
    /// offered to. Only one's own open offer may be needed still: a copy of an old answer would be taken for the
    /// answer to what is offered anew.
    pub fn signaling_renewed(&mut self) {
        if self.signaling() == SignalingState::HaveLocalOffer && !self.carries.is_with_server() {
            self.repeat_offer();
        }
    }

    // ---- what happens to the connection

    pub(super) fn ice_became(&mut self, state: TransportState, now: Instant) {
        match state {
            TransportState::Disconnected => {
                self.recovery.ice_is_back = false;
                self.fell_ill(now);
                self.expect_restarted(now);
            }
            TransportState::Failed => self.ice_failed(now),
            TransportState::Connected | TransportState::Completed => {
                self.recovery.ice_is_back = true;
                self.recovery.ice_has_failed = false;
                self.recovery.restarted = false;
                self.timers.stop(LinkTimer::NoIce(self.generation));
                self.timers.stop(LinkTimer::InVain(self.generation));
                self.restart_is_done();
                self.expect_channel(now);
                self.ice_returned(now);
            }
            TransportState::New => self.recovery.ice_is_back = false,
            TransportState::Checking => {
                self.recovery.ice_is_back = false;
                self.recovery.ice_has_failed = false;
                self.expect_ice(now);
                self.expect_restarted(now);
            }
            TransportState::Connecting | TransportState::Closed => {}
        }
    }

    /// It is restarted at once if that was not tried yet. A client that replaces connections does so if that
    /// is in vain, too; one that doesn't restarts it each time.
    fn ice_failed(&mut self, now: Instant) {
        let replaces = self.rules.replace_failed;
        self.recovery.ice_is_back = false;
        if std::mem::replace(&mut self.recovery.ice_has_failed, true) && replaces {
            return;
        }
        let in_time = self.rules.restart_within.is_some() && self.is_untried();
        if !self.rules.restart_failed || (replaces && !in_time) {
            return self.fell_ill(now);
        }
        if replaces {
            self.fell_ill(now);
            self.replace_in_vain(now);
        }
        self.restart_after(self.impolite_wait(), now);
    }

    /// Whether a restart may help, and neither end has made one, nor is about to find out about its own offer.
    fn is_untried(&self) -> bool {
        self.is_open() && !self.recovery.restarted && self.signaling() == SignalingState::Stable
    }

    /// Whether ICE has failed and has yet some time for its restart.
    fn is_being_restarted(&self) -> bool {
        self.recovery.ice_has_failed && self.timers.is_set(LinkTimer::InVain(self.generation))
    }

    /// ICE is restarted by an answer that has come, or by the remote's offer: it has its time from now on.
    pub(super) fn ice_is_restarted(&mut self) {
        self.recovery.restarted = true;
        self.timers.stop(LinkTimer::InVain(self.generation));
    }

    /// If ICE is on its way back by a restart whose exchange is over, it has so much time.
    pub(super) fn expect_restarted(&mut self, now: Instant) {
        let settled = self.signaling() == SignalingState::Stable && !self.is_busy();
        let under_way = self.recovery.restarted && !self.recovery.ice_is_back && settled;
        let is_set = self.timers.is_set(LinkTimer::InVain(self.generation));
        if under_way && self.recovery.unwell && !is_set {
            self.replace_in_vain(now);
        }
    }

    /// The restart that is to be, or is made, has so much time until ICE is connected.
    fn replace_in_vain(&mut self, now: Instant) {
        if let Some(within) = self.rules.restart_within
            && self.rules.replace_failed
        {
            let at = now + within + self.polite_wait();
            self.timers.set(LinkTimer::InVain(self.generation), at);
        }
    }

    /// ICE has begun to check.
    fn expect_ice(&mut self, now: Instant) {
        let opened = self.connection.as_ref().is_none_or(|c| c.was_open);
        if let Some(within) = self.rules.ice_within
            && !opened
        {
            let at = now + within + self.polite_wait();
            self.timers.set(LinkTimer::NoIce(self.generation), at);
        }
    }

    /// How much longer than the other this end waits before it replaces a connection.
    fn polite_wait(&self) -> Duration {
        match self.polite && !self.carries.is_with_server() {
            true => self.rules.polite_replace_after,
            false => Duration::ZERO,
        }
    }

    /// ICE has connected, or DTLS: the rest is to follow.
    fn expect_channel(&mut self, now: Instant) {
        let opened = self.connection.as_ref().is_none_or(|c| c.was_open);
        let timer = LinkTimer::NotOpen(self.generation);
        if let Some(within) = self.rules.open_within
            && !opened
            && !self.timers.is_set(timer)
        {
            self.timers.set(timer, now + within + self.polite_wait());
        }
    }

    fn fell_ill(&mut self, now: Instant) {
        let Some(connection) = self.connection.as_ref().filter(|c| c.was_open) else {
            return;
        };
        let generation = connection.generation;
        if !std::mem::replace(&mut self.recovery.unwell, true) {
            self.event(EventKind::FaultDetected { generation });
        }
        if let Some(after) = self.rules.restart_ice_after {
            let jitter = self.jitter();
            self.restart_after(after + self.impolite_wait() + jitter, now);
        }
    }

    /// How much longer than the other this end waits before it restarts ICE.
    fn impolite_wait(&self) -> Duration {
        match self.polite || self.carries.is_with_server() {
            true => Duration::ZERO,
            false => self.rules.impolite_restart_after,
        }
    }

    fn restart_after(&mut self, wait: Duration, now: Instant) {
        self.timers
            .set(LinkTimer::RestartIce(self.generation), now + wait);
    }

    pub(super) fn state_became(&mut self, state: TransportState, now: Instant) {
        let generation = self.generation;
        match state {
            TransportState::Connected => {
                self.memory.restarts = 0;
                let connection = self.connection.as_mut();
                if connection.is_some_and(|c| !std::mem::replace(&mut c.was_connected, true)) {
                    self.timers.stop(LinkTimer::NotOpen(generation));
                    self.expect_channel(now);
                }
            }
            TransportState::Disconnected => {
                if let Some(after) = self.rules.remove_after_disconnected {
                    let timer = LinkTimer::RemoveDisconnected(generation);
                    self.timers.set(timer, now + after);
                }
            }
            TransportState::Failed => {
                if let Some(after) = self.rules.remove_after_failed {
                    self.timers.set(LinkTimer::RemoveFailed(generation), now + after);
                }
                // This stack says so before it says that ICE has, browsers afterwards.
                if self.rules.replace_failed && !self.recovery.ice_is_back {
                    self.ice_failed(now);
                }
                // The impolite side makes a new one, the other takes its offer.
                match self.rules.replace_failed {
                    true if self.is_being_restarted() => {}
                    true if self.polite && !self.carries.is_with_server() => self.expect_offer(now),
                    true => self.replace_in_time(now),
                    false => {}
                }
            }
            _ => {}
        }
    }

    /// Tells of a restart that the script asked for, once the exchange is over and ICE is connected: in
    /// either order.
    pub(super) fn restart_is_done(&mut self) {
        let settled = self.signaling() == SignalingState::Stable && !self.is_busy();
        let waits = self.recovery.wanted.is_some();
        if self.recovery.restarting && self.recovery.ice_is_back && settled && !waits {
            self.recovery.restarting = false;
            self.outputs.push_back(LinkOutput::Restarted);
        }
    }

    /// ICE is connected, for the first time or again.
    fn ice_returned(&mut self, now: Instant) {
        if self.recovery.unwell && self.is_open() {
            self.timers.stop(LinkTimer::RestartIce(self.generation));
            self.ask_for_probe(now);
        }
    }

    pub(super) fn channel_opened(&mut self, now: Instant) {
        self.timers.stop(LinkTimer::NotOpen(self.generation));
        self.timers.stop(LinkTimer::ChannelClosed(self.generation));
        self.recovery.given_up = false;
        self.timers.stop(LinkTimer::Doubt(self.generation));
        if self.recovery.unwell {
            self.ask_for_probe(now);
        } else {
            self.recovery.replacements = 0;
        }
    }

    pub(super) fn channel_closed(&mut self, now: Instant) {
        if !self.is_open() && self.rules.replace_failed {
            let at = now + self.rules.replace_closed_after + self.polite_wait();
            self.timers.set(LinkTimer::ChannelClosed(self.generation), at);
        }
    }

    fn ask_for_probe(&mut self, now: Instant) {
        if self.rules.replace_failed {
            let at = now + self.rules.data_within + self.polite_wait();
            self.timers.set(LinkTimer::NoData(self.generation), at);
        }
        self.outputs.push_back(LinkOutput::Probe);
    }

    /// The probe that was asked for is out.
    pub fn probe_sent(&mut self, number: u32) {
        self.recovery.probe = Some(number);
    }

    /// A probe has come back: data flows both ways.
    pub fn probe_returned(&mut self, number: u32) {
        if self.recovery.probe.is_some_and(|probe| number >= probe) {
            self.recovery.probe = None;
            self.recovery.unwell = false;
            self.recovery.replacements = 0;
            for timer in [LinkTimer::NoData, LinkTimer::RestartIce, LinkTimer::InVain] {
                self.timers.stop(timer(self.generation));
            }
        }
    }

    // ---- the rungs

    pub(super) fn restart_due(&mut self, generation: Generation) {
        let wanted = |link: &Self| link.recovery.unwell || link.rules.restart_failed;
        if self.is_due(generation, "restart_ice") && wanted(self) && self.want_restart() {
            self.act(RecoveryPath::IceRestart);
        }
    }

    /// Wants a restart on a connection that may not be open any more.
    fn want_restart(&mut self) -> bool {
        let beyond = |c: &Connection| c.is_failed() && !self.rules.restart_failed;
        if self.carries == Carries::Relayed {
            return false;
        }
        if self.connection.as_ref().is_none_or(beyond) || self.signaling() == SignalingState::HaveLocalOffer {
            return false;
        }
        if self
            .rules
            .max_restarts
            .is_some_and(|most| self.memory.restarts >= most)
        {
            self.event(EventKind::LimitHit {
                of: LimitOf::Client,
                limit: format!("{} ICE restarts in a row", self.memory.restarts),
            });
            return false;
        }
        self.memory.restarts += 1;
        self.recovery.wanted = Some(Wanted { ice_restart: true });
        self.offer_if_wanted();
        true
    }

    /// Replaces a connection whose channel has not opened in time.
    pub(super) fn replace_unopened(&mut self, generation: Generation, now: Instant) {
        if self.is_due(generation, "open") && !self.is_open() {
            self.replace_in_time(now);
        }
    }

    /// Replaces a connection that a restart of ICE has not brought back in time.
    pub(super) fn restart_in_vain(&mut self, generation: Generation, now: Instant) {
        if self.is_due(generation, "restart_in_vain") && !self.recovery.ice_is_back {
            self.replace_in_time(now);
        }
    }

    /// Replaces a connection that carries no data, or whose channel has closed.
    pub(super) fn replace_dead(&mut self, generation: Generation, now: Instant) {
        if !self.is_due(generation, "replace") {
            return;
        }
        if !std::mem::replace(&mut self.recovery.unwell, true) {
            self.event(EventKind::FaultDetected {
                generation: self.generation,
            });
        }
        self.replace_in_time(now);
    }

    /// Replaces the connection, the first time at once, later ones in a row after a while. The connection may
    /// come to itself meanwhile.
    fn replace_in_time(&mut self, now: Instant) {
        let Some(in_row) = self
            .recovery
            .replacements
            .checked_sub(1)
            .filter(|_| !self.is_last())
        else {
            return self.offer_anew();
        };
        let doubled = self
            .rules
            .retry_first
            .saturating_mul(2_u32.saturating_pow(in_row));
        let at = now + doubled.min(self.rules.retry_max) + self.jitter();
        self.timers.set(LinkTimer::Retry(self.generation), at);
    }

    /// The while is over.
    pub(super) fn retry_due(&mut self, generation: Generation) {
        if self.is_due(generation, "retry") && (self.recovery.unwell || !self.is_open()) {
            self.offer_anew();
        }
    }

    /// Whether no further replacement is to be made.
    fn is_last(&self) -> bool {
        let most = self.rules.give_up_after;
        most.is_some_and(|most| self.recovery.replacements >= most)
    }

    /// Whether one more replacement may be made; if not, the link is given up.
    pub(super) fn may_replace(&mut self) -> bool {
        if !self.is_last() {
            self.recovery.replacements += 1;
            return true;
        }
        self.give_up();
        false
    }

    /// Nothing has helped.
    fn give_up(&mut self) {
        let generation = self.generation;
        let why = match &self.connection {
            Some(c) if c.was_connected => "no data came through".to_owned(),
            Some(c) => c.kinds.no_pair(),
            None => "there is no connection".to_owned(),
        };
        self.stand_down();
        self.recovery.given_up = true;
        self.recovery.wanted = None;
        self.close_connection("given_up");
        self.event(EventKind::LinkGivenUp {
            generation,
            attempts: self.recovery.replacements,
            why,
        });
        self.outputs.push_back(LinkOutput::GivenUp);
    }

    /// Whether it was given up, and no channel has opened since.
    pub fn is_given_up(&self) -> bool {
        self.recovery.given_up
    }

    /// What a wait is to be longer by.
    fn jitter(&mut self) -> Duration {
        jitter(&self.rules, self.rng.as_mut())
    }

    /// Removes a connection that is in `state` for long enough, if its channel is closed. One that the timer
    /// was not set for is removed whatever its state.
    pub(super) fn remove_dead(&mut self, generation: Generation, state: TransportState) {
        if !self.is_due(generation, "remove") {
            return;
        }
        let still = |c: &Connection| generation != c.generation || c.state == state;
        if self.connection.as_ref().is_some_and(still) && !self.is_open() {
            self.close_connection("removed");
        }
    }

    /// This end does something about it.
    pub(super) fn act(&mut self, path: RecoveryPath) {
        self.event(EventKind::RecoveryStarted {
            generation: self.generation,
            path,
        });
        self.outputs.push_back(LinkOutput::Acted(path));
    }

    /// The connection is a new one: what was under way on the last one is over.
    pub(super) fn recovery_on_new_connection(&mut self) {
        self.recovery.wanted = None;
        self.recovery.probe = None;
        self.recovery.ice_is_back = false;
        self.recovery.ice_has_failed = false;
        self.recovery.restarted = false;
        if std::mem::take(&mut self.recovery.restarting) {
            // The restart was overtaken by a replacement: data on the new connection proves as much.
            self.recovery.unwell = true;
        }
    }
}

/// Draws how much longer a wait of recovery is; without a stream it is as long as the rule says.
fn jitter(rules: &ClientRules, rng: Option<&mut ChaCha8Rng>) -> Duration {
    match rng {
        Some(rng) if !rules.recovery_jitter.is_zero() => {
            rng.random_range(Duration::ZERO..=rules.recovery_jitter)
        }
        _ => Duration::ZERO,
    }
}
