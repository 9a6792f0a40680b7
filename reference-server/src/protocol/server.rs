use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Name, RoomId, UserId};

/// What the server says. [`ServerFrame::text`] is the frame on the wire.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerFrame<'a> {
    /// How many sockets are connected.
    #[serde(rename = "client_count")]
    ClientCount {
        /// Sockets, the new one included.
        count: usize,
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// The answer to `ping`.
    Pong {
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// The answer to a text that is not JSON.
    Echo {
        /// That text.
        original: &'a str,
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// All rooms.
    ServerRoomList {
        /// [`ROOMS_CHANNEL`](super::ROOMS_CHANNEL)
        channel: &'static str,
        /// In the order in which they were opened.
        rooms: Vec<RoomInfo<'a>>,
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// A join that changed nothing, because somebody else is there already.
    JoinRejected {
        /// [`ROOMS_CHANNEL`](super::ROOMS_CHANNEL)
        channel: &'static str,
        /// For people.
        message: String,
        /// The room.
        room_id: &'a RoomId,
        /// Who wanted to enter.
        user_id: &'a UserId,
        /// `DUPLICATE_USERNAME`, or `DUPLICATE_USER_ID` when the name is free and the id is not.
        reason: Reason,
    },
    /// The answer to a join: the membership is confirmed.
    ExistingParticipants {
        /// [`ROOMS_CHANNEL`](super::ROOMS_CHANNEL)
        channel: &'static str,
        /// The room.
        room_id: &'a RoomId,
        /// Who joined.
        user_id: &'a UserId,
        /// Shown in a later join it takes this membership over. Stays the same as long as the membership.
        token: &'a str,
        /// Whether the membership was there before this join (a takeover, or a join repeated).
        resumed: bool,
        /// The other members, in the order in which they joined.
        participants: Vec<Participant<'a>>,
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// Who is in the room, to all who are.
    RoomStatus {
        /// [`ROOMS_CHANNEL`](super::ROOMS_CHANNEL)
        channel: &'static str,
        /// The room.
        room_id: &'a RoomId,
        /// How many they are.
        participant_count: usize,
        /// In the order in which they joined.
        participants: Vec<Participant<'a>>,
        /// ISO 8601, UTC, milliseconds.
        timestamp: String,
    },
    /// A member joined.
    UserJoinedRoom(Notice<'a>),
    /// A member joined who has been in the room before.
    UserRejoinedRoom(Notice<'a>),
    /// A member left. `data.reason` is `left`, `closed` or `evicted`.
    UserLeftRoom(Notice<'a>),
    /// The host ended the room.
    RoomRemoved(Notice<'a>),
    /// A frame that changed nothing and was passed on to nobody.
    Error {
        /// For programs.
        reason: Reason,
        /// For people.
        message: String,
        /// The type of the refused frame, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<&'a str>,
        /// The room it was about, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<&'a RoomId>,
        /// The user it was about, if there was one: the recipient of a signaling frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a UserId>,
    },
}

/// A change of a room's roster, in the enveloped form that real clients read.
#[derive(Debug, Serialize)]
pub struct Notice<'a> {
    /// The public fields of the frame that caused it, and what the server adds.
    pub data: Map<String, Value>,
    /// Milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The `sender` of the frame that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<&'a Value>,
    /// [`ROOMS_CHANNEL`](super::ROOMS_CHANNEL)
    pub channel: &'static str,
}

/// Why a frame was refused. On the wire: [`Reason::as_str`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not understood, or contradicts what is so.
    InvalidMessage,
    /// A limit of this server is reached; see [`limits`](super::limits) and [`RoomLimits`](crate::RoomLimits).
    LimitReached,
    /// The sender is not that member of the room, or the recipient is not in it.
    NotAMember,
    /// Only the room's host may ask for that.
    NotHost,
    /// More frames than the rate limit allows.
    RateLimited,
    /// The recipient's socket is away, and as many frames as the server keeps already wait for it.
    RecipientAway,
    /// The room to open is there already.
    RoomExists,
    /// `maxParticipants` are in it.
    RoomFull,
    /// No such room.
    RoomNotFound,
    /// Another member has that name, whatever its case.
    DuplicateUsername,
    /// Another socket has that membership, and the join did not show its token.
    DuplicateUserId,
}

impl Reason {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "invalid-message",
            Self::LimitReached => "limit-reached",
            Self::NotAMember => "not-a-member",
            Self::NotHost => "not-host",
            Self::RateLimited => "rate-limited",
            Self::RecipientAway => "recipient-away",
            Self::RoomExists => "room-exists",
            Self::RoomFull => "room-full",
            Self::RoomNotFound => "room-not-found",
            Self::DuplicateUsername => "DUPLICATE_USERNAME",
            Self::DuplicateUserId => "DUPLICATE_USER_ID",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// A room as lists show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo<'a> {
    /// The room.
    pub id: &'a RoomId,
    /// Its name.
    pub name: &'a Name,
    /// Free text, often empty.
    pub description: &'a str,
    /// The host's name.
    pub host: &'a Name,
    /// The host.
    pub host_id: &'a UserId,
    /// ISO 8601, UTC, milliseconds.
    pub created_at: String,
    /// How many are in it.
    pub participant_count: usize,
    /// Who, in the order in which they joined.
    pub participants: Vec<Participant<'a>>,
    /// How many may be in it.
    pub max_participants: u32,
    /// Enforced by clients.
    pub require_approval: bool,
}

/// A member as lists show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant<'a> {
    /// The user.
    pub id: &'a UserId,
    /// Its name.
    pub name: &'a Name,
    /// ISO 8601, UTC, milliseconds.
    pub joined_at: String,
    /// Whether it is the host; the deployment says `false` of everybody.
    pub is_host: bool,
}

impl ServerFrame<'_> {
    /// The frame on the wire, ready to be sent to many.
    pub fn text(&self) -> Arc<str> {
        serde_json::to_string(self)
            .expect("strings, numbers and string keys always serialise")
            .into()
    }
}

/// `2026-11-23T21:40:41.309Z`; years past 9999 stop at their last millisecond.
pub fn iso_timestamp(unix_ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST_MS))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_those_of_javascript() {
        assert_eq!(iso_timestamp(1_795_470_042_168), "2026-11-23T21:40:42.168Z");
        assert_eq!(iso_timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_timestamp(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn fields_stand_in_the_order_of_the_deployment() {
        let (room_id, user_id) = (&RoomId::new("r").expect("fair"), &UserId::new("u").expect("fair"));
        let frame = ServerFrame::JoinRejected {
            channel: super::super::ROOMS_CHANNEL,
            message: "no".into(),
            room_id,
            user_id,
            reason: Reason::DuplicateUsername,
        };
        assert_eq!(
            &*frame.text(),
            r#"{"type":"join-rejected","channel":"webrtc-dashboard-rooms","message":"no","roomId":"r","userId":"u","reason":"DUPLICATE_USERNAME"}"#
        );
    }
}
