//! What the members of a room are told.

use std::sync::Arc;

use serde_json::Value;

use super::{ClientId, Now, members::Room, wire::Wire};
use crate::protocol::{Envelope, Notice, ROOMS_CHANNEL, ServerFrame, UserId};

/// A change of the roster: the public fields of the frame that caused it, with what the server knows better.
pub(super) fn notice<'a>(
    cause: Option<&'a Envelope>,
    room: &Room,
    fields: &[(&str, &str)],
    now: Now,
) -> Notice<'a> {
    let mut data = cause.map(Envelope::public_fields).unwrap_or_default();
    data.insert("roomId".into(), room.id.as_str().into());
    for &(key, value) in fields {
        data.insert(key.into(), Value::from(value));
    }
    Notice {
        data,
        timestamp: now.unix_ms,
        sender: cause.and_then(Envelope::sender),
        channel: ROOMS_CHANNEL,
    }
}

/// Confirms a membership to the socket that asked for it.
pub(super) fn confirm(
    wire: &mut Wire,
    client: ClientId,
    room: &Room,
    user: &UserId,
    resumed: bool,
    now: Now,
) {
    let member = room
        .member(user)
        .expect("a membership is confirmed once it is there");
    let frame = ServerFrame::ExistingParticipants {
        channel: ROOMS_CHANNEL,
        room_id: &room.id,
        user_id: user,
        token: &member.token,
        resumed,
        participants: room.participants(Some(user)),
        timestamp: now.iso(),
    };
    wire.say(client, &frame);
}

/// Sends a frame to the members who can be reached.
pub(super) fn others(wire: &mut Wire, room: &Room, except: Option<ClientId>, frame: &Arc<str>) {
    for (_, socket) in room.sockets().filter(|(_, socket)| Some(*socket) != except) {
        wire.send(socket, frame.clone());
    }
}

/// Sends the roster to the members who can be reached.
pub(super) fn status(wire: &mut Wire, room: &Room, now: Now) {
    let participants = room.participants(None);
    let frame = ServerFrame::RoomStatus {
        channel: ROOMS_CHANNEL,
        room_id: &room.id,
        participant_count: participants.len(),
        participants,
        timestamp: now.iso(),
    };
    others(wire, room, None, &frame.text());
}
