use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::peerjs::{Chunks, data};
use crate::base::{Incarnation, PeerNumber};

/// The id of a chat message, in `data.id`: who sent it (its place in the whole plan), in which membership, and which of its messages
/// it is. Written `peer-incarnation-seq`; the reserved ones have a word instead of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatId {
    pub peer: PeerNumber,
    pub incarnation: Incarnation,
    pub seq: Seq,
}

/// Which message of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seq {
    /// A scripted message: counts the chat instants of the membership from 0.
    Chat(u32),
    /// Sent on every fresh channel (number 0), and after a fault: data has flowed once it is there.
    Probe(u32),
    /// The answer to a probe other than number 0: data flows both ways.
    Echo(u32),
    /// Sent last, when the room settles: on an ordered channel everything before it has arrived.
    Fin,
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-", self.peer.0, self.incarnation.0)?;
        match self.seq {
            Seq::Chat(seq) => write!(f, "{seq}"),
            Seq::Probe(number) => write!(f, "probe{number}"),
            Seq::Echo(number) => write!(f, "echo{number}"),
            Seq::Fin => f.write_str("fin"),
        }
    }
}

impl FromStr for ChatId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or(());
        let peer = PeerNumber(next()?.parse().map_err(drop)?);
        let incarnation = Incarnation(next()?.parse().map_err(drop)?);
        let text = next()?;
        let number = |text: &str| text.parse().map_err(drop);
        let seq = if text == "fin" {
            Seq::Fin
        } else if let Some(probe) = text.strip_prefix("probe") {
            Seq::Probe(number(probe)?)
        } else if let Some(echo) = text.strip_prefix("echo") {
            Seq::Echo(number(echo)?)
        } else {
            Seq::Chat(number(text)?)
        };
        Ok(Self {
            peer,
            incarnation,
            seq,
        })
    }
}

/// A message of a data channel (RFC 8831, section 6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelData {
    /// UTF-8.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// How the clients of a protocol write messages on their data channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelFormat {
    /// PeerJS's `binary`: BinaryPack, in pieces where it is long.
    PeerJsBinary,
    /// PeerJS's `json`: JSON, as bytes.
    PeerJsJson,
    /// PeerJS's `raw`: whatever the application sends.
    PeerJsRaw,
    /// JSON, as text.
    #[default]
    Text,
}

impl ChannelFormat {
    /// A message as it goes over the channel, in the order of its pieces. `number` tells the pieces of one message from
    /// those of others.
    pub fn write(self, json: &str, number: u32) -> Vec<ChannelData> {
        match self {
            Self::PeerJsBinary => data::write_binary(json, number),
            Self::PeerJsJson => vec![ChannelData::Binary(json.as_bytes().to_vec())],
            Self::PeerJsRaw | Self::Text => vec![ChannelData::Text(json.to_owned())],
        }
    }

    /// What has come over the channel, once it is whole; never fails, for anybody may send anything.
    pub fn read(self, data: &ChannelData, chunks: &mut Chunks) -> Option<ChannelMessage> {
        Some(match (self, data) {
            (Self::PeerJsBinary, data) => return data::read_binary(data, chunks),
            (Self::PeerJsJson, data) => data::read_json(data),
            (Self::PeerJsRaw, data) => data::read_raw(data),
            (Self::Text, ChannelData::Text(text)) => ChannelMessage::decode(text),
            (Self::Text, ChannelData::Binary(_)) => ChannelMessage::Other,
        })
    }

    /// Whether clients tell each other who they are as soon as a channel opens.
    pub fn greets(self) -> bool {
        self == Self::Text
    }
}

/// What goes over the data channel labelled [`ChannelMessage::LABEL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelMessage {
    /// One of ours.
    Chat { id: ChatId, bytes: u32 },
    /// A chat message whose id is not one of ours: sent by a client that is not this harness.
    ForeignChat { bytes: u32 },
    /// The list of participants that clients send as soon as a channel opens.
    ParticipantList,
    /// The sender wants the channel closed.
    Close,
    /// Anything else.
    Other,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "roomId", borrow, default, skip_serializing_if = "Option::is_none")]
    room_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    room_id: Cow<'a, str>,
    #[serde(borrow, default)]
    author_id: Cow<'a, str>,
    #[serde(borrow, default)]
    author_name: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Cow<'a, str>,
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    timestamp: u64,
}

impl ChannelMessage {
    /// The label of the channel; it is ordered and reliable.
    pub const LABEL: &'static str = "chat";

    /// A chat message with `size` bytes of content.
    pub fn encode_chat(id: ChatId, room: &str, user_id: &str, name: &str, size: u32, unix_ms: u64) -> String {
        let message = Envelope {
            kind: "chat-message".into(),
            room_id: Some(room.into()),
            data: Some(Data {
                id: id.to_string().into(),
                room_id: room.into(),
                author_id: user_id.into(),
                author_name: name.into(),
                content: "x".repeat(size as usize).into(),
                kind: "text".into(),
                timestamp: unix_ms,
            }),
        };
        serde_json::to_string(&message).expect("strings and numbers always serialize")
    }

    /// The list of participants as a client knows it that has just opened a channel: itself.
    pub fn encode_participant(user_id: &str, name: &str) -> String {
        let itself = serde_json::json!({ "id": user_id, "name": name, "isHost": false });
        serde_json::json!({ "type": "participant-list", "participants": [itself] }).to_string()
    }

    /// Reads what came in; never fails, for anybody may send anything.
    pub fn decode(text: &str) -> Self {
        serde_json::from_str::<Envelope<'_>>(text).map_or(Self::Other, Self::of)
    }

    /// The same of what is read already.
    pub fn decode_value(value: &serde_json::Value) -> Self {
        Envelope::deserialize(value).map_or(Self::Other, Self::of)
    }

    fn of(message: Envelope<'_>) -> Self {
        match (message.kind.as_ref(), message.data) {
            ("participant-list", _) => Self::ParticipantList,
            ("chat-message", Some(data)) => {
                let bytes = u32::try_from(data.content.len()).unwrap_or(u32::MAX);
                match data.id.parse() {
                    Ok(id) => Self::Chat { id, bytes },
                    Err(()) => Self::ForeignChat { bytes },
                }
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: Seq) -> ChatId {
        ChatId {
            peer: PeerNumber(3),
            incarnation: Incarnation(2),
            seq,
        }
    }

    #[test]
    fn a_chat_message_reads_back_with_its_id_and_size() {
        for seq in [
            Seq::Chat(17),
            Seq::Probe(0),
            Seq::Probe(3),
            Seq::Echo(3),
            Seq::Fin,
        ] {
            let text = ChannelMessage::encode_chat(id(seq), "r", "u", "Ann \"A\"", 256, 1);
            assert_eq!(
                ChannelMessage::decode(&text),
                ChannelMessage::Chat {
                    id: id(seq),
                    bytes: 256
                }
            );
        }
    }

    #[test]
    fn what_others_send_is_told_apart() {
        let foreign = r#"{"type":"chat-message","roomId":"r","data":{"id":"a-b-c","content":"hi"}}"#;
        assert_eq!(
            ChannelMessage::decode(foreign),
            ChannelMessage::ForeignChat { bytes: 2 }
        );
        let list = r#"{"type":"participant-list","participants":[{"id":"u"}]}"#;
        assert_eq!(ChannelMessage::decode(list), ChannelMessage::ParticipantList);
        for other in ["", "{", "[]", r#"{"type":"chat-message"}"#, r#"{"type":7}"#] {
            assert_eq!(ChannelMessage::decode(other), ChannelMessage::Other);
        }
    }
}
