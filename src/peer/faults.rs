use std::{collections::BTreeMap, time::Duration};

use super::machine::{Peer, PeerOutput, PeerTimer};
use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, FaultCause, Forgery, RecoveryPath},
    plan::{Cut, DropNetwork, Network, RestartLinks, Scope, SleepingClock, SocketOnRoam},
    signaling::{Description, Message, SdpType, Seq, Topology},
};

/// A scripted fault of one link that data has not flowed through since.
#[derive(Debug)]
pub(super) struct Fault {
    cause: FaultCause,
    /// When it is planned to begin and to be over.
    planned: Instant,
    ends: Instant,
    /// The last thing that either end did about it.
    path: RecoveryPath,
    /// The first probe that was sent after its end; in a block of UDP, after its beginning.
    probe: Option<u32>,
    /// When the server restarted, if it did: data proves nothing before both ends are members again.
    pub(super) restarted: Option<Instant>,
    /// It has broken the link, as far as is known. A restart of the server need not.
    told: bool,
}

/// Frames of descriptions that a step wants repeated.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// For the next offer to each of these.
    offers: BTreeMap<PeerId, CopyStep>,
    /// For every answer until then.
    answers: Option<(CopyStep, Instant)>,
    /// Copies that wait for their instant, in the order of these; with the instant of the frame that they repeat to
    /// the byte, if they do.
    due: BTreeMap<(Instant, u32), (PeerId, Description, Option<Instant>)>,
    /// Numbers them.
    count: u32,
}

/// How often descriptions are repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyStep {
    pub copies: u32,
    /// Over which time.
    pub within: Duration,
    /// Each in a frame of its own.
    pub afresh: bool,
}

/// The last offer to each remote.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// Of this membership.
    last: BTreeMap<PeerId, Description>,
    /// Of the one before.
    pub former: BTreeMap<PeerId, Description>,
}

impl Offered {
    pub(super) fn leave(&mut self) {
        self.former = std::mem::take(&mut self.last);
    }
}

/// What a step wants done to the sockets of its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkCommand {
    /// The network is away until then.
    Drop { what: DropNetwork, until: Instant },
    /// UDP does not pass until then; never again without.
    BlockUdp { until: Option<Instant> },
    /// The peer is in another network: its sockets of the old one are dead.
    Roam { signaling: SocketOnRoam },
    /// The NAT in front of the peer maps its UDP sockets anew.
    RemapNat,
    /// The peer's machine sleeps until then; [`PeerInput::Woke`](super::PeerInput::Woke) tells that it is awake.
    Sleep { until: Instant, clock: SleepingClock },
    /// The peer's way to the others is like this from now on, those of later memberships too.
    Become(Network),
    /// The signaling socket is cut.
    Cut(Cut),
    /// Every socket falls silent, for good: those of a later membership are new ones.
    Mute,
}

impl Peer {
    pub(super) fn drop_network(&mut self, what: DropNetwork, planned: Instant, now: Instant) {
        let until = planned + what.lasting;
        if what.hits_server() && self.is_online() {
            self.pings.await_proof();
            self.timers.set(PeerTimer::SignalingFaultEnd, until);
        }
        let hit = match what.scope {
            Scope::Signaling => Vec::new(),
            Scope::Media | Scope::Both => {
                self.open_links(|remote| what.with.is_empty() || what.with.contains(remote))
            }
        };
        if hit.is_empty() && what.with.is_empty() && what.scope != Scope::Signaling {
            // There is no link that it tears; who connects meanwhile is hindered by it.
            self.event(EventKind::FaultStarted {
                cause: FaultCause::DropNetwork,
                planned,
                ends: until,
            });
        }
        self.output(PeerOutput::Network(NetworkCommand::Drop { what, until }));
        for remote in hit {
            self.start_fault(remote, FaultCause::DropNetwork, planned, until, now);
        }
    }

    pub(super) fn restart_ice(&mut self, links: RestartLinks, both: bool, planned: Instant, now: Instant) {
        let me = self.plan.id;
        if self.abilities.topology == Topology::Hub {
            return self.restart_hub_link(planned, now);
        }
        let mut hit = self.open_links(|_| true);
        if links == RestartLinks::One {
            hit.truncate(1);
        }
        hit.retain(|remote| both || me < *remote);
        for remote in hit {
            self.start_fault(remote, FaultCause::IceRestart, planned, planned, now);
            if let Some(fault) = self.faults.get_mut(&remote) {
                fault.path = RecoveryPath::IceRestart;
            }
            if let Some(link) = self.links.get_mut(&remote) {
                link.restart_ice();
            }
            self.drain_link(remote, now);
        }
    }

    pub(super) fn cut_signaling(&mut self, how: Cut) {
        if self.is_online() {
            // Only another socket can make up for it.
            self.pings.await_proof();
        }
        self.output(PeerOutput::Network(NetworkCommand::Cut(how)));
    }

    pub(super) fn duplicate_offer(&mut self, step: CopyStep, now: Instant) {
        for remote in self.open_links(|_| true) {
            self.copies.offers.insert(remote, step);
            if let Some(link) = self.links.get_mut(&remote) {
                link.renegotiate();
            }
            self.drain_link(remote, now);
        }
    }

    pub(super) fn duplicate_answer(&mut self, step: CopyStep, lasting: Duration, now: Instant) {
        self.copies.answers = Some((step, now + lasting));
    }

    /// Ends like a process that is killed.
    pub(super) fn crash(&mut self, planned: Instant, now: Instant) {
        self.output(PeerOutput::Network(NetworkCommand::Mute));
        if self.is_outside() {
            return self.close_socket();
        }
        self.confirm_relayed();
        self.event(EventKind::Crashed {
            planned,
            incarnation: self.incarnation,
        });
        self.close_socket();
        self.drop_membership("crash", now);
        // Another process knows nothing of what this one remembered.
        self.memories.clear();
        self.taken_before.clear();
    }

    /// Every open link has a fault of that kind.
    pub(super) fn start_faults(&mut self, cause: FaultCause, planned: Instant, ends: Instant, now: Instant) {
        for remote in self.open_links(|_| true) {
            self.start_fault(remote, cause, planned, ends, now);
        }
    }

    pub(super) fn open_links(&self, wanted: impl Fn(&PeerId) -> bool) -> Vec<PeerId> {
        let open = self
            .links
            .iter()
            .filter(|(remote, link)| link.is_open() && wanted(remote));
        open.map(|(remote, _)| *remote).collect()
    }

    // ---- the fault of a link, until data has flowed

    pub(super) fn start_fault(
        &mut self,
        remote: PeerId,
        cause: FaultCause,
        planned: Instant,
        ends: Instant,
        now: Instant,
    ) {
        if !self.is_planned(remote) {
            // It answers no probes: nothing could be proven.
            return;
        }
        self.event_of(Some(remote), EventKind::FaultStarted { cause, planned, ends });
        self.owe_data(remote, cause, planned, ends, now).told = true;
    }

    /// From now on data has to prove that the link works, or works again.
    pub(super) fn owe_data(
        &mut self,
        remote: PeerId,
        cause: FaultCause,
        planned: Instant,
        ends: Instant,
        now: Instant,
    ) -> &mut Fault {
        let fault = self.faults.entry(remote).or_insert(Fault {
            cause,
            planned,
            ends,
            path: RecoveryPath::Resume,
            probe: None,
            restarted: None,
            told: false,
        });
        fault.ends = fault.ends.max(ends);
        fault.probe = None;
        let ends = fault.ends;
        self.unrecovered.remove(&remote);
        self.timers.set(PeerTimer::FaultEnd(remote), ends.max(now));
        self.timers.set(
            PeerTimer::FaultExpiry(remote),
            ends.max(now) + self.recover_within,
        );
        self.faults.get_mut(&remote).expect("it has just been put there")
    }

    /// The link is about to be closed because of its fault, if it has one that it seemed to live through.
    pub(super) fn tell_fault(&mut self, remote: PeerId) {
        if let Some(fault) = self.faults.get_mut(&remote)
            && !std::mem::replace(&mut fault.told, true)
        {
            let (cause, planned, ends) = (fault.cause, fault.planned, fault.ends);
            self.event_of(Some(remote), EventKind::FaultStarted { cause, planned, ends });
        }
    }

    /// The network is back: whether data flows is to be seen. A restart is probed once it is done.
    pub(super) fn fault_ended(&mut self, remote: PeerId, now: Instant) {
        let scripted = self.faults.get(&remote).map(|fault| fault.cause);
        let relayed = self.abilities.topology == Topology::Hub;
        if scripted.is_some_and(|cause| cause != FaultCause::IceRestart || relayed) {
            self.probe(remote, now);
        }
    }

    pub(super) fn fault_expired(&mut self, remote: PeerId) {
        for timer in [PeerTimer::FaultEnd, PeerTimer::FaultExpiry] {
            self.timers.stop(timer(remote));
        }
        if let Some(fault) = self.faults.remove(&remote) {
            self.unrecovered.insert(remote);
            if fault.told {
                self.event_of(Some(remote), EventKind::RecoveryFailed { path: fault.path });
            }
        }
    }

    /// Sends a probe that wants an echo, if the channel is open.
    pub(super) fn probe(&mut self, remote: PeerId, now: Instant) {
        let number = self.next_probe;
        let asked = match self.exchanges_messages() {
            true => {
                let text = self.chat_text(Seq::Probe(number), 0, now);
                self.transmit(remote, &text)
            }
            false => self.await_media(remote, number),
        };
        if !asked {
            return;
        }
        self.next_probe += 1;
        if let Some(link) = self.links.get_mut(&remote) {
            link.probe_sent(number);
        }
        let counts = |fault: &Fault| {
            // What a block leaves, TURN over TCP, brings a link back before its end. A probe that finds no way is not
            // answered while it lasts.
            let may_flow = fault.ends <= now || fault.cause == FaultCause::BlockUdp;
            may_flow && self.is_reinstated(remote, fault.restarted)
        };
        if self.faults.get(&remote).is_some_and(counts)
            && let Some(fault) = self.faults.get_mut(&remote)
        {
            fault.probe.get_or_insert(number);
            self.probe_again(remote, now);
        }
        self.drain_link(remote, now);
    }

    /// Data has flowed there and back.
    pub(super) fn echo_received(&mut self, remote: PeerId, number: u32, now: Instant) {
        let Some(link) = self.links.get_mut(&remote) else {
            return;
        };
        link.probe_returned(number);
        let generation = link.generation();
        let proven = self.faults.get(&remote).and_then(|fault| fault.probe);
        if proven.is_some_and(|probe| number >= probe)
            && let Some(fault) = self.faults.remove(&remote)
        {
            for timer in [PeerTimer::FaultEnd, PeerTimer::FaultExpiry] {
                self.timers.stop(timer(remote));
            }
            let path = fault.path;
            if fault.told {
                self.event_of(Some(remote), EventKind::LinkRecovered { generation, path });
            }
            self.check_wait(now);
            self.check_settled(now);
        }
    }

    pub(super) fn acted(&mut self, remote: PeerId, path: RecoveryPath) {
        if remote == PeerId::SERVER && !self.is_planned(remote) {
            return self.acted_for_all(path);
        }
        if remote == PeerId::SERVER {
            // The link is the server's: what was done about it was done to the server.
            self.tell_fault(remote);
        }
        if let Some(fault) = self.faults.get_mut(&remote) {
            // Who joined again has made everything anew, whatever was done to that connection since.
            fault.path = match fault.path {
                RecoveryPath::Rejoin => RecoveryPath::Rejoin,
                _ => path,
            };
        }
    }

    /// The remote is gone: nothing is to be proven any more.
    pub(super) fn forget_fault(&mut self, remote: PeerId) {
        self.faults.remove(&remote);
        self.unrecovered.remove(&remote);
        for timer in [PeerTimer::FaultEnd, PeerTimer::FaultExpiry] {
            self.timers.stop(timer(remote));
        }
    }

    /// What `wait: recovered` still waits for.
    pub(super) fn unrecovered(&self) -> Option<Vec<PeerId>> {
        let missing = self.faults.keys().chain(&self.unrecovered).copied();
        let missing: Vec<PeerId> = missing
            .filter(|remote| !self.seen.left.contains(remote))
            .collect();
        let reachable = self.is_member() && self.is_online() && self.is_answered();
        (!missing.is_empty() || !reachable).then_some(missing)
    }

    // ---- copies of descriptions

    /// Sends a description, and what a step wants repeated of it.
    pub(super) fn send_description(&mut self, remote: PeerId, description: Description, now: Instant) {
        let wanted = match description.sdp_type {
            SdpType::Offer => {
                self.offered.last.insert(remote, description.clone());
                self.copies.offers.remove(&remote)
            }
            SdpType::Answer => {
                let answers = self.copies.answers.filter(|(_, until)| now <= *until);
                answers.map(|(step, _)| step)
            }
        };
        self.signal(remote, description.clone(), now, now);
        let Some(CopyStep {
            copies,
            within,
            afresh,
        }) = wanted
        else {
            return;
        };
        for copy in 1..=copies {
            let at = now + within * copy / copies.max(1);
            self.copies.count += 1;
            let stamp = (!afresh).then_some(now);
            self.copies
                .due
                .insert((at, self.copies.count), (remote, description.clone(), stamp));
        }
        self.send_copies(now);
    }

    pub(super) fn send_copies(&mut self, now: Instant) {
        while let Some(entry) = self.copies.due.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return self.timers.set(PeerTimer::Copies, at);
            }
            let (remote, description, stamp) = entry.remove();
            let forgery = match description.sdp_type {
                SdpType::Offer => Forgery::OfferCopy,
                SdpType::Answer => Forgery::AnswerCopy,
            };
            self.forged(Some(remote), forgery);
            self.signal(remote, description, stamp.unwrap_or(now), now);
        }
    }

    pub(super) fn signal(&mut self, remote: PeerId, description: Description, stamp: Instant, now: Instant) {
        let answered = self
            .links
            .get(&remote)
            .and_then(|link| link.answered(&description));
        let remote = self.user_id_of(remote);
        if let Some(offer) = answered {
            self.codec.answering(&remote, offer);
        }
        self.send_stamped(&Message::Description { remote, description }, stamp, now);
    }

    /// The membership goes on over a new socket.
    /// `resumed`: the server knew it; otherwise it has made a new one of it, and the other members have been
    /// told that it joined.
    pub(super) fn resume_signaling(&mut self, resumed: bool, now: Instant) {
        if !resumed {
            // After a restart a link may live on.
            let torn = self.faults.iter().filter(|(_, fault)| fault.restarted.is_none());
            for remote in torn.map(|(remote, _)| *remote).collect::<Vec<_>>() {
                self.acted(remote, RecoveryPath::Rejoin);
            }
        }
        self.event(EventKind::MembershipResumed {
            incarnation: self.incarnation,
        });
        for remote in self.links.keys().copied().collect::<Vec<_>>() {
            // Who is no member (yet) can't be sent anything.
            let there = self.members.contains(&remote);
            if let Some(link) = self.links.get_mut(&remote) {
                match resumed {
                    true => link.signaling_resumed(),
                    false if there => link.signaling_renewed(),
                    false => {}
                }
            }
            self.drain_link(remote, now);
            self.probe_reinstated(remote, now);
        }
    }
}
