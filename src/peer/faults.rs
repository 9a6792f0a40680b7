use std::time::Duration;

use super::machine::{Peer, PeerOutput, PeerTimer};
use crate::{
    base::{Instant, PeerId},
    impair::Profile,
    metrics::{EventKind, FaultCause, RecoveryPath},
    plan::{Cut, RestartLinks, Scope},
    signaling::{Description, Message, SdpType, Seq},
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
    /// The first probe that was sent after its end.
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
    offers: std::collections::BTreeMap<PeerId, (u32, Duration)>,
    /// For every answer until then.
    answers: Option<(u32, Duration, Instant)>,
    /// Copies that wait for their instant, in the order of these.
    due: std::collections::BTreeMap<(Instant, u32), (PeerId, Description)>,
    /// Numbers them.
    count: u32,
}

/// What a step wants done to the sockets of its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkCommand {
    /// The network is away until then; `with` as in the plan.
    Drop {
        scope: Scope,
        until: Instant,
        with: Vec<PeerId>,
    },
    /// The peer's access link is like this from now on, those of later memberships too.
    Profile(Profile),
    /// The signaling socket is cut.
    Cut(Cut),
    /// Every socket falls silent, for good: those of a later membership are new ones.
    Mute,
}

impl Peer {
    pub(super) fn drop_network(
        &mut self,
        scope: Scope,
        lasting: Duration,
        with: Vec<PeerId>,
        planned: Instant,
        now: Instant,
    ) {
        let until = planned + lasting;
        self.output(PeerOutput::Network(NetworkCommand::Drop {
            scope,
            until,
            with: with.clone(),
        }));
        if scope != Scope::Media && self.is_online() {
            self.pings.await_proof();
            self.timers.set(PeerTimer::SignalingFaultEnd, until);
        }
        if scope != Scope::Signaling {
            let hit: Vec<PeerId> = self.open_links(|remote| with.is_empty() || with.contains(remote));
            if hit.is_empty() && with.is_empty() {
                // There is no link that it tears; who connects meanwhile is hindered by it.
                let cause = FaultCause::DropNetwork;
                self.event(EventKind::FaultStarted {
                    cause,
                    planned,
                    ends: until,
                });
            }
            for remote in hit {
                self.start_fault(remote, FaultCause::DropNetwork, planned, until, now);
            }
        }
    }

    pub(super) fn restart_ice(&mut self, links: RestartLinks, both: bool, planned: Instant, now: Instant) {
        let me = self.plan.id;
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

    pub(super) fn duplicate_offer(&mut self, copies: u32, within: Duration, now: Instant) {
        for remote in self.open_links(|_| true) {
            self.copies.offers.insert(remote, (copies, within));
            if let Some(link) = self.links.get_mut(&remote) {
                link.renegotiate();
            }
            self.drain_link(remote, now);
        }
    }

    pub(super) fn duplicate_answer(
        &mut self,
        copies: u32,
        within: Duration,
        lasting: Duration,
        now: Instant,
    ) {
        self.copies.answers = Some((copies, within, now + lasting));
    }

    /// Ends like a process that is killed.
    pub(super) fn crash(&mut self, planned: Instant, now: Instant) {
        self.output(PeerOutput::Network(NetworkCommand::Mute));
        if self.is_outside() {
            return self.close_socket();
        }
        self.event(EventKind::Crashed {
            planned,
            incarnation: self.incarnation,
        });
        self.close_socket();
        self.drop_membership("crash", now);
        // Another process knows nothing of what this one remembered.
        self.memories.clear();
    }

    pub(super) fn open_links(&self, wanted: impl Fn(&PeerId) -> bool) -> Vec<PeerId> {
        let open = self
            .links
            .iter()
            .filter(|(remote, link)| link.is_open() && wanted(remote));
        open.map(|(remote, _)| *remote).collect()
    }

    // ---- the fault of a link, until data has flowed

    fn start_fault(
        &mut self,
        remote: PeerId,
        cause: FaultCause,
        planned: Instant,
        ends: Instant,
        now: Instant,
    ) {
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
        if scripted.is_some_and(|cause| cause != FaultCause::IceRestart) {
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
        let text = self.chat_text(Seq::Probe(number), 0, now);
        let Some(link) = self.links.get_mut(&remote) else {
            return;
        };
        if !link.transmit(text) {
            return;
        }
        self.next_probe += 1;
        link.probe_sent(number);
        let counts = |fault: &Fault| fault.ends <= now && self.is_reinstated(remote, fault.restarted);
        if self.faults.get(&remote).is_some_and(counts)
            && let Some(fault) = self.faults.get_mut(&remote)
        {
            fault.probe.get_or_insert(number);
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
            SdpType::Offer => self.copies.offers.remove(&remote),
            SdpType::Answer => self
                .copies
                .answers
                .filter(|(_, _, until)| now <= *until)
                .map(|(copies, within, _)| (copies, within)),
        };
        self.signal(remote, description.clone(), now);
        let Some((copies, within)) = wanted else {
            return;
        };
        for copy in 1..=copies {
            let at = now + within * copy / copies.max(1);
            self.copies.count += 1;
            self.copies
                .due
                .insert((at, self.copies.count), (remote, description.clone()));
        }
        self.send_copies(now);
    }

    pub(super) fn send_copies(&mut self, now: Instant) {
        while let Some(entry) = self.copies.due.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return self.timers.set(PeerTimer::Copies, at);
            }
            let (remote, description) = entry.remove();
            self.signal(remote, description, now);
        }
    }

    fn signal(&mut self, remote: PeerId, description: Description, now: Instant) {
        let remote = self.roommates[&remote].clone();
        self.send(&Message::Description { remote, description }, now);
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
