//! What the deployment does, its mistakes included: everything goes to everybody who subscribes.
//!
//! Its registry reads flat fields only, lets anybody remove anybody, enforces no `maxParticipants`, and
//! remembers the sockets of those who joined but not of those who opened a room: their ghosts stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    ClientId, Now, RoomLimits, RoomRoster, RosterMember,
    refusal::Refusal,
    timers::{Timer, Timers},
    wire::Wire,
};
use crate::protocol::{
    Channel, ClientFrame, Envelope, Name, Participant, ROOMS_CHANNEL, Reason, RoomId, RoomInfo, ServerFrame,
    TextError, UserId, iso_timestamp, limits::PARTICIPANTS_DEFAULT,
};

/// The deployment lists its rooms at these intervals since its start.
const ROOM_LIST_PERIOD: Duration = Duration::from_secs(5);

/// The deployment's registry. Rooms and members stay in the order in which they came.
#[derive(Debug)]
pub(super) struct Deployed {
    limits: RoomLimits,
    rooms: Vec<Room>,
    /// The user that a socket joined as last, and the rooms it joined.
    tracked: BTreeMap<ClientId, (UserId, BTreeSet<RoomId>)>,
    timers: Timers,
}

#[derive(Debug)]
struct Room {
    id: RoomId,
    name: Name,
    description: String,
    host: Name,
    host_id: UserId,
    created_unix_ms: u64,
    members: Vec<Member>,
    max_participants: u32,
    require_approval: bool,
}

#[derive(Debug)]
struct Member {
    id: UserId,
    name: Name,
    joined_unix_ms: u64,
}

impl Deployed {
    pub(super) fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            rooms: Vec::new(),
            tracked: BTreeMap::new(),
            timers: Timers::default(),
        }
    }

    pub(super) fn frame(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        text: &str,
        envelope: &Envelope,
        now: Now,
    ) -> Result<(), Refusal> {
        match envelope.kind() {
            Some("subscribe" | "unsubscribe" | "ping") => {
                // A channel that is no string has no subscribers that a frame could reach.
                match ClientFrame::read(envelope) {
                    Ok(ClientFrame::Subscribe(channel)) => drop(wire.subscribe(client, channel)),
                    Ok(ClientFrame::Unsubscribe(channel)) => wire.unsubscribe(client, &channel),
                    Ok(ClientFrame::Ping) => wire.say(client, &ServerFrame::Pong { timestamp: now.iso() }),
                    _ => {}
                }
                return Ok(());
            }
            Some("create-room") if self.create_room(wire, envelope, now)? => return Ok(()),
            Some("user-joined-room") if self.join(wire, client, envelope, now)? => return Ok(()),
            Some("user-left-room") if self.leave(wire, client, envelope, now) => return Ok(()),
            Some("room-removed") if self.remove_room(wire, envelope, now) => return Ok(()),
            _ => {}
        }
        if let Some(Ok(channel)) = envelope.channel().map(Channel::new) {
            wire.publish(channel.as_str(), Some(client), &Arc::from(text));
        }
        Ok(())
    }

    /// Each of these says whether the frame was understood: one that was not is relayed like any other.
    /// The deployment refuses nothing but names; the limits are ours.
    fn create_room(&mut self, wire: &mut Wire, envelope: &Envelope, now: Now) -> Result<bool, Refusal> {
        let (Some(id), Some(name), Some(host_id), Some(host)) = (
            field(envelope, "roomId", RoomId::new),
            field(envelope, "roomName", Name::new),
            field(envelope, "hostId", UserId::new),
            field(envelope, "hostName", Name::new),
        ) else {
            return Ok(false);
        };
        let fields = envelope.flat_fields();
        let max_participants = fields.get("maxParticipants").and_then(serde_json::Value::as_u64);
        let room = Room {
            description: fields
                .get("description")
                .and_then(|text| text.as_str())
                .unwrap_or_default()
                .into(),
            max_participants: match max_participants.and_then(|count| u32::try_from(count).ok()) {
                None | Some(0) => PARTICIPANTS_DEFAULT,
                Some(count) => count,
            },
            require_approval: fields
                .get("requireApproval")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(false),
            members: vec![Member {
                id: host_id.clone(),
                name: host.clone(),
                joined_unix_ms: now.unix_ms,
            }],
            created_unix_ms: now.unix_ms,
            id,
            name,
            host,
            host_id,
        };
        // A room opened again loses its members and keeps its place.
        match self.position(room.id.as_str()) {
            Some(at) => self.rooms[at] = room,
            None if self.rooms.len() >= self.limits.rooms_max => {
                return Err(Refusal::too_many_rooms().about(&room.id, None));
            }
            None => self.rooms.push(room),
        }
        if self.timers.next_due().is_none() {
            self.timers.set(next_period(now.since_start), Timer::RoomList);
        }
        self.broadcast_rooms(wire, now);
        Ok(true)
    }

    fn join(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        now: Now,
    ) -> Result<bool, Refusal> {
        let (Some(room_id), Some(id), Some(name)) = (
            field(envelope, "roomId", RoomId::new),
            field(envelope, "userId", UserId::new),
            field(envelope, "userName", Name::new),
        ) else {
            return Ok(false);
        };
        let Some(at) = self.position(room_id.as_str()) else {
            return Ok(false);
        };
        let members = &mut self.rooms[at].members;
        if members.iter().any(|member| member.name.folded() == name.folded()) {
            return Err(Refusal::duplicate_name(&room_id, &id, &name));
        }
        let member = Member {
            id: id.clone(),
            name,
            joined_unix_ms: now.unix_ms,
        };
        match members.iter().position(|member| member.id == id) {
            Some(at) => members[at] = member,
            None if members.len() >= self.limits.members_per_room_max as usize => {
                let refusal = Refusal::new(Reason::LimitReached, "the room has too many members");
                return Err(refusal.about(&room_id, Some(&id)));
            }
            None => members.push(member),
        }
        let (user, rooms) = self
            .tracked
            .entry(client)
            .or_insert_with(|| (id.clone(), BTreeSet::new()));
        *user = id;
        rooms.insert(room_id);
        self.broadcast_rooms(wire, now);
        Ok(true)
    }

    fn leave(&mut self, wire: &mut Wire, client: ClientId, envelope: &Envelope, now: Now) -> bool {
        let (Some(room_id), Some(id)) = (
            field(envelope, "roomId", RoomId::new),
            field(envelope, "userId", UserId::new),
        ) else {
            return false;
        };
        self.remove_member(&room_id, &id);
        if let Some((_, rooms)) = self.tracked.get_mut(&client) {
            rooms.remove(&room_id);
        }
        self.broadcast_rooms(wire, now);
        true
    }

    fn remove_room(&mut self, wire: &mut Wire, envelope: &Envelope, now: Now) -> bool {
        let Some(room_id) = field(envelope, "roomId", RoomId::new) else {
            return false;
        };
        self.rooms.retain(|room| room.id != room_id);
        self.broadcast_rooms(wire, now);
        true
    }

    pub(super) fn disconnect(&mut self, wire: &mut Wire, client: ClientId, now: Now) {
        if let Some((user, rooms)) = self.tracked.remove(&client)
            && !rooms.is_empty()
        {
            for room in &rooms {
                self.remove_member(room, &user);
            }
            self.broadcast_rooms(wire, now);
        }
        let frame = ServerFrame::ClientCount {
            count: wire.count(),
            timestamp: now.iso(),
        };
        wire.send_all(&frame.text());
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next_due()
    }

    pub(super) fn run_timers(&mut self, wire: &mut Wire, now: Now) {
        while let Some(timer) = self.timers.pop_due(now.since_start) {
            if timer == Timer::RoomList && !self.rooms.is_empty() {
                self.broadcast_rooms(wire, now);
                self.timers.set(next_period(now.since_start), Timer::RoomList);
            }
        }
    }

    pub(super) fn rosters(&self) -> Vec<RoomRoster> {
        let mut rosters: Vec<_> = self.rooms.iter().map(|room| self.roster_of(room)).collect();
        rosters.sort_by(|one, other| one.id.cmp(&other.id));
        rosters
    }

    pub(super) fn roster(&self, id: &str) -> Option<RoomRoster> {
        self.position(id).map(|at| self.roster_of(&self.rooms[at]))
    }

    pub(super) fn room_list(&self) -> Vec<RoomInfo<'_>> {
        self.rooms.iter().map(Room::info).collect()
    }

    pub(super) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn member_count(&self) -> usize {
        self.rooms.iter().map(|room| room.members.len()).sum()
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.rooms.iter().position(|room| room.id.as_str() == id)
    }

    fn remove_member(&mut self, room_id: &RoomId, user: &UserId) {
        let Some(at) = self.position(room_id.as_str()) else {
            return;
        };
        self.rooms[at].members.retain(|member| member.id != *user);
        if self.rooms[at].members.is_empty() {
            self.rooms.remove(at);
        }
    }

    fn broadcast_rooms(&self, wire: &mut Wire, now: Now) {
        let frame = ServerFrame::ServerRoomList {
            channel: ROOMS_CHANNEL,
            rooms: self.room_list(),
            timestamp: now.iso(),
        };
        wire.publish(ROOMS_CHANNEL, None, &frame.text());
    }

    fn roster_of(&self, room: &Room) -> RoomRoster {
        let is_tracked = |user: &UserId| {
            self.tracked
                .values()
                .any(|(tracked, rooms)| tracked == user && rooms.contains(&room.id))
        };
        RoomRoster {
            id: room.id.as_str().into(),
            name: room.name.as_str().into(),
            host_id: room.host_id.as_str().into(),
            max_participants: room.max_participants,
            members: room
                .members
                .iter()
                .map(|member| RosterMember {
                    user_id: member.id.as_str().into(),
                    name: member.name.as_str().into(),
                    connected: is_tracked(&member.id),
                })
                .collect(),
        }
    }
}

impl Room {
    fn info(&self) -> RoomInfo<'_> {
        RoomInfo {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            host: &self.host,
            host_id: &self.host_id,
            created_at: iso_timestamp(self.created_unix_ms),
            participant_count: self.members.len(),
            participants: self
                .members
                .iter()
                .map(|member| Participant {
                    id: &member.id,
                    name: &member.name,
                    joined_at: iso_timestamp(member.joined_unix_ms),
                    is_host: false,
                })
                .collect(),
            max_participants: self.max_participants,
            require_approval: self.require_approval,
        }
    }
}

fn field<T>(envelope: &Envelope, key: &str, parse: fn(&str) -> Result<T, TextError>) -> Option<T> {
    parse(envelope.flat_fields().get(key)?.as_str()?).ok()
}

/// The next multiple of the period: the deployment's interval runs from its start, rooms or none.
fn next_period(now: Duration) -> Duration {
    let period_us = ROOM_LIST_PERIOD.as_micros();
    let next_us = (now.as_micros() / period_us + 1) * period_us;
    Duration::from_micros(u64::try_from(next_us).unwrap_or(u64::MAX))
}
