//! What links want of their peer, and what comes in over them.

use super::{
    connection::{Carries, ConnectionCommand},
    link::{Link, LinkOutput},
    machine::{Peer, PeerOutput},
};
use crate::{
    base::{Generation, Instant, PeerId},
    metrics::EventKind,
    signaling::{ChannelData, ChannelMessage, Chunks, Message, Seq},
};

impl Peer {
    /// Carries out what a link wants.
    pub(super) fn drain_link(&mut self, remote: PeerId, now: Instant) {
        while let Some(output) = self.links.get_mut(&remote).and_then(Link::poll_output) {
            match output {
                LinkOutput::Connection(generation, command) => {
                    if self.carries_to(remote) == Carries::Relayed {
                        self.relay(remote, generation, command, now);
                        continue;
                    }
                    if matches!(command, ConnectionCommand::Create { .. }) {
                        self.generations.insert(remote, generation);
                        self.live.insert((remote, generation));
                        self.externals.connecting(remote, now);
                    }
                    self.output(PeerOutput::Connection {
                        remote,
                        generation,
                        command,
                    });
                }
                LinkOutput::SendDescription(description) => self.send_description(remote, description, now),
                LinkOutput::SendCandidate(candidate) => {
                    let remote = self.user_id_of(remote);
                    self.send(&Message::Candidate { remote, candidate }, now);
                }
                LinkOutput::RequestOffer { ice_restart } => {
                    let message = Message::RequestOffer {
                        remote: self.user_id_of(remote),
                        ice_restart,
                    };
                    self.send(&message, now);
                    self.link(remote).expect_offer(now);
                }
                LinkOutput::Opened(generation) => self.link_opened(remote, generation, now),
                LinkOutput::Flowed(number) => self.media_flowed(remote, number, now),
                LinkOutput::Probe | LinkOutput::Restarted if remote.is_external() => self.trust(remote),
                LinkOutput::Probe | LinkOutput::Restarted if self.carries_to(remote).is_unproven() => {
                    self.trust_server(now);
                }
                LinkOutput::Probe | LinkOutput::Restarted => self.probe(remote, now),
                LinkOutput::Acted(path) => self.acted(remote, path),
                LinkOutput::GivenUp => self.fault_expired(remote),
                LinkOutput::Received(generation, data) => self.received(remote, generation, &data, now),
                LinkOutput::Event(kind) => self.event_of(Some(remote), kind),
            }
        }
    }

    fn link_opened(&mut self, remote: PeerId, generation: Generation, now: Instant) {
        if remote.is_external() {
            return self.external_opened(remote, now);
        }
        self.seen.opened.insert(remote);
        if !self.is_planned(remote) {
            self.server_link_opened(now);
        } else if self.exchanges_messages() {
            let probe = self.chat_text(Seq::Probe(0), 0, now);
            self.transmit(remote, &probe);
        } else {
            self.media_opened(remote, generation);
        }
        if self.faults.contains_key(&remote) {
            self.probe(remote, now);
        }
        self.check_wait(now);
        self.repeat_fin(remote, now);
        self.check_settled(now);
    }

    pub(super) fn received(
        &mut self,
        remote: PeerId,
        generation: Generation,
        data: &ChannelData,
        now: Instant,
    ) {
        if remote.is_external() {
            return self.heard_external(remote, generation, data, now);
        }
        if remote == PeerId::SERVER {
            return self.heard_on_channel(data, now);
        }
        let Some(ChannelMessage::Chat { id, bytes }) = self.read_channel(remote, generation, data) else {
            return;
        };
        if id.peer != self.plan.seat().number_of(remote) {
            return;
        }
        let incarnation = id.incarnation;
        match id.seq {
            Seq::Chat(seq) => self.event_of(
                Some(remote),
                EventKind::MessageReceived {
                    generation,
                    incarnation,
                    seq,
                    bytes,
                },
            ),
            Seq::Probe(number) => {
                let kind = EventKind::ProbeReceived {
                    generation,
                    incarnation,
                };
                self.event_of(Some(remote), kind);
                if number > 0 {
                    let echo = self.chat_text(Seq::Echo(number), 0, now);
                    self.transmit(remote, &echo);
                }
            }
            Seq::Echo(number) => self.echo_received(remote, number, now),
            Seq::Fin => self.fin_received(remote, now),
        }
    }

    /// Sends a message over the channel to `remote`, as their connection carries it; `false` if none is open.
    pub(super) fn transmit(&mut self, remote: PeerId, json: &str) -> bool {
        let Some(link) = self.links.get_mut(&remote).filter(|link| link.is_open()) else {
            return false;
        };
        let user_id = self
            .externals
            .user_id(remote)
            .or_else(|| Some(self.roommates.get(&remote)?.as_str()));
        let format = user_id.and_then(|user_id| self.codec.channel_format(user_id));
        let number = self.next_message;
        self.next_message = number.wrapping_add(1);
        for data in format.unwrap_or(self.channel_format).write(json, number) {
            link.transmit(data);
        }
        true
    }

    /// What has come over the channel of `remote`, once it is whole.
    pub(super) fn read_channel(
        &mut self,
        remote: PeerId,
        generation: Generation,
        data: &ChannelData,
    ) -> Option<ChannelMessage> {
        let format = self.codec.channel_format(&self.user_id_of(remote));
        let format = format.unwrap_or(self.channel_format);
        let (of, chunks) = self
            .chunks
            .entry(remote)
            .or_insert_with(|| (generation, Chunks::default()));
        if *of != generation {
            (*of, *chunks) = (generation, Chunks::default());
        }
        format.read(data, chunks)
    }
}
