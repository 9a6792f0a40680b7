use std::{collections::BTreeMap, time::Duration};

use reference_server::room::{ClientId, Hub, HubConfig, Now, Output, Violation};
use serde_json::{Value, json};

/// A hub with a clock that only moves when told, and what each client has received since it last looked.
pub struct World {
    pub hub: Hub,
    pub now: Now,
    inboxes: BTreeMap<u64, Vec<Value>>,
    closed: BTreeMap<u64, u16>,
}

impl World {
    pub fn new(config: HubConfig) -> Self {
        let now = Now {
            since_start: Duration::ZERO,
            unix_ms: 1_795_470_000_000,
        };
        Self {
            hub: Hub::new(config, 7),
            now,
            inboxes: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    pub fn connect(&mut self, client: u64) {
        self.hub.connect(ClientId(client), self.now);
        self.drain();
    }

    pub fn disconnect(&mut self, client: u64) {
        self.hub.disconnect(ClientId(client), self.now);
        self.drain();
    }

    pub fn send(&mut self, client: u64, frame: Value) {
        self.send_text(client, &frame.to_string());
    }

    pub fn send_text(&mut self, client: u64, text: &str) {
        self.hub.frame(ClientId(client), text, self.now);
        self.drain();
    }

    pub fn violate(&mut self, client: u64, violation: Violation) {
        self.hub.violation(ClientId(client), violation, self.now);
        self.drain();
    }

    /// Lets time pass, stopping at every deadline on the way.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.since_start + Duration::from_millis(ms);
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= until) {
            self.jump(due.max(self.now.since_start));
            self.hub.handle_timeout(self.now);
            self.drain();
        }
        self.jump(until);
    }

    fn jump(&mut self, to: Duration) {
        self.now.unix_ms += u64::try_from((to - self.now.since_start).as_millis()).expect("short");
        self.now.since_start = to;
    }

    fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, frame } => {
                    let frame = serde_json::from_str(&frame).expect("the server sends JSON");
                    self.inboxes.entry(to.0).or_default().push(frame);
                }
                Output::Close { client, code, .. } => drop(self.closed.insert(client.0, code)),
            }
        }
    }

    /// What the client has received since the last look.
    pub fn take(&mut self, client: u64) -> Vec<Value> {
        self.inboxes.remove(&client).unwrap_or_default()
    }

    /// The types of what the client has received since the last look.
    pub fn types(&mut self, client: u64) -> Vec<String> {
        self.take(client)
            .iter()
            .map(|frame| frame["type"].as_str().expect("a type").into())
            .collect()
    }

    pub fn forget_inboxes(&mut self) {
        self.inboxes.clear();
    }

    pub fn close_code(&self, client: u64) -> Option<u16> {
        self.closed.get(&client).copied()
    }

    /// Connects a client and joins it to room `r`, which is opened if need be; returns the token.
    pub fn join(&mut self, client: u64, user: &str, name: &str) -> String {
        self.connect(client);
        self.send(client, join(user, name));
        let frames = self.take(client);
        let answer = frames
            .iter()
            .find(|frame| frame["type"] == "existing-participants");
        answer.expect("the join is confirmed")["token"]
            .as_str()
            .expect("a token")
            .into()
    }

    /// The user ids in room `r`, in the order in which they joined.
    pub fn members(&self) -> Vec<String> {
        let room = self.hub.room("r");
        room.map(|room| room.members.into_iter().map(|member| member.user_id).collect())
            .unwrap_or_default()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

pub fn join(user: &str, name: &str) -> Value {
    json!({"type": "user-joined-room", "channel": "webrtc-dashboard-rooms",
           "roomId": "r", "userId": user, "userName": name, "create": true})
}

pub fn rejoin(user: &str, name: &str, token: &str) -> Value {
    let mut frame = join(user, name);
    frame["token"] = token.into();
    frame["create"] = false.into();
    frame
}

pub fn leave(user: &str) -> Value {
    json!({"type": "user-left-room", "channel": "webrtc-dashboard-rooms", "roomId": "r", "userId": user})
}

pub fn offer(from: &str, to: &str) -> Value {
    json!({"type": "webrtc-offer", "channel": "webrtc-signaling", "sender": "tab-1", "timestamp": 1,
           "data": {"roomId": "r", "fromUserId": from, "toUserId": to,
                    "offer": {"type": "offer", "sdp": "v=0\r\n"}}})
}
