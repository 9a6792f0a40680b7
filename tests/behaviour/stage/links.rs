//! What connections do to each other: they open, carry messages, break and close.

use std::time::Duration;

use rtcstorm::{
    base::PeerId,
    metrics::CandidateKind,
    peer::{Carries, ConnectionCommand, ConnectionEvent, PeerInput, TransportState},
    signaling::ChannelData,
};

use super::{
    Stage, Way,
    agenda::{Delivery, End, Lane},
    connection::Connection,
};

/// How long the far end is silent before ICE says `disconnected`, and how much later `failed`.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
const FAILED_AFTER: Duration = Duration::from_secs(25);

impl Stage {
    pub(super) fn perform(&mut self, end: End, command: ConnectionCommand) {
        match command {
            ConnectionCommand::Create { offerer, carries } => {
                self.certificates += 1;
                let connection = Connection::new(self.certificates, offerer).carrying(carries);
                self.connections.insert(end, connection);
            }
            ConnectionCommand::Perform(operation) => {
                let events = match self.connections.get_mut(&end) {
                    Some(connection) if !connection.closed => connection.perform(operation),
                    _ => Vec::new(),
                };
                for event in events {
                    let way = match event {
                        ConnectionEvent::LocalCandidate(_) => Way::Gathering,
                        _ => Way::Return,
                    };
                    self.tell(end, way, event);
                }
                self.changed(end);
                if self.connections[&end].is_complete() {
                    let at = self.now + DISCONNECTED_AFTER + FAILED_AFTER;
                    self.agenda.push(at, Delivery::GiveUp(end));
                }
            }
            ConnectionCommand::AwaitPacket(number) => _ = self.awaited.insert(end, number),
            ConnectionCommand::Transmit(text) => self.transmit(end, text),
            ConnectionCommand::Close => self.close(end),
        }
    }

    /// A description or candidate is new at that end.
    pub(super) fn changed(&mut self, end: End) {
        self.open(end);
        self.hear_again(end);
        self.find_again(end);
        self.connect_again(end);
    }

    /// A restart of ICE that nothing was wrong with is over.
    fn connect_again(&mut self, end: End) {
        let Some(far) = self.far_end(end).filter(|_| self.far_server.is_some()) else {
            return;
        };
        if self.connections[&end].is_restarted(&self.connections[&far]) {
            for end in [far, end] {
                self.connections
                    .get_mut(&end)
                    .expect("it is open")
                    .tell_restarted();
                let state = TransportState::Connected;
                self.tell(end, Way::Callback, ConnectionEvent::IceState(state));
            }
        }
    }

    pub(super) fn transmit(&mut self, end: End, text: ChannelData) {
        if let Some(far) = self.far_end(end) {
            match self.connections[&end].lost {
                None => self.tell(far, Way::Callback, ConnectionEvent::Received(text)),
                // SCTP repeats it until ICE is back.
                Some(_) => self.parked.push((end, text)),
            }
        }
    }

    /// The open connection at the other end.
    pub(super) fn far_end(&self, end: End) -> Option<End> {
        let is_open = |end: &End| self.connections[end].open && !self.connections[end].closed;
        self.connections[&end]
            .far
            .filter(|far| is_open(&end) && is_open(far))
    }

    /// Opens the connection if it reaches one of the remote's.
    fn open(&mut self, end: End) {
        let (me, remote, _) = end;
        // What another peer publishes is had from the server.
        let faced = match self.connections[&end].carries.is_with_server() {
            true if me != PeerId::SERVER => PeerId::SERVER,
            _ => remote,
        };
        let faces = |far: &End| far.0 == faced && (me == PeerId::SERVER || far.1 == me);
        let reaches = |far: &End| self.connections[&end].matches(&self.connections[far]);
        let Some(far) = self
            .connections
            .keys()
            .copied()
            .find(|far| faces(far) && reaches(far))
        else {
            return;
        };
        let stuck = self.stuck > 0;
        self.stuck -= u32::from(stuck);
        for (end, far) in [(far, end), (end, far)] {
            if let Some(connection) = self.connections.get_mut(&end) {
                (connection.open, connection.failed) = (!stuck, stuck);
                connection.far = Some(far);
            }
            for state in [ConnectionEvent::IceState, ConnectionEvent::State] {
                self.tell(end, Way::Callback, state(TransportState::Connected));
            }
            // Two that were both made to offer have a channel each; a rollback takes none away.
            let both = self.connections[&end].offerer && self.connections[&far].offerer;
            let channels = match self.connections[&end].carries {
                // It opens with the first packet.
                Carries::Subscribed => 0,
                carries if both && !carries.is_with_server() => 2,
                _ => 1,
            };
            for _ in 0..if stuck { 0 } else { channels } {
                let pair = CandidateKind::Host;
                self.tell(end, Way::Callback, ConnectionEvent::ChannelOpened { pair });
            }
        }
    }

    /// The far end's channel closes with it; its ICE finds out later.
    pub(super) fn close(&mut self, end: End) {
        // Without ICE the far end hears nothing of it.
        let far = self
            .far_end(end)
            .filter(|_| self.connections[&end].lost.is_none());
        if let Some(connection) = self.connections.get_mut(&end) {
            connection.closed = true;
            connection.open = false;
        }
        self.tell(end, Way::Callback, ConnectionEvent::State(TransportState::Closed));
        self.tell(end, Way::Closing, ConnectionEvent::Closed);
        if let Some(far) = far {
            if let Some(connection) = self.connections.get_mut(&far) {
                connection.open = false;
            }
            // Media that comes in no more is no news.
            if far.0 == PeerId::SERVER || !self.connections[&far].carries.is_media() {
                self.tell(far, Way::Callback, ConnectionEvent::ChannelClosed);
            }
            let at = self.now + DISCONNECTED_AFTER;
            self.agenda.push(at, Delivery::Silent(far));
            self.agenda.push(at + FAILED_AFTER, Delivery::GiveUp(far));
        }
    }

    pub(super) fn notice_silence(&mut self, end: End) {
        if !self.connections[&end].closed {
            let state = TransportState::Disconnected;
            self.tell(end, Way::Callback, ConnectionEvent::IceState(state));
            self.tell(end, Way::Callback, ConnectionEvent::State(state));
        }
    }

    /// The open connections of a peer hear nothing any more, and notice: a restart of ICE brings it back.
    pub(super) fn fall_silent(&mut self, peer: PeerId) {
        for end in self.open_ends().into_iter().filter(|end| end.0 == peer) {
            self.connections.get_mut(&end).expect("it is open").silent = true;
            self.notice_silence(end);
        }
    }

    fn hear_again(&mut self, end: End) {
        let connection = self.connections.get_mut(&end).expect("it was made");
        // Of one that has failed since, only a restart at both ends brings anything back.
        let is_there = connection.is_complete() && connection.lost.is_none();
        if is_there && std::mem::take(&mut connection.silent) {
            for state in [ConnectionEvent::IceState, ConnectionEvent::State] {
                self.tell(end, Way::Callback, state(TransportState::Connected));
            }
        }
    }

    pub(super) fn give_up(&mut self, end: End) {
        let connection = self.connections.get_mut(&end).expect("it was made");
        if !connection.open && !connection.closed && !connection.failed {
            connection.failed = true;
            let state = TransportState::Failed;
            self.tell(end, Way::Callback, ConnectionEvent::IceState(state));
            self.tell(end, Way::Callback, ConnectionEvent::State(state));
        }
    }

    pub(super) fn fail_all(&mut self) {
        for end in self.open_ends() {
            self.fail(end);
        }
    }

    /// A failure is a fault of the script's time: afterwards the room settles undisturbed.
    pub(super) fn fail_one(&mut self, nth: usize) {
        let open = self.open_ends();
        if self.room_ended || open.is_empty() {
            return;
        }
        let end = open[nth % open.len()];
        let far = self.connections[&end].far;
        [Some(end), far]
            .into_iter()
            .flatten()
            .for_each(|end| self.fail(end));
    }

    /// ICE has been restarted at both ends after it had failed.
    fn find_again(&mut self, end: End) {
        let Some(far) = self.connections[&end].far else {
            return;
        };
        if !self.connections[&end].finds_again(&self.connections[&far]) {
            return;
        }
        for end in [far, end] {
            self.connections.get_mut(&end).expect("it was made").lost = None;
            for state in [ConnectionEvent::IceState, ConnectionEvent::State] {
                self.tell(end, Way::Callback, state(TransportState::Connected));
            }
        }
        let (sent, parked) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|(from, _)| [far, end].contains(from));
        self.parked = parked;
        let sent: Vec<(End, ChannelData)> = sent;
        for (from, text) in sent {
            let to = if from == end { far } else { end };
            self.tell(to, Way::Callback, ConnectionEvent::Received(text));
        }
    }

    fn open_ends(&self) -> Vec<End> {
        let open = self.connections.iter().filter(|(_, c)| c.open && !c.closed);
        open.map(|(end, _)| *end).collect()
    }

    fn fail(&mut self, end: End) {
        let connection = self.connections.get_mut(&end).expect("it is open");
        if self.ice_fails {
            if connection.lost.is_none() {
                connection.lose(self.for_good);
                for state in [ConnectionEvent::IceState, ConnectionEvent::State] {
                    self.tell(end, Way::Callback, state(TransportState::Failed));
                }
            }
            return;
        }
        connection.open = false;
        connection.failed = true;
        self.tell(end, Way::Callback, ConnectionEvent::State(TransportState::Failed));
        self.tell(end, Way::Callback, ConnectionEvent::ChannelClosed);
    }

    pub(super) fn tell(&mut self, end: End, way: Way, event: ConnectionEvent) {
        let (me, remote, generation) = end;
        if me == PeerId::SERVER {
            let at = self.after(way);
            return self
                .agenda
                .follow(Lane::Callbacks(end), at, Delivery::ToFarEnd(end, event));
        }
        let is_state = matches!(event, ConnectionEvent::IceState(_) | ConnectionEvent::State(_));
        let input = PeerInput::Connection {
            remote,
            generation,
            event,
        };
        let copies = if is_state && self.repeats_callbacks { 2 } else { 1 };
        for _ in 0..copies {
            let at = self.after(way);
            let delivery = Delivery::ToPeer(me, input.clone());
            match way {
                // Candidates come from another task than what calls return.
                Way::Gathering => self.agenda.push(at, delivery),
                _ => self.agenda.follow(Lane::Callbacks(end), at, delivery),
            }
        }
    }
}
