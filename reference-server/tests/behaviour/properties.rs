//! Whatever clients send, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reference_server::room::{ClientId, Hub, HubConfig, Now, Output, RelayMode};
use serde_json::{Value, json};

use crate::world::leave;

const CLIENTS: u64 = 4;
const MAX_PARTICIPANTS: u32 = 3;

#[derive(Debug, Clone)]
enum Act {
    Connect(u64),
    Disconnect(u64),
    Frame(u64, String),
    /// A join with the token that this user was last given in that room.
    Takeover(u64, String, String),
    Pass(u64),
}

fn user() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]", Just("c".to_owned())]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Bob"),
        Just("bOB"),
        Just("İ"),
        Just("i̇"),
        Just("Zoë"),
        Just("ZOË"),
        Just("x")
    ]
    .prop_map(Into::into)
}

fn room() -> impl Strategy<Value = String> {
    prop_oneof![Just("r".to_owned()), Just("s".to_owned())]
}

fn likely() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        8 => Just("user-joined-room"), 3 => Just("user-left-room"), 2 => Just("create-room"),
        1 => Just("room-created"), 1 => Just("room-removed"), 2 => Just("webrtc-offer"), 1 => Just("x"),
        1 => Just("join-request"), 1 => Just("join-approved"), 1 => Just("subscribe"), 1 => Just("room-status"),
        1 => Just("room-list-request"),
    ];
    (kind, room(), user(), name(), user(), any::<[bool; 2]>()).prop_map(
        |(kind, room, user, name, to, flags)| {
            let fields = json!({
                "roomId": room, "userId": user, "userName": name, "create": flags[0], "roomName": "R",
                "hostId": user, "hostName": name, "fromUserId": user, "toUserId": to, "requestId": to,
                "maxParticipants": MAX_PARTICIPANTS,
            });
            let channel = "webrtc-dashboard-access";
            if flags[1] {
                return json!({"type": kind, "channel": channel, "data": fields, "sender": "t"}).to_string();
            }
            let mut flat = fields;
            flat["type"] = kind.into();
            flat["channel"] = channel.into();
            flat.to_string()
        },
    )
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("type"),
        Just("channel"),
        Just("data"),
        Just("roomId"),
        Just("userId"),
        Just("userName"),
        Just("token"),
        Just("create"),
        Just("maxParticipants"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("user-joined-room")),
        Just(json!("r")),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| map
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

/// Nested without end, out of every range, nobody's type, or addressed into the void.
fn abuse() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(format!(r#"{{"type":"ping","data":{}"#, "[".repeat(10_000))),
        Just(r#"{"type":"user-joined-room","roomId":"r","userId":"a","userName":"N","create":true,"maxParticipants":1e400}"#.to_owned()),
        Just(r#"{"type":"user-joined-room","roomId":"r","userId":"a","userName":"N","create":true,"maxParticipants":99999999999}"#.to_owned()),
        Just(r#"{"type":"user-joined-room","roomId":"q","userId":"q","userName":"N","create":true,"maxParticipants":4000000000}"#.to_owned()),
        Just(r#"{"type":"webrtc-answer","roomId":"r","fromUserId":"a","toUserId":"nobody"}"#.to_owned()),
        Just(r#"{"type":"user-left-room","roomId":"nowhere","userId":"a"}"#.to_owned()),
        Just("\u{0}\u{feff}{}".to_owned()),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let client = || 0..CLIENTS;
    prop_oneof![
        3 => client().prop_map(Act::Connect),
        2 => client().prop_map(Act::Disconnect),
        12 => (client(), likely()).prop_map(|(client, text)| Act::Frame(client, text)),
        3 => (client(), user(), room()).prop_map(|(client, user, room)| Act::Takeover(client, user, room)),
        1 => (client(), any_json()).prop_map(|(client, json)| Act::Frame(client, json.to_string())),
        1 => (client(), ".{0,40}").prop_map(|(client, text)| Act::Frame(client, text)),
        1 => (client(), abuse()).prop_map(|(client, text)| Act::Frame(client, text)),
        2 => (0_u64..3_000).prop_map(Act::Pass),
    ]
}

/// Plays the acts with ids that are never used twice, and checks the roster after each.
struct Play {
    hub: Hub,
    now: Now,
    sockets: BTreeMap<u64, ClientId>,
    next: u64,
    open: BTreeSet<ClientId>,
    tokens: BTreeMap<(String, String), String>,
    log: Vec<String>,
}

impl Play {
    fn new(relay_mode: RelayMode, grace_ms: u64) -> Self {
        let grace = std::time::Duration::from_millis(grace_ms);
        let hub = Hub::new(
            HubConfig {
                relay_mode,
                grace,
                ..HubConfig::default()
            },
            1,
        );
        Self {
            hub,
            now: Now::default(),
            sockets: BTreeMap::new(),
            next: 0,
            open: BTreeSet::new(),
            tokens: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Connect(slot) => {
                self.next += 1;
                let client = ClientId(self.next);
                if let Some(old) = self.sockets.insert(*slot, client) {
                    self.open.remove(&old);
                    self.hub.disconnect(old, self.now);
                }
                self.open.insert(client);
                self.hub.connect(client, self.now);
            }
            Act::Disconnect(slot) => {
                if let Some(client) = self.sockets.remove(slot) {
                    self.open.remove(&client);
                    self.hub.disconnect(client, self.now);
                }
            }
            Act::Frame(slot, text) => {
                if let Some(client) = self.sockets.get(slot).copied() {
                    self.send(client, text);
                }
            }
            Act::Takeover(slot, user, room) => {
                let token = self.tokens.get(&(room.clone(), user.clone()));
                let frame = json!({"type": "user-joined-room", "roomId": room, "userId": user,
                                   "userName": format!("{user}!"), "token": token});
                if let Some(client) = self.sockets.get(slot).copied() {
                    self.send(client, &frame.to_string());
                }
            }
            Act::Pass(ms) => {
                self.now.since_start += std::time::Duration::from_millis(*ms);
                self.hub.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    /// Sends a text; when it is refused, only its sender hears of it.
    fn send(&mut self, client: ClientId, text: &str) {
        let before = (self.hub.rooms(), self.hub.stats().refused.total());
        self.hub.frame(client, text, self.now);
        let refused = self.hub.last_refusal().is_some();
        assert_eq!(self.hub.stats().refused.total(), before.1 + u64::from(refused));
        if refused {
            assert_eq!(
                self.hub.rooms(),
                before.0,
                "a refused frame changes nothing: {text}"
            );
            let heard = self.log.len();
            self.drain();
            assert_eq!(self.log.len(), heard + 1, "one answer: {text}");
            let sender = format!("Send {{ to: {client:?}");
            assert!(
                self.log[heard].starts_with(&sender),
                "{} for {text}",
                self.log[heard]
            );
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            self.log.push(format!("{output:?}"));
            match output {
                Output::Send { to, frame } => {
                    assert!(
                        self.open.contains(&to),
                        "a frame to a closed socket {to}: {frame}"
                    );
                    let frame: Value = serde_json::from_str(&frame).expect("the server sends JSON");
                    if frame["type"] == "existing-participants" {
                        let text = |key: &str| frame[key].as_str().expect("a text").to_owned();
                        self.tokens
                            .insert((text("roomId"), text("userId")), text("token"));
                    }
                }
                Output::Close { client, .. } => assert!(self.open.remove(&client), "closed twice: {client}"),
            }
        }
    }

    fn check(&self) {
        for room in self.hub.rooms() {
            let ids: BTreeSet<_> = room.members.iter().map(|member| &member.user_id).collect();
            let names: BTreeSet<_> = room
                .members
                .iter()
                .map(|member| member.name.to_lowercase())
                .collect();
            assert!(!room.members.is_empty(), "an empty room: {room:?}");
            assert_eq!(ids.len(), room.members.len(), "one user twice: {room:?}");
            assert_eq!(names.len(), room.members.len(), "one name twice: {room:?}");
            assert_eq!(self.hub.room(&room.id).as_ref(), Some(&room));
        }
        assert_eq!(self.hub.stats().clients, self.open.len());
        let deadline = self.hub.poll_timeout();
        assert!(
            deadline.is_none_or(|due| due > self.now.since_start),
            "a deadline was missed"
        );
    }

    fn check_scoped(&self) {
        for room in self.hub.rooms() {
            assert!(
                room.members.len() <= room.max_participants as usize,
                "too full: {room:?}"
            );
            assert!(
                room.member(&room.host_id).is_some(),
                "the host is not there: {room:?}"
            );
        }
        let away = self
            .hub
            .rooms()
            .iter()
            .flat_map(|room| room.members.clone())
            .any(|member| !member.connected);
        assert_eq!(
            self.hub.poll_timeout().is_some(),
            away,
            "a timer runs exactly while somebody is away"
        );
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rooms_mode_never_corrupts_its_roster(
        acts in prop::collection::vec(act(), 1..120),
        grace_ms in prop_oneof![Just(0_u64), Just(5_000)],
    ) {
        let mut play = Play::new(RelayMode::Rooms, grace_ms);
        for act in &acts {
            play.act(act);
            play.check();
            play.check_scoped();
        }
        // Everybody goes: nothing is left.
        for slot in 0..CLIENTS {
            play.act(&Act::Disconnect(slot));
        }
        play.act(&Act::Pass(5_000));
        prop_assert_eq!(play.hub.rooms(), vec![]);
        prop_assert_eq!(play.hub.poll_timeout(), None);
    }

    #[test]
    fn deployed_mode_never_corrupts_its_roster(acts in prop::collection::vec(act(), 1..120)) {
        let mut play = Play::new(RelayMode::Deployed, 5_000);
        for act in &acts {
            play.act(act);
            play.check();
        }
    }

    #[test]
    fn the_same_acts_give_the_same_frames(acts in prop::collection::vec(act(), 1..60)) {
        let run = || {
            let mut play = Play::new(RelayMode::Rooms, 5_000);
            acts.iter().for_each(|act| play.act(act));
            play.log
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), json in any_json()) {
        for text in [text, json.to_string(), leave("a").to_string()] {
            if let Ok(envelope) = reference_server::protocol::Envelope::parse(&text) {
                let _ = reference_server::protocol::ClientFrame::read(&envelope);
            }
        }
    }
}
