use super::RefusalCause;
use crate::protocol::{InvalidFrame, Name, ROOMS_CHANNEL, Reason, RoomId, ServerFrame, UserId};

/// Why a frame changes nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: Reason,
    message: String,
    room: Option<RoomId>,
    user: Option<UserId>,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            room: None,
            user: None,
        }
    }

    pub(super) fn room_not_found(room: &RoomId) -> Self {
        Self::new(Reason::RoomNotFound, format!("there is no room {room}")).about(room, None)
    }

    pub(super) fn not_a_member(room: &RoomId, user: &UserId) -> Self {
        let message = format!("{user} is not in the room {room}");
        Self::new(Reason::NotAMember, message).about(room, Some(user))
    }

    pub(super) fn not_the_sender(room: &RoomId, user: &UserId) -> Self {
        let message = format!("this socket is not {user} in the room {room}");
        Self::new(Reason::NotAMember, message).about(room, Some(user))
    }

    pub(super) fn duplicate_name(room: &RoomId, user: &UserId, name: &Name) -> Self {
        let message =
            format!("Username \"{name}\" already exists in this room. Please choose a different name.");
        Self::new(Reason::DuplicateUsername, message).about(room, Some(user))
    }

    pub(super) fn duplicate_user(room: &RoomId, user: &UserId) -> Self {
        let message = format!("{user} is in this room on another socket; show the token to take it over.");
        Self::new(Reason::DuplicateUserId, message).about(room, Some(user))
    }

    pub(super) fn too_many_rooms() -> Self {
        Self::new(Reason::LimitReached, "this server has too many rooms")
    }

    pub(super) fn about(mut self, room: &RoomId, user: Option<&UserId>) -> Self {
        self.room = Some(room.clone());
        self.user = user.cloned();
        self
    }

    pub(super) fn cause(&self) -> RefusalCause {
        RefusalCause::Reason(self.reason)
    }

    /// The answer to a frame of the type `request`.
    pub(super) fn frame<'a>(&'a self, request: Option<&'a str>) -> ServerFrame<'a> {
        let Self {
            reason,
            message,
            room,
            user,
        } = self;
        match (reason, room, user) {
            (Reason::DuplicateUsername | Reason::DuplicateUserId, Some(room_id), Some(user_id)) => {
                ServerFrame::JoinRejected {
                    channel: ROOMS_CHANNEL,
                    message: message.clone(),
                    room_id,
                    user_id,
                    reason: *reason,
                }
            }
            _ => ServerFrame::Error {
                reason: *reason,
                message: message.clone(),
                request: request.filter(|kind| kind.len() <= crate::protocol::limits::ID_BYTES_MAX),
                room_id: room.as_ref(),
                user_id: user.as_ref(),
            },
        }
    }
}

impl From<InvalidFrame> for Refusal {
    fn from(error: InvalidFrame) -> Self {
        Self::new(Reason::InvalidMessage, error.to_string())
    }
}
