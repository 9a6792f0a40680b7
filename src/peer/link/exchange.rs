//! Offer and answer (RFC 3264) with one remote: what is taken, queued, repeated or dropped, and the
//! candidates that belong to it.

use std::{collections::VecDeque, time::Duration};

use super::{
    connection::{Connection, Exchange, MAX_EARLY_CANDIDATES, MAX_QUEUED_DESCRIPTIONS, RemoteIdentity},
    machine::{Link, LinkOutput, LinkTimer},
    memory::{Lock, fingerprint},
};
use crate::{
    base::{Generation, Instant},
    metrics::{DescriptionKind, EventKind, IgnoreReason, LimitOf, Operation, RecoveryPath, SignalingState},
    peer::connection::{ConnectionCommand, ConnectionOperation, Done},
    signaling::{Candidate, Description, SdpType},
};

/// How long a link may take to open after an answer has come that is of another connection than the one it is with.
const DOUBT: Duration = Duration::from_secs(2);

impl Link {
    /// The remote sent an offer or answer.
    pub fn handle_description(&mut self, description: Description, now: Instant) {
        let fingerprint = description.fingerprint();
        self.event(EventKind::DescriptionReceived {
            description: kind_of(&description),
            fingerprint,
        });
        if self.admits(&description, now) {
            self.memory.versions.note(&description.sdp);
            self.take_description(description, now);
        }
        self.release_locks(now);
    }

    /// Whether it gets in at all: what is turned away here waits for nothing.
    fn admits(&mut self, description: &Description, now: Instant) -> bool {
        if self.rules.refuse_broken && !description.is_whole() {
            self.ignore(description, IgnoreReason::Broken);
            return false;
        }
        let sdp_type = description.sdp_type;
        let lasts = match sdp_type {
            SdpType::Offer => self.rules.offer_lock,
            SdpType::Answer => self.rules.answer_lock,
        };
        if !lasts.is_zero() {
            if self.memory.lock_of(sdp_type).is_held(now) {
                self.ignore(description, IgnoreReason::Locked);
                return false;
            }
            *self.memory.lock_of(sdp_type) = Lock::Held;
        }
        if let (SdpType::Offer, Some(within)) = (sdp_type, self.rules.dedupe_for)
            && self.rules.dedupe_offers
        {
            let fingerprint = fingerprint(description, &self.rules);
            if self.memory.offers.contains(fingerprint, Some(within), now) {
                self.ignore(description, IgnoreReason::Duplicate);
                return false;
            }
            self.memory.offers.insert(fingerprint, now);
        }
        true
    }

    /// Lets go of the locks whose description is not in process any more.
    pub(super) fn release_locks(&mut self, now: Instant) {
        for (sdp_type, lasts) in [
            (SdpType::Offer, self.rules.offer_lock),
            (SdpType::Answer, self.rules.answer_lock),
        ] {
            let taking = self.connection.as_ref().is_some_and(|c| c.is_taking(sdp_type));
            let waiting = self.queued.iter().any(|d| d.sdp_type == sdp_type);
            if !taking && !waiting {
                self.memory.lock_of(sdp_type).release(lasts, now);
            }
        }
    }

    /// The remote sent a candidate.
    pub fn handle_candidate(&mut self, candidate: Candidate) {
        if let Some(connection) = &mut self.connection {
            connection.kinds.heard(&candidate.candidate);
        }
        let ready = self.connection.as_ref().is_some_and(|c| {
            c.remote.as_ref().is_some_and(|remote| remote.takes(&candidate))
                && !matches!(c.busy, Some(Exchange::TakingOffer | Exchange::TakingAnswer))
        });
        if ready || !self.rules.keep_early_candidates {
            if self.connection.is_some() {
                self.command(
                    self.generation,
                    ConnectionCommand::Perform(ConnectionOperation::AddCandidate(candidate)),
                );
            }
            return;
        }
        if self.early.len() == MAX_EARLY_CANDIDATES {
            self.early.pop_front();
            self.event(EventKind::LimitHit {
                of: LimitOf::Harness,
                limit: format!("{MAX_EARLY_CANDIDATES} early candidates of a link"),
            });
        }
        self.early.push_back(candidate);
    }

    fn take_description(&mut self, description: Description, now: Instant) {
        let fingerprint = fingerprint(&description, &self.rules);
        let repeated = match description.sdp_type {
            SdpType::Offer if self.rules.dedupe_for.is_some() => false,
            SdpType::Offer => self.rules.dedupe_offers && self.memory.offers.contains(fingerprint, None, now),
            SdpType::Answer => {
                self.rules.dedupe_answers && self.memory.answers.contains(fingerprint, None, now)
            }
        };
        if repeated {
            self.ignore(&description, IgnoreReason::Duplicate);
            return self.repeat_answer(&description);
        }
        if self.is_rolled_back(&description) {
            return self.ignore(&description, IgnoreReason::Stale);
        }
        if self.is_busy() && self.rules.queue_descriptions {
            if self.queued.len() == MAX_QUEUED_DESCRIPTIONS {
                return self.ignore(&description, IgnoreReason::QueueFull);
            }
            self.queued.push_back(description);
            return;
        }
        match description.sdp_type {
            SdpType::Offer => self.take_offer(description, now),
            SdpType::Answer => self.take_answer(description, now),
        }
    }

    /// Whether it is an offer that its maker has given up: only who has no offer open any more makes another
    /// description, and that one has come. It was held up on its way, or a socket that was given up has kept a copy.
    fn is_rolled_back(&self, description: &Description) -> bool {
        self.rules.refuse_rolled_back
            && description.sdp_type == SdpType::Offer
            && self.memory.versions.has_newer_than(&description.sdp)
    }

    fn take_offer(&mut self, offer: Description, now: Instant) {
        let collides = self.connection.as_ref().is_some_and(Connection::is_offering);
        if collides && self.rules.perfect_negotiation {
            self.event(EventKind::Glare {
                generation: self.generation,
                polite: self.polite,
            });
            if !self.polite {
                self.ignore(&offer, IgnoreReason::Glare);
                let fingerprint = fingerprint(&offer, &self.rules);
                if let Some(connection) = &mut self.connection {
                    connection.ignored_in_glare = Some(fingerprint);
                }
                return self.repeat_offer();
            }
        }
        self.stand_down();
        if self.rules.dedupe_for.is_none() {
            let fingerprint = fingerprint(&offer, &self.rules);
            self.memory.offers.insert(fingerprint, now);
        }
        let theirs = RemoteIdentity::of(&offer);
        let ours = self
            .connection
            .as_ref()
            .filter(|c| c.was_open)
            .and_then(|c| c.remote.as_ref());
        let rung = match ours {
            Some(known) if known.dtls != theirs.dtls => Some(RecoveryPath::Replace),
            Some(known) if known.ufrag != theirs.ufrag => Some(RecoveryPath::IceRestart),
            _ => None,
        };
        self.outputs.extend(rung.map(LinkOutput::Acted));
        if rung == Some(RecoveryPath::IceRestart) {
            self.ice_is_restarted();
        }
        if collides && self.rules.perfect_negotiation && rung.is_none() {
            self.want_again();
        }
        let yields = collides && self.rules.perfect_negotiation && self.rules.replace_in_glare;
        let is_stale = |c: &Connection| c.remote.as_ref().is_some_and(|r| r.dtls != theirs.dtls);
        match &self.connection {
            None => self.create(false),
            Some(c) if self.rules.keep_living && !c.is_living() => self.replace(false),
            // Before the first exchange is complete, yielding means a connection without our data
            // channel: rolled back, ours would still open beside theirs.
            Some(c) if yields && !c.was_open => self.replace(false),
            Some(c) if self.rules.replace_stale && is_stale(c) => self.replace(false),
            Some(_) => {}
        }
        let takes = |c: &Connection| c.is_in(self.rules.offers_in);
        if !self.connection.as_ref().is_some_and(takes) {
            return self.ignore(&offer, IgnoreReason::State);
        }
        self.hear(&offer);
        self.perform(Exchange::TakingOffer, ConnectionOperation::SetRemote(offer));
    }

    /// Who offers the same again may never have got our answer, nor what we have offered since. Who has drops
    /// the copies.
    fn repeat_answer(&mut self, offer: &Description) {
        let answer = self.connection.as_ref().and_then(|c| c.answer.as_ref());
        let answer = answer.filter(|(answered, _)| *answered == offer.fingerprint());
        if let Some((_, answer)) = answer.filter(|_| self.rules.repeat_unanswered).cloned() {
            self.repeat(answer);
            if self.signaling() == SignalingState::HaveLocalOffer {
                self.repeat_offer();
            }
        }
    }

    /// Who offers to us instead of answering may never have got ours. Who has drops the copy.
    pub(super) fn repeat_offer(&mut self) {
        let offer = self.connection.as_ref().and_then(|c| c.offer.clone());
        if let Some(offer) = offer.filter(|_| self.rules.repeat_unanswered) {
            self.repeat(offer);
        }
    }

    /// Sends a description once more, with the candidates of its connection; who has them drops the copies.
    /// A copy of an answer answers nothing anew.
    pub(super) fn repeat(&mut self, description: Description) {
        self.event(EventKind::DescriptionSent {
            generation: self.generation,
            description: kind_of(&description),
            fingerprint: description.fingerprint(),
            answers: None,
        });
        self.outputs.push_back(LinkOutput::SendDescription(description));
        let told = self.connection.iter().flat_map(|c| c.told.iter().cloned());
        self.outputs.extend(told.map(LinkOutput::SendCandidate));
    }

    fn take_answer(&mut self, answer: Description, now: Instant) {
        let expected = self
            .connection
            .as_ref()
            .is_some_and(|c| c.signaling == SignalingState::HaveLocalOffer);
        if self.connection.is_none() || (self.rules.expect_answers && !expected) {
            self.ignore(&answer, IgnoreReason::Unexpected);
            return self.doubt_answer(&answer, now);
        }
        self.remember_answer(&answer, now);
        if expected && self.rules.replace_stale && self.is_foreign(&answer) {
            self.ignore(&answer, IgnoreReason::Unexpected);
            return self.offer_anew();
        }
        self.hear(&answer);
        self.perform(Exchange::TakingAnswer, ConnectionOperation::SetRemote(answer));
    }

    fn hear(&mut self, description: &Description) {
        if let Some(connection) = &mut self.connection {
            connection.kinds.heard(&description.sdp);
        }
    }

    /// Whether an answer to a renegotiation is another client's than the connection is with: the remote has crashed
    /// and is back, and took the offer for a first one.
    fn is_foreign(&self, answer: &Description) -> bool {
        let known = self.connection.as_ref().and_then(|c| c.remote.as_ref());
        known.is_some_and(|known| known.dtls != RemoteIdentity::of(answer).dtls)
    }

    /// Answers do not say which offer they answer: a remote that left and came back may have answered one that
    /// was meant for its earlier membership. An answer of another connection than ours is with gives it away,
    /// also where both have offered meanwhile: then one of them has to again.
    fn doubt_answer(&mut self, answer: &Description, now: Instant) {
        self.remember_answer(answer, now);
        let theirs = RemoteIdentity::of(answer);
        let Some(connection) = self.connection.as_ref().filter(|_| self.rules.replace_stale) else {
            return;
        };
        let other = connection.remote.as_ref().is_some_and(|r| r.dtls != theirs.dtls);
        if !other || connection.was_open {
            return;
        }
        if connection.answered || !self.polite {
            self.offer_anew();
        } else {
            // Or the remote has since taken an offer of ours that we had given up, where frames overtake one another:
            // then what we are with is not there any more.
            self.timers.set(LinkTimer::Doubt(self.generation), now + DOUBT);
        }
    }

    /// An answer of another connection had come, and the link is still not open.
    pub(super) fn doubt_is_right(&mut self, generation: Generation) {
        if self.is_due(generation, "doubt") && self.connection.as_ref().is_some_and(|c| !c.was_open) {
            self.offer_anew();
        }
    }

    fn remember_answer(&mut self, answer: &Description, now: Instant) {
        let fingerprint = fingerprint(answer, &self.rules);
        self.memory.answers.insert(fingerprint, now);
    }

    /// A candidate of ours: trickled once the description it belongs to is out, unless that has it.
    pub(super) fn handle_local_candidate(&mut self, mut candidate: Candidate) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if matches!(connection.busy, Some(Exchange::Offering | Exchange::Answering)) {
            connection.untold.push(candidate);
        } else {
            candidate.username_fragment = connection.local_ufrag.clone();
            connection.tell(&candidate);
            self.outputs.push_back(LinkOutput::SendCandidate(candidate));
        }
    }

    pub(super) fn handle_done(&mut self, done: Done, now: Instant) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let generation = connection.generation;
        if done.result.is_err() || !done.allowed {
            let error = done.result.as_ref().err().cloned().unwrap_or_default();
            self.outputs
                .push_back(LinkOutput::Event(EventKind::OperationFailed {
                    generation,
                    operation: operation_of(&done.operation),
                    state: done.before,
                    allowed: done.allowed,
                    error,
                }));
        }
        let failed = done.result.is_err();
        match done.operation {
            ConnectionOperation::AddCandidate(_) => return,
            ConnectionOperation::Offer { .. } if !failed => {
                self.signaling_became(SignalingState::HaveLocalOffer);
                self.end_exchange();
                if let Ok(Some(offer)) = done.result {
                    if let Some(connection) = &mut self.connection {
                        connection.offer = Some(offer.clone());
                        connection.repeats = 0;
                    }
                    self.send(offer, None);
                    self.expect_answer(now);
                }
            }
            ConnectionOperation::SetRemote(ref description) if !failed => {
                connection.remote = Some(RemoteIdentity::of(description));
                match description.sdp_type {
                    SdpType::Offer => {
                        self.signaling_became(SignalingState::HaveRemoteOffer);
                        let answers = description.fingerprint();
                        self.perform(Exchange::Answering, ConnectionOperation::Answer { answers });
                        self.add_early_candidates();
                        return;
                    }
                    SdpType::Answer => {
                        connection.answered = true;
                        // Who answers a first offer has given the connection up that its own was of: a copy that comes
                        // later is nobody's any more. (That of a renegotiation may well be made again as it was.)
                        let ignored = connection.ignored_in_glare.take();
                        if let Some(offer) = ignored.filter(|_| !connection.was_open)
                            && self.rules.dedupe_for.is_none()
                        {
                            self.memory.offers.insert(offer, now);
                        }
                        if connection.restarts {
                            self.ice_is_restarted();
                        }
                        self.signaling_became(SignalingState::Stable);
                        self.end_exchange();
                        self.add_early_candidates();
                    }
                }
            }
            ConnectionOperation::Answer { answers } if !failed => {
                self.signaling_became(SignalingState::Stable);
                self.end_exchange();
                if let Ok(Some(answer)) = done.result {
                    if let Some(connection) = &mut self.connection {
                        connection.answer = Some((answers, answer.clone()));
                    }
                    self.send(answer, Some(answers));
                }
            }
            _ => self.end_exchange(),
        }
        self.take_queued(now);
        self.offer_if_wanted();
        self.restart_is_done();
        self.expect_restarted(now);
    }

    /// Takes what has waited, as far as it starts no exchange of its own.
    pub(super) fn take_queued(&mut self, now: Instant) {
        while !self.is_busy()
            && let Some(description) = self.queued.pop_front()
        {
            self.take_description(description, now);
        }
    }

    fn add_early_candidates(&mut self) {
        let Some(remote) = self.connection.as_ref().and_then(|c| c.remote.clone()) else {
            return;
        };
        let (ready, early) = self
            .early
            .drain(..)
            .partition(|candidate| remote.takes(candidate));
        self.early = early;
        let ready: VecDeque<Candidate> = ready;
        for candidate in ready {
            self.command(
                self.generation,
                ConnectionCommand::Perform(ConnectionOperation::AddCandidate(candidate)),
            );
        }
    }

    fn send(&mut self, description: Description, answers: Option<u64>) {
        let ufrag = description.ufrag().map(str::to_owned);
        let untold = match &mut self.connection {
            Some(connection) => {
                connection.kinds.told(&description.sdp);
                if connection.local_ufrag != ufrag {
                    connection.told.clear();
                    connection.local_ufrag.clone_from(&ufrag);
                }
                std::mem::take(&mut connection.untold)
            }
            None => Vec::new(),
        };
        self.event(EventKind::DescriptionSent {
            generation: self.generation,
            description: kind_of(&description),
            fingerprint: description.fingerprint(),
            answers,
        });
        self.outputs
            .push_back(LinkOutput::SendDescription(description.clone()));
        for mut candidate in untold {
            if !description.has_candidate(&candidate) {
                candidate.username_fragment.clone_from(&ufrag);
                if let Some(connection) = &mut self.connection {
                    connection.tell(&candidate);
                }
                self.outputs.push_back(LinkOutput::SendCandidate(candidate));
            }
        }
    }

    fn ignore(&mut self, description: &Description, reason: IgnoreReason) {
        self.event(EventKind::DescriptionIgnored {
            description: kind_of(description),
            fingerprint: description.fingerprint(),
            reason,
        });
    }
}

fn kind_of(description: &Description) -> DescriptionKind {
    match description.sdp_type {
        SdpType::Offer => DescriptionKind::Offer,
        SdpType::Answer => DescriptionKind::Answer,
    }
}

fn operation_of(operation: &ConnectionOperation) -> Operation {
    match operation {
        ConnectionOperation::Offer { .. } => Operation::CreateOffer,
        ConnectionOperation::Answer { .. } => Operation::CreateAnswer,
        ConnectionOperation::SetRemote(_) => Operation::SetRemoteDescription,
        ConnectionOperation::AddCandidate(_) => Operation::AddIceCandidate,
    }
}
