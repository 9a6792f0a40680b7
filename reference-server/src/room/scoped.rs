//! What the protocol's design promises: rooms are registered, and nothing leaves them.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ClientId, HubConfig, Now, RoomRoster, TokenSeed,
    members::Room,
    parting::Parting,
    petitions::Petitions,
    refusal::Refusal,
    timers::{Timer, Timers},
    token::Tokens,
    wire::Wire,
};
use crate::{
    limits::RoomLimits,
    protocol::{ClientFrame, Envelope, ROOMS_CHANNEL, Reason, RoomId, RoomInfo, ServerFrame, UserId},
};

/// The rooms, and which socket serves which membership.
///
/// Invariant: a membership is in `sockets` under exactly the socket that its presence names, and nowhere
/// while it is away. No room is empty between two calls.
#[derive(Debug)]
pub(super) struct Scoped {
    pub(super) grace: Duration,
    pub(super) limits: RoomLimits,
    pub(super) rooms: BTreeMap<RoomId, Room>,
    pub(super) sockets: BTreeMap<ClientId, BTreeMap<RoomId, UserId>>,
    pub(super) petitions: Petitions,
    pub(super) timers: Timers,
    pub(super) tokens: Tokens,
    pub(super) memberships: u64,
    pub(super) opened: u64,
}

impl Scoped {
    pub(super) fn new(config: &HubConfig, seed: TokenSeed) -> Self {
        Self {
            grace: config.grace,
            limits: config.limits.clone(),
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

    pub(super) fn member_count(&self) -> usize {
        self.rooms.values().map(Room::member_count).sum()
    }
}
