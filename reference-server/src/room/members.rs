use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{ClientId, RoomRoster, RosterMember, timers::TimerKey};
use crate::protocol::{
    Name, Participant, RoomId, RoomInfo, UserId, iso_timestamp,
    limits::{HELD_BYTES_MAX, HELD_FRAMES_MAX, SEEN_PER_ROOM_MAX},
};

/// A room and its members. It knows no sockets beyond their numbers and says nothing.
///
/// Invariants: `names` has exactly the members' folded names, each member's once; the host is a member
/// whenever there are members.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) name: Name,
    pub(super) description: String,
    pub(super) host_id: UserId,
    host_name: Name,
    created_unix_ms: u64,
    /// Rooms are listed in this order.
    pub(super) opened: u64,
    pub(super) max_participants: u32,
    pub(super) require_approval: bool,
    members: BTreeMap<UserId, Member>,
    names: BTreeMap<String, UserId>,
    seen: BTreeSet<UserId>,
}

/// What a room is opened with.
#[derive(Debug)]
pub(super) struct RoomPlan {
    pub(super) id: RoomId,
    pub(super) name: Name,
    pub(super) description: String,
    pub(super) host_id: UserId,
    pub(super) host_name: Name,
    pub(super) max_participants: u32,
    pub(super) require_approval: bool,
}

/// One membership: from a join to the leave, whatever sockets serve it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    joined_unix_ms: u64,
    /// Which of the hub's memberships this is: later ones have greater numbers, none comes twice.
    pub(super) membership: u64,
    pub(super) token: String,
    pub(super) presence: Presence,
}

/// Whether a member can be reached.
#[derive(Debug)]
pub(super) enum Presence {
    /// Through this socket.
    Here(ClientId),
    /// Not now; it has until the timer fires.
    Away { timer: TimerKey, held: Held },
}

/// Signaling that waits for a member to come back.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The membership that sent it: if that ended meanwhile, the frame means nobody.
    frames: VecDeque<(u64, Arc<str>)>,
    bytes: usize,
}

impl Held {
    /// Whether there was room for it.
    pub(super) fn push(&mut self, from_membership: u64, frame: Arc<str>) -> bool {
        if self.frames.len() >= HELD_FRAMES_MAX || self.bytes + frame.len() > HELD_BYTES_MAX {
            return false;
        }
        self.bytes += frame.len();
        self.frames.push_back((from_membership, frame));
        true
    }
}

impl Room {
    pub(super) fn open(plan: RoomPlan, opened: u64, now_unix_ms: u64) -> Self {
        Self {
            id: plan.id,
            name: plan.name,
            description: plan.description,
            host_id: plan.host_id,
            host_name: plan.host_name,
            created_unix_ms: now_unix_ms,
            opened,
            max_participants: plan.max_participants,
            require_approval: plan.require_approval,
            members: BTreeMap::new(),
            names: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn member(&self, user: &UserId) -> Option<&Member> {
        self.members.get(user)
    }

    pub(super) fn member_mut(&mut self, user: &UserId) -> Option<&mut Member> {
        self.members.get_mut(user)
    }

    /// The member that has the name, whatever its case.
    pub(super) fn owner_of(&self, name: &Name) -> Option<&UserId> {
        self.names.get(&name.folded())
    }

    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.max_participants as usize
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a member; says whether this user has been in the room before. The caller has made sure that
    /// neither the id nor the name is taken.
    pub(super) fn admit(
        &mut self,
        user: UserId,
        name: Name,
        membership: u64,
        token: String,
        socket: ClientId,
        now_unix_ms: u64,
    ) -> bool {
        self.names.insert(name.folded(), user.clone());
        let member = Member {
            name,
            joined_unix_ms: now_unix_ms,
            membership,
            token,
            presence: Presence::Here(socket),
        };
        self.members.insert(user.clone(), member);
        let seen = self.seen.contains(&user);
        if self.seen.len() < SEEN_PER_ROOM_MAX {
            self.seen.insert(user);
        }
        seen
    }

    /// Gives a member another name; says whether it is another. The caller has made sure that it is not taken.
    pub(super) fn rename(&mut self, user: &UserId, name: &Name) -> bool {
        let Some(member) = self.members.get_mut(user) else {
            return false;
        };
        if member.name == *name {
            return false;
        }
        self.names.remove(&member.name.folded());
        member.name = name.clone();
        self.names.insert(name.folded(), user.clone());
        if self.host_id == *user {
            self.host_name = name.clone();
        }
        true
    }

    /// Takes a member out. If it was the host, the member who has been there longest becomes host.
    pub(super) fn remove(&mut self, user: &UserId) -> Option<Member> {
        let member = self.members.remove(user)?;
        self.names.remove(&member.name.folded());
        if self.host_id == *user
            && let Some((next, heir)) = self.in_order().into_iter().next()
        {
            (self.host_id, self.host_name) = (next.clone(), heir.name.clone());
        }
        Some(member)
    }

    /// The frames held for a member whose senders are still in the room, in order of arrival.
    pub(super) fn still_meant(&self, held: Held) -> Vec<Arc<str>> {
        let present: BTreeSet<u64> = self.members.values().map(|member| member.membership).collect();
        held.frames
            .into_iter()
            .filter(|(from, _)| present.contains(from))
            .map(|(_, frame)| frame)
            .collect()
    }

    /// The sockets of the members, in the order of the user ids.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (&UserId, ClientId)> {
        self.members
            .iter()
            .filter_map(|(user, member)| match member.presence {
                Presence::Here(socket) => Some((user, socket)),
                Presence::Away { .. } => None,
            })
    }

    /// The timers of the members who are away.
    pub(super) fn away_timers(&self) -> impl Iterator<Item = TimerKey> {
        self.members.values().filter_map(|member| match member.presence {
            Presence::Away { timer, .. } => Some(timer),
            Presence::Here(_) => None,
        })
    }

    /// The members in the order in which they joined.
    fn in_order(&self) -> Vec<(&UserId, &Member)> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_by_key(|(_, member)| member.membership);
        members
    }

    /// The members as frames show them, in the order in which they joined.
    pub(super) fn participants(&self, except: Option<&UserId>) -> Vec<Participant<'_>> {
        self.in_order()
            .into_iter()
            .filter(|(user, _)| Some(*user) != except)
            .map(|(id, member)| Participant {
                id,
                name: &member.name,
                joined_at: iso_timestamp(member.joined_unix_ms),
                is_host: *id == self.host_id,
            })
            .collect()
    }

    pub(super) fn info(&self) -> RoomInfo<'_> {
        RoomInfo {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            host: &self.host_name,
            host_id: &self.host_id,
            created_at: iso_timestamp(self.created_unix_ms),
            participant_count: self.members.len(),
            participants: self.participants(None),
            max_participants: self.max_participants,
            require_approval: self.require_approval,
        }
    }

    pub(super) fn roster(&self) -> RoomRoster {
        RoomRoster {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            host_id: self.host_id.as_str().into(),
            max_participants: self.max_participants,
            members: self
                .in_order()
                .into_iter()
                .map(|(user, member)| RosterMember {
                    user_id: user.as_str().into(),
                    name: member.name.as_str().into(),
                    connected: matches!(member.presence, Presence::Here(_)),
                })
                .collect(),
        }
    }
}
