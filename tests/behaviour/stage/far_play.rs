//! The part of a server that is the other end of connections.

use std::time::Duration;

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::CandidateKind,
    peer::{Carries, ConnectionEvent, Peer, PeerInput},
    plan::ServerFault,
    signaling::{ChannelData, Protocol},
};

use super::{
    FarEnds, FarServer, Stage, Way,
    agenda::{Deed, Delivery, End},
    far_ends::Did,
};

/// When a peer notices that a server says nothing any more, and when it gives up.
const NOTICED_AFTER: Duration = Duration::from_secs(5);
const FAILED_AFTER: Duration = Duration::from_secs(30);

impl Stage {
    /// The same at such a server.
    pub fn at_server(mut self, protocol: Protocol, server: impl FarServer + 'static) -> Self {
        self.plan.protocol = protocol;
        let peers = self.plan.peers.iter();
        self.peers = peers.map(|peer| Peer::new(&self.plan, peer.id, 0)).collect();
        self.far_server = Some(Box::new(server));
        self
    }

    /// At `at` ms a test does something to the server.
    pub fn with_deed<S: FarServer + 'static>(
        mut self,
        at: u64,
        deed: impl FnOnce(&mut S, &mut FarEnds) + 'static,
    ) -> Self {
        let deed: Deed = Box::new(move |server, ends| {
            let server = server.as_any().downcast_mut().expect("that server");
            deed(server, ends);
        });
        self.agenda.push(Instant::from_millis(at), Delivery::Deed(deed));
        self
    }

    /// Of what carries that no packet comes in from `from` until `until` ms.
    pub fn with_muted(mut self, carries: Carries, from: u64, until: u64) -> Self {
        let [from, until] = [from, until].map(Instant::from_millis);
        self.muted.push((carries, [from, until]));
        self.agenda.push(until, Delivery::Deed(Box::new(|_, _| {})));
        self
    }

    /// The clock.
    pub fn now_ms(&self) -> u64 {
        self.now.as_micros() / 1_000
    }

    /// What the server has not let go of.
    pub fn left_at_server(&self) -> usize {
        self.far_server.as_ref().map_or(0, |server| server.left_over())
    }

    pub(super) fn ask_server(&mut self, ask: impl FnOnce(&mut dyn FarServer, &mut FarEnds)) {
        let Some(server) = &mut self.far_server else {
            return;
        };
        let mut ends = FarEnds {
            connections: &mut self.connections,
            certificates: &mut self.certificates,
            did: Vec::new(),
        };
        if !self.is_down {
            ask(server.as_mut(), &mut ends);
        }
        for did in ends.did {
            self.carry_out(did);
        }
    }

    fn carry_out(&mut self, did: Did) {
        match did {
            Did::Said(socket, frame) => {
                let number = self.numbers[&socket];
                self.tell_socket(socket, PeerInput::Frame(number, frame));
            }
            Did::Told(end, text) => self.transmit(end, ChannelData::Text(text)),
            Did::Changed(end) => {
                self.changed(end);
                self.agenda.push(self.now + FAILED_AFTER, Delivery::GiveUp(end));
            }
            Did::Ended(end) => self.close(end),
        }
    }

    pub(super) fn tell_far_end(&mut self, end: End, event: ConnectionEvent) {
        if let ConnectionEvent::Received(ChannelData::Text(text)) = &event {
            self.heard.push((self.now, end.1, text.clone()));
        }
        self.ask_server(|server, ends| server.happened(end, event, ends));
    }

    /// Everybody is gone: what they have said last still comes to the server.
    pub fn let_server_hear(&mut self) {
        while let Some(delivery) = self.agenda.pop() {
            if matches!(delivery, Delivery::ToServer(..) | Delivery::Disconnect(_)) {
                self.deliver(delivery);
            }
        }
    }

    // ---- media

    /// Tells of packets that are there now.
    pub(super) fn let_flow(&mut self) {
        if self.far_server.is_none() {
            return;
        }
        let opens = self
            .connections
            .iter()
            .filter(|(end, c)| c.carries == Carries::Subscribed && !c.flowing && self.flows(**end));
        for end in opens.map(|(end, _)| *end).collect::<Vec<_>>() {
            self.connections.get_mut(&end).expect("it flows").flowing = true;
            let pair = CandidateKind::Host;
            self.tell(end, Way::Callback, ConnectionEvent::ChannelOpened { pair });
        }
        let come = self.awaited.keys().copied().filter(|end| self.flows(*end));
        for end in come.collect::<Vec<_>>() {
            let number = self.awaited.remove(&end).expect("it was there");
            self.tell(end, Way::Callback, ConnectionEvent::PacketArrived(number));
        }
    }

    fn flows(&self, end: End) -> bool {
        let (Some(far), Some(server)) = (self.far_end(end), &self.far_server) else {
            return false;
        };
        let connection = &self.connections[&end];
        let is_muted = self.muted.iter().any(|(carries, [from, until])| {
            *carries == connection.carries && (*from..*until).contains(&self.now)
        });
        let is_well = connection.lost.is_none() && !connection.silent;
        let subscribed = connection.carries != Carries::Subscribed;
        is_well && !is_muted && (subscribed || server.flows(far, &self.connections))
    }

    // ---- its end

    /// The server is away for a while, and knows nobody afterwards.
    pub(super) fn harm_server(&mut self, by: PeerId, fault: ServerFault, planned: Instant) {
        let (ServerFault::Restart { away } | ServerFault::Crash { away: Some(away) }) = fault else {
            panic!("nothing else is done to a server here");
        };
        let server = self.far_server.as_mut().expect("this server lasts");
        server.die();
        self.is_down = true;
        self.agenda.push(planned + away, Delivery::ServerBack);
        let ends: Vec<End> = self.connections.keys().copied().collect();
        for end in ends.into_iter().filter(|end| end.0 == PeerId::SERVER) {
            self.vanish(end);
        }
        for id in (0..self.peers.len() as u32).map(PeerId) {
            self.cut(id);
            if id != by {
                let hit = PeerInput::ServerHit { fault, planned };
                self.agenda.push(self.now, Delivery::ToPeer(id, hit));
            }
        }
    }

    /// Nobody says goodbye.
    fn vanish(&mut self, end: End) {
        let far = self.far_end(end);
        let connection = self.connections.get_mut(&end).expect("it is there");
        (connection.open, connection.closed) = (false, true);
        if let Some(far) = far {
            self.connections.get_mut(&far).expect("it is open").open = false;
            self.agenda.push(self.now + NOTICED_AFTER, Delivery::Silent(far));
            self.agenda.push(self.now + FAILED_AFTER, Delivery::GiveUp(far));
        }
    }
}
