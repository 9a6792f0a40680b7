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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `peer` 1.0.2 said to clients `run1-p00000` and `run1-p00001`, and to whom it did not let in.
    const OPEN: &str = r#"{"type":"OPEN"}"#;
    const TAKEN: &str = r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#;
    const WRONG_KEY: &str = r#"{"type":"ERROR","payload":{"msg":"Invalid key provided"}}"#;
    const LEAVE: &str = r#"{"type":"LEAVE","src":"run1-p00000","dst":"run1-p00001"}"#;
    const EXPIRE: &str = r#"{"type":"EXPIRE","src":"absent","dst":"run1-p00000"}"#;
    /// In the shape that the source of `peerjs` 1.5.5 gives them, as the server passes them on; the SDP is shortened. In
    /// `tests/page/peerjs.rs` that client sends its own.
    const OFFER: &str = r#"{"type":"OFFER","src":"page 1","dst":"run1-p00000","payload":{"sdp":{"type":"offer","sdp":"v=0\r\na=fingerprint:sha-256 AA\r\n"},"type":"data","connectionId":"dc_nwo8qp2r8v","label":"chat","reliable":true,"serialization":"json"}}"#;
    const CANDIDATE: &str = r#"{"type":"CANDIDATE","src":"page 1","dst":"run1-p00000","payload":{"candidate":{"candidate":"candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"},"type":"data","connectionId":"dc_nwo8qp2r8v"}}"#;

    const JOIN: Message = Message::Join {
        name: String::new(),
        token: None,
        capacity: 10,
        present: Vec::new(),
    };

    fn ann() -> PeerJs {
        with(Serialization::Binary, "run1-p00000")
    }

    fn bob() -> PeerJs {
        with(Serialization::Binary, "run1-p00001")
    }

    fn with(serialization: Serialization, user_id: &str) -> PeerJs {
        let options = PeerJsOptions {
            serialization,
            ..PeerJsOptions::default()
        };
        let mut codec = PeerJs::new(&options, user_id);
        assert_eq!(codec.opened(), Vec::<String>::new());
        codec
    }

    fn sdp(sdp_type: SdpType, certificate: &str) -> Description {
        Description {
            sdp_type,
            sdp: format!("v=0\r\na=fingerprint:sha-256 {certificate}\r\n").into(),
        }
    }

    fn to(remote: &str, description: Description) -> Message {
        Message::Description {
            remote: remote.to_owned(),
            description,
        }
    }

    fn only(codec: &mut PeerJs, message: &Message) -> String {
        let frames = codec.encode(message, 7);
        let [frame] = frames.as_slice() else {
            panic!("{message:?} is {frames:?}");
        };
        frame.clone()
    }

    /// As the server passes it on.
    fn relayed(frame: &str, from: &str) -> String {
        let mut frame: Value = serde_json::from_str(frame).unwrap();
        frame["src"] = from.into();
        frame.to_string()
    }

    fn value(frame: &str) -> Value {
        serde_json::from_str(frame).unwrap()
    }

    #[test]
    fn a_join_is_confirmed_once_by_the_server_or_by_what_comes_back() {
        let mut ann = ann();
        let join = relayed(&only(&mut ann, &JOIN), "run1-p00000");
        assert_eq!(ann.read(OPEN), welcome(false).into());
        assert_eq!(ann.read(&join), Reading::default());
        assert_eq!(ann.read(OPEN), Reading::default());
        let second = relayed(&only(&mut ann, &JOIN), "run1-p00000");
        assert_eq!(ann.read(&second), welcome(false).into(), "each join is answered");
        // The server says nothing where a socket takes the id over from another.
        ann.opened();
        let over = relayed(&only(&mut ann, &JOIN), "run1-p00000");
        assert_eq!(ann.read(&join), Reading::default(), "the last socket's");
        assert_eq!(ann.read(&over), welcome(true).into());
    }

    #[test]
    fn refusals_say_why() {
        let rejected = Message::JoinRejected {
            reason: "ID-TAKEN".to_owned(),
            message: "ID is taken".to_owned(),
        };
        assert_eq!(ann().read(TAKEN), rejected.into());
        let error = |about_join| Message::Error {
            reason: "Invalid key provided".to_owned(),
            message: "Invalid key provided".to_owned(),
            about_join,
            about_membership: false,
        };
        let mut ann = ann();
        assert_eq!(ann.read(WRONG_KEY), error(true).into());
        ann.read(OPEN);
        assert_eq!(ann.read(WRONG_KEY), error(false).into());
    }

    #[test]
    fn pings_come_back_over_the_socket_that_they_went_out_on() {
        let mut ann = ann();
        let ping = relayed(&only(&mut ann, &Message::Ping), "run1-p00000");
        assert_eq!(value(&ping)["dst"], "run1-p00000");
        assert_eq!(ann.read(&ping), Message::Pong.into());
        ann.opened();
        assert_eq!(ann.read(&ping), Reading::default());
        assert_eq!(ann.keepalive().unwrap().every, Duration::from_secs(5));
        assert_eq!(ann.keepalive().unwrap().frame, r#"{"type":"HEARTBEAT"}"#);
    }

    #[test]
    fn an_offer_is_that_of_the_client() {
        let mut ann = with(Serialization::Json, "run1-p00000");
        let offer = sdp(SdpType::Offer, "AA");
        let frame = value(&only(&mut ann, &to("run1-p00001", offer.clone())));
        let id = frame["payload"]["connectionId"].clone();
        assert!(id.as_str().unwrap().starts_with("dc_"));
        let payload = json!({
            "sdp": { "type": "offer", "sdp": &*offer.sdp }, "type": "data", "connectionId": id,
            "label": "chat", "reliable": true, "serialization": "json",
        });
        assert_eq!(
            frame,
            json!({ "type": "OFFER", "payload": payload, "dst": "run1-p00001" })
        );
        assert_eq!(ann.channel_format("run1-p00001"), Some(ChannelFormat::PeerJsJson));
    }

    #[test]
    fn what_a_page_sends_is_read_and_answered_on_its_connection() {
        let mut ann = ann();
        let reading = ann.read(OFFER);
        let [Message::Description { remote, description }] = reading.messages.as_slice() else {
            panic!("{reading:?}");
        };
        assert_eq!(
            (remote.as_str(), description),
            ("page 1", &sdp(SdpType::Offer, "AA"))
        );
        let candidate = Candidate {
            candidate: "candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host".to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_m_line_index: Some(0),
            username_fragment: Some("abcd".to_owned()),
        };
        let said = Message::Candidate {
            remote: "page 1".to_owned(),
            candidate: candidate.clone(),
        };
        assert_eq!(ann.read(CANDIDATE), said.clone().into());
        assert_eq!(ann.channel_format("page 1"), Some(ChannelFormat::PeerJsJson));
        let answer = sdp(SdpType::Answer, "BB");
        let frame = value(&only(&mut ann, &to("page 1", answer.clone())));
        let payload = json!({
            "sdp": { "type": "answer", "sdp": &*answer.sdp }, "type": "data", "connectionId": "dc_nwo8qp2r8v",
        });
        assert_eq!(
            frame,
            json!({ "type": "ANSWER", "payload": payload, "dst": "page 1" })
        );
        let mut trickled = value(CANDIDATE);
        trickled["dst"] = "page 1".into();
        trickled.as_object_mut().unwrap().remove("src");
        assert_eq!(value(&only(&mut ann, &said)), trickled);
        let end = Message::Candidate {
            remote: "page 1".to_owned(),
            candidate: Candidate {
                candidate: String::new(),
                ..candidate
            },
        };
        assert!(ann.encode(&end, 7).is_empty(), "the client says no end");
    }

    #[test]
    fn an_answer_is_of_the_connection_that_its_offer_was_of() {
        let (mut ann, mut bob) = (ann(), bob());
        let (first, second) = (sdp(SdpType::Offer, "AA"), sdp(SdpType::Offer, "CC"));
        let offers = [&first, &second].map(|offer| {
            let frame = only(&mut ann, &to("run1-p00001", offer.clone()));
            relayed(&frame, "run1-p00000")
        });
        for offer in &offers {
            assert_eq!(bob.read(offer).messages.len(), 1);
        }
        let answer = sdp(SdpType::Answer, "BB");
        let mut answers = [&first, &second].map(|offer| {
            bob.answering("run1-p00000", offer.fingerprint());
            let frame = only(&mut bob, &to("run1-p00000", answer.clone()));
            relayed(&frame, "run1-p00001")
        });
        assert_eq!(ann.read(&answers[0]), Reading::default(), "that one was given up");
        assert_eq!(ann.read(&answers[1]), to("run1-p00001", answer).into());
        // What is negotiated anew on a connection is answered on it.
        let mut restart = second.clone();
        restart.sdp = format!("{}a=ice-ufrag:new\r\n", restart.sdp).into();
        only(&mut ann, &to("run1-p00001", restart));
        assert_eq!(ann.read(&answers[1]).messages.len(), 1);
        answers[1] = answers[1].replace("run1-p00000", "run1-p00007");
        assert_eq!(ann.read(&answers[1]), Waste::OtherMember.into());
    }

    #[test]
    fn an_offer_that_a_later_one_has_overtaken_is_none() {
        let (mut ann, mut bob) = (ann(), bob());
        let [first, second] = ["AA", "CC"].map(|certificate| {
            let frame = only(&mut ann, &to("run1-p00001", sdp(SdpType::Offer, certificate)));
            ann.opened();
            relayed(&frame, "run1-p00000")
        });
        assert_eq!(bob.read(&second).messages.len(), 1);
        assert_eq!(bob.read(&first), Reading::default());
        assert_eq!(
            bob.read(&second).messages.len(),
            1,
            "a copy of the latest is read"
        );
    }

    #[test]
    fn who_leaves_or_is_not_there_is_no_member() {
        assert_eq!(
            bob().read(LEAVE),
            left("run1-p00000".to_owned(), LeaveReason::Left)
        );
        assert_eq!(ann().read(EXPIRE), left("absent".to_owned(), LeaveReason::Closed));
        assert!(
            ann().encode(&Message::Leave, 7).is_empty(),
            "the client closes its socket"
        );
    }

    #[test]
    fn a_call_is_nothing_to_a_client_of_data() {
        let call = OFFER.replace(r#""type":"data""#, r#""type":"media""#);
        let other = Message::Other {
            kind: "media".to_owned(),
        };
        assert_eq!(ann().read(&call), other.into());
    }

    #[test]
    fn a_socket_is_opened_with_key_id_and_a_token_of_its_own() {
        let options = PeerJsOptions {
            key: "a key".to_owned(),
            ..PeerJsOptions::default()
        };
        let address = options.address("run1-room-0000", "run1-p0000");
        assert_eq!(address.path.as_deref(), Some("peerjs"));
        let [(_, key), (_, id), (_, token), (_, version)] = address.query.as_slice() else {
            panic!("{address:?}");
        };
        assert_eq!(
            (key.as_str(), id.as_str(), version.as_str()),
            ("a key", "run1-p0000", "1.5.5")
        );
        assert_eq!(
            options.address("run1-room-0000", "run1-p0000"),
            address,
            "it may be taken over"
        );
        for (room, user) in [("run1-room-0000", "run1-p0001"), ("run2-room-0000", "run1-p0000")] {
            assert_ne!(&options.address(room, user).query[2].1, token);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            ann().read(&text);
        }

        #[test]
        fn any_json_of_a_known_type_is_survived(
            kind in prop_oneof![
                Just("OPEN"), Just("OFFER"), Just("ANSWER"), Just("CANDIDATE"), Just("LEAVE"), Just("EXPIRE"),
                Just("ID-TAKEN"), Just("ERROR"), Just("HEARTBEAT"),
            ],
            src in prop_oneof![Just("run1-p00000"), Just("page 1"), Just("")],
            payload in prop_oneof![
                Just("null"), Just("7"), Just("[]"), Just("{}"), Just(r#"{"sdp":7}"#), Just(r#"{"sdp":{}}"#),
                Just(r#"{"sdp":{"sdp":"v=0"},"connectionId":[]}"#), Just(r#"{"connectionId":"ping-1"}"#),
                Just(r#"{"connectionId":"join-1-0"}"#), Just(r#"{"candidate":{"candidate":1}}"#), Just(r#"{"msg":{}}"#),
            ],
        ) {
            let frame = format!(r#"{{"type":"{kind}","src":"{src}","payload":{payload}}}"#);
            let mut ann = ann();
            for message in ann.read(&frame).messages {
                ann.encode(&message, 7);
            }
        }
    }
}
