use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Channel, Envelope, Name, RoomId, UserId,
    limits::{DESCRIPTION_BYTES_MAX, ID_BYTES_MAX},
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// `subscribe`
    Subscribe(Channel),
    /// `unsubscribe`
    Unsubscribe(Channel),
    /// `ping`
    Ping,
    /// `create-room`, and `room-created` as enveloped clients call it.
    CreateRoom(CreateRoom),
    /// `user-joined-room`
    Join(Join),
    /// `user-left-room`
    Leave(Leave),
    /// `room-removed`
    RemoveRoom(RemoveRoom),
    /// `room-list-request`
    ListRooms,
    /// `webrtc-offer`, `webrtc-answer`, `webrtc-ice`
    Signal(Signal),
    /// Any other type that has a channel.
    Relay(Relay),
}

/// Opens a room and makes its host the first member.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRoom {
    /// The room.
    pub room_id: RoomId,
    /// Its name.
    pub room_name: Name,
    /// Free text for lists of rooms.
    #[serde(default, deserialize_with = "description")]
    pub description: String,
    /// The user who opens it.
    pub host_id: UserId,
    /// That user's name.
    pub host_name: Name,
    /// How many may be in it at once, at least 1.
    #[serde(default, deserialize_with = "participants")]
    pub max_participants: Option<u32>,
    /// Carried in lists; clients enforce it among themselves.
    #[serde(default)]
    pub require_approval: Option<bool>,
    /// The membership token of the host, if it comes back.
    #[serde(default)]
    pub token: Option<String>,
}

/// Enters a room, or takes a membership over when it shows its token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// The room.
    pub room_id: RoomId,
    /// Who enters.
    pub user_id: UserId,
    /// Under which name.
    pub user_name: Name,
    /// The membership token of an earlier answer.
    #[serde(default)]
    pub token: Option<String>,
    /// Open the room if it is not there, so that many may arrive at once in any order.
    #[serde(default)]
    pub create: Option<bool>,
    /// For a room that this join opens; at least 1.
    #[serde(default, deserialize_with = "participants")]
    pub max_participants: Option<u32>,
    /// For a room that this join opens; the room's id otherwise.
    #[serde(default)]
    pub room_name: Option<Name>,
}

/// Ends a membership.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leave {
    /// The room.
    pub room_id: RoomId,
    /// Who leaves.
    pub user_id: UserId,
    /// The membership token, if another socket than the member's says so.
    #[serde(default)]
    pub token: Option<String>,
}

/// Ends a room and every membership in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveRoom {
    /// The room.
    pub room_id: RoomId,
}

/// An offer, an answer or a candidate; what it carries is nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// The room of both.
    pub room_id: RoomId,
    /// Who sends.
    pub from_user_id: UserId,
    /// Who alone receives.
    pub to_user_id: UserId,
}

/// A frame that is passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Only its subscribers receive the frame.
    pub channel: Channel,
    /// Only its members receive the frame.
    pub room_id: RoomId,
    /// `requestId` or `id`: the request to be let in that the frame makes or answers.
    pub request_id: Option<String>,
}

/// Why a frame says nothing that this server understands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidFrame(String);

/// Types that only the server may say: passed on, they would pass for its own.
const SERVER_TYPES: [&str; 8] = [
    "client_count",
    "echo",
    "error",
    "existing-participants",
    "pong",
    "room-status",
    "server-room-list",
    "user-rejoined-room",
];

impl InvalidFrame {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl ClientFrame {
    /// Reads a frame in either form. Fields of no meaning here are ignored.
    pub fn read(envelope: &Envelope) -> Result<Self, InvalidFrame> {
        let fields = envelope.fields();
        match envelope
            .kind()
            .ok_or_else(|| InvalidFrame("the frame has no type".into()))?
        {
            "subscribe" => Ok(Self::Subscribe(channel(envelope)?)),
            "unsubscribe" => Ok(Self::Unsubscribe(channel(envelope)?)),
            "ping" => Ok(Self::Ping),
            "create-room" => Ok(Self::CreateRoom(typed(fields)?)),
            "room-created" => Ok(Self::CreateRoom(typed(&in_our_words(fields))?)),
            "user-joined-room" => Ok(Self::Join(typed(fields)?)),
            "user-left-room" => Ok(Self::Leave(typed(fields)?)),
            "room-removed" => Ok(Self::RemoveRoom(typed(&in_our_words(fields))?)),
            "room-list-request" => Ok(Self::ListRooms),
            "webrtc-offer" | "webrtc-answer" | "webrtc-ice" => Ok(Self::Signal(typed(fields)?)),
            kind if SERVER_TYPES.contains(&kind) => {
                Err(InvalidFrame(format!("only the server sends {kind}")))
            }
            _ => Ok(Self::Relay(Relay {
                channel: channel(envelope)?,
                room_id: typed::<InRoom>(fields)?.room_id,
                request_id: request_id(fields)?,
            })),
        }
    }
}

/// Enveloped clients announce a room as the object that they keep: `id`, `name` and `host` are its fields.
fn in_our_words(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    for (theirs, ours) in [("id", "roomId"), ("name", "roomName"), ("host", "hostName")] {
        if !fields.contains_key(ours)
            && let Some(value) = fields.get(theirs).cloned()
        {
            fields.insert(ours.into(), value);
        }
    }
    fields
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRoom {
    room_id: RoomId,
}

/// Reads one typed frame out of its fields.
fn typed<'a, T: Deserialize<'a>>(fields: &'a Map<String, Value>) -> Result<T, InvalidFrame> {
    T::deserialize(fields).map_err(|error| InvalidFrame(error.to_string()))
}

fn channel(envelope: &Envelope) -> Result<Channel, InvalidFrame> {
    let channel = envelope
        .channel()
        .ok_or_else(|| InvalidFrame("the frame has no channel".into()))?;
    Channel::new(channel).map_err(|error| InvalidFrame(error.to_string()))
}

fn request_id(fields: &Map<String, Value>) -> Result<Option<String>, InvalidFrame> {
    let id = fields
        .get("requestId")
        .or_else(|| fields.get("id"))
        .and_then(Value::as_str);
    match id {
        Some(id) if id.len() > ID_BYTES_MAX => Err(InvalidFrame(format!(
            "the request id is longer than {ID_BYTES_MAX} bytes"
        ))),
        id => Ok(id.map(Into::into)),
    }
}

fn description<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default();
    if text.len() > DESCRIPTION_BYTES_MAX {
        return Err(de::Error::custom(format_args!(
            "the description is longer than {DESCRIPTION_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

fn participants<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(from)? {
        Some(0) => Err(de::Error::custom("maxParticipants is 0")),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClientFrame, InvalidFrame> {
        ClientFrame::read(&Envelope::parse(text).expect("an object"))
    }

    #[test]
    fn a_join_reads_the_same_in_both_forms() {
        let flat =
            read(r#"{"type":"user-joined-room","roomId":"r","userId":"u","userName":"U","create":true}"#);
        let enveloped = read(
            r#"{"type":"user-joined-room","data":{"roomId":"r","userId":"u","userName":"U","create":true}}"#,
        );
        assert_eq!(flat, enveloped);
        assert!(matches!(
            flat,
            Ok(ClientFrame::Join(Join {
                create: Some(true),
                ..
            }))
        ));
    }

    #[test]
    fn a_room_created_by_an_enveloped_client_may_use_its_own_names() {
        let ours = read(r#"{"type":"create-room","roomId":"r","roomName":"R","hostId":"h","hostName":"H"}"#);
        let theirs = read(r#"{"type":"room-created","data":{"id":"r","name":"R","hostId":"h","host":"H"}}"#);
        assert_eq!(ours, theirs);
        assert!(ours.is_ok());
    }

    #[test]
    fn a_mistake_is_named() {
        let mistake = |text| read(text).expect_err("invalid").to_string();
        assert!(mistake(r#"{"type":"user-left-room","roomId":"r"}"#).contains("userId"));
        assert!(
            mistake(r#"{"type":"user-left-room","roomId":"","userId":"u"}"#).contains("room id is empty")
        );
        assert!(mistake(r#"{"channel":"c"}"#).contains("no type"));
        assert!(mistake(r#"{"type":"x","roomId":"r"}"#).contains("no channel"));
        assert!(mistake(r#"{"type":"x","channel":"c"}"#).contains("roomId"));
        assert!(mistake(r#"{"type":"room-status","channel":"c","roomId":"r"}"#).contains("only the server"));
        let crowd = r#"{"type":"create-room","roomId":"r","roomName":"R","hostId":"h","hostName":"H","maxParticipants":0}"#;
        assert!(mistake(crowd).contains("maxParticipants"));
    }
}
