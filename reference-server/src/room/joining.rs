//! How a membership begins, or goes over to another socket.

use std::collections::BTreeMap;

use super::{
    ClientId, Now,
    members::{Held, Presence, Room, RoomPlan},
    refusal::Refusal,
    scoped::Scoped,
    tell,
    wire::Wire,
};
use crate::protocol::{
    CreateRoom, Envelope, Join, Reason, ServerFrame,
    limits::{PARTICIPANTS_DEFAULT, ROOMS_PER_SOCKET_MAX},
};

/// What a join comes to, once nothing speaks against it.
enum Admission {
    /// A new membership.
    New,
    /// The socket has this membership already.
    Again,
    /// The join showed the membership's token.
    Takeover,
}

impl Scoped {
    pub(super) fn create_room(
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
            max_participants: self.capacity(create.max_participants),
            require_approval: create.require_approval.unwrap_or(false),
        };
        self.enter(wire, client, envelope, join, Some(plan), now)
    }

    pub(super) fn join(
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
            max_participants: self.capacity(join.max_participants),
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
            if self.rooms.len() >= self.limits.rooms_max {
                return Err(Refusal::too_many_rooms().about(&join.room_id, None));
            }
            let members_max = self.limits.members_per_room_max;
            if plan.max_participants > members_max {
                let message = format!("maxParticipants is above this server's limit of {members_max}");
                let refusal = Refusal::new(Reason::LimitReached, message);
                return Err(refusal.about(&join.room_id, Some(&join.user_id)));
            }
            self.opened += 1;
            self.rooms
                .insert(join.room_id.clone(), Room::open(plan, self.opened, now.unix_ms));
        }
        match admission {
            Admission::New => self.welcome(wire, client, envelope, &join, now),
            Admission::Again => {
                let room = self.rooms.get_mut(&join.room_id).expect("it has the member");
                let renamed = room.rename(&join.user_id, &join.user_name);
                tell::confirm(wire, client, room, &join.user_id, true, now);
                if renamed {
                    tell::status(wire, room, now);
                }
            }
            Admission::Takeover => self.hand_over(wire, client, &join, now),
        }
        Ok(())
    }

    /// A new membership; the room is there.
    fn welcome(&mut self, wire: &mut Wire, client: ClientId, envelope: &Envelope, join: &Join, now: Now) {
        let (user, name) = (&join.user_id, &join.user_name);
        let room = self
            .rooms
            .get_mut(&join.room_id)
            .expect("it was there or has just been opened");
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
        let fields = [("userId", user.as_str()), ("userName", name.as_str())];
        let notice = tell::notice(Some(envelope), room, &fields, now);
        let frame = match returns {
            false => ServerFrame::UserJoinedRoom(notice),
            true => ServerFrame::UserRejoinedRoom(notice),
        };
        tell::others(wire, room, Some(client), &frame.text());
        tell::status(wire, room, now);
    }

    /// The membership goes over to another socket. Nobody left and nobody joined: the others get the status.
    fn hand_over(&mut self, wire: &mut Wire, client: ClientId, join: &Join, now: Now) {
        let Join {
            room_id,
            user_id: user,
            user_name: name,
            ..
        } = join;
        let room = self.rooms.get_mut(room_id).expect("it has the member");
        room.rename(user, name);
        let member = room.member_mut(user).expect("a takeover is of a member");
        let before = std::mem::replace(&mut member.presence, Presence::Here(client));
        self.sockets
            .entry(client)
            .or_default()
            .insert(room_id.clone(), user.clone());
        let held = match before {
            Presence::Here(old) => {
                let rooms = self
                    .sockets
                    .get_mut(&old)
                    .expect("a present member is under its socket");
                rooms.remove(room_id);
                self.evict_socket(wire, old, now);
                Held::default()
            }
            Presence::Away { timer, held } => {
                self.timers.cancel(timer);
                held
            }
        };
        // With no grace time the old socket's other rooms may just have ended, but this one has its member.
        let room = self.rooms.get(room_id).expect("it has the member that came back");
        tell::confirm(wire, client, room, user, true, now);
        tell::status(wire, room, now);
        for frame in room.still_meant(held) {
            wire.send(client, frame);
        }
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

    /// `maxParticipants` of a room that asks for so many; whether it may have them is not looked at.
    fn capacity(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(PARTICIPANTS_DEFAULT.min(self.limits.members_per_room_max))
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
}
