use std::collections::{BTreeMap, VecDeque};

use crate::{
    base::{Generation, Incarnation, Instant, PeerId, RoomId},
    metrics::{EventKind, RunEvent, SignalingState},
    plan::{FrameKind, Plan, Treated},
};

use super::last_events::{Explains, LastEvents};

/// How many memberships of one peer are remembered; older ones ended long before the room settled.
const MAX_MEMBERSHIPS: usize = 64;

/// Who was a member when, and what each peer told when its room had settled. All checkers share it.
#[derive(Debug)]
pub(super) struct Memberships {
    /// Indexed by peer.
    peers: Vec<PeerStory>,
    rooms: Vec<Vec<PeerId>>,
    wire_ids: BTreeMap<String, RoomId>,
    /// When the run was interrupted or its deadline came: rooms that settle after it do not count.
    stopped: Option<Instant>,
    /// When the server has last restarted, knowing nobody any more.
    restarted: Option<Instant>,
    ended: bool,
}

#[derive(Debug)]
struct PeerStory {
    room: RoomId,
    /// When the join that has no answer yet was asked for.
    asking: Option<Instant>,
    /// Since when it has its signaling socket.
    online: Option<Instant>,
    memberships: VecDeque<Membership>,
}

/// One membership, from the question to the server until the leave is complete.
#[derive(Debug)]
pub(super) struct Membership {
    pub incarnation: Incarnation,
    /// When it was asked for: the server may know it from here on.
    asked: Instant,
    joined: Instant,
    /// When the peer began to leave.
    left: Option<Instant>,
    /// When it was gone: until then others may still know it.
    gone: Option<Instant>,
    /// It ended without a word to the server, which may hold it for a time of grace: the peer crashed, or
    /// had no signaling socket. Gone is what the server has told somebody has left, or who came back.
    silent: bool,
    /// The server has told somebody that it has ended.
    told: bool,
    /// Since when the peer has no signaling socket, or has been asking for another membership, this one
    /// being lost or not.
    in_doubt: Option<Instant>,
    /// The last time that it was in doubt and was taken over.
    was_in_doubt: Option<(Instant, Instant)>,
    /// The last time the peer told how the settled room looks to it.
    settled: Option<Instant>,
    /// What it told of its links. Told twice, the last counts.
    pub links: BTreeMap<PeerId, LinkReport>,
    pub roster: Option<RosterReport>,
}

/// A `LinkSettled` event.
#[derive(Debug)]
pub(super) struct LinkReport {
    pub at: Instant,
    pub generation: Generation,
    pub open_channels: u32,
    pub signaling_state: SignalingState,
    /// The link's last events if something looked wrong.
    pub last_events: Vec<RunEvent>,
}

/// A `RosterSeen` event, each list ascending.
#[derive(Debug)]
pub(super) struct RosterReport {
    pub at: Instant,
    pub server: Vec<PeerId>,
    pub believed: Vec<PeerId>,
}

/// Whether a peer was a member at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    Absent,
    /// It was joining or leaving: neither answer can be held against anyone.
    Unclear,
    Member,
}

impl Membership {
    fn presence(&self, at: Instant) -> Presence {
        if at < self.asked {
            return Presence::Absent;
        }
        // Who told how the settled room looks was there then, though it left in the same microsecond.
        if at >= self.joined && self.settled.is_some_and(|settled| settled >= at) {
            return Presence::Member;
        }
        let gone = self.gone.is_some_and(|gone| gone < at);
        // Nor does it leave before all the others have told, though that may be the same microsecond, too.
        let leaving = self
            .left
            .is_some_and(|left| left < at || left == at && self.settled.is_none());
        let in_doubt = self.in_doubt.is_some_and(|since| since <= at)
            || self
                .was_in_doubt
                .is_some_and(|(since, until)| since <= at && at <= until);
        if gone {
            Presence::Absent
        } else if at <= self.joined || leaving || in_doubt {
            Presence::Unclear
        } else {
            Presence::Member
        }
    }
}

impl Memberships {
    pub fn new(plan: &Plan) -> Self {
        Self {
            peers: plan
                .peers
                .iter()
                .map(|peer| PeerStory {
                    room: peer.room,
                    asking: None,
                    online: None,
                    memberships: VecDeque::new(),
                })
                .collect(),
            rooms: plan.rooms.iter().map(|room| room.peers.clone()).collect(),
            wire_ids: plan
                .rooms
                .iter()
                .map(|room| (room.wire_id.clone(), room.id))
                .collect(),
            stopped: None,
            restarted: None,
            ended: false,
        }
    }

    /// Whether `peer` is in the plan: events of others are not looked at.
    pub fn knows(&self, peer: PeerId) -> bool {
        peer.index() < self.peers.len()
    }

    pub fn observe(&mut self, event: &RunEvent, last: &LastEvents) {
        match &event.kind {
            EventKind::Interrupted | EventKind::DeadlineReached => {
                self.stopped = Some(self.stopped.map_or(event.at, |stopped| stopped.min(event.at)));
            }
            EventKind::RunEnded => self.ended = true,
            EventKind::ServerRestarted { .. } | EventKind::ServerCrashed { .. } => {
                self.restarted = Some(event.at);
                for story in &mut self.peers {
                    story.online = None;
                    if let Some(now) = story.current() {
                        now.in_doubt.get_or_insert(event.at);
                    }
                }
            }
            _ => {}
        }
        let Some(peer) = event.peer else { return };
        let Some(story) = self.peers.get_mut(peer.index()) else {
            return;
        };
        match &event.kind {
            EventKind::JoinStarted { .. } => {
                story.asking = Some(event.at);
                if let Some(now) = story.current() {
                    now.in_doubt = Some(event.at);
                }
            }
            EventKind::JoinRejected { .. } | EventKind::JoinFailed { .. } => story.asking = None,
            EventKind::Joined { incarnation } => {
                story.begin_membership(*incarnation, event.at);
                // What the server said before it ended may still come in.
                if self.restarted.is_some()
                    && story.online < self.restarted
                    && let Some(now) = story.current()
                {
                    now.in_doubt.get_or_insert(event.at);
                }
            }
            EventKind::SignalingConnected => story.online = Some(event.at),
            EventKind::LeaveStarted { .. } => {
                if let Some(now) = story.current() {
                    now.left = Some(event.at);
                    now.silent = now.in_doubt.is_some();
                }
            }
            // The server never hears of it.
            EventKind::FrameTreated {
                treatment: Treated::Drop | Treated::Corrupt,
                frame: FrameKind::Leave,
                ..
            } => {
                if let Some(last) = story.memberships.back_mut() {
                    last.silent = true;
                }
            }
            EventKind::Crashed { incarnation, .. } => {
                if let Some(now) = story.current().filter(|now| now.incarnation == *incarnation) {
                    now.left = Some(event.at);
                    now.silent = true;
                }
            }
            EventKind::SignalingLost { .. } => {
                story.online = None;
                if let Some(now) = story.current() {
                    now.in_doubt.get_or_insert(event.at);
                } else {
                    story.doubt_leave();
                }
            }
            EventKind::MembershipResumed { incarnation } => story.resume(*incarnation, event.at),
            EventKind::MemberLeft { .. } => {
                let remote = event.remote.and_then(|remote| self.peers.get_mut(remote.index()));
                if let Some(remote) = remote {
                    remote.told_gone(event.at);
                }
            }
            EventKind::Left { incarnation, .. } => story.end_membership(*incarnation, event.at),
            EventKind::LinkSettled {
                generation,
                open_channels,
                signaling_state,
            } => {
                let (Some(remote), Some(now)) = (event.remote, story.current()) else {
                    return;
                };
                let wrong = *open_channels != 1 || *signaling_state != SignalingState::Stable;
                now.settled = Some(event.at);
                now.links.insert(
                    remote,
                    LinkReport {
                        at: event.at,
                        generation: *generation,
                        open_channels: *open_channels,
                        signaling_state: *signaling_state,
                        last_events: if wrong {
                            last.of_link(peer, remote, Explains::Control)
                        } else {
                            Vec::new()
                        },
                    },
                );
            }
            EventKind::RosterSeen { server, believed } => {
                let Some(now) = story.current() else { return };
                now.settled = Some(event.at);
                now.roster = Some(RosterReport {
                    at: event.at,
                    server: as_set(server),
                    believed: as_set(believed),
                });
            }
            _ => {}
        }
    }

    pub fn room_of(&self, peer: PeerId) -> Option<RoomId> {
        self.peers.get(peer.index()).map(|story| story.room)
    }

    pub fn room_named(&self, wire_id: &str) -> Option<RoomId> {
        self.wire_ids.get(wire_id).copied()
    }

    /// Whether the server may still hold a membership of `peer` that ended without a word to it.
    pub fn may_linger(&self, peer: PeerId) -> bool {
        let last = self
            .peers
            .get(peer.index())
            .and_then(|story| story.memberships.back());
        last.is_some_and(|last| last.silent && last.gone.is_none())
    }

    /// The rooms in order, with the peers planned into each.
    pub fn rooms(&self) -> impl Iterator<Item = (RoomId, &[PeerId])> {
        (0..).map(RoomId).zip(self.rooms.iter().map(Vec::as_slice))
    }

    /// The peers planned into a room.
    pub fn planned_into(&self, room: RoomId) -> &[PeerId] {
        self.rooms.get(room.index()).map_or(&[], Vec::as_slice)
    }

    pub fn presence(&self, peer: PeerId, at: Instant) -> Presence {
        let Some(story) = self.peers.get(peer.index()) else {
            return Presence::Absent;
        };
        let asking = match story.asking {
            Some(asked) if asked <= at => Presence::Unclear,
            _ => Presence::Absent,
        };
        let memberships = story.memberships.iter().map(|membership| membership.presence(at));
        memberships.chain([asking]).max().unwrap_or(Presence::Absent)
    }

    /// The membership in which `peer` told how its settled room looks, unless the run had been stopped
    /// before that.
    pub fn settled(&self, peer: PeerId) -> Option<(&Membership, Instant)> {
        let story = self.peers.get(peer.index())?;
        story.memberships.iter().rev().find_map(|membership| {
            let at = membership.settled?;
            self.counts(at).then_some((membership, at))
        })
    }

    /// Whether a room that settled at `at` did so before the run was stopped.
    pub fn counts(&self, at: Instant) -> bool {
        self.stopped.is_none_or(|stopped| at < stopped)
    }

    /// Whether the run came to its own end: nobody interrupted it and its last event came in.
    pub fn ended_by_itself(&self) -> bool {
        self.ended && self.stopped.is_none()
    }

    /// Says which rooms with more than one peer never settled, if any.
    pub fn unsettled_note(&self) -> Option<String> {
        let rooms: Vec<_> = self
            .rooms
            .iter()
            .filter(|peers| peers.len() > 1)
            .map(|peers| peers.iter().any(|peer| self.settled(*peer).is_some()))
            .collect();
        let unsettled = rooms.iter().filter(|settled| !**settled).count();
        let when = if self.stopped.is_some() {
            "before the run was stopped"
        } else {
            "before the run ended"
        };
        match (unsettled, rooms.len()) {
            (0, _) => None,
            (all, rooms) if all == rooms => Some(format!("no room settled {when}")),
            (some, rooms) => Some(format!("{some} of {rooms} rooms did not settle {when}")),
        }
    }
}

impl PeerStory {
    fn current(&mut self) -> Option<&mut Membership> {
        self.memberships
            .back_mut()
            .filter(|membership| membership.left.is_none())
    }

    fn begin_membership(&mut self, incarnation: Incarnation, at: Instant) {
        let asked = self.asking.take().unwrap_or(at);
        if let Some(now) = self.current() {
            // The word repeated, or the membership taken over by token: it goes on.
            if now.incarnation == incarnation {
                return self.resume(incarnation, at);
            }
            now.left = Some(at);
        }
        if let Some(before) = self.memberships.back_mut() {
            before.gone = before.gone.or(Some(at));
        }
        if self.memberships.len() == MAX_MEMBERSHIPS {
            self.memberships.pop_front();
        }
        self.memberships.push_back(Membership {
            incarnation,
            asked,
            joined: at,
            left: None,
            gone: None,
            silent: false,
            told: false,
            in_doubt: None,
            was_in_doubt: None,
            settled: None,
            links: BTreeMap::new(),
            roster: None,
        });
    }

    fn end_membership(&mut self, incarnation: Incarnation, at: Instant) {
        let ended = self.memberships.iter_mut().rev();
        for membership in ended
            .filter(|membership| membership.incarnation == incarnation)
            .take(1)
        {
            membership.silent |= membership.left.is_none() && membership.in_doubt.is_some();
            membership.left = membership.left.or(Some(at));
            if !membership.silent {
                membership.gone = membership.gone.or(Some(at));
            }
        }
    }

    /// The socket that carried the last leave was lost: unless the server has shown that it knows, it may not.
    fn doubt_leave(&mut self) {
        if let Some(last) = self.memberships.back_mut()
            && !last.told
        {
            last.silent = true;
            last.gone = None;
        }
    }

    fn resume(&mut self, incarnation: Incarnation, at: Instant) {
        if let Some(now) = self.current()
            && now.incarnation == incarnation
            && let Some(since) = now.in_doubt.take()
        {
            now.was_in_doubt = Some((since, at));
        }
    }

    /// The server told somebody that this peer has left. Until the last one is told, some may know it.
    fn told_gone(&mut self, at: Instant) {
        if let Some(last) = self.memberships.back_mut() {
            last.told |= last.left.is_some();
            if last.silent {
                last.gone = last.gone.max(Some(at));
            }
        }
    }
}

/// Ascending and without doubles, as rosters are compared.
pub(super) fn as_set(members: &[PeerId]) -> Vec<PeerId> {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    members
}
