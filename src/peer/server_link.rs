//! Links whose other end is the server: what a peer publishes to it, has from it, or has it pass on.

use std::{collections::BTreeSet, time::Duration};

use super::{
    connection::{Carries, ConnectionCommand, ConnectionEvent},
    link::Link,
    machine::{Peer, PeerTimer},
};
use crate::{
    base::{Generation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, FaultCause, RecoveryPath},
    signaling::{ChannelData, Message, Reading, Topology},
};

/// How long a probe through the server is waited for.
const PROBE_AGAIN: Duration = Duration::from_secs(1);

impl Peer {
    /// Whether the link to `remote` is one of those that the plan speaks of: to another peer, or, where each has to do
    /// with the server alone, to that. Nothing is proven of others.
    pub(super) fn is_planned(&self, remote: PeerId) -> bool {
        match remote {
            PeerId::SERVER => !self.abilities.topology.has_pairs(),
            remote => !remote.is_external(),
        }
    }

    /// Whether messages can be sent on links.
    pub(super) fn exchanges_messages(&self) -> bool {
        !self.abilities.topology.is_media()
    }

    /// What connections to `remote` carry.
    pub(super) fn carries_to(&self, remote: PeerId) -> Carries {
        match (self.abilities.topology, remote == PeerId::SERVER) {
            (Topology::Mesh, _) => Carries::Channel,
            (Topology::Sfu, false) => Carries::Subscribed,
            (Topology::Hub, true) => Carries::ServerChannel(self.channel_label),
            (Topology::Hub, false) => Carries::Relayed,
            (Topology::Egress, _) => Carries::Received,
            (Topology::Sfu | Topology::Ingest, _) => Carries::Published,
        }
    }

    /// Where an offer is what joins: makes it. A link that is well is the membership, and goes on without.
    pub(super) fn offer_with_join(&mut self, now: Instant) {
        if self.abilities.topology.has_pairs() {
            return;
        }
        let well = |link: &Link| link.is_open() && !link.is_unwell();
        if self.is_member() && self.links.get(&PeerId::SERVER).is_some_and(well) {
            self.unanswered_joins = self.unanswered_joins.saturating_sub(1);
            return self.resume_signaling(true, now);
        }
        self.let_go(PeerId::SERVER, "replaced", now);
        self.link(PeerId::SERVER).offer();
        self.drain_link(PeerId::SERVER, now);
    }

    /// A membership is to begin anew: over another socket a server that holds links has ended those of the last one. Who
    /// was only removed from its room has its channel still, and joins on that.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        if self.is_member() && matches!(self.abilities.topology, Topology::Sfu | Topology::Hub) {
            let keeps =
                |link: &Link| self.was_welcomed && link.is_open() && !self.abilities.topology.is_media();
            let kept = self.links.get(&PeerId::SERVER).is_some_and(keeps);
            self.links_are_over("session_over", |remote| !kept || remote != PeerId::SERVER, now);
        }
    }

    /// A membership has begun, or goes on over another socket: what there is with the server begins, too.
    pub(super) fn meet_server(&mut self, now: Instant) {
        match self.abilities.topology {
            Topology::Mesh | Topology::Hub => {}
            Topology::Sfu => {
                // What was published as a member before is nothing that goes on.
                self.let_go(PeerId::SERVER, "replaced", now);
                self.link(PeerId::SERVER).offer();
                self.drain_link(PeerId::SERVER, now);
            }
            Topology::Ingest | Topology::Egress => {
                self.members.insert(PeerId::SERVER);
            }
        }
    }

    /// The join has come to nothing, and with it what was begun with the server.
    pub(super) fn give_server_up(&mut self, now: Instant) {
        self.close_link(PeerId::SERVER, "join_failed", now);
    }

    /// A join that is left before a server with links has answered it comes to nothing, and is never answered.
    pub(super) fn forget_joins(&mut self) {
        if self.abilities.topology.has_server_link() {
            self.unanswered_joins = 0;
            self.former_joins = 0;
        }
    }

    /// Nothing that was between this peer and the others is there any more, as far as it `ends`.
    fn links_are_over(&mut self, cause: &str, ends: impl Fn(PeerId) -> bool, now: Instant) {
        let over = self.links.keys().copied().filter(|remote| ends(*remote));
        for remote in over.collect::<Vec<_>>() {
            self.let_go(remote, cause, now);
        }
        self.survivors.clear();
        self.members.clear();
    }

    /// A member is in the room: what there is to be done about the link to it, if that is not told by and by.
    pub(super) fn link_through_server(&mut self, remote: PeerId, now: Instant) {
        if self.abilities.topology == Topology::Hub {
            self.link(remote).open_relayed(now);
            self.drain_link(remote, now);
        }
    }

    /// Whether a message is about a link with the server, which needs no membership.
    pub(super) fn is_of_server_link(&self, message: &Message) -> bool {
        let remote = match message {
            Message::Description { remote, .. }
            | Message::Candidate { remote, .. }
            | Message::Ended { remote, .. } => remote,
            _ => return false,
        };
        self.abilities.topology.has_server_link() && remote == Message::SERVER && !self.is_outside()
    }

    /// The server says something of its links.
    pub(super) fn hear_server(&mut self, message: Message, now: Instant) {
        match message {
            Message::Published { user_id } => {
                if let Some(remote) = self.peer_of(&user_id)
                    && self.members.contains(&remote)
                {
                    self.let_go(remote, "replaced", now);
                    self.link(remote).offer();
                    self.drain_link(remote, now);
                }
            }
            Message::Unpublished { user_id } => {
                if let Some(remote) = self.peer_of(&user_id) {
                    self.let_go(remote, "unpublished", now);
                    self.check_wait(now);
                }
            }
            Message::Ended { remote, reason } => {
                self.event(EventKind::SignalingError {
                    reason: "ended".to_owned(),
                    message: reason,
                });
                if let Some(remote) = self.peer_of(&remote)
                    && let Some(link) = self.links.get_mut(&remote)
                {
                    link.ended(now);
                    self.drain_link(remote, now);
                }
            }
            Message::Relayed {
                remote: Some(user_id),
                text,
            } => {
                if let Some(remote) = self.peer_of(&user_id)
                    && let Some(link) = self.links.get(&remote)
                {
                    let generation = link.generation();
                    self.received(remote, generation, &ChannelData::Text(text), now);
                    self.drain_link(remote, now);
                }
            }
            _ => {}
        }
    }

    // ---- a channel to the server

    /// Restarts ICE on the one connection that there is, which tears every link.
    pub(super) fn restart_hub_link(&mut self, planned: Instant, now: Instant) {
        for remote in self.open_links(|remote| *remote != PeerId::SERVER) {
            self.start_fault(remote, FaultCause::IceRestart, planned, planned, now);
        }
        self.acted_for_all(RecoveryPath::IceRestart);
        if let Some(link) = self.links.get_mut(&PeerId::SERVER) {
            link.restart_ice();
        }
        self.drain_link(PeerId::SERVER, now);
    }

    /// What a server passes on is lost while the way to its receiver is disturbed: a probe that counts is repeated.
    pub(super) fn probe_again(&mut self, remote: PeerId, now: Instant) {
        if self.abilities.topology == Topology::Hub && self.faults.contains_key(&remote) {
            self.timers.set(PeerTimer::FaultEnd(remote), now + PROBE_AGAIN);
        }
    }

    /// What is done about the connection to the server is done about every link through it.
    pub(super) fn acted_for_all(&mut self, path: RecoveryPath) {
        for remote in self.faults.keys().copied().collect::<Vec<_>>() {
            self.acted(remote, path);
        }
    }

    /// The connection to the server is back: whether data flows through it is to be seen.
    pub(super) fn trust_server(&mut self, now: Instant) {
        self.trust(PeerId::SERVER);
        for remote in self.faults.keys().copied().collect::<Vec<_>>() {
            self.probe(remote, now);
        }
    }

    /// The connection to the server is open; if it is a channel, signaling goes on over it.
    pub(super) fn server_link_opened(&mut self, now: Instant) {
        self.publishes_anew(now);
        if self.abilities.topology == Topology::Hub {
            if self.is_member() && self.unanswered_joins == 0 {
                // Another channel joins once more.
                self.unanswered_joins = 1;
            }
            let texts = self.codec.channel_opened();
            self.say_on_channel(texts, now);
        }
    }

    /// Whether this member has lost its channel to the server and has not asked on another one yet: what has ended
    /// meanwhile is no join, but the membership that was to go on.
    pub(super) fn is_between_channels(&self) -> bool {
        let is_asked = self.unanswered_joins > 0;
        self.abilities.topology == Topology::Hub && self.is_member() && !is_asked
    }

    /// A text has come in on it.
    pub(super) fn heard_on_channel(&mut self, data: &ChannelData, now: Instant) {
        let ChannelData::Text(text) = data else { return };
        let Reading {
            messages, replies, ..
        } = self.codec.read_channel(text);
        self.say_on_channel(replies, now);
        for message in messages {
            self.handle_message(message, now);
        }
    }

    /// It is closed, or the connection that it is part of: nobody can be reached.
    pub(super) fn check_server_channel(&mut self, now: Instant) {
        let open = |link: &Link| link.is_open();
        if self.abilities.topology != Topology::Hub || self.links.get(&PeerId::SERVER).is_some_and(open) {
            return;
        }
        let relayed = self.links.keys().copied();
        let relayed: Vec<PeerId> = relayed.filter(|remote| *remote != PeerId::SERVER).collect();
        for remote in relayed {
            self.members.remove(&remote);
            self.let_go(remote, "channel_closed", now);
        }
    }

    /// Says texts on it; `false`: it is not open.
    pub(super) fn say_on_channel(&mut self, texts: Vec<String>, now: Instant) -> bool {
        let Some(link) = self.links.get_mut(&PeerId::SERVER).filter(|link| link.is_open()) else {
            return false;
        };
        for text in texts {
            link.transmit(ChannelData::Text(text));
        }
        self.drain_link(PeerId::SERVER, now);
        true
    }

    /// A message that the server passes on to everybody, in one piece; `false`: each has to be sent it.
    pub(super) fn say_to_all(&mut self, text: &str, now: Instant) -> bool {
        if self.abilities.topology != Topology::Hub {
            return false;
        }
        let message = Message::Relayed {
            remote: None,
            text: text.to_owned(),
        };
        let unix_ms = self.unix_ms(now);
        let texts = self.codec.encode_on_channel(&message, unix_ms);
        self.say_on_channel(texts, now)
    }

    /// What a link without a connection of its own wants done with that.
    pub(super) fn relay(
        &mut self,
        remote: PeerId,
        generation: Generation,
        command: ConnectionCommand,
        now: Instant,
    ) {
        match command {
            ConnectionCommand::Create { .. } => _ = self.generations.insert(remote, generation),
            ConnectionCommand::Transmit(ChannelData::Text(text)) => {
                let message = Message::Relayed {
                    remote: Some(self.user_id_of(remote)),
                    text,
                };
                let unix_ms = self.unix_ms(now);
                let texts = self.codec.encode_on_channel(&message, unix_ms);
                self.say_on_channel(texts, now);
            }
            _ => {}
        }
    }

    // ---- media

    /// The link carries media, and some has come in, or may go out.
    pub(super) fn media_opened(&mut self, remote: PeerId, generation: Generation) {
        if self.is_planned(remote) {
            let incarnation = self.incarnation;
            let kind = EventKind::ProbeReceived {
                generation,
                incarnation,
            };
            self.event_of(Some(remote), kind);
        }
    }

    /// Asks for a sign that media flows: the next packet, or, for what is published, the server's next report on it
    /// (RFC 3550, 6.4). Behind an SFU a link is two halves: what the remote publishes comes in over it, and what it has of
    /// this peer goes out by what this one publishes.
    pub(super) fn await_media(&mut self, remote: PeerId, number: u32) -> bool {
        let awaits = |link: &mut Link| link.await_packet(number);
        if !self.links.get_mut(&remote).is_some_and(awaits) {
            return false;
        }
        if self.carries_to(remote) == Carries::Subscribed {
            self.await_reports(number);
        }
        true
    }

    fn await_reports(&mut self, number: u32) {
        if let Some(link) = self.links.get_mut(&PeerId::SERVER) {
            link.await_packet(number);
        }
    }

    /// A packet has come in that was asked for.
    pub(super) fn media_flowed(&mut self, remote: PeerId, number: u32, now: Instant) {
        if remote == PeerId::SERVER {
            self.media_proof.published = self.media_proof.published.max(number);
        } else if self.media_proof.published < number {
            self.media_proof.halves.insert((number, remote));
            return self.drain_link(PeerId::SERVER, now);
        }
        self.echo_received(remote, number, now);
        let proven = self.media_proof.take_proven();
        for (number, remote) in proven {
            self.echo_received(remote, number, now);
        }
    }

    /// Another connection publishes: what the last one had still to prove is asked of it.
    pub(super) fn publishes_anew(&mut self, now: Instant) {
        if let Some((number, _)) = self.media_proof.halves.last().copied() {
            self.await_reports(number);
            self.drain_link(PeerId::SERVER, now);
        }
    }
}

/// What is known of probes on links that are two halves.
#[derive(Debug, Default)]
pub(super) struct MediaProof {
    /// The last one that the server's reports have answered.
    published: u32,
    /// Those that have come in and wait for that. All of them: a report may always be just too old for the last.
    halves: BTreeSet<(u32, PeerId)>,
}

impl MediaProof {
    fn take_proven(&mut self) -> Vec<(u32, PeerId)> {
        let published = self.published;
        let proven = self.halves.extract_if(.., |(number, _)| *number <= published);
        proven.collect()
    }
}

impl Link {
    /// Opens a link that has no connection of its own: the server passes on what is sent.
    pub(super) fn open_relayed(&mut self, now: Instant) {
        if !self.is_open() {
            self.offer();
            let pair = CandidateKind::Unknown;
            self.handle_connection(self.generation(), ConnectionEvent::ChannelOpened { pair }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::SignalingState,
        peer::{ConnectionOperation, Done, PeerInput, PeerOutput},
        plan::{Options, expand},
        scenario::{ThresholdCheck, ThresholdMistake, parse},
        signaling::{Description, SdpType},
    };

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _: &str, _: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    #[test]
    fn a_report_that_is_too_old_for_the_last_probe_proves_the_one_before() {
        let mut proof = MediaProof {
            published: 4,
            halves: [(4, PeerId(1)), (5, PeerId(1)), (5, PeerId(2))].into(),
        };
        assert_eq!(proof.take_proven(), [(4, PeerId(1))]);
        assert_eq!(proof.take_proven(), []);
        proof.published = 5;
        assert_eq!(proof.take_proven(), [(5, PeerId(1)), (5, PeerId(2))]);
    }

    /// What a WHIP server says to a request.
    fn response(request: &str) -> String {
        let number = request.lines().find(|line| line.starts_with("Exchange:"));
        let number = number.expect("requests are numbered");
        match request.starts_with("POST") {
            true => format!(
                "HTTP/1.1 201 Created\r\n{number}\r\nLocation: /session\r\n\r\nv=0\r\na=fingerprint:sha-256 0A\r\n"
            ),
            false => format!("HTTP/1.1 200 OK\r\n{number}\r\n\r\n"),
        }
    }

    /// What a connection says to a command.
    fn done(generation: Generation, command: ConnectionCommand) -> Vec<ConnectionEvent> {
        let ConnectionCommand::Perform(operation) = command else {
            return match command {
                ConnectionCommand::Close => vec![ConnectionEvent::Closed],
                _ => Vec::new(),
            };
        };
        let is_offer = matches!(operation, ConnectionOperation::Offer { .. });
        let offer = is_offer.then(|| Description {
            sdp_type: SdpType::Offer,
            sdp: format!(
                "v=0\r\na=ice-ufrag:abcd\r\na=fingerprint:sha-256 0{}\r\n",
                generation.0
            )
            .into(),
        });
        let before = match is_offer {
            true => SignalingState::Stable,
            false => SignalingState::HaveLocalOffer,
        };
        let done = ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result: Ok(offer),
        });
        let pair = CandidateKind::Host;
        let opened = (!is_offer).then_some(ConnectionEvent::ChannelOpened { pair });
        [done].into_iter().chain(opened).collect()
    }

    /// Nobody is named in what a server of WHIP says, and that says nothing of the server.
    #[test]
    fn who_joins_anew_keeps_its_link_to_the_server() {
        let text = "
name: x
target: { url: 'http://127.0.0.1/', protocol: whip }
rooms: { peers: 1 }
steps: [{ join: { expect: rejected } }, { wait: rejected }, join, { wait: connected }]
";
        let scenario = parse("x", text, &Any).unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
        let plan = expand(&scenario, 1, &Options::default());
        let mut peer = Peer::new(&plan, PeerId(0), 0);
        let mut inputs = vec![PeerInput::Arrive];
        let (mut socket, mut told) = (0, Vec::new());
        for step in 0..100 {
            let now = Instant::from_millis(step);
            for input in std::mem::take(&mut inputs) {
                peer.handle(input, now);
            }
            peer.handle_timeout(now);
            while let Some(output) = peer.poll_output() {
                match output {
                    PeerOutput::OpenSignaling(number) => {
                        socket = number;
                        inputs.push(PeerInput::SignalingOpened(number));
                    }
                    PeerOutput::SendFrame(frame) => inputs.push(PeerInput::Frame(socket, response(&frame))),
                    PeerOutput::Connection {
                        remote,
                        generation,
                        command,
                    } => inputs.extend(done(generation, command).into_iter().map(|event| {
                        PeerInput::Connection {
                            remote,
                            generation,
                            event,
                        }
                    })),
                    PeerOutput::Event { kind, .. } => told.push(kind),
                    _ => {}
                }
            }
        }
        let joined = |kind: &&EventKind| matches!(kind, EventKind::Joined { .. });
        assert_eq!(told.iter().filter(joined).count(), 2, "{told:?}");
        let left = |kind: &EventKind| matches!(kind, EventKind::MemberLeft { .. });
        assert!(!told.iter().any(left), "{told:?}");
        let link = peer.links.get(&PeerId::SERVER);
        assert!(link.is_some_and(Link::is_open), "{told:?}");
    }
}
