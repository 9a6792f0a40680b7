//! SimpleWebRTC's signaling, as `signal-master` speaks it: Socket.IO events over Engine.IO 3 on one WebSocket.
//!
//! The server gives clients their ids, tells a newcomer who is in the room and everybody who goes; it tells nobody who
//! comes. So a newcomer offers, as SimpleWebRTC's client does.
//!
//! Socket.IO 1 forgets a join that it reads in one turn of its event loop with a leave: the list of a socket's rooms is
//! shortened in the next one. So nothing is said after a leave until the server has told it back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Candidate, Codec, Description, Keepalive, LeaveReason, Member, Message, OfferedIceServer, Reading,
    SdpType,
};

/// How often the client pings: half of what Engine.IO 3 tells by default, so that a late one is no loss.
const PING_EVERY: Duration = Duration::from_millis(12_500);
/// The type of a message to oneself: it comes back once all before it has been relayed.
const ECHO: &str = "rtcstorm-echo";

/// The most ICE servers of an event, and the most URLs of each.
const MAX_ICE_SERVERS: usize = 16;

/// The packets of Engine.IO 3 and Socket.IO 1 that are spoken here.
const OPEN: &str = "0";
const PING: &str = "2";
const EVENT: &str = "42";
const ACK: &str = "43";
const ERROR: &str = "44";

/// Speaks for one user in one room.
#[derive(Debug, Clone)]
pub struct SimpleWebRtc {
    room: String,
    /// The id that the server has given this socket.
    id: Option<String>,
    /// What is to be said once there is one, and no leave is under way.
    waiting: Vec<Message>,
    /// A join has been sent, and no leave since.
    is_in: bool,
    /// A leave has been sent that the server has not told back.
    is_leaving: bool,
    /// The joins that are not answered, by their numbers.
    joins: BTreeSet<u64>,
    next_ack: u64,
    /// The session of the connection to each remote: whoever offers first names it.
    sessions: BTreeMap<String, String>,
    next_session: u64,
    /// What this socket was offered.
    stun: Vec<OfferedIceServer>,
    turn: Vec<OfferedIceServer>,
}

impl SimpleWebRtc {
    /// In that room.
    pub fn new(room: &str) -> Self {
        Self {
            room: room.to_owned(),
            id: None,
            waiting: Vec::new(),
            is_in: false,
            is_leaving: false,
            joins: BTreeSet::new(),
            next_ack: 0,
            sessions: BTreeMap::new(),
            next_session: 0,
            stun: Vec::new(),
            turn: Vec::new(),
        }
    }

    fn message(&mut self, to: &str, kind: &str, payload: Value) -> String {
        let session = self.sessions.entry(to.to_owned()).or_insert_with(|| {
            self.next_session += 1;
            self.next_session.to_string()
        });
        event(&json!(["message", {
            "to": to, "sid": session, "roomType": "video", "type": kind, "payload": payload, "prefix": "webkit",
        }]))
    }

    /// As far as it may be said now.
    fn say_what_waits(&mut self) -> Vec<String> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .iter()
            .flat_map(|message| self.encode(message, 0))
            .collect()
    }

    /// The answer to a call: `[error, result]`.
    fn read_ack(&mut self, text: &str) -> Option<Message> {
        let (number, values) = text.split_at(text.find('[')?);
        let values: Value = serde_json::from_str(values).ok()?;
        if !self.joins.remove(&number.parse().ok()?) {
            return None;
        }
        if let Some(reason) = values[0].as_str() {
            return Some(Message::JoinRejected {
                reason: reason.to_owned(),
                message: format!("the server does not let anybody into the room: {reason}"),
            });
        }
        let clients = values[1]["clients"].as_object()?;
        let member = |user_id: &String| Member {
            user_id: user_id.clone(),
            name: user_id.clone(),
        };
        let own = |user_id: &&String| self.id.as_ref() == Some(*user_id);
        Some(Message::Welcome {
            members: clients.keys().filter(|id| !own(id)).map(member).collect(),
            token: None,
            resumed: false,
            user_id: self.id.clone(),
        })
    }

    fn read_event(&mut self, text: &str) -> Option<Message> {
        let event: Value = serde_json::from_str(text).ok()?;
        let kind = event[0].as_str()?;
        let what = &event[1];
        match kind {
            "message" => self.read_message(what),
            "remove" => {
                let user_id = what["id"].as_str()?;
                // Of a screen that is shared no more the type is told; to leave a room is told to oneself, too.
                let is_own = self.id.as_deref() == Some(user_id);
                if is_own || !what["type"].is_null() {
                    self.is_leaving &= !is_own;
                    return Some(other("remove"));
                }
                self.sessions.remove(user_id);
                Some(Message::MemberLeft {
                    user_id: user_id.to_owned(),
                    reason: LeaveReason::Left,
                })
            }
            "stunservers" => {
                self.stun = ice_servers(what);
                Some(self.offered_by_now())
            }
            "turnservers" => {
                self.turn = ice_servers(what);
                Some(self.offered_by_now())
            }
            kind => Some(other(kind)),
        }
    }

    /// Both events add up.
    fn offered_by_now(&self) -> Message {
        Message::IceServers {
            servers: self.stun.iter().chain(&self.turn).cloned().collect(),
        }
    }

    fn read_message(&mut self, what: &Value) -> Option<Message> {
        let (remote, kind) = (what["from"].as_str()?.to_owned(), what["type"].as_str()?);
        let payload = &what["payload"];
        let described = |sdp_type| {
            let sdp = payload["sdp"].as_str()?;
            Some(Message::Description {
                remote: remote.clone(),
                description: Description {
                    sdp_type,
                    sdp: sdp.into(),
                },
            })
        };
        match kind {
            ECHO if self.id.as_ref() == Some(&remote) => Some(Message::Pong),
            "offer" => {
                let session = what["sid"].as_str().map(str::to_owned);
                self.sessions
                    .extend(session.map(|session| (remote.clone(), session)));
                described(SdpType::Offer)
            }
            "answer" => described(SdpType::Answer),
            "candidate" => {
                let inner = &payload["candidate"];
                Some(Message::Candidate {
                    candidate: Candidate {
                        candidate: inner["candidate"].as_str()?.to_owned(),
                        sdp_mid: inner["sdpMid"].as_str().map(str::to_owned),
                        sdp_m_line_index: inner["sdpMLineIndex"].as_u64().and_then(|n| n.try_into().ok()),
                        username_fragment: inner["usernameFragment"].as_str().map(str::to_owned),
                    },
                    remote,
                })
            }
            kind => Some(other(kind)),
        }
    }
}

impl Codec for SimpleWebRtc {
    fn opened(&mut self) -> Vec<String> {
        // Numbers of calls go on: what an earlier socket has asked is nobody's to answer.
        self.id = None;
        (self.is_in, self.is_leaving) = (false, false);
        self.waiting.clear();
        self.joins.clear();
        self.sessions.clear();
        self.stun.clear();
        self.turn.clear();
        Vec::new()
    }

    fn encode(&mut self, message: &Message, _unix_ms: u64) -> Vec<String> {
        // Nobody is anybody before the server has said who.
        let Some(id) = self.id.clone().filter(|_| !self.is_leaving) else {
            self.waiting.push(message.clone());
            return Vec::new();
        };
        let frame = match message {
            Message::Join { .. } => {
                let number = self.next_ack;
                self.next_ack += 1;
                self.joins.insert(number);
                self.is_in = true;
                format!("{EVENT}{number}{}", json!(["join", self.room]))
            }
            Message::Leave => {
                self.sessions.clear();
                self.is_leaving = std::mem::take(&mut self.is_in);
                event(&json!(["leave"]))
            }
            Message::Ping => event(&json!(["message", { "to": id, "type": ECHO }])),
            Message::Description { remote, description } => {
                let (kind, sdp) = match description.sdp_type {
                    SdpType::Offer => ("offer", &description.sdp),
                    SdpType::Answer => ("answer", &description.sdp),
                };
                self.message(remote, kind, json!({ "type": kind, "sdp": &**sdp }))
            }
            Message::Candidate { remote, candidate } => {
                let inner = json!({
                    "candidate": candidate.candidate,
                    "sdpMid": candidate.sdp_mid,
                    "sdpMLineIndex": candidate.sdp_m_line_index,
                    "usernameFragment": candidate.username_fragment,
                });
                self.message(remote, "candidate", json!({ "candidate": inner }))
            }
            _ => return Vec::new(),
        };
        vec![frame]
    }

    fn read(&mut self, text: &str) -> Reading {
        if let Some(event) = text.strip_prefix(EVENT) {
            let was_leaving = self.is_leaving;
            return Reading {
                messages: self.read_event(event).into_iter().collect(),
                replies: if was_leaving {
                    self.say_what_waits()
                } else {
                    Vec::new()
                },
                ..Reading::default()
            };
        }
        if let Some(ack) = text.strip_prefix(ACK) {
            return self.read_ack(ack).map_or_else(Reading::default, Reading::from);
        }
        if let Some(reason) = text.strip_prefix(ERROR) {
            return Reading::from(Message::Error {
                reason: "socket.io".to_owned(),
                message: reason.to_owned(),
                about_join: false,
                about_membership: false,
            });
        }
        let Some(handshake) = text.strip_prefix(OPEN) else {
            return Reading::default();
        };
        let handshake: Value = serde_json::from_str(handshake).unwrap_or_default();
        let Some(id) = handshake["sid"].as_str() else {
            return Reading::default();
        };
        self.id = Some(id.to_owned());
        Reading {
            replies: self.say_what_waits(),
            ..Reading::default()
        }
    }

    fn keepalive(&self) -> Option<Keepalive> {
        Some(Keepalive {
            every: PING_EVERY,
            frame: PING.to_owned(),
        })
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

fn event(values: &Value) -> String {
    format!("{EVENT}{values}")
}

/// A list of `RTCIceServer`, whose `urls`, `url` in its first versions, is one or a list.
fn ice_servers(list: &Value) -> Vec<OfferedIceServer> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let servers = list.as_array().into_iter().flatten().filter_map(|server| {
        let urls = match &server["urls"] {
            Value::Null => &server["url"],
            urls => urls,
        };
        let urls: Vec<String> = match urls {
            Value::Array(urls) => urls.iter().filter_map(text).take(MAX_ICE_SERVERS).collect(),
            url => text(url).into_iter().collect(),
        };
        (!urls.is_empty()).then(|| OfferedIceServer {
            urls,
            username: text(&server["username"]),
            credential: text(&server["credential"]),
        })
    });
    servers.take(MAX_ICE_SERVERS).collect()
}

fn other(kind: &str) -> Message {
    Message::Other {
        kind: kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HANDSHAKE: &str = r#"0{"sid":"A","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#;

    fn ann() -> SimpleWebRtc {
        let mut ann = SimpleWebRtc::new("room-1");
        assert_eq!(ann.opened(), Vec::<String>::new());
        ann.read(HANDSHAKE);
        ann
    }

    fn join() -> Message {
        Message::Join {
            name: "Ann".into(),
            token: None,
            capacity: 10,
            present: Vec::new(),
        }
    }

    #[test]
    fn a_join_waits_for_the_handshake_and_the_answer_names_who_is_there() {
        let mut ann = SimpleWebRtc::new("room-1");
        ann.opened();
        assert!(ann.encode(&join(), 1).is_empty());
        assert_eq!(ann.read(HANDSHAKE).replies, [r#"420["join","room-1"]"#]);
        assert_eq!(ann.read("40"), Reading::default());
        // Recorded: signal-master 1.0.1.
        let ack = r#"430[null,{"clients":{"B":{"screen":false,"video":true,"audio":false},"A":{"screen":false,"video":true,"audio":false}}}]"#;
        let bob = Member {
            user_id: "B".into(),
            name: "B".into(),
        };
        let welcome = Message::Welcome {
            members: vec![bob],
            token: None,
            resumed: false,
            user_id: Some("A".into()),
        };
        assert_eq!(ann.read(ack).messages, [welcome]);
        assert_eq!(ann.read(ack), Reading::default(), "it has answered one join");
    }

    #[test]
    fn a_join_waits_until_the_server_has_told_a_leave_back() {
        let mut ann = ann();
        ann.encode(&join(), 1);
        assert_eq!(ann.encode(&Message::Leave, 1), [r#"42["leave"]"#]);
        assert!(ann.encode(&join(), 1).is_empty());
        assert!(
            ann.encode(&Message::Ping, 1).is_empty(),
            "it would overtake the join"
        );
        assert!(ann.read(r#"42["remove",{"id":"B"}]"#).replies.is_empty());
        let said = ann.read(r#"42["remove",{"id":"A"}]"#).replies;
        assert!(
            said.len() == 2 && said[0] == r#"421["join","room-1"]"#,
            "{said:?}"
        );
        // Who has not joined is told nothing back.
        let mut bob = self::ann();
        bob.encode(&Message::Leave, 1);
        assert_eq!(bob.encode(&join(), 1).len(), 1);
    }

    #[test]
    fn a_full_room_refuses() {
        let mut ann = ann();
        ann.encode(&join(), 1);
        let messages = ann.read(r#"430["full"]"#).messages;
        assert!(
            matches!(&messages[..], [Message::JoinRejected { reason, .. }] if reason == "full"),
            "{messages:?}"
        );
    }

    /// What the server makes of a message from `from`.
    fn relayed(frame: &str, from: &str) -> String {
        let mut event: Value =
            serde_json::from_str(frame.strip_prefix(EVENT).expect("an event")).expect("JSON");
        event[1]["from"] = from.into();
        super::event(&event)
    }

    #[test]
    fn what_one_user_signals_the_addressed_one_reads() {
        let (mut ann, mut bob) = (ann(), SimpleWebRtc::new("room-1"));
        bob.read(r#"0{"sid":"B"}"#);
        let described = |remote: &str, sdp_type| Message::Description {
            remote: remote.into(),
            description: Description {
                sdp_type,
                sdp: "v=0\r\n".into(),
            },
        };
        let candidate = |remote: &str| Message::Candidate {
            remote: remote.into(),
            candidate: Candidate {
                candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".into(),
                sdp_mid: Some("0".into()),
                sdp_m_line_index: Some(0),
                username_fragment: Some("abcd".into()),
            },
        };
        let offer = ann.encode(&described("B", SdpType::Offer), 1).remove(0);
        assert_eq!(
            bob.read(&relayed(&offer, "A")).messages,
            [described("A", SdpType::Offer)]
        );
        let answer = bob.encode(&described("A", SdpType::Answer), 1).remove(0);
        assert_eq!(
            ann.read(&relayed(&answer, "B")).messages,
            [described("B", SdpType::Answer)]
        );
        let trickled = bob.encode(&candidate("A"), 1).remove(0);
        assert_eq!(ann.read(&relayed(&trickled, "B")).messages, [candidate("B")]);
        // One connection is one session, whoever has named it.
        let session = |frame: &str| {
            let event: Value = serde_json::from_str(&frame[2..]).expect("JSON");
            event[1]["sid"].clone()
        };
        assert_eq!(session(&offer), session(&answer));
        assert_eq!(session(&offer), session(&trickled));
    }

    #[test]
    fn a_message_to_oneself_shows_that_all_before_it_was_relayed() {
        let mut ann = ann();
        let ping = ann.encode(&Message::Ping, 1).remove(0);
        assert_eq!(ann.read(&relayed(&ping, "A")).messages, [Message::Pong]);
        assert_eq!(
            ann.read("3"),
            Reading::default(),
            "the keepalive's answer is none"
        );
        let forged = ann.read(&relayed(&ping, "B")).messages;
        assert_ne!(forged, [Message::Pong]);
    }

    #[test]
    fn who_leaves_is_told_but_of_oneself_and_of_screens() {
        let mut ann = ann();
        let left = ann.read(r#"42["remove",{"id":"B"}]"#).messages;
        let of_bob = Message::MemberLeft {
            user_id: "B".into(),
            reason: LeaveReason::Left,
        };
        assert_eq!(left, [of_bob]);
        for nothing in [
            r#"42["remove",{"id":"A"}]"#,
            r#"42["remove",{"id":"B","type":"screen"}]"#,
        ] {
            assert_eq!(ann.read(nothing).messages, [other("remove")], "{nothing}");
        }
    }

    #[test]
    fn stun_and_turn_servers_that_a_socket_is_offered_add_up() {
        let server = |url: &str, account: Option<(&str, &str)>| OfferedIceServer {
            urls: vec![url.to_owned()],
            username: account.map(|(username, _)| username.to_owned()),
            credential: account.map(|(_, credential)| credential.to_owned()),
        };
        let stun = server("stun:stun.example.org:3478", None);
        let turn = server("turn:turn.example.org:3478", Some(("1795473642", "rhW49yt2+/0=")));
        let mut ann = ann();
        // As signal-master 1.0.1 sends them behind the handshake.
        let said = ann
            .read(r#"42["stunservers",[{"urls":"stun:stun.example.org:3478"}]]"#)
            .messages;
        assert_eq!(
            said,
            [Message::IceServers {
                servers: vec![stun.clone()]
            }]
        );
        let text = r#"42["turnservers",[{"username":"1795473642","credential":"rhW49yt2+/0=","urls":["turn:turn.example.org:3478"]},{"username":"u"}]]"#;
        let servers = vec![stun.clone(), turn];
        assert_eq!(ann.read(text).messages, [Message::IceServers { servers }]);
        assert!(!format!("{:?}", ann.read(text)).contains("rhW49yt2"));
        // Another event takes the place of the last one of its kind.
        let text = r#"42["turnservers",[]]"#;
        let servers = vec![stun];
        assert_eq!(ann.read(text).messages, [Message::IceServers { servers }]);
        // Another socket is offered its own.
        ann.opened();
        let text = r#"42["turnservers",[{"url":"turn:a"}]]"#;
        let servers = vec![server("turn:a", None)];
        assert_eq!(ann.read(text).messages, [Message::IceServers { servers }]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            ann().read(&text);
        }

        #[test]
        fn any_packet_is_survived(
            packet in prop::sample::select(vec!["0", "2", "3", "40", "42", "430", "44"]),
            event in prop::sample::select(vec!["message", "remove", "stunservers", "turnservers"]),
            kind in prop::sample::select(vec!["offer", "answer", "candidate", ECHO]),
            value in prop::sample::select(vec!["null", "7", "\"x\"", "[]", "{}", "{\"candidate\":7}"]),
        ) {
            for text in [
                format!(r#"{packet}["{event}",{{"from":"B","type":"{kind}","payload":{value}}}]"#),
                format!(r#"{packet}["{event}",{value}]"#),
                format!("{packet}{value}"),
            ] {
                ann().read(&text);
            }
        }
    }
}
