//! What the protocol's design promises: rooms are registered, and nothing leaves them.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ClientId, Now, RoomRoster, TokenSeed, close_code,
    members::{Held, Presence, Room, RoomPlan},
    petitions::Petitions,
    refusal::Refusal,
    tell,
    timers::{Timer, Timers},
    token::Tokens,
    wire::Wire,
};
use crate::protocol::{
    ClientFrame, CreateRoom, Envelope, Join, Leave, ROOMS_CHANNEL, Reason, RemoveRoom, RoomId, RoomInfo,
    ServerFrame, UserId,
    limits::{PARTICIPANTS_DEFAULT, ROOMS_MAX, ROOMS_PER_SOCKET_MAX},
};

/// The rooms, and which socket serves which membership.
///
/// Invariant: a membership is in `sockets` under exactly the socket that its presence names, and nowhere
/// while it is away. No room is empty between two calls.
#[derive(Debug)]
pub(super) struct Scoped {
    grace: Duration,
    pub(super) rooms: BTreeMap<RoomId, Room>,
    sockets: BTreeMap<ClientId, BTreeMap<RoomId, UserId>>,
    pub(super) petitions: Petitions,
    timers: Timers,
    tokens: Tokens,
    memberships: u64,
    opened: u64,
}

/// What a join comes to, once nothing speaks against it.
enum Admission {
    /// A new membership.
    New,
    /// The socket has this membership already.
    Again,
    /// The join showed the membership's token.
    Takeover,
}

/// Why a membership ends; others are told.
#[derive(Clone, Copy)]
enum Parting {
    Left,
    Closed,
    Evicted,
}

impl Parting {
    fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
        }
    }
}

impl Scoped {
    pub(super) fn new(grace: Duration, seed: TokenSeed) -> Self {
        Self {
            grace,
            rooms: BTreeMap::new(),
            sockets: BTreeMap::new(),
            petitions: Petitions::default(),
            timers: Timers::default(),
            tokens: Tokens::new(seed),
            memberships: 0,
            opened: 0,
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
        match ClientFrame::read(envelope)? {
            ClientFrame::Subscribe(channel) => {
                if !wire.subscribe(client, channel) {
                    return Err(Refusal::new(
                        Reason::LimitReached,
                        "this socket has too many channels",
                    ));
                }
            }
            ClientFrame::Unsubscribe(channel) => wire.unsubscribe(client, &channel),
            ClientFrame::Ping => wire.say(client, &ServerFrame::Pong { timestamp: now.iso() }),
            ClientFrame::ListRooms => {
                let frame = ServerFrame::ServerRoomList {
                    channel: ROOMS_CHANNEL,
                    rooms: self.room_list(),
                    timestamp: now.iso(),
                };
                wire.say(client, &frame);
            }
            ClientFrame::CreateRoom(create) => self.create_room(wire, client, envelope, create, now)?,
            ClientFrame::Join(join) => self.join(wire, client, envelope, join, now)?,
            ClientFrame::Leave(leave) => self.leave(wire, client, envelope, &leave, now)?,
            ClientFrame::RemoveRoom(remove) => self.remove_room(wire, client, envelope, &remove, now)?,
            ClientFrame::Signal(signal) => self.signal(wire, client, text, &signal)?,
            ClientFrame::Relay(relay) => self.relay(wire, client, text, envelope, relay)?,
        }
        Ok(())
    }

    /// The user that the socket is in that room.
    pub(super) fn user_of(&self, client: ClientId, room: &RoomId) -> Option<&UserId> {
        self.sockets.get(&client)?.get(room)
    }

    fn create_room(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        create: CreateRoom,
        now: Now,
    ) -> Result<(), Refusal> {
        let CreateRoom {
            room_id,
            host_id,
            host_name,
            token,
            ..
        } = &create;
        if let Some(room) = self.rooms.get(room_id) {
            let host = room.member(host_id).filter(|_| room.host_id == *host_id);
            let is_ours = self.user_of(client, room_id) == Some(host_id)
                || host.is_some_and(|host| Some(&host.token) == token.as_ref());
            if host.is_none() || !is_ours {
                let message = format!("the room {room_id} is there already");
                return Err(Refusal::new(Reason::RoomExists, message).about(room_id, None));
            }
        }
        let join = Join {
            room_id: room_id.clone(),
            user_id: host_id.clone(),
            user_name: host_name.clone(),
            token: token.clone(),
            create: Some(true),
            max_participants: create.max_participants,
            room_name: Some(create.room_name.clone()),
        };
        let plan = RoomPlan {
            id: create.room_id,
            name: create.room_name,
            description: create.description,
            host_id: create.host_id,
            host_name: create.host_name,
            max_participants: create.max_participants.unwrap_or(PARTICIPANTS_DEFAULT),
            require_approval: create.require_approval.unwrap_or(false),
        };
        self.enter(wire, client, envelope, join, Some(plan), now)
    }

    fn join(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        join: Join,
        now: Now,
    ) -> Result<(), Refusal> {
        let plan = (join.create == Some(true)).then(|| RoomPlan {
            id: join.room_id.clone(),
            name: join.room_name.clone().unwrap_or_else(|| join.room_id.to_name()),
            description: String::new(),
            host_id: join.user_id.clone(),
            host_name: join.user_name.clone(),
            max_participants: join.max_participants.unwrap_or(PARTICIPANTS_DEFAULT),
            require_approval: false,
        });
        self.enter(wire, client, envelope, join, plan, now)
    }

    /// Every join ends here: first everything that speaks against it, then the change.
    fn enter(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        join: Join,
        plan: Option<RoomPlan>,
        now: Now,
    ) -> Result<(), Refusal> {
        let admission = self.admission(client, &join)?;
        if !self.rooms.contains_key(&join.room_id) {
            let plan = plan.ok_or_else(|| Refusal::room_not_found(&join.room_id))?;
            if self.rooms.len() >= ROOMS_MAX {
                return Err(Refusal::new(
                    Reason::LimitReached,
                    "this server has too many rooms",
                ));
            }
            self.opened += 1;
            self.rooms
                .insert(join.room_id.clone(), Room::open(plan, self.opened, now.unix_ms));
        }
        let room = self
            .rooms
            .get_mut(&join.room_id)
            .expect("it was there or has just been opened");
        let (user, name) = (&join.user_id, &join.user_name);
        match admission {
            Admission::New => {
                self.memberships += 1;
                let token = self.tokens.next();
                let returns = room.admit(
                    user.clone(),
                    name.clone(),
                    self.memberships,
                    token,
                    client,
                    now.unix_ms,
                );
                self.sockets
                    .entry(client)
                    .or_default()
                    .insert(room.id.clone(), user.clone());
                tell::confirm(wire, client, room, user, false, now);
                let notice = tell::notice(
                    Some(envelope),
                    room,
                    &[("userId", user.as_str()), ("userName", name.as_str())],
                    now,
                );
                let frame = match returns {
                    false => ServerFrame::UserJoinedRoom(notice),
                    true => ServerFrame::UserRejoinedRoom(notice),
                };
                tell::others(wire, room, Some(client), &frame.text());
                tell::status(wire, room, now);
            }
            Admission::Again => {
                let renamed = room.rename(user, name);
                tell::confirm(wire, client, room, user, true, now);
                if renamed {
                    tell::status(wire, room, now);
                }
            }
            Admission::Takeover => {
                room.rename(user, name);
                let member = room.member_mut(user).expect("a takeover is of a member");
                let held = match std::mem::replace(&mut member.presence, Presence::Here(client)) {
                    Presence::Here(old) => {
                        let rooms = self.sockets.get_mut(&old);
                        rooms
                            .expect("a present member is under its socket")
                            .remove(&join.room_id);
                        self.sockets
                            .entry(client)
                            .or_default()
                            .insert(join.room_id.clone(), user.clone());
                        self.evict_socket(wire, old, now);
                        Held::default()
                    }
                    Presence::Away { timer, held } => {
                        self.timers.cancel(timer);
                        self.sockets
                            .entry(client)
                            .or_default()
                            .insert(join.room_id.clone(), user.clone());
                        held
                    }
                };
                let room = self
                    .rooms
                    .get_mut(&join.room_id)
                    .expect("it has the member that came back");
                tell::confirm(wire, client, room, user, true, now);
                tell::status(wire, room, now);
                for frame in room.still_meant(held) {
                    wire.send(client, frame);
                }
            }
        }
        Ok(())
    }

    /// What a join comes to; nothing has changed yet.
    fn admission(&self, client: ClientId, join: &Join) -> Result<Admission, Refusal> {
        let Join {
            room_id,
            user_id,
            user_name,
            ..
        } = join;
        let ours = self.user_of(client, room_id);
        if let Some(other) = ours.filter(|ours| *ours != user_id) {
            let message = format!("this socket is in the room {room_id} already, as {other}");
            return Err(Refusal::new(Reason::InvalidMessage, message).about(room_id, Some(user_id)));
        }
        let room = self.rooms.get(room_id);
        let name_owner = room.and_then(|room| room.owner_of(user_name));
        let name_taken = || Refusal::duplicate_name(room_id, user_id, user_name);
        if let Some(member) = room.and_then(|room| room.member(user_id)) {
            let shown = join.token.as_ref() == Some(&member.token);
            if ours.is_none() && !shown {
                return Err(match name_owner {
                    Some(_) => name_taken(),
                    None => Refusal::duplicate_user(room_id, user_id),
                });
            }
            if name_owner.is_some_and(|owner| owner != user_id) {
                return Err(name_taken());
            }
            return match ours {
                Some(_) => Ok(Admission::Again),
                None => self.has_room_for_one_more(client).map(|()| Admission::Takeover),
            };
        }
        if name_owner.is_some() {
            return Err(name_taken());
        }
        if room.is_some_and(Room::is_full) {
            let message = format!("the room {room_id} is full");
            return Err(Refusal::new(Reason::RoomFull, message).about(room_id, Some(user_id)));
        }
        self.has_room_for_one_more(client).map(|()| Admission::New)
    }

    fn has_room_for_one_more(&self, client: ClientId) -> Result<(), Refusal> {
        match self.sockets.get(&client).map_or(0, BTreeMap::len) < ROOMS_PER_SOCKET_MAX {
            true => Ok(()),
            false => Err(Refusal::new(
                Reason::LimitReached,
                "this socket is in too many rooms",
            )),
        }
    }

    fn leave(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        leave: &Leave,
        now: Now,
    ) -> Result<(), Refusal> {
        let Leave { room_id, user_id } = leave;
        if !self.rooms.contains_key(room_id) {
            return Err(Refusal::room_not_found(room_id));
        }
        if self.user_of(client, room_id) != Some(user_id) {
            return Err(Refusal::not_the_sender(room_id, user_id));
        }
        self.part(wire, room_id, user_id, Parting::Left, Some(envelope), now);
        Ok(())
    }

    fn remove_room(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        remove: &RemoveRoom,
        now: Now,
    ) -> Result<(), Refusal> {
        let room_id = &remove.room_id;
        let room = self
            .rooms
            .get(room_id)
            .ok_or_else(|| Refusal::room_not_found(room_id))?;
        match self.user_of(client, room_id) {
            None => {
                let message = format!("this socket is not in the room {room_id}");
                return Err(Refusal::new(Reason::NotAMember, message).about(room_id, None));
            }
            Some(user) if *user != room.host_id => {
                let message = format!("only the host may end the room {room_id}");
                return Err(Refusal::new(Reason::NotHost, message).about(room_id, Some(user)));
            }
            Some(_) => {}
        }
        let room = self.rooms.remove(room_id).expect("it has just been there");
        let frame = ServerFrame::RoomRemoved(tell::notice(Some(envelope), &room, &[], now));
        tell::others(wire, &room, Some(client), &frame.text());
        // Each of the others learns that its own membership is over: N frames, not N².
        for (user, socket) in room.sockets().filter(|(_, socket)| *socket != client) {
            let member = room.member(user).expect("sockets are members' sockets");
            let fields = [
                ("userId", user.as_str()),
                ("userName", member.name.as_str()),
                ("reason", Parting::Evicted.as_str()),
            ];
            wire.say(
                socket,
                &ServerFrame::UserLeftRoom(tell::notice(None, &room, &fields, now)),
            );
        }
        self.petitions.forget_room(room_id);
        for timer in room.away_timers() {
            self.timers.cancel(timer);
        }
        for (_, socket) in room.sockets() {
            if let Some(rooms) = self.sockets.get_mut(&socket) {
                rooms.remove(room_id);
            }
        }
        Ok(())
    }

    /// Ends a membership and tells those who stay.
    fn part(
        &mut self,
        wire: &mut Wire,
        room_id: &RoomId,
        user: &UserId,
        parting: Parting,
        envelope: Option<&Envelope>,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(room_id) else {
            return;
        };
        let Some(member) = room.remove(user) else { return };
        match member.presence {
            Presence::Here(socket) => {
                if let Some(rooms) = self.sockets.get_mut(&socket) {
                    rooms.remove(room_id);
                }
            }
            Presence::Away { timer, .. } => self.timers.cancel(timer),
        }
        if room.is_empty() {
            self.rooms.remove(room_id);
            self.petitions.forget_room(room_id);
            return;
        }
        let fields = [
            ("userId", user.as_str()),
            ("userName", member.name.as_str()),
            ("reason", parting.as_str()),
        ];
        let frame = ServerFrame::UserLeftRoom(tell::notice(envelope, room, &fields, now));
        tell::others(wire, room, None, &frame.text());
        tell::status(wire, room, now);
    }

    pub(super) fn disconnect(&mut self, wire: &mut Wire, client: ClientId, now: Now) {
        self.petitions.forget(client);
        for (room_id, user) in self.sockets.remove(&client).unwrap_or_default() {
            if self.grace.is_zero() {
                self.part(wire, &room_id, &user, Parting::Closed, None, now);
                continue;
            }
            let room = self.rooms.get_mut(&room_id).expect("a socket's rooms are there");
            let member = room.member_mut(&user).expect("a socket's memberships are there");
            let timer = Timer::Grace {
                room: room_id,
                user,
                membership: member.membership,
            };
            let timer = self.timers.set(now.since_start + self.grace, timer);
            member.presence = Presence::Away {
                timer,
                held: Held::default(),
            };
        }
    }

    /// Closes a socket whose membership was taken over; what else it was in gets its grace time.
    fn evict_socket(&mut self, wire: &mut Wire, socket: ClientId, now: Now) {
        wire.disconnect(socket);
        wire.close(
            socket,
            close_code::TAKEN_OVER,
            "another socket took this membership over",
        );
        self.disconnect(wire, socket, now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next_due()
    }

    pub(super) fn run_timers(&mut self, wire: &mut Wire, now: Now) {
        while let Some(timer) = self.timers.pop_due(now.since_start) {
            let Timer::Grace {
                room,
                user,
                membership,
            } = timer
            else {
                continue;
            };
            let member = self.rooms.get(&room).and_then(|room| room.member(&user));
            if member.is_some_and(|member| member.membership == membership) {
                self.part(wire, &room, &user, Parting::Closed, None, now);
            }
        }
    }

    pub(super) fn rosters(&self) -> Vec<RoomRoster> {
        self.rooms.values().map(Room::roster).collect()
    }

    pub(super) fn roster(&self, id: &str) -> Option<RoomRoster> {
        self.rooms.get(id).map(Room::roster)
    }

    pub(super) fn room_list(&self) -> Vec<RoomInfo<'_>> {
        let mut rooms: Vec<_> = self.rooms.values().collect();
        rooms.sort_by_key(|room| room.opened);
        rooms.into_iter().map(Room::info).collect()
    }

    pub(super) fn room_count(&self) -> usize {
        self.rooms.len()
    }
}
