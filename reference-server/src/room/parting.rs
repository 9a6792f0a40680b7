//! How a membership ends.

use super::{
    ClientId, Now, close_code,
    members::{Held, Presence},
    refusal::Refusal,
    scoped::Scoped,
    tell,
    timers::Timer,
    wire::Wire,
};
use crate::protocol::{Envelope, Leave, Reason, RemoveRoom, RoomId, ServerFrame, UserId};

/// Why a membership ends; others are told.
#[derive(Clone, Copy)]
pub(super) enum Parting {
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
    pub(super) fn leave(
        &mut self,
        wire: &mut Wire,
        client: ClientId,
        envelope: &Envelope,
        leave: &Leave,
        now: Now,
    ) -> Result<(), Refusal> {
        let Leave {
            room_id,
            user_id,
            token,
        } = leave;
        let room = self
            .rooms
            .get(room_id)
            .ok_or_else(|| Refusal::room_not_found(room_id))?;
        let shown = room
            .member(user_id)
            .is_some_and(|member| Some(&member.token) == token.as_ref());
        if self.user_of(client, room_id) != Some(user_id) && !shown {
            return Err(Refusal::not_the_sender(room_id, user_id));
        }
        self.part(wire, room_id, user_id, Parting::Left, Some(envelope), now);
        Ok(())
    }

    pub(super) fn remove_room(
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
    pub(super) fn part(
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
    pub(super) fn evict_socket(&mut self, wire: &mut Wire, socket: ClientId, now: Now) {
        wire.disconnect(socket);
        wire.close(
            socket,
            close_code::TAKEN_OVER,
            "another socket took this membership over",
        );
        self.disconnect(wire, socket, now);
    }
}
