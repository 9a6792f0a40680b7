//! The dashboard's protocol: JSON text frames over one WebSocket, as the reference server speaks it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{Candidate, Codec, Description, LeaveReason, Member, Message, Reading, Received, SdpType, Waste};

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
        existing_participants: Vec<OutgoingParticipant<'a>>,
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

#[derive(Serialize)]
struct OutgoingParticipant<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    id: String,
    #[serde(default)]
    name: String,
}

/// The fields of all frames. What may be big, and is nobody's business but the addressed one's, is left unread.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body<'a> {
    room_id: Option<String>,
    user_id: Option<String>,
    user_name: Option<String>,
    from_user_id: Option<String>,
    to_user_id: Option<String>,
    #[serde(deserialize_with = "participants")]
    participants: Vec<Participant>,
    #[serde(deserialize_with = "participants")]
    existing_participants: Vec<Participant>,
    token: Option<String>,
    resumed: bool,
    reason: Option<String>,
    message: Option<String>,
    request: Option<String>,
    #[serde(borrow)]
    offer: Option<&'a RawValue>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    candidate: Option<&'a RawValue>,
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
                present,
            } => {
                let join = Data::Join {
                    room_id: &self.room_id,
                    user_id: &self.user_id,
                    user_name: name,
                    existing_participants: present
                        .iter()
                        .map(|member| OutgoingParticipant {
                            id: &member.user_id,
                            name: &member.name,
                        })
                        .collect(),
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

    /// Reads one incoming frame that says something to this user; `None` for all others.
    pub fn decode(&self, text: &str) -> Option<Message> {
        match self.read(text) {
            Received::Message(message) => Some(message),
            Received::Waste(_) | Received::Nothing => None,
        }
    }

    /// Reads one incoming frame, of another room's no more than it takes to know that.
    pub fn read(&self, text: &str) -> Received {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
            return Received::Nothing;
        };
        if frame.sender.as_deref() == Some(&self.sender) {
            return Received::Nothing;
        }
        let kind = frame.kind.as_ref();
        if matches!(kind, "client_count" | "server-room-list" | "echo") {
            return Received::Waste(Waste::Server);
        }
        let Ok(body) = serde_json::from_str::<Body<'_>>(frame.data.map_or(text, RawValue::get)) else {
            return Received::Nothing;
        };
        if body.room_id.as_ref().is_some_and(|room| *room != self.room_id) {
            return Received::Waste(Waste::OtherRoom);
        }
        if matches!(kind, "webrtc-offer" | "webrtc-answer" | "webrtc-ice")
            && body.to_user_id.as_ref() != Some(&self.user_id)
        {
            return Received::Waste(Waste::OtherMember);
        }
        match self.message(kind, body) {
            Some(message) => Received::Message(message),
            None => Received::Nothing,
        }
    }

    /// What a frame of this room, or of none, says; addressed ones are for this user.
    fn message(&self, kind: &str, body: Body<'_>) -> Option<Message> {
        let message = match kind {
            "existing-participants" => Message::Welcome {
                members: members(body.participants),
                token: body.token,
                resumed: body.resumed,
                user_id: None,
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
                knows_me: body.existing_participants.iter().any(|p| p.id == self.user_id),
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
            "webrtc-offer" => description(body.from_user_id?, SdpType::Offer, body.offer?)?,
            "webrtc-answer" => description(body.from_user_id?, SdpType::Answer, body.answer?)?,
            "webrtc-ice" => Message::Candidate {
                remote: body.from_user_id?,
                candidate: candidate(body.candidate?)?,
            },
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

impl Codec for Dashboard {
    fn opened(&mut self) -> Vec<String> {
        self.hello()
    }

    fn encode(&mut self, message: &Message, unix_ms: u64) -> Vec<String> {
        Self::encode(self, message, unix_ms).into_iter().collect()
    }

    fn read(&mut self, text: &str) -> Reading {
        match Self::read(self, text) {
            Received::Message(message) => message.into(),
            Received::Waste(waste) => waste.into(),
            Received::Nothing => Reading::default(),
        }
    }

    fn misplaced(&self) -> Vec<String> {
        Self::misplaced(self)
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

fn description(remote: String, sdp_type: SdpType, raw: &RawValue) -> Option<Message> {
    let sdp: IncomingSdp = serde_json::from_str(raw.get()).ok()?;
    let description = Description {
        sdp_type,
        sdp: sdp.sdp.into(),
    };
    Some(Message::Description { remote, description })
}

fn candidate(raw: &RawValue) -> Option<Candidate> {
    let wire: WireCandidate<'_> = serde_json::from_str(raw.get()).ok()?;
    Some(Candidate {
        candidate: wire.candidate.into_owned(),
        sdp_mid: wire.sdp_mid.map(Cow::into_owned),
        sdp_m_line_index: wire.sdp_m_line_index,
        username_fragment: wire.username_fragment.map(Cow::into_owned),
    })
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
                again: false,
                knows_me: true,
            })
        );
    }

    #[test]
    fn what_nobody_of_the_room_sent_is_told_from_what_somebody_did() {
        let offer = |room: &str, to: &str| {
            Dashboard::new(room, "user-c")
                .encode(&offer_to(to), 1)
                .expect("peers send these")
        };
        let of_server = [
            r#"{"type":"client_count","count":3,"timestamp":"2026-11-23T21:40:41.716Z"}"#,
            r#"{"type":"server-room-list","channel":"webrtc-dashboard-rooms","rooms":[]}"#,
            r#"{"type":"echo","original":"not json","timestamp":"2026-11-23T21:40:41.716Z"}"#,
        ];
        for frame in of_server {
            assert_eq!(ann().read(frame), Received::Waste(Waste::Server), "{frame}");
        }
        let waste = |room, to| ann().read(&offer(room, to));
        assert_eq!(waste("room-2", "user-a"), Received::Waste(Waste::OtherRoom));
        assert_eq!(waste("room-1", "user-b"), Received::Waste(Waste::OtherMember));
        assert!(matches!(waste("room-1", "user-a"), Received::Message(_)));
        let elsewhere = Dashboard::new("room-2", "user-b").encode(&Message::Leave, 1);
        let elsewhere = elsewhere.expect("peers send it");
        assert_eq!(ann().read(&elsewhere), Received::Waste(Waste::OtherRoom));
        let chat =
            r#"{"type":"participant-joined","channel":"webrtc-dashboard-chat","data":{"roomId":"room-1"}}"#;
        assert!(matches!(ann().read(chat), Received::Message(_)), "the room's own");
        for answer in [
            r#"{"type":"pong"}"#,
            r#"{"type":"error","reason":"rate-limited","message":""}"#,
        ] {
            assert!(matches!(ann().read(answer), Received::Message(_)), "{answer}");
        }
    }

    fn offer_to(remote: &str) -> Message {
        Message::Description {
            remote: remote.into(),
            description: Description {
                sdp_type: SdpType::Offer,
                sdp: "v=0\r\n".into(),
            },
        }
    }

    #[test]
    fn a_join_names_those_whom_the_client_is_connected_to_and_they_can_tell() {
        let join = |present: &[&str]| Message::Join {
            name: "Ann".into(),
            token: None,
            capacity: 10,
            present: present
                .iter()
                .map(|id| Member {
                    user_id: (*id).into(),
                    name: String::new(),
                })
                .collect(),
        };
        for (present, known) in [(&["user-b"][..], true), (&["user-c"], false), (&[], false)] {
            let frame = ann().encode(&join(present), 1).expect("peers send it");
            let heard = bob().decode(&frame);
            assert!(
                matches!(heard, Some(Message::MemberJoined { knows_me, .. }) if knows_me == known),
                "{heard:?}"
            );
        }
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
