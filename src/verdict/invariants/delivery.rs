use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent, SignalingState},
    plan::Plan,
};

use super::{
    checkers::{Check, Story},
    flow::{ChannelEnd, Flow, MAX_UNDER_WAY, Proof, name},
    membership::Presence,
    result::{About, Findings, Visibility},
};

/// 3: on a reliable ordered channel nothing is lost, doubled or out of order while it lives.
///
/// Three proofs, and nothing else, accuse:
/// - A message came in twice.
/// - On one connection of the receiver a message came after a later one of the same sender.
/// - A message did not come in although one that was sent later *on the same channel* did, or although
///   the channel then stayed open at both ends, healthy in the settled room, for the whole
///   [`Plan::message_timeout`], and no fault tore the link since it was sent, which one that loses many
///   datagrams does all the time: SCTP may wait for a retransmission time-out longer than that. A message that a closing
///   channel swallowed is nobody's fault, whether the connection was closed, replaced or crashed: a new
///   connection is a new channel.
///
/// Through a server that passes messages on, a channel is the way from one member to another: it ends with the connection
/// of either to the server, and a message that was sent before the receiver's last join may have found nobody there.
///
/// A peer's events come in its own order, but those of two peers may cross: a message may be seen to
/// arrive before it is seen to leave.
#[derive(Debug)]
pub(super) struct Delivery {
    timeout: Duration,
    /// By sender and receiver.
    flows: BTreeMap<(PeerId, PeerId), Flow>,
    /// Until when a fault is known to have torn the link, by its ends (lower id first): what was sent before
    /// may still wait for a retransmission.
    torn_until: BTreeMap<(PeerId, PeerId), Instant>,
    unfollowed: u64,
    /// What goes from one member to another goes through the server.
    through_server: bool,
    /// Through a server: since when each peer has had its present membership and connection.
    there_since: BTreeMap<PeerId, Instant>,
}

impl Delivery {
    pub fn new(plan: &Plan, sees: Visibility) -> Self {
        Self {
            timeout: plan.message_timeout,
            through_server: sees.through_server(),
            there_since: BTreeMap::new(),
            flows: BTreeMap::new(),
            torn_until: BTreeMap::new(),
            unfollowed: 0,
        }
    }

    fn torn(&mut self, peer: PeerId, remote: PeerId, until: Instant) {
        let known = self.torn_until.entry(ends_of(peer, remote)).or_default();
        *known = until.max(*known);
    }

    /// Until when the link of the two, or that of either to the server, is known to have been torn.
    fn last_torn(&self, a: PeerId, b: PeerId) -> Option<Instant> {
        let ways = [(a, b), (a, PeerId::SERVER), (b, PeerId::SERVER)];
        let known = ways.map(|(one, other)| self.torn_until.get(&ends_of(one, other)).copied());
        known.into_iter().max().flatten()
    }

    fn close_all(&mut self, peer: PeerId, at: Instant) {
        let own = self.flows.range_mut((peer, PeerId(0))..=(peer, PeerId(u32::MAX)));
        own.for_each(|(_, flow)| flow.channel.close(at));
    }

    /// What a peer's connection to the server, and its membership, mean to its links through it.
    fn observe_way(&mut self, event: &RunEvent, peer: PeerId) {
        let to_server = event.remote == Some(PeerId::SERVER);
        match event.kind {
            EventKind::Joined { .. } => _ = self.there_since.insert(peer, event.at),
            EventKind::ChannelOpened { .. } if to_server => {
                self.there_since.insert(peer, event.at);
            }
            EventKind::ChannelClosed { .. } | EventKind::ConnectionClosed { .. } if to_server => {
                self.close_all(peer, event.at);
            }
            _ => {}
        }
    }
}

fn ends_of(a: PeerId, b: PeerId) -> (PeerId, PeerId) {
    (a.min(b), a.max(b))
}

impl Check for Delivery {
    fn about(&self) -> About {
        About {
            number: 3,
            name: "nothing is lost, doubled or out of order on a living channel",
            cases_are: "messages",
            no_case: "no message was sent",
        }
    }

    fn hidden(&self, sees: Visibility) -> Option<&'static str> {
        (!sees.messages()).then_some("links carry media, and no messages")
    }

    fn observe(&mut self, event: &RunEvent, story: &Story, found: &mut Findings) {
        let Some(peer) = event.peer else { return };
        if matches!(
            event.kind,
            EventKind::LeaveStarted { .. } | EventKind::Crashed { .. }
        ) {
            return self.close_all(peer, event.at);
        }
        if self.through_server {
            self.observe_way(event, peer);
        }
        let Some(remote) = event.remote else { return };
        match event.kind {
            EventKind::ChannelOpened { generation, .. } => {
                let end = &mut self.flows.entry((peer, remote)).or_default().channel;
                *end = ChannelEnd {
                    opening: end.opening + 1,
                    generation: Some(generation),
                    opened: event.at,
                    over: None,
                };
            }
            EventKind::ChannelClosed { generation } | EventKind::ConnectionClosed { generation, .. } => {
                let end = &mut self.flows.entry((peer, remote)).or_default().channel;
                if end.generation == Some(generation) {
                    end.close(event.at);
                }
            }
            EventKind::FaultStarted { ends, .. } => self.torn(peer, remote, ends),
            EventKind::LinkRecovered { .. } => self.torn(peer, remote, event.at),
            EventKind::MessageSent { incarnation, seq, .. } => {
                found.case();
                let flow = self.flows.entry((peer, remote)).or_default();
                let mut proof = Proof {
                    story,
                    found,
                    sender: peer,
                    receiver: remote,
                    since: self.there_since.get(&remote).copied(),
                    at: event.at,
                };
                self.unfollowed += flow.sent((incarnation, seq), &mut proof);
            }
            EventKind::MessageReceived {
                generation,
                incarnation,
                seq,
                ..
            } => {
                let flow = self.flows.entry((remote, peer)).or_default();
                let mut proof = Proof {
                    story,
                    found,
                    sender: remote,
                    receiver: peer,
                    since: self.there_since.get(&peer).copied(),
                    at: event.at,
                };
                flow.received((incarnation, seq), generation, &mut proof);
            }
            _ => {}
        }
    }

    fn finish(&mut self, story: &Story, now: Instant, found: &mut Findings) {
        if self.unfollowed > 0 {
            found.note(format!(
                "{} messages were not followed: more than {MAX_UNDER_WAY} under way on one link",
                self.unfollowed
            ));
        }
        let mut late = 0;
        for (&(sender, receiver), flow) in &self.flows {
            if flow.under_way.is_empty() {
                continue;
            }
            let far = self.flows.get(&(receiver, sender)).map(|back| back.channel);
            let torn_until = self.last_torn(sender, receiver);
            let since = self.there_since.get(&receiver).copied();
            let Some(alive) = far.and_then(|far| lived(story, now, (sender, flow.channel), (receiver, far)))
            else {
                continue;
            };
            for (&key, message) in &flow.under_way {
                let waited = alive.until.since(message.at);
                let followed = message.opening == Some(flow.channel.opening)
                    && message.at >= alive.from
                    && Some(message.at) >= torn_until.max(since);
                if message.overtaken.is_some() || !followed || waited < self.timeout {
                    continue;
                }
                if story.losses.silences(sender, receiver) {
                    late += 1;
                    continue;
                }
                let mut proof = Proof {
                    story,
                    found,
                    sender,
                    receiver,
                    since,
                    at: message.at,
                };
                proof.accuse(|| {
                    let waited = waited.as_secs_f64();
                    format!(
                        "{} was lost: {waited:.1} s later it had not come in, the channel open at both ends",
                        name(key)
                    )
                });
            }
        }
        if late > 0 {
            found.note(format!(
                "{late} messages had not come in over links that lose more than a twentieth of everything: they may yet"
            ));
        }
    }
}

/// When a channel was certainly open at both ends.
struct Alive {
    from: Instant,
    until: Instant,
}

/// How long the channel that both ends reported healthy in their settled room lived at both ends.
fn lived(
    story: &Story,
    now: Instant,
    (sender, near): (PeerId, ChannelEnd),
    (receiver, far): (PeerId, ChannelEnd),
) -> Option<Alive> {
    let healthy = |peer, remote, end: ChannelEnd| {
        let (membership, at) = story.members.settled(peer)?;
        let link = membership.links.get(&remote)?;
        (link.open_channels == 1
            && link.signaling_state == SignalingState::Stable
            && Some(link.generation) == end.generation
            && end.opened <= at
            && story.members.presence(remote, at) == Presence::Member)
            .then_some(())
    };
    healthy(sender, receiver, near)?;
    healthy(receiver, sender, far)?;
    Some(Alive {
        from: near.opened.max(far.opened),
        until: near.over.unwrap_or(now).min(far.over.unwrap_or(now)),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::{metrics::RecoveryPath, plan::Topology, verdict::invariants::story::Tale};

    #[test]
    fn messages_that_come_in_order_hold_with_gaps_where_none_was_sent() {
        let mut tale = Tale::of_two();
        for seq in [0, 1, 5, 6] {
            tale.send(0, 1, seq).receive(0, 1, seq);
        }
        tale.assert_broken(&[]);
        assert_eq!(tale.result(3).cases, 4);
    }

    #[test]
    fn a_message_overtaken_on_its_channel_is_lost() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).send(0, 1, 1).receive(0, 1, 1);
        tale.assert_broken(&[3]);
        assert_eq!(
            tale.breaches(3),
            ["message i1-0 was lost: it never came in, message i1-1, sent later on the same channel, did"]
        );
    }

    #[test]
    fn a_message_that_comes_after_a_later_one_is_out_of_order_and_found_once() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).send(0, 1, 1).receive(0, 1, 1).receive(0, 1, 0);
        assert_eq!(
            tale.breaches(3),
            ["message i1-0 came in after message i1-1: out of order"]
        );
    }

    #[test]
    fn a_message_that_comes_twice_is_doubled_even_on_another_connection() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).receive(0, 1, 0).receive(0, 1, 0);
        assert_eq!(
            tale.breaches(3),
            ["message i1-0 came in twice, the second time on g1"]
        );
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).receive(0, 1, 0).connect(0, 1).receive(0, 1, 0);
        assert_eq!(
            tale.breaches(3),
            ["message i1-0 came in twice, the second time on g2"]
        );
    }

    #[test]
    fn events_of_two_peers_may_cross() {
        let mut tale = Tale::of_two();
        tale.receive(0, 1, 0).receive(0, 1, 1).send(0, 1, 0).send(0, 1, 1);
        tale.send(0, 1, 2).receive(0, 1, 3).send(0, 1, 3);
        assert_eq!(
            tale.breaches(3).len(),
            1,
            "only #2 is lost: {:?}",
            tale.breaches(3)
        );
    }

    #[test]
    fn a_message_swallowed_by_a_closing_channel_is_nobodys_fault() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).close(0, 1).connect(0, 1);
        tale.send(0, 1, 1).receive(0, 1, 1);
        tale.wait(60_000).settle(0, &[0, 1]).end(0, &[0, 1]);
        tale.assert_all_hold();
    }

    /// Two in a room of a hub.
    fn of_a_hub() -> Tale {
        let mut tale = Tale::of(&[2]);
        let server = PeerId::SERVER.0;
        tale.linked_by(Topology::Hub).join(0).join(1);
        tale.open(0, server).open(1, server).open(0, 1).open(1, 0);
        tale
    }

    #[test]
    fn through_a_hub_a_message_is_lost_that_is_overtaken_or_never_comes() {
        let mut tale = of_a_hub();
        tale.send(0, 1, 0).send(0, 1, 1).receive(0, 1, 1);
        assert_eq!(tale.breaches(3).len(), 1);
        let mut tale = of_a_hub();
        tale.send(0, 1, 0).wait(60_000).settle(0, &[0, 1]).end(0, &[0, 1]);
        assert_eq!(tale.breaches(3).len(), 1);
    }

    #[test]
    fn through_a_hub_nobody_is_blamed_for_what_was_said_before_the_receivers_last_join() {
        let tale = |through: Topology| {
            let mut tale = of_a_hub();
            tale.linked_by(through).send(0, 1, 0).leave(1).join(1);
            tale.open(1, 0).send(0, 1, 1).receive(0, 1, 1);
            tale.breaches(3).len()
        };
        assert_eq!((tale(Topology::Hub), tale(Topology::Mesh)), (0, 1));
    }

    #[test]
    fn through_a_hub_nobody_is_blamed_for_what_a_torn_way_to_the_server_swallowed() {
        let server = PeerId::SERVER.0;
        let lost = |breaks: fn(&mut Tale, u32)| {
            let mut tale = of_a_hub();
            tale.send(0, 1, 0);
            breaks(&mut tale, server);
            tale.wait(60_000).settle(0, &[0, 1]).end(0, &[0, 1]);
            tale.breaches(3).len()
        };
        assert_eq!(lost(|_, _| {}), 1);
        assert_eq!(lost(|tale, server| _ = tale.fault(1, server, 500)), 0);
        assert_eq!(
            lost(|tale, server| _ = tale.recover(0, server, RecoveryPath::Resume)),
            0
        );
        assert_eq!(lost(|tale, server| _ = tale.close(0, server)), 0);
    }

    #[test]
    fn a_new_membership_of_the_sender_starts_a_new_order() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 7).receive(0, 1, 7).leave(0).join(0).connect(0, 1);
        tale.send(0, 1, 0).receive(0, 1, 0).assert_broken(&[]);
    }

    #[test]
    fn the_last_message_is_lost_only_when_a_healthy_channel_outlived_its_time_out() {
        let silent = |ms: u64| {
            let mut tale = Tale::of_two();
            tale.send(0, 1, 0).wait(ms).settle(0, &[0, 1]).end(0, &[0, 1]);
            tale
        };
        silent(29_000).assert_all_hold();
        silent(31_000).assert_broken(&[3]);
    }

    #[test]
    fn silence_proves_nothing_on_a_link_that_loses_many_datagrams() {
        let silent = |share: &str| {
            let mut tale = Tale::of_two();
            tale.losing(share).send(0, 1, 0).send(0, 1, 1).wait(31_000);
            tale.settle(0, &[0, 1]).end(0, &[0, 1]);
            tale
        };
        // 4 % one way.
        silent("2%").assert_broken(&[3]);
        let tale = silent("5%");
        tale.assert_all_hold();
        let note = tale.result(3).note;
        assert!(note.is_some_and(|note| note.starts_with("2 messages")));
        let mut overtaken = Tale::of_two();
        overtaken
            .losing("5%")
            .send(0, 1, 0)
            .send(0, 1, 1)
            .receive(0, 1, 1);
        overtaken.assert_broken(&[3]);
    }

    #[test]
    fn the_last_message_to_a_peer_whose_channel_was_opened_later_is_not_judged() {
        let mut tale = Tale::of(&[2]);
        tale.join(0).join(1).open(0, 1).send(0, 1, 0).open(1, 0);
        tale.wait(60_000).settle(0, &[0, 1]).assert_broken(&[]);
    }

    #[test]
    fn past_the_limit_messages_are_not_followed_and_the_result_says_so() {
        let mut tale = Tale::of_two();
        let all = MAX_UNDER_WAY as u32 + 5;
        for seq in 0..all {
            tale.send(0, 1, seq);
        }
        for seq in 0..all {
            tale.receive(0, 1, seq);
        }
        let result = tale.result(3);
        assert!(!result.is_broken(), "{:?}", result.findings);
        assert!(
            result
                .note
                .is_some_and(|note| note.starts_with("5 messages were not followed"))
        );
    }

    /// What an honest pair does: sends, delivers in order, and now and then closes the connection or replaces
    /// it, which swallows what is under way. `lose`: the n-th message vanishes from a living channel.
    /// `picks` decides how the events of the two peers are merged. Returns the breaches, and whether a
    /// later message of the same channel proved the loss.
    fn honest_pair(steps: &[u8], picks: &[bool], lose: Option<usize>) -> (Vec<String>, bool) {
        let mut tale = Tale::of_two();
        let opened = tale.events.len();
        let (mut channel, mut seq, mut lost, mut proved) = (VecDeque::new(), 0, false, false);
        for step in steps {
            match step {
                0..=4 => {
                    tale.send(0, 1, seq);
                    channel.push_back(seq);
                    if lose == Some(seq as usize) {
                        channel.pop_back();
                        lost = true;
                    }
                    seq += 1;
                }
                5..=8 => {
                    if let Some(seq) = channel.pop_front() {
                        tale.receive(0, 1, seq);
                        proved |= lost && lose.is_some_and(|lose| lose < seq as usize);
                    }
                }
                step => {
                    channel.clear();
                    lost = false;
                    if step % 2 == 0 {
                        replace(&mut tale);
                    } else {
                        tale.close(0, 1).connect(0, 1);
                    }
                }
            }
        }
        let events = tale.events.split_off(opened);
        let (mut of_0, mut of_1): (VecDeque<_>, VecDeque<_>) = events
            .into_iter()
            .partition(|event| event.peer == Some(PeerId(0)));
        let mut picks = picks.iter().cycle();
        while !of_0.is_empty() || !of_1.is_empty() {
            let first = *picks.next().expect("cycles");
            let queue = if first { &mut of_0 } else { &mut of_1 };
            let event = queue
                .pop_front()
                .or_else(|| of_0.pop_front())
                .or_else(|| of_1.pop_front());
            tale.events.extend(event);
        }
        (tale.breaches(3), proved)
    }

    proptest! {
        #[test]
        fn an_honest_pair_is_never_accused(
            steps in prop::collection::vec(0..11u8, 0..120),
            picks in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            prop_assert_eq!(honest_pair(&steps, &picks, None).0, Vec::<String>::new());
        }

        #[test]
        fn a_message_that_vanishes_is_found_once_a_later_one_came_in(
            steps in prop::collection::vec(0..11u8, 0..120),
            picks in prop::collection::vec(any::<bool>(), 1..40),
            lose in 0..20usize,
        ) {
            let (breaches, proved) = honest_pair(&steps, &picks, Some(lose));
            prop_assert_eq!(breaches.len(), usize::from(proved), "{:?}", breaches);
        }
    }

    /// A new connection replaces the old one, which is closed only when the new one is open.
    fn replace(tale: &mut Tale) {
        let old = tale.generation(0, 1);
        tale.connect(0, 1);
        for (peer, remote) in [(0, 1), (1, 0)] {
            let cause = "replaced".to_owned();
            let closed = EventKind::ConnectionClosed {
                generation: old,
                cause,
            };
            tale.event(peer, remote, closed);
        }
    }

    #[test]
    fn what_was_under_way_when_the_connection_was_replaced_is_not_accused_but_what_the_new_one_loses_is() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0).fault(1, 0, 100).send(0, 1, 1);
        replace(&mut tale);
        tale.recover(1, 0, RecoveryPath::Replace);
        tale.send(0, 1, 2).receive(0, 1, 2);
        tale.wait(60_000).settle(0, &[0, 1]);
        tale.assert_broken(&[]);
        tale.send(0, 1, 3).send(0, 1, 4).receive(0, 1, 4);
        tale.assert_broken(&[3]);
        assert_eq!(tale.breaches(3).len(), 1);
    }

    #[test]
    fn what_an_ice_restart_overtakes_is_lost_for_the_channel_lives_on() {
        let mut tale = Tale::of_two();
        tale.send(0, 1, 0)
            .fault(0, 1, 0)
            .recover(0, 1, RecoveryPath::IceRestart);
        tale.send(0, 1, 1).receive(0, 1, 1).assert_broken(&[3]);
    }

    #[test]
    fn silence_proves_nothing_about_what_was_sent_before_a_fault_was_over() {
        let silent = |before: bool| {
            let mut tale = Tale::of_two();
            if before {
                tale.send(0, 1, 0);
            }
            tale.fault(1, 0, 5_000)
                .wait(5_000)
                .recover(1, 0, RecoveryPath::Resume);
            if !before {
                tale.send(0, 1, 0);
            }
            tale.wait(31_000).settle(0, &[0, 1]).end(0, &[0, 1]);
            tale
        };
        silent(true).assert_broken(&[]);
        silent(false).assert_broken(&[3]);
    }

    #[test]
    fn a_crash_closes_the_channels_of_the_peer() {
        let mut tale = Tale::of_two();
        tale.send(1, 0, 0).crash(1).join(1).connect(0, 1);
        tale.send(1, 0, 0).receive(1, 0, 0);
        tale.wait(60_000).settle(0, &[0, 1]).assert_broken(&[]);
        tale.send(1, 0, 1)
            .send(1, 0, 2)
            .receive(1, 0, 2)
            .assert_broken(&[3]);
    }
}
