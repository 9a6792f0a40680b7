use std::time::Duration;

use super::{
    faults::{CopyStep, NetworkCommand},
    link::Link,
    machine::{Peer, PeerOutput, PeerTimer},
};
use crate::{
    base::{BarrierId, Instant, PeerId},
    metrics::EventKind,
    plan::{Action, Condition, JoinOutcome},
    signaling::{ChannelMessage, ChatId, Seq},
};

/// Where a peer is in its script.
#[derive(Debug)]
pub(super) struct Script {
    next: usize,
    /// What the offsets of the following steps count from.
    anchor: Instant,
    waiting: Option<Waiting>,
    chat: Option<Chat>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Condition {
        condition: Condition,
        /// For `to: present`: the members when the wait began, or when the join was confirmed if that came
        /// later.
        present: Option<Vec<PeerId>>,
    },
    Barrier(BarrierId),
}

/// A `chat` step that is under way.
#[derive(Debug)]
struct Chat {
    from: Instant,
    every: Duration,
    count: u32,
    size: u32,
    sent: u32,
}

impl Chat {
    fn next(&self) -> Option<Instant> {
        (self.sent < self.count).then(|| self.from + self.every * self.sent)
    }
}

impl Script {
    pub(super) fn new(arrive_at: Instant) -> Self {
        Self {
            next: 0,
            anchor: arrive_at,
            waiting: None,
            chat: None,
        }
    }
}

impl Peer {
    /// Takes every step that is due.
    pub(super) fn run_script(&mut self, now: Instant) {
        while self.script.waiting.is_none() && self.is_running() {
            let step = self.plan.script.get(self.script.next);
            let due = self.script.anchor + step.map_or(self.plan.ends_after, |step| step.after);
            if due > now {
                self.timers.set(PeerTimer::Step, due);
                return;
            }
            let Some(action) = step.map(|step| step.action.clone()) else {
                return self.end_script(now);
            };
            self.script.next += 1;
            self.event(EventKind::StepStarted {
                planned: due,
                step: name_of(&action).to_owned(),
            });
            self.take_step(action, due, now);
        }
    }

    fn take_step(&mut self, action: Action, due: Instant, now: Instant) {
        match action {
            Action::Join { name, expect, .. } => {
                self.join(name, expect == JoinOutcome::Rejected, due, now);
            }
            Action::Leave => self.leave(due, true, now),
            Action::Wait { condition, within } => {
                self.script.waiting = Some(Waiting::Condition {
                    condition,
                    present: None,
                });
                self.timers.set(PeerTimer::WaitExpiry, due + within);
                self.check_wait(now);
            }
            Action::Barrier { barrier, within } => {
                self.script.waiting = Some(Waiting::Barrier(barrier));
                self.timers.set(PeerTimer::WaitExpiry, due + within);
                self.output(PeerOutput::ReachBarrier(barrier));
            }
            Action::Chat { every, count, size } => {
                self.script.chat = Some(Chat {
                    from: due,
                    every,
                    count,
                    size,
                    sent: 0,
                });
                self.send_chat(now);
            }
            Action::DuplicateOffer {
                copies,
                within,
                afresh,
            } => self.duplicate_offer(
                CopyStep {
                    copies,
                    within,
                    afresh,
                },
                now,
            ),
            Action::DuplicateAnswer {
                copies,
                within,
                lasting,
                afresh,
            } => self.duplicate_answer(
                CopyStep {
                    copies,
                    within,
                    afresh,
                },
                lasting,
                now,
            ),
            Action::Signaling { rule, lasting } => self.begin_rule(rule, lasting, due),
            Action::Glare { with } => self.offer_together(&with, now),
            Action::StaleOffer { with } => self.stale_offer(&with, now),
            Action::JoinTwice { name, .. } => {
                self.joins_twice = true;
                self.join(name, false, due, now);
            }
            Action::SendRaw { frames } => self.send_raw(frames),
            Action::IceRestart { links, both } => self.restart_ice(links, both, due, now),
            Action::DropNetwork(what) => self.drop_network(what, due, now),
            Action::BlockUdp { lasting } => self.block_udp(lasting, due, now),
            Action::Roam { signaling } => self.roam(signaling, due, now),
            Action::NatRebind => self.remap_nat(due, now),
            Action::Suspend { lasting, clock } => self.sleep(lasting, clock, due, now),
            Action::Network { network } => {
                self.output(PeerOutput::Network(NetworkCommand::Become(network)));
            }
            Action::CutSignaling { how } => self.cut_signaling(how),
            Action::Crash => self.crash(due, now),
            Action::Server(fault) => self.harm_server(fault, due, now),
            Action::Turn { fault } => self.turn(fault, due, now),
        }
    }

    /// Goes on if what the script waits for holds.
    pub(super) fn check_wait(&mut self, now: Instant) {
        let member = self.is_confirmed();
        let Some(Waiting::Condition { condition, present }) = &mut self.script.waiting else {
            return;
        };
        if member && present.is_none() {
            let planned = self
                .members
                .iter()
                .copied()
                .filter(|member| !member.is_external());
            *present = Some(planned.collect());
        }
        let (condition, present) = (*condition, present.clone());
        if self.missing(condition, present.as_deref()).is_none() {
            self.event(EventKind::WaitSatisfied {
                condition: condition_name(condition).to_owned(),
            });
            self.go_on(now);
        } else if self.is_in_vain(condition) {
            self.wait_expired(now);
        }
    }

    /// Whether nothing can make the condition hold any more before the next join, which this script gets to
    /// only after the wait: the join has failed, or went the other way.
    fn is_in_vain(&self, condition: Condition) -> bool {
        match condition {
            Condition::Rejected => self.is_member() || self.is_outside() && !self.was_rejected(),
            _ => self.is_outside(),
        }
    }

    pub(super) fn barrier_released(&mut self, barrier: BarrierId, now: Instant) {
        if self.script.waiting == Some(Waiting::Barrier(barrier)) {
            self.event(EventKind::BarrierReleased { barrier });
            self.go_on(now);
        }
    }

    pub(super) fn wait_expired(&mut self, now: Instant) {
        match self.script.waiting.take() {
            Some(Waiting::Condition { condition, present }) => {
                let missing = self.missing(condition, present.as_deref()).unwrap_or_default();
                let kind = EventKind::WaitExpired {
                    condition: condition_name(condition).to_owned(),
                };
                if missing.is_empty() {
                    self.event(kind.clone());
                }
                for remote in missing {
                    self.event_of(Some(remote), kind.clone());
                }
            }
            Some(Waiting::Barrier(barrier)) => self.event(EventKind::BarrierExpired { barrier }),
            None => return,
        }
        self.go_on(now);
    }

    fn go_on(&mut self, now: Instant) {
        self.script.waiting = None;
        self.timers.stop(PeerTimer::WaitExpiry);
        self.script.anchor = now;
        self.run_script(now);
    }

    /// What keeps a condition from holding: `None` if it holds; the remotes that are missing, if it is
    /// about remotes.
    fn missing(&self, condition: Condition, present: Option<&[PeerId]>) -> Option<Vec<PeerId>> {
        let wanted: Vec<PeerId> = match condition {
            Condition::Joined => return (!self.is_confirmed()).then(Vec::new),
            Condition::Rejected => return (!self.was_rejected()).then(Vec::new),
            Condition::Connected => self.roommates.keys().copied().collect(),
            Condition::ConnectedToPresent => match present {
                Some(present) => present.to_vec(),
                None => return Some(Vec::new()),
            },
            Condition::Recovered => return self.unrecovered(),
            Condition::External { count } => return self.lacks_externals(count).then(Vec::new),
        };
        let missing: Vec<PeerId> = wanted
            .into_iter()
            .filter(|remote| !self.seen.opened.contains(remote) && !self.seen.left.contains(remote))
            .collect();
        (!missing.is_empty()).then_some(missing)
    }

    /// Drops what is left of the script.
    pub(super) fn abandon_script(&mut self) {
        self.script.next = self.plan.script.len();
        self.script.waiting = None;
        self.script.chat = None;
        for timer in [PeerTimer::Step, PeerTimer::WaitExpiry, PeerTimer::Chat] {
            self.timers.stop(timer);
        }
    }

    /// Sends the chat messages that are due: one to each other member, whether or not its channel is open.
    /// Outside of the room (the join failed, or is not confirmed) they are due to everybody who is planned
    /// into it, and cannot be sent.
    pub(super) fn send_chat(&mut self, now: Instant) {
        while let Some(chat) = &mut self.script.chat {
            let Some(planned) = chat.next() else {
                self.script.chat = None;
                return;
            };
            if planned > now {
                self.timers.set(PeerTimer::Chat, planned);
                return;
            }
            chat.sent += 1;
            let size = chat.size;
            let seq = self.next_seq;
            self.next_seq += 1;
            self.send_to_members(planned, seq, size, now);
        }
    }

    fn send_to_members(&mut self, planned: Instant, seq: u32, size: u32, now: Instant) {
        let text = self.chat_text(Seq::Chat(seq), size, now);
        let incarnation = self.incarnation;
        let due: Vec<PeerId> = if self.is_member() {
            self.members.iter().copied().collect()
        } else {
            self.roommates.keys().copied().collect()
        };
        let said = self.say_to_all(&text, now);
        for remote in due {
            let sent = match said {
                true => self.links.get(&remote).is_some_and(Link::is_open),
                false => self.transmit(remote, &text),
            };
            let kind = if sent {
                EventKind::MessageSent {
                    planned,
                    incarnation,
                    seq,
                    bytes: size,
                }
            } else {
                EventKind::MessageUnsent {
                    planned,
                    incarnation,
                    seq,
                }
            };
            self.event_of(Some(remote), kind);
            self.drain_link(remote, now);
        }
    }

    pub(super) fn chat_text(&self, seq: Seq, size: u32, now: Instant) -> String {
        let id = ChatId {
            peer: self.plan.number,
            incarnation: self.incarnation,
            seq,
        };
        ChannelMessage::encode_chat(
            id,
            &self.room_wire_id,
            &self.plan.user_id,
            self.name(),
            size,
            self.unix_ms(now),
        )
    }
}

fn name_of(action: &Action) -> &'static str {
    match action {
        Action::Join { again: true, .. } => "rejoin",
        Action::Join { .. } => "join",
        Action::Leave => "leave",
        Action::Wait { .. } => "wait",
        Action::Barrier { .. } => "barrier",
        Action::Chat { .. } => "chat",
        Action::DuplicateOffer { .. } => "duplicate_offer",
        Action::DuplicateAnswer { .. } => "duplicate_answer",
        Action::IceRestart { .. } => "ice_restart",
        Action::DropNetwork(_) => "drop_network",
        Action::BlockUdp { .. } => "block_udp",
        Action::Roam { .. } => "roam",
        Action::NatRebind => "nat_rebind",
        Action::Suspend { .. } => "suspend",
        Action::Network { .. } => "network",
        Action::CutSignaling { .. } => "cut_signaling",
        Action::Crash => "crash",
        Action::Server(_) => "server",
        Action::Turn { .. } => "turn",
        Action::Signaling { .. } => "signaling",
        Action::Glare { .. } => "glare",
        Action::StaleOffer { .. } => "stale_offer",
        Action::JoinTwice { .. } => "join_twice",
        Action::SendRaw { .. } => "send_raw",
    }
}

fn condition_name(condition: Condition) -> &'static str {
    match condition {
        Condition::Connected => "connected",
        Condition::ConnectedToPresent => "connected to present",
        Condition::Joined => "joined",
        Condition::Rejected => "rejected",
        Condition::Recovered => "recovered",
        Condition::External { .. } => "external",
    }
}
