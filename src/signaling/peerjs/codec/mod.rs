//! One end of the conversation: messages into frames, frames into messages.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{PeerJsOptions, Serialization, short_hash};
use crate::signaling::{
    Candidate, ChannelFormat, ChannelMessage, Codec, Description, Keepalive, LeaveReason, Message, Reading,
    SdpType, Waste,
};

/// How often the client says that it is there, and what.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
const HEARTBEAT: &str = r#"{"type":"HEARTBEAT"}"#;
/// The connections of the client are of data, not of media.
const DATA: &str = "data";
/// Begin the connection ids of messages to oneself, which stand for the answers that the server gives to nothing.
const PING: &str = "ping";
const JOIN: &str = "join";
/// Offers of one remote whose connections are remembered, the latest.
const MAX_HEARD: usize = 16;

/// Speaks for one id.
#[derive(Debug, Clone)]
pub struct PeerJs {
    serialization: Serialization,
    user_id: String,
    /// Counts the sockets: what was sent to oneself over an earlier one means nothing any more.
    socket: u32,
    /// The server has said that the id is registered, over this socket.
    open: bool,
    /// The joins sent over it.
    joins: u32,
    /// The connections that were offered, over all sockets.
    connections: u32,
    remotes: BTreeMap<String, Remote>,
}

/// What is known of the connections with one other id.
#[derive(Debug, Clone, Default)]
struct Remote {
    /// The one that was offered to it last, and the certificate in that.
    offered: Option<(String, String)>,
    /// Those that it has offered, by the fingerprints of the offers.
    heard: VecDeque<(u64, String)>,
    /// Which of its connections the latest of them is, where it numbers them.
    latest: u32,
    /// The one that the next answer is of.
    answered: Option<String>,
    /// The one that the last description to it was of: candidates are of the same.
    current: String,
    /// How the present one carries data.
    format: Option<ChannelFormat>,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type")]
    kind: String,
    src: Option<String>,
    dst: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Outgoing<'a, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    payload: T,
    dst: &'a str,
}

/// The fields of all payloads.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Payload<'a> {
    #[serde(borrow)]
    sdp: Option<&'a RawValue>,
    #[serde(borrow)]
    candidate: Option<&'a RawValue>,
    #[serde(rename = "type")]
    kind: Option<String>,
    connection_id: Option<String>,
    serialization: Option<String>,
    msg: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Offer<'a> {
    sdp: Sdp<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    connection_id: &'a str,
    label: &'static str,
    reliable: bool,
    serialization: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    sdp: Sdp<'a>,
    #[serde(rename = "type")]
    kind: &'static str,
    connection_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trickled<'a> {
    candidate: WireCandidate,
    #[serde(rename = "type")]
    kind: &'static str,
    connection_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToOneself {
    #[serde(rename = "type")]
    kind: &'static str,
    connection_id: String,
}

/// `RTCSessionDescription` as JSON.
#[derive(Serialize)]
struct Sdp<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sdp: &'a str,
}

#[derive(Deserialize)]
struct IncomingSdp {
    sdp: String,
}

/// `RTCIceCandidate` as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCandidate {
    candidate: String,
    #[serde(default)]
    sdp_mid: Option<String>,
    #[serde(default)]
    sdp_m_line_index: Option<u16>,
    #[serde(default)]
    username_fragment: Option<String>,
}

impl PeerJs {
    /// For `user_id`.
    pub fn new(options: &PeerJsOptions, user_id: &str) -> Self {
        Self {
            serialization: options.serialization,
            user_id: user_id.to_owned(),
            socket: 0,
            open: false,
            joins: 0,
            connections: 0,
            remotes: BTreeMap::new(),
        }
    }

    fn description(&mut self, remote: &str, description: &Description) -> String {
        let id = match description.sdp_type {
            SdpType::Offer => self.offering(remote, description),
            SdpType::Answer => self.answering_as(remote),
        };
        let sdp = |kind| Sdp {
            kind,
            sdp: &description.sdp,
        };
        match description.sdp_type {
            SdpType::Offer => {
                let offer = Offer {
                    sdp: sdp("offer"),
                    kind: DATA,
                    connection_id: &id,
                    label: ChannelMessage::LABEL,
                    reliable: true,
                    serialization: self.serialization.name(),
                };
                frame("OFFER", offer, remote)
            }
            SdpType::Answer => {
                let answer = Answer {
                    sdp: sdp("answer"),
                    kind: DATA,
                    connection_id: &id,
                };
                frame("ANSWER", answer, remote)
            }
        }
    }

    /// The connection that an offer is of: that of the certificate in it. One that is negotiated anew keeps its id.
    /// Ids are numbered, so that whoever reads them knows which is the latest: one that went out over the last socket
    /// may be overtaken by one over the next.
    fn offering(&mut self, remote: &str, offer: &Description) -> String {
        let certificate = offer.dtls_fingerprint().unwrap_or(&offer.sdp);
        let known = self.remotes.entry(remote.to_owned()).or_default();
        known.format = Some(self.serialization.format());
        let same = known.offered.take().filter(|(_, of)| of == certificate);
        let (id, certificate) = same.unwrap_or_else(|| {
            self.connections += 1;
            let hash = short_hash([&self.user_id, remote, certificate]);
            (format!("dc_{}-{hash}", self.connections), certificate.to_owned())
        });
        known.current.clone_from(&id);
        known.offered = Some((id.clone(), certificate));
        id
    }

    fn answering_as(&mut self, remote: &str) -> String {
        let known = self.remotes.entry(remote.to_owned()).or_default();
        let last = known.heard.back().map(|(_, id)| id.clone());
        known.current = known.answered.clone().or(last).unwrap_or_default();
        known.current.clone()
    }

    fn candidate(&self, remote: &str, candidate: &Candidate) -> String {
        let trickled = Trickled {
            candidate: WireCandidate {
                candidate: candidate.candidate.clone(),
                sdp_mid: candidate.sdp_mid.clone(),
                sdp_m_line_index: candidate.sdp_m_line_index,
                username_fragment: candidate.username_fragment.clone(),
            },
            kind: DATA,
            connection_id: self.remotes.get(remote).map_or("", |known| &known.current),
        };
        frame("CANDIDATE", trickled, remote)
    }

    /// The server answers neither heartbeats nor, where another socket held the id, a socket that takes it over. It
    /// passes on in order, though, also to who has sent it.
    fn to_oneself(&self, what: &str, number: u32) -> String {
        let payload = ToOneself {
            kind: DATA,
            connection_id: format!("{what}-{}-{number}", self.socket),
        };
        frame("CANDIDATE", payload, &self.user_id)
    }

    /// A message to oneself has come back.
    fn came_back(&mut self, connection_id: &str) -> Reading {
        let mut parts = connection_id.split('-');
        let what = parts.next();
        let mut number = || parts.next().and_then(|number| number.parse::<u32>().ok());
        match (what, number() == Some(self.socket), number()) {
            (Some(PING), true, _) => Message::Pong.into(),
            // The first is answered by the server itself, if it did not know the id before.
            (Some(JOIN), true, Some(1)) if self.open => Reading::default(),
            (Some(JOIN), true, Some(_)) => {
                let resumed = !std::mem::replace(&mut self.open, true);
                welcome(resumed).into()
            }
            _ => Reading::default(),
        }
    }

    fn relayed(&mut self, kind: &str, remote: String, payload: Payload<'_>) -> Option<Reading> {
        if remote == self.user_id {
            return Some(self.came_back(&payload.connection_id?));
        }
        if payload.kind.as_deref().is_some_and(|kind| kind != DATA) {
            // A call. Nobody here takes one.
            let kind = payload.kind.unwrap_or_default();
            return Some(Message::Other { kind }.into());
        }
        let message = match kind {
            "CANDIDATE" => Message::Candidate {
                candidate: candidate(payload.candidate?)?,
                remote,
            },
            "OFFER" => {
                let description = description(SdpType::Offer, payload.sdp?)?;
                let known = self.remotes.entry(remote.clone()).or_default();
                let offer = (
                    description.fingerprint(),
                    payload.connection_id.unwrap_or_default(),
                );
                if let Some(number) = number_of(&offer.1) {
                    if number < known.latest {
                        // Overtaken by a later one.
                        return None;
                    }
                    known.latest = number;
                }
                known.heard.retain(|(known, _)| *known != offer.0);
                known.heard.push_back(offer);
                if known.heard.len() > MAX_HEARD {
                    known.heard.pop_front();
                }
                known.format = Some(match payload.serialization.as_deref() {
                    Some("json") => ChannelFormat::PeerJsJson,
                    Some("binary" | "binary-utf8" | "default") => ChannelFormat::PeerJsBinary,
                    _ => ChannelFormat::PeerJsRaw,
                });
                Message::Description { remote, description }
            }
            "ANSWER" => {
                let offered = self.remotes.get(&remote).and_then(|known| known.offered.as_ref());
                let offered = offered.map(|(id, _)| id);
                if offered != payload.connection_id.as_ref() {
                    // Of a connection that was given up.
                    return None;
                }
                let description = description(SdpType::Answer, payload.sdp?)?;
                Message::Description { remote, description }
            }
            _ => return None,
        };
        Some(message.into())
    }
}

impl Codec for PeerJs {
    fn opened(&mut self) -> Vec<String> {
        self.socket += 1;
        self.open = false;
        self.joins = 0;
        Vec::new()
    }

    fn encode(&mut self, message: &Message, unix_ms: u64) -> Vec<String> {
        match message {
            Message::Join { .. } => {
                self.joins += 1;
                vec![self.to_oneself(JOIN, self.joins)]
            }
            // Its number is of no use to anybody, but to who looks at the frames.
            Message::Ping => vec![self.to_oneself(PING, unix_ms as u32)],
            Message::Description { remote, description } => vec![self.description(remote, description)],
            // The client says nothing at the end of candidates.
            Message::Candidate { candidate, .. } if candidate.candidate.is_empty() => Vec::new(),
            Message::Candidate { remote, candidate } => vec![self.candidate(remote, candidate)],
            // The client closes its socket and its connections.
            _ => Vec::new(),
        }
    }

    fn read(&mut self, text: &str) -> Reading {
        let Ok(frame) = serde_json::from_str::<Incoming<'_>>(text) else {
            return Reading::default();
        };
        if frame.dst.as_ref().is_some_and(|dst| *dst != self.user_id) {
            return Waste::OtherMember.into();
        }
        let payload = frame
            .payload
            .and_then(|payload| serde_json::from_str::<Payload<'_>>(payload.get()).ok())
            .unwrap_or_default();
        match (frame.kind.as_str(), frame.src) {
            ("OPEN", _) if std::mem::replace(&mut self.open, true) => Reading::default(),
            ("OPEN", _) => welcome(false).into(),
            ("ID-TAKEN", _) => Message::JoinRejected {
                reason: frame.kind,
                message: payload.msg.unwrap_or_default(),
            }
            .into(),
            ("ERROR" | "INVALID-KEY", _) => {
                let message = payload.msg.unwrap_or_default();
                Message::Error {
                    // Its only code says nothing.
                    reason: match message.is_empty() {
                        true => frame.kind,
                        false => message.clone(),
                    },
                    message,
                    about_join: !self.open,
                    about_membership: false,
                }
                .into()
            }
            ("LEAVE", Some(user_id)) => left(user_id, LeaveReason::Left),
            ("EXPIRE", Some(user_id)) => left(user_id, LeaveReason::Closed),
            ("OFFER" | "ANSWER" | "CANDIDATE", Some(remote)) => {
                self.relayed(&frame.kind, remote, payload).unwrap_or_default()
            }
            _ => Message::Other { kind: frame.kind }.into(),
        }
    }

    fn keepalive(&self) -> Option<Keepalive> {
        Some(Keepalive {
            every: HEARTBEAT_EVERY,
            frame: HEARTBEAT.to_owned(),
        })
    }

    fn answering(&mut self, remote: &str, offer: u64) {
        if let Some(known) = self.remotes.get_mut(remote) {
            let heard = known.heard.iter().find(|(fingerprint, _)| *fingerprint == offer);
            known.answered = heard.map(|(_, id)| id.clone());
        }
    }

    fn channel_format(&self, remote: &str) -> Option<ChannelFormat> {
        self.remotes.get(remote)?.format
    }

    fn misplaced(&self) -> Vec<String> {
        let offer = |src: &str, dst: Value| {
            let sdp = json!({ "type": "offer", "sdp": "v=0\r\n" });
            let payload = json!({ "sdp": sdp, "type": DATA, "connectionId": "dc_0" });
            json!({ "type": "OFFER", "src": src, "dst": dst, "payload": payload }).to_string()
        };
        vec![
            offer(&self.user_id, Value::Null),
            offer(&self.user_id, "nobody-there".into()),
            offer("nobody-there", "nobody-there".into()),
        ]
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

/// Which of its connections a native peer has given that id. A page's are a matter of chance, without a dash.
fn number_of(connection_id: &str) -> Option<u32> {
    let (number, _) = connection_id.strip_prefix("dc_")?.split_once('-')?;
    number.parse().ok()
}

fn frame(kind: &'static str, payload: impl Serialize, dst: &str) -> String {
    let frame = Outgoing { kind, payload, dst };
    serde_json::to_string(&frame).expect("strings and numbers are always JSON")
}

fn welcome(resumed: bool) -> Message {
    Message::Welcome {
        members: Vec::new(),
        token: None,
        resumed,
        user_id: None,
    }
}

fn left(user_id: String, reason: LeaveReason) -> Reading {
    Message::MemberLeft { user_id, reason }.into()
}

fn description(sdp_type: SdpType, raw: &RawValue) -> Option<Description> {
    let IncomingSdp { sdp } = serde_json::from_str(raw.get()).ok()?;
    Some(Description {
        sdp_type,
        sdp: sdp.into(),
    })
}

fn candidate(raw: &RawValue) -> Option<Candidate> {
    let wire: WireCandidate = serde_json::from_str(raw.get()).ok()?;
    Some(Candidate {
        candidate: wire.candidate,
        sdp_mid: wire.sdp_mid,
        sdp_m_line_index: wire.sdp_m_line_index,
        username_fragment: wire.username_fragment,
    })
}

#[cfg(test)]
mod tests;
