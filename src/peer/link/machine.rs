use std::{collections::VecDeque, time::Duration};

use rand_chacha::ChaCha8Rng;

use super::{
    connection::{Connection, Exchange},
    memory::Memory,
    recovery::Recovery,
};
use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, Operation, RecoveryPath, SignalingState},
    peer::{
        connection::{Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation, TransportState},
        timers::Timers,
    },
    scenario::ClientRules,
    signaling::{Candidate, ChannelData, Description},
};

/// How long the server may take to offer when it was asked for that.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// Negotiates with one remote during one membership, through as many connections as it takes.
///
/// Every input is followed by draining [`Link::poll_output`]; [`Link::next_timeout`] is valid after that.
#[derive(Debug)]
pub struct Link {
    pub(super) rules: ClientRules,
    /// In a collision the lower id is polite.
    pub(super) polite: bool,
    pub(super) carries: Carries,
    pub(super) incarnation: Incarnation,
    /// That of the current connection, or of the last one.
    pub(super) generation: Generation,
    /// The last one used towards this remote; never reused, not even by a later membership.
    pub(super) last: Generation,
    pub(super) connection: Option<Connection>,
    /// One whose first offer is being made, in a client that does not know it before that is done.
    pub(super) unregistered: Option<Connection>,
    /// Descriptions that came while one was in process. They outlive a replacement: they may speak for
    /// the remote's newest connection.
    pub(super) queued: VecDeque<Description>,
    /// Candidates that wait for the remote description they belong to.
    pub(super) early: VecDeque<Candidate>,
    pub(super) memory: Memory,
    pub(super) recovery: Recovery,
    /// What the jitter of its waits is drawn from; without it there is none.
    pub(super) rng: Option<ChaCha8Rng>,
    pub(super) timers: Timers<LinkTimer>,
    pub(super) outputs: VecDeque<LinkOutput>,
}

/// The deadlines of a link, each with the generation it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LinkTimer {
    /// No offer has come: make one.
    OfferFallback(Generation),
    /// The offer has no answer: send it again.
    Unanswered(Generation),
    /// What the connection is with may not be there any more: replace it.
    Doubt(Generation),
    /// ICE is not back: restart it.
    RestartIce(Generation),
    /// ICE has not connected: replace the connection.
    NoIce(Generation),
    /// A restart has not brought ICE back: replace the connection.
    InVain(Generation),
    /// The last replacement was in vain: make another.
    Retry(Generation),
    /// ICE is connected and the channel does not open: replace the connection.
    NotOpen(Generation),
    /// ICE is back and no data has come through: replace the connection.
    NoData(Generation),
    /// The channel is closed and the remote has not left: replace the connection.
    ChannelClosed(Generation),
    /// The connection has failed long enough: remove it.
    RemoveFailed(Generation),
    /// It was disconnected long enough.
    RemoveDisconnected(Generation),
}

/// What a link wants.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkOutput {
    /// Do this to the connection of that generation.
    Connection(Generation, ConnectionCommand),
    /// Signal a description to the remote.
    SendDescription(Description),
    /// Signal a candidate to the remote.
    SendCandidate(Candidate),
    /// Ask the server for an offer: on a connection that is new to it, or one that restarts ICE.
    RequestOffer { ice_restart: bool },
    /// The channel of the current connection has opened.
    Opened(Generation),
    /// A message came in on that generation's channel.
    Received(Generation, ChannelData),
    /// A packet has come in since it was asked for that.
    Flowed(u32),
    /// ICE is back: send a probe, and say [`Link::probe_sent`] and [`Link::probe_returned`].
    Probe,
    /// The restart that the script asked for is done: the selected pair is of the new ICE generation.
    Restarted,
    /// One of the ends did this to bring the link back.
    Acted(RecoveryPath),
    /// This end does nothing more about the link.
    GivenUp,
    /// Tell the event stream.
    Event(EventKind),
}

impl Link {
    /// A link without a connection. `last` is the last generation that was used towards the remote.
    pub fn new(
        rules: ClientRules,
        me: PeerId,
        remote: PeerId,
        incarnation: Incarnation,
        last: Generation,
    ) -> Self {
        Self {
            rules,
            polite: me < remote,
            carries: Carries::default(),
            incarnation,
            generation: last,
            last,
            connection: None,
            unregistered: None,
            queued: VecDeque::new(),
            early: VecDeque::new(),
            memory: Memory::default(),
            recovery: Recovery::default(),
            rng: None,
            timers: Timers::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The same, where the order of user ids is not that of peer ids: the remote is not in the plan.
    pub fn with_politeness(mut self, polite: bool) -> Self {
        self.polite = polite;
        self
    }

    /// The same, where it is no data channel between two peers.
    pub fn carrying(mut self, carries: Carries) -> Self {
        self.carries = carries;
        self
    }

    /// The same, for a client that remembers the remote from an earlier link.
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// The same, for a client that waits now longer, now shorter.
    pub fn with_jitter(mut self, rng: ChaCha8Rng) -> Self {
        self.rng = Some(rng);
        self
    }

    /// What an ended link leaves to a later one.
    pub fn into_memory(mut self, now: Instant) -> Memory {
        self.memory.release(&self.rules, now);
        self.memory
    }

    /// Next thing that the link wants; `None` once it is drained.
    pub fn poll_output(&mut self) -> Option<LinkOutput> {
        self.outputs.pop_front()
    }

    /// When [`Link::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Everything that was set a time for is due so much later.
    pub fn put_off(&mut self, by: Duration) {
        self.timers.put_off(by, |_| true);
    }

    /// The fingerprints of the offers that were taken, as far as they are remembered.
    pub fn offers_taken(&self) -> impl Iterator<Item = u64> + '_ {
        self.memory.offers_taken()
    }

    /// The last generation used.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The fingerprint of the offer that `answer` is to.
    pub fn answered(&self, answer: &Description) -> Option<u64> {
        let (offer, last) = self.connection.as_ref()?.answer.as_ref()?;
        (last == answer).then_some(*offer)
    }

    /// Running timers.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Whether data can be sent.
    pub fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.open_channels > 0)
    }

    /// Whether its channel was open and is closed, though nobody here has closed it.
    pub fn is_closed_by_remote(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|c| c.was_open && c.open_channels == 0)
    }

    /// Whether the channel that is open was opened through a relay of this end.
    pub fn is_relayed(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.relayed)
    }

    /// Whether an exchange of descriptions is under way, or wanted as soon as another is over.
    pub fn is_exchanging(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_unfinished) || self.recovery.is_wanting()
    }

    /// Open channels and signaling state, for the invariants of a settled room.
    pub fn settled(&self) -> EventKind {
        let (open_channels, signaling_state) = match &self.connection {
            Some(c) => (c.open_channels, c.signaling),
            None => (0, SignalingState::Closed),
        };
        EventKind::LinkSettled {
            generation: self.generation,
            open_channels,
            signaling_state,
        }
    }

    /// The remote joined after us: it is ours to offer; or, where the server offers, to ask for that.
    pub fn offer(&mut self) {
        if self.carries.is_offered_by_server() {
            return self.request_offer();
        }
        if self.carries == Carries::Relayed {
            return self.create(true);
        }
        if self.rules.keep_living {
            if self.connection.as_ref().is_some_and(Connection::is_living) {
                return;
            }
            self.close_connection("replaced");
        }
        self.stand_down();
        self.create(true);
        self.perform(
            Exchange::Offering,
            ConnectionOperation::Offer { ice_restart: false },
        );
        if !self.rules.register_first {
            self.unregistered = self.connection.take();
        }
    }

    /// One of the ends does something: what this one would have done by and by is not due any more. A client
    /// that does not know which connection its timers were set for lets them run.
    pub(super) fn stand_down(&mut self) {
        let all = self.rules.check_generation;
        self.timers.stop_all_but(|timer| match timer {
            LinkTimer::RemoveFailed(_) | LinkTimer::RemoveDisconnected(_) => true,
            LinkTimer::OfferFallback(_) | LinkTimer::Unanswered(_) | LinkTimer::Doubt(_) => false,
            LinkTimer::NoIce(_)
            | LinkTimer::InVain(_)
            | LinkTimer::Retry(_)
            | LinkTimer::NotOpen(_)
            | LinkTimer::RestartIce(_)
            | LinkTimer::NoData(_)
            | LinkTimer::ChannelClosed(_) => !all,
        });
    }

    /// It is the remote's to offer, for it was there before us or is to replace what has failed; if it doesn't,
    /// we do.
    pub fn expect_offer(&mut self, now: Instant) {
        let after = match self.carries.is_offered_by_server() {
            true => Some(REQUEST_WITHIN),
            false => self
                .rules
                .offer_fallback
                .then_some(self.rules.offer_fallback_after),
        };
        if let Some(after) = after
            && self.lacks_connection()
        {
            self.timers
                .set(LinkTimer::OfferFallback(self.generation), now + after);
        }
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((timer, _)) = self.timers.expire(now) {
            match timer {
                LinkTimer::OfferFallback(generation) => self.offer_overdue(generation, now),
                LinkTimer::Unanswered(generation) => self.answer_overdue(generation, now),
                LinkTimer::Doubt(generation) => self.doubt_is_right(generation),
                LinkTimer::NoIce(generation) | LinkTimer::NotOpen(generation) => {
                    self.replace_unopened(generation, now);
                }
                LinkTimer::InVain(generation) => self.restart_in_vain(generation, now),
                LinkTimer::Retry(generation) => self.retry_due(generation),
                LinkTimer::RestartIce(generation) => self.restart_due(generation),
                LinkTimer::NoData(generation) | LinkTimer::ChannelClosed(generation) => {
                    self.replace_dead(generation, now);
                }
                LinkTimer::RemoveFailed(generation) => {
                    self.remove_dead(generation, TransportState::Failed);
                }
                LinkTimer::RemoveDisconnected(generation) => {
                    self.remove_dead(generation, TransportState::Disconnected);
                }
            }
        }
    }

    fn offer_overdue(&mut self, generation: Generation, now: Instant) {
        let current = generation == self.generation && self.lacks_connection();
        if !current && !self.accept_stale(generation, "offer_fallback") {
            return;
        }
        match self.connection {
            Some(_) if current => self.offer_anew(),
            _ => self.offer(),
        }
        if self.carries.is_offered_by_server() {
            self.expect_offer(now);
        }
    }

    /// Has the next packet of the other end's told, on a link that carries media.
    pub fn await_packet(&mut self, number: u32) -> bool {
        let awaits = self.is_open() && self.carries.is_media();
        if awaits {
            self.command(self.generation, ConnectionCommand::AwaitPacket(number));
        }
        awaits
    }

    /// Sends a message; `false` if no channel is open.
    pub fn transmit(&mut self, data: ChannelData) -> bool {
        let open = self.is_open();
        if open {
            self.command(self.generation, ConnectionCommand::Transmit(data));
        }
        open
    }

    // ---- the connection

    /// Something happened on the connection of `generation`.
    pub fn handle_connection(&mut self, generation: Generation, event: ConnectionEvent, now: Instant) {
        if !self.register(generation, &event) {
            return;
        }
        let current = self.connection.as_ref().map(|c| c.generation) == Some(generation);
        if !current && !self.accept_stale(generation, name_of(&event)) {
            return;
        }
        match event {
            ConnectionEvent::CreateFailed(error) => {
                self.event(EventKind::OperationFailed {
                    generation,
                    operation: Operation::CreateConnection,
                    state: SignalingState::Closed,
                    allowed: true,
                    error,
                });
                self.connection = None;
                self.take_queued(now);
            }
            ConnectionEvent::OperationDone(done) => self.handle_done(done, now),
            ConnectionEvent::LocalCandidate(candidate) => self.handle_local_candidate(candidate),
            ConnectionEvent::IceState(state) => {
                self.event(EventKind::IceStateChanged {
                    generation,
                    state: state.to_string(),
                });
                self.ice_became(state, now);
            }
            ConnectionEvent::State(state) => {
                self.event(EventKind::ConnectionStateChanged {
                    generation,
                    state: state.to_string(),
                });
                if let Some(c) = &mut self.connection {
                    c.state = state;
                }
                self.state_became(state, now);
            }
            ConnectionEvent::ChannelOpened { pair } => {
                if let Some(c) = &mut self.connection {
                    c.open_channels += 1;
                    c.was_open = true;
                    c.relayed = pair == CandidateKind::Relay;
                    self.event(EventKind::ChannelOpened {
                        generation,
                        incarnation: self.incarnation,
                        pair,
                    });
                    self.outputs.push_back(LinkOutput::Opened(generation));
                    self.channel_opened(now);
                }
            }
            ConnectionEvent::ChannelClosed => {
                if let Some(c) = &mut self.connection {
                    c.open_channels = c.open_channels.saturating_sub(1);
                    self.event(EventKind::ChannelClosed { generation });
                    self.channel_closed(now);
                }
            }
            ConnectionEvent::Received(data) => {
                self.outputs.push_back(LinkOutput::Received(generation, data));
            }
            ConnectionEvent::PacketArrived(number) => self.outputs.push_back(LinkOutput::Flowed(number)),
            ConnectionEvent::TransmitFailed(error) => self.event(EventKind::OperationFailed {
                generation,
                operation: Operation::Send,
                state: self.signaling(),
                allowed: true,
                error,
            }),
            ConnectionEvent::FlightRepeated => self.event(EventKind::DtlsFlightRepeated { generation }),
            ConnectionEvent::Closed => {}
        }
        self.release_locks(now);
    }

    // ---- parts

    pub(super) fn perform(&mut self, exchange: Exchange, operation: ConnectionOperation) {
        if let Some(connection) = &mut self.connection {
            connection.busy = Some(exchange);
            self.command(self.generation, ConnectionCommand::Perform(operation));
        }
    }

    pub(super) fn end_exchange(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.busy = None;
        }
    }

    /// Whether there is none that works or may yet.
    pub(super) fn lacks_connection(&self) -> bool {
        self.connection.as_ref().is_none_or(Connection::is_failed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.busy.is_some())
    }

    pub(super) fn signaling(&self) -> SignalingState {
        self.connection
            .as_ref()
            .map_or(SignalingState::Closed, |c| c.signaling)
    }

    pub(super) fn signaling_became(&mut self, state: SignalingState) {
        if let Some(connection) = &mut self.connection {
            connection.signaling = state;
        }
        if state != SignalingState::HaveLocalOffer {
            self.timers.stop(LinkTimer::Unanswered(self.generation));
        }
        self.event(EventKind::SignalingStateChanged {
            generation: self.generation,
            state,
        });
    }

    pub(super) fn command(&mut self, generation: Generation, command: ConnectionCommand) {
        self.outputs
            .push_back(LinkOutput::Connection(generation, command));
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        self.outputs.push_back(LinkOutput::Event(kind));
    }
}

fn name_of(event: &ConnectionEvent) -> &'static str {
    match event {
        ConnectionEvent::CreateFailed(_) => "create_failed",
        ConnectionEvent::OperationDone(_) => "operation_done",
        ConnectionEvent::LocalCandidate(_) => "local_candidate",
        ConnectionEvent::IceState(_) => "ice_state",
        ConnectionEvent::State(_) => "connection_state",
        ConnectionEvent::ChannelOpened { .. } => "channel_opened",
        ConnectionEvent::ChannelClosed => "channel_closed",
        ConnectionEvent::Received(_) => "received",
        ConnectionEvent::PacketArrived(_) => "packet_arrived",
        ConnectionEvent::TransmitFailed(_) => "transmit_failed",
        ConnectionEvent::FlightRepeated => "flight_repeated",
        ConnectionEvent::Closed => "closed",
    }
}
