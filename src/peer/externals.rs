//! Members of the room who are not in the plan: a browser, or any other client that speaks the protocol.

use std::collections::{BTreeMap, BTreeSet};

use super::{link::Link, machine::Peer};
use crate::{
    base::{Generation, Instant, PeerId},
    metrics::{EventKind, LimitOf},
    scenario::EXTERNALS_MAX,
    signaling::{ChannelData, ChannelMessage, LeaveReason, Member, Message, RosterBy},
};

/// Bytes of a user id; what the reference server takes. Who has a longer one is not met.
const MAX_USER_ID: usize = 128;
/// User ids of those who are not met, that one peer tells of.
const IGNORED_MAX: usize = 1_024;

/// Those whom one peer has met. Each has an id of this peer's own making, the same as long as the peer runs.
#[derive(Debug, Default)]
pub(super) struct Externals {
    /// Whether the plan wants them to be met; otherwise nobody is.
    open: bool,
    /// By their ids, from the first external one.
    known: Vec<External>,
    by_user_id: BTreeMap<String, PeerId>,
    /// The limit was hit.
    full: bool,
    /// The user ids of those who are not met.
    ignored: BTreeSet<String>,
    /// There were more.
    overlooked: bool,
}

#[derive(Debug)]
struct External {
    user_id: String,
    /// What it was called when it joined last.
    name: String,
    /// Since when a channel to it is waited for.
    awaited: Instant,
    /// When the present connection to it was made.
    connecting: Instant,
    /// It has said something on the present channel.
    heard: bool,
}

impl Externals {
    pub(super) fn new(open: bool) -> Self {
        Self {
            open,
            ..Self::default()
        }
    }

    /// Places in the room beside those of the plan.
    pub(super) fn places(&self) -> u32 {
        if self.open { EXTERNALS_MAX } else { 0 }
    }

    pub(super) fn peer_of(&self, user_id: &str) -> Option<PeerId> {
        self.by_user_id.get(user_id).copied()
    }

    pub(super) fn user_id(&self, remote: PeerId) -> Option<&str> {
        self.get(remote).map(|external| external.user_id.as_str())
    }

    fn get(&self, remote: PeerId) -> Option<&External> {
        let place = remote.0.checked_sub(PeerId::FIRST_EXTERNAL)?;
        self.known.get(place as usize)
    }

    fn get_mut(&mut self, remote: PeerId) -> Option<&mut External> {
        let place = remote.0.checked_sub(PeerId::FIRST_EXTERNAL)?;
        self.known.get_mut(place as usize)
    }

    /// The id of one whom the plan wants to be met, as long as there are not too many.
    fn meet(&mut self, member: &Member) -> Option<PeerId> {
        if !self.open || member.user_id.len() > MAX_USER_ID {
            return None;
        }
        if let Some(remote) = self.peer_of(&member.user_id) {
            if let Some(external) = self.get_mut(remote) {
                external.name.clone_from(&member.name);
            }
            return Some(remote);
        }
        let place = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        if place >= EXTERNALS_MAX {
            return None;
        }
        let remote = PeerId(PeerId::FIRST_EXTERNAL + place);
        self.by_user_id.insert(member.user_id.clone(), remote);
        self.known.push(External {
            user_id: member.user_id.clone(),
            name: member.name.clone(),
            awaited: Instant::START,
            connecting: Instant::START,
            heard: false,
        });
        Some(remote)
    }

    /// What there is to tell of one who is not met: nothing the second time.
    fn ignore(&mut self, user_id: &str) -> Vec<EventKind> {
        let limit = |limit: String| EventKind::LimitHit {
            of: LimitOf::Harness,
            limit,
        };
        let mut told = Vec::new();
        let external: String = user_id.chars().take(MAX_USER_ID).collect();
        if self.ignored.contains(&external) {
            return told;
        }
        let fits = user_id.len() <= MAX_USER_ID;
        if self.open && fits && !std::mem::replace(&mut self.full, true) {
            told.push(limit(format!(
                "{EXTERNALS_MAX} members from outside of the plan in one run"
            )));
        }
        if self.ignored.len() < IGNORED_MAX {
            self.ignored.insert(external.clone());
            told.push(EventKind::ExternalIgnored { external });
        } else if !std::mem::replace(&mut self.overlooked, true) {
            told.push(limit(format!(
                "{IGNORED_MAX} members from outside that are ignored"
            )));
        }
        told
    }

    /// It is in the room: a channel to it is waited for since then.
    fn awaited(&mut self, remote: PeerId, since: Instant) {
        if let Some(external) = self.get_mut(remote) {
            external.awaited = since;
        }
    }

    /// A connection to `remote` is made.
    pub(super) fn connecting(&mut self, remote: PeerId, now: Instant) {
        if let Some(external) = self.get_mut(remote) {
            external.connecting = now;
            external.heard = false;
        }
    }

    /// What readers of events are told of a link to one: nothing that only both ends together could prove.
    pub(super) fn told(&self, remote: PeerId, kind: EventKind) -> Option<EventKind> {
        let External {
            user_id,
            name,
            awaited,
            connecting,
            ..
        } = self.get(remote)?;
        let external = user_id.clone();
        Some(match kind {
            EventKind::MemberJoined { .. } => EventKind::ExternalJoined {
                external,
                name: name.clone(),
                planned: *awaited,
            },
            EventKind::MemberLeft { reason } => EventKind::ExternalLeft { external, reason },
            EventKind::ChannelOpened { generation, .. } => EventKind::ExternalOpened {
                external,
                generation,
                planned: *connecting,
            },
            EventKind::ConnectionClosed { generation, cause } => EventKind::ExternalClosed {
                external,
                generation,
                cause,
            },
            EventKind::MessageSent {
                planned, seq, bytes, ..
            } => EventKind::ExternalMessageSent {
                external,
                planned,
                seq,
                bytes,
            },
            EventKind::MessageUnsent { planned, seq, .. } => EventKind::ExternalMessageUnsent {
                external,
                planned,
                seq,
            },
            // What this end may not do it may not do to anybody.
            failed @ EventKind::OperationFailed { .. } => failed,
            _ => return None,
        })
    }
}

impl Peer {
    pub(super) fn meet_external(&mut self, member: &Member) -> Option<PeerId> {
        let met = self.externals.meet(member);
        if met.is_none() {
            for told in self.externals.ignore(&member.user_id) {
                self.event(told);
            }
        }
        met
    }

    /// A member who is not in the plan is in the room. `since`: the later of the two joins, as far as that is known.
    pub(super) fn external_joined(&mut self, remote: PeerId, since: Instant) {
        self.externals.awaited(remote, since);
        self.event_of(Some(remote), EventKind::MemberJoined { again: false });
    }

    /// The user id of a roommate, or of whoever was met.
    pub(super) fn user_id_of(&self, remote: PeerId) -> String {
        match self.externals.user_id(remote) {
            Some(user_id) => user_id.to_owned(),
            None if remote == PeerId::SERVER => Message::SERVER.to_owned(),
            None => self.roommates[&remote].clone(),
        }
    }

    /// Its channel is open: it is told who this is, as clients tell each other. It would show a probe to a person.
    pub(super) fn external_opened(&mut self, remote: PeerId, now: Instant) {
        if self.channel_format.greets() {
            let participant = ChannelMessage::encode_participant(&self.plan.user_id, self.name());
            self.transmit(remote, &participant);
        }
        self.drain_link(remote, now);
        // It may have been heard already: the stack hands a message on ahead of the word that the channel is open.
        self.check_wait(now);
    }

    /// It has said something.
    pub(super) fn heard_external(
        &mut self,
        remote: PeerId,
        generation: Generation,
        data: &ChannelData,
        now: Instant,
    ) {
        let Some(message) = self.read_channel(remote, generation, data) else {
            return;
        };
        if message == ChannelMessage::Close {
            return self.external_parts(remote, now);
        }
        if let (ChannelMessage::Chat { bytes, .. } | ChannelMessage::ForeignChat { bytes }, Some(external)) =
            (message, self.externals.user_id(remote))
        {
            let external = external.to_owned();
            self.event(EventKind::ExternalMessageReceived {
                external,
                generation,
                bytes,
            });
        }
        let current = self.links.get(&remote).map(Link::generation) == Some(generation);
        if current && let Some(external) = self.externals.get_mut(remote) {
            external.heard = true;
        }
        self.check_wait(now);
    }

    /// Where nobody tells of members, one from outside is there as long as its connection is: it has closed the channel.
    pub(super) fn check_parted(&mut self, remote: PeerId, now: Instant) {
        let closed = |link: &Link| link.is_closed_by_remote();
        if remote.is_external()
            && self.abilities.roster_by == RosterBy::Harness
            && self.links.get(&remote).is_some_and(closed)
        {
            self.external_parts(remote, now);
        }
    }

    fn external_parts(&mut self, remote: PeerId, now: Instant) {
        if self.members.contains(&remote) {
            self.member_left(remote, LeaveReason::Left, now);
        }
    }

    /// Whether `wait: external` does not hold.
    pub(super) fn lacks_externals(&self, count: u32) -> bool {
        let mut members = self.members.iter().filter(|member| member.is_external());
        if count == 0 {
            return members.next().is_some();
        }
        let talks = |member: &&PeerId| {
            let open = self.links.get(member).is_some_and(Link::is_open);
            open && self
                .externals
                .get(**member)
                .is_some_and(|external| external.heard)
        };
        members.filter(talks).count() < count as usize
    }

    /// It answers no probes: that ICE is connected again has to do.
    pub(super) fn trust(&mut self, remote: PeerId) {
        if let Some(link) = self.links.get_mut(&remote) {
            link.probe_sent(0);
            link.probe_returned(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user_id: &str) -> Member {
        Member {
            user_id: user_id.to_owned(),
            name: "Ann".to_owned(),
        }
    }

    #[test]
    fn whoever_comes_again_keeps_its_id_and_beyond_the_limit_it_is_said_once() {
        let mut externals = Externals::new(true);
        let first = PeerId(PeerId::FIRST_EXTERNAL);
        assert!(first.is_external());
        assert_eq!(externals.meet(&member("user-0")), Some(first));
        for number in 1..EXTERNALS_MAX {
            let met = externals.meet(&member(&format!("user-{number}")));
            assert_eq!(met, Some(PeerId(first.0 + number)));
        }
        assert_eq!(externals.meet(&member("one more")), None);
        let told = externals.ignore("one more");
        assert!(
            matches!(
                &told[..],
                [EventKind::LimitHit { .. }, EventKind::ExternalIgnored { .. }]
            ),
            "{told:?}"
        );
        assert_eq!(externals.meet(&member("another")), None);
        assert_eq!(externals.ignore("another").len(), 1);
        assert_eq!(externals.meet(&member("user-0")), Some(first));
        assert_eq!(externals.meet(&member(&"x".repeat(MAX_USER_ID + 1))), None);
    }

    #[test]
    fn where_nobody_waits_for_them_nobody_is_met_and_each_is_told_once() {
        let mut externals = Externals::new(false);
        assert_eq!(externals.meet(&member("user-0")), None);
        assert_eq!(externals.places(), 0);
        let told = |user_id: &str| EventKind::ExternalIgnored {
            external: user_id.to_owned(),
        };
        assert_eq!(externals.ignore("user-0"), [told("user-0")]);
        assert_eq!(externals.ignore("user-0"), []);
        let long = "\u{e9}".repeat(MAX_USER_ID + 1);
        assert_eq!(externals.ignore(&long), [told(&"\u{e9}".repeat(MAX_USER_ID))]);
        let more: Vec<EventKind> = (0..IGNORED_MAX + 10)
            .flat_map(|number| externals.ignore(&format!("more-{number}")))
            .collect();
        assert_eq!(more.len(), IGNORED_MAX - 2 + 1);
        assert!(matches!(more.last(), Some(EventKind::LimitHit { .. })));
    }
}
