//! The dashboard's protocol: JSON text frames over one WebSocket, as the reference server speaks it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{Candidate, Description, LeaveReason, Member, Message, SdpType};

const ROOMS: &str = "webrtc-dashboard-rooms";
const SIGNALING: &str = "webrtc-signaling";
const CHAT: &str = "webrtc-dashboard-chat";

/// Speaks for one user in one room.
#[derive(Debug, Clone)]
pub struct Dashboard {
    room_id: String,
    user_id: String,
    /// The envelope's `sender`: a client ignores frames that carry its own.
    sender: String,
}

/// What is around every frame that comes in. The flat form has no `data`: its fields stand beside `type`.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    sender: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// What is around every frame that goes out.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Data<'a>,
    timestamp: u64,
    sender: &'a str,
    channel: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Join {
        room_id: &'a str,
        user_id: &'a str,
        user_name: &'a str,
        existing_participants: [(); 0],
        create: bool,
        max_participants: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
    },
    #[serde(rename_all = "camelCase")]
    Leave { room_id: &'a str, user_id: &'a str },
    #[serde(rename_all = "camelCase")]
    Addressed {
        room_id: &'a str,
        from_user_id: &'a str,
        to_user_id: &'a str,
        #[serde(flatten)]
        payload: Payload<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Payload<'a> {
    Offer(OutgoingSdp<'a>),
    Answer(OutgoingSdp<'a>),
    Candidate(WireCandidate<'a>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    room_id: Option<String>,
    user_id: Option<String>,
    user_name: Option<String>,
    from_user_id: Option<String>,
    to_user_id: Option<String>,
    #[serde(deserialize_with = "participants")]
    participants: Vec<Participant>,
    token: Option<String>,
    resumed: bool,
    reason: Option<String>,
    message: Option<String>,
    request: Option<String>,
    offer: Option<IncomingSdp>,
    answer: Option<IncomingSdp>,
    candidate: Option<WireCandidate<'static>>,
}

#[derive(Deserialize)]
struct IncomingSdp {
    sdp: String,
}

#[derive(Serialize)]
struct OutgoingSdp<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sdp: &'a str,
}

/// `RTCIceCandidateInit` as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCandidate<'a> {
    candidate: Cow<'a, str>,
    #[serde(default)]
    sdp_mid: Option<Cow<'a, str>>,
    #[serde(default)]
    sdp_m_line_index: Option<u16>,
    #[serde(default)]
    username_fragment: Option<Cow<'a, str>>,
}

/// A roster that is `null` or misshapen is an empty one: the frame's other fields still count.
fn participants<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Participant>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl Dashboard {
    /// For `user_id` in the room `room_id`.
    pub fn new(room_id: &str, user_id: &str) -> Self {
        Self {
            room_id: room_id.to_owned(),
            user_id: user_id.to_owned(),
            sender: format!("tab-{user_id}"),
        }
    }

    /// The frames that a client sends as soon as its socket is open.
    pub fn hello(&self) -> Vec<String> {
        [ROOMS, SIGNALING, CHAT]
            .map(|channel| json!({"type": "subscribe", "channel": channel}).to_string())
            .to_vec()
    }

    /// One outgoing message as a frame; `None` for messages that only servers send.
    /// `unix_ms` fills the envelope's `timestamp`.
    pub fn encode(&self, message: &Message, unix_ms: u64) -> Option<String> {
        let (kind, channel, data) = match message {
            Message::Ping => return Some(json!({"type": "ping"}).to_string()),
            Message::Join {
                name,
                token,
                capacity,
            } => {
                let join = Data::Join {
                    room_id: &self.room_id,
                    user_id: &self.user_id,
                    user_name: name,
                    existing_participants: [],
                    create: true,
                    max_participants: *capacity,
                    token: token.as_deref(),
                };
                ("user-joined-room", ROOMS, join)
            }
            Message::Leave => {
                let leave = Data::Leave {
                    room_id: &self.room_id,
                    user_id: &self.user_id,
                };
                ("user-left-room", ROOMS, leave)
            }
            Message::Description { remote, description } => {
                let sdp = |kind| OutgoingSdp {
                    kind,
                    sdp: &description.sdp,
                };
                let (kind, payload) = match description.sdp_type {
                    SdpType::Offer => ("webrtc-offer", Payload::Offer(sdp("offer"))),
                    SdpType::Answer => ("webrtc-answer", Payload::Answer(sdp("answer"))),
                };
                (kind, SIGNALING, self.addressed(remote, payload))
            }
            Message::Candidate { remote, candidate } => {
                let payload = Payload::Candidate(WireCandidate {
                    candidate: candidate.candidate.as_str().into(),
                    sdp_mid: candidate.sdp_mid.as_deref().map(Cow::from),
                    sdp_m_line_index: candidate.sdp_m_line_index,
                    username_fragment: candidate.username_fragment.as_deref().map(Cow::from),
                });
                ("webrtc-ice", SIGNALING, self.addressed(remote, payload))
            }
            _ => return None,
        };
        let frame = Envelope {
            kind,
            data,
            timestamp: unix_ms,
            sender: &self.sender,
            channel,
        };
        Some(serde_json::to_string(&frame).expect("strings and numbers are always JSON"))
    }

    /// Reads one incoming frame. `None`: it is not this protocol, is meant for another room or user, or
    /// is one's own.
    pub fn decode(&self, text: &str) -> Option<Message> {
        let frame: Frame<'_> = serde_json::from_str(text).ok()?;
        if frame.sender.as_deref() == Some(&self.sender) {
            return None;
        }
        let body: Body = serde_json::from_str(frame.data.map_or(text, RawValue::get)).ok()?;
        if body.room_id.as_ref().is_some_and(|room| *room != self.room_id) {
            return None;
        }
        let kind = frame.kind.as_ref();
        let message = match kind {
            "existing-participants" => Message::Welcome {
                members: members(body.participants),
                token: body.token,
                resumed: body.resumed,
            },
            "room-status" => Message::Roster {
                members: members(body.participants),
            },
            "user-joined-room" | "user-rejoined-room" => Message::MemberJoined {
                member: Member {
                    user_id: body.user_id.filter(|id| *id != self.user_id)?,
                    name: body.user_name.unwrap_or_default(),
                },
                again: kind == "user-rejoined-room",
            },
            "user-left-room" => Message::MemberLeft {
                user_id: body.user_id.filter(|id| *id != self.user_id)?,
                reason: match body.reason.as_deref() {
                    Some("closed") => LeaveReason::Closed,
                    Some("evicted") => LeaveReason::Evicted,
                    _ => LeaveReason::Left,
                },
            },
            "join-rejected" if body.user_id.as_ref().is_none_or(|id| *id == self.user_id) => {
                Message::JoinRejected {
                    reason: body.reason.unwrap_or_default(),
                    message: body.message.unwrap_or_default(),
                }
            }
            "error" => Message::Error {
                about_membership: body.reason.as_deref() == Some("not-a-member")
                    && body.user_id.as_ref() == Some(&self.user_id)
                    && body.room_id.as_ref() == Some(&self.room_id),
                reason: body.reason.unwrap_or_default(),
                message: body.message.unwrap_or_default(),
                about_join: body.request.as_deref() == Some("user-joined-room"),
            },
            "pong" => Message::Pong,
            "webrtc-offer" | "webrtc-answer" | "webrtc-ice" => {
                if body.to_user_id.as_ref() != Some(&self.user_id) {
                    return None;
                }
                let remote = body.from_user_id?;
                match kind {
                    "webrtc-offer" => description(remote, SdpType::Offer, body.offer?),
                    "webrtc-answer" => description(remote, SdpType::Answer, body.answer?),
                    _ => Message::Candidate {
                        remote,
                        candidate: body.candidate.map(|c| Candidate {
                            candidate: c.candidate.into_owned(),
                            sdp_mid: c.sdp_mid.map(Cow::into_owned),
                            sdp_m_line_index: c.sdp_m_line_index,
                            username_fragment: c.username_fragment.map(Cow::into_owned),
                        })?,
                    },
                }
            }
            _ => Message::Other {
                kind: kind.to_owned(),
            },
        };
        Some(message)
    }

    /// Sound frames that contradict what is so: a server must refuse each, and tell nobody else of it.
    pub fn misplaced(&self) -> Vec<String> {
        let (room, me, nobody) = (&self.room_id, &self.user_id, "nobody-there");
        let frame = |kind: &str, channel: &str, data: Value| {
            let frame = json!({
                "type": kind, "data": data, "timestamp": 0, "sender": self.sender, "channel": channel,
            });
            frame.to_string()
        };
        let offer = |room: &str, from: &str, to: &str| {
            json!({
                "roomId": room, "fromUserId": from, "toUserId": to,
                "offer": { "type": "offer", "sdp": "v=0\r\n" },
            })
        };
        vec![
            frame("webrtc-offer", SIGNALING, offer(room, me, nobody)),
            frame("webrtc-offer", SIGNALING, offer(room, nobody, me)),
            frame("webrtc-answer", SIGNALING, offer("no-such-room", me, nobody)),
            frame(
                "user-left-room",
                ROOMS,
                json!({ "roomId": room, "userId": nobody }),
            ),
            frame(
                "user-left-room",
                ROOMS,
                json!({ "roomId": "no-such-room", "userId": me }),
            ),
            frame("room-removed", ROOMS, json!({ "roomId": "no-such-room" })),
        ]
    }

    fn addressed<'a>(&'a self, remote: &'a str, payload: Payload<'a>) -> Data<'a> {
        Data::Addressed {
            room_id: &self.room_id,
            from_user_id: &self.user_id,
            to_user_id: remote,
            payload,
        }
    }
}

fn description(remote: String, sdp_type: SdpType, sdp: IncomingSdp) -> Message {
    Message::Description {
        remote,
        description: Description {
            sdp_type,
            sdp: sdp.sdp.into(),
        },
    }
}

fn members(participants: Vec<Participant>) -> Vec<Member> {
    participants
        .into_iter()
        .map(|p| Member {
            user_id: p.id,
            name: p.name,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ann() -> Dashboard {
        Dashboard::new("room-1", "user-a")
    }

    fn bob() -> Dashboard {
        Dashboard::new("room-1", "user-b")
    }

    #[test]
    fn what_one_user_signals_the_addressed_one_reads() {
        for (to_bob, from_ann) in [
            (
                Message::Description {
                    remote: "user-b".into(),
                    description: Description {
                        sdp_type: SdpType::Offer,
                        sdp: "v=0\r\n".into(),
                    },
                },
                Message::Description {
                    remote: "user-a".into(),
                    description: Description {
                        sdp_type: SdpType::Offer,
                        sdp: "v=0\r\n".into(),
                    },
                },
            ),
            (
                Message::Candidate {
                    remote: "user-b".into(),
                    candidate: candidate(),
                },
                Message::Candidate {
                    remote: "user-a".into(),
                    candidate: candidate(),
                },
            ),
        ] {
            let frame = ann().encode(&to_bob, 1).expect("peers send these");
            assert_eq!(bob().decode(&frame), Some(from_ann));
            assert_eq!(ann().decode(&frame), None, "one's own frame is ignored");
            assert_eq!(Dashboard::new("room-2", "user-b").decode(&frame), None);
            assert_eq!(Dashboard::new("room-1", "user-c").decode(&frame), None);
        }
    }

    fn candidate() -> Candidate {
        Candidate {
            candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".into(),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
            username_fragment: Some("abcd".into()),
        }
    }

    #[test]
    fn flat_and_enveloped_frames_of_the_recording_are_read() {
        let flat = r#"{"type":"join-rejected","channel":"webrtc-dashboard-rooms","message":"taken","roomId":"room-1","userId":"user-a","reason":"DUPLICATE_USERNAME"}"#;
        assert_eq!(
            ann().decode(flat),
            Some(Message::JoinRejected {
                reason: "DUPLICATE_USERNAME".into(),
                message: "taken".into()
            })
        );
        let enveloped = r#"{"type":"user-joined-room","data":{"roomId":"room-1","userId":"user-b","userName":"Bob","existingParticipants":[{"id":"user-a","name":"Alice"}]},"timestamp":1795470042168,"sender":"tab-B","channel":"webrtc-dashboard-rooms"}"#;
        assert_eq!(
            ann().decode(enveloped),
            Some(Message::MemberJoined {
                member: Member {
                    user_id: "user-b".into(),
                    name: "Bob".into()
                },
                again: false
            })
        );
        let count = r#"{"type":"client_count","count":3,"timestamp":"2026-11-23T21:40:41.716Z"}"#;
        assert_eq!(
            ann().decode(count),
            Some(Message::Other {
                kind: "client_count".into()
            })
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = ann().decode(&text);
        }

        #[test]
        fn any_json_of_a_known_type_is_survived(kind in 0usize..8, key in "[a-zA-Z]{1,12}", value in "[\\PC]{0,20}") {
            let kinds = ["webrtc-offer", "webrtc-ice", "room-status", "existing-participants",
                "user-left-room", "join-rejected", "error", "pong"];
            let mut data = json!({"roomId": "room-1", "toUserId": "user-a", "participants": null});
            data[key] = json!(value);
            let _ = ann().decode(&json!({"type": kinds[kind], "data": data}).to_string());
        }
    }
}
