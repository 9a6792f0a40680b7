use std::{collections::VecDeque, time::Duration};

use super::{
    machine::{Peer, PeerOutput, PeerTimer},
    membership::Membership,
};
use crate::{
    base::{DurationRange, Instant, SignalingEnd, SignalingFailure, show_duration},
    metrics::EventKind,
    signaling::Message,
};

/// A server that has said nothing for less is not blamed by who leaves.
const MUTE_AFTER: Duration = Duration::from_secs(1);

/// The signaling socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Closed,
    /// The n-th attempt (from 0) is under way.
    Opening(u32),
    Open,
    /// Waiting for the n-th attempt.
    BackingOff(u32),
}

/// Pings on the current socket. They are answered in order, so an answer proves that everything sent before
/// its ping has been processed.
#[derive(Debug, Default)]
pub(super) struct Pings {
    sent: u32,
    answered: u32,
    /// The ping whose answer proves that every other frame so far has been processed.
    needed: u32,
    /// The ping whose answer is waited for.
    fence: Option<u32>,
    /// The pings before and behind a join that no server answers.
    before_join: Option<u32>,
    behind_join: Option<u32>,
    /// The ping whose answer proves that the socket has survived a fault.
    proof: Option<u32>,
    /// Where the protocol has none: when each is taken for answered.
    assumed: VecDeque<Instant>,
}

impl Pings {
    /// A frame is sent that is no ping.
    pub(super) fn expect_more(&mut self) {
        self.needed = self.sent + 1;
    }

    /// Those around the last join are about a membership that is over.
    pub(super) fn forget_join(&mut self) {
        self.before_join = None;
        self.behind_join = None;
    }

    /// No answer proves anything until the fault is over.
    pub(super) fn await_proof(&mut self) {
        self.proof = Some(u32::MAX);
    }
}

impl Peer {
    pub(super) fn is_online(&self) -> bool {
        self.socket == Socket::Open
    }

    pub(super) fn open_socket(&mut self) {
        if self.socket == Socket::Closed {
            self.socket = Socket::Opening(0);
            self.output_open();
        }
    }

    pub(super) fn close_socket(&mut self) {
        self.timers.stop(PeerTimer::Reconnect);
        self.pings = Pings::default();
        self.timers.stop(PeerTimer::Heartbeat);
        self.lose_held_frames();
        if self.socket != Socket::Closed {
            self.socket = Socket::Closed;
            self.output(PeerOutput::CloseSignaling);
        }
    }

    pub(super) fn socket_opened(&mut self, now: Instant) {
        self.socket = Socket::Open;
        self.socket_opened_at = now;
        self.was_welcomed = false;
        self.heard_server = false;
        self.event(EventKind::SignalingConnected);
        for frame in self.codec.opened() {
            self.output(PeerOutput::SendFrame(frame));
        }
        self.unanswered_joins = 0;
        self.former_joins = 0;
        let fence = self.pings.fence.is_some();
        self.pings = Pings::default();
        let owed = self.rules().resume_membership || !self.join_is_sent;
        if self.membership != Membership::Outside && owed {
            self.send_join(now);
        }
        if !self.announces() {
            // The join is answered: no ping has to prove that it has come.
            self.pings = Pings::default();
        }
        if fence {
            self.fence(now);
        }
        self.set_heartbeat(now);
        self.set_keepalive(now);
    }

    fn set_keepalive(&mut self, now: Instant) {
        if let Some(keepalive) = self.codec.keepalive() {
            self.timers.set(PeerTimer::Keepalive, now + keepalive.every);
        }
    }

    pub(super) fn keep_alive(&mut self, now: Instant) {
        if self.is_online()
            && let Some(keepalive) = self.codec.keepalive()
        {
            self.output(PeerOutput::SendFrame(keepalive.frame));
            self.set_keepalive(now);
        }
    }

    fn set_heartbeat(&mut self, now: Instant) {
        if let Some(every) = self.rules().heartbeat_every {
            self.timers.set(PeerTimer::Heartbeat, now + every);
        }
    }

    pub(super) fn socket_lost(&mut self, end: SignalingEnd, now: Instant) {
        let attempt = match self.socket {
            Socket::Closed => return,
            Socket::Opening(attempt) => attempt,
            Socket::Open | Socket::BackingOff(_) => 0,
        };
        self.timers.stop(PeerTimer::Heartbeat);
        self.timers.stop(PeerTimer::HeartbeatExpiry);
        self.lose_held_frames();
        self.confirm_relayed();
        self.event(EventKind::SignalingLost {
            failure: end.failure,
            reason: end.why.clone(),
        });
        let rules = self.rules();
        if attempt < rules.reconnect_attempts && self.membership != Membership::Outside {
            let wait = rules
                .reconnect_first
                .saturating_mul(2_u32.saturating_pow(attempt));
            let mut wait = wait.min(rules.reconnect_max);
            if rules.reconnect_jitter
                && let Some(spread) = DurationRange::new(wait / 2, wait)
            {
                wait = spread.draw(&mut self.backoff);
            }
            self.socket = Socket::BackingOff(attempt + 1);
            self.timers.set(PeerTimer::Reconnect, now + wait);
            return;
        }
        self.socket = Socket::Closed;
        match self.membership {
            Membership::Outside => {}
            Membership::Joining => self.join_failed(end.to_string(), now),
            Membership::Member => self.lose_membership(now),
        }
        self.check_wait(now);
        // No answer of the server's will come any more.
        if self.pings.fence.take().is_some() {
            self.fenced(now);
        }
    }

    pub(super) fn reconnect(&mut self) {
        if let Socket::BackingOff(attempt) = self.socket {
            self.socket = Socket::Opening(attempt);
            self.output_open();
        }
    }

    pub(super) fn send(&mut self, message: &Message, now: Instant) {
        self.send_stamped(message, now, now);
    }

    /// The same, in the very frame that was sent at `stamp`.
    pub(super) fn send_stamped(&mut self, message: &Message, stamp: Instant, now: Instant) {
        if !self.is_online() {
            return;
        }
        let unix_ms = self.unix_ms(stamp);
        for frame in self.codec.encode(message, unix_ms) {
            if *message != Message::Ping {
                self.pings.expect_more();
            }
            self.put_out(message, frame, now);
        }
        let texts = self.codec.encode_on_channel(message, unix_ms);
        if !texts.is_empty() {
            if *message != Message::Ping {
                self.pings.expect_more();
            }
            self.say_on_channel(texts, now);
        }
    }

    /// The frames that give the membership up, for whoever finds the peer broken: nothing of its state is asked for
    /// them.
    pub fn farewell(&mut self, now: Instant) -> Vec<String> {
        let unix_ms = self.unix_ms(now);
        self.codec.encode(&Message::Leave, unix_ms)
    }

    fn output_open(&mut self) {
        self.socket_number += 1;
        let number = self.socket_number;
        self.output(PeerOutput::OpenSignaling(number));
    }

    // ---- pings

    /// Asks the server for a sign that it has processed all that was sent; [`Peer::fenced`] follows, at once
    /// if there is no socket, or if nothing has been sent since the last sign. A member asks in any case: what
    /// others have sent it is known to have come, too.
    pub(super) fn fence(&mut self, now: Instant) {
        if self.is_online()
            && self.membership == Membership::Outside
            && self.pings.answered >= self.pings.needed
        {
            self.fenced(now);
        } else if self.is_online() {
            self.ping(now);
            self.pings.fence = Some(self.pings.sent);
        } else if matches!(self.socket, Socket::Closed) {
            self.fenced(now);
        } else {
            // Once the socket is open again.
            self.pings.fence = Some(u32::MAX);
        }
    }

    fn ping(&mut self, now: Instant) {
        self.pings.sent += 1;
        match self.codec.settles_within() {
            Some(within) => {
                self.pings.assumed.push_back(now + within);
                self.set_assumed();
            }
            None => self.send(&Message::Ping, now),
        }
    }

    /// What was sent so long ago is taken for processed.
    pub(super) fn assume_pong(&mut self, now: Instant) {
        while self.pings.assumed.pop_front_if(|at| *at <= now).is_some() {
            self.pong(now);
        }
        self.set_assumed();
    }

    fn set_assumed(&mut self) {
        match self.pings.assumed.front() {
            Some(at) => self.timers.set(PeerTimer::AssumedPong, *at),
            None => self.timers.stop(PeerTimer::AssumedPong),
        }
    }

    /// Sends a join that is not answered: the answers to the pings around it show when the relay, which takes frames in
    /// order, has read it. [`Peer::join_is_next`] and [`Peer::join_relayed`] follow.
    pub(super) fn send_between_pings(&mut self, join: &Message, now: Instant) {
        if !self.is_online() {
            return;
        }
        if self.pings.behind_join.is_none() {
            self.ping(now);
            self.pings.before_join = Some(self.pings.sent);
        }
        self.send(join, now);
        self.ping(now);
        self.pings.behind_join = Some(self.pings.sent);
    }

    pub(super) fn pong(&mut self, now: Instant) {
        self.pings.answered += 1;
        if self.pings.answered == self.pings.sent {
            self.timers.stop(PeerTimer::HeartbeatExpiry);
        }
        let answered = self.pings.answered;
        if self.pings.before_join.take_if(|ping| answered >= *ping).is_some() {
            self.join_is_next();
        }
        if self.pings.behind_join.take_if(|ping| answered >= *ping).is_some() {
            self.join_relayed(now);
        }
        if self.pings.proof.is_some_and(|proof| self.pings.answered >= proof) {
            self.pings.proof = None;
            self.check_wait(now);
        }
        if self.pings.fence.is_some_and(|fence| self.pings.answered >= fence) {
            self.pings.fence = None;
            self.fenced(now);
        }
    }

    /// Whether the server has answered what a fault of the socket left open: a ping, or the join of the
    /// socket that took its place.
    pub(super) fn is_answered(&self) -> bool {
        self.pings.proof.is_none() && self.unanswered_joins == 0
    }

    pub(super) fn signaling_fault_ended(&mut self, now: Instant) {
        if self.is_online() && self.pings.proof.is_some() {
            self.ping(now);
            self.pings.proof = Some(self.pings.sent);
        }
    }

    pub(super) fn send_heartbeat(&mut self, now: Instant) {
        if self.is_online() && !self.is_outside() {
            self.ping(now);
            let within = self.rules().heartbeat_within;
            self.timers.set(PeerTimer::HeartbeatExpiry, now + within);
        }
        self.set_heartbeat(now);
    }

    /// The socket is half-open: as good as lost.
    pub(super) fn heartbeat_expired(&mut self, now: Instant) {
        self.output(PeerOutput::CloseSignaling);
        let end = match self.heard_server {
            true => {
                let why = "the server does not answer pings";
                SignalingEnd::new(SignalingFailure::PingsUnanswered, why)
            }
            false => self.nothing_said(now),
        };
        self.socket_lost(end, now);
    }

    /// The peer waits for the server no longer. A socket on which it has not said a word for a while is as good as lost, too.
    pub(super) fn give_mute_server_up(&mut self, now: Instant) {
        if self.is_online() && !self.heard_server && now.since(self.socket_opened_at) >= MUTE_AFTER {
            self.output(PeerOutput::CloseSignaling);
            self.socket_lost(self.nothing_said(now), now);
        }
    }

    fn nothing_said(&self, now: Instant) -> SignalingEnd {
        let open = now.since(self.socket_opened_at);
        let why = format!(
            "the socket has been open for {}, and the server has not said a word",
            show_duration(Duration::from_millis(open.as_millis() as u64))
        );
        SignalingEnd::new(SignalingFailure::SaidNothing, why)
    }
}
